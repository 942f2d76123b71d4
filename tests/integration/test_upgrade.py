"""A database of a former release is migrated to the new schema with all its rows; an older one is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from common.calendrier import CalendarReunion
from common.cli import ExitCode
from schemas.declarations import DeclarationNoted
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.vocabulary import Liste
from tests.integration.export_desk import Desk as ExportDesk
from tests.integration.export_desk import decoded
from tests.integration.notifier_desk import Desk, smtp, work
from tests.parts.deployment import Deployment
from tests.parts.mail import Mailbox
from tests.parts.schema import describe_schema, make_former
from worker.cli import operations
from worker.cli.main import main
from worker.db.engine import build_engine
from worker.db.migrate import current_revision, migrate
from worker.db.types import Base
from worker.errors import ConfigurationError
from worker.exports.models import EarlyCancel, Export
from worker.handlers.requests.ingest_request import ingest_request
from worker.registre.models import Import
from worker.registre.scrutins import select_reunions, select_scrutins
from worker.work.queue import BATCH, WorkKind, find_turn

INDEXES = (
    *("ix_electeur_ordre", "ix_export_commune", "ix_export_finished_at", "ix_export_status"),
    *("ix_request_commune", "ix_request_created_at", "ix_request_notified_at"),
)
"""Indexes that only migrations created."""

MOVED = {
    *("report_name", "report_size", "report_sha256", "reconciliation"),
    *("certificat_name", "certificat_size", "certificat_sha256"),
}
"""Columns whose values were moved; see test_what_stands_beside_a_file_has_a_row."""

Rows = dict[str, list[dict[str, object]]]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def upgraded(engine: Engine) -> Engine:
    """A database of the former release, migrated."""
    make_former(engine)
    migrate(engine)
    return engine


def _rows(engine: Engine) -> Rows:
    with engine.connect() as connection:
        return {
            table: [
                dict(row)
                for row in connection.execute(
                    text(f'SELECT * FROM "{table}" ORDER BY 1, 2')  # noqa: S608
                ).mappings()
            ]
            for table in inspect(engine).get_table_names()
            if table not in {"alembic_version", "audit_unlogged"}
        }


def test_the_models_declare_every_table_and_index_of_a_new_database(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    found = {
        index["name"]
        for table in ("electeur", "export", "request")
        for index in inspect(engine).get_indexes(table)
    }
    assert found.issuperset(INDEXES)


def test_a_former_database_becomes_as_a_new_one_and_no_row_is_lost(
    engine: Engine, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    make_former(engine)
    before = _rows(engine)
    assert [table for table, rows in before.items() if not rows] == []
    migrate(engine)
    reached, newest = current_revision(engine)
    assert reached == newest

    other_url = f"sqlite:///{tmp_path}/new.sqlite3"
    if engine.dialect.name != "sqlite":
        other_url = request.getfixturevalue("postgres_server").create_database()
    other = build_engine(other_url)
    migrate(other)
    assert describe_schema(engine) == describe_schema(other)
    other.dispose()

    after = _rows(engine)
    after["scrutin"] = [row for row in after["scrutin"] if row["code_commune"]]
    opened = {row["token_id"]: row["code_commune"] for row in before.pop("token_commune")}
    assert {row["id"]: row["code_commune"] for row in after["token"]} == opened
    del before["audit_head"], before["dead_letters"], before["process"]
    del before["parked"]  # see test_events_that_waited_are_answered
    after["request"] = after["request"][: len(before["request"])]
    (deadline,) = before.pop("reminder_echeance")
    named = "echeance", "due_on", "until", "scrutin", "libelle", "days"
    (stored,) = decoded(after["reminder"][0]["echeances"])
    assert {name: str(it) for name, it in stored.items()} == {
        name: str(deadline[name]) for name in named
    }
    for table, name, new_name in (
        ("audit", "chain", None),
        ("audit_word", "sign", "key"),
        ("audit_word", "salt", None),
        ("audit_word", "said", "words"),
    ):
        for row in before[table]:
            value = row.pop(name)
            if new_name:
                row[new_name] = value
    assert {row["profile"] is None for row in after["export"] if row["kind"] == "liste"} == {False}
    for table, rows in before.items():
        kept = rows[0].keys() & after[table][0].keys() - MOVED
        found = [{name: row[name] for name in kept} for row in after[table]]
        assert found == [{name: row[name] for name in kept} for row in rows], table


def test_what_a_former_database_does_not_say_is_not_made_up(upgraded: Engine) -> None:
    with upgraded.connect() as connection:
        dated = connection.execute(text("SELECT id, is_dated FROM mouvement ORDER BY id")).all()
        decreed, noted = select_scrutins(connection, "13900")
        assert select_reunions(connection, "13900") == [CalendarReunion(date(2026, 11, 13))]
        parts = connection.execute(text("SELECT parts FROM import_liste")).scalars().all()
    assert [(it.id, bool(it.is_dated)) for it in dated] == [
        (1, False),
        (2, False),
        (3, True),
        (4, True),
    ]
    assert (decreed.jour, "décret n° 2025-848" in decreed.libelle) == (date(2026, 3, 15), True)
    assert (noted.publication_due, noted.has_commission, noted.texte) == (None, True, "")
    assert parts == [None, None]


def test_an_export_without_a_day_gets_that_of_its_import(engine: Engine) -> None:
    make_former(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE import SET taken_on = NULL WHERE id = 1")
    migrate(engine)
    with engine.connect() as connection:
        days = connection.scalars(
            select(Import.taken_on).where(Import.id.in_((1, 3))).order_by(Import.id)
        ).all()
    assert days == [date(2026, 9, 10), None]


def test_recorded_declarations_have_the_types_of_the_contract(engine: Engine) -> None:
    make_former(engine)
    recorded = "UPDATE request SET event_type = 'fr.openelec.prefecture.request.depot_declare.v1' WHERE id = 1"
    with engine.begin() as connection:
        connection.exec_driver_sql(recorded)
    migrate(engine)
    with engine.connect() as connection:
        kinds = connection.execute(
            text("SELECT event_type, kind FROM demandes WHERE request_id = 1")
        ).one()
    assert kinds == (DeclarationNoted.EVENT_TYPE, "deposited")


def _cancel(event_id: str, names: str, **fields: Any) -> CloudEvent:  # noqa: ANN401 — of the event
    """The cancellation of a request that the former release did not know yet."""
    request = {"source": "/prog", "id": names}
    asked = CancelRequested.model_validate({"request": request, "requested_by": "Zoé"} | fields)
    return CloudEvent.wrap(asked, source="/prog").model_copy(update={"id": event_id})


def test_events_that_waited_are_answered(engine: Engine) -> None:
    """The cancellation of a whole request stays valid. Any other event is refused: its account sends it again."""
    make_former(engine)
    park = """INSERT INTO parked (id, sender, source, event_id, event, waits_for, due_at)
              VALUES (:id, 'prog', '/prog', :event_id, :event, 'request', '2026-11-05 08:00:00.000')"""
    events = [
        _cancel("annule", "à venir"),
        _cancel("encore", "à venir"),
        _cancel("fichier", "à venir aussi", exports=[7]),
    ]
    with engine.begin() as connection:
        for number, event in enumerate(events, 2):
            said = {"id": number, "event_id": event.id, "event": event.model_dump_json()}
            connection.execute(text(park), said)
    migrate(engine)
    with engine.connect() as connection:
        answered = connection.execute(
            text("SELECT * FROM demandes WHERE request_id > 5 ORDER BY request_id")
        )
        rows = answered.mappings().all()
        (early,) = connection.execute(select(EarlyCancel.__table__)).all()
        replies = connection.scalars(
            text("SELECT subject FROM work WHERE kind = 'reply' ORDER BY id")
        ).all()
    assert [(row["sender"], row["event_id"], row["outcome"], row["code"]) for row in rows] == [
        ("ecran", "depot", "refused", "demande_introuvable"),
        ("prog", "annule", "accepted", ""),
        ("prog", "encore", "accepted", ""),
        ("prog", "fichier", "refused", "demande_introuvable"),
    ]
    assert "renvoyez-le avec un « id » nouveau" in rows[0]["reason"]
    assert {row["notified_at"] is None for row in rows} == {False}, "no mail"
    assert (rows[0]["event_type"], rows[0]["kind"]) == (DeclarationNoted.EVENT_TYPE, "verdict")
    assert early[:4] == ("prog", "/prog", "à venir", "Zoé")
    assert replies[1:] == [f"request:{row['request_id']}" for row in rows]


def test_a_cancellation_that_waited_cancels_its_request(engine: Engine, tmp_path: Path) -> None:
    make_former(engine)
    with engine.begin() as connection:
        waiting = _cancel("annule", "à venir").model_dump_json()
        said = (
            "UPDATE parked SET sender = '', source = '/prog', event_id = 'annule', event = :event"
        )
        connection.execute(text(said), {"event": waiting})
    migrate(engine)
    desk = ExportDesk(engine, tmp_path / "exports")
    wanted = ListeExportRequested(commune="13900", listes=[Liste.PRINCIPALE], requested_by="mairie")
    event = CloudEvent.wrap(wanted, source="/prog").model_copy(update={"id": "à venir"})
    ingest_request(event, desk.services)
    assert [row["status"] for row in desk.files_of(event)] == ["cancelled"]
    assert desk.values("SELECT * FROM early_cancel") == []


def test_chats_are_served_no_more(engine: Engine) -> None:
    make_former(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO recipient (id, code_commune, channel, address) VALUES ('c1', '13900', 'discussion', 'x')"
        )
        connection.exec_driver_sql(
            """INSERT INTO notification (id, request_id, recipient, code_commune, kind, channel, address, message_id)
               VALUES (3, 2, 'c1', '13900', 'pret', 'discussion', 'x', '<3@x.example>')"""
        )
    with capture_logs() as logs:
        migrate(engine)
    said = {"event": "chat_removed", "recipient": "c1", "commune": "13900", "log_level": "warning"}
    assert said in logs, "the operator tells the commune"
    with engine.connect() as connection:
        recipients = connection.scalars(text("SELECT channel FROM recipient")).all()
        unsent = connection.execute(
            text("SELECT refusal, sent_at, ended_at IS NULL FROM notification WHERE id = 3")
        ).one()
        works = connection.scalars(text("SELECT part FROM work WHERE kind = 'webhook'")).all()
    assert recipients == ["webhook"]
    assert (unsent[0], unsent[1], bool(unsent[2])) == (
        "les discussions ne sont plus servies",
        None,
        False,
    )
    assert works == []


def test_files_that_waited_keep_their_turns(engine: Engine) -> None:
    """The next file of an account comes after those that waited; another account does not wait for them."""
    make_former(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE export SET turn = 9, is_bulk = true, attempts = 2, retries = 4, error_message = 'plein',"
            " status = 'running' WHERE id = 3"
        )
        connection.exec_driver_sql(
            "UPDATE request SET sender = 'ecran', turn = 9, is_bulk = true WHERE id = 3"
        )
    migrate(engine)
    with engine.connect() as connection:
        work = connection.execute(
            text(
                "SELECT lane, share, fair_tag, starts, waits, error FROM work WHERE kind = 'liste'"
            )
        ).one()
        request = connection.execute(text("SELECT lane, fair_tag FROM request WHERE id = 3")).one()
        status = connection.scalar(text("SELECT status FROM export WHERE id = 3"))
        turns = [
            find_turn(connection, WorkKind.LISTE, BATCH, share).fair_tag
            for share in ("ecran 13900", "prog")
        ]
    assert (work, request, status) == ((1, "ecran 13900", 9, 2, 4, "plein"), (1, 9), "queued")
    assert turns == [10, 9]


def test_what_stands_beside_a_file_has_a_row(upgraded: Engine) -> None:
    with upgraded.connect() as connection:
        pieces = connection.execute(
            text("SELECT export_id, kind, file_name, size, sha256 FROM piece ORDER BY size")
        )
        assert [tuple(row) for row in pieces] == [
            (1, "rapport", "liste-P-1-csv-anomalies.csv", 13, "a1"),
            (4, "reconciliation", "tableau-4-pdf-reconciliation.json", 14, "a2"),
            (4, "certificat", "tableau-4-pdf-certificat.pdf", 15, "a3"),
        ]
        left = connection.execute(select(Export.id, Export.reconciliation).order_by(Export.id))
        assert [tuple(row) for row in left] == [
            (1, None),
            (2, {"apres": 3}),
            (3, None),
            (4, {"apres": 2}),
        ]


def test_what_the_operator_said_of_a_decreed_day_stays(engine: Engine) -> None:
    make_former(engine)
    with engine.begin() as connection:
        noted = "INSERT INTO scrutin (code_commune, date, libelle) VALUES ('', '2026-03-15', 'Dit par l''exploitant')"
        connection.exec_driver_sql(noted)
    migrate(engine)
    with engine.connect() as connection:
        national = (
            connection.execute(text("SELECT libelle FROM scrutin WHERE code_commune = ''"))
            .scalars()
            .all()
        )
    assert national == ["Dit par l'exploitant"]


def test_what_was_due_is_work(upgraded: Engine) -> None:
    with upgraded.connect() as connection:
        found = connection.execute(
            text("SELECT kind, subject, part, starts, state FROM work ORDER BY id")
        ).all()
        said = connection.execute(
            text("SELECT id, completed_at IS NULL, notified_at IS NULL FROM request ORDER BY id")
        ).all()
        assert [(row[0], bool(row[1]), bool(row[2])) for row in said[:5]] == [
            *(
                (1, False, False),
                (2, False, True),
                (3, True, True),
                (4, True, True),
                (5, False, True),
            )
        ]
    assert [tuple(row[:3]) for row in found] == [
        ("reply", "request:5", ""),
        ("end", "request:2", ""),
        ("end", "request:5", ""),
        ("end", "recall:1", ""),
        ("end", "reminder:1", ""),
        ("mail", "request:2", "courriel:mairie@libreville.example"),
        ("preview", "preview:1", ""),
        ("liste", "export:3", ""),
        ("reply", f"request:{said[5][0]}", ""),
    ]
    assert {tuple(row[3:]) for row in found} == {(0, "due")}


def test_what_waited_is_told_once_and_keys_go_on(upgraded: Engine, mailbox: Mailbox) -> None:
    desk = Desk(upgraded.url.render_as_string(hide_password=False))
    for _ in range(2):
        work(desk.notifier(smtp(mailbox)))
    told = [str(mail.message["X-Correlation-ID"]) for mail in mailbox.mails]
    assert told.count("c2") == 1
    assert "c1" not in told
    assert desk.ask("P.csv", event_id="nouvelle") not in range(7)
    desk.engine.dispose()


def test_functions_and_triggers_guard_an_upgraded_database(upgraded: Engine) -> None:
    with pytest.raises(DBAPIError, match="only added to"), upgraded.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
    with pytest.raises(IntegrityError), upgraded.begin() as connection:
        connection.exec_driver_sql("UPDATE depot SET verdict = 'inventé'")
    with upgraded.begin() as connection:
        connection.exec_driver_sql("UPDATE electeur SET facts = 0")
        connection.exec_driver_sql("UPDATE electeur SET sexe = 'M' WHERE id = 1")
        assert connection.exec_driver_sql(
            "SELECT facts FROM electeur ORDER BY id"
        ).scalars().all() == [1, 0, 0]


@pytest.mark.parametrize("revision", ["0031", "0043", "0047"])
def test_an_older_database_is_refused_and_left_as_it_is(
    engine: Engine,
    database_url: str,
    revision: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_former(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :old"), {"old": revision})
    before = describe_schema(engine)
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    assert main(["migrate"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert (
        f"(révision {revision})" in said,
        "installez d'abord la version 0.3.0 (révision 0044)" in said,
    ) == (True, True)
    assert describe_schema(engine) == before
    assert current_revision(engine)[0] == revision
    with pytest.raises(ConfigurationError, match="trop ancienne"):
        migrate(engine)


def test_who_waits_for_a_migration_goes_on_after_it(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `deploy/kubernetes/migrated.yaml` runs before each worker, on an empty database."""
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    monkeypatch.setattr(operations, "WAIT_SECONDS", 0.05)
    with ThreadPoolExecutor() as threads:
        waits = threads.submit(main, ["migrate", "--wait"])
        with pytest.raises(TimeoutError):
            waits.result(timeout=1)
        migrate(engine)
        assert waits.result(timeout=10) == ExitCode.DONE


def test_accounts_have_the_same_rights_on_an_upgraded_database(deployment: Deployment) -> None:
    owner, password = "prefecture", deployment.password("database_owner")
    found = []
    for revision in ("0044", None):
        name = deployment.server.create_database().rpartition("/")[2]
        superuser = create_engine(deployment.server.url(name), poolclass=NullPool)
        with superuser.begin() as connection:
            connection.exec_driver_sql(f"ALTER SCHEMA public OWNER TO {owner}")
        engine = build_engine(deployment.server.url(name, owner, password))
        if revision:
            make_former(engine)
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "GRANT SELECT ON request, derniers_exports TO prefecture_lecture"
                )
        migrate(engine)
        found.append(describe_schema(engine))
        engine.dispose()
    upgraded, new = found
    assert upgraded == new
    assert any(
        line.startswith("grant | depot | fingerprint | prefecture_files | UPDATE") for line in new
    )
