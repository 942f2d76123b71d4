"""Mails: written with headers that no value from the database can break, sent by a mail server or into a folder.

The same facts go as text and as HTML. A failure is of one of two kinds, by what is to be done about it.
"""

import re
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Literal, Protocol
from uuid import uuid4

from pydantic import SecretStr

from common.clock import PARIS
from worker.domain.texte import clean
from worker.exports.storage import PendingFile, publish
from worker.notifier.channels.delivery import (
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    digest,
)
from worker.notifier.messages.content import Content
from worker.notifier.messages.render import render_html, render_text

Security = Literal["none", "starttls", "tls"]

TIMEOUT_SECONDS = 10
"""For each answer of the mail server."""

REST_SECONDS = 5
"""How long an absent mail server is left alone: it costs one time-out now and then, not one per mail."""

_PERMANENT = 500
"""Answers from here on are final (RFC 5321, section 4.2.1)."""

_SENDER_NAME = "Module Préfecture"


class Mailer(Protocol):
    """Sends a mail to its only recipient."""

    def send(self, message: EmailMessage) -> None:
        """Hand the mail over for good.

        Raises:
            DeliveryDelayedError: it may be tried again later.
            DeliveryRefusedError: this recipient will never get it.
        """


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
        """Hand the mail over, as `ChannelSender` says."""
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


@dataclass
class SmtpMailer:
    """A mail server, one connection per mail; its certificate is verified."""

    host: str
    port: int
    security: Security = "none"
    user: str = ""
    password: SecretStr | None = None
    rest_seconds: float = REST_SECONDS
    _rest_until: float = field(default=0, init=False)

    def send(self, message: EmailMessage) -> None:
        """Hand the mail to the server, as `Mailer` says."""
        if time.monotonic() < self._rest_until:
            raise DeliveryDelayedError("resting")
        try:
            server = self._connect()
            try:
                self._introduce(server)
                _deliver(server, message)
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        except (smtplib.SMTPException, OSError) as trouble:
            self._rest_until = time.monotonic() + self.rest_seconds
            raise DeliveryDelayedError(_describe(trouble)) from None

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)

    def _introduce(self, server: smtplib.SMTP) -> None:
        if self.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if self.user and self.password:
            server.login(self.user, self.password.get_secret_value())


@dataclass(frozen=True)
class FolderMailer:
    """A folder that gets one .eml file per mail, named for its Message-ID: the same mail twice is one file."""

    folder: Path

    def send(self, message: EmailMessage) -> None:
        """Write the mail, whole or not at all, as `Mailer` says."""
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
    if code >= _PERMANENT:
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
