"""The content of the pages: complete, in order, under the right titles."""

import re
from dataclasses import astuple, replace
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.parts.pdf import read_text
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
    squeezed,
    tableau,
)
from worker.domain.tableau.model import Signatures

PART_II = "II. Retranchements"


def test_every_value_of_every_line_is_drawn_once_in_order(tmp_path: Path) -> None:
    lines = (*lignes(60), LONG)
    pdf = draw_to(tmp_path, tableau(commune(lines), has_nationalite=True))
    drawn = squeezed("".join(_rows(read_text(pdf))))
    expected = [
        squeezed("".join((*astuple(ligne)[:6], ligne.nationalite, ligne.bureau, ligne.motif))) for ligne in lines
    ]
    position = 0
    for values in expected:
        position = drawn.index(values, position) + len(values)


def test_every_page_says_whose_tableau_it_is_and_which_page() -> None:
    pages = read_pages(draw(par_bureau(3, 40, is_provisoire=True)))
    assert len(pages) > 6
    for number, page in enumerate(pages, start=1):
        assert page.startswith(
            "Commune de LIBREVILLE code INSEE 13900 Tableau des vingt jours Liste principale (générale) — P"
        )
        assert f"page {number} / {len(pages)}" in page
        for once in ("R. 13, L. 19 et L. 20", "Scrutin du 11 avril 2027", "Édité le 25/11/2026 à 09:30", "PROVISOIRE"):
            assert page.count(once) == 1


def test_a_title_too_long_for_a_line_is_cut_before_its_parenthesis(tmp_path: Path) -> None:
    rest = "(rectifications depuis la clôture de la liste ou le dernier scrutin)"
    lines = read_text(draw_to(tmp_path, tableau(titre=f"Tableau des cinq jours {rest}"))).splitlines()
    assert lines[1:3] == ["Tableau des cinq jours", rest]
    lines = read_text(draw_to(tmp_path, tableau(titre="Tableau des cinq jours (inscriptions)"))).splitlines()
    assert lines[1] == "Tableau des cinq jours (inscriptions)"


@pytest.mark.slow
@pytest.mark.parametrize("presentation", ["par_bureau", "recapitulatif"])
def test_every_page_of_the_commission_says_that_it_is_not_to_be_posted(presentation: str) -> None:
    mention = "Exemplaire de la commission — ne pas afficher"
    subject = par_bureau(50, 3, is_provisoire=True, mention=mention)
    pages = read_pages(draw(replace(subject, presentation=presentation)))
    assert len(pages) > 1
    assert all((page.count(mention), page.count("PROVISOIRE")) == (1, 1) for page in pages)


def test_headings_and_the_part_are_repeated_where_lines_go_on() -> None:
    first, *others = read_pages(draw(tableau(commune(lignes(100)))))
    assert "I. Additions (inscriptions) N° d’ordre Nom de naissance" in first
    with_lines = [page for page in others if "13900 LIBREVILLE" in page]
    assert with_lines
    assert all("I. Additions (inscriptions) – suite N° d’ordre Nom de naissance" in page for page in with_lines)


@pytest.mark.slow
def test_sixty_bureaux_each_begin_a_page_and_have_a_bookmark() -> None:
    pdf = draw(par_bureau(60, 3, signatures=COMMISSION))
    reader = PdfReader(BytesIO(pdf))
    assert len(reader.pages) == 61
    titles = [str(mark["/Title"]) for mark in reader.outline if not isinstance(mark, list)]
    assert titles == [*(f"Bureau {n:04d} — ÉCOLE N° {n}" for n in range(1, 61)), "Commune de LIBREVILLE"]
    pages = read_pages(pdf)
    for number, (page, title) in enumerate(zip(pages, titles, strict=True)):
        assert title in page
        assert "Les membres de la commission administrative" in page
        mark = reader.outline[number]
        assert not isinstance(mark, list)
        assert reader.get_destination_page_number(mark) == number


def test_two_bureaux_are_on_one_page_where_there_is_room() -> None:
    pages = read_pages(draw(par_bureau(5, 1)))
    assert [re.findall(r"Bureau (\d+) —", page) for page in pages] == [["0001", "0002"], ["0003", "0004"], ["0005"]]
    assert all(page.count("Électeurs après") >= page.count("—") - 1 for page in pages), "none goes on elsewhere"


@pytest.mark.parametrize("count", range(14, 40))
def test_no_title_is_left_alone_and_no_signature_is_torn_off(count: int) -> None:
    pages = read_pages(draw(tableau(commune((PLAIN,) * count, (PLAIN,)), signatures=COMMISSION)))
    assert all(PART_II not in page or "Inscription volontaire" in page.split(PART_II)[1] for page in pages)
    assert all("Total des additions" not in page or PLAIN.adresse in page for page in pages)
    assert all("Fait à" not in page or "Électeurs après" in page for page in pages)
    (signed,) = [page for page in pages if "Nom et signature" in page]
    assert signed.count("Nom et signature") == COMMISSION.places


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("signatures", [COMMISSION, None])
def test_what_is_signed_or_added_up_is_on_the_page_of_a_line(count: int, signatures: Signatures | None) -> None:
    bureau = replace(commune((), (PLAIN,) * count), code="0001")
    pages = read_pages(draw(tableau(bureau, commune(()), presentation="par_bureau", signatures=signatures)))
    last = next(page for page in pages if "Électeurs après" in page)
    assert last.count(PLAIN.adresse) >= min(count, 2)
    assert ("Nom et signature" in last) == (signatures is not None)
    assert sum(page.count(PLAIN.adresse) for page in pages) == count


def test_a_last_line_taller_than_a_page_is_whole_and_signed() -> None:
    motif = " ".join(f"motif{number}" for number in range(1500))
    pages = read_pages(draw(tableau(commune((), (PLAIN, replace(PLAIN, motif=motif))), signatures=COMMISSION)))
    assert re.findall(r"motif\d+", " ".join(pages)) == motif.split()
    assert "Nom et signature" in pages[-1]


@pytest.mark.parametrize("before", range(20))
def test_a_row_is_on_one_page(before: int) -> None:
    pages = read_pages(draw(tableau(commune(((PLAIN,) * (before + 15)) + (LONG,)))))
    (page,) = [page for page in pages if "123456" in page]
    assert squeezed(LONG.adresse) in squeezed(page)


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 1, 20])
def test_a_row_taller_than_a_page_goes_on_and_loses_nothing(before: int) -> None:
    motif = " ".join(f"motif{number}" for number in range(1500))
    pages = read_pages(draw(tableau(commune((*((PLAIN,) * before), replace(PLAIN, motif=motif), PLAIN)))))
    assert len(pages) > 10
    assert re.findall(r"motif\d+", " ".join(pages)) == motif.split()


def _rows(text: str) -> list[str]:
    """The pages without their headers."""
    return [page.split("Motif\n", 1)[1] for page in text.split("\f") if "Motif\n" in page]
