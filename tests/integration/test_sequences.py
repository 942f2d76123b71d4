"""Random sequences of requests, copies, cancels, kills and backlogs, judged by what an account outside can see.

Queues, tokens and published events are lists here: an event comes again after a kill, in any order; tokens are lost,
doubled and sent again by the sweep. A kill is at a random statement or commit; from then on the dead process does
nothing.
`SEQUENCES` sets how many are played in the slow test; a failure names the seed of its sequence.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from random import Random
from typing import Any

import jsonschema
import pytest
from sqlalchemy import delete, event, func, select, update

from schemas.envelope import CloudEvent, Data
from schemas.events import FileStage, RequestStage
from schemas.generate import ROOT
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import EVENT_EXPORT_STATUS, EVENT_TYPES, REQUEST_CANCEL, REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus, Liste
from tests.integration.export_desk import COMMUNE, Desk
from tests.integration.notifier_desk import Killed
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.access.models import Agent
from worker.db.types import utc_now
from worker.exports.models import EarlyCancel, Export, ExportPiece, Request
from worker.handlers.next_work import do_next_work
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import sweep
from worker.notifier.notices import Notices
from worker.notifier.notify import Notifier, build_pools
from worker.work.queue import Work, is_open

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=Desk.open),
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning"
    ),  # cursors of killed processes
]

SLOW = int(os.environ.get("SEQUENCES", "1000"))
"""On each of the two databases."""
TOGETHER = 25
"""So many sequences are one test, which ends in minutes on a busy machine."""
ACCOUNTS = ("mairie", "departement")
LATER_SECONDS = 1400
"""Longer than a lease, and than the rest of a work whose process died."""
ENDED = (FileStage.READY, FileStage.FAILED, FileStage.CANCELLED)
_SMALL = (Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.COMPLEMENTAIRE_MUNICIPALE)
_VALID = {
    it: jsonschema.Draft202012Validator(
        json.loads((ROOT / "json" / f"{it}.json").read_text("utf-8"))
    )
    for it in EVENT_TYPES
}

Sent = tuple[str, CloudEvent]
"""An event, and the account that sends it."""


class Play:
    """One sequence on an installation whose tables are empty."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk, self._random, self._seed = desk, Random(seed), seed
        self._inbox: list[Sent] = []
        self._tokens: list[str] = []
        self._left = 0
        """Statements and commits of the running process until its kill; 0: it is not killed."""
        self._is_dead = False
        self.sent: list[Sent] = []
        self.published: list[tuple[CloudEvent, str]] = []
        self.unfinished: dict[str, set[int]] = {}
        """By the id of an accepted cancel: files of its request that were not finished when it was recorded."""
        self.early: set[str] = set()
        """The ids of requests that were cancelled before they were read."""
        desk.configure(send_tokens=self._send_tokens)

    def run(self) -> None:
        steps: Sequence[Callable[[], None]] = (
            *(self._ask, self._ask, self._cancel, self._copy, self._damage),
            *(
                self._deliver,
                self._deliver,
                self._deliver,
                self._make,
                self._make,
                self._notify,
                self._wait,
            ),
        )
        with self._traced():
            for _ in range(self._random.randint(8, 40)):
                self._act(self._random.choice(steps), kill=self._random.random() < 0.3)
            for _ in range(60):
                if not self._drain():
                    return
        raise AssertionError(
            f"seed {self._seed}: it does not come to an end: {self._inbox}, {self._tokens}"
        )

    def _act(self, step: Callable[[], None], *, kill: bool) -> None:
        self._left, self._is_dead = self._random.randint(1, 25) if kill else 0, False
        try:
            step()
        except Killed:
            self._random.shuffle(self._inbox)
        self._left, self._is_dead = 0, False

    def _ask(self) -> None:
        listes = self._random.sample(_SMALL, self._random.randint(1, 2))
        data = ListeExportRequested(
            commune=COMMUNE, listes=listes, requested_by=AGENT, bulk=self._random.random() < 0.3
        )
        self._send_new(self._random.choice(ACCOUNTS), data)

    def _cancel(self) -> None:
        """Cancel a request, perhaps before it is read."""
        if asked := [it for it in self.sent if it[1].type == REQUEST_LISTE_EXPORT]:
            account, request = self._random.choice(asked)
            named = {"request": {"source": request.source, "id": request.id}, "requested_by": AGENT}
            self._send_new(account, CancelRequested.model_validate(named))
            if self._random.random() < 0.3:
                self._inbox.insert(0, self._inbox.pop())

    def _copy(self) -> None:
        if self.sent:
            self._inbox.append(self._random.choice(self.sent))

    def _damage(self) -> None:
        """Send an event again with other data, or a new one with data that no worker can serve."""
        if self.sent:
            account, one = self._random.choice(self.sent)
            changes: dict[str, Any] = {"data": one.data | {"requested_by": "autre"}}
            if self._random.random() < 0.5:
                changes = {"id": f"{one.id}!", "data": one.data | {"commune": 13900}}
            self._send(account, one.model_copy(update=changes))

    def _send_new(self, account: str, data: Data) -> None:
        event_id = f"{self._seed}-{len(self.sent)}"
        self._send(
            account, CloudEvent.wrap(data, source="/sequences").model_copy(update={"id": event_id})
        )

    def _send(self, account: str, sent: CloudEvent) -> None:
        self.sent.append((account, sent))
        self._inbox.append((account, sent))

    def _deliver(self) -> None:
        """Read a message, most often the first; after a kill the broker delivers it again."""
        if not self._inbox:
            return
        position = 0 if self._random.random() < 0.7 else self._random.randrange(len(self._inbox))
        account, sent = self._inbox[position]
        ingest_request(sent, self._desk.services, sender=account)
        del self._inbox[position]
        if sent.type == REQUEST_CANCEL:
            self._note_cancel(account, sent)

    def _note_cancel(self, account: str, cancel: CloudEvent) -> None:
        """Remember what a cancel that was just read has to stop, if it was accepted."""
        named = cancel.data["request"]["id"]
        of_cancel = select(Request.outcome).where(Request.event_id == cancel.id)
        is_target = Request.event_id == named, Request.sender == account, Request.code == ""
        open_files = select(Export.id).where(
            Export.request_id.in_(select(Request.id).where(*is_target)),
            Export.status.in_([ExportStatus.QUEUED, ExportStatus.RUNNING]),
        )
        with self._desk.engine.connect() as connection:
            if "accepted" not in connection.scalars(of_cancel).all():
                return
            if connection.scalars(select(EarlyCancel.event_id).filter_by(event_id=named)).all():
                self.early.add(named)
            self.unfinished.setdefault(cancel.id, set(connection.scalars(open_files)))

    def _make(self) -> None:
        """Take a token; after a kill it comes again, or the sweep sends another."""
        if not self._tokens:
            return
        queue = self._tokens.pop(self._random.randrange(len(self._tokens)))
        try:
            do_next_work(queue, self._desk.services)
        except Killed:
            if self._random.random() < 0.5:
                self._tokens.append(queue)
            raise

    def _notify(self) -> None:
        pools = build_pools(self._desk.engine, Notices(""), {}, self._publish)
        Notifier(self._desk.engine, pools, owner="notifier", lease_seconds=60).work(
            threading.Event()
        )

    def _publish(self, event: CloudEvent, account: str) -> None:
        self._pass()
        self.published.append((event, account))

    def _send_tokens(self, queue: str, number: int) -> None:
        """Send tokens, of which each is lost or doubled now and then."""
        self._pass()
        for _ in range(number):
            self._tokens += [queue] * self._random.choices((0, 1, 2), (1, 8, 1))[0]

    def _wait(self) -> None:
        """Let leases, pauses and rests end, and sweep."""
        with self._desk.engine.begin() as connection:
            connection.execute(update(Work).values(due_at=utc_now(-LATER_SECONDS)))
        sweep(self._desk.engine, self._send_tokens, self._tokens.count)

    def _drain(self) -> int:
        """Do what is left without kills; return how much was left."""
        for _ in range(len(self._inbox)):
            self._act(self._deliver, kill=False)
        self._act(self._wait, kill=False)
        for _ in range(len(self._tokens)):
            self._act(self._make, kill=False)
        self._act(self._notify, kill=False)
        with self._desk.engine.connect() as connection:
            open_works = select(func.count()).select_from(Work).where(is_open())
            return (connection.scalar(open_works) or 0) + len(self._inbox)

    def _pass(self) -> None:
        """Count a step of the running process, and kill it at its last; a dead process does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        if self._left:
            self._left -= 1
            self._is_dead = not self._left
        if self._is_dead:
            raise Killed

    @contextmanager
    def _traced(self) -> Iterator[None]:
        engine, real = self._desk.engine, self._desk.engine.dialect.do_commit

        def commit(dbapi_connection: Any) -> None:  # noqa: ANN401 — the driver's
            self._pass()
            real(dbapi_connection)
            self._pass()

        def statement(*_: object) -> None:
            self._pass()

        event.listen(engine, "before_cursor_execute", statement)
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", statement)
            engine.dialect.do_commit = real  # type: ignore[method-assign]


class Heard:
    """What the accounts heard, by the id of their event or the number of the file."""

    def __init__(self, published: Sequence[tuple[CloudEvent, str]]) -> None:
        self.answers, self.settled = (
            defaultdict[str, set[str]](set),
            defaultdict[str, set[str]](set),
        )
        self.ends = defaultdict[int, set[str]](set)
        self.expected: dict[int, str] = {}
        self.invalid: list[str] = []
        for one, _ in published:
            said = one.model_dump(mode="json", exclude_none=True)
            self.invalid += [error.message for error in _VALID[one.type].iter_errors(said)]
            about = one.causationid or ""
            status = one.data["status"]
            if one.type == EVENT_EXPORT_STATUS:
                if status in ENDED:
                    self.ends[one.data["export_id"]].add(f"{status} {one.id}")
            elif status == RequestStage.SETTLED:
                self.settled[about].add(one.id)
            else:
                self.answers[about].add(one.id)
                self.expected |= {it["export_id"]: about for it in one.data.get("exports", ())}


def _find_wrong(desk: Desk, play: Play) -> Iterator[str]:
    heard, payloads = Heard(play.published), defaultdict[str, set[str]](set)
    yield from heard.invalid
    for account, sent in play.sent:
        payloads[sent.id].add(f"{account} {json.dumps(sent.data, sort_keys=True)}")
    for event_id, said in payloads.items():
        if len(heard.answers[event_id]) != len(said):
            yield f"{len(heard.answers[event_id])} answers for {len(said)} events with the id {event_id}"
    for export_id in heard.expected.keys() | heard.ends.keys():
        if len(heard.ends[export_id]) != 1:
            yield f"file {export_id} ended {heard.ends[export_id]}"
    for event_id in {*heard.expected.values()}:
        if len(heard.settled[event_id]) != 1:
            yield f"request {event_id} settled {len(heard.settled[event_id])} times"
    yield from _find_uncancelled(play, heard)
    yield from _find_wrong_files(desk, {*heard.expected})


def _find_uncancelled(play: Play, heard: Heard) -> Iterator[str]:
    for cancel_id, files in play.unfinished.items():
        for export_id in files:
            if not _is_cancelled(heard, export_id):
                yield f"{cancel_id} cancelled {export_id}: {heard.ends[export_id]}"
    for export_id, event_id in heard.expected.items():
        if event_id in play.early and not _is_cancelled(heard, export_id):
            yield f"{event_id} was cancelled before it was read: {heard.ends[export_id]}"


def _is_cancelled(heard: Heard, export_id: int) -> bool:
    return all(end.startswith("cancelled ") for end in heard.ends[export_id])


def _find_wrong_files(desk: Desk, expected: set[int]) -> Iterator[str]:
    with desk.engine.connect() as connection:
        exports = connection.execute(
            select(Export.id, Export.status, Export.file_name, Export.sha256)
        ).all()
        pieces = connection.execute(select(ExportPiece.file_name, ExportPiece.sha256)).all()
    if {it.id for it in exports} != expected:
        yield f"files {sorted(it.id for it in exports)} and not {sorted(expected)}"
    named = {it.file_name: it.sha256 for it in exports if it.status == ExportStatus.READY}
    named |= {it.file_name: it.sha256 for it in pieces}
    there = {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in desk.root.glob("*/*.*")
        if path.is_file()
    }
    if there != named:
        yield f"on the volume {sorted(there)} and not {sorted(named)}"


def _play(desk: Desk, seeds: range) -> None:
    for seed in seeds:
        with desk.engine.begin() as connection:
            for table in (Agent, Work, EarlyCancel, ExportPiece, Export, Request):
                connection.execute(delete(table))
        for path in desk.root.glob("*/*"):
            path.unlink()
        play = Play(desk, seed)
        play.run()
        assert not (wrong := [*_find_wrong(desk, play)]), f"seed {seed}: {wrong}"


def test_nothing_is_lost_doubled_or_contradicted(desk: Desk) -> None:
    _play(desk, range(6))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 100 + SLOW, TOGETHER))
def test_nothing_is_lost_doubled_or_contradicted_in_many_sequences(desk: Desk, first: int) -> None:
    _play(desk, range(first, first + TOGETHER))
