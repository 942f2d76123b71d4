"""Mails: composed with headers that no value from the database can break, sent by a mail server or into a folder.

They are plain text. A failure is either delayed or refused.
"""

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import SecretStr

from common.calendrier import PARIS
from common.texte import clean
from worker.error_policy import conclude
from worker.errors import ExhaustedError
from worker.exports.storage import PendingFile, publish
from worker.notifier.channels.delivery import (
    LONGEST_DIALOGUE_SECONDS,
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    cut_after,
    digest,
)
from worker.notifier.messages.text import Text

Security = Literal["none", "starttls", "tls"]

CONNECT_SECONDS = 30
"""For a connection and the greeting of a mail server."""

ANSWER_SECONDS = 600
"""For each answer of a mail server: after the final dot it may be delivering (RFC 5321, section 4.5.3.2.6)."""

PERMANENT = 500
"""A reply with this code or a higher one is final (RFC 5321, section 4.2.1)."""

SendMail = Callable[[EmailMessage], None]
"""Delivers a mail durably to its only recipient; raises the errors of `ChannelSender.send`."""


@dataclass(frozen=True)
class MailSender:
    """Sends a mail to the address of an agent."""

    send_mail: SendMail
    mail_from: str

    def send(self, message: Message, addressee: Addressee) -> None:
        """Send the message, as described in `ChannelSender`; equal subjects and addresses have equal Message-IDs."""
        domain = parseaddr(self.mail_from)[1].rpartition("@")[2]
        message_id = f"<{digest(message.about)}.{digest(addressee.address)}@{domain}>"
        self.send_mail(compose(message.text(), addressee.address, mail_from=self.mail_from, message_id=message_id))

    def check(self, address: str) -> None:
        """Check an address, as described in `ChannelSender`."""
        _address(address)


def compose(text: Text, recipient: str, *, mail_from: str, message_id: str) -> EmailMessage:
    """Return the mail to one recipient: plain text in UTF-8.

    Raises:
        DeliveryRefusedError: the value in the table of agents is not a single address.
    """
    name, address = parseaddr(mail_from)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name or "Module Préfecture", addr_spec=address)
    message["To"] = _address(recipient)
    message["Subject"] = text.subject
    message["Date"] = format_datetime(datetime.now(PARIS))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    message["Content-Language"] = "fr"
    if text.reference:
        message["X-Correlation-ID"] = text.reference
    message.set_content(text.mail, cte="quoted-printable")
    return message


@dataclass
class SmtpMailer:
    """A mail server; its certificate is verified. Each mail has its own connection."""

    host: str
    port: int
    security: Security = "none"
    user: str = ""
    password: SecretStr | None = None
    answer_seconds: float = ANSWER_SECONDS
    whole_seconds: float = LONGEST_DIALOGUE_SECONDS

    def send(self, message: EmailMessage) -> None:
        """Send the mail to the server, as described in `SendMail`."""
        server: smtplib.SMTP | None = None
        try:
            if self.security == "tls":
                context = ssl.create_default_context()
                server = smtplib.SMTP_SSL(self.host, self.port, timeout=CONNECT_SECONDS, context=context)
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=CONNECT_SECONDS)
            sock: Any = server.sock
            with cut_after(self.whole_seconds, sock):
                sock.settimeout(self.answer_seconds)
                if self.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.user and self.password:
                    server.login(self.user, self.password.get_secret_value())
                _deliver(server, message)
        except (smtplib.SMTPException, OSError) as trouble:
            if isinstance(conclude(trouble), ExhaustedError):
                raise
            is_answer = isinstance(trouble, smtplib.SMTPResponseException)
            raise DeliveryDelayedError(_describe(trouble), is_away=server is None and not is_answer) from None
        finally:
            if server is not None:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()


@dataclass(frozen=True)
class FolderMailer:
    """A folder with one .eml file per mail, named after its Message-ID: a second copy of a mail replaces the first."""

    folder: Path

    def send(self, message: EmailMessage) -> None:
        """Write the mail, whole or not at all, as described in `SendMail`."""
        name = re.sub(r"[^A-Za-z0-9.@_-]", "_", message["Message-ID"].strip("<>")) + ".eml"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with PendingFile(self.folder, name, owner=uuid4().hex) as file:
                file.write(message.as_bytes())
                file.finish()
                publish([file])
        except OSError as trouble:
            raise DeliveryDelayedError(_describe(trouble)) from None


def _deliver(server: smtplib.SMTP, message: EmailMessage) -> None:
    answer: bytes | str
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused as refusal:
        ((code, answer),) = refusal.recipients.values()
    except smtplib.SMTPDataError as refusal:
        code, answer = refusal.smtp_code, refusal.smtp_error
    except smtplib.SMTPNotSupportedError as refusal:
        raise DeliveryRefusedError(str(refusal)) from None
    else:
        return
    if code >= PERMANENT:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        raise DeliveryRefusedError(clean(f"{code} {text}"))
    raise DeliveryDelayedError(str(code))


def _describe(trouble: Exception) -> str:
    code = trouble.smtp_code if isinstance(trouble, smtplib.SMTPResponseException) else ""
    return f"{type(trouble).__name__} {code}".strip()


def _address(email: str) -> Address:
    try:
        return Address(addr_spec=email)
    except (MessageError, ValueError, IndexError):
        raise DeliveryRefusedError("adresse invalide") from None
