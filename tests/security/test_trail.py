"""The audit trail is insert-only; the log of the service names the lines that the table lost or has otherwise."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from common.logs import configure_logs
from schemas.vocabulary import Action
from tests.integration.files_desk import FilesDesk
from tests.integration.notifier_desk import TEMPLATE
from worker.access.models import Agent
from worker.audit import (
    Actor,
    Audit,
    AuditUnlogged,
    AuditWord,
    WordKind,
    Words,
    log_lines,
    purge_audit,
    read_audit,
    record_audit,
)
from worker.db.engine import build_engine
from worker.db.migrate import replace_views_and_functions

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=FilesDesk.open)]


class Log:
    """The services' log as a collector keeps it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        path.touch()

    def collect(self, desk: FilesDesk) -> None:
        """Let the notifier log the waiting lines, and keep them."""
        configure_logs("json", "error")
        log_lines(desk.engine)
        structlog.reset_defaults()
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(
                f"notifier-1  | {line}\n" for line in self._capsys.readouterr().err.splitlines()
            )


@pytest.fixture
def log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    yield Log(tmp_path / "service.log", capsys)
    structlog.reset_defaults()


def _fill(desk: FilesDesk, log: Log, number: int) -> None:
    for index in range(number):
        about: dict[str, Any] = {
            "code_commune": "13900",
            "export_id": index,
            "detail": f"liste-P-{index}.csv",
        }
        with desk.engine.begin() as connection:
            record_audit(
                connection, Action.FILE_DOWNLOADED, actor=Actor("mairie", "ecran"), **about
            )
    log.collect(desk)


def _without_guards(connection: Connection) -> None:
    """The owner of the database may remove the triggers."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
    else:
        for name in ("keep_audit", "keep_audit_whole", "keep_audit_number", "note_unlogged"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


def _verify(desk: FilesDesk, *logs: Path) -> tuple[int, str]:
    ran = desk.run("audit", "verify", *(word for path in logs for word in ("--log", str(path))))
    return ran.code, ran.out


def test_an_untouched_trail_is_found_so(desk: FilesDesk, log: Log) -> None:
    """Lines older than the log, lines of commands, and lines that the notifier has not logged yet are no fault."""
    _fill(desk, log, 2)
    log.path.write_text("")
    _fill(desk, log, 3)
    with desk.engine.begin() as connection:
        record_audit(connection, Action.SENDER_ALLOWED, actor="root", detail="mairie")
    for number in (3, 4):
        assert _verify(desk, log.path) == (
            0,
            f"0 ligne à expliquer ; comparé à {number} lignes du journal du service.\n",
        )
        log.collect(desk)
    assert desk.run("audit", "verify").code == 2
    assert log.path.read_text("utf-8").count('"event": "audit"') == 4


@pytest.mark.parametrize(
    "statement",
    [
        *(
            "UPDATE audit SET actor = 'personne'",
            "UPDATE audit SET detail = '' WHERE id = 3",
            "DELETE FROM audit",
        ),
        *("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", "{replace}", "{truncate}"),
        "INSERT INTO audit (id, actor, action) VALUES (-7, 'mairie', 'file_downloaded')",
        "INSERT INTO audit (id, actor, action) VALUES ({future}, 'mairie', 'file_downloaded')",
    ],
)
def test_to_change_or_remove_lines_as_the_owner(desk: FilesDesk, log: Log, statement: str) -> None:
    _fill(desk, log, 5)
    before = desk.audit()
    is_postgresql = desk.engine.dialect.name == "postgresql"
    columns = "(id, actor, action) VALUES (1, 'personne', 'file_downloaded')"
    replace = f"INSERT OR REPLACE INTO audit {columns}"
    if is_postgresql:
        replace = f"INSERT INTO audit {columns} ON CONFLICT (id) DO UPDATE SET actor = 'personne'"
    truncate = "TRUNCATE audit" if is_postgresql else "DELETE FROM audit WHERE 1"
    future = "6" if is_postgresql else "-7"  # SQLite has one account, and no numbers of its own
    with (
        pytest.raises(DBAPIError, match="the audit trail is only added to"),
        desk.engine.begin() as connection,
    ):
        connection.exec_driver_sql(
            statement.format(replace=replace, truncate=truncate, future=future)
        )
    assert desk.audit() == before


@pytest.mark.parametrize(
    "line",
    [
        '"id": "x"',
        '"x": 1',
        '"id": null',
        '"id": 1e999',
        f'"id": {"[" * 9000}',
        f'"id": {"9" * 5000}',
    ],
)
def test_a_line_of_the_log_that_no_service_wrote_is_skipped(
    desk: FilesDesk, log: Log, line: str
) -> None:
    _fill(desk, log, 1)
    with log.path.open("a") as file:
        file.write(f'{{"event": "audit", {line}}}\n')
    assert _verify(desk, log.path)[1].endswith("comparé à 1 ligne du journal du service.\n")


@pytest.mark.parametrize(("number", "is_named"), [(3, True), (6, True), (1, False)])
def test_a_line_that_the_table_lost_is_named(
    desk: FilesDesk, log: Log, number: int, is_named: bool
) -> None:
    """The owner of the database may remove a line. The purge removes the oldest ones."""
    _fill(desk, log, 6)
    with desk.engine.begin() as connection:
        _without_guards(connection)
        connection.execute(delete(Audit).where(Audit.id == number))
    code, out = _verify(desk, log.path)
    said = f"n° {number} : dans le journal du service, absente de la base\n1 ligne à expliquer ; "
    assert out.startswith(said if is_named else "0 ligne à expliquer ; ")
    assert code == is_named


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", datetime(2026, 1, 1, tzinfo=UTC)),
        ("account", "x"),
        ("actor", "x"),
        ("action", "file_purged"),
        ("code_commune", "13055"),
        ("export_id", 4711),
        ("detail", "x"),
    ],
)
def test_a_line_that_was_changed_is_named(
    desk: FilesDesk, log: Log, column: str, value: object
) -> None:
    _fill(desk, log, 3)
    with desk.engine.begin() as connection:
        _without_guards(connection)
        connection.execute(update(Audit).where(Audit.id == 2).values({column: value}))
    said = "n° 2 : autre dans la base que dans le journal du service\n1 ligne à expliquer ; "
    code, out = _verify(desk, log.path)
    assert (code, out.startswith(said)) == (1, True)
    with desk.engine.begin() as connection:
        connection.execute(insert(AuditUnlogged).values(id=2))
    log.collect(desk)
    code, out = _verify(desk, log.path)
    assert (code, out.startswith(said)) == (1, True), "a second line in the log hides the change"


def _act(desk: FilesDesk, number: int = 1) -> None:
    with desk.engine.begin() as connection:
        if not connection.scalar(select(func.count()).where(Agent.name == "Mme Une")):
            who = [
                {"name": f"Mme {it}", "code_commune": "13900", "email": "a@b.example"}
                for it in ("Une", "Deux")
            ]
            connection.execute(insert(Agent), who)
    for _ in range(number):
        with desk.engine.begin() as connection:
            why = ["import annulé : ", Words(WordKind.TEXTE, "erreur de fichier")]
            about: dict[str, Any] = {"code_commune": "13900", "detail": why}
            record_audit(connection, Action.IMPORT_UNDONE, actor=Actor("Mme Une", "ecran"), **about)
            record_audit(
                connection,
                Action.FILE_PURGED,
                actor="root",
                detail=[Words(WordKind.AGENT, "Mme Deux")],
            )


def test_the_trail_and_the_log_have_keys_and_people_read_names(desk: FilesDesk, log: Log) -> None:
    _act(desk, 2)
    log.collect(desk)
    said = [(line.actor, line.account, line.detail) for line in desk.audit()]
    assert (
        said
        == [("Mme Une", "ecran", "import annulé : erreur de fichier"), ("root", "root", "Mme Deux")]
        * 2
    )
    with desk.engine.connect() as connection:
        raw = connection.execute(select(Audit.actor, Audit.detail)).all()
        journal = connection.execute(text("SELECT DISTINCT actor, detail FROM journal")).all()
    assert "Mme" not in str(raw)
    assert "erreur" not in str(raw)
    assert "Mme" not in log.path.read_text("utf-8")
    assert [tuple(row) for row in journal] == [("Mme Une", "import annulé : erreur de fichier")]
    assert len({row.actor for row in raw}) == 2, "one key for one agent"
    assert _verify(desk, log.path)[0] == 0


def test_what_only_old_lines_said_leaves_with_them(desk: FilesDesk, log: Log) -> None:
    _act(desk)
    _age(desk, 400)
    with desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="Mme Une")
    purge_audit(desk.engine, 366, actor="notifier")
    with desk.engine.connect() as connection:
        assert connection.scalars(select(AuditWord.words)).all() == ["Mme Une"]


def test_what_did_not_happen_leaves_no_line(desk: FilesDesk, log: Log) -> None:
    with desk.engine.connect() as connection:
        with connection.begin() as transaction:
            record_audit(connection, Action.FILE_PURGED, actor="personne")
            transaction.rollback()
        with connection.begin():
            record_audit(connection, Action.FILE_PURGED, actor="mairie")
    log.collect(desk)
    assert [line.actor for line in desk.audit()] == ["mairie"]
    assert "personne" not in log.path.read_text("utf-8")
    assert _verify(desk, log.path)[0] == 0


def test_lines_that_are_written_at_once_are_all_there(
    database_url: str, desk: FilesDesk, log: Log
) -> None:
    with desk.engine.begin() as connection:
        connection.execute(
            insert(Agent), {"name": "Mme Une", "code_commune": "13900", "email": "a@b.example"}
        )

    def write(number: int) -> None:
        engine = build_engine(database_url)
        for index in range(10):
            with engine.begin() as connection:
                record_audit(
                    connection, Action.FILE_DOWNLOADED, actor="Mme Une", detail=f"{number} {index}"
                )
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    log.collect(desk)
    assert {line.actor for line in desk.audit()} == {"Mme Une"}
    assert len(desk.audit()) == 40
    assert _verify(desk, log.path)[0] == 0


def _age(desk: FilesDesk, days: int) -> None:
    """Set the date of the existing lines this far back."""
    with desk.engine.begin() as connection:
        _without_guards(connection)
        for line in read_audit(connection, limit=1000):
            at = line.at - timedelta(days=days)
            connection.execute(update(Audit).where(Audit.id == line.id).values(at=at))
        connection.execute(delete(AuditUnlogged))
        replace_views_and_functions(connection)


def test_old_lines_leave_and_that_is_a_line(desk: FilesDesk, log: Log) -> None:
    """So does one that a clock, or an account, dated in the future."""
    _fill(desk, log, 5)
    old = len(desk.audit()) + 1
    _age(desk, 400)
    _insert_line(desk, "2099-01-01 00:00:00.000", "file_downloaded", "")
    _fill(desk, log, 2)
    kept = len(desk.audit()) - old
    assert purge_audit(desk.engine, 366, actor="notifier") == old
    lines = desk.audit()
    assert len(lines) == kept + 1
    assert lines[-1].action == Action.AUDIT_PURGED
    assert purge_audit(desk.engine, 366, actor="notifier") == 0
    assert len(desk.audit()) == kept + 1
    _age(desk, 20)
    assert purge_audit(desk.engine, 10, actor="notifier") == 0, "no line is purged before a month"
    assert len(desk.audit()) == kept + 1


def _insert_line(desk: FilesDesk, at: str, action: str, detail: str) -> None:
    with desk.engine.begin() as connection:
        statement = "INSERT INTO audit (at, actor, action, detail) VALUES (:at, 'notifier', :action, :detail)"
        connection.execute(text(statement), {"at": at, "action": action, "detail": detail})


@pytest.mark.parametrize("is_forged", [False, True])
def test_to_remove_lines_by_a_purge_that_nobody_wrote_down(
    desk: FilesDesk, log: Log, is_forged: bool
) -> None:
    _fill(desk, log, 5)
    with desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="personne")
    last = desk.audit()[-1].at
    if is_forged:
        _insert_line(desk, "2099-01-01 00:00:00.000", "audit_purged", "2098-01-01 00:00:00.000 UTC")
    before = desk.audit()
    with pytest.raises(DBAPIError, match="only added to"), desk.engine.begin() as connection:  # noqa: PT012
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT purge_audit(:before)"), {"before": last})
        else:
            connection.execute(delete(Audit).where(Audit.at < last))
    assert desk.audit() == before
