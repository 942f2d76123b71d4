"""The accounts of `deploy/`: with its own on the broker and on the database, each process does all its work."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.town import AGENT, Town
from tests.parts.wait import wait_until
from worker.db.engine import build_engine
from worker.exports.purge import purge_files, total
from worker.exports.storage import Storage

pytestmark = pytest.mark.integration

LISTES = ListeExportRequested(commune="13900", requested_by=AGENT)
TABLEAUX = TableauxRenderRequested.model_validate(
    {
        "commune": "13900",
        "listes": ["P"],
        "types": ["premier_rectificatif", "vingt_jours"],
        "date_tableau": "2027-01-10",
        "reunion": "2026-11-02",
        "scrutin": "2027-03-14",
        "requested_by": AGENT,
    }
)


@pytest.fixture
def town(deployment: Deployment, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    """Seen by the test as owner and administrator."""
    town = Town(deployment.database_url("owner"), deployment.broker.url(VHOST), tmp_path, mailbox.port)
    yield town
    town.close()


def test_each_process_does_its_work_with_its_own_accounts(deployment: Deployment, town: Town, mailbox: Mailbox) -> None:
    town.start_worker(**_addresses(deployment, "worker"))
    port = free_port()
    town.start_notifier(PREFECTURE_METRICS_PORT=str(port), **_addresses(deployment, "notifier"))
    listes, tableaux, refused = (
        CloudEvent.wrap(asked, source="/test")
        for asked in (LISTES, TABLEAUX, LISTES.model_copy(update={"commune": "01001"}))
    )
    with Publisher(deployment.amqp_url("producteur")) as publisher:
        for event in (listes, tableaux, refused):
            publisher.publish(event)
    assert [export["electeurs"] for export in town.wait_for(listes)] == [327, 20, 24]
    assert [export["pages"] for export in town.wait_for(tableaux)] == [1, 1]
    mailbox.wait_for(2)
    wait_until(lambda: _told(town) == [True, True, True], message="every mail sent and every event published")
    with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as answer:
        seen = re.findall(r'^prefecture_up{part="(\w+)"} (\S+)$', answer.read().decode(), re.MULTILINE)
    assert dict(seen) == {"database": "1.0", "broker": "1.0"}
    notifier = build_engine(deployment.database_url("notifier"))
    purged = total(purge_files(notifier, Storage(town.exports), days=0, actor="notifier"))
    notifier.dispose()
    assert purged.exports == 5
    assert "InsufficientPrivilege" not in town.log("worker") + town.log("notifier")
    assert "ACCESS_REFUSED" not in town.log("worker") + town.log("notifier")


def _addresses(deployment: Deployment, account: str) -> dict[str, str]:
    return {
        "PREFECTURE_AMQP_URL": deployment.amqp_url(account),
        "PREFECTURE_DATABASE_URL": deployment.database_url(account),
    }


def _told(town: Town) -> list[bool]:
    return [row["told_at"] is not None for row in town.rows("SELECT told_at FROM demandes")]
