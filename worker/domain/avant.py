"""How many electors a list had before a tableau, counted back from those it has now.

The list holds what is applied to it: what is in the tableau, or in a later one, was not there yet. What an earlier
tableau of the yearly revision printed counts already: the second tableau rectificatif starts from the list as the first
one left it, although both are applied on 1 March. So each tableau begins with what the one before it left. What waits
since a revision that is closed was forgotten, or dropped: it does not count.
"""

from common.calendrier import Regime
from worker.domain.demande import Demande
from worker.domain.mouvement import Etat, Mouvement
from worker.domain.selection import is_in, own_place, place_of


def correction(mouvement: Mouvement, demande: Demande) -> int:
    """What leads from the list of now to the list before the tableau: -1, the mouvement undone; 1, done; 0, neither."""
    if not mouvement.is_listed:
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
