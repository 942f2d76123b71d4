"""How many electors there were before a tableau, case by case."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from schemas.tableaux import Presentation, TypeTableau
from tests.unit.mouvements_samples import (
    CHANGEMENT,
    EUROPEENNES,
    FEVRIER,
    LIBREVILLE,
    MOUVEMENT,
    MUNICIPALES,
    RADIATION,
    Mouvements,
    demande,
    mouvement,
)
from worker.domain.mouvement import Effet, Etat, Mouvement
from worker.domain.tableau.composition import compose_tableau
from worker.domain.tableau.demande import Demande, correction

PREMIER = demande()
SECOND = demande(TypeTableau.SECOND_RECTIFICATIF)
CINQ_JOURS = demande(TypeTableau.CINQ_JOURS, scrutin=MUNICIPALES)
ADDITIONS = demande(TypeTableau.ADDITIONS, scrutin=EUROPEENNES)
VINGT_JOURS = demande(TypeTableau.VINGT_JOURS, reunion=date(2026, 1, 12), until=date(2026, 2, 20))
NEXT_YEAR = demande(date_tableau=date(2015, 1, 10))
IN_MARCH = datetime(2014, 3, 12, 12, tzinfo=UTC)

OF_FEBRUARY = mouvement(date_tableau=FEVRIER)
OF_THE_POLL = mouvement(effet=Effet.IMMEDIAT, scrutin=MUNICIPALES, date_tableau=date(2015, 1, 10))
ADDED = mouvement(effet=Effet.ELECTION, scrutin=EUROPEENNES, date_tableau=date(2015, 1, 10))
OF_NO_TABLEAU = mouvement(ADDED, scrutin=None)


@pytest.mark.parametrize(
    ("one", "asked", "when_waiting", "when_applied"),
    [
        # in the tableau: the list of before does not hold it
        (MOUVEMENT, PREMIER, 0, -1),
        (RADIATION, PREMIER, 0, -1),
        # in a later one: neither
        (OF_FEBRUARY, PREMIER, 0, -1),
        (OF_THE_POLL, PREMIER, 0, -1),
        (ADDED, SECOND, 0, -1),
        (OF_THE_POLL, ADDITIONS, 0, -1),
        # in an earlier one: counted with it, applied or not
        (MOUVEMENT, SECOND, 1, 0),
        (ADDED, CINQ_JOURS, 1, 0),
        (MOUVEMENT, CINQ_JOURS, 1, 0),
        (ADDED, NEXT_YEAR, 1, 0),
        # in one of a revision that is closed: it should be applied by now, and is not counted if it is not
        (MOUVEMENT, replace(CINQ_JOURS, requested_at=IN_MARCH), 0, 0),
        (OF_FEBRUARY, replace(CINQ_JOURS, requested_at=IN_MARCH), 0, 0),
        (MOUVEMENT, replace(NEXT_YEAR, requested_at=IN_MARCH), 0, 0),
        (ADDED, replace(NEXT_YEAR, requested_at=IN_MARCH), 1, 0),
        # in none
        (OF_NO_TABLEAU, PREMIER, 0, 0),
        (mouvement(CHANGEMENT, nouveau_bureau="0001"), PREMIER, 0, 0),
    ],
)
def test_the_yearly_revision(one: Mouvement, asked: Demande, when_waiting: int, when_applied: int) -> None:
    assert correction(one, asked) == when_waiting
    assert correction(replace(one, etat=Etat.APPLIQUE), asked) == when_applied


@pytest.mark.parametrize(
    ("day", "when_applied"),
    [
        (date(2026, 1, 12), 0),
        (date(2026, 1, 13), -1),
        (date(2026, 2, 20), -1),
        (date(2026, 2, 21), -1),
    ],
)
def test_since_2019(day: date, when_applied: int) -> None:
    assert correction(mouvement(date_mouvement=day), VINGT_JOURS) == 0
    assert correction(mouvement(date_mouvement=day, etat=Etat.APPLIQUE), VINGT_JOURS) == when_applied


def test_a_change_of_bureau_is_undone_in_both() -> None:
    moved = mouvement(CHANGEMENT, etat=Etat.APPLIQUE)
    asked = demande(presentation=Presentation.RECAPITULATIF)
    un, deux, commune = compose_tableau(asked, LIBREVILLE, Mouvements([moved])).sections
    assert (un.bilan.avant, un.bilan.apres) == (801, 800)
    assert (deux.bilan.avant, deux.bilan.apres) == (699, 700)
    assert commune.bilan.avant == commune.bilan.apres == 1500


def test_the_cumulative_first_tableau_starts_from_before_the_poll() -> None:
    applied = mouvement(OF_THE_POLL, etat=Etat.APPLIQUE)
    plain, cumulated = (demande(date_tableau=date(2015, 1, 10), inclure_j5=inclure_j5) for inclure_j5 in (False, True))
    assert (correction(applied, plain), correction(applied, cumulated)) == (0, -1)
