"""Which mouvements are in which tableau, and what the list was before it.

Before 2019 each mouvement has its place in one tableau only (circulaire INTA1317573C du 25 juillet 2013, §§ 115 to
117): what a poll made take effect is not printed again in the tableau rectificatif. Since 2019 a tableau is a period,
from one meeting of the commission de contrôle to the next date. Code électoral, art. L. 19, L. 20, R. 13 and R. 14.

How many electors a list had before a tableau is counted back from those it has now. The list holds what is applied to
it: what is in the tableau, or in a later one, was not there yet. What an earlier tableau of the yearly revision printed
counts already: the second tableau rectificatif starts from the list as the first one left it, although both are applied
on 1 March. So each tableau begins with what the one before it left. What waits since a revision that is closed was
forgotten, or dropped: it does not count.

Nobody counts before she is of age, however early she was entered: `worker.domain.majorite`.
"""

from dataclasses import dataclass
from datetime import date

from common.calendrier import additions_on, cloture, days_before, is_mineur
from common.law import Regime
from schemas.tableaux import Repere, TypeTableau
from worker.domain.demande import Demande
from worker.domain.mouvement import Effet, Etat, Mouvement, Nature

_ORDER = {type_: rank for rank, type_ in enumerate(TypeTableau)}


@dataclass(frozen=True)
class Place:
    """The one historical tableau of a mouvement: its type, and its date de tableau or its poll."""

    type: TypeTableau
    day: date

    @property
    def held_on(self) -> date:
        """The day of the tableau."""
        if self.type is TypeTableau.ADDITIONS:
            return additions_on(self.day) or days_before(self.day, 5)
        return days_before(self.day, 5) if self.type is TypeTableau.CINQ_JOURS else self.day

    @property
    def order(self) -> tuple[date, int, date]:
        """Which tableau comes first; of one day, as the law names them."""
        return self.held_on, _ORDER[self.type], self.day


def is_in(mouvement: Mouvement, demande: Demande) -> bool:
    """Whether the tableau asked for shows the mouvement, which is not that of a minor (`worker.domain.majorite`)."""
    if not mouvement.is_listed:
        return False
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE:
        return mouvement.is_majorite or demande.required(Repere.REUNION) < mouvement.date_mouvement <= demande.last_day
    place = place_of(mouvement, demande)
    return place == own_place(demande) or _is_cumulated(mouvement, place, demande)


def is_counted(mouvement: Mouvement, demande: Demande) -> bool:
    """Whether its elector is of age in the counts before the tableau; if not, she is none of them."""
    return not is_mineur(mouvement.personne.date_naissance, demande.age_avant, demande.jour)


def is_misplaced(mouvement: Mouvement, demande: Demande) -> bool:
    """Whether no tableau shows it although one should, under the yearly revision."""
    is_yearly = demande.law.regime is Regime.REVISION_ANNUELLE
    return is_yearly and mouvement.is_listed and place_of(mouvement, demande) is None


def own_place(demande: Demande) -> Place:
    """The place of the mouvements of a historical tableau."""
    return Place(demande.type, demande.required(demande.reperes[0]))


def place_of(mouvement: Mouvement, demande: Demande) -> Place | None:
    """The historical tableau of a mouvement, with the polls that the request knows of and on its day.

    None: no tableau shows it (no change of bureau, or an `Election` mouvement that is no inscription or names no poll,
    which the controls report).
    """
    if not mouvement.is_listed:
        return None
    if mouvement.effet is Effet.ELECTION:
        if mouvement.nature is Nature.INSCRIPTION and mouvement.scrutin:
            return Place(TypeTableau.ADDITIONS, mouvement.scrutin)
        return None
    if mouvement.effet is Effet.IMMEDIAT and (scrutin := _poll_of(mouvement, demande)):
        return Place(TypeTableau.CINQ_JOURS, scrutin)
    if mouvement.date_tableau == cloture(mouvement.date_tableau.year):
        return Place(TypeTableau.SECOND_RECTIFICATIF, mouvement.date_tableau)
    return Place(TypeTableau.PREMIER_RECTIFICATIF, mouvement.date_tableau)


def _poll_of(mouvement: Mouvement, demande: Demande) -> date | None:
    """The poll that an immediate mouvement was applied for, or waits for: the next one to be held.

    It waits for a poll from the closing of the list before it, and up to five days before it (art. L. 33). Once the
    poll is held without it, it goes to the next one, or to the tableau rectificatif of its date.
    """
    if mouvement.scrutin:
        return mouvement.scrutin
    if mouvement.etat is Etat.APPLIQUE:
        return None
    return next(
        (
            poll
            for poll in demande.polls
            if poll >= demande.jour and demande.closing_before(poll) < mouvement.date_mouvement <= days_before(poll, 5)
        ),
        None,
    )


def _is_cumulated(mouvement: Mouvement, place: Place | None, demande: Demande) -> bool:
    return (
        demande.inclure_j5
        and demande.type is TypeTableau.PREMIER_RECTIFICATIF
        and place is not None
        and place.type is TypeTableau.CINQ_JOURS
        and mouvement.date_tableau == demande.date_tableau
    )


def correction(mouvement: Mouvement, demande: Demande) -> int:
    """What leads from the list of now to the list before the tableau: -1, the mouvement undone; 1, done; 0, neither."""
    if not mouvement.is_listed or not is_counted(mouvement, demande):
        return 0
    is_applied = mouvement.etat is Etat.APPLIQUE
    if is_in(mouvement, demande):
        return -1 if is_applied else 0
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE:
        return -1 if is_applied and mouvement.date_mouvement > demande.last_day else 0
    place, own = place_of(mouvement, demande), own_place(demande)
    if place is None:
        return 0
    if is_applied:
        return -1 if place.order > own.order else 0
    closed_on = demande.closing_before(min(own.held_on, demande.jour))
    return 1 if closed_on < place.held_on and place.order < own.order else 0
