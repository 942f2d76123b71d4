"""The list of all metrics: name, kind, labels and meaning. docs/operations.md prints the same list.

No label names a commune or a person.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family


class MetricKind(StrEnum):
    """The metric types of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric; `bounds` are the upper bounds of a histogram's buckets in seconds, without the last one, infinite."""

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"prefecture_{name}_total", MetricKind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"prefecture_{name}", MetricKind.GAUGE, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(f"prefecture_{name}_seconds", MetricKind.HISTOGRAM, meaning, labels, bounds)


_WORK = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_PATIENCE = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)

REQUESTS = _counter("requests", "requests that were read", "type", "outcome")
EXPORTS = _counter("exports", "files that are settled", "kind", "tableau", "liste", "format", "status")
FAILURES = _counter("export_failures", "files that failed, by reason", "kind", "code")
ELECTEURS = _counter("electeurs", "electors written to list files", "liste", "format")
MOUVEMENTS = _counter("mouvements", "mouvements printed in tableaux", "liste", "tableau")
BYTES = _counter("file_bytes", "bytes of files and of what stands beside them", "kind", "format")
ANOMALIES = _counter("anomalies", "anomalies found in the register by the files", "kind", "severity")
DURATION = _histogram("export_duration", "making of a file, its last start only", "kind", "format", bounds=_WORK)
TURNAROUND = _histogram("export_turnaround", "from the request to the file", "kind", "format", bounds=_PATIENCE)
NOTIFICATION_DELAY = _histogram("telling", "from the last file of a request to its last notification", bounds=_PATIENCE)
NOTIFICATIONS = _counter(
    "notifications",
    "messages to people and programs, once sent or given up, or sent perhaps twice",
    "channel",
    "outcome",
)

UNFINISHED = _gauge("exports_unfinished", "files not settled", "kind", "bulk", "state")
DELAYED = _gauge("exports_delayed", "files that wait for something full or away, by reason", "code")
OLDEST = _gauge("oldest_waiting_seconds", "age of the oldest file not settled, 0 without any", "kind", "bulk")
UNNOTIFIED = _gauge("requests_untold", "requests that are settled and whose agents are not all told")
LAG = _gauge("notifier_lag_seconds", "how long the first of them has waited, 0 without any")

MESSAGES = _gauge("queue_messages", "messages that wait in a queue", "queue")
CONSUMERS = _gauge("queue_consumers", "worker processes that read a queue", "queue")
DEAD_LETTERS = _gauge("dead_letters", "messages put aside", "queue")

FREE = _gauge("exports_volume_free_bytes", "room left for files; absent where the volume is not mounted")
SIZE = _gauge("exports_volume_size_bytes", "the whole of it, likewise")
UP = _gauge("up", "1 when the part answered, else 0 and its metrics are absent", "part")
MEASURE = _gauge("measure_seconds", "how long it took to read all this")

METRICS = tuple(it for it in globals().values() if isinstance(it, Metric))

Labels = tuple[str, ...]
"""Label values, in the order of the metric's label names."""


class Samples:
    """The figures of one scrape, by metric and labels. A histogram has its buckets, the total number and the sum."""

    def __init__(self) -> None:
        self._figures: dict[Metric, dict[Labels, list[float]]] = {}

    def begin(self, metric: Metric, known: Iterable[Labels]) -> None:
        """Set the figures of these labels to zero."""
        width = len(metric.bounds) + 2 if metric.kind is MetricKind.HISTOGRAM else 1
        self._figures[metric] = {labels: [0.0] * width for labels in known}

    def add(self, metric: Metric, labels: Labels, figures: Sequence[float]) -> None:
        """Add to the figures of these labels."""
        cells = self._figures[metric]
        before = cells.get(labels, [0.0] * len(figures))
        cells[labels] = [a + b for a, b in zip(before, figures, strict=True)]

    def set(self, metric: Metric, figure: float, *labels: str) -> None:
        """Replace the figure of these labels."""
        self._figures.setdefault(metric, {})[labels] = [figure]

    def raise_to(self, metric: Metric, labels: Labels, figure: float) -> None:
        """Replace the figure of these labels if the new one is greater."""
        cells = self._figures[metric]
        cells[labels] = [max(figure, *cells.get(labels, [0.0]))]

    def families(self) -> Iterator[Family]:
        """Yield the metrics that have figures."""
        for metric in METRICS:
            if metric in self._figures:
                yield _family(metric, self._figures[metric])


def _family(metric: Metric, cells: dict[Labels, list[float]]) -> Family:
    if metric.kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels, (*buckets, seconds) in sorted(cells.items()):
            bounds = [*(str(float(bound)) for bound in metric.bounds), "+Inf"]
            histogram.add_metric(labels, list(zip(bounds, buckets, strict=True)), seconds)
        return histogram
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, (figure,) in sorted(cells.items()):
        family.add_metric(labels, figure)
    return family
