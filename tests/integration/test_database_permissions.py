"""The accounts of `deploy/database/` on a real PostgreSQL: what each has no use for is refused."""

from threading import Event, Thread

import pytest
from psycopg import sql
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from producers.state import State
from schemas.vocabulary import DoubtDecision
from tests.parts.deployment import DATABASE, Deployment
from worker.cli.main import main
from worker.db import notify
from worker.db.engine import build_engine
from worker.db.grants import GRANTS
from worker.db.migrate import downgrade
from worker.handlers.decide_doubt import decide

pytestmark = pytest.mark.integration

EVERYBODY = (
    "DROP TABLE electeur",
    "TRUNCATE export",
    "ALTER TABLE export ADD COLUMN mine text",
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE ROLE mine",
    "DELETE FROM electeur",
    "DELETE FROM export",
    "DELETE FROM request",
    "INSERT INTO commune VALUES ('00000', 'Nulle Part', '00')",
    "INSERT INTO agent VALUES ('moi', '13900', 'moi@ailleurs.example')",
    "UPDATE electeur SET nom_naissance = ''",
    "UPDATE agent SET email = 'moi@ailleurs.example'",
    "SELECT * FROM audit",
    "UPDATE audit SET actor = 'moi'",
    "DELETE FROM audit",
    "INSERT INTO sender VALUES ('moi', '13900')",
    "UPDATE alembic_version SET version_num = '0000'",
)
ONLY = {
    "worker": (
        "SELECT * FROM notification",
        "UPDATE notification SET sent_at = NULL",
        "SELECT * FROM recipient",
        "INSERT INTO mouvement (code_commune) VALUES ('13900')",
        "DELETE FROM protection",
        "DELETE FROM depot",
    ),
    "notifier": (
        "SELECT nom_naissance FROM electeur",
        "SELECT count(*) FROM mouvement",
        "SELECT * FROM protection",
        "UPDATE export SET sha256 = ''",
        "UPDATE export SET status = 'ready'",
        "UPDATE request SET requested_by = 'moi'",
        "INSERT INTO request (source, event_id) VALUES ('/moi', '1')",
        "DELETE FROM notification",
        "UPDATE recipient SET address = 'https://ailleurs.example/'",
        "INSERT INTO recipient VALUES ('moi', '*', 'webhook', 'https://ailleurs.example/')",
        "DELETE FROM recipient",
        "DELETE FROM reminder_echeance",
        "SELECT answer FROM depot",
        "SELECT fingerprint FROM depot",
        "UPDATE depot SET verdict = ''",
        "INSERT INTO depot (export_id) VALUES (1)",
    ),
    "lecture": (
        "SELECT nom_naissance FROM electeur",
        "SELECT * FROM mouvement",
        "SELECT * FROM export",
        "SELECT * FROM request",
        "SELECT email FROM agent",
        "SELECT * FROM depot",
        "SELECT * FROM import",
        "SELECT * FROM notification",
        "SELECT * FROM recipient",
        "SELECT * FROM reminder",
        "DELETE FROM demandes",
    ),
}
REFUSED = [(account, statement) for account in ONLY for statement in (*EVERYBODY, *ONLY[account])]


@pytest.mark.parametrize(("account", "statement"), REFUSED)
def test_the_database_refuses_what_an_account_has_no_use_for(
    deployment: Deployment, account: str, statement: str
) -> None:
    engine = create_engine(deployment.database_url(account), poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement))
    assert type(caught.value.orig).__name__ in {"InsufficientPrivilege", "ReadOnlySqlTransaction"}


def test_who_reads_reads_both_views_and_may_not_write_even_if_it_were_granted(deployment: Deployment) -> None:
    with State(deployment.database_url("lecture")) as state:
        state.latest()
        state.request_progress("/test", "unknown")
    _as_owner(deployment, "GRANT DELETE ON request TO prefecture_lecture")
    try:
        engine = create_engine(deployment.database_url("lecture"), poolclass=NullPool)
        with engine.connect() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
            connection.execute(text("DELETE FROM request"))
    finally:
        _as_owner(deployment, "REVOKE ALL ON request FROM prefecture_lecture")


def test_migrating_gives_back_the_rights_on_a_view_that_was_made_again_and_takes_others_away(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("owner"))
    engine = build_engine(deployment.database_url("owner"))
    downgrade(engine, "0002")
    engine.dispose()
    _as_owner(deployment, "GRANT SELECT ON electeur TO prefecture_lecture")
    assert not _may_read(deployment, "lecture", "derniers_exports")
    assert _may_read(deployment, "lecture", "electeur")
    assert main(["migrate"]) == 0
    assert _may_read(deployment, "lecture", "derniers_exports")
    assert not _may_read(deployment, "lecture", "electeur")


def test_the_notifier_hears_that_a_file_is_ready(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(notify.POLL_SECONDS, "postgresql", 3600)
    worker, notifier = (build_engine(deployment.database_url(account)) for account in ("worker", "notifier"))
    signal = notify.ReadySignal(notifier)
    signal.listen()
    waiting = Thread(target=signal.wait, args=[Event()], daemon=True)
    waiting.start()
    with worker.begin() as connection:
        notify.notify_ready(connection)
    waiting.join(10)
    assert not waiting.is_alive()
    signal.close()
    worker.dispose()
    notifier.dispose()


_MOUVEMENT = """
INSERT INTO mouvement (id, code_commune, liste, import_id, nature, effet, etat, date_tableau, date_mouvement,
                       ancien_bureau, nouveau_bureau, nom_naissance, is_protegee)
VALUES ({}, '13900', 'P', 9, '{}', 'Immediat', 'applique', '2026-11-01', '2026-11-01', '0001', '0002', 'BANJO', true)
"""
_DOUBT = (
    """INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
       bureaux_before) VALUES (9, '', '', 'moi', 0, 0, 0, 0, '[]')""",
    _MOUVEMENT.format(1, "radiation"),
    _MOUVEMENT.format(2, "inscription"),
    """INSERT INTO doubt (id, import_id, code_commune, liste, radiation_id, inscription_id, differs)
       VALUES (3, 9, '13900', 'P', 1, 2, 'date_naissance')""",
)


def test_a_worker_may_do_all_that_a_decision_asks_for(deployment: Deployment) -> None:
    for statement in _DOUBT:
        _as_owner(deployment, statement)
    with _connect(deployment, "worker") as connection:
        decide(connection, 3, DoubtDecision.SAME_PERSON, by="moi")
        assert connection.scalars(text("SELECT nature FROM mouvement")).all() == ["modification"]
        assert connection.scalars(text("SELECT nom_naissance FROM protection")).all() == ["BANJO"]
        connection.rollback()
    for statement in ("DELETE FROM doubt", "DELETE FROM mouvement", "DELETE FROM import WHERE id = 9"):
        _as_owner(deployment, statement)


def test_a_stranger_may_not_even_connect(deployment: Deployment) -> None:
    deployment.server.execute(sql.SQL("CREATE ROLE stranger LOGIN PASSWORD 's'"))
    engine = create_engine(deployment.server.url(DATABASE, "stranger", "s"), poolclass=NullPool)
    with pytest.raises(OperationalError, match="permission denied for database"):
        engine.connect()


def test_a_new_password_is_taken_by_the_same_script(deployment: Deployment) -> None:
    old = deployment.database_url("lecture")
    deployment.renew_password("database_lecture")
    assert _may_read(deployment, "lecture", "demandes")
    with pytest.raises(OperationalError, match="password authentication failed"):
        create_engine(old, poolclass=NullPool).connect()


def test_every_table_has_its_readers(deployment: Deployment) -> None:
    """A new table is seen by nobody but the owner until somebody decides who needs it."""
    named = {word for rights in GRANTS.values() for _, things in rights for word in things.replace(",", " ").split()}
    query = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    with _connect(deployment, "owner") as connection:
        tables = set(connection.scalars(query))
    assert tables <= named
    assert {name for name in named - tables if not name.endswith("_id_seq")} == {"SEQUENCE"}


def _connect(deployment: Deployment, account: str) -> Connection:
    return create_engine(deployment.database_url(account), poolclass=NullPool).connect()


def _may_read(deployment: Deployment, account: str, table: str) -> bool:
    with _connect(deployment, account) as connection:
        query = text("SELECT has_table_privilege(:table, 'SELECT')")
        return bool(connection.scalar(query, {"table": table}))


def _as_owner(deployment: Deployment, statement: str) -> None:
    with _connect(deployment, "owner") as connection:
        connection.execute(text(statement))
        connection.commit()
