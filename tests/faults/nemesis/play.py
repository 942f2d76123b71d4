"""A seed gives a sequence of rounds, each with two or three overlapping troubles; the sequence is played and judged."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.people import write_town
from common.calendrier import jour_a_paris, now
from schemas.declarations import DeclarationNoted
from schemas.requests import CancelRequested, RegistreImportRequested, RegistrePreviewRequested
from schemas.vocabulary import ExportKind, ExportStatus, PreviewStatus, RequestOutcome
from tests.faults.nemesis.troubles import BY_NAME, TROUBLES
from tests.faults.stage import ELECTEURS, Stage
from tests.parts.town import AGENT, TODAY
from tests.parts.wait import wait_until
from worker.arrivals import Preview
from worker.demo.libreville import LIBREVILLE
from worker.exports.models import Depot, Export, Request, main_name
from worker.exports.storage import SENTINEL
from worker.work.queue import Work

ROUNDS = 4
_LONGEST_SECONDS = 3.0
_LATER_SECONDS = 1400
"""Longer than any wait: a mail in progress, a recipient, a row."""
_HEALING, _SOON = 180, 1.5
_PUT_OFF_SECONDS = 20
"""Longer than the delay after a first failure."""
UNDER_WAY = {PreviewStatus.QUEUED, PreviewStatus.RUNNING, PreviewStatus.ACCEPTED, PreviewStatus.IMPORTING}
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
        rounds.append([Step(it, chance.uniform(0, 1), chance.uniform(0.5, _LONGEST_SECONDS)) for it in names])
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
    stage.expect(marked.exists, "the mark of the volume")  # else the first process that looks finds an empty directory
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
    if left := _without_row(stage):
        raise AssertionError(f"files that no row knows: {left}")
    stage.check(sum(BY_NAME[step.trouble].mails_again for steps in rounds for step in steps))


def _heal(stage: Stage) -> None:
    """Wait until everything is made and notified, three minutes at most; make delayed work due."""
    ends_at = time.monotonic() + _HEALING
    while time.monotonic() < ends_at:
        with suppress(AssertionError):
            wait_until(lambda: _is_recorded(stage) and not stage.count(_OPEN), timeout=_SOON, message="")
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
            self._stage.declare(RegistrePreviewRequested.model_validate(about | self._write_export()))

    def _write_export(self) -> dict[str, Any]:
        """Put an export of the REU into the arrivals folder, each time with one elector less."""
        self._exports += 1
        path = self._stage.town.arrivals / f"export-{self._exports}.csv"
        path.parent.mkdir(exist_ok=True)
        write_town(path, ELECTEURS - self._exports, today=TODAY)
        return {"arrival": path.name, "sha256": sha256(path.read_bytes()).hexdigest(), "taken_on": jour_a_paris(now())}

    def check(self) -> None:
        """Check one answer per event, a record of each accepted deposit, and no export of the REU without a result."""
        with Session(self._stage.town.engine) as session:
            requests = session.scalars(select(Request)).all()
            unanswered = set(session.scalars(select(Work.subject)))
            deposits = set(session.scalars(select(Depot.export_id)))
            previews = session.execute(select(Preview.status, Preview.reason)).all()
        for event in self._stage.declared:
            rows = [it for it in requests if it.event_id == event.id]
            if len(rows) != 1 or rows[0].notified_at is None or f"request:{rows[0].id}" in unanswered:
                raise AssertionError(f"{event.type}: {len(rows)} rows, not answered")
            accepted = rows[0].outcome == RequestOutcome.ACCEPTED
            is_of_files = event.type == DeclarationNoted.EVENT_TYPE and "exports" in event.data
            if is_of_files and (not accepted or not deposits.issuperset(event.data["exports"])):
                raise AssertionError(f"a deposit that is not on record: {rows[0].reason}")
        if stuck := [it for it in previews if it.status in UNDER_WAY or it.reason.startswith("La lecture")]:
            raise AssertionError(f"exports of the REU: {stuck}")


def _play_round(stage: Stage, steps: Sequence[Step], chance: Random) -> None:
    """Begin and end each trouble at its time; all have ended when this returns."""
    moments = sorted(
        [(step.begins, "begin", step) for step in steps] + [(step.begins + step.lasts, "end", step) for step in steps]
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


def _without_row(stage: Stage) -> list[str]:
    with Session(stage.town.engine) as session:
        known = {main_name(name) for name in session.scalars(select(Export.file_name))}
    return [path.name for path in stage.town.exports.glob("*/[!.]*") if main_name(path.name) not in known]
