"""From the screen's account on a real broker to the rows: with its own account, each process does all its work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import RowMapping, text

from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.town import Town
from tests.parts.wait import wait_until
from worker.access.management import SCREEN_ACCOUNT, allow_sender
from worker.access.models import EVERY_COMMUNE
from worker.messaging.queues import add_account_queues

pytestmark = [pytest.mark.integration, pytest.mark.slow]


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
