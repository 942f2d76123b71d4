"""The file: a PDF/A-1b, identical for the same tableau, with all fonts embedded."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.parts.pdf import check_archive, read_fonts
from tests.unit.pdf_samples import (
    COMMISSION,
    LONG,
    PLAIN,
    commune,
    draw,
    draw_to,
    lignes,
    par_bureau,
    read_pages,
    tableau,
)
from worker.domain.tableau.model import Tableau

ALPHABETS = replace(
    PLAIN, nom_naissance="Łukasz Ștefan", prenoms="Ελένη Жанна 漢字 🏛", adresse="(a\\b) ‰ \u0450 \u010d"
)
CASES = {
    "empty": tableau(),
    "lines": tableau(commune((*lignes(80), LONG, ALPHABETS), lignes(5)), signatures=COMMISSION, is_provisoire=True),
    "bureaux": par_bureau(4, 20, signatures=COMMISSION),
    "recapitulatif": replace(par_bureau(40, 0), presentation="recapitulatif"),
    "markup": tableau(nom_commune="L'<ÎLE> & D’EN\u0301 ]]>", liste="(\\P)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_it_is_a_pdfa_1b(subject: Tableau, tmp_path: Path) -> None:
    assert not check_archive(draw_to(tmp_path, subject))


@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_every_font_is_embedded_as_a_subset_and_readable(subject: Tableau, tmp_path: Path) -> None:
    fonts = read_fonts(draw_to(tmp_path, subject))
    assert fonts
    assert all(found == (True, True, True) for found in fonts.values())


def test_a_letter_that_the_font_lacks_is_marked_and_extracts_as_itself() -> None:
    assert "漢字 🏛" in read_pages(draw(tableau(commune((ALPHABETS,)))))[0]


def test_it_says_what_it_is_in_french() -> None:
    reader = PdfReader(BytesIO(draw(tableau())))
    catalog: Any = reader.trailer["/Root"]
    assert catalog["/Lang"] == "fr-FR"
    assert reader.metadata is not None
    assert reader.metadata.title == "Tableau des vingt jours – LIBREVILLE – Liste principale (générale) — P"
    assert reader.metadata.author == "LIBREVILLE"
    assert reader.xmp_metadata is not None
    assert reader.xmp_metadata.dc_title == {"x-default": reader.metadata.title}
    assert reader.xmp_metadata.dc_creator == ["LIBREVILLE"]
    assert reader.xmp_metadata.pdfaid_part == "1"
    assert b"<pdfuaid:part>1</pdfuaid:part>" in draw(tableau())


@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_the_same_tableau_gives_the_same_bytes(subject: Tableau) -> None:
    assert draw(subject) == draw(subject)


def test_the_first_files_of_a_process_may_be_drawn_at_once(tmp_path: Path) -> None:
    script = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from tests.unit.pdf_samples import commune, draw, lignes, tableau\n"
        "with ThreadPoolExecutor(4) as threads:\n"
        "    files = set(threads.map(draw, [tableau(commune(lignes(200)))] * 4))\n"
        "assert len(files) == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_date_comes_from_the_clock() -> None:
    pdf = draw(tableau())
    assert b"Date" not in pdf
    assert f"{datetime.now().astimezone():%Y%m%d}".encode() not in pdf
