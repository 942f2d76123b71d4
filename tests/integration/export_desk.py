"""A desk that creates rows of exports and runs their handler, without a broker."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Self

import pytest
from sqlalchemy import Connection, Engine, RowMapping, select, text, update
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.profiles.platform import PlatformProfiles, read_shipped
from schemas.profiles.source import read_reu
from schemas.topology import QUEUE_LISTES, QUEUE_TABLEAUX, REQUEST_LISTE_EXPORT
from schemas.vocabulary import Format, Liste, Severity
from tests.parts.wait import wait_until
from worker.arrivals import Arrivals
from worker.audit import AuditLine, read_audit
from worker.db.engine import build_engine
from worker.db.types import seconds_between, utc_now
from worker.exports.models import Request
from worker.exports.records import add_exports, subject_of_file
from worker.exports.storage import Storage
from worker.handlers.next_work import do_next_work
from worker.notifier.notices import Notices
from worker.notifier.notify import Notifier, build_pools
from worker.services import Services
from worker.work.queue import FILES, QUEUE_KINDS, Work, count_due
from worker.writers.electeurs_file import LISTE_FORMATS, WriteListe

COMMUNE = "13900"
ASKED_AT = datetime.fromisoformat("2026-11-25T09:30:00+01:00")


@dataclass
class Desk:
    """LIBREVILLE's register, an exports volume, and the handler that makes the files."""

    engine: Engine
    root: Path
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        self.services = Services(
            engine=self.engine,
            registre=self.engine,
            storage=Storage(self.root),
            arrivals=Arrivals(self.root / "arrivals"),
            send_tokens=lambda _queue, _number: None,
            profiles=PlatformProfiles(read_shipped(), {}),
            source=read_reu(),
            ruined_values=Severity.BLOCKING,
            public_url="",
            lease_seconds=30,
            is_embedded=True,
        )

    def use_profile(self, **changes: Any) -> None:  # noqa: ANN401 — fields of PlatformProfile
        """Change the platform's profile of all communes from now on."""
        self.configure(profiles=PlatformProfiles(read_shipped().model_copy(update=changes), {}))

    @classmethod
    @contextmanager
    def open(cls, url: str, folder: Path) -> Iterator[Self]:
        """A desk on this database, its volume in this folder."""
        engine = build_engine(url)
        yield cls(engine, folder / "exports")
        engine.dispose()

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 — fields of Services
        """Replace settings from now on."""
        self.services = replace(self.services, **changes)

    def ask(
        self,
        liste: Liste = Liste.PRINCIPALE,
        format_: Format = Format.CSV,
        created_at: datetime = ASKED_AT,
    ) -> int:
        """Create one queued row; its id."""
        return self.ask_all([(liste, format_)], created_at)[0]

    def ask_all(
        self,
        parts: Sequence[tuple[Liste, Format]],
        created_at: datetime = ASKED_AT,
        commune: str = COMMUNE,
    ) -> list[int]:
        """Create the rows of one request for list files; their ids."""
        files = [
            {"part": f"{liste}.{format_}", "liste": liste, "format": format_}
            for liste, format_ in parts
        ]
        return self.ask_files(files, created_at, commune)

    def ask_files(
        self,
        files: Sequence[Mapping[str, Any]],
        created_at: datetime = ASKED_AT,
        commune: str = COMMUNE,
    ) -> list[int]:
        """Create the rows of one request; their ids."""
        with Session(self.engine) as session, session.begin():
            count = session.query(Request).count()
            request = Request(
                source="/test",
                event_id=str(count),
                event_type=REQUEST_LISTE_EXPORT,
                correlation_id=f"test-{count}",
                code_commune=commune,
                requested_by="test",
                created_at=created_at,
            )
            session.add(request)
            pattern = self.services.profiles.of(commune).file_name
            works = add_exports(session, request, files, pattern, share="")
            return [int(work.subject.partition(":")[2]) for work in works]

    def process(self, export_id: int) -> RowMapping:
        """Take tokens until the file of a row was claimed; files before it are made too. Return the row."""
        started = self._started(export_id)
        for _ in range(100):
            self.take_token(QUEUE_LISTES)
            self.take_token(QUEUE_TABLEAUX)
            if self._started(export_id) != started:
                break
        return self.row(export_id)

    def _started(self, export_id: int) -> list[Any]:
        """The instant of the last start of a file."""
        return self.values("SELECT started_at FROM export WHERE id = :id", id=export_id)

    def take_token(self, queue: str) -> None:
        """Do what a worker does with one token of a queue."""
        do_next_work(queue, self.services)

    def work(self, *queues: str) -> None:
        """Do all due works of these queues, or of all."""
        for queue in queues or QUEUE_KINDS:
            while self.count_due(queue):
                self.take_token(queue)

    def count_due(self, queue: str) -> int:
        with self.engine.connect() as connection:
            return count_due(connection, queue)

    def announce(self) -> list[CloudEvent]:
        """Do what a notifier does without recipients; return the events that it published."""
        published: list[CloudEvent] = []
        pools = build_pools(
            self.engine, Notices(""), {}, lambda event, _account: published.append(event)
        )
        Notifier(self.engine, pools, owner="notifier", lease_seconds=30).work(Event())
        return published

    def row(self, export_id: int) -> RowMapping:
        """The row of the view that producers read, with some columns of other tables and its pieces."""
        query = """SELECT d.*, w.starts, w.waits, w.due_at, w.owner, r.created_at AS asked_at,
                          s.file_name AS report_name, s.size AS report_size, s.sha256 AS report_sha256,
                          c.file_name AS certificat_name, p.file_name AS proof_name
                   FROM derniers_exports d JOIN export e ON e.id = d.export_id JOIN request r ON r.id = e.request_id
                        LEFT JOIN work w ON w.kind = d.kind AND w.subject = 'export:' || d.export_id
                        LEFT JOIN piece s ON s.export_id = e.id AND s.kind = 'rapport'
                        LEFT JOIN piece c ON c.export_id = e.id AND c.kind = 'certificat'
                        LEFT JOIN piece p ON p.export_id = e.id AND p.kind = 'reconciliation'
                   WHERE d.export_id = :id"""
        (row,) = self.rows(query, id=export_id)
        return row

    def rows(self, query: str, **parameters: object) -> Sequence[RowMapping]:
        with self.engine.connect() as connection:
            return connection.execute(text(query), parameters).mappings().all()

    def values(self, query: str, **parameters: object) -> list[Any]:
        """The first column of the rows."""
        with self.engine.connect() as connection:
            return list(connection.scalars(text(query), parameters))

    def request(self, event: CloudEvent) -> RowMapping:
        (row,) = self.rows("SELECT * FROM demandes WHERE event_id = :id", id=event.id)
        return row

    def files_of(self, event: CloudEvent) -> Sequence[RowMapping]:
        return self.rows(
            "SELECT * FROM derniers_exports WHERE event_id = :id ORDER BY export_id", id=event.id
        )

    def audit(self) -> list[AuditLine]:
        """The audit trail, the oldest line first."""
        with self.engine.connect() as connection:
            return read_audit(connection, limit=1000)[::-1]

    def run(self, statement: str, **parameters: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def change_works(self, **values: Any) -> None:  # noqa: ANN401 — columns
        """Update all works."""
        with self.engine.begin() as connection:
            connection.execute(update(Work).values(values))

    def end_waits(self) -> None:
        """Make all works claimable, also those whose worker died a third time: time passes."""
        self.change_works(due_at=utc_now(-3600), within_seconds=0)

    def seconds_left(self, export_id: int) -> float:
        """How long the work of a file waits from now on, by the clock of the database."""
        left = select(seconds_between(utc_now(), Work.due_at)).where(
            Work.kind.in_(FILES), Work.subject == subject_of_file(export_id)
        )
        with self.engine.connect() as connection:
            return float(connection.scalars(left).one())

    def wait_for_lock(self) -> None:
        """Wait until another connection of this PostgreSQL database waits for a lock."""
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_until(lambda: self.values(waits) != [0], message="a connection that waits for a lock")

    def read(self, row: RowMapping) -> bytes:
        return self.root.joinpath(row["code_commune"], row["file_name"]).read_bytes()

    def files(self) -> list[str]:
        """The names of all files in the exports volume, temporary ones included."""
        return sorted(path.name for path in self.root.rglob("*") if not path.is_dir())


def decoded(value: Any) -> Any:  # noqa: ANN401 — JSON, which SQLite gives as text
    """The value of a JSON column."""
    return json.loads(value) if isinstance(value, str) else value


@contextmanager
def lose_answer(engine: Engine, statement: str) -> Iterator[None]:
    """Commit the next transaction with a statement that begins so, and raise as if no answer had come."""
    dialect, real = engine.dialect, engine.dialect.do_commit
    meant: list[Any] = []

    def note(connection: Connection, _cursor: object, said: str, *_others: object) -> None:
        if said.startswith(statement):
            meant.append(connection.connection.dbapi_connection)

    def commit(connection: Any) -> None:  # noqa: ANN401 — the driver's
        real(connection)
        if getattr(connection, "dbapi_connection", connection) in meant:
            dialect.do_commit = real  # type: ignore[method-assign]
            raise dialect.loaded_dbapi.OperationalError("server closed the connection")

    listen(engine, "before_cursor_execute", note)
    dialect.do_commit = commit  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        remove(engine, "before_cursor_execute", note)
        dialect.do_commit = real  # type: ignore[method-assign]


def before_writing(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Run the action once, between the count of the electors and the first line."""
    done: list[bool] = []

    def write(real: WriteListe, *arguments: Any, **options: bool) -> int:  # noqa: ANN401 — passed on
        if not done:
            done.append(True)
            action()
        return real(*arguments, **options)

    for format_ in Format:
        replace_writer(monkeypatch, partial(write, LISTE_FORMATS[format_].write), format_)


def replace_writer(
    monkeypatch: pytest.MonkeyPatch, write: WriteListe, format_: Format = Format.CSV
) -> None:
    monkeypatch.setitem(LISTE_FORMATS, format_, replace(LISTE_FORMATS[format_], write=write))


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str, code: int, *, on: str) -> None:
    """Make the first call of `os.<name>` for a file whose path contains `on` fail."""
    real = getattr(os, name)
    done: list[str] = []

    def call(target: Any, *arguments: Any) -> Any:  # noqa: ANN401 — os.open and os.fsync
        path = str(
            target if isinstance(target, str | Path) else Path(f"/proc/self/fd/{target}").readlink()
        )
        if on in path and not done:
            done.append(path)
            raise OSError(code, os.strerror(code), path)
        return real(target, *arguments)

    monkeypatch.setattr(os, name, call)
