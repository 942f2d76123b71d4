"""Finds the tableaux that a change of the calendar or of mouvements makes stale, and recalls them with the change."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, select
from sqlalchemy.orm import Session, joinedload

from common.law import Regime
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import Presentation
from schemas.vocabulary import UNFINISHED, ExportKind, ExportStatus, Liste, Nature
from worker.domain.majorite import OfAge, Period
from worker.domain.mouvement import Mouvement, Personne
from worker.domain.tableau.demande import (
    Calendrier,
    Demande,
    DemandeInvalide,
    correction,
    dates_of,
    is_in,
    is_in_period,
    is_perhaps_l30,
)
from worker.domain.tableau.model import Ligne, LigneRules, format_bureau
from worker.exports.models import Export
from worker.exports.recalls import Withdrawal, recall_tableaux
from worker.exports.records import restart
from worker.handlers.requests.export_plan import read_demande
from worker.registre.communes import NO_VERSION, require_commune
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.queries import MouvementSource
from worker.registre.scrutins import read_calendrier

_MOST_BIRTHS = 500
"""Dates of birth in one statement."""

_COUNTED_FROM = (
    *("reunion", "until", "cloture", "publication_due", "cinq_jours_due", "effective_on", "age_avant", "age_apres"),
)
"""The fields of a Demande that come from the calendar and that decide the contents or the name of a tableau."""


def change_calendar(
    connection: Connection,
    withdrawal: Withdrawal,
    change: Callable[[], None],
    *,
    gone: date | None = None,
) -> list[str]:
    """Change the calendar, and recall the tableaux whose days change. Return their labels.

    Without a commune in the withdrawal, the tableaux of all communes are compared. `gone`: a poll that the change
    removes; tableaux for it are recalled.
    """
    code_commune = withdrawal.code_commune
    tableaux = select(Export).where(
        Export.kind == ExportKind.TABLEAU,
        Export.status.in_([ExportStatus.READY, *UNFINISHED]),
        Export.recall_id.is_(None),
    )
    if code_commune:
        tableaux = tableaux.where(Export.code_commune == code_commune)
    before = _read_calendriers(connection, tableaux)
    change()
    after = {key: read_calendrier(connection, *key) for key in before}
    return recall_tableaux(connection, withdrawal, _find_stale(connection, tableaux, before, after, gone))


@dataclass(frozen=True)
class _Some(MouvementSource):
    is_one: Callable[[Personne], bool] = field(kw_only=True)

    def stream(self) -> Iterator[Mouvement]:
        return (it for it in super().stream() if self.is_one(it.personne))

    def young(self, born_after: str, born_until: str, version: int | None = None) -> Iterator[Mouvement]:
        return (it for it in super().young(born_after, born_until, version) if self.is_one(it.personne))


def change_lines(
    connection: Connection,
    withdrawal: Withdrawal,
    is_one: Callable[[Personne], bool],
    births: Collection[str],
    change: Callable[[], None],
) -> list[str]:
    """Change the mouvements of a few people, born on these dates, and recall the tableaux whose lines change.

    Running tableaux restart. The register is locked before the files, as in an undo: the other order deadlocks.
    """
    code_commune = withdrawal.code_commune
    conditions = (MouvementRegistre.date_naissance.in_(births),) if len(births) <= _MOST_BIRTHS else ()

    def read() -> dict[int, Counter[_Said]]:
        return dict(_read_lines(connection, code_commune, conditions, is_one))

    before = read()
    change()
    restart(connection, and_(Export.kind == ExportKind.TABLEAU, Export.code_commune == code_commune))
    stale = [number for number, lines in read().items() if lines != before.get(number, Counter())]
    return recall_tableaux(connection, withdrawal, stale)


class _Said(NamedTuple):
    """The print of one mouvement: its share of the counts, and its line unless the tableau is a récapitulatif."""

    nature: Nature
    bureau: str
    correction: int
    is_in_period: bool
    is_perhaps_l30: bool
    ligne: Ligne | None


def _say(mouvement: Mouvement, demande: Demande) -> _Said | None:
    """Return None when the tableau does not print the mouvement."""
    is_since_2019 = demande.law.regime is Regime.REPERTOIRE_UNIQUE
    is_shown, sign = is_in(mouvement, demande), correction(mouvement, demande)
    is_counted = is_since_2019 and is_in_period(mouvement, demande)
    if not (is_shown or sign or is_counted):
        return None
    rules = LigneRules(demande.edition, has_nationalite=False, has_dates=demande.modele.has_dates)
    has_line = is_shown and demande.presentation is not Presentation.RECAPITULATIF
    return _Said(
        mouvement.nature,
        format_bureau(mouvement),
        sign,
        is_counted,
        is_perhaps_l30(mouvement, demande),
        rules.to_ligne(mouvement) if has_line else None,
    )


def _read_lines(
    connection: Connection,
    code_commune: str,
    conditions: tuple[ColumnElement[bool], ...],
    is_one: Callable[[Personne], bool],
) -> Iterator[tuple[int, Counter[_Said]]]:
    """Yield the id of each ready tableau, with its prints of these people."""
    ready = select(Export).where(
        Export.kind == ExportKind.TABLEAU,
        Export.status == ExportStatus.READY,
        Export.recall_id.is_(None),
        Export.code_commune == code_commune,
    )
    with Session(connection) as session:
        tableaux = session.scalars(ready.options(joinedload(Export.request)).order_by(Export.id)).all()
        commune = require_commune(connection, code_commune) if tableaux else None
        for export in tableaux:
            liste, demande = export.nom_liste, read_demande(export)
            version = commune.versions.get(liste, NO_VERSION) if commune else NO_VERSION
            some = _Some(connection, code_commune, liste, version, lambda _: None, conditions, is_one=is_one)
            said = (_say(it, demande) for it in OfAge(Period.of(demande), some).stream())
            yield export.id, Counter(it for it in said if it)


def _read_calendriers(connection: Connection, tableaux: Select[Export]) -> dict[tuple[str, Liste], Calendrier]:
    listes = tableaux.with_only_columns(Export.code_commune, Export.liste).distinct()
    keys = [(code, Liste(liste)) for code, liste in connection.execute(listes)]
    return {key: read_calendrier(connection, *key) for key in keys}


def _find_stale(
    connection: Connection,
    tableaux: Select[Export],
    before: Mapping[tuple[str, Liste], Calendrier],
    after: Mapping[tuple[str, Liste], Calendrier],
    gone: date | None,
) -> Iterator[int]:
    with Session(connection) as session:
        for export in session.scalars(tableaux.options(joinedload(Export.request)).order_by(Export.id)).all():
            demande = read_demande(export)
            known = before[export.code_commune, export.nom_liste]
            calendrier = after[export.code_commune, export.nom_liste]
            is_gone = gone is not None and demande.scrutin == gone and gone not in calendrier.scrutins
            if is_gone or _count(demande, known, known) != _count(demande, known, calendrier):
                yield export.id


def _count(demande: Demande, known: Calendrier, calendrier: Calendrier) -> list[date | None] | None:
    """Return the days that a calendar gives a tableau; None when the tableau cannot be made.

    A day that differs from the one in `known`, the calendar of the request, was given by the request, and stays.
    """
    dates = {name: getattr(demande, name) for name in ("scrutin", "date_tableau", "publication")}
    asked = TableauxRenderRequested.model_construct(commune="", requested_by="", types=[demande.type], **dates)
    try:
        if demande.until != dates_of(asked, demande.type, known)["until"]:
            asked = asked.model_copy(update={"until": demande.until})
        if demande.reunion != dates_of(asked, demande.type, known)["reunion"]:
            asked = asked.model_copy(update={"reunion": demande.reunion})
        counted = replace(demande, **dates_of(asked, demande.type, calendrier))
        return [getattr(counted, name) for name in _COUNTED_FROM]
    except DemandeInvalide:
        return None
