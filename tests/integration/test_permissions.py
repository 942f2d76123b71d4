"""The accounts of `deploy/`: with its own broker and database accounts, each process does all its work."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from psycopg import sql
from sqlalchemy import RowMapping, select, text

from common.calendrier import jour_a_paris, now
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.vocabulary import Action, Liste
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.town import AGENT, Town, count_of_age
from tests.parts.wait import wait_until
from worker.audit import Audit, read_log, record_audit
from worker.db.engine import build_engine
from worker.exports.purge import purge_files, total
from worker.exports.records import subject_of_file
from worker.exports.storage import Storage
from worker.housekeeping.housekeeping import purge_refused
from worker.work.queue import NewWork, WorkKind, add

LISTES = ListeExportRequested(commune="13900", requested_by=AGENT)
TABLEAUX = TableauxRenderRequested.model_validate(
    {
        "commune": "13900",
        "listes": ["P"],
        "types": ["cinq_jours_reu", "vingt_jours"],
        "reunion": "2026-11-02",
        "scrutin": "2027-03-14",
        "requested_by": AGENT,
    }
)


BATCH = LISTES.model_copy(update={"listes": [Liste.PRINCIPALE], "bulk": True})
WORKERS = [
    (("requests", "requests-programs"), ("requests",), "all"),
    (("listes",), ("files", "workers"), "all"),
    (("tableaux",), ("files", "workers"), "all"),
    (("listes", "tableaux"), ("files", "workers"), "people"),
    (("registre",), ("registre", "workers"), "all"),
]
"""The queues, the accounts and the lane of each worker of docker-compose.yml."""
DEPOSITED = (
    "INSERT INTO depot (export_id, deposited_on, deposited_by) VALUES (:id, '2026-11-25', 'moi')"
)
PUBLISHED = """
INSERT INTO publication (export_id, mode, published_on, published_until, published_by, said_at)
VALUES (:id, 'affichage', '2026-11-25', '2026-11-26', 'moi', now())
"""
CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'prefecture_files'"
)
SERVED = """
SELECT (SELECT count(*) FROM depot WHERE fingerprint IS NOT NULL)
     + (SELECT count(*) FROM piece WHERE kind = 'certificat') AS number
"""


@pytest.fixture
def town(deployment: Deployment, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    """The test connects as owner and administrator."""
    town = Town(
        deployment.database_url("owner"), deployment.broker.url(VHOST), tmp_path, mailbox.port
    )
    with town.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE volume SET marked_at = NULL"
        )  # not the account of another test
    town.allow("producteur")
    yield town
    town.close()


def test_each_process_does_its_work_with_its_own_accounts(
    deployment: Deployment, town: Town, mailbox: Mailbox
) -> None:
    (before,) = town.rows(
        "SELECT coalesce(max(id), 0) AS id FROM audit"
    )  # other tests have forged lines
    for queues, accounts, lane in WORKERS:
        town.start_worker(
            "-Q", *queues, PREFECTURE_WORKER_LANE=lane, **deployment.addresses(*accounts)
        )
    port = free_port()
    town.start_notifier(PREFECTURE_METRICS_PORT=str(port), **deployment.addresses("notifier"))
    listes, tableaux, batch, refused = (
        CloudEvent.wrap(asked, source="/test")
        for asked in (LISTES, TABLEAUX, BATCH, LISTES.model_copy(update={"commune": "01001"}))
    )
    with Publisher(deployment.amqp_url("producteur")) as publisher:
        for event in (listes, tableaux, batch, refused):
            publisher.publish(event)
    assert [export["electeurs"] for export in town.wait_for(listes)] == [
        count_of_age(jour_a_paris(now())),
        20,
        24,
    ]
    assert all(export["pages"] for export in town.wait_for(tableaux))
    town.wait_for(batch)
    mailbox.wait_for(3)
    ours = {event.id for event in (listes, tableaux, batch, refused)}
    notified = "SELECT event_id FROM demandes WHERE notified_at IS NOT NULL"
    wait_until(
        lambda: {row["event_id"] for row in town.rows(notified)} >= ours, message="mails and events"
    )
    with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as answer:
        seen = re.findall(
            r'^prefecture_up{part="(\w+)"} (\S+)$', answer.read().decode(), re.MULTILINE
        )
    assert dict(seen) == {"database": "1.0", "broker": "1.0"}
    # `audit verify` finds each line of the processes and of a command
    with town.engine.begin() as connection:
        record_audit(connection, Action.SENDER_ALLOWED, actor="root", detail="mairie")
    lines = select(Audit.id).where(Audit.id > before["id"])
    with town.engine.connect() as connection:
        recorded = set(connection.scalars(lines))
    wait_until(
        lambda: recorded <= read_log(town.log("notifier").splitlines()).keys(),
        message="each line in the log",
    )
    deposited = [*town.exports_of(listes)[:1], *town.exports_of(batch)[:1]]
    _declare(town, deposited, DEPOSITED, WorkKind.FINGERPRINT)
    _declare(town, town.exports_of(tableaux)[:1], PUBLISHED, WorkKind.CERTIFICAT)
    wait_until(
        lambda: town.rows(SERVED)[0]["number"] == 3, message="two fingerprints and a certificate"
    )
    with town.engine.begin() as connection:  # more than a year ago: nothing keeps the files
        connection.execute(text("UPDATE depot SET deposited_on = '2000-01-01'"))
        connection.execute(text("UPDATE publication SET published_on = '2000-01-01'"))
    notifier = build_engine(deployment.database_url("notifier"))
    purged = total(purge_files(notifier, Storage(town.exports), days=0, actor="notifier"))
    assert purged.exports == 6
    assert purge_refused(notifier, most=0) >= 1
    notifier.dispose()
    with town.engine.begin() as connection:  # other tests count the rows of this database
        for table in ("depot", "publication"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 — our own words
    assert "InsufficientPrivilege" not in town.log("worker") + town.log("notifier")
    assert "ACCESS_REFUSED" not in town.log("worker") + town.log("notifier")


def _declare(town: Town, files: Sequence[RowMapping], statement: str, kind: WorkKind) -> None:
    """Insert the declarations of existing files by SQL, and their works; the notifier sends the tokens."""
    with town.engine.begin() as connection:
        for file in files:
            connection.execute(text(statement), {"id": file["export_id"]})
            add(connection, [NewWork(kind, subject_of_file(file["export_id"]))])


@pytest.mark.slow
def test_a_worker_without_the_right_to_publish_loses_nothing(
    deployment: Deployment, town: Town
) -> None:
    """It waits for a database that is away."""
    town.start_worker("-Q", "requests-programs", **deployment.addresses("requests"))
    event = town.ask(listes=["P"])
    town.start_worker("-Q", "listes", **deployment.addresses("files", "workers"))
    town.wait_for(event)
    deployment.server.execute(sql.SQL("ALTER ROLE prefecture_files CONNECTION LIMIT 0"))
    try:
        deployment.server.execute(sql.SQL(CUT_OFF))
        late = town.ask(listes=["P"])
        wait_until(
            lambda: "OperationalError" in town.log("worker"), message="a database that is away"
        )
    finally:
        deployment.make_accounts()
    # The token that failed is acknowledged; the sweep of the notifier sends another.
    town.start_notifier(**deployment.addresses("notifier"))
    town.wait_for(late)
    assert [town.queue(f"listes{suffix}") for suffix in ("", ".XQ")] == [[], []]
