"""The first round of a seed, and whole seeds at night: SEEDS of them, from SEED on (`make nemesis`)."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from hashlib import sha256
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.people import write_town
from common.calendrier import jour_a_paris, now
from schemas.declarations import DeclarationNoted
from schemas.requests import CancelRequested, RegistreImportRequested, RegistrePreviewRequested
from schemas.topology import TOKEN_QUEUES
from schemas.vocabulary import ExportKind, ExportStatus, PreviewStatus, RequestOutcome
from tests.faults.stage import ELECTEURS, Stage
from tests.parts.town import AGENT, TODAY
from tests.parts.wait import wait_until
from worker.arrivals import Preview
from worker.demo.libreville import LIBREVILLE
from worker.exports.models import Depot, Export, Request, main_name
from worker.exports.storage import SENTINEL
from worker.messaging.broker import build_broker
from worker.messaging.queues import TokenQueues
from worker.work.queue import Work

ROUNDS = 4
_LONGEST_SECONDS = 3.0
_LATER_SECONDS = 1400
"""Longer than any wait: a mail in progress, a recipient, a row."""
_HEALING, _SOON = 180, 1.5
_PUT_OFF_SECONDS = 20
"""Longer than the delay after a first failure."""
UNDER_WAY = {
    PreviewStatus.QUEUED,
    PreviewStatus.RUNNING,
    PreviewStatus.ACCEPTED,
    PreviewStatus.IMPORTING,
}
_OPEN = """
SELECT (SELECT count(*) FROM request WHERE notified_at IS NULL)
  + (SELECT count(*) FROM export WHERE status IN ('queued', 'running'))
"""
_UNANSWERED = """
SELECT (SELECT count(*) FROM request WHERE notified_at IS NULL)
  + (SELECT count(*) FROM work WHERE kind <> 'preview')
"""
_REQUESTS = "SELECT count(*) FROM request"
_UNFINISHED = "SELECT count(*) FROM export WHERE status IN ('queued', 'running')"


class Step(NamedTuple):
    """One trouble of a round: its start and its duration, in seconds of the round."""

    trouble: str
    begins: float
    lasts: float

    def __str__(self) -> str:
        return f"{self.trouble} {self.begins:.1f}+{self.lasts:.1f} s"


Rounds = list[list[Step]]


def draw(seed: int) -> Rounds:
    """The rounds of a seed, the same at each call."""
    chance = Random(seed)
    rounds = []
    for _ in range(ROUNDS):
        parts = chance.sample(sorted({it.part for it in TROUBLES}), chance.choice([2, 3]))
        names = [chance.choice([it.name for it in TROUBLES if it.part == part]) for part in parts]
        rounds.append(
            [Step(it, chance.uniform(0, 1), chance.uniform(0.5, _LONGEST_SECONDS)) for it in names]
        )
    return rounds


def describe(rounds: Rounds) -> str:
    """A summary of the rounds: `broker-restarted 0.2+1.5 s | mail-slow 0.9+2.0 s; …`."""
    return "; ".join(" | ".join(map(str, steps)) for steps in rounds)


def play_rounds(stage: Stage, rounds: Rounds, seed: int, requests: int) -> None:
    """Play the rounds on an installation, `requests` requests before each and as many at first, and judge it."""
    chance = Random(seed)
    people = People(stage, chance)
    stage.start()
    stage.ask(requests)
    marked = stage.town.exports / SENTINEL
    stage.expect(
        marked.exists, "the mark of the volume"
    )  # else the first process that looks finds an empty directory
    for steps in rounds:
        people.act(requests)
        _play_round(stage, steps, chance)
        _heal(stage)
    stage.expect_readers()
    stage.expect(lambda: _is_recorded(stage), "a row for every event")
    stage.let_time_pass(_LATER_SECONDS)
    stage.expect(lambda: not stage.count(_UNFINISHED), "the end of every file")
    stage.let_time_pass(_LATER_SECONDS)
    stage.expect(lambda: not stage.count(_UNANSWERED), "an answer to every event")
    stage.let_time_pass(_LATER_SECONDS)
    people.check()
    with Session(stage.town.engine) as session:
        known = {main_name(name) for name in session.scalars(select(Export.file_name))}
    if left := [
        it.name for it in stage.town.exports.glob("*/[!.]*") if main_name(it.name) not in known
    ]:
        raise AssertionError(f"files that no row knows: {left}")
    stage.check(sum(BY_NAME[step.trouble].mails_again for steps in rounds for step in steps))


def _heal(stage: Stage) -> None:
    """Wait until everything is made and notified, three minutes at most; make delayed work due."""
    ends_at = time.monotonic() + _HEALING
    while time.monotonic() < ends_at:
        with suppress(AssertionError):
            wait_until(
                lambda: _is_recorded(stage) and not stage.count(_OPEN), timeout=_SOON, message=""
            )
            return
        stage.let_time_pass(_PUT_OFF_SECONDS)


def _is_recorded(stage: Stage) -> bool:
    return stage.count(_REQUESTS) >= len(stage.asked) + len(stage.declared)


class People:
    """The input of each round: requests for files, a cancellation, a deposit, an export of the REU, each sent twice."""

    def __init__(self, stage: Stage, chance: Random) -> None:
        self._stage = stage
        self._chance = chance
        self._exports = 0

    def act(self, requests: int) -> None:
        """Send the input, while nothing is broken."""
        about: dict[str, Any] = {"requested_by": AGENT}
        asked = self._stage.ask(requests)
        unwanted = self._chance.choice(asked)
        self._stage.unwanted.add(unwanted.id)
        about_it = {"request": {"source": unwanted.source, "id": unwanted.id}}
        self._stage.declare(CancelRequested.model_validate(about | about_it))
        about["commune"] = LIBREVILLE.code
        with Session(self._stage.town.engine) as session:
            is_ready = Export.status == ExportStatus.READY, Export.kind == ExportKind.LISTE
            ready = session.scalars(select(Export.id).where(*is_ready).order_by(Export.id)).all()
            previews = session.execute(select(Preview.id, Preview.sha256, Preview.status)).all()
        if ready:
            deposit = {"kind": "deposited", "deposited_on": jour_a_paris(now())}
            noted = {"exports": [self._chance.choice(ready)], "note": deposit}
            self._stage.declare(DeclarationNoted.model_validate(about | noted))
        for it in previews:
            if it.status == PreviewStatus.READY:
                chosen = {"preview": it.id, "sha256": it.sha256, "accept_changes": True}
                self._stage.declare(RegistreImportRequested.model_validate(about | chosen))
        if all(it.status not in UNDER_WAY for it in previews):
            self._stage.declare(
                RegistrePreviewRequested.model_validate(about | self._write_export())
            )

    def _write_export(self) -> dict[str, Any]:
        """Put an export of the REU into the arrivals folder, each time with one elector less."""
        self._exports += 1
        path = self._stage.town.arrivals / f"export-{self._exports}.csv"
        path.parent.mkdir(exist_ok=True)
        write_town(path, ELECTEURS - self._exports, today=TODAY)
        return {
            "arrival": path.name,
            "sha256": sha256(path.read_bytes()).hexdigest(),
            "taken_on": jour_a_paris(now()),
        }

    def check(self) -> None:
        """Check one answer per event, a record of each accepted deposit, and no export of the REU without a result."""
        with Session(self._stage.town.engine) as session:
            requests = session.scalars(select(Request)).all()
            unanswered = set(session.scalars(select(Work.subject)))
            deposits = set(session.scalars(select(Depot.export_id)))
            previews = session.execute(select(Preview.status, Preview.reason)).all()
        for event in self._stage.declared:
            rows = [it for it in requests if it.event_id == event.id]
            if (
                len(rows) != 1
                or rows[0].notified_at is None
                or f"request:{rows[0].id}" in unanswered
            ):
                raise AssertionError(f"{event.type}: {len(rows)} rows, not answered")
            accepted = rows[0].outcome == RequestOutcome.ACCEPTED
            is_of_files = event.type == DeclarationNoted.EVENT_TYPE and "exports" in event.data
            # Near midnight a clock that is an hour off makes the day of a deposit another one than that of its file.
            if is_of_files and rows[0].reason.endswith("vérifiez la date."):
                continue
            if is_of_files and (not accepted or not deposits.issuperset(event.data["exports"])):
                raise AssertionError(f"a deposit that is not on record: {rows[0].reason}")
        if stuck := [
            it for it in previews if it.status in UNDER_WAY or it.reason.startswith("La lecture")
        ]:
            raise AssertionError(f"exports of the REU: {stuck}")


def _play_round(stage: Stage, steps: Sequence[Step], chance: Random) -> None:
    """Begin and end each trouble at its time; all have ended when this returns."""
    moments = sorted(
        [(step.begins, "begin", step) for step in steps]
        + [(step.begins + step.lasts, "end", step) for step in steps]
    )
    running: dict[str, ExitStack] = {}
    began = time.monotonic()
    with ExitStack() as unfinished:
        for at, what, step in moments:
            time.sleep(max(0.0, began + at - time.monotonic()))
            if what == "begin":
                running[step.trouble] = unfinished.enter_context(ExitStack())
                running[step.trouble].enter_context(BY_NAME[step.trouble].harm(stage, chance))
            else:
                running[step.trouble].close()


_STORM = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_FROZEN_SECONDS = 20
"""Longer than three heartbeats of a consumer of events."""

_HOUR, _TOKENS = 3600, 300
_MAILS_AT_ONCE = 4
"""Loops of a notifier that send mails."""

_FORBIDDEN, _ALLOWED = 0o2550, 0o2750
_LARGEST_FILE = 1 << 20


class Trouble(NamedTuple):
    """A trouble of one part of the installation; each part has one trouble at a time at most."""

    part: str
    harm: Callable[[Stage, Random], AbstractContextManager[None]]
    mails_again: int = 0
    """Number of mails that may arrive twice, with the same Message-ID, because SMTP has no transactions."""

    @property
    def name(self) -> str:
        return self.harm.__name__.replace("_", "-")


@contextmanager
def worker_killed(stage: Stage, chance: Random) -> Iterator[None]:
    """Kill its working process, as the kernel does when memory is short."""
    for pid in chance.choice(stage.workers).process.family[-1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
    yield


@contextmanager
def worker_frozen(stage: Stage, chance: Random) -> Iterator[None]:
    """Freeze it, sometimes for longer than its lease."""
    family = chance.choice(stage.workers).process.family
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGSTOP)
    yield
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGCONT)


@contextmanager
def consumer_frozen(stage: Stage, chance: Random) -> Iterator[None]:
    """Freeze it for longer than the broker waits for its heartbeats: another one gets the events that it holds."""
    with worker_frozen(stage, chance):
        yield
        time.sleep(_FROZEN_SECONDS)


@contextmanager
def descriptors_short(stage: Stage, chance: Random) -> Iterator[None]:
    """One worker cannot open any more files: it exits, and another worker starts."""
    for pid in chance.choice(stage.workers).process.family:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    yield


@contextmanager
def files_short(stage: Stage, _chance: Random) -> Iterator[None]:
    """The files of the running workers cannot grow past a limit, as on a full disk."""
    pids = [pid for worker in stage.workers for pid in worker.process.family]
    _limit(pids, _LARGEST_FILE)
    yield
    _limit(pids, resource.RLIM_INFINITY)


def _limit(pids: list[int], size: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def notifier_killed(stage: Stage, _chance: Random) -> Iterator[None]:
    """Kill it, sometimes between a mail and its record."""
    stage.notifier.process.kill()
    yield


@contextmanager
def broker_restarted(stage: Stage, chance: Random) -> Iterator[None]:
    """Kill it, or stop it cleanly."""
    if chance.random() < 0.5:
        stage.broker.kill()
    else:
        stage.broker.stop()
    yield
    stage.broker.start()


@contextmanager
def tokens_purged(stage: Stage, _chance: Random) -> Iterator[None]:
    """Purge the queues of tokens again and again."""
    with _repeated(lambda: _purge(stage)):
        yield


def _purge(stage: Stage) -> None:
    for queue in TOKEN_QUEUES:
        path = f"/queues/{quote(stage.vhost, safe='')}/{queue}/contents"
        stage.broker.management.request("DELETE", path)


@contextmanager
def _repeated(act: Callable[[], object]) -> Iterator[None]:
    """Act each tenth of a second until the end of the block."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.1):
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def tokens_doubled(stage: Stage, _chance: Random) -> Iterator[None]:
    """Send three hundred tokens that no work asks for."""
    with closing(build_broker(stage.town.amqp_url)) as broker:
        tokens = TokenQueues(broker)
        for queue in TOKEN_QUEUES:
            tokens.send(queue, _TOKENS // len(TOKEN_QUEUES))
    yield


@contextmanager
def clock_ahead(stage: Stage, _chance: Random) -> Iterator[None]:
    """Set the clock of the database an hour ahead, then right again."""
    stage.set_clock(_HOUR)
    yield
    stage.set_clock(0)


@contextmanager
def clock_behind(stage: Stage, _chance: Random) -> Iterator[None]:
    """Set the clock of the database an hour back, then right again."""
    stage.set_clock(-_HOUR)
    yield
    stage.set_clock(0)


@contextmanager
def answers_lost(stage: Stage, _chance: Random) -> Iterator[None]:
    """Lose the answers to one commit of three, with their connections."""
    stage.link.loses = 1 / 3
    yield
    stage.link.loses = 0


@contextmanager
def database_restarted(stage: Stage, chance: Random) -> Iterator[None]:
    """Restart it after a crash, or cleanly."""
    stage.database.stop(chance.choice(["immediate", "fast"]))
    yield
    stage.database.start()


@contextmanager
def connections_cut(stage: Stage, _chance: Random) -> Iterator[None]:
    """Cut all connections at the beginning and at the end."""
    stage.execute(_STORM)
    yield
    stage.execute(_STORM)


@contextmanager
def database_read_only(stage: Stage, _chance: Random) -> Iterator[None]:
    """Set it read-only, as a standby is after a failover."""
    name = stage.town.engine.url.database
    stage.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    stage.execute(_STORM)
    yield
    stage.execute(
        f"SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only"
    )
    stage.execute(_STORM)


@contextmanager
def volume_read_only(stage: Stage, _chance: Random) -> Iterator[None]:
    """Make each existing directory of a commune read-only: no file can be renamed or removed."""
    directories = [path for path in stage.town.exports.iterdir() if path.is_dir()]
    for path in directories:
        path.chmod(_FORBIDDEN)
    yield
    for path in directories:
        path.chmod(_ALLOWED)


@contextmanager
def volume_away(stage: Stage, _chance: Random) -> Iterator[None]:
    """Replace the volume by an empty directory, as after an unmount; nothing may be written there."""
    exports = stage.town.exports
    aside = exports.with_name("aside")
    exports.rename(aside)
    exports.mkdir()
    yield
    written = [path.name for path in exports.rglob("*")]
    exports.rename(exports.with_name(f"mount-{len(list(exports.parent.glob('mount-*')))}"))
    aside.rename(exports)
    assert not written, f"written beside the volume: {written}"


@contextmanager
def mail_away(stage: Stage, _chance: Random) -> Iterator[None]:
    """No server listens."""
    stage.mailbox.stop()
    yield
    stage.mailbox.start()


@contextmanager
def mail_slow(stage: Stage, _chance: Random) -> Iterator[None]:
    """Each mail is answered when the trouble ends."""
    over = threading.Event()
    stage.mailbox.before_answer = lambda: over.wait(stage.patience)
    yield
    stage.mailbox.before_answer = lambda: None
    over.set()


TROUBLES = (
    *(
        Trouble("worker", it)
        for it in (worker_killed, worker_frozen, consumer_frozen, descriptors_short)
    ),
    *(Trouble("volume", it) for it in (files_short, volume_read_only, volume_away)),
    *(Trouble("database", it) for it in (database_restarted, connections_cut, database_read_only)),
    # an answer that is lost after a mail was sent, or a clock that ends its lease, may send it again
    Trouble("commit", answers_lost, mails_again=_MAILS_AT_ONCE),
    *(Trouble("clock", it) for it in (clock_ahead, clock_behind)),
    *(Trouble("broker", it) for it in (broker_restarted, tokens_purged, tokens_doubled)),
    Trouble("notifier", notifier_killed, mails_again=_MAILS_AT_ONCE),
    *(Trouble("mail", it) for it in (mail_away, mail_slow)),
)
BY_NAME = {it.name: it for it in TROUBLES}


_SHORT = 35
"""Its first round cuts the database connections while a worker is frozen and mail is slow."""
_FIRST, _COUNT = int(os.environ.get("SEED", "1")), int(os.environ.get("SEEDS", "3"))
_WHOLE = [
    pytest.param(seed, ROUNDS, marks=pytest.mark.slow) for seed in range(_FIRST, _FIRST + _COUNT)
]


@pytest.mark.parametrize(("seed", "count"), [(_SHORT, 1), *_WHOLE])
def test_whatever_comes_together_nothing_is_lost_doubled_or_failed(
    stage: Stage, seed: int, count: int
) -> None:
    rounds = draw(seed)[:count]
    print(describe(rounds))  # noqa: T201 — pytest shows it when the test fails
    play_rounds(stage, rounds, seed, requests=4)
