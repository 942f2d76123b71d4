"""What was asked for in the past costs nothing: no question of the road reads through 200,000 rows of history."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Integer,
    case,
    cast,
    event,
    insert,
    literal,
    select,
    text,
)

from producers.state import State
from producers.web.exports.query import ExportFilters, read_current, read_page, select_latest
from producers.web.suivi.query import read_change_marker, read_recent
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.audit import Audit
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.db.types import Base
from worker.exports.models import Export, Request
from worker.handlers.requests.ingest_request import ingest_request
from worker.notifier.models import Notification
from worker.settings import load_settings

HISTORY, WAITING = 200_000, 5_000
"""Requests of one file that were told of; and that wait for a worker, behind which nobody may have to look."""

BIG: tuple[type[Base], ...] = (Request, Export, Notification, Audit)
OTHERS = "13901"
_LONG_AGO = datetime(2026, 1, 5, 8, tzinfo=UTC)
_OF_FEW = (
    *("ix_request_refused", "ix_request_settled", "ix_request_share", "ix_request_turn", "ix_request_unanswered"),
    *("ix_export_purge", "ix_export_recall", "ix_export_turn", "ix_export_unfinished"),
)
"""Indexes that hold only what is still to be done."""

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[DepotsDesk]:
    """LIBREVILLE with a long past; one file in a thousand is its own."""
    engine = build_engine(url)
    with engine.begin() as connection:
        _add_history(connection)
    if engine.dialect.name == "postgresql":  # it does so itself; SQLite never
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    yield DepotsDesk(engine, folder / "exports")
    engine.dispose()


def _add_history(connection: Connection) -> None:
    numbers = select(literal(1, Integer).label("i")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.i + 1).where(numbers.c.i < HISTORY + WAITING))
    i: ColumnElement[int] = numbers.c.i
    is_past, number, at = i <= HISTORY, cast(i, Request.source.type), literal(_LONG_AGO, Request.created_at.type)
    past = case((is_past, at))
    commune = case((i % 1000 == 0, COMMUNE), else_=OTHERS)
    whose = {"code_commune": commune, "created_at": at}
    _insert(
        connection,
        Request,
        numbers,
        whose
        | {"id": i, "event_id": number, "correlation_id": number}
        | _texts(source="/past", event_type=REQUEST_LISTE_EXPORT, requested_by=AGENT, outcome="accepted", reason="")
        | {"completed_at": past, "notified_at": past},
    )
    _insert(
        connection,
        Export,
        numbers,
        whose
        | {"id": i, "request_id": i, "file_name": literal("past-").concat(number), "label": number}
        | _texts(part="P.csv", liste="P", format="csv", owner="worker-1")
        | {"parameters": literal({}, Export.parameters.type), "anomalies": literal([], Export.anomalies.type)}
        | {"status": case((is_past, str(ExportStatus.READY)), else_=str(ExportStatus.QUEUED)), "rung_at": at}
        | {"finished_at": past, "purged_at": past},
    )
    _insert(
        connection,
        Notification,
        numbers,
        whose
        | {"request_id": i, "message_id": number, "ended_at": at, "sent_at": at}
        | _texts(
            recipient="past@libreville.example", kind="pret", channel="courriel", address="past@libreville.example"
        ),
        is_past,
    )
    _insert(
        connection, Audit, numbers, {"at": at, "code_commune": commune} | _texts(actor=AGENT, action="past"), is_past
    )
    if connection.dialect.name == "postgresql":
        for table in (Request, Export):
            connection.execute(text(f"SELECT setval('{table.__tablename__}_id_seq', {HISTORY + WAITING + 1})"))


def _insert(
    connection: Connection,
    table: type[Base],
    numbers: FromClause,
    columns: dict[str, Any],
    *conditions: ColumnElement[bool],
) -> None:
    rows = select(*columns.values()).select_from(numbers).where(*conditions)
    connection.execute(insert(table).from_select([*columns], rows, include_defaults=False))


def _texts(**values: str) -> dict[str, Any]:
    return {name: literal(value, Request.source.type) for name, value in values.items()}


class Plans:
    """Every statement that the engines of the process execute in the block, and how the database would go about it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statements: dict[tuple[str, bool], Any] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take note of the statements, each once."""
        event.listen(Engine, "before_cursor_execute", self._note)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, *arguments: Any) -> None:  # noqa: ANN401 — SQLAlchemy's, of its event
        _connection, _cursor, statement, parameters, _context, many = arguments
        if (
            statement.lstrip().split(None, 1)[0] in {"SELECT", "UPDATE", "DELETE", "INSERT", "WITH"}
            and parameters != []
        ):
            is_list = many and isinstance(parameters, list)  # else the rows of one INSERT, as its values
            values = parameters[0] if is_list else parameters
            self._statements.setdefault((statement, OTHERS in repr(values)), values)

    def whole(self) -> list[str]:
        """The statements that read the whole of a big table or of an index on it, and what of their plan says so."""
        explain = self._on_sqlite if self._engine.dialect.name == "sqlite" else self._on_postgresql
        with self._engine.connect() as connection:
            found = {one: explain(connection, one[0], values) for one, values in self._statements.items()}
        assert len(found) > 40, "the road asks more than that"
        return [f"{step}: {statement}" for (statement, _), step in found.items() if step]

    def _on_sqlite(self, connection: Connection, statement: str, values: Any) -> str:  # noqa: ANN401 — the driver's
        steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        names = {table.__tablename__ for table in BIG} | set(_ALIASES.findall(statement))
        scans = [step for step in steps if step.startswith("SCAN") and step.split()[1].strip('"') in names]
        if ExportStatus.READY in repr(values):  # all that was ever made
            scans += [step for step in steps if step.endswith("INDEX ix_export_status (status=?)")]
        return "; ".join(step for step in scans if not step.endswith(_OF_FEW))

    def _on_postgresql(self, connection: Connection, statement: str, values: Any) -> str:  # noqa: ANN401 — the driver's
        plan: Any = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
        nodes = list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
        tables = {table.__tablename__ for table in BIG}
        return "; ".join(
            f"{node['Node Type']} on {node['Relation Name']} {node.get('Index Name', '')}"
            for node in nodes
            if node.get("Relation Name") in tables and _reads_all(node)
        )


_ALIASES = re.compile(r"\b(?:request|export|notification|audit) AS \"?(\w+)")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _reads_all(node: dict[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return True
    is_by_index = node["Node Type"] in {"Index Scan", "Index Only Scan"}
    return is_by_index and "Index Cond" not in node and node["Index Name"] not in _OF_FEW


@pytest.mark.slow
@pytest.mark.desk(opened_by=open_desk)
def test_no_question_of_the_road_reads_through_the_past(desk: DepotsDesk, database_url: str, tmp_path: Path) -> None:
    settings = load_settings(database_url=database_url, exports_dir=tmp_path / "exports", home=tmp_path)
    published: list[CloudEvent] = []
    notifier = build_notifier(
        settings,
        desk.engine,
        enqueue=lambda _doorbells: None,
        publish=lambda addressed: published.extend(event for event, _ in addressed),
    )
    plans = Plans(desk.engine)
    with plans.watching(), State(database_url) as state:
        asked, again, unheard = (CloudEvent.wrap(_liste(), source="/test") for _ in range(3))
        for one in (asked, again, asked):
            ingest_request(one, desk.services)
        for one in (again, unheard):
            by = {"request": {"source": one.source, "id": one.id}, "requested_by": AGENT}
            ingest_request(CloudEvent.wrap(CancelRequested.model_validate(by), source="/test"), desk.services)
        for doorbell in desk.enqueued:
            desk.ring(doorbell.row_id)
        notifier.work(Event())
        for commune in (COMMUNE, OTHERS):  # of few files, and of nearly all: then the newest may still be others'
            with state.reading() as reading:
                select_latest(reading, commune)
            read_page(state, commune, ExportFilters())
            read_recent(state, commune)
            read_change_marker(state, commune)
            read_current(state, commune)
            state.latest(commune)
        state.request_progress(asked.source, asked.id)
    assert len(published) > 3, "nothing was told"
    if found := plans.whole():
        pytest.fail("\n".join(found), pytrace=False)


def _liste() -> ListeExportRequested:
    return ListeExportRequested.model_validate({"commune": COMMUNE, "listes": ["P"], "requested_by": AGENT})
