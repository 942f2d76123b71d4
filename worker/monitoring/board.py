"""Figures as they are gathered, and the same as Prometheus reads them."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from worker.monitoring.metrics import METRICS, Kind, Metric

Labels = tuple[str, ...]
"""Values, in the order of the metric's names."""


class Board:
    """A figure per metric and labels; of a histogram, how many in each bucket, how many in all, and the sum."""

    def __init__(self) -> None:
        self._figures: dict[Metric, dict[Labels, list[float]]] = {}

    def begin(self, metric: Metric, known: Iterable[Labels]) -> None:
        """Show nought for these labels until something is added."""
        width = len(metric.bounds) + 2 if metric.kind is Kind.HISTOGRAM else 1
        self._figures[metric] = {labels: [0.0] * width for labels in known}

    def add(self, metric: Metric, labels: Labels, figures: Sequence[float]) -> None:
        """Add to what stands there."""
        cells = self._figures[metric]
        before = cells.get(labels, [0.0] * len(figures))
        cells[labels] = [a + b for a, b in zip(before, figures, strict=True)]

    def set(self, metric: Metric, figure: float, *labels: str) -> None:
        """Show this."""
        self._figures.setdefault(metric, {})[labels] = [figure]

    def raise_to(self, metric: Metric, labels: Labels, figure: float) -> None:
        """Show the greater of this and what stands there."""
        cells = self._figures[metric]
        cells[labels] = [max(figure, *cells.get(labels, [0.0]))]

    def families(self) -> Iterator[Family]:
        """What was gathered, in the order of the list of metrics."""
        for metric in METRICS:
            if metric in self._figures:
                yield _family(metric, self._figures[metric])


def _family(metric: Metric, cells: dict[Labels, list[float]]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels, (*buckets, seconds) in sorted(cells.items()):
            histogram.add_metric(labels, _name_buckets(metric, buckets), seconds)
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, (figure,) in sorted(cells.items()):
        family.add_metric(labels, figure)
    return family


def _name_buckets(metric: Metric, buckets: Sequence[float]) -> list[tuple[str, float]]:
    return list(zip([*(str(float(bound)) for bound in metric.bounds), "+Inf"], buckets, strict=True))
