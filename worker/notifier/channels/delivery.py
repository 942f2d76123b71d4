"""What the three ways of sending have in common: what is sent, to whom, what they wish, and two kinds of failure."""

import hashlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from typing import Protocol

from schemas.envelope import CloudEvent
from schemas.vocabulary import Channel, Wish
from worker.errors import PrefectureError, TransientError
from worker.notifier.messages.content import Content

FIRST_DELAY_SECONDS = 10
LONGEST_DELAY_SECONDS = 600

LONGEST_RETRY_AFTER_SECONDS = 86_400
"""What a server may ask for at most: it must not keep us waiting for ever."""

LONGEST_DIALOGUE_SECONDS = 1200.0
"""How long a mail server may hold one mail, whatever it says meanwhile."""

GIVE_UP_SECONDS = 3 * 86_400
"""How long a recipient that does not answer is tried."""


class DeliveryDelayedError(TransientError):
    """Not now. The text is safe to log; `retry_after` is what the server asked for, in seconds.

    `is_away`: nobody answers at all, so that to ask again soon is no burden. `is_uncertain`: it may have the message
    all the same, since it had the whole and did not answer.
    """

    def __init__(
        self, reason: str, *, retry_after: float = 0, is_away: bool = False, is_uncertain: bool = False
    ) -> None:
        super().__init__(reason)
        self.is_away = is_away
        self.is_uncertain = is_uncertain
        self.retry_after = min(retry_after, LONGEST_RETRY_AFTER_SECONDS)


class DeliveryRefusedError(PrefectureError):
    """Never. The text is kept in the table: the server's answer, which may quote an address, never a secret."""

    code = "envoi_refuse"

    def __init__(self, reason: str, *, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.is_gone = is_gone
        """Whether the recipient is to be sent nothing any more."""


@dataclass(frozen=True)
class Addressee:
    """Somebody, or something, to notify; `address` and `secret` never leave the process but to whom they lead."""

    key: str
    channel: Channel
    address: str
    shown: str
    wishes: frozenset[Wish]
    secret: str = ""

    def __repr__(self) -> str:
        """Without what is secret, whoever prints it."""
        return f"Addressee({self.key!r}, {self.channel!r})"


@dataclass(frozen=True)
class Message:
    """What there is to say: to people, and the same to programs."""

    about: str
    """What it is about, always the same for the same thing: ids are made of it."""
    content: Content
    events: Callable[[], Sequence[CloudEvent]]
    """Made when a program is to be notified."""


class ChannelSender(Protocol):
    """One way of sending."""

    def identify(self, message: Message, addressee: Addressee) -> str:
        """The id of this message to this addressee, always the same one."""

    def send(self, message: Message, addressee: Addressee, message_id: str) -> None:
        """Hand the message over for good.

        Raises:
            DeliveryDelayedError: it may be tried again later.
            DeliveryRefusedError: this addressee will never get it.
        """


def backoff(attempts: int, *, is_away: bool = False) -> float:
    """Seconds until the next try, after so many: 10, 20, 40 … 600; sooner where nobody answers at all."""
    if is_away:
        from worker.error_policy import until_next_try  # a command line that only knows the wishes loads no database

        return until_next_try(attempts)
    return float(min(FIRST_DELAY_SECONDS * 2 ** min(attempts, 10), LONGEST_DELAY_SECONDS))


@contextmanager
def cut_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """Shut a connection down when the block takes longer, whatever the other side says meanwhile."""
    timer = Timer(seconds, _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def digest(text: str) -> str:
    """A short word that stands for a text, always the same, and does not tell it."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
