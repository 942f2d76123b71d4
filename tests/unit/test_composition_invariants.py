"""What holds whatever the mouvements: the figures agree, and nobody is lost."""

from collections import Counter
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tableaux import Edition, Presentation, TypeTableau
from tests.unit.mouvements_samples import (
    EUROPEENNES,
    EUROPEENNES_2019,
    JANVIER,
    LIBREVILLE,
    MUNICIPALES,
    Mouvements,
    demande,
    mouvements,
)
from worker.domain.mouvement import Mouvement
from worker.domain.tableau.composition import compose_tableau
from worker.domain.tableau.demande import Demande
from worker.domain.tableau.model import Ligne, LigneRules, Section

REQUESTS = st.one_of(
    st.builds(demande, st.just(TypeTableau.PREMIER_RECTIFICATIF), inclure_j5=st.booleans()),
    st.builds(demande, st.just(TypeTableau.SECOND_RECTIFICATIF)),
    st.builds(
        demande,
        st.sampled_from([TypeTableau.ADDITIONS, TypeTableau.CINQ_JOURS]),
        scrutin=st.sampled_from([MUNICIPALES, EUROPEENNES]),
    ),
    st.builds(
        demande,
        st.sampled_from([TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU]),
        scrutin=st.just(EUROPEENNES_2019),
        reunion=st.sampled_from([JANVIER, date(2019, 4, 20)]),
    ),
)


def sections(asked: Demande, presentation: Presentation, moved: list[Mouvement]) -> tuple[Section, ...]:
    """Those of the tableau, with lines that can be compared."""
    made = compose_tableau(replace(asked, presentation=presentation), LIBREVILLE, Mouvements(moved)).sections
    return tuple(
        replace(one, parties=tuple(replace(partie, lignes=tuple(partie.lignes)) for partie in one.parties))
        for one in made
    )


def printed(all_of_them: tuple[Section, ...], partie: int) -> Counter[Ligne]:
    return Counter(
        ligne for section in all_of_them for one in section.parties[partie : partie + 1] for ligne in one.lignes
    )


@pytest.mark.slow
@given(REQUESTS, mouvements())
@pytest.mark.parametrize("presentation", [Presentation.PAR_BUREAU, Presentation.RECAPITULATIF])
def test_the_bureaux_add_up_to_the_commune(presentation: Presentation, asked: Demande, moved: list[Mouvement]) -> None:
    *bureaux, commune = sections(asked, presentation, moved)
    for name in ("avant", "inscriptions", "radiations", "others", "apres"):
        assert sum(getattr(bureau.bilan, name) for bureau in bureaux) == getattr(commune.bilan, name)
    arrivees = sum(bureau.bilan.arrivees for bureau in bureaux)
    assert arrivees == sum(bureau.bilan.departs for bureau in bureaux) == commune.bilan.changements


@pytest.mark.slow
@given(REQUESTS, mouvements())
def test_before_plus_additions_minus_radiations_is_after(asked: Demande, moved: list[Mouvement]) -> None:
    *bureaux, commune = sections(asked, Presentation.PAR_BUREAU, moved)
    for bureau in bureaux:
        added, removed = (sum(printed((bureau,), partie).values()) for partie in (0, 1))
        assert bureau.bilan.avant + added - removed + bureau.bilan.others == bureau.bilan.apres
    bilan = commune.bilan
    assert bilan.avant + bilan.inscriptions - bilan.radiations + bilan.others == bilan.apres


@given(REQUESTS, mouvements())
def test_every_presentation_counts_the_same(asked: Demande, moved: list[Mouvement]) -> None:
    made = [compose_tableau(replace(asked, presentation=one), LIBREVILLE, Mouvements(moved)) for one in Presentation]
    assert len({one.sections[-1].bilan for one in made}) == 1
    assert {one.mouvements for one in made} == {len(Mouvements(moved).shown(asked))}


@pytest.mark.slow
@given(REQUESTS, mouvements())
def test_by_bureau_has_the_electors_of_the_commune_and_the_changes(asked: Demande, moved: list[Mouvement]) -> None:
    rules = LigneRules(asked.edition, has_nationalite=False, has_dates=asked.modele.has_dates)
    commune, bureaux = (sections(asked, one, moved) for one in (Presentation.COMMUNE, Presentation.PAR_BUREAU))
    changes = Counter(rules.to_ligne(one) for one in Mouvements(moved).shown(asked) if one.is_changement_bureau)
    assert printed(bureaux, 0) == printed(commune, 0)
    assert printed(bureaux, 1) == printed(commune, 1) + changes


@pytest.mark.slow
@given(REQUESTS, mouvements(), st.randoms(use_true_random=False))
def test_the_order_mouvements_were_written_in_changes_nothing(
    asked: Demande, moved: list[Mouvement], random: Random
) -> None:
    ids = random.sample(range(1000), len(moved))
    renumbered = [replace(one, id=id_) for one, id_ in zip(moved, ids, strict=True)]
    for presentation in Presentation:
        assert sections(asked, presentation, moved) == sections(asked, presentation, renumbered)


@given(REQUESTS, mouvements())
def test_lines_are_the_same_each_time_they_are_read(asked: Demande, moved: list[Mouvement]) -> None:
    made = compose_tableau(asked, LIBREVILLE, Mouvements(moved))
    for partie in made.sections[0].parties:
        assert list(partie.lignes) == list(partie.lignes)


@given(REQUESTS, mouvements())
def test_a_full_motif_is_never_posted(asked: Demande, moved: list[Mouvement]) -> None:
    posted = sections(replace(asked, edition=Edition.AFFICHAGE), Presentation.PAR_BUREAU, moved)
    assert "Condamnation" not in str(posted)
