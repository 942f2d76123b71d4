"""A whole installation under a real Prometheus: its metrics, and every query of the dashboard."""

import json
from pathlib import Path

import pytest

from schemas.topology import QUEUE_REGISTRE
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.prometheus import Prometheus, Scrape, fetch
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.messaging.encoder import ACTOR_QUEUES
from worker.monitoring.exporter import METRICS

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.database(LIBREVILLE_TEMPLATE)
def test_prometheus_answers_every_question_of_the_dashboard(town: Town, mailbox: Mailbox, tmp_path: Path) -> None:
    port = free_port()
    town.start_worker()
    town.start_worker("-Q", QUEUE_REGISTRE)
    town.start_notifier(PREFECTURE_METRICS_PORT=str(port))
    town.wait_for(town.ask(formats=["csv", "xml"]))
    mailbox.wait_for(1)
    town.publish(b"not an event", "requests", exchange="")
    wait_until(lambda: _scrape(port)['prefecture_dead_letters{queue="requests"}'] == 1, message="the dead letter")
    wait_until(lambda: _scrape(port)["prefecture_requests_untold"] == 0, message="the request told")
    seen = _scrape(port)
    assert seen.kinds.keys() == {metric.name for metric in METRICS}
    assert seen.nonzero("prefecture_requests") == {"accepted liste_export": 1}
    assert sum(seen.nonzero("prefecture_exports").values()) == 6
    assert seen.nonzero("prefecture_notifications") == {"courriel sent": 1}
    assert seen.nonzero("prefecture_queue_consumers") == dict.fromkeys(ACTOR_QUEUES.values(), 1)
    assert seen.nonzero("prefecture_up") == {"database": 1, "broker": 1}

    changes = {"notifier:9464": f"{LOOPBACK}:{port}", "interval: 30s": "interval: 1s", "timeout: 25s": "timeout: 1s"}
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
    assert len(alerts) == 22
    named = {alert["metric"]["alertname"] for alert in waiting}
    assert named == {"PrefectureDeadLetters", "PrefectureExporterAway"}, "no exporter of the host runs here"


def _scrape(port: int) -> Scrape:
    return Scrape(fetch(f"http://{LOOPBACK}:{port}/metrics"))
