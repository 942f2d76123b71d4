"""The dates that a tableau is counted from: those that were asked for, completed by what the register knows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypedDict

from common.calendrier import cloture, commission_between, days_before, dix_janvier, meeting_before
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import REPERES, Repere, TypeTableau

_RECTIFICATIFS = {TypeTableau.PREMIER_RECTIFICATIF: dix_janvier, TypeTableau.SECOND_RECTIFICATIF: cloture}


@dataclass(frozen=True)
class Calendrier:
    """What the register knows of one list: its polls, their unusual closings, the meetings of the commission."""

    scrutins: tuple[date, ...] = ()
    clotures: Mapping[date, date] | None = None
    reunions: tuple[date, ...] = ()


class Dates(TypedDict):
    """The fields of a Demande that are dates, or depend on the request."""

    date_tableau: date | None
    scrutin: date | None
    scrutins: tuple[date, ...]
    cloture: date | None
    reunion: date | None
    until: date | None
    publication: date | None
    inclure_j5: bool
    is_signed_by_maire: bool


def dates_of(asked: TableauxRenderRequested, type_: TypeTableau, calendrier: Calendrier) -> Dates:
    """The dates of one type of tableau; whether they are enough, and right, is for the Demande to say."""
    needed = REPERES[type_]
    scrutin = asked.scrutin if Repere.SCRUTIN in needed or type_ is TypeTableau.VINGT_JOURS else None
    until = _until(asked, scrutin, calendrier) if type_ is TypeTableau.VINGT_JOURS else None
    return Dates(
        date_tableau=_date_tableau(asked, type_) if Repere.DATE_TABLEAU in needed else None,
        scrutin=scrutin,
        scrutins=calendrier.scrutins,
        cloture=(calendrier.clotures or {}).get(scrutin) if scrutin else None,
        reunion=_reunion(asked, type_, until, calendrier) if Repere.REUNION in needed else None,
        until=until,
        publication=asked.publication,
        inclure_j5=asked.inclure_j5,
        is_signed_by_maire=asked.signature_maire,
    )


def _date_tableau(asked: TableauxRenderRequested, type_: TypeTableau) -> date | None:
    """The date asked for; of the other tableau rectificatif, when both are, that of the same year."""
    day = asked.date_tableau
    if day is None or not _RECTIFICATIFS.keys() <= set(asked.types):
        return day
    dates = {rectificatif: dated(day.year) for rectificatif, dated in _RECTIFICATIFS.items()}
    return dates[type_] if day in dates.values() else day


def _until(asked: TableauxRenderRequested, scrutin: date | None, calendrier: Calendrier) -> date | None:
    """The last day of the tableau des vingt jours: the meeting before the poll, where it is known."""
    return asked.until or (meeting_before(scrutin, calendrier.reunions) if scrutin else None)


def _reunion(
    asked: TableauxRenderRequested, type_: TypeTableau, until: date | None, calendrier: Calendrier
) -> date | None:
    """The day that mouvements are counted from: where the tableau before this one stopped.

    A tableau des cinq jours goes on from the tableau des vingt jours: from the meeting before the poll, or from the
    twentieth day when the commission did not meet.
    """
    if type_ is TypeTableau.VINGT_JOURS:
        return asked.reunion or _last_before(_end(asked, until), calendrier.reunions)
    given = asked.until if TypeTableau.VINGT_JOURS in asked.types else asked.reunion
    if given or asked.scrutin is None:
        return given
    return meeting_before(asked.scrutin, calendrier.reunions) or days_before(asked.scrutin, 20)


def _end(asked: TableauxRenderRequested, until: date | None) -> date | None:
    """The first day that cannot be that of the meeting before the tableau des vingt jours."""
    if until:
        return until
    if asked.scrutin:
        return commission_between(asked.scrutin)[0]
    return asked.publication and asked.publication - timedelta(days=1)


def _last_before(end: date | None, reunions: Iterable[date]) -> date | None:
    return max((day for day in reunions if end and day < end), default=None)
