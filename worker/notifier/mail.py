"""How a mail leaves: by a mail server, or into a folder; two kinds of failure, by what is to be done about them."""

import re
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Protocol
from uuid import uuid4

from pydantic import SecretStr

from worker.domain.texte import clean
from worker.exports.storage import PendingFile, publish
from worker.notifier.delivery import DeliveryDelayedError, DeliveryRefusedError

Security = Literal["none", "starttls", "tls"]

TIMEOUT_SECONDS = 10
"""For each answer of the mail server."""

REST_SECONDS = 5
"""How long an absent mail server is left alone: it costs one time-out now and then, not one per mail."""

_PERMANENT = 500
"""Answers from here on are final (RFC 5321, section 4.2.1)."""


class Mailer(Protocol):
    """Sends a mail to its only recipient."""

    def send(self, message: EmailMessage) -> None:
        """Hand the mail over for good.

        Raises:
            DeliveryDelayedError: it may be tried again later.
            DeliveryRefusedError: this recipient will never get it.
        """


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
