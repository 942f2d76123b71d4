"""The metrics, the dashboard, the alerts and their pages agree; promtool reads the files that Prometheus reads."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.parts.packages import COMPOSE, PROMETHEUS, require
from worker.monitoring.metrics import METRICS, MetricKind

REPOSITORY = Path(__file__).parents[2]
MONITORING = REPOSITORY / "deploy" / "monitoring"
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text("utf-8")
ALERTS = (MONITORING / "alerts.yml").read_text("utf-8")
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
SERIES = re.compile(r"\bprefecture_\w+")


def _expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def _known_series() -> set[str]:
    known = {metric.name for metric in METRICS if metric.kind is not MetricKind.HISTOGRAM}
    histograms = {metric.name for metric in METRICS if metric.kind is MetricKind.HISTOGRAM}
    return known | {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}


def test_every_metric_is_documented_as_it_is() -> None:
    documented = re.findall(r"^\| `(prefecture_\w+)` \| (\w+) \| ([^|]*) ?\| ([^|]+) \|$", OPERATIONS, re.MULTILINE)
    expected = [(m.name, m.kind, ", ".join(f"`{label}`" for label in m.labels), m.meaning) for m in METRICS]
    assert [(name, kind, labels.strip(), meaning) for name, kind, labels, meaning in documented] == expected


def test_the_dashboard_and_the_alerts_use_metrics_that_exist() -> None:
    used = {name for text in (*_expressions(), ALERTS) for name in SERIES.findall(text)}
    assert used - _known_series() == set()


def test_every_metric_is_looked_at_by_the_dashboard() -> None:
    shown = {re.sub(r"_bucket$", "", name) for text in _expressions() for name in SERIES.findall(text)}
    assert {metric.name for metric in METRICS} - shown == set()


def test_what_several_notifiers_say_is_never_added_up() -> None:
    sums = re.compile(r"\b(?:sum|avg|count)(?: by \([^)]*\))? ?\((?!max without \(instance\) )")
    assert [text for text in (*_expressions(), ALERTS) if sums.search(text)] == []


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert re.findall(r"^## (Prefecture\w+)$", RUNBOOK, re.MULTILINE) == NAMES
    assert re.findall(r"runbook_url: (\S+)", ALERTS) == [f"docs/runbook.md#{name.lower()}" for name in NAMES]
    for page in RUNBOOK.split("\n## ")[1:]:
        assert [title for title in ("Clerks", "Look", "Do", "Over") if f"\n**{title}.** " not in page] == [], page


def test_every_alert_is_seen_to_fire_by_its_test() -> None:
    text = (MONITORING / "alerts_test.yml").read_text("utf-8")
    fired = set(re.findall(r"- alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:", text))
    assert fired == set(NAMES)


def test_prometheus_in_a_container_asks_the_notifier_and_is_seen_from_this_host_only() -> None:
    require(COMPOSE)
    files = [option for name in ("docker-compose.yml", "deploy/monitoring.yml") for option in ("--file", name)]
    command = [str(COMPOSE.program("docker-compose")), *files, "config", "--format", "json"]
    done = subprocess.run(command, cwd=REPOSITORY, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    services = json.loads(done.stdout)["services"]
    notifier, prometheus = services["notifier"], services["prometheus"]
    port = notifier["environment"]["PREFECTURE_METRICS_PORT"]
    assert f'targets: ["notifier:{port}"]' in (MONITORING / "prometheus.yml").read_text("utf-8")
    assert "ports" not in notifier
    assert [published["host_ip"] for published in prometheus["ports"]] == ["127.0.0.1"]
    assert notifier["networks"].keys() & prometheus["networks"].keys()
    assert [it["source"] for it in prometheus["volumes"] if it["type"] == "bind"] == [str(MONITORING)]


@pytest.mark.parametrize(
    "arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")], ids=" ".join
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    require(PROMETHEUS)
    done = subprocess.run(
        [PROMETHEUS.program("promtool"), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
