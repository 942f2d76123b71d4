"""Old requests cost nothing: no query of a request's processing reads through 200,000 rows of history."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import Connection, Engine, event, text

from producers.state import State
from producers.web.exports.query import read_current, read_page, select_latest
from producers.web.suivi.requests import read_recent
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.handlers.requests.ingest_request import ingest_request
from worker.messaging.queues import TokenQueues
from worker.settings import load_settings

HISTORY, WAITING = 200_000, 5_000
"""Requests of one file that were notified; and those that wait for a worker, which new requests must not wait for."""

BIG = {"request", "export", "notification", "audit"}
OTHERS = "13901"
_OF_FEW = (
    *(
        "ix_request_refused",
        "ix_request_settled",
        "ix_request_share",
        "ix_request_turn",
        "ix_request_unanswered",
    ),
    *("ix_export_purge", "ix_export_recall", "ix_export_turn", "ix_export_unfinished"),
)
"""Indexes that contain only unfinished work."""

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[DepotsDesk]:
    """LIBREVILLE with a long history; one file in a thousand belongs to it."""
    engine = build_engine(url)
    with engine.begin() as connection:
        _add_history(connection)
    if engine.dialect.name == "postgresql":  # autovacuum does it in production; SQLite has none
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    yield DepotsDesk(engine, folder / "exports")
    engine.dispose()


_PAST = (
    """INSERT INTO request (id, source, event_id, event_type, correlation_id, code_commune, requested_by, created_at,
                            outcome, reason, completed_at, notified_at)
       {numbers} SELECT i, '/past', CAST(i AS TEXT), '{liste_export}', '', {commune}, '{agent}', {at}, 'accepted', '',
                        {past}, {past} FROM numbers""",
    """INSERT INTO export (id, request_id, part, code_commune, liste, format, file_name, label, status, created_at,
                           anomalies, finished_at, purged_at)
       {numbers} SELECT i, i, 'P.csv', {commune}, 'P', 'csv', 'past-' || i, CAST(i AS TEXT),
                        CASE WHEN {is_past} THEN 'ready' ELSE 'queued' END, {at}, {empty},
                        {past}, {past} FROM numbers""",
    """INSERT INTO work (kind, subject, due_at, created_at)
       {numbers} SELECT 'liste', 'export:' || i, {at}, {at} FROM numbers WHERE NOT ({is_past})""",
    """INSERT INTO notification (request_id, recipient, kind, channel, address, code_commune, created_at, ended_at,
                                 sent_at)
       {numbers} SELECT i, 'past@libreville.example', 'pret', 'courriel', 'past@libreville.example', {commune}, {at},
                        {at}, {at} FROM numbers WHERE {is_past}""",
    """INSERT INTO audit (at, actor, action, code_commune)
       {numbers} SELECT {at}, '{agent}', 'past', {commune} FROM numbers WHERE {is_past}""",
)


def _add_history(connection: Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    numbers = f"""WITH RECURSIVE numbers(i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {HISTORY + WAITING})"""  # noqa: S608 — ours
    words = {
        "numbers": numbers,
        "liste_export": REQUEST_LISTE_EXPORT,
        "agent": AGENT,
        "commune": f"CASE WHEN i % 1000 = 0 THEN '{COMMUNE}' ELSE '{OTHERS}' END",
        "is_past": f"i <= {HISTORY}",
        "at": "'2026-01-05 08:00:00.000'" if is_sqlite else "timestamptz '2026-01-05 08:00Z'",
        "empty": "'[]'" if is_sqlite else "json '[]'",
    }
    words["past"] = "CASE WHEN {is_past} THEN {at} END".format(**words)
    for statement in _PAST:
        connection.exec_driver_sql(
            statement.format(**words).replace("%", "%" if is_sqlite else "%%")
        )
    if not is_sqlite:
        for table in ("request", "export"):
            connection.execute(text(f"SELECT setval('{table}_id_seq', {HISTORY + WAITING + 1})"))


class Plans:
    """Every statement that the process's engines execute in the block, with its query plan."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statements: dict[tuple[str, bool], Any] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record each distinct statement."""
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
            is_list = many and isinstance(
                parameters, list
            )  # else the values of one multi-row INSERT
            values = parameters[0] if is_list else parameters
            self._statements.setdefault((statement, OTHERS in repr(values)), values)

    def whole(self) -> list[str]:
        """The statements that read a whole big table or a whole index on it, with that step of their plan."""
        explain = self._on_sqlite if self._engine.dialect.name == "sqlite" else self._on_postgresql
        with self._engine.connect() as connection:
            found = {
                one: explain(connection, one[0], values) for one, values in self._statements.items()
            }
        assert len(found) > 40, "the road asks more than that"
        return [f"{step}: {statement}" for (statement, _), step in found.items() if step]

    def _on_sqlite(self, connection: Connection, statement: str, values: Any) -> str:  # noqa: ANN401 — the driver's
        steps = [
            row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
        names = BIG | set(_ALIASES.findall(statement))
        scans = [
            step
            for step in steps
            if step.startswith("SCAN") and step.split()[1].strip('"') in names
        ]
        if ExportStatus.READY in repr(values):  # all files ever made
            scans += [step for step in steps if step.endswith("INDEX ix_export_status (status=?)")]
        return "; ".join(step for step in scans if not step.endswith(_OF_FEW))

    def _on_postgresql(self, connection: Connection, statement: str, values: Any) -> str:  # noqa: ANN401 — the driver's
        plan: Any = connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {statement}", values
        ).scalar_one()
        nodes = list(_nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
        return "; ".join(
            f"{node['Node Type']} on {node['Relation Name']} {node.get('Index Name', '')}"
            for node in nodes
            if node.get("Relation Name") in BIG and _reads_all(node)
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
def test_no_question_of_the_road_reads_through_the_past(
    desk: DepotsDesk, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.state._count", lambda *_: 0)  # a count reads what it counts
    settings = load_settings(
        database_url=database_url, exports_dir=tmp_path / "exports", home=tmp_path
    )
    published: list[CloudEvent] = []
    notifier = build_notifier(
        settings,
        desk.engine,
        tokens=TokenQueues(StubBroker(middleware=[])),
        publish=lambda event, _account: published.append(event),
    )
    plans = Plans(desk.engine)
    wanted = ListeExportRequested.model_validate(
        {"commune": COMMUNE, "listes": ["P"], "requested_by": AGENT}
    )
    with plans.watching(), State(database_url) as state:
        asked, again, unheard = (CloudEvent.wrap(wanted, source="/test") for _ in range(3))
        for one in (asked, again, asked):
            ingest_request(one, desk.services)
        for one in (again, unheard):
            by = {"request": {"source": one.source, "id": one.id}, "requested_by": AGENT}
            ingest_request(
                CloudEvent.wrap(CancelRequested.model_validate(by), source="/test"), desk.services
            )
        for row in desk.files_of(asked):
            desk.process(row["export_id"])
        notifier.work(Event())
        for commune in (
            COMMUNE,
            OTHERS,
        ):  # owns few files, or nearly all: then the newest ones may still be of others
            with state.reading() as reading:
                select_latest(reading, commune)
            read_page(state, commune)
            read_recent(state, commune)
            read_current(state, commune)
        state.latest(COMMUNE)
        state.request_progress("", asked.source, asked.id)
    assert len(published) > 3, "nothing was told"
    if found := plans.whole():
        pytest.fail("\n".join(found), pytrace=False)
