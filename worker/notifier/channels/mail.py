"""Mails: composed with headers that no value from the database can break, sent by a mail server or into a folder.

They are plain text. A failure is either delayed or refused.
"""

import io
import re
import smtplib
import socket
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
from typing import Literal
from uuid import uuid4

from pydantic import SecretStr

from common.calendrier import PARIS
from common.texte import clean, without_controls
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
    dial,
    digest,
)
from worker.notifier.messages.text import Text

Security = Literal["none", "starttls", "tls"]

CONNECT_SECONDS, QUIT_SECONDS = 30, 5
"""For all attempts to connect, then for each line of the greeting; for QUIT, which comes after the result."""

ANSWER_SECONDS = 600
"""For each answer of a mail server: after the final dot it may be delivering (RFC 5321, section 4.5.3.2.6)."""

MOST_REPLY_BYTES, MOST_REFUSAL = 1 << 16, 500
"""Of all replies to one mail, the bytes that are read; of a refusal, the characters that are kept."""

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
        self.send_mail(
            compose(
                message.text(), addressee.address, mail_from=self.mail_from, message_id=message_id
            )
        )

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
        server: _Server | None = None
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            sock = dial([str(entry[4][0]) for entry in found], self.port, CONNECT_SECONDS)
            with cut_after(self.whole_seconds, sock):
                sock.settimeout(CONNECT_SECONDS)
                if self.security == "tls":
                    sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.host)
                server = _Server(self.host, sock)
                sock.settimeout(self.answer_seconds)
                if self.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.user and self.password:
                    server.login(self.user, self.password.get_secret_value())
                _deliver(server, message)
        except (smtplib.SMTPException, OSError) as trouble:
            if isinstance(conclude(trouble), ExhaustedError):
                raise
            code = getattr(trouble, "smtp_code", "")
            reason = f"{type(trouble).__name__} {code}".strip()
            raise DeliveryDelayedError(reason, is_away=server is None and not code) from None
        finally:
            if server is not None and server.sock is not None:
                with suppress(smtplib.SMTPException, OSError), cut_after(QUIT_SECONDS, server.sock):
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
            raise DeliveryDelayedError(type(trouble).__name__) from None


class _Server(smtplib.SMTP):
    """The dialogue on an open connection: `smtplib` bounds a line of a reply, not a reply."""

    def __init__(self, host: str, sock: socket.socket) -> None:
        self._connected = sock
        super().__init__(host)

    def connect(self, *_: object, **_named: object) -> tuple[int, bytes]:
        self.sock = self._connected
        return self.getreply()

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Replies(self.sock.makefile("rb", buffering=0))
        return super().getreply()


class _Replies(io.BufferedReader):
    """A stream that ends after MOST_REPLY_BYTES."""

    _left = MOST_REPLY_BYTES

    def readline(self, size: int | None = None) -> bytes:
        line = super().readline(min(size or MOST_REPLY_BYTES, self._left))
        self._left -= len(line)
        return line


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
        raise DeliveryRefusedError(clean(without_controls(f"{code} {text}"))[:MOST_REFUSAL])
    raise DeliveryDelayedError(str(code))


def _address(email: str) -> Address:
    try:
        return Address(addr_spec=email)
    except (MessageError, ValueError, IndexError):
        raise DeliveryRefusedError("adresse invalide") from None
