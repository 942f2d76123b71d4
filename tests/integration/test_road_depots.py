"""From the screen's account on a real broker to the rows: with its own account, each process does all its work."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text

from common.calendrier import jour_a_paris
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.notes import note_file
from tests.parts.town import AGENT, Town
from tests.parts.wait import wait_until
from worker.access.management import SCREEN_ACCOUNT, allow_sender
from worker.access.models import EVERY_COMMUNE
from worker.db.engine import build_engine
from worker.exports.purge import purge_files, total
from worker.exports.storage import Storage
from worker.messaging.queues import add_account_queues

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAMED = "Rejet : Mme INVENTEE Zélie, adresse absente."
LISTE = ListeExportRequested.model_validate({"commune": "13900", "listes": ["P"], "requested_by": AGENT})


@pytest.fixture
def town(deployment: Deployment, tmp_path: Path, mailbox: Mailbox) -> Iterator[Town]:
    """Its workers and notifier have the accounts of an installation; the test itself looks as the owner."""
    town = Town(deployment.database_url("owner"), deployment.broker.url(VHOST), tmp_path, mailbox.port)
    with town.engine.begin() as connection:
        # Another test's volume, and what the record knows of it, are not this one's.
        connection.exec_driver_sql("UPDATE volume SET marked_at = NULL")
        connection.exec_driver_sql("UPDATE export SET purged_at = now() WHERE purged_at IS NULL")
        allow_sender(connection, SCREEN_ACCOUNT, EVERY_COMMUNE, actor="test")
    add_account_queues(town.amqp_url, SCREEN_ACCOUNT)
    for start, account in ((town.start_worker, "worker"), (town.start_notifier, "notifier")):
        start(
            PREFECTURE_DATABASE_URL=deployment.database_url(account),
            PREFECTURE_AMQP_URL=deployment.amqp_url(account),
        )
    yield town
    town.close()


class Screen:
    """Publishes with the account of the screen, and waits until a worker has read what it said."""

    def __init__(self, town: Town, publisher: Publisher) -> None:
        self._town, self._publisher = town, publisher

    def say(self, kind: str, export_id: int, **fields: Any) -> RowMapping:  # noqa: ANN401 — of `kind`
        """Publish twice; the row of the request."""
        event = CloudEvent.wrap(note_file(kind, export_id, **fields), source="/ecran")
        for _ in range(2):
            self._publisher.publish(event)
        (row,) = wait_until(lambda: self._demandes(event), message=self._town.log("worker")[-2000:]) or ()
        return row

    def ask(self) -> RowMapping:
        """A list file, once it is ready."""
        event = CloudEvent.wrap(LISTE, source="/ecran")
        self._publisher.publish(event)
        (row,) = self._town.wait_for(event)
        return row

    def _demandes(self, event: CloudEvent) -> Sequence[RowMapping]:
        return self._town.rows("SELECT * FROM demandes WHERE event_id = :id", id=event.id)


def test_a_file_is_taken_deposited_answered_and_compared_with(
    deployment: Deployment, town: Town, mailbox: Mailbox
) -> None:
    today = jour_a_paris(datetime.now(UTC))
    town.queue("requests.XQ")  # the installation is shared: what others have left there is not ours
    with Publisher(deployment.amqp_url("ecran")) as publisher:
        screen = Screen(town, publisher)
        file = screen.ask()
        number = file["export_id"]
        said = [
            screen.say("downloaded", number),
            screen.say("deposited", number, deposited_on=today, remarque="accusé reçu"),
            screen.say("verdict", number, verdict="accepte", verdict_on=today, answer=NAMED),
            screen.say("downloaded", 999_999),
        ]
        second = screen.ask()
    assert [row["outcome"] for row in said] == ["accepted", "accepted", "accepted", "refused"]
    assert all(row["notified_at"] is not None and row["sender"] == "ecran" for row in said)
    (row,) = town.rows("SELECT * FROM derniers_exports WHERE export_id = :id", id=file["export_id"])
    assert (row["deposited_on"], row["verdict"], row["answer"]) == (today, "accepte", NAMED)
    assert row["downloaded_by"] == AGENT
    assert second["differences"]["export_id"] == file["export_id"]
    assert (second["differences"]["arrivees"], second["differences"]["departs"]) == (0, 0)
    of_file = "SELECT action, actor FROM journal WHERE export_id = :id ORDER BY at"
    trail = town.rows(of_file, id=file["export_id"])
    assert [(line["action"], line["actor"]) for line in trail] == [
        ("file_downloaded", AGENT),
        ("depot_declared", AGENT),
        ("depot_verdict", AGENT),
    ]
    mailbox.wait_for(2)
    for event_id in (file["event_id"], second["event_id"]):  # the record says so after the mail has left
        told = {"query": "SELECT 1 FROM demandes WHERE event_id = :id AND notified_at IS NOT NULL", "id": event_id}
        wait_until(partial(town.rows, **told), message="the request told, on record")
    assert "INVENTEE" not in town.log("worker") + town.log("notifier")
    assert town.queue("requests.XQ") == []

    notifier = build_engine(deployment.database_url("notifier"))
    purged = total(purge_files(notifier, Storage(town.exports), days=0, actor="test"))
    notifier.dispose()
    assert purged.exports >= 2
    (row,) = town.rows("SELECT * FROM derniers_exports WHERE export_id = :id", id=file["export_id"])
    assert (row["answer"], row["verdict"], row["purged_at"] is not None) == ("", "accepte", True)


def test_what_each_process_runs_with_is_on_record_under_its_own_account(town: Town) -> None:
    def lines() -> dict[str, RowMapping]:
        query = text("SELECT actor, account, detail FROM audit WHERE action = 'settings_changed' ORDER BY id")
        with town.engine.connect() as connection:
            return {row["actor"]: row for row in connection.execute(query).mappings()}

    def is_ours(process: str) -> bool:
        return process in lines() and str(town.exports) in lines()[process]["detail"]

    wait_until(lambda: is_ours("worker") and is_ours("notifier"), message="a line of each process of this test")
    assert {name: row["account"] for name, row in lines().items() if name in {"worker", "notifier"}} == {
        "worker": "prefecture_worker",
        "notifier": "prefecture_notifier",
    }
    assert f"EXPORTS_DIR={town.exports}" in lines()["worker"]["detail"]
