"""A figure with its target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True)
class Check:
    """A figure, its lowest and highest sample, its target, and the values from which it was computed."""

    name: str
    what: str
    value: float
    lowest: float
    highest: float
    target: float
    unit: str
    """The unit of `value`; empty for a ratio."""
    left: float
    right: float | None
    absolute_unit: str
    samples: tuple[tuple[float, ...], ...]
    is_floor: bool = False
    """Whether the target is a minimum, not a maximum."""

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.target if self.is_floor else self.value <= self.target


def ratio(
    name: str,
    what: str,
    left: Sequence[float],
    right: Sequence[float],
    *,
    target: float,
    unit: str,
    is_floor: bool = False,
) -> Check:
    """Return the ratio of two medians; its spread is that of the ratios of consecutive pairs."""
    pairs = [one / other for one, other in zip(left, right, strict=True)]
    return Check(
        name=name,
        what=what,
        value=median(left) / median(right),
        lowest=min(pairs),
        highest=max(pairs),
        target=target,
        unit="",
        left=median(left),
        right=median(right),
        absolute_unit=unit,
        samples=(tuple(left), tuple(right)),
        is_floor=is_floor,
    )


def ceiling(name: str, what: str, values: Sequence[float], *, target: float, unit: str) -> Check:
    """Return the highest sample, which must not exceed the target."""
    return _one(name, what, max(values), values, target=target, unit=unit)


def floor(name: str, what: str, values: Sequence[float], *, target: float, unit: str) -> Check:
    """Return the median, which must not be below the target."""
    return replace(_one(name, what, median(values), values, target=target, unit=unit), is_floor=True)


def percentile_99(name: str, what: str, values: Sequence[float], *, target: float, unit: str) -> Check:
    """Return the sample that one in a hundred exceeds, with the median; it must not exceed the target."""
    value = sorted(values)[math.ceil(0.99 * len(values)) - 1]
    return _one(name, what, value, values, target=target, unit=unit, left=median(values))


def _one(
    name: str,
    what: str,
    value: float,
    values: Sequence[float],
    *,
    target: float,
    unit: str,
    left: float | None = None,
) -> Check:
    return Check(
        name=name,
        what=what,
        value=value,
        lowest=min(values),
        highest=max(values),
        target=target,
        unit=unit,
        left=value if left is None else left,
        right=None,
        absolute_unit=unit,
        samples=(tuple(values),),
    )
