"""Positions: inside the printable area of a town hall's printer, and without overlaps."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.parts.pdf import find_outside, find_overlaps, read_words
from tests.unit.pdf_samples import (
    COMMISSION,
    LONG,
    LONGEST_BUREAU,
    LONGEST_COMMUNE,
    PLAIN,
    commune,
    draw,
    draw_to,
    lignes,
    par_bureau,
    tableau,
)
from worker.domain.tableau.model import Bilan, Section, Tableau

_LONG_TITRE = (
    "Tableau des inscriptions et des radiations intervenues depuis la réunion de la commission de contrôle " * 2
)
_LONG_BUREAU = f"Bureau 0001 — {LONGEST_BUREAU}"
_EVERYTHING_LONG: dict[str, Any] = {
    "titre": _LONG_TITRE,
    "nom_commune": LONGEST_COMMUNE,
    "liste": "Liste complémentaire pour l’élection des représentants au Parlement européen — CE",
    "reference_legale": "Code électoral, art. L. 11-2 alinéa 2, L. 17 alinéa 4, R. 10 alinéa 3, R. 13, L. 19 et L. 20 "
    * 2,
    "objet": "Scrutin du 11 avril 2027 : élection du Président de la République, premier tour",
    "is_provisoire": True,
    "mention": "Exemplaire de la commission — ne pas afficher, ne pas photocopier, ne pas publier",
    "has_nationalite": True,
    "has_dates": True,
    "notes": (f"Une note. {_LONG_TITRE}{_LONG_TITRE}",) * 3,
    "signatures": replace(COMMISSION, lieu=f"Fait à {LONGEST_COMMUNE}, le …"),
}
CASES: dict[str, Tableau] = {
    "empty": tableau(),
    "lines": tableau(commune(lignes(90), lignes(30)), signatures=COMMISSION, is_provisoire=True),
    "bureaux": par_bureau(3, 30, signatures=COMMISSION),
    "long": tableau(
        replace(commune((LONG, PLAIN, LONG) * 6, (LONG,)), titre=_LONG_BUREAU, code="0001"), **_EVERYTHING_LONG
    ),
    "long, par bureau": tableau(
        replace(commune((LONG,) * 40), titre=_LONG_BUREAU, code="0001"),
        commune(()),
        presentation="par_bureau",
        **_EVERYTHING_LONG,
    ),
    "unbreakable": tableau(commune((replace(LONG, nom_naissance="W" * 90, adresse="M" * 200, numero="1" * 30),) * 3)),
    "letters of two fonts": tableau(commune((replace(LONG, nom_naissance="ŁŐȘ-" * 30, adresse="Šťastný " * 20),) * 3)),
    "taller than a page": tableau(commune((PLAIN, replace(PLAIN, motif="motif " * 900), PLAIN))),
    "récapitulatif": tableau(
        *(Section(f"{n:04d}", f"{n} {_LONG_BUREAU}", (), Bilan(9_999_999, 1, 2, 3, 4, 0)) for n in range(50)),
        Section("", _LONG_TITRE, (), Bilan(99_999_999, 1, 2, 3, 4, 0)),
        presentation="recapitulatif",
        **_EVERYTHING_LONG,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_all_is_within_the_margins_and_nothing_overlaps(subject: Tableau, tmp_path: Path) -> None:
    words = read_words(draw_to(tmp_path, subject))
    assert words
    assert not find_outside(words)
    assert not find_overlaps(words)


@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_text_is_as_large_as_a_wall_wants_it(subject: Tableau) -> None:
    contents = [page.get_contents() for page in PdfReader(BytesIO(draw(subject))).pages]
    sizes = [
        float(size)
        for content in contents
        if content is not None
        for size in re.findall(rb" ([\d.]+) Tf", content.get_data())
    ]
    assert min(sizes) == 8, "the titles of columns, and of figures"
    assert set(sizes) >= {9, 14}
    assert sizes.count(9) > sizes.count(8) / 2


@pytest.mark.parametrize("has_nationalite", [False, True])
@pytest.mark.parametrize("has_dates", [False, True])
def test_a_number_of_six_figures_is_on_one_line(tmp_path: Path, *, has_nationalite: bool, has_dates: bool) -> None:
    subject = tableau(commune((replace(PLAIN, numero="888888"),)), has_nationalite=has_nationalite, has_dates=has_dates)
    words = read_words(draw_to(tmp_path, subject))
    assert "888888" in [word.text for word in words]
    assert not find_overlaps(words)
