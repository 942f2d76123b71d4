"""The metrics equal the rows and the queues, on both databases, for any process and number of scrapes.

A whole installation under a real Prometheus answers every query of the dashboard.
"""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from signal import SIGTERM
from threading import Event
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import text, update

from schemas.topology import QUEUE_LISTES, QUEUE_REGISTRE, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import RequestOutcome
from tests.integration.notifier_desk import TEMPLATE, Desk, make_export, make_tableau, smtp, work
from tests.parts.mail import Mailbox
from tests.parts.packages import PROMETHEUS, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.messaging.queues import QueueState
from worker.messaging.reading import ACTORS
from worker.monitoring import exporter
from worker.monitoring.exporter import HOUR_SECONDS, METRICS, UNDELIVERED_SECONDS, Exporter
from worker.notifier.models import Notification
from worker.work.queue import BATCH, WorkState

pytestmark = [pytest.mark.database(TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]

ASKED, STARTED, FINISHED = utc_now(-100), utc_now(-60), utc_now(-56)
MADE: dict[str, Any] = {"created_at": ASKED, "started_at": STARTED, "finished_at": FINISHED}

_direct = build_opener(ProxyHandler({}))


def fetch(url: str) -> str:
    """The response of a local server; proxies of the environment are ignored."""
    with _direct.open(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: dict[str, str] = {}
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            self.kinds[family.name] = family.type
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def __getitem__(self, sample: str) -> float:
        """The value of `name`, or of `name{label="value"}` with all of its labels that are not empty."""
        name, _, inside = sample.partition("{")
        wanted = set(re.findall(r'(\w+)="([^"]*)"', inside))
        (value,) = (
            v for (n, labels), v in self.samples.items() if n == name and _full(labels) == wanted
        )
        return value

    def nonzero(self, name: str) -> dict[str, float]:
        """The samples of a metric that are not zero, by the values of their labels: `csv liste P ready`."""
        return {
            " ".join(value for _, value in sorted(_full(labels))): figure
            for (sample, labels), figure in self.samples.items()
            if sample == name and figure
        }


def _full(labels: frozenset[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(name, value) for name, value in labels if value}


class Prometheus:
    """A Prometheus that runs a configuration of the repository against a target of the test.

    Args:
        config: its `prometheus.yml`, beside its rules.
        targets: replacements for each `host:port` of the configuration, and for each interval.
    """

    def __init__(self, config: Path, targets: Mapping[str, str], folder: Path) -> None:
        require(PROMETHEUS)
        self.url = f"http://{LOOPBACK}:{free_port()}"
        text = config.read_text("utf-8")
        for written, wanted in targets.items():
            assert written in text
            text = text.replace(written, wanted)
        for rules in config.parent.glob("*.yml"):
            (folder / rules.name).write_text(rules.read_text("utf-8"))
        (folder / config.name).write_text(text)
        self._process = Process(
            [
                PROMETHEUS.program("prometheus"),
                f"--config.file={folder / config.name}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            env={"PATH": "/usr/bin"},
            folder=folder,
            log=folder / "prometheus.log",
        )

    def __enter__(self) -> Self:
        wait_until(self._is_ready, message="Prometheus ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end(SIGTERM)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: one entry per series, with `metric` and `value`."""
        data = self._ask("query", query=expression)["data"]
        result: list[dict[str, Any]] = data["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """The alerts, with their state and the health of their expression."""
        return [rule for group in self._ask("rules")["data"]["groups"] for rule in group["rules"]]

    def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            fetch(f"{self.url}/api/v1/{what}?{urlencode(parameters)}")
        )
        assert answer["status"] == "success", answer
        return answer

    def _is_ready(self) -> bool:
        try:
            return "Ready" in fetch(f"{self.url}/-/ready")
        except URLError:
            return False


def scrape(collector: Collector) -> Scrape:
    """The metrics of a collector, as Prometheus receives them."""
    registry = CollectorRegistry()
    registry.register(collector)
    return Scrape(generate_latest(registry).decode())


def about(seconds: float) -> Any:  # noqa: ANN401 — pytest's
    """This many seconds, or up to a minute more, since time passes until the check."""
    return pytest.approx(seconds + 29, abs=31)


def _no_queue() -> Sequence[QueueState]:
    return [QueueState(QUEUE_LISTES, 0, 0, 0)]


def look(desk: Desk) -> Scrape:
    return scrape(Exporter(desk.engine, _no_queue, bool, Path("/")))


def test_finished_files_are_counted_by_kind_and_outcome(desk: Desk) -> None:
    files = [
        make_export(it, finished_at=FINISHED)
        for it in ("P.csv", "P.xml=failed", "CE.csv=cancelled")
    ]
    tableau = make_tableau("vingt_jours.P.par_bureau", "t", finished_at=FINISHED)
    old = make_export("CM.csv", finished_at=utc_now(-HOUR_SECONDS - 1))
    refused = {"outcome": RequestOutcome.REFUSED, "created_at": ASKED}
    desk.ask(*files, old, created_at=ASKED)
    desk.ask(tableau, event_id="t", event_type=REQUEST_TABLEAUX_RENDER, created_at=ASKED)
    desk.ask(event_id="non", reason="Commune inconnue.", **refused)
    desk.ask(event_id="?", reason="Type inconnu.", event_type="bougie.verte", **refused)
    desk.ask(
        event_id="old",
        reason="Commune inconnue.",
        **refused | {"created_at": utc_now(-HOUR_SECONDS - 1)},
    )

    seen = look(desk)

    assert seen.nonzero("prefecture_requests") == {
        "accepted liste_export": 1,
        "refused liste_export": 1,
        "accepted tableaux_render": 1,
        "refused other": 1,
    }
    assert seen.nonzero("prefecture_exports") == {
        "csv liste ready": 1,
        "disque_plein xml liste failed": 1,
        "csv liste cancelled": 1,
        "pdf tableau ready": 1,
    }


def test_notifications_are_counted_by_channel_and_outcome(desk: Desk, mailbox: Mailbox) -> None:
    mailbox.refuse("adjoint@libreville.example")
    desk.add_agent("adjoint", "adjoint@libreville.example")
    desk.ask(make_export("P.csv", **MADE))
    before = look(desk)
    assert work(desk.notifier(smtp(mailbox))) == 1
    after = look(desk)

    assert before["prefecture_requests_unnotified"] == 1
    assert before["prefecture_notifier_lag_seconds"] == about(56)
    assert (after["prefecture_requests_unnotified"], after["prefecture_notifier_lag_seconds"]) == (
        0,
        0,
    )
    assert after.nonzero("prefecture_notifications") == {"courriel sent": 1, "courriel refused": 1}
    assert after.nonzero("prefecture_messages_delayed") == {}


def test_a_mail_that_the_server_does_not_take_is_delayed_after_a_minute(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.ask(make_export("P.csv", **MADE))
    mailbox.stop()
    work(desk.notifier(smtp(mailbox)))
    assert look(desk).nonzero("prefecture_messages_delayed") == {}, "it may be a matter of seconds"
    with desk.engine.begin() as connection:
        connection.execute(
            update(Notification).values(created_at=utc_now(-UNDELIVERED_SECONDS - 1))
        )
    assert look(desk).nonzero("prefecture_messages_delayed") == {"courriel": 1}


def test_files_that_are_not_finished_are_counted_by_their_state(desk: Desk) -> None:
    waits, held = make_export("2=queued", "2", created_at=utc_now(-30)), {"state": WorkState.HELD}
    delayed = make_export("3=queued", "3", created_at=utc_now(-600), error_code="disque_plein")
    running = [
        make_export(f"{number}=running", str(number), created_at=utc_now(-20))
        for number in (4, 5, 6)
    ]
    batch = make_export("7=queued", "7", created_at=utc_now(-9000))
    desk.ask(
        make_export("1=queued", "1", created_at=utc_now(-40)), *(waits, delayed, *running, batch)
    )
    desk.change_file(batch, lane=BATCH)
    desk.change_file(waits, due_at=utc_now(-1))
    desk.change_file(delayed, due_at=utc_now(300))
    for file, seconds in zip(running, (30, 30, -1), strict=True):
        desk.change_file(file, **held, due_at=utc_now(seconds))

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


def test_the_oldest_transaction_of_each_account_is_measured(postgres_url: str) -> None:
    desk = Desk(postgres_url)
    before = look(desk)
    with snapshot(desk.engine) as first, snapshot(desk.engine) as second:
        for held in (first, second):
            held.execute(text("SELECT 1"))
        since = first.scalar(text("SELECT extract(epoch FROM now())"))
        seen = look(desk)
        until = second.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
    desk.engine.dispose()
    assert before.nonzero("prefecture_oldest_transaction_seconds") == {}
    age = seen['prefecture_oldest_transaction_seconds{account="postgres"}']
    assert 0 < age <= until - since


def test_no_label_names_a_commune_or_a_person(desk: Desk, mailbox: Mailbox) -> None:
    made = make_export("P.csv", **MADE), make_export("P.xml=failed", **MADE)
    desk.ask(*made, created_at=ASKED)
    desk.ask("CE.csv=running", event_id="runs")
    work(desk.notifier(smtp(mailbox)))
    seen = look(desk)
    labels = {label for _, pairs in seen.samples for label in pairs}
    of_metrics = {label for metric in METRICS for label in metric.labels}
    assert {name for name, _ in labels} == of_metrics - {"account"}, "no transaction is open"
    values = " ".join(value for _, value in labels).lower()
    assert not [
        word for word in ("13900", "libreville", "mairie", "clic-demande") if word in values
    ]


def test_every_metric_is_shown_even_before_the_first_request(desk: Desk) -> None:
    assert look(desk).kinds == dict.fromkeys((metric.name for metric in METRICS), "gauge")


def test_a_database_that_is_away_hides_its_figures_only(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    desk = Desk(postgres_url)
    desk.ask(make_export("P.csv", **MADE))
    exporter = Exporter(desk.engine, _no_queue, bool, Path("/"))
    assert _ready(scrape(exporter)) == 1
    postgres_server.stop()
    seen = scrape(exporter)
    assert seen['prefecture_up{part="database"}'] == 0
    assert seen.nonzero("prefecture_exports") == {}
    assert seen['prefecture_queue_messages{queue="listes"}'] == 0
    postgres_server.start()
    assert _ready(scrape(exporter)) == 1
    desk.engine.dispose()


def test_a_part_that_answers_late_is_away_and_hides_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        exporter, "wait", lambda looks, timeout: wait(looks, timeout, FIRST_COMPLETED)
    )
    late = Event()
    seen = scrape(
        Exporter(desk.engine, lambda: [QueueState("late", late.wait(60), 0, 0)], bool, Path("/"))
    )
    late.set()
    assert (seen['prefecture_up{part="broker"}'], seen['prefecture_up{part="database"}']) == (0, 1)


def _ready(seen: Scrape) -> float:
    return sum(
        value for labels, value in seen.nonzero("prefecture_exports").items() if "ready" in labels
    )


MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.database(LIBREVILLE_TEMPLATE)
def test_prometheus_answers_every_question_of_the_dashboard(
    town: Town, mailbox: Mailbox, tmp_path: Path
) -> None:
    port = free_port()
    town.start_worker()
    town.start_worker("-Q", QUEUE_REGISTRE)
    town.start_notifier(PREFECTURE_METRICS_PORT=str(port))
    town.wait_for(town.ask(formats=["csv", "xml"]))
    mailbox.wait_for(1)
    town.publish(b"not an event", "requests", exchange="")
    wait_until(
        lambda: _scrape(port)['prefecture_dead_letters{queue="requests"}'] == 1,
        message="the dead letter",
    )
    wait_until(
        lambda: _scrape(port)["prefecture_requests_unnotified"] == 0, message="the request notified"
    )
    seen = _scrape(port)
    assert seen.kinds.keys() == {metric.name for metric in METRICS}
    assert seen.nonzero("prefecture_requests") == {"accepted liste_export": 1}
    assert sum(seen.nonzero("prefecture_exports").values()) == 6
    assert seen.nonzero("prefecture_notifications") == {"courriel sent": 1}
    assert seen.nonzero("prefecture_queue_consumers") == dict.fromkeys(ACTORS, 1)
    assert seen.nonzero("prefecture_up") == {"database": 1, "broker": 1}

    changes = {
        "notifier:9464": f"{LOOPBACK}:{port}",
        "interval: 30s": "interval: 1s",
        "timeout: 25s": "timeout: 1s",
    }
    changes["interval: 15s"] = "interval: 1s"
    with Prometheus(MONITORING / "prometheus.yml", changes, tmp_path) as prometheus:
        wait_until(
            lambda: prometheus.query("count_over_time(prefecture_measure_seconds[1m]) >= 3"),
            message=f"three scrapes; {town.log('notifier')}",
        )
        for panel in DASHBOARD["panels"]:
            for target in panel["targets"]:
                question = target["expr"].replace("$__rate_interval", "1m")
                assert prometheus.query(question), f"{panel['title']}: {question}"
        alerts = prometheus.rules()
        waiting = prometheus.query("ALERTS")

    assert {alert["health"] for alert in alerts} == {"ok"}
    assert len(alerts) == 26
    named = {alert["metric"]["alertname"] for alert in waiting}
    away = {"PrefectureAlertsNotMailed", "PrefectureExporterAway"}
    assert named == {"PrefectureDeadLetters", *away}, (
        "neither Alertmanager nor an exporter of the host runs here"
    )


def _scrape(port: int) -> Scrape:
    return Scrape(fetch(f"http://{LOOPBACK}:{port}/metrics"))
