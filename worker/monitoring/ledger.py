"""Sums over facts that are settled for good, each read once: a look at a million rows costs as much as at few."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, select
from sqlalchemy.orm import InstrumentedAttribute

from worker.db.types import utc_now

MARGIN = timedelta(minutes=10)
"""A row may be seen so long after the instant it bears, at most: that of a transaction that is slow to commit."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Sums = dict[str, list[float]]
"""By name: one figure, or those of a histogram."""

Totals = dict[tuple[str, ...], Sums]


@dataclass(frozen=True)
class Facts:
    """Rows that never change once they have their moment, which has an index."""

    rows: Select[*tuple[Any, ...]]
    moment: InstrumentedAttribute[Any]
    keys: Sequence[str]
    """The columns of `rows` that they are counted by."""
    sums: Callable[[FromClause], Mapping[str, Sequence[ColumnElement[Any]]]]
    """What is summed of `rows`, by name."""


class Ledger:
    """The totals of facts since ever.

    Facts older than the margin are added to closed totals, which are kept in memory and only ever grow: what is
    removed from the tables later stays counted until the next start.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._closed: Totals = {}
        self._until = _BEGINNING

    def read(self, connection: Connection) -> Totals:
        """The totals as the connection's transaction sees them."""
        moment = self._facts.moment
        closing = connection.execute(select(utc_now())).scalar_one() - MARGIN
        if closing >= self._until + MARGIN:
            newly = self._sum(connection, moment > self._until, moment <= closing)
            self._closed, self._until = _add(self._closed, newly), closing
        return _add(self._closed, self._sum(connection, moment > self._until))

    def _sum(self, connection: Connection, *conditions: ColumnElement[bool]) -> Totals:
        rows = self._facts.rows.where(*conditions).subquery()
        keys = [rows.c[name] for name in self._facts.keys]
        sums = self._facts.sums(rows)
        statement = select(*keys, *chain.from_iterable(sums.values())).group_by(*keys)
        totals: Totals = {}
        for row in connection.execute(statement):
            values = iter(row)
            key = tuple(islice(values, len(keys)))
            totals[key] = {name: [float(next(values) or 0) for _ in columns] for name, columns in sums.items()}
        return totals


def _add(one: Totals, other: Totals) -> Totals:
    return one | {key: _add_sums(one[key], sums) if key in one else sums for key, sums in other.items()}


def _add_sums(one: Sums, other: Sums) -> Sums:
    return {name: [a + b for a, b in zip(figures, other[name], strict=True)] for name, figures in one.items()}
