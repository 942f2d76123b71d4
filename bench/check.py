"""A figure with its target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True)
class Check:
    """A figure, its lowest and highest sample, and its target."""

    name: str
    what: str
    value: float
    lowest: float
    highest: float
    target: float
    unit: str
    """Of the samples; a ratio has none itself."""
    samples: Sequence[Sequence[float]]
    """Of a ratio, those of both sides."""
    is_floor: bool = False
    """Whether the target is a minimum, not a maximum."""

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.target if self.is_floor else self.value <= self.target


def ratio(
    name: str, what: str, left: Sequence[float], right: Sequence[float], *, target: float, unit: str
) -> Check:
    """Return the ratio of two medians; its spread is that of the ratios of consecutive pairs."""
    pairs = [one / other for one, other in zip(left, right, strict=True)]
    value = median(left) / median(right)
    return Check(name, what, value, min(pairs), max(pairs), target, unit, (left, right))


def ceiling(name: str, what: str, values: Sequence[float], *, target: float, unit: str) -> Check:
    """Return the highest sample, which must not exceed the target."""
    return Check(name, what, max(values), min(values), max(values), target, unit, (values,))


def floor(name: str, what: str, values: Sequence[float], *, target: float, unit: str) -> Check:
    """Return the median, which must not be below the target."""
    return Check(
        name, what, median(values), min(values), max(values), target, unit, (values,), is_floor=True
    )


def percentile_99(
    name: str, what: str, values: Sequence[float], *, target: float, unit: str
) -> Check:
    """Return the sample that one in a hundred exceeds; it must not exceed the target."""
    value = sorted(values)[math.ceil(0.99 * len(values)) - 1]
    return replace(ceiling(name, what, values, target=target, unit=unit), value=value)
