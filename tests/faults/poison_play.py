"""`python -m tests.faults.poison_play`: thousands of invalid messages to a running worker, valid requests between.

Exit code 0 when each is dead-lettered with its reason or refused on its row, the worker is the same process as before
and no larger, its log quotes none of them, and every valid request was processed.
"""

import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click

from schemas.envelope import CloudEvent
from schemas.topology import REQUEST_DECLARATION, REQUEST_REGISTRE_PREVIEW
from schemas.vocabulary import RequestOutcome
from tests.faults.poison import HAND_MADE, SECRET, Poison
from tests.faults.poison_fates import Fates, follow, publish
from tests.faults.poison_source import draw_poisons
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, QUEUES_OF_FILES, Town

LARGER_BYTES = 48 << 20
"""Allowed growth of a worker: its caches, and the largest message."""

_ACCEPTED = """
    SELECT count(*) AS number FROM request WHERE outcome = :accepted AND event_type NOT IN (:note, :preview)
"""
"""Declarations about a commune and its exports of the REU need no list: a drawn one may be valid."""

_PAGE_BYTES = 4096
_BATCH = 250


@dataclass(frozen=True)
class Played:
    """The observations about a worker that received invalid messages."""

    fates: Fates
    sent: int
    good: int
    grown: int
    """Growth of the worker's memory, in bytes."""
    trouble: list[str]
    """The failed conditions; empty when all hold."""


def play(town: Town, poisons: Sequence[Poison], *, timeout: float) -> Played:
    """Send the messages to one worker, a valid request after each batch, and observe the results."""
    worker = town.start_worker()
    family = worker.family
    good: list[CloudEvent] = []
    first = _largest(family)
    for batch in _batches(poisons):
        publish(town.amqp_url, batch)
        good.append(town.ask(listes=["CE"]))
        if len(good) == 1:
            town.wait_for(good[0], timeout=timeout)
            first = _largest(family)
    fates = follow(town, poisons, timeout)
    for event in good:
        town.wait_for(event, timeout=timeout)
    grown = _largest(worker.family) - first
    trouble = list(_trouble(town, fates, len(good)))
    if worker.family != family:
        trouble.append(f"processes {family} have become {worker.family}, exit code {worker.exit_code}")
    if grown > LARGER_BYTES:
        trouble.append(f"the worker is larger by {grown >> 20} MiB")
    return Played(fates, len(poisons), len(good), grown, trouble)


def _trouble(town: Town, fates: Fates, good: int) -> Iterator[str]:
    if fates.unknown:
        yield f"nothing is known of {len(fates.unknown)} messages, such as {fates.unknown[0]}"
    if failed := [reason for reason in fates.reasons if reason.startswith("failed")]:
        yield f"an actor failed over {fates.reasons.total()} messages: {failed}"
    asked = {
        "accepted": RequestOutcome.ACCEPTED.value,
        "note": REQUEST_DECLARATION,
        "preview": REQUEST_REGISTRE_PREVIEW,
    }
    (accepted,) = town.rows(_ACCEPTED, **asked)
    if accepted["number"] != good:
        yield f"{accepted['number']} requests for files were accepted, {good} were good"
    if any(SECRET in reason for _, reason in fates.rows.values()) or SECRET in "".join(fates.reasons):
        yield "a reason quotes a message"
    if SECRET in town.log("worker"):
        yield "the log quotes a message"
    if any(town.queue(queue) for queue in QUEUES_OF_FILES):
        yield "messages are left in the queues"


def _batches(poisons: Sequence[Poison]) -> Iterator[list[Poison]]:
    rest = iter(poisons)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _largest(pids: Sequence[int]) -> int:
    """The resident memory of the largest of these processes, in bytes."""
    return max(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES for pid in pids)


@click.command()
@click.option("--count", default=10_000, show_default=True, type=click.IntRange(1), help="How many are drawn.")
@click.option("--seed", "start", type=int, help="The same messages again; by default others each time.")
def main(count: int, start: int | None) -> None:
    """Send bad messages to a worker and print what became of them."""
    provide_for_command(RABBITMQ, POSTGRESQL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    start = random.randrange(1 << 32) if start is None else start
    click.echo(f"Bad messages: {len(HAND_MADE)} made by hand, {count} drawn (--seed {start})")
    poisons = [poison for poison, _ in HAND_MADE.values()] + draw_poisons(count, start)
    with (
        tempfile.TemporaryDirectory(prefix="poison-") as folder,
        RabbitNode() as broker,
        PostgresServer() as database,
    ):
        town = Town(database.create_database(LIBREVILLE_TEMPLATE), broker.url(broker.create_vhost()), Path(folder))
        began = time.monotonic()
        try:
            played = play(town, poisons, timeout=600)
        finally:
            town.close()
        _show(played, time.monotonic() - began)
    sys.exit(1 if played.trouble else 0)


def _show(played: Played, seconds: float) -> None:
    fates = played.fates
    click.echo(
        f"{played.sent} sent, {fates.reasons.total()} dead letters, "
        f"{fates.count(RequestOutcome.REFUSED)} requests refused, {played.good} good requests served; "
        f"{played.grown / (1 << 20):+.1f} MiB, {seconds:.0f} s"
    )
    for reason, number in fates.reasons.most_common():
        click.echo(f"{number:8} {reason}")
    for trouble in played.trouble:
        click.echo(f"NOT SO: {trouble}")


if __name__ == "__main__":
    main()
