"""Mails: written with headers that no value from the database can break, sent by a mail server or into a folder.

The same facts go as text and as HTML. A failure is of one of two kinds, by what is to be done about it.
"""

import math
import re
import smtplib
import socket
import ssl
import threading
import time
from binascii import b2a_qp
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

from pydantic import SecretStr

from common.calendrier import PARIS
from common.texte import clean
from worker.error_policy import Treatment, find_answer
from worker.exports.storage import PendingFile, publish
from worker.notifier.channels.delivery import (
    LONGEST_DIALOGUE_SECONDS,
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    digest,
)
from worker.notifier.messages.content import Content
from worker.notifier.messages.render import render_html, render_text

Security = Literal["none", "starttls", "tls"]

REST_SECONDS = 1
"""How long an absent mail server is left alone: it costs one time-out now and then, not one per mail."""

KEPT_SECONDS = 2
"""How long a connection waits for the next mail."""

_SENDER_NAME = "Module Préfecture"


@dataclass(frozen=True)
class Timeouts:
    """How long a mail server may take, in seconds (RFC 5321, section 4.5.3.2): who gives up sooner sends twice."""

    connect: float = 30
    """Ours: the RFC says nothing of a host that does not answer at all."""
    command: float = 300
    """The greeting, MAIL, RCPT."""
    data: float = 120
    block: float = 180
    end: float = 600
    """After the final dot: the server may be delivering it."""
    whole: float = LONGEST_DIALOGUE_SECONDS
    """Ours: of the whole dialogue, whatever is said."""


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
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = "multipart/alternative"
    message.set_payload([_part("plain", render_text(content)), _part("html", render_html(content))])
    return message


def _part(kind: str, text: str) -> MIMEPart:
    """As `set_content` makes it, in a tenth of its time: it encodes letter by letter."""
    part = MIMEPart(policy=SMTP)
    part["Content-Type"] = f'text/{kind}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(b2a_qp(text.encode(), istext=True).decode("ascii"))
    return part


@dataclass
class SmtpMailer:
    """A mail server; its certificate is verified.

    Connections are kept for the next mails, for a short while, as many as were wanted at once. One that was kept and
    does not take a mail any more says nothing of the server: a new one is tried.
    """

    host: str
    port: int
    security: Security = "none"
    user: str = ""
    password: SecretStr | None = None
    rest_seconds: float = REST_SECONDS
    timeouts: Timeouts = Timeouts()
    kept_seconds: float = KEPT_SECONDS
    _rest_until: float = field(default=0, init=False)
    _kept: "list[_Dialogue]" = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def send(self, message: EmailMessage) -> None:
        """Hand the mail to the server, as `Mailer` says."""
        if time.monotonic() < self._rest_until:
            raise DeliveryDelayedError("resting", is_away=True)
        with self._lock:
            server = self._kept.pop() if self._kept else None
            if server is not None:
                server.limit(self.timeouts.whole)
        try:
            if server is None or not self._deliver_again(server, message):
                server = None
                server = self._connect()
                self._deliver(server, message)
        except (smtplib.SMTPException, OSError) as trouble:
            self._rest_until = time.monotonic() + self.rest_seconds
            is_sent = bool(server and server.is_sent)
            is_away = not is_sent and not isinstance(trouble, smtplib.SMTPResponseException)
            raise DeliveryDelayedError(_describe(trouble), is_away=is_away, is_uncertain=is_sent) from None

    def _deliver_again(self, server: "_Dialogue", message: EmailMessage) -> bool:
        """Hand the mail over by a connection that was kept; False when it is of no use any more."""
        try:
            self._deliver(server, message, is_new=False)
        except (smtplib.SMTPException, OSError):
            if server.is_sent:
                raise
            return False
        return True

    def _deliver(self, server: "_Dialogue", message: EmailMessage, *, is_new: bool = True) -> None:
        try:
            if is_new:
                self._introduce(server)
            _deliver(server, message)
        except (DeliveryRefusedError, DeliveryDelayedError):
            self._keep(server)
            raise
        except BaseException:
            _leave(server)
            raise
        self._keep(server)

    def _keep(self, server: "_Dialogue") -> None:
        with self._lock:
            if is_kept := server.sock is not None and self.kept_seconds > 0:
                self._kept.append(server)
                server.limit(self.kept_seconds, partial(self._drop, server))
        if not is_kept:
            _leave(server)

    def _drop(self, server: "_Dialogue") -> None:
        with self._lock:
            if server not in self._kept:
                return
            self._kept.remove(server)
        _leave(server)

    def _connect(self) -> "_Dialogue":
        if self.security == "tls":
            return _TlsDialogue(self.host, self.port, self.timeouts, context=ssl.create_default_context())
        return _Dialogue(self.host, self.port, self.timeouts)

    def _introduce(self, server: smtplib.SMTP) -> None:
        if self.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if self.user and self.password:
            server.login(self.user, self.password.get_secret_value())


class _Dialogue(smtplib.SMTP):
    """A dialogue with a mail server, each step with its own patience, and the whole with a limit."""

    def __init__(self, host: str, port: int, timeouts: Timeouts, **options: Any) -> None:  # noqa: ANN401 — smtplib's
        self._timeouts = timeouts
        self.is_sent = False
        """Whether the final dot left and nothing was answered: the server may have the mail, or not."""
        self._limit = _Limit(timeouts.whole, self._cut)
        try:
            super().__init__(host, port, timeout=timeouts.connect, **options)
        except BaseException:
            self._limit.cancel()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Smtplib's hook: the connection has its own patience, the greeting another."""
        opened: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        opened.settimeout(self._timeouts.command)
        return opened

    def data(self, msg: Any) -> tuple[int, bytes]:  # noqa: ANN401 — smtplib's; bytes from `send_message`
        """Send the message, as smtplib does."""
        sock: Any = self.sock
        sock.settimeout(self._timeouts.data)
        code, answer = self.docmd("DATA")
        if code != _GO_ON:
            raise smtplib.SMTPDataError(code, answer)
        sock.settimeout(self._timeouts.block)
        self.send(re.sub(rb"(?m)^\.", b"..", msg) + (b"" if msg.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        sock.settimeout(self._timeouts.end)
        self.is_sent = True
        said = self.getreply()
        self.is_sent = False
        sock.settimeout(self._timeouts.command)
        return said

    def limit(self, seconds: float, end: Callable[[], None] | None = None) -> None:
        """Let it end after so long, in place of what was to end it before."""
        self._limit.move(seconds, end or self._cut)

    def close(self) -> None:
        """Leave, and forget the limit."""
        self._limit.cancel()
        super().close()

    def _cut(self) -> None:
        """End a dialogue that goes on for too long, whoever waits for what in it."""
        sock: Any = getattr(self, "sock", None)
        with suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)


class _Limit:
    """Calls something when its time is over, unless it is moved or cancelled; one thread for all mails."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._changed = threading.Condition()
        self._at, self._end = time.monotonic() + seconds, end
        threading.Thread(target=self._run, name="limit", daemon=True).start()

    def move(self, seconds: float, end: Callable[[], None]) -> None:
        """Another time, and what is to be called then."""
        with self._changed:
            self._at, self._end = time.monotonic() + seconds, end
            self._changed.notify()

    def cancel(self) -> None:
        """Nothing is called any more."""
        self.move(-math.inf, _do_nothing)

    def _run(self) -> None:
        while True:
            with self._changed:
                while (left := self._at - time.monotonic()) > 0:
                    self._changed.wait(left)
                at, end = self._at, self._end
            end()
            with self._changed:
                if self._at == at:  # else it was moved meanwhile
                    return


def _do_nothing() -> None:
    """Called in place of what was cancelled."""


class _TlsDialogue(_Dialogue, smtplib.SMTP_SSL):
    """The same, under TLS from its first byte."""


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


_GO_ON = 354
"""The answer to DATA: the message may follow."""


def _leave(server: smtplib.SMTP) -> None:
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()


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
    if find_answer(code, of_recipient=True).policy.treatment is Treatment.REFUSE:
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
