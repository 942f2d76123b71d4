"""The housekeeping beside the notifier: a long purge delays no mail, its errors are logged."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from schemas.vocabulary import RequestOutcome
from tests.integration.files_desk import FilesDesk
from tests.integration.notifier_desk import TEMPLATE, running, smtp, work
from tests.parts.deployment import Deployment
from tests.parts.mail import Mailbox
from tests.parts.wait import wait_until
from worker.audit import NOTIFIER, Audit
from worker.compose import build_notifier
from worker.db.engine import build_engine
from worker.doorbell import Doorbell
from worker.exports.models import Export, ExportPiece, Request
from worker.housekeeping.housekeeping import Chore, purge, purge_refused
from worker.notifier.messages.events import AnsweredEvent
from worker.notifier.models import Notification
from worker.settings import load_settings
from worker.work.models import About, Work, WorkKind, subject_of
from worker.work.queue import NewWork, add

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=FilesDesk.open)]


def _ignore(_rows: object) -> None:
    """Enqueue nothing."""


def _purge(desk: FilesDesk, seconds: float) -> Chore:
    return Chore("purge", lambda: purge(desk.engine, desk.storage, 30), seconds)


@pytest.mark.slow
@pytest.mark.parametrize(("retention", "left"), [("30", ["récente"]), ("0", ["ancienne", "récente"])])
def test_the_notifier_of_an_installation_purges(
    desk: FilesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retention: str, left: list[str]
) -> None:
    desk.make("ancienne", days=31)
    desk.make("récente", days=29)
    monkeypatch.setenv("PREFECTURE_RETENTION_DAYS", retention)
    settings = load_settings(home=tmp_path)
    work(build_notifier(settings, desk.engine, enqueue=_ignore, publish=None))
    assert desk.files() == [f"liste-P-{name}.csv" for name in left]
    assert {line.actor for line in desk.audit()} <= {NOTIFIER}


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert [it["event"] for it in logs if it["event"] != "audit"] == ["files_purged", "outage_over"]
    assert desk.files() == []


def test_the_notifier_of_a_deployment_has_the_rights_to_purge_and_no_more(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = FilesDesk(deployment.database_url("owner"), tmp_path / "exports")
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", deployment.database_url("notifier"))
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(desk.root))
    old = desk.make("ancienne", days=31, has_report=True)
    account = build_engine(deployment.database_url("notifier"))
    number = 0
    try:
        settings = load_settings(home=tmp_path)
        work(build_notifier(settings, account, enqueue=_ignore, publish=None))
        assert desk.files() == []
        assert [line.actor for line in desk.audit() if line.export_id == old] == [NOTIFIER]
        _refuse(desk, "refused", "stranger")
        work(build_notifier(settings, account, enqueue=_ignore, publish=_ignore))
        assert purge_refused(account, most=0) == 1
        number = desk.ask("P.xml=running", event_id="followed")
        with desk.engine.begin() as connection:
            add(connection, [NewWork(WorkKind.PROGRESS, subject_of(About.REQUEST, number))])
        published: list[AnsweredEvent] = []
        work(build_notifier(settings, account, enqueue=_ignore, publish=published.extend))
        assert [event.causationid for event, _ in published] == ["followed"]
        with account.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
            connection.exec_driver_sql("DELETE FROM audit")
    finally:
        account.dispose()
        _forget(desk, old)
        with desk.engine.begin() as connection:
            connection.execute(delete(Work))
            connection.execute(delete(Export).where(Export.request_id == number))
            connection.execute(delete(Request).where(Request.id == number))
        desk.engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        ({"most": 3}, {"big-4", "big-5", "clerk-0", "clerk-1"}),
        ({"most_bytes": 2500}, {"big-5", "clerk-0", "clerk-1"}),
        ({"days": -1}, set()),
    ],
)
def test_what_is_refused_of_one_account_is_bounded_and_takes_no_room_of_another(
    desk: FilesDesk, mailbox: Mailbox, bounds: dict[str, int], left: set[str]
) -> None:
    for account, number in (("big", 6), ("clerk", 2)):
        for index in range(number):
            _refuse(desk, f"{account}-{index}", account)
    assert purge_refused(desk.engine, most=0) == 0, "nobody was told yet"
    notifier = desk.notifier(smtp(mailbox), lambda _event: None)
    assert work(notifier) == 8
    desk.ask("P.csv", event_id="served", sender="big")
    _refuse(desk, "untold", "big")
    removed = purge_refused(desk.engine, **bounds)
    with desk.engine.connect() as connection:
        names = set(connection.scalars(select(Request.event_id)))
        sendings = connection.scalar(select(func.count()).select_from(Notification))
    assert names == left | {"served", "untold"}, "the one that nobody was told of counts, and stays"
    assert sendings == 8 - removed


def _refuse(desk: FilesDesk, event_id: str, account: str) -> None:
    reason = "Type de demande inconnu. " * 40
    desk.ask(event_id=event_id, outcome=RequestOutcome.REFUSED, code="type_inconnu", reason=reason, sender=account)


def _forget(desk: FilesDesk, export_id: int) -> None:
    """Other tests count the rows of this database."""
    request_id = desk.export(export_id).request_id
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.execute(delete(Audit).where(Audit.export_id == export_id))
        connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")
        connection.execute(delete(ExportPiece).where(ExportPiece.export_id == export_id))
        connection.execute(delete(Export).where(Export.id == export_id))
        connection.execute(delete(Request).where(Request.id == request_id))
    desk.engine.dispose()


def test_a_notifier_that_is_stopping_does_not_begin_a_step(desk: FilesDesk, mailbox: Mailbox) -> None:
    desk.make(days=31)
    stop = Event()
    stop.set()
    desk.notifier(smtp(mailbox), purge=_purge(desk, 0)).work(stop)
    assert len(desk.files()) == 1
