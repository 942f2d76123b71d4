"""A letter: portrait, a PDF/A-1b with tags, and on each page nothing alone, torn off or outside the margins."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.parts.pdf import (
    check_accessible,
    check_archive,
    find_outside,
    find_overlaps,
    read_aloud,
    read_words,
)
from tests.unit.pdf_samples import LONGEST_COMMUNE, read_pages
from worker.domain.letter import BLANK, Letter, mairie
from worker.pdf.letter import PORTRAIT, render_letter

NAME = "INVENTÉE-DE LA ROCHE-D'ESTISSAC Zélie-Prudence-Ana"
"""A name of 50 letters."""
REFUS = Letter(
    titre="Refus de la copie n° 13900-1",
    nom_commune="LIBREVILLE",
    expediteur=mairie("de LIBREVILLE"),
    destinataire=(
        NAME,
        "RÉSIDENCE DES TERRASSES DU PARC",
        "ESCALIER 12",
        BLANK,
        "13900 LIBREVILLE",
    ),
    lieu=f"LIBREVILLE, le {BLANK[:20]}",
    objet="Refus de la copie n° 13900-1",
    reference="demande n° 13900-1 – Code électoral, art. L. 37 et R. 20",
    corps=("Madame, Monsieur,", "Cette copie vous est refusée. Motif : inventé."),
    recours=("Vous pouvez contester ce refus devant une commission inventée.",),
    signataire="Le maire, ou par délégation :",
    pied=(f"Empreinte SHA-256 : {'0a' * 32}", "Elle désigne le fichier publié."),
)
CASES = {
    "refus": REFUS,
    "engagement": replace(
        REFUS, recours=(), pied=(), has_cachet=False, signataire=f"Le demandeur : {NAME}"
    ),
    "certificat": replace(REFUS, destinataire=(), recours=()),
    "longest names": replace(REFUS, expediteur=mairie(f"de {LONGEST_COMMUNE}"), objet="W" * 99),
    **{
        f"{count} sentences": replace(
            REFUS,
            corps=(*REFUS.corps, " ".join(f"Phrase inventée n° {it}." for it in range(count))),
        )
        for count in range(20, 400, 15)
    },
}
_EACH = pytest.mark.parametrize("letter", CASES.values(), ids=CASES)


def draw(letter: Letter, folder: Path) -> Path:
    path = folder / "lettre.pdf"
    with path.open("wb") as sink:
        count = render_letter(letter, sink)
    assert count == len(PdfReader(path).pages)
    return path


@_EACH
def test_nothing_is_outside_the_margins_and_nothing_overlaps(
    letter: Letter, tmp_path: Path
) -> None:
    words = read_words(draw(letter, tmp_path))
    assert words
    assert not find_outside(words, PORTRAIT)
    assert not find_overlaps(words)


@_EACH
def test_each_page_has_its_number_and_no_title_or_signature_is_alone(
    letter: Letter, tmp_path: Path
) -> None:
    pages = read_pages(draw(letter, tmp_path).read_bytes())
    numbers = [re.findall(r"page (\d+) / (\d+)", page) for page in pages]
    assert numbers == [[(str(it), str(len(pages)))] for it in range(1, len(pages) + 1)]
    whole = " ".join(pages)
    assert all(
        it in whole for it in (NAME, *letter.pied) if it in letter.destinataire or it != NAME
    )
    for page in pages:
        if "Voies et délais de recours" in page:
            assert "Vous pouvez contester" in page
    *_, last = pages
    caption = "Nom, qualité et signature" if letter.has_cachet else "Signature"
    assert caption in last
    assert "inventé" in last.partition(letter.signataire)[0], "a line of the letter is above it"
    assert ("Cachet de la mairie" in last) == letter.has_cachet


@_EACH
def test_no_text_is_smaller_than_eight_points_and_a_half(letter: Letter, tmp_path: Path) -> None:
    sizes = set()
    for page in PdfReader(draw(letter, tmp_path)).pages:
        content = page.get_contents()
        assert content is not None
        sizes |= {float(it) for it in re.findall(rb" ([\d.]+) Tf", content.get_data())}
        assert (page.mediabox.width, page.mediabox.height) == pytest.approx(PORTRAIT)
    assert min(sizes) == 8.5
    assert 10 in sizes, "the body"


def test_it_is_a_pdfa_1b_with_tags_and_the_same_bytes(tmp_path: Path) -> None:
    path = draw(CASES["335 sentences"], tmp_path)
    assert not check_archive(path)
    assert check_accessible(path) == []
    again = BytesIO()
    render_letter(CASES["335 sentences"], again)
    assert again.getvalue() == path.read_bytes()


def test_it_is_heard_in_the_order_of_a_letter(tmp_path: Path) -> None:
    heard = read_aloud(draw(REFUS, tmp_path))
    order = ("Mairie de", NAME, "Objet :", "Madame", "Voies et", "Le maire", "Cachet", "Empreinte")
    places = [heard.index(it) for it in order]
    assert places == sorted(places)
