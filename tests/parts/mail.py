"""A mail server whose mails a test can read, and which refuses the recipients that a test names."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.parts.ports import LOOPBACK, free_port
from tests.parts.wait import wait_until

_ANSWERS = {452: "452 4.2.2 Mailbox full, try again later", 550: "550 5.1.1 No such user here"}


@dataclass(frozen=True)
class Mail:
    """One accepted mail: the envelope and the message."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class Mailbox:
    """An SMTP server on the loopback interface; its port stays the same when it is stopped and started again."""

    def __init__(self) -> None:
        self.host = LOOPBACK
        self.port = free_port()
        self.mails: list[Mail] = []
        self.on_mail: Callable[[], object] = lambda: None
        """Called once a mail is accepted, before its sender is told so."""
        self.before_answer: Callable[[], object] = lambda: None
        """Called then too, and waited for: the server takes its time for the answer to the final dot."""
        self._refused: dict[str, str] = {}
        self._controller: Controller | None = None

    def start(self) -> None:
        """Listen; no effect when it listens already."""
        if self._controller is None:
            controller = Controller(self, hostname=self.host, port=self.port)
            controller.start()
            self._controller = controller

    def stop(self) -> None:
        """Refuse connections; the received mails stay."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def refuse(self, recipient: str, code: int = 550, more: str = "") -> None:
        """Answer `code` to this recipient: 452 (full, try again) or 550 (unknown, give up), and `more` text."""
        self._refused[recipient] = _ANSWERS[code] + more

    def accept(self, recipient: str) -> None:
        """Take mails for this recipient again."""
        self._refused.pop(recipient, None)

    def wait_for(self, count: int) -> list[Mail]:
        """The mails, once there are `count` or more."""
        wait_until(lambda: len(self.mails) >= count, message=f"{count} mails in the mailbox")
        return list(self.mails)

    async def handle_MAIL(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd at the beginning of each mail."""
        del server, session
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd for each recipient."""
        del server, session
        if answer := self._refused.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd with the whole message."""
        del server, session
        content = (envelope.original_content or b"").replace(b"\r\n", b"\n")
        message = message_from_bytes(content, policy=policy.default)
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message))
        self.on_mail()
        await asyncio.to_thread(self.before_answer)
        return "250 OK"
