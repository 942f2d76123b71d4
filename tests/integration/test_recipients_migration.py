"""Migration 0007: what was told stays told, and comes back when it is undone."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, Integer, MetaData, bindparam, text

from tests.integration.notifier_desk import Desk, smtp, work
from tests.parts.databases import Template
from tests.parts.mail import Mailbox
from worker.db.engine import build_engine
from worker.db.migrate import downgrade, migrate
from worker.db.types import Base, UtcDateTime

TABLES = ("agent", "notification", "recipient", "reminder", "reminder_echeance", "request")
OLD = [
    # request, address, when it was sent, refusal
    (1, "Mairie@libreville.example", datetime(2026, 11, 1, 8, tzinfo=UTC), ""),
    (1, "adjoint@libreville.example", None, "550 5.1.1"),
    (2, "mairie@libreville.example", datetime(2026, 11, 2, 8, tzinfo=UTC), ""),
    (3, "mairie@libreville.example", datetime(2026, 11, 3, 8, tzinfo=UTC), ""),
    (4, "ÉLUE@libreville.example", datetime(2026, 11, 4, 8, tzinfo=UTC), ""),
    (5, "mairie@libreville.example", None, ""),
]
STATUS = {1: ["ready", "failed"], 2: ["ready", "cancelled"], 3: ["cancelled"], 4: [], 5: ["ready"]}

WAITING = 5
TOLD_AT = datetime(2026, 11, 5, 8, tzinfo=UTC)

_REQUEST = text(
    "INSERT INTO request (id, source, event_id, event_type, correlation_id, code_commune, requested_by, created_at,"
    " outcome, reason, told_at, tell_attempts, sender)"
    " VALUES (:id, '/m', CAST(:id AS text), 't', 'c', '13900', '', '2026-10-01 08:00:00', :outcome, '', :told_at, 0,"
    " '')"
).bindparams(bindparam("id", type_=Integer), bindparam("told_at", type_=UtcDateTime))
_EXPORT = text(
    "INSERT INTO export (request_id, part, code_commune, liste, format, file_name, label, status, parameters,"
    " anomalies, finished_at)"
    " VALUES (:request, :part, '13900', 'P', 'csv', :part, 'Liste P', :status, '{}', '[]', '2026-10-01 08:01:00')"
)
_NOTIFICATION = text("INSERT INTO notification VALUES (:request, :email, :id, :sent, :refusal)").bindparams(
    bindparam("sent", type_=UtcDateTime)
)


def _prepare(url: str) -> None:
    engine = build_engine(url)
    migrate(engine, "0006")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO agent VALUES ('mairie', '13900', 'mairie@libreville.example')"))
        for number, statuses in STATUS.items():
            asked = {"id": number, "outcome": "accepted" if statuses else "refused"}
            connection.execute(_REQUEST, asked | {"told_at": None if number == WAITING else TOLD_AT})
            for place, status in enumerate(statuses):
                connection.execute(_EXPORT, {"request": number, "part": f"{number}-{place}", "status": status})
        for place, (request, email, sent, refusal) in enumerate(OLD):
            values = {"request": request, "email": email, "id": f"<{place}@x>", "sent": sent, "refusal": refusal}
            connection.execute(_NOTIFICATION, values)
        if engine.dialect.name == "postgresql":
            for table in ("request", "export"):
                connection.execute(text(f"SELECT setval('{table}_id_seq', 100)"))
    engine.dispose()


pytestmark = [pytest.mark.integration, pytest.mark.database(Template("before-recipients", _prepare)), pytest.mark.slow]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def _old(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        query = "SELECT request_id, email, message_id, refusal, sent_at IS NULL FROM notification ORDER BY message_id"
        return [tuple(row) for row in connection.execute(text(query))]


def test_what_was_told_is_kept_and_shown(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM notification ORDER BY message_id")).mappings().all()
        shown = connection.execute(text("SELECT * FROM envois")).mappings().all()
        kinds = connection.execute(text("SELECT kinds FROM agent")).scalar_one()

    assert [(row["recipient"], row["address"]) for row in kept] == [
        (f"courriel:{email.casefold()}", email) for _, email, _, _ in OLD
    ]
    assert [row["kind"] for row in kept] == ["echec", "echec", "pret", "annule", "refus", "pret"]
    assert [row["settled_at"] is not None for row in kept] == [True, True, True, True, True, False]
    assert {row["code_commune"] for row in kept} == {"13900"}
    assert len(shown) == 6
    assert {row["subject"] for row in shown} == {"Résultat de la demande", "Demande refusée"}
    assert kinds == "pret,echec,echeance"


def test_who_was_told_is_not_told_again_and_who_waited_is(engine: Engine, database_url: str, mailbox: Mailbox) -> None:
    migrate(engine)
    desk = Desk(database_url)
    desk.change_requests(told_at=None)
    work(desk.notifier(smtp(mailbox)))
    desk.engine.dispose()
    told = [(mail.recipients, mail.message["Message-ID"]) for mail in mailbox.mails]
    # The refusal too: the address that was told of it is no agent's any more.
    assert (("mairie@libreville.example",), "<5@x>") in told
    assert len(told) == len(set(told)) == 2


def test_it_can_be_undone_and_done_again(engine: Engine) -> None:
    before = _old(engine)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO notification (recipient, code_commune, kind, channel, address, message_id, request_id)"
                " VALUES ('r1', '13900', 'pret', 'webhook', 'https://h', 'm', 1)"
            )
        )
    downgrade(engine, "0006")
    assert _old(engine) == before
    migrate(engine)


def test_the_tables_are_those_that_the_code_expects(engine: Engine) -> None:
    migrate(engine)
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for name in (*TABLES, "export"):
        Base.metadata.tables[name].to_metadata(metadata)

    def is_wanted(_item: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
        return name in TABLES if kind == "table" else not (kind == "index" and reflected)

    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_wanted}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
