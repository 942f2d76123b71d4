"""A scrape as a test reads it, and a private Prometheus server."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from signal import SIGTERM
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tests.parts.packages import PROMETHEUS, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.wait import wait_until

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
        (value,) = (v for (n, labels), v in self.samples.items() if n == name and _full(labels) == wanted)
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
        answer: dict[str, Any] = json.loads(fetch(f"{self.url}/api/v1/{what}?{urlencode(parameters)}"))
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
