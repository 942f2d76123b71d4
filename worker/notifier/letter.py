"""A mail with its headers, none of which a value from the database can break."""

import hashlib
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from worker.domain.heure import PARIS
from worker.exports.models import Request
from worker.notifier.mail import MailRefusedError
from worker.notifier.news import News
from worker.notifier.texts import body, subject

_SENDER_NAME = "Module Préfecture"


def message_id(request: Request, email: str, mail_from: str) -> str:
    """The Message-ID (RFC 5322, section 3.6.4) of the mail about a request to an address: always the same one."""
    of_request = _digest(f"{request.source}\n{request.event_id}")
    return f"<{of_request}.{_digest(email)}@{parseaddr(mail_from)[1].rpartition('@')[2]}>"


def compose(news: News, recipient: str, *, mail_from: str, message_id: str, public_url: str) -> EmailMessage:
    """The mail to one recipient, as text/plain in UTF-8.

    Raises:
        MailRefusedError: what stands in the table of agents is not one address.
    """
    name, address = parseaddr(mail_from)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name or _SENDER_NAME, addr_spec=address)
    message["To"] = _address(recipient)
    message["Subject"] = subject(news)
    message["Date"] = format_datetime(datetime.now(PARIS))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    message["Content-Language"] = "fr"
    message.set_content(body(news, public_url), cte="quoted-printable")
    return message


def _address(email: str) -> Address:
    try:
        return Address(addr_spec=email)
    except (MessageError, ValueError, IndexError):
        raise MailRefusedError("adresse invalide") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
