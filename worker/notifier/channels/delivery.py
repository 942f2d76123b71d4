"""What the two channels have in common: the message, the addressee, the protocol, and two kinds of failure."""

import hashlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from typing import Protocol

from schemas.vocabulary import Channel, Wish
from worker.errors import PrefectureError, TransientError
from worker.notifier.messages.events import AnsweredEvent
from worker.notifier.messages.text import Text

LATER = frozenset({408, 425, 429})
"""The statuses of HTTP below 500 after which a request may be repeated."""

LONGEST_RETRY_AFTER_SECONDS = 86_400
"""The longest delay that a server may ask for."""

LONGEST_DIALOGUE_SECONDS = 1200.0
"""The longest time that a mail server may take for one mail, whatever it sends meanwhile."""

_MOST_ADDRESSES = 4

GIVE_UP_SECONDS = 3 * 86_400
"""How long a recipient that does not answer is retried."""


class DeliveryDelayedError(TransientError):
    """The message cannot be sent now. The text is safe to log; the server asks for `retry_after` seconds.

    `is_away`: no server answers at all, so that an early retry is no burden.
    """

    def __init__(self, reason: str, *, retry_after: float = 0, is_away: bool = False) -> None:
        super().__init__(reason)
        self.is_away = is_away
        self.retry_after = min(retry_after, LONGEST_RETRY_AFTER_SECONDS)


class DeliveryRefusedError(PrefectureError):
    """Never send it. The table stores the text: the server's answer, which may quote an address, never a secret."""

    def __init__(self, reason: str, *, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.is_gone = is_gone
        """Whether the recipient must not receive any other message."""


@dataclass(frozen=True)
class Addressee:
    """A person or program to notify; `address` and `secret` are sent only to the recipient's own server."""

    key: str
    channel: Channel
    address: str
    wishes: frozenset[Wish]
    secret: str = ""
    agent: str = ""
    """The name of the agent, if no other agent of the commune has the address."""

    def __repr__(self) -> str:
        """Omit the secrets, whatever prints the value."""
        return f"Addressee({self.key!r}, {self.channel!r})"


@dataclass(frozen=True)
class Message:
    """A message: its text for people, its events for programs."""

    about: str
    """The subject, equal for equal messages: ids are made of it."""
    text: Callable[[], Text]
    """Called when a person is notified."""
    events: Callable[[], Sequence[AnsweredEvent]]
    """Returns the events in the order in which programs get them."""


class ChannelSender(Protocol):
    """The sender of one channel."""

    def send(self, message: Message, addressee: Addressee) -> None:
        """Deliver the message durably, with an id that is equal at each call, where the channel has ids.

        Raises:
            DeliveryDelayedError: the message may be sent again later.
            DeliveryRefusedError: the addressee will never get the message.
        """

    def check(self, address: str) -> None:
        """Check an address before a recipient gets it; raises an error of this module."""


def backoff(attempts: int) -> float:
    """Return the seconds until the next try, after so many: 10, 20, 40 … 600."""
    return float(min(10 * 2 ** min(attempts, 10), 600))


def dial(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """Connect to one of the first four addresses; all attempts together take at most `seconds`.

    Raises:
        OSError: no address answers.
    """
    trouble = OSError("no address")
    for address in addresses[:_MOST_ADDRESSES]:
        try:
            return socket.create_connection((address, port), seconds / _MOST_ADDRESSES)
        except OSError as error:
            trouble = error
    raise trouble


@contextmanager
def cut_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """Shut a connection down when the block takes longer, whatever the other side sends; the block may add TLS."""
    with socket.fromfd(
        sock.fileno(), sock.family, sock.type
    ) as same:  # `wrap_socket` detaches `sock`
        timer = Timer(seconds, _cut, [same])
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
    """Return a short text that is equal for equal texts and does not reveal them."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
