"""The notifier purges by its clock: a little at a time, and nobody waits for a mail because of it."""

from functools import partial
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from tests.integration.files_desk import FilesDesk, open_desk
from tests.integration.notifier_desk import TEMPLATE, smtp, work
from tests.parts.deployment import Deployment
from tests.parts.mail import Mailbox
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.exports.audit import NOTIFIER
from worker.exports.models import Audit, Export, Request
from worker.exports.purge import purge_files
from worker.notifier.purge import PurgeClock
from worker.settings import load_settings

pytestmark = [pytest.mark.integration, pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=open_desk)]


def _clock(desk: FilesDesk, seconds: float) -> PurgeClock:
    return PurgeClock(partial(purge_files, desk.engine, desk.storage, days=30, actor=NOTIFIER), seconds)


@pytest.mark.parametrize(("retention", "left"), [("30", ["récente"]), ("0", ["ancienne", "récente"])])
def test_the_notifier_of_an_installation_purges(
    desk: FilesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retention: str, left: list[str]
) -> None:
    desk.make("ancienne", days=31)
    desk.make("récente", days=29)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", retention)
    settings = load_settings(mail_dir=tmp_path / "mails")
    work(build_notifier(settings, desk.engine, ring=lambda _bells: None, publish=None))
    assert desk.files() == [f"liste-P-{name}.csv" for name in left]
    assert {line.actor for line in desk.audit()} <= {NOTIFIER}


def test_who_is_to_be_told_is_told_between_two_steps(desk: FilesDesk, mailbox: Mailbox) -> None:
    for number in range(45):
        desk.make(f"ancienne-{number}", days=31)
    notifier = desk.notifier(smtp(mailbox), purge=_clock(desk, 3600))
    assert work(notifier) == 0
    assert len(desk.files()) == 25
    desk.make("nouvelle", told=False)
    assert work(notifier) == 1
    mailbox.wait_for(1)
    assert len(desk.files()) == 6
    work(notifier)
    assert desk.files() == ["liste-P-nouvelle.csv"]


def test_it_purges_once_an_hour(desk: FilesDesk, mailbox: Mailbox) -> None:
    hourly, restless = (desk.notifier(smtp(mailbox), purge=_clock(desk, seconds)) for seconds in (3600, 0))
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
    notifier = desk.notifier(smtp(mailbox), purge=_clock(desk, 0))
    with capture_logs() as logs:
        assert work(notifier) == 1
        work(notifier)
    mailbox.wait_for(1)
    assert [line["what"] for line in logs if line["event"] == "outage"] == ["purge"]
    assert desk.export(old).purged_at is None

    elsewhere.rename(desk.root)
    with capture_logs() as logs:
        work(notifier)
    assert [line["event"] for line in logs] == ["outage_over", "files_purged"]
    assert desk.files() == []


def test_the_notifier_of_a_deployment_has_the_rights_to_purge_and_no_more(
    deployment: Deployment, tmp_path: Path
) -> None:
    desk = FilesDesk(deployment.database_url("owner"), tmp_path / "exports")
    old = desk.make("ancienne", days=31, has_report=True)
    account = build_engine(deployment.database_url("notifier"))
    try:
        settings = load_settings(mail_dir=tmp_path / "mails")
        work(build_notifier(settings, account, ring=lambda _bells: None, publish=None))
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
    desk.notifier(smtp(mailbox), purge=_clock(desk, 0)).work(stop)
    assert len(desk.files()) == 1
