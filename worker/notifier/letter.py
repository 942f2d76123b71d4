"""A mail with its headers, none of which a value from the database can break: the same facts as text and as HTML."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from common.clock import PARIS
from worker.notifier.content import Content
from worker.notifier.delivery import Addressee, DeliveryRefusedError, Message
from worker.notifier.html import render_html
from worker.notifier.mail import Mailer
from worker.notifier.plain import render_text

_SENDER_NAME = "Module Préfecture"


@dataclass(frozen=True)
class MailSender:
    """Sends by mail, to the address of an agent."""

    mailer: Mailer
    mail_from: str

    def identify(self, message: Message, addressee: Addressee) -> str:
        """The Message-ID (RFC 5322, section 3.6.4) of the mail about something to an address."""
        domain = parseaddr(self.mail_from)[1].rpartition("@")[2]
        return f"<{digest(message.about)}.{digest(addressee.address)}@{domain}>"

    def send(self, message: Message, addressee: Addressee, message_id: str) -> None:
        """Hand the mail over, as `Sender` says."""
        self.mailer.send(compose(message.content, addressee.address, mail_from=self.mail_from, message_id=message_id))


def compose(content: Content, recipient: str, *, mail_from: str, message_id: str) -> EmailMessage:
    """The mail to one recipient: multipart/alternative, in UTF-8.

    Raises:
        DeliveryRefusedError: what stands in the table of agents is not one address.
    """
    name, address = parseaddr(mail_from)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name or _SENDER_NAME, addr_spec=address)
    message["To"] = _address(recipient)
    message["Subject"] = content.subject
    message["Date"] = format_datetime(datetime.now(PARIS))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    message["Content-Language"] = "fr"
    message.set_content(render_text(content), cte="quoted-printable")
    message.add_alternative(render_html(content), subtype="html", cte="quoted-printable")
    return message


def digest(text: str) -> str:
    """A short word that stands for a text, always the same, and does not tell it."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _address(email: str) -> Address:
    try:
        return Address(addr_spec=email)
    except (MessageError, ValueError, IndexError):
        raise DeliveryRefusedError("adresse invalide") from None
