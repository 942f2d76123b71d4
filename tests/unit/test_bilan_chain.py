"""The final figures of a tableau are the first figures of the next: for the commune and each bureau."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tableaux import Presentation, TypeTableau
from tests.unit.mouvements_samples import (
    BUREAUX,
    EUROPEENNES,
    FEVRIER,
    JANVIER,
    LIBREVILLE,
    MUNICIPALES,
    Mouvements,
    demande,
    mouvements,
)
from worker.domain.mouvement import Etat, Mouvement
from worker.domain.tableau.composition import compose_tableau
from worker.domain.tableau.demande import Demande
from worker.domain.tableau.model import Section

POLLS = (MUNICIPALES, EUROPEENNES)
YEARLY = [
    *(demande(TypeTableau.PREMIER_RECTIFICATIF, date_tableau=one) for one in (date(2013, 10, 10), JANVIER)),
    demande(TypeTableau.SECOND_RECTIFICATIF, date_tableau=FEVRIER),
    demande(TypeTableau.ADDITIONS, scrutin=EUROPEENNES),
    demande(TypeTableau.ADDITIONS, scrutin=MUNICIPALES),
    demande(TypeTableau.CINQ_JOURS, scrutin=MUNICIPALES),
    demande(TypeTableau.CINQ_JOURS, scrutin=EUROPEENNES),
    demande(TypeTableau.PREMIER_RECTIFICATIF, date_tableau=date(2015, 1, 10)),
]
"""Every tableau of the samples, the earliest first."""


def figures(asked: Demande, moved: Sequence[Mouvement], moment: str) -> Mapping[str, int]:
    """Electors before or after, by the title of the bureau or of the commune, where they are not zero."""
    asked = replace(asked, presentation=Presentation.RECAPITULATIF)
    made: Iterable[Section] = compose_tableau(asked, LIBREVILLE, Mouvements(moved)).sections
    return {one.titre: number for one in made if (number := getattr(one.bilan, moment))}


def applied(moved: Sequence[Mouvement]) -> list[Mouvement]:
    return [replace(one, etat=Etat.APPLIQUE) for one in moved]


def requested_on(day: date) -> list[Demande]:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return [replace(one, requested_at=at, scrutins=POLLS) for one in YEARLY]


DAYS = st.dates(date(2013, 9, 1), date(2015, 1, 31))


@pytest.mark.slow
@given(mouvements(), DAYS)
def test_from_revision_to_revision_once_they_are_applied(moved: list[Mouvement], day: date) -> None:
    for first, second in pairwise(requested_on(day)):
        assert figures(first, applied(moved), "apres") == figures(second, applied(moved), "avant")


@given(mouvements(), DAYS)
def test_the_last_tableau_leaves_the_list_of_now(moved: list[Mouvement], day: date) -> None:
    left = figures(requested_on(day)[-1], applied(moved), "apres")
    assert left == {
        "Bureau 0001 — HOTEL DE VILLE": BUREAUX[0].electeurs,
        "Bureau 0002 — ECOLE JULES FERRY": BUREAUX[1].electeurs,
        "Commune de LIBREVILLE": sum(bureau.electeurs for bureau in BUREAUX),
    }
