"""The conclusion from each error, row by row, and the fate of a file in ten thousand simulated outages."""

import errno
import itertools
import os
import random
import smtplib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from dramatiq import Message, MessageProxy, Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from worker import services
from worker.error_policy import (
    ERROR_POLICIES,
    NO_ANSWER,
    OTHERS,
    ErrorPolicy,
    Source,
    conclude,
    find_policy,
    is_waited_for,
    until_next_try,
)
from worker.errors import (
    DatabaseAwayError,
    DiskFullError,
    ExhaustedError,
    ExportError,
    PrefectureError,
    TransientError,
)
from worker.exports import lease
from worker.exports.records import is_overdue
from worker.messaging import middleware
from worker.messaging.middleware import HELD_SECONDS, Redelivery
from worker.work.queue import Claim, WorkKind

RETRY_SECONDS, MAX_ATTEMPTS = 3600.0, 3
SQLITE_NAMES = {
    "READONLY": "SQLITE_READONLY_DBMOVED",
    "IOERR": "SQLITE_IOERR_FSYNC",
    OTHERS: "SQLITE_CORRUPT",
}
"""By code, SQLite's extended error name to use in the tests."""
CLASSES = {
    "08": ("08000", "08006"),
    "28": ("28000", "28P01"),
    "40": ("40001", "40P01"),
    "53": ("53000", "53100", "53200", "53300", "53400"),
    "55": ("55006", "55P03"),
    "57": ("57014", "57P01", "57P02", "57P03", "57P04", "57P05"),
    "58": ("58000", "58030"),
    OTHERS: ("22001", "22P02", "23505", "25001", "42601", "42P01", "54000", "XX001", "0A000"),
}
"""The SQLSTATEs that the tests use for a class."""


def _of_postgresql(sqlstate: str) -> list[BaseException]:
    """As the driver raises it, and as SQLAlchemy does."""
    origin: Any = psycopg.Error("la ligne LANTERNE Ursule")
    origin.sqlstate = sqlstate
    return [origin, DBAPIError("SELECT", {}, origin)]


def _of_sqlite(name: str) -> OperationalError:
    origin = sqlite3.OperationalError("no")
    origin.sqlite_errorname = name
    return OperationalError("SELECT", {}, origin)


_SILENT: dict[Source, list[BaseException]] = {
    Source.POSTGRESQL: [
        OperationalError("SELECT", {}, psycopg.OperationalError("server closed the connection")),
        psycopg.OperationalError("server closed the connection"),
        NoConnectionLeftError("QueuePool limit"),
    ],
    Source.BROKER: [
        AMQPConnectionError(),
        NackError([]),
        ConnectionClosed(Exception("away")),  # type: ignore[no-untyped-call]
        *(ConnectionClosedByBroker(code, "no") for code in (320, 403, 541)),
        *(ChannelClosedByBroker(code, "no") for code in (311, 404, 406)),
    ],
    Source.MAIL: [
        smtplib.SMTPServerDisconnected("Connection unexpectedly closed"),
        *(smtplib.SMTPHeloError(code, b"no") for code in (421, 550)),
    ],
}


def _errors(row: ErrorPolicy, code: str) -> list[BaseException]:
    if code == NO_ANSWER:
        return _SILENT[row.source]
    match row.source:
        case Source.SYSTEM:
            number = errno.ENAMETOOLONG if code == OTHERS else getattr(errno, code)
            return [OSError(number, os.strerror(number))]
        case Source.POSTGRESQL:
            return [
                error for state in CLASSES.get(code, (code,)) for error in _of_postgresql(state)
            ]
        case Source.SQLITE:
            return [_of_sqlite(SQLITE_NAMES.get(code, f"SQLITE_{code}"))]
        case Source.BROKER | Source.MAIL:
            raise AssertionError(code)


@pytest.mark.parametrize(
    ("row", "code"),
    [(row, code) for row in ERROR_POLICIES for code in row.codes],
    ids=lambda it: str(getattr(it, "source", it)),
)
def test_each_error_is_concluded_from_as_its_row_says(row: ErrorPolicy, code: str) -> None:
    for error in _errors(row, code):
        found = find_policy(error)
        assert (found.policy.source, found.policy.error, found.policy.said) == (
            row.source,
            row.error,
            row.said,
        )
        assert is_waited_for(error) is (code != OTHERS)
        concluded = conclude(error)
        assert type(concluded) is row.error
        assert "LANTERNE" not in str(concluded)
        assert "{}" not in str(concluded)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("failed to map segment from shared object: Cannot allocate memory"),
        ModuleNotFoundError("No module named 'reportlab'"),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_a_process_lacks_for_itself_ends_it(error: Exception) -> None:
    assert isinstance(conclude(error), ExhaustedError)


def test_a_cause_is_looked_at_and_a_conclusion_is_left_alone() -> None:
    wrapped = RuntimeError("it failed")
    wrapped.__cause__ = OSError(errno.ESTALE, "")
    assert is_waited_for(wrapped)
    full = DiskFullError("Espace disque insuffisant.")
    assert conclude(full) is full
    assert is_waited_for(full)
    assert not is_waited_for(ExportError("impossible"))
    for bug in (
        KeyError(),
        IntegrityError("INSERT", {}, Exception()),
        InternalError("SELECT", {}, Exception()),
    ):
        assert type(conclude(bug)) is PrefectureError


def test_a_trouble_is_waited_for_half_as_long_again_and_eight_seconds_at_most() -> None:
    waited = pause = 0.0
    for tries in range(40):
        pause = until_next_try(tries)
        assert pause <= 1.001 + waited / 2
        waited += pause
    assert pause == 8


def _fail(gate: Redelivery, error: Exception) -> MessageProxy:
    message = MessageProxy(
        Message(queue_name="listes", actor_name="make", args=(7,), kwargs={}, options={})
    )
    gate.after_process_message(StubBroker(), message, exception=error)
    return message


AWAY = OperationalError("SELECT 1", None, Exception("away"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without delay while the database is absent."""
    monkeypatch.setattr(middleware, "_PROBE_SECONDS", 0)


@pytest.mark.usefixtures("impatient")
def test_a_message_is_held_until_the_database_answers() -> None:
    answers = [False, False, True]
    _fail(Redelivery(lambda: answers.pop(0)), AWAY)
    assert answers == []


def test_a_message_is_not_held_for_a_bug() -> None:
    answers = Mock(return_value=True)
    _fail(Redelivery(answers), KeyError())
    answers.assert_not_called()


def test_a_message_is_held_half_a_second_before_it_comes_again() -> None:
    """Else an event at the head of its queue would come at once, without end."""
    begun = time.monotonic()
    _fail(Redelivery(lambda: True), AWAY)
    assert 0.5 <= time.monotonic() - begun < 5


@pytest.mark.usefixtures("impatient")
def test_threads_that_wait_for_a_database_ask_one_at_a_time() -> None:
    asking, at_once, number = threading.Lock(), list[str](), itertools.count()

    def answers() -> bool:
        if not asking.acquire(blocking=False):
            at_once.append("two")
            return True
        try:
            return next(number) > 200
        finally:
            asking.release()

    gate = Redelivery(answers)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: _fail(gate, AWAY), range(8)))) == 8
    assert at_once == []


def test_nothing_is_held_once_the_process_is_to_stop() -> None:
    broker = StubBroker()
    gate = Redelivery(lambda: False)
    gate.before_worker_shutdown(broker, Worker(broker))
    begun = time.monotonic()
    _fail(gate, AWAY)
    assert time.monotonic() - begun < HELD_SECONDS / 2


def _made_at(error: Exception, ends: float, chance: random.Random) -> float:
    """The time at which a file is made, on a simulated clock: each start before `ends` fails with `error`."""
    clock, starts, waits = 0.0, 0, 0
    while True:
        clock += chance.uniform(0, services.SWEEP_SECONDS)
        assert starts < MAX_ATTEMPTS
        starts += 1
        if clock >= ends:
            return clock
        reason = conclude(error)
        is_locked = find_policy(error).code in {"57014", "55P03", "40001", "40P01"}
        if isinstance(reason, DatabaseAwayError) and not is_locked:
            clock = ends  # the database cannot be written before
        assert not is_overdue(make_claim(starts, waits), RETRY_SECONDS)
        clock += until_next_try(waits)
        waits += 1
        starts -= isinstance(reason, TransientError)


def make_claim(starts: int = 1, waits: int = 0) -> Claim:
    """A work claimed this many times."""
    return Claim(1, WorkKind.LISTE, "export:1", "", 0, 0, starts, waits, 0.0, "me")


@pytest.mark.parametrize(
    ("shortest", "longest", "latest"),
    [(0.5, 3, 5), (600, RETRY_SECONDS * 0.999, 8 + services.SWEEP_SECONDS)],
    ids=["short", "long"],
)
def test_after_an_outage_a_lone_file_is_begun_again_soon(
    shortest: float, longest: float, latest: float
) -> None:
    """After a short outage within five seconds, after a long one within nine, for any error."""
    chance = random.Random(7)
    for row in ERROR_POLICIES:
        if row.codes != (OTHERS,) and row.source in {
            Source.SYSTEM,
            Source.POSTGRESQL,
            Source.SQLITE,
        }:
            for _ in range(100):
                ends = chance.uniform(shortest, longest)
                error = next(
                    it for it in _errors(row, chance.choice(row.codes)) if isinstance(it, Exception)
                )
                assert _made_at(error, ends, chance) <= ends + latest, row


def test_a_file_fails_for_good_after_an_hour_of_waits() -> None:
    waited, tries = 0.0, 0
    while not is_overdue(make_claim(waits=tries), RETRY_SECONDS):
        waited += until_next_try(tries)
        tries += 1
    assert RETRY_SECONDS <= waited < RETRY_SECONDS + until_next_try(tries)


def test_a_process_that_can_open_no_connection_gives_up_a_record_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Psycopg says « no error details available »: it cannot say that the process lacks descriptors."""
    tries: list[int] = []

    def record() -> None:
        tries.append(1)
        raise AWAY

    monkeypatch.setattr(lease, "lacks_descriptors", lambda: True)
    with pytest.raises(OperationalError):
        lease.repeat_until_recorded(record)
    assert len(tries) == 1
