"""The file of a tableau: a PDF/A-1b with all fonts and tags; its pages: complete, in order, within the margins."""

import re
import subprocess
import sys
from dataclasses import astuple, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.parts.pdf import (
    check_accessible,
    check_archive,
    find_outside,
    find_overlaps,
    read_aloud,
    read_text,
    read_words,
)
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
    read_pages,
    squeezed,
    tableau,
)
from worker.domain.tableau.model import Bilan, Section, Signatures, Tableau
from worker.pdf.render import render_copie

ALPHABETS = replace(
    PLAIN,
    nom_naissance="Łukasz Ștefan",
    prenoms="Ελένη Жанна 漢字 🏛",
    adresse="(a\\b) ‰ \u0450 \u010d",
)
CASES = {
    "empty": tableau(),
    "lines": tableau(
        commune((*lignes(80), LONG, ALPHABETS), lignes(5)),
        signatures=COMMISSION,
        is_provisoire=True,
    ),
    "bureaux": par_bureau(4, 20, signatures=COMMISSION),
    "recapitulatif": replace(par_bureau(40, 0), presentation="recapitulatif"),
    "markup": tableau(nom_commune="L'<ÎLE> & D’EN\u0301 ]]>", liste="(\\P)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_it_is_a_pdfa_1b(subject: Tableau, tmp_path: Path) -> None:
    assert not check_archive(draw_to(tmp_path, subject))


def test_a_letter_that_the_font_lacks_is_marked_and_extracts_as_itself() -> None:
    assert "漢字 🏛" in read_pages(draw(tableau(commune((ALPHABETS,)))))[0]


def test_it_says_what_it_is_in_french() -> None:
    reader = PdfReader(BytesIO(draw(tableau())))
    catalog: Any = reader.trailer["/Root"]
    assert catalog["/Lang"] == "fr-FR"
    assert reader.metadata is not None
    assert (
        reader.metadata.title
        == "Tableau des vingt jours – LIBREVILLE – Liste principale (générale) — P"
    )
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


@pytest.mark.parametrize("subject", CASES.values(), ids=CASES)
def test_nothing_is_found_wrong(subject: object, tmp_path: Path) -> None:
    assert check_accessible(draw_to(tmp_path, subject)) == []  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_value_is_heard_whole_in_order_and_no_title_twice(tmp_path: Path) -> None:
    lines = (*lignes(30), LONG)
    heard = read_aloud(draw_to(tmp_path, tableau(commune(lines), has_nationalite=True)))
    said = re.findall(r'^ +"(.*)"$', heard, re.MULTILINE)
    expected = [
        value
        for ligne in lines
        for value in (*astuple(ligne)[:6], ligne.nationalite, ligne.bureau, ligne.motif)
    ]
    start = said.index("Motif") + 1
    assert said[start : start + len(expected)] == expected
    assert said.count("Nom de naissance") == 1
    assert said.count("Tableau des vingt jours") == 1
    assert not [text for text in said if "suite" in text or text.startswith("page ")]
    assert heard.count("/Scope /Row") == len(lines)


_LONG_TITRE = (
    "Tableau des inscriptions et des radiations intervenues depuis la réunion de la commission de contrôle "
    * 2
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
LAYOUTS: dict[str, Tableau] = {
    "empty": tableau(),
    "lines": tableau(commune(lignes(90), lignes(30)), signatures=COMMISSION, is_provisoire=True),
    "bureaux": par_bureau(3, 30, signatures=COMMISSION),
    "long": tableau(
        replace(commune((LONG, PLAIN, LONG) * 6, (LONG,)), titre=_LONG_BUREAU, code="0001"),
        **_EVERYTHING_LONG,
    ),
    "long, par bureau": tableau(
        replace(commune((LONG,) * 40), titre=_LONG_BUREAU, code="0001"),
        commune(()),
        presentation="par_bureau",
        **_EVERYTHING_LONG,
    ),
    "unbreakable": tableau(
        commune((replace(LONG, nom_naissance="W" * 90, adresse="M" * 200, numero="1" * 30),) * 3)
    ),
    "letters of two fonts": tableau(
        commune((replace(LONG, nom_naissance="ŁŐȘ-" * 30, adresse="Šťastný " * 20),) * 3)
    ),
    "taller than a page": tableau(commune((PLAIN, replace(PLAIN, motif="motif " * 900), PLAIN))),
    "récapitulatif": tableau(
        *(
            Section(f"{n:04d}", f"{n} {_LONG_BUREAU}", (), Bilan(9_999_999, 1, 2, 3, 4, 0))
            for n in range(50)
        ),
        Section("", _LONG_TITRE, (), Bilan(99_999_999, 1, 2, 3, 4, 0)),
        presentation="recapitulatif",
        **_EVERYTHING_LONG,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("subject", LAYOUTS.values(), ids=LAYOUTS)
def test_all_is_within_the_margins_and_nothing_overlaps(subject: Tableau, tmp_path: Path) -> None:
    words = read_words(draw_to(tmp_path, subject))
    assert words
    assert not find_outside(words)
    assert not find_overlaps(words)


@pytest.mark.parametrize("subject", LAYOUTS.values(), ids=LAYOUTS)
def test_text_is_as_large_as_a_wall_wants_it(subject: Tableau) -> None:
    contents = [page.get_contents() for page in PdfReader(BytesIO(draw(subject))).pages]
    sizes = [
        float(size)
        for content in contents
        if content is not None
        for size in re.findall(rb" ([\d.]+) Tf", content.get_data())
    ]
    assert min(sizes) == 8.5, "the titles of columns, and of figures"
    assert set(sizes) >= {9, 14}
    assert sizes.count(9) > sizes.count(8.5) / 2


@pytest.mark.parametrize("has_nationalite", [False, True])
@pytest.mark.parametrize("has_dates", [False, True])
def test_a_number_of_six_figures_is_on_one_line(
    tmp_path: Path, *, has_nationalite: bool, has_dates: bool
) -> None:
    subject = tableau(
        commune((replace(PLAIN, numero="888888"),)),
        has_nationalite=has_nationalite,
        has_dates=has_dates,
    )
    words = read_words(draw_to(tmp_path, subject))
    assert "888888" in [word.text for word in words]
    assert not find_overlaps(words)


PART_II = "II. Retranchements"


def test_a_title_too_long_for_a_line_is_cut_before_its_parenthesis(tmp_path: Path) -> None:
    rest = "(rectifications depuis la clôture de la liste ou le dernier scrutin)"
    lines = read_text(
        draw_to(tmp_path, tableau(titre=f"Tableau des cinq jours {rest}"))
    ).splitlines()
    assert lines[1:3] == ["Tableau des cinq jours", rest]
    lines = read_text(
        draw_to(tmp_path, tableau(titre="Tableau des cinq jours (inscriptions)"))
    ).splitlines()
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
    assert all(
        "I. Additions (inscriptions) – suite N° d’ordre Nom de naissance" in page
        for page in with_lines
    )


@pytest.mark.slow
def test_sixty_bureaux_each_begin_a_page_and_have_a_bookmark() -> None:
    pdf = draw(par_bureau(60, 3, signatures=COMMISSION))
    reader = PdfReader(BytesIO(pdf))
    assert len(reader.pages) == 61
    titles = [str(mark["/Title"]) for mark in reader.outline if not isinstance(mark, list)]
    assert titles == [
        *(f"Bureau {n:04d} — ÉCOLE N° {n}" for n in range(1, 61)),
        "Commune de LIBREVILLE",
    ]
    pages = read_pages(pdf)
    for number, (page, title) in enumerate(zip(pages, titles, strict=True)):
        assert title in page
        assert "Les membres de la commission administrative" in page
        mark = reader.outline[number]
        assert not isinstance(mark, list)
        assert reader.get_destination_page_number(mark) == number


@pytest.mark.parametrize("each", range(1, 13))
def test_a_bureau_begins_below_the_one_before_it_and_with_two_lines(each: int) -> None:
    pages = read_pages(draw(par_bureau(6, each)))
    starts = [
        part.split("II. Retranchements")[0].count(" 13900 LIBREVILLE")
        for page in pages
        for part in re.split(r"Bureau \d+ — ÉCOLE N° \d I\. Additions \(inscriptions\) N°", page)[
            1:
        ]
    ]
    assert len(starts) == 6
    assert min(starts) >= min(2, each), "no title is the last of its page"


def test_a_page_is_filled_before_the_next_one_begins() -> None:
    pages = read_pages(draw(par_bureau(8, 9)))
    assert [page for page in pages if re.search(r"Électeurs après .* Bureau \d+ —", page)]
    lines = sum(page.count(" 13900 LIBREVILLE") for page in pages)
    assert lines == 8 * (9 + 4)
    assert len(pages) <= 13, "each bureau took two pages"


@pytest.mark.parametrize("count", range(14, 40))
def test_no_title_is_left_alone_and_no_signature_is_torn_off(count: int) -> None:
    pages = read_pages(draw(tableau(commune((PLAIN,) * count, (PLAIN,)), signatures=COMMISSION)))
    assert all(
        PART_II not in page or "Inscription volontaire" in page.split(PART_II)[1] for page in pages
    )
    assert all("Total des additions" not in page or PLAIN.adresse in page for page in pages)
    assert all("Fait à" not in page or "Électeurs après" in page for page in pages)
    (signed,) = [page for page in pages if "Nom et signature" in page]
    assert signed.count("Nom et signature") == COMMISSION.places


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("signatures", [COMMISSION, None])
def test_what_is_signed_or_added_up_is_on_the_page_of_a_line(
    count: int, signatures: Signatures | None
) -> None:
    bureau = replace(commune((), (PLAIN,) * count), code="0001")
    pages = read_pages(
        draw(tableau(bureau, commune(()), presentation="par_bureau", signatures=signatures))
    )
    last = next(page for page in pages if "Électeurs après" in page)
    assert last.count(PLAIN.adresse) >= min(count, 2)
    assert ("Nom et signature" in last) == (signatures is not None)
    assert sum(page.count(PLAIN.adresse) for page in pages) == count


def test_a_last_line_taller_than_a_page_is_whole_and_signed() -> None:
    motif = " ".join(f"motif{number}" for number in range(1500))
    pages = read_pages(
        draw(tableau(commune((), (PLAIN, replace(PLAIN, motif=motif))), signatures=COMMISSION))
    )
    assert re.findall(r"motif\d+", " ".join(pages)) == motif.split()
    assert "Nom et signature" in pages[-1]


def test_a_page_has_twenty_ordinary_lines() -> None:
    ordinary = replace(
        PLAIN,
        naissance="14/03/1962 à CLERMONT-FERRAND (63)",
        adresse="12 BIS Rue de l'Hôtel de Ville",
        motif="Changement de bureau",
        date="12/10/2026",
    )
    pages = read_pages(draw(replace(tableau(commune((ordinary,) * 180)), has_dates=True)))
    assert len(pages) <= 9


@pytest.mark.parametrize("before", range(20))
def test_a_row_is_on_one_page(before: int) -> None:
    pages = read_pages(draw(tableau(commune(((PLAIN,) * (before + 15)) + (LONG,)))))
    (page,) = [page for page in pages if "123456" in page]
    assert squeezed(LONG.adresse) in squeezed(page)


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 1, 20])
def test_a_row_taller_than_a_page_goes_on_and_loses_nothing(before: int) -> None:
    motif = " ".join(f"motif{number}" for number in range(1500))
    pages = read_pages(
        draw(tableau(commune((*((PLAIN,) * before), replace(PLAIN, motif=motif), PLAIN))))
    )
    assert len(pages) > 10
    assert re.findall(r"motif\d+", " ".join(pages)) == motif.split()


def test_a_page_of_a_copy_has_thirty_electors_and_bureaux_follow_each_other() -> None:
    row = ("12", "INVENTÉE", "", "Zélie, Prudence", "14/03/1962 à GAP (05)", "3 Rue du Puits")
    titles = ["N° d’ordre", "Nom", "Nom d’usage", "Prénoms", "Naissance", "Adresse"]
    sink = BytesIO()
    sections = ((f"Bureau {code}", iter([row] * 188)) for code in ("0001", "0002", "0003"))
    count = render_copie(tableau(notes=("Une note.",)), titles, sections, sink)
    pages = read_pages(sink.getvalue())
    assert sum(page.count("INVENTÉE") for page in pages) == 3 * 188
    assert count == len(pages) <= 3 * 188 / 30 + 1
    (second,) = [page for page in pages if "Bureau 0002 N°" in page]
    before, _, after = second.partition("Bureau 0002")
    assert before.count("INVENTÉE") >= 2
    assert after.count("INVENTÉE") >= 2


@pytest.mark.parametrize("count", range(14, 24))
def test_the_notice_to_electors_is_whole_and_before_the_signature(count: int) -> None:
    avis = ("Publié le ____________.", *(f"Phrase {number} de la loi." for number in range(5)))
    maire = Signatures("Le maire", 1, "Publié à LIBREVILLE, le …")
    for signatures in (None, maire):
        subject = tableau(commune((PLAIN,) * count), avis=avis, signatures=signatures)
        pages = read_pages(draw(subject))
        (told,) = [page for page in pages if "À l’attention des électeurs" in page]
        assert all(sentence in told for sentence in avis)
        assert ("Nom et signature" in told) == (signatures is not None)
        assert signatures is None or told.index("loi.") < told.index("Publié à LIBREVILLE")
