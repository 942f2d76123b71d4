"""Whoever can write to the database, its owner included, and would have the audit trail say something else."""

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from common.logs import configure_logs
from tests.integration.files_desk import FilesDesk, open_desk
from tests.integration.notifier_desk import TEMPLATE
from worker.compose import note_start
from worker.db.engine import build_engine
from worker.exports.audit import (
    Action,
    Aside,
    AuditLine,
    WordKind,
    purge_audit,
    read_audit,
    read_copies,
    record_audit,
    verify_audit,
)
from worker.exports.models import Audit, AuditHead, AuditWord
from worker.notifier.models import Agent
from worker.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

LINES = 40


class Log:
    """What a service's collector keeps of its log."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        path.touch()

    def start(self) -> None:
        """The service logs from now on, as its entry point says."""
        configure_logs("json", "info")

    def collect(self) -> None:
        """Take what was written since."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"worker-1  | {line}\n" for line in self._capsys.readouterr().err.splitlines())


@pytest.fixture
def log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    yield Log(tmp_path / "service.log", capsys)
    structlog.reset_defaults()


def _fill(desk: FilesDesk, log: Log, number: int = LINES) -> None:
    log.start()
    for index in range(number):
        with desk.engine.begin() as connection:
            for part in range(1 + index % 3):
                about: dict[str, Any] = {"code_commune": "13900", "export_id": index}
                about["detail"] = f"liste-P-{index}.csv, {part}"
                record_audit(connection, Action.FILE_DOWNLOADED, actor="mairie", account="ecran", **about)
    log.collect()


def _without_guards(connection: Connection) -> None:
    """The owner may; nobody else."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
    else:
        for name in ("keep_audit", "keep_audit_whole", "keep_audit_number"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


def _verify(desk: FilesDesk, *logs: Path) -> tuple[int, str]:
    structlog.reset_defaults()
    ran = desk.run("audit", "verify", *(word for path in logs for word in ("--log", str(path))))
    return ran.code, ran.out


def test_an_untouched_trail_is_found_so(desk: FilesDesk, log: Log) -> None:
    assert _verify(desk) == (0, "0 ligne à expliquer, d'après sa chaîne, sans journal.\n")
    _fill(desk, log)
    lines = len(desk.audit())
    assert _verify(desk)[0] == 0
    assert _verify(desk, log.path) == (
        0,
        f"0 ligne à expliquer, d'après sa chaîne et {lines} lignes de journal.\n",
    )
    said = log.path.read_text("utf-8")
    assert said.count('"event": "audit"') == lines
    assert "liste-P-" not in said, "details name files and accounts: the digest tells whether they were changed"


@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE audit SET actor = 'personne'", "UPDATE audit SET chain = '' WHERE id = 3", "DELETE FROM audit"),
        *("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", "{replace}", "{truncate}"),
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
    with pytest.raises(DBAPIError, match="the audit trail is only added to"), desk.engine.begin() as connection:
        connection.exec_driver_sql(statement.format(replace=replace, truncate=truncate))
    assert desk.audit() == before


def _lines(connection: Connection) -> list[AuditLine]:
    return read_audit(connection, limit=1000)[::-1]


def _edit(connection: Connection, rng: random.Random) -> None:
    line = rng.choice(_lines(connection))
    changes: dict[str, Any] = {"actor": "personne", "account": "autre", "action": "file_purged"}
    changes |= {"code_commune": "13055", "detail": "autre", "export_id": 4711, "at": line.at - timedelta(hours=1)}
    column = rng.choice(sorted(changes))
    connection.execute(update(Audit).where(Audit.id == line.id).values({column: changes[column]}))


def _edit_well(connection: Connection, rng: random.Random) -> None:
    """Whoever knows how lines are chained makes the whole chain anew."""
    _edit(connection, rng)
    _chain_anew(connection)


def _chain_anew(connection: Connection) -> None:
    before = connection.execute(select(AuditHead.anchor)).scalar_one()
    for line in _lines(connection):
        before = line.chained_to(before)
        connection.execute(update(Audit).where(Audit.id == line.id).values(chain=before))
    connection.execute(update(AuditHead).values(chain=before))


def _remove(connection: Connection, rng: random.Random) -> None:
    line = rng.choice(_lines(connection)[1:])
    connection.execute(delete(Audit).where(Audit.id == line.id))


def _remove_last(connection: Connection, rng: random.Random) -> None:
    gone = _lines(connection)[-rng.randint(1, 5) :]
    connection.execute(delete(Audit).where(Audit.id.in_([line.id for line in gone])))


def _remove_well(connection: Connection, rng: random.Random) -> None:
    rng.choice([_remove, _remove_last])(connection, rng)
    _chain_anew(connection)


def _forge(connection: Connection, rng: random.Random) -> None:
    chain = rng.choice(["", "0" * 64])
    said = {"account": "ecran", "actor": "mairie", "action": Action.FILE_DOWNLOADED, "chain": chain}
    connection.execute(insert(Audit).values(id=_lines(connection)[-1].id + 1, **said))


def _forge_well(connection: Connection, rng: random.Random) -> None:
    record_audit(connection, Action.FILE_DOWNLOADED, actor="mairie", account="ecran", detail=f"{rng.random()}")


Attack = Callable[[Connection, random.Random], None]
ATTACKS: tuple[Attack, ...] = (_edit, _edit_well, _remove, _remove_last, _remove_well, _forge, _forge_well)


def test_fifty_forgeries_removals_and_edits_by_the_owner_are_all_found(desk: FilesDesk, log: Log) -> None:
    """The triggers are off, and half of them chain the whole anew: the service's log is what tells."""
    _fill(desk, log)
    copies = read_copies(log.path.read_text("utf-8").splitlines())
    assert len(copies) == len(desk.audit())
    rng = random.Random(50)
    missed = []
    with desk.engine.begin() as guardless:
        _without_guards(guardless)
    for number in range(50):
        attack = ATTACKS[number % len(ATTACKS)]
        with desk.engine.connect() as connection:
            structlog.reset_defaults()  # an attacker's own program copies nothing to the service's log
            with connection.begin() as transaction:
                attack(connection, rng)
                if attack is _forge_well:
                    _write_now(connection)
                if not list(verify_audit(connection, copies)):
                    missed.append((number, attack.__name__))
                transaction.rollback()
    assert missed == []


def _write_now(connection: Connection) -> None:
    connection.dispatch.commit(connection)


def _said(log: Log) -> Iterator[dict[str, str]]:
    for line in log.path.read_text("utf-8").splitlines():
        said = json.loads(line[line.index("{") :])
        if said["event"] == "audit":
            yield said


def _act(desk: FilesDesk, number: int = 1) -> None:
    with desk.engine.begin() as connection:
        if not connection.scalar(select(func.count()).where(Agent.name == "Mme Une")):
            who = [{"name": f"Mme {it}", "code_commune": "13900", "email": "a@b.example"} for it in ("Une", "Deux")]
            connection.execute(insert(Agent), who)
    for _ in range(number):
        with desk.engine.begin() as connection:
            why = ["import annulé : ", Aside(WordKind.TEXTE, "erreur de fichier")]
            about: dict[str, Any] = {"account": "ecran", "code_commune": "13900", "detail": why}
            record_audit(connection, Action.IMPORT_UNDONE, actor="Mme Une", **about)
            record_audit(connection, Action.FILE_PURGED, actor="root", detail=[Aside(WordKind.AGENT, "Mme Deux")])


def test_the_chain_and_the_logs_have_signs_and_people_read_names(desk: FilesDesk, log: Log) -> None:
    log.start()
    _act(desk, 2)
    log.collect()
    said = [(line.actor, line.account, line.detail) for line in desk.audit()]
    assert said == [("Mme Une", "ecran", "import annulé : erreur de fichier"), ("root", "root", "Mme Deux")] * 2
    with desk.engine.connect() as connection:
        raw = connection.execute(select(Audit.actor, Audit.detail)).all()
        journal = connection.execute(text("SELECT DISTINCT actor, detail FROM journal")).all()
    assert "Mme" not in str(raw)
    assert "erreur" not in str(raw)
    assert "Mme" not in log.path.read_text("utf-8")
    assert [tuple(row) for row in journal] == [("Mme Une", "import annulé : erreur de fichier")]
    assert len({row.actor for row in raw}) == 2, "one sign for one agent"
    assert _verify(desk, log.path)[0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_word SET said = 'Mme Deux' WHERE said = 'Mme Une'",
        "UPDATE audit_word SET said = 'autre chose' WHERE kind = 'texte'",
        "DELETE FROM audit_word WHERE said = 'Mme Une'",
        "DELETE FROM audit_word WHERE kind = 'texte'",
    ],
)
def test_to_have_somebody_else_named_or_nobody(desk: FilesDesk, log: Log, statement: str) -> None:
    """The owner may change the table of words; a sign says what it stood for."""
    log.start()
    _act(desk)
    log.collect()
    with desk.engine.begin() as connection:
        if "'Mme Deux' WHERE" in statement:
            connection.exec_driver_sql("UPDATE audit_word SET said = 'x' WHERE said = 'Mme Deux'")
        connection.exec_driver_sql(statement)
    code, out = _verify(desk, log.path)
    assert code == 1
    assert "un nom ou un texte a changé, ou a disparu sans qu'un effacement soit noté" in out


def test_what_only_old_lines_said_leaves_with_them(desk: FilesDesk, log: Log) -> None:
    log.start()
    _act(desk)
    _age(desk, 400)
    with desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="Mme Une")
    purge_audit(desk.engine, 366, actor="notifier")
    with desk.engine.connect() as connection:
        assert connection.scalars(select(AuditWord.said)).all() == ["Mme Une"]
    assert _verify(desk)[0] == 0


def test_a_command_says_which_line_it_is(desk: FilesDesk, log: Log) -> None:
    _fill(desk, log, 3)
    with desk.engine.begin() as connection:
        _without_guards(connection)
        connection.execute(update(Audit).where(Audit.id == 2).values(actor="personne"))
    assert _verify(desk)[0] == 1
    assert _verify(desk, log.path)[1].startswith("n° 2 : changée, forgée, ou la ligne d'avant a disparu\n1 ligne")
    with desk.engine.begin() as connection:
        _chain_anew(connection)
    assert _verify(desk)[0] == 0, "the chain alone cannot tell"
    code, said = _verify(desk, log.path)
    assert code == 1
    assert "n° 2 : autre que dans le journal du service" in said


def test_to_cut_off_the_end_where_nobody_kept_the_log(desk: FilesDesk, log: Log) -> None:
    _fill(desk, log, 4)
    with desk.engine.begin() as connection:
        _without_guards(connection)
        _remove_last(connection, random.Random(4))
    code, said = _verify(desk)
    assert code == 1
    assert "la fin a disparu" in said


def test_to_run_otherwise_for_a_day_and_have_nobody_know(desk: FilesDesk, log: Log) -> None:
    """What a process runs with is a line, once per change; no secret is in it."""
    url = desk.engine.url.render_as_string(hide_password=False)

    given: dict[str, Any] = {"database_url": SecretStr(url), "smtp_password": SecretStr("hush-hush")}

    def start(role: str, **otherwise: object) -> None:
        note_start(Settings(**given | otherwise), desk.engine, role)

    start("worker")
    start("worker")
    start("notifier", senders="any")
    start("worker", retention_days=1)
    start("worker")
    lines = [line for line in desk.audit() if line.action == Action.SETTINGS_CHANGED]
    assert [line.actor for line in lines] == ["worker", "notifier", "worker", "worker"]
    assert ["RETENTION_DAYS=1" in line.detail for line in lines] == [False, False, True, False]
    assert "SENDERS=any" in lines[1].detail
    assert "SMTP_PASSWORD=********" in lines[0].detail
    assert "hush" not in str(lines)
    assert _verify(desk)[0] == 0


def test_what_did_not_happen_leaves_no_line(desk: FilesDesk, log: Log) -> None:
    log.start()
    with desk.engine.connect() as connection:
        with connection.begin() as transaction:
            record_audit(connection, Action.FILE_PURGED, actor="personne")
            transaction.rollback()
        with connection.begin():
            record_audit(connection, Action.FILE_PURGED, actor="mairie")
    log.collect()
    assert [line.actor for line in desk.audit()] == ["mairie"]
    assert [said["actor"] for said in _said(log)] == ["mairie"]
    assert _verify(desk, log.path)[0] == 0


def test_lines_that_are_written_at_once_are_one_chain(database_url: str, desk: FilesDesk, log: Log) -> None:
    def write(number: int) -> None:
        engine = build_engine(database_url)
        for index in range(10):
            with engine.begin() as connection:
                record_audit(connection, Action.FILE_DOWNLOADED, actor=f"agent {number}", detail=str(index))
        engine.dispose()

    log.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    log.collect()
    assert len(desk.audit()) == 40
    assert _verify(desk, log.path)[0] == 0


def _age(desk: FilesDesk, days: int) -> None:
    """As if the lines that are there had been written so long ago; the chain with them."""
    with desk.engine.begin() as connection:
        _without_guards(connection)
        for line in _lines(connection):
            at = line.at - timedelta(days=days)
            connection.execute(update(Audit).where(Audit.id == line.id).values(at=at))
        _chain_anew(connection)


def test_old_lines_leave_and_that_is_a_line(desk: FilesDesk, log: Log, database_url: str) -> None:
    _fill(desk, log, 5)
    old = len(desk.audit())
    _age(desk, 400)
    _fill(desk, log, 2)
    kept = len(desk.audit()) - old
    assert purge_audit(desk.engine, 366, actor="notifier") == old
    lines = desk.audit()
    assert len(lines) == kept + 1
    assert lines[-1].action == Action.AUDIT_PURGED
    assert _verify(desk)[0] == 0
    assert purge_audit(desk.engine, 366, actor="notifier") == 0
    assert len(desk.audit()) == kept + 1
    _age(desk, 20)
    assert purge_audit(desk.engine, 10, actor="notifier") == 0, "no line is purged before a month"
    assert len(desk.audit()) == kept + 1


def test_to_remove_lines_by_a_purge_that_nobody_wrote_down(desk: FilesDesk, log: Log) -> None:
    _fill(desk, log, 5)
    with desk.engine.begin() as connection:
        record_audit(connection, Action.FILE_PURGED, actor="personne")
    before = desk.audit()
    with pytest.raises(DBAPIError, match="only added to"), desk.engine.begin() as connection:  # noqa: PT012
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT purge_audit(:before)"), {"before": before[-1].at})
        else:
            connection.execute(delete(Audit).where(Audit.at < before[-1].at))
    assert desk.audit() == before
