"""The result of invalid messages: each is a dead letter with a reason, or a refused row."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
from dramatiq.common import xq_name

from schemas.vocabulary import RequestOutcome
from tests.faults.poison import Poison
from tests.parts.town import QUEUES_OF_FILES, Town, account_of
from tests.parts.wait import wait_until
from worker.messaging.consumer import REASON_HEADER
from worker.messaging.encoder import ACTOR_QUEUES, INGEST, PoisonError, PrefectureEncoder, read_unreadable

_REASONS = "SELECT source, event_id, outcome, reason FROM demandes"
_PARKED = "SELECT source, event_id FROM deferred_event"
"""An event that refers to an unknown request waits a minute and is then refused by the sweep: no sweep runs here."""


@dataclass
class Fates:
    """Counts; `unknown` are the messages of which only the number is known."""

    dead: dict[bytes, list[str]] = field(default_factory=dict)
    """Body → the reason of each dead letter that has it."""
    rows: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Source and id → outcome and reason."""
    unknown: list[Poison] = field(default_factory=list)

    def reason(self, poison: Poison) -> str:
        """Why a message was dead-lettered or refused."""
        reasons = self.dead.get(poison.body)
        return reasons[0] if reasons else self.rows[_key(poison) or ("", "")][1]

    def count(self, outcome: RequestOutcome) -> int:
        """The number of requests with this outcome."""
        return sum(it == outcome for it, _ in self.rows.values())

    @property
    def reasons(self) -> Counter[str]:
        """The number of times of each reason, up to its first colon."""
        return Counter(reason.partition(":")[0] for reasons in self.dead.values() for reason in reasons)


def publish(amqp_url: str, poisons: Iterable[Poison]) -> None:
    """Publish them one after the other on one connection; RabbitMQ has confirmed them all when this returns."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for poison in poisons:
            key = f"{account_of(amqp_url)}.{poison.routing_key}" if poison.exchange else poison.routing_key
            channel.basic_publish(poison.exchange, key, poison.body, poison.properties, mandatory=True)


def follow(town: Town, poisons: Sequence[Poison], timeout: float) -> Fates:
    """Wait for the result of each; messages without a result after `timeout` seconds are in `unknown`."""
    fates = Fates()

    def is_over() -> bool:
        for queue in QUEUES_OF_FILES:
            for headers, body in town.queue(xq_name(queue)):
                fates.dead.setdefault(body, []).append(str(headers[REASON_HEADER]))
        fates.rows = {(it["source"], it["event_id"]): ("deferred", "") for it in town.rows(_PARKED)}
        fates.rows |= {(it["source"], it["event_id"]): (it["outcome"], it["reason"]) for it in town.rows(_REASONS)}
        fates.unknown = list(_unknown(poisons, fates))
        return not fates.unknown

    try:
        wait_until(is_over, timeout=timeout, message="the end of the bad messages")
    except AssertionError:
        if not fates.unknown:
            raise
    return fates


def _unknown(poisons: Sequence[Poison], fates: Fates) -> Iterable[Poison]:
    left = Counter({body: len(reasons) for body, reasons in fates.dead.items()})
    for poison in poisons:
        if _is_a_doorbell(poison) or _key(poison) in fates.rows:
            continue  # a row first: the same bytes without a message_id may be among the dead letters
        if left[poison.body]:
            left[poison.body] -= 1
        else:
            yield poison


def _key(poison: Poison) -> tuple[str, str] | None:
    """Source and id of the request that a message makes, even one that is refused for its form; None: it makes none."""
    try:
        call = PrefectureEncoder().decode(poison.body)
    except PoisonError:
        message_id = poison.message_id.decode("utf-8", "replace")
        unreadable = read_unreadable(poison.body, pika.BasicProperties(message_id=message_id), f".{poison.routing_key}")
        return (unreadable.source, unreadable.id) if poison.exchange and unreadable else None
    if call["actor_name"] != INGEST:
        return None
    event: dict[str, Any] = call["args"][0]
    return event["source"], event["id"]


def _is_a_doorbell(poison: Poison) -> bool:
    """Whether it is a valid doorbell for a row that does not exist: it has no effect."""
    try:
        call = PrefectureEncoder().decode(poison.body)
    except PoisonError:
        return False
    return not poison.exchange and call["queue_name"] == poison.routing_key != ACTOR_QUEUES[INGEST]
