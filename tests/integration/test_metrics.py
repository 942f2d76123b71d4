"""The metrics equal the rows and the queues, on both databases, for any process and number of scrapes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import delete

from schemas.topology import QUEUE_LISTES, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import RequestOutcome
from tests.integration.notifier_desk import TEMPLATE, Desk, Killed, make_export, make_tableau, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.postgres import PostgresServer
from tests.parts.prometheus import Scrape, scrape
from tests.unit.mail_samples import report_beside
from worker.db.types import utc_now
from worker.exports.models import Export
from worker.messaging.queues import QueueState
from worker.monitoring.exporter import MARGIN, Exporter
from worker.monitoring.metrics import METRICS
from worker.notifier.channels.delivery import DeliveryDelayedError
from worker.notifier.channels.mail import Mailer
from worker.work.models import WorkState

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

ASKED, STARTED, FINISHED = utc_now(-100), utc_now(-60), utc_now(-56)
MADE: dict[str, Any] = {"created_at": ASKED, "started_at": STARTED, "finished_at": FINISHED}


def about(seconds: float) -> Any:  # noqa: ANN401 — pytest's
    """This many seconds, or up to a minute more, since time passes until the check."""
    return pytest.approx(seconds + 29, abs=31)


def _no_queue() -> Sequence[QueueState]:
    return [QueueState(QUEUE_LISTES, 0, 0, 0)]


def look(desk: Desk) -> Scrape:
    return scrape(Exporter(desk.engine, _no_queue, Path("/")))


def test_files_are_counted_by_what_they_are_and_what_became_of_them(desk: Desk) -> None:
    desk.ask(make_export("P.csv"), make_export("P.xml=failed"), make_export("CE.csv=cancelled"))
    desk.ask(make_tableau("vingt_jours.P.par_bureau", "t"), event_id="t", event_type=REQUEST_TABLEAUX_RENDER)
    desk.ask(event_id="non", outcome=RequestOutcome.REFUSED, reason="Commune inconnue.")
    desk.ask(event_id="?", outcome=RequestOutcome.REFUSED, reason="Type inconnu.", event_type="bougie.verte")

    seen = look(desk)

    assert seen.nonzero("prefecture_requests_total") == {
        "accepted liste_export": 1,
        "refused liste_export": 1,
        "accepted tableaux_render": 1,
        "refused other": 1,
    }
    assert seen.nonzero("prefecture_exports_total") == {
        "csv liste P ready": 1,
        "xml liste P failed": 1,
        "csv liste CE cancelled": 1,
        "pdf tableau P ready vingt_jours": 1,
    }
    assert seen.nonzero("prefecture_export_failures_total") == {"disque_plein liste": 1}


def test_only_files_that_are_ready_count_for_what_is_in_them(desk: Desk) -> None:
    desk.ask(
        make_export(
            "P.csv", electeurs=1000, size=90_000, pieces=report_beside("r.csv", 500), bloquantes=2, remarques=5
        ),
        make_export("P.xml", electeurs=1000, size=300_000, bloquantes=2),
        make_export("CE.csv=failed", electeurs=7, size=None),
        make_export("CE.xml=cancelled", electeurs=7, size=None),
    )
    desk.ask(make_tableau("additions.CM.commune", "t", electeurs=12, size=40_000, remarques=1), event_id="t")

    seen = look(desk)

    assert seen.nonzero("prefecture_electeurs_total") == {"csv P": 1000, "xml P": 1000}
    assert seen.nonzero("prefecture_mouvements_total") == {"CM additions": 12}
    assert seen.nonzero("prefecture_file_bytes_total") == {
        "csv liste": 90_500,
        "xml liste": 300_000,
        "pdf tableau": 40_000,
    }
    assert seen.nonzero("prefecture_anomalies_total") == {
        "liste bloquante": 4,
        "liste remarque": 5,
        "tableau remarque": 1,
    }


@pytest.mark.slow
def test_durations_fall_into_their_buckets(desk: Desk) -> None:
    desk.ask(make_export("P.csv", **MADE), make_export("CE.csv", **MADE), make_export("CM.csv=failed", **MADE))
    labels = 'kind="liste",format="csv"'

    seen = look(desk)

    for name, seconds, under, over in (("duration", 4, 2, 5), ("turnaround", 44, 30, 60)):
        metric = f"prefecture_export_{name}_seconds"
        assert seen[f'{metric}_bucket{{{labels},le="{under}.0"}}'] == 0
        assert seen[f'{metric}_bucket{{{labels},le="{over}.0"}}'] == 2
        assert seen[f'{metric}_bucket{{{labels},le="+Inf"}}'] == seen[f"{metric}_count{{{labels}}}"] == 2
        assert seen[f"{metric}_sum{{{labels}}}"] == pytest.approx(2 * seconds, abs=0.1)


def test_what_is_told_and_to_whom_is_counted(desk: Desk, mailbox: Mailbox) -> None:
    mailbox.refuse("adjoint@libreville.example")
    desk.add_agent("adjoint", "adjoint@libreville.example")
    desk.ask(make_export("P.csv", **MADE))
    before = look(desk)
    assert work(desk.notifier(smtp(mailbox))) == 1
    after = look(desk)

    assert before["prefecture_requests_untold"] == 1
    assert before["prefecture_notifier_lag_seconds"] == about(56)
    assert (after["prefecture_requests_untold"], after["prefecture_notifier_lag_seconds"]) == (0, 0)
    assert after["prefecture_telling_seconds_count"] == 1
    assert after["prefecture_telling_seconds_sum"] == about(56)
    assert after.nonzero("prefecture_notifications_total") == {"courriel sent": 1, "courriel refused": 1}


def _notified_by(desk: Desk, *senders: Callable[[EmailMessage], object]) -> dict[str, float]:
    """The counters once each of these notifiers has tried to send; the last one must finish the notification."""
    for number, send in enumerate(senders):
        desk.expire()
        desk.make_due()
        with suppress(Killed):
            work(desk.notifier(cast("Mailer", SimpleNamespace(send=send)), name=f"notifier-{number}"))
    return look(desk).nonzero("prefecture_notifications_total")


def test_a_mail_that_may_have_come_twice_is_counted(desk: Desk) -> None:
    def die(_: EmailMessage) -> None:
        raise Killed

    def lose_answer(_: EmailMessage) -> None:
        raise DeliveryDelayedError("SMTPServerDisconnected", is_uncertain=True)

    desk.ask(make_export("P.csv", **MADE))
    assert _notified_by(desk, die, lambda _: None) == {"courriel sent_perhaps_twice": 1}
    desk.ask(make_export("CE.csv", "autre", **MADE), event_id="autre")
    assert _notified_by(desk, lose_answer, lambda _: None) == {"courriel sent_perhaps_twice": 2}


def test_files_under_way_are_told_by_where_they_stand(desk: Desk) -> None:
    waits, held = make_export("2=queued", "2", created_at=utc_now(-30)), {"state": WorkState.HELD}
    delayed = make_export("3=queued", "3", created_at=utc_now(-600), error_code="disque_plein")
    running = [make_export(f"{number}=running", str(number), created_at=utc_now(-20)) for number in (4, 5, 6)]
    desk.ask(
        make_export("1=queued", "1", created_at=utc_now(-40)),
        *(waits, delayed, *running),
        make_export("7=queued", "7", created_at=utc_now(-9000), is_bulk=True),
    )
    desk.change_file(waits, due_at=utc_now(-1))
    desk.change_file(delayed, due_at=utc_now(300))
    for file, seconds in zip(running, (30, 30, -1), strict=True):
        desk.change_file(file, **held, lease_until=utc_now(seconds))

    seen = look(desk)

    assert seen.nonzero("prefecture_exports_unfinished") == {
        "no liste waiting": 2,
        "no liste delayed": 1,
        "no liste running": 2,
        "no liste orphaned": 1,
        "yes liste waiting": 1,
    }
    assert seen.nonzero("prefecture_exports_delayed") == {"disque_plein": 1}
    assert seen['prefecture_oldest_waiting_seconds{kind="liste",bulk="no"}'] == about(600)
    assert seen['prefecture_oldest_waiting_seconds{kind="liste",bulk="yes"}'] == about(9000)
    assert seen['prefecture_oldest_waiting_seconds{kind="tableau",bulk="no"}'] == 0


def test_each_file_counts_once_however_late_it_is_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    margin = MARGIN.total_seconds()
    exporter = Exporter(desk.engine, _no_queue, Path("/"))

    def settle(*ages: float) -> None:
        for age in ages:
            desk.ask(make_export("P.csv", str(age), finished_at=utc_now(-age)), event_id=str(age))

    settle(3 * margin, 1.5 * margin, margin / 2, 0)
    assert _ready(scrape(exporter)) == 4
    settle(margin - 5, margin / 3, 1)
    assert _ready(scrape(exporter)) == _ready(look(desk)) == 7

    monkeypatch.setattr("worker.monitoring.exporter.MARGIN", timedelta(0))  # as if the margin were over for all of them
    assert [_ready(scrape(exporter)) for _ in range(3)] == [7] * 3
    settle(-1)
    assert _ready(scrape(exporter)) == 8


def test_a_counter_does_not_go_back_when_rows_are_removed(desk: Desk) -> None:
    desk.ask(make_export("P.csv", finished_at=utc_now(-86_400)))
    exporter = Exporter(desk.engine, _no_queue, Path("/"))
    assert _ready(scrape(exporter)) == 1
    with desk.engine.begin() as connection:
        connection.execute(delete(Export))
    assert _ready(scrape(exporter)) == 1


def test_no_label_names_a_commune_or_a_person(desk: Desk, mailbox: Mailbox) -> None:
    desk.ask("P.csv", "P.xml=failed", "CE.csv=running")
    work(desk.notifier(smtp(mailbox)))
    seen = look(desk)
    labels = {label for _, pairs in seen.samples for label in pairs}
    assert {name for name, _ in labels} == {label for metric in METRICS for label in metric.labels} | {"le"}
    values = " ".join(value for _, value in labels).lower()
    assert not [word for word in ("13900", "libreville", "mairie", "clic-demande") if word in values]


def test_every_metric_is_shown_even_before_the_first_request(desk: Desk) -> None:
    seen = look(desk)
    assert seen.kinds == {metric.name: metric.kind for metric in METRICS}
    shown = {name for name, _ in seen.samples}
    assert [m.name for m in METRICS if not {m.name, f"{m.name}_count"} & shown] == []


def test_a_database_that_is_away_hides_its_figures_only(postgres_url: str, postgres_server: PostgresServer) -> None:
    desk = Desk(postgres_url)
    desk.ask("P.csv")
    exporter = Exporter(desk.engine, _no_queue, Path("/"))
    assert _ready(scrape(exporter)) == 1
    postgres_server.stop()
    seen = scrape(exporter)
    assert seen['prefecture_up{part="database"}'] == 0
    assert seen.nonzero("prefecture_exports_total") == {}
    assert seen['prefecture_queue_messages{queue="listes"}'] == 0
    postgres_server.start()
    assert _ready(scrape(exporter)) == 1
    desk.engine.dispose()


def _ready(seen: Scrape) -> float:
    return sum(value for labels, value in seen.nonzero("prefecture_exports_total").items() if "ready" in labels)
