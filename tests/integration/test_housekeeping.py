"""The housekeeping beside the notifier: a long purge keeps nobody waiting for a mail, its trouble is said."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from tests.integration.files_desk import FilesDesk, open_desk
from tests.integration.notifier_desk import TEMPLATE, running, smtp, work
from tests.parts.deployment import Deployment
from tests.parts.mail import Mailbox
from tests.parts.wait import wait_until
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.doorbell import Doorbell
from worker.exports.audit import NOTIFIER
from worker.exports.models import Audit, Export, Request
from worker.housekeeping.housekeeping import Chore, purge_chore
from worker.settings import load_settings

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


def _ignore(_rows: object) -> None:
    """Nobody listens."""


def _purge(desk: FilesDesk, seconds: float) -> Chore:
    return purge_chore(desk.engine, desk.storage, 30, seconds)


@pytest.mark.parametrize(("retention", "left"), [("30", ["récente"]), ("0", ["ancienne", "récente"])])
def test_the_notifier_of_an_installation_purges(
    desk: FilesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retention: str, left: list[str]
) -> None:
    desk.make("ancienne", days=31)
    desk.make("récente", days=29)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", retention)
    settings = load_settings(mail_dir=tmp_path / "mails")
    work(build_notifier(settings, desk.engine, enqueue=_ignore, enqueue_parked=_ignore, publish=None))
    assert desk.files() == [f"liste-P-{name}.csv" for name in left]
    assert {line.actor for line in desk.audit()} <= {NOTIFIER}


def test_who_waits_for_a_mail_gets_it_while_a_purge_lasts(desk: FilesDesk, mailbox: Mailbox) -> None:
    begun, mail_seen = Event(), Event()

    def purge() -> Iterator[int]:
        begun.set()
        mail_seen.wait(60)
        yield 1

    with running(desk.notifier(smtp(mailbox), purge=Chore("purge", purge, 3600))):
        assert begun.wait(60)
        desk.make("nouvelle", told=False)
        mailbox.wait_for(1)
        mail_seen.set()


def test_the_sweep_takes_its_turn_while_a_purge_lasts(desk: FilesDesk, mailbox: Mailbox) -> None:
    enqueued: list[Doorbell] = []

    def purge() -> Iterator[int]:
        while not enqueued:
            yield 1

    desk.ask("P.csv=queued", event_id="oubliée")
    with running(desk.notifier(smtp(mailbox), enqueue=enqueued.extend, purge=Chore("purge", purge, 3600))):
        wait_until(lambda: enqueued, message="the sweep")


def test_a_purge_goes_on_a_few_files_at_a_time_and_ends(desk: FilesDesk, mailbox: Mailbox) -> None:
    for number in range(45):
        desk.make(f"ancienne-{number}", days=31)
    notifier = desk.notifier(smtp(mailbox), purge=_purge(desk, 3600))
    work(notifier)
    assert len(desk.files()) == 25
    with running(notifier):
        wait_until(lambda: not desk.files(), message="the end of the purge")


def test_it_purges_once_an_hour(desk: FilesDesk, mailbox: Mailbox) -> None:
    hourly, restless = (desk.notifier(smtp(mailbox), purge=_purge(desk, seconds)) for seconds in (3600, 0))
    work(hourly)
    desk.make(days=31)
    for _ in range(3):
        work(hourly)
    assert len(desk.files()) == 1
    work(restless)
    assert desk.files() == []


def test_a_volume_that_is_away_keeps_nobody_from_being_told(desk: FilesDesk, mailbox: Mailbox) -> None:
    old = desk.make("ancienne", days=31)
    elsewhere = desk.root.rename(desk.root.with_name("elsewhere"))
    desk.ask("P.csv=failed", event_id="à annoncer")
    notifier = desk.notifier(smtp(mailbox), purge=_purge(desk, 0))
    with capture_logs() as logs:
        assert work(notifier) == 1
        work(notifier)
    mailbox.wait_for(1)
    assert [line["what"] for line in logs if line["event"] == "outage"] == ["purge"]
    assert desk.export(old).purged_at is None

    elsewhere.rename(desk.root)
    with capture_logs() as logs:
        work(notifier)
    assert [line["event"] for line in logs] == ["files_purged", "outage_over"]
    assert desk.files() == []


def test_the_notifier_of_a_deployment_has_the_rights_to_purge_and_no_more(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FilesDesk(deployment.database_url("owner"), tmp_path / "exports")
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("notifier"))
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(desk.root))
    old = desk.make("ancienne", days=31, has_report=True)
    account = build_engine(deployment.database_url("notifier"))
    try:
        settings = load_settings(mail_dir=tmp_path / "mails")
        work(build_notifier(settings, account, enqueue=_ignore, enqueue_parked=_ignore, publish=None))
        assert desk.files() == []
        assert [line.actor for line in desk.audit() if line.export_id == old] == [NOTIFIER]
        with account.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
            connection.exec_driver_sql("DELETE FROM audit")
    finally:
        account.dispose()
        _forget(desk, old)


def _forget(desk: FilesDesk, export_id: int) -> None:
    """Other tests count the rows of this database."""
    request_id = desk.export(export_id).request_id
    with desk.engine.begin() as connection:
        connection.execute(delete(Audit).where(Audit.export_id == export_id))
        connection.execute(delete(Export).where(Export.id == export_id))
        connection.execute(delete(Request).where(Request.id == request_id))
    desk.engine.dispose()


def test_a_notifier_that_is_stopping_does_not_begin_a_step(desk: FilesDesk, mailbox: Mailbox) -> None:
    desk.make(days=31)
    stop = Event()
    stop.set()
    desk.notifier(smtp(mailbox), purge=_purge(desk, 0)).work(stop)
    assert len(desk.files()) == 1
