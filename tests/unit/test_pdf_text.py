"""Breaking lines and encoding characters."""

import codecs
from io import BytesIO
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.texte import clean
from tests.unit.nasty import nasty_texts
from worker.pdf.document import Document
from worker.pdf.font import CHARACTERS, UNIT, Font, Style, break_lines, encode, load_face
from worker.pdf.table import RowSetter, TableColumn

WORDS = st.text("AÉ-. bŁ(", max_size=40)


def _style() -> Style:
    return Style(Font(load_face("regular"), Document(BytesIO())), 7.5, 9)


def _break(text: str, limit: int) -> list[str]:
    return [text[line] for line in break_lines(text, [1] * len(text), limit)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("RUE", ["RUE"]),
        ("RUE DE LA GARE", ["RUE DE LA", "GARE"]),
        ("RUE DE LA G", ["RUE DE LA", "G"]),
        ("0123456789 B", ["0123456789", "B"]),
        ("SAINT-JEAN-DE-LUZ", ["SAINT-", "JEAN-DE-", "LUZ"]),
        ("INCONSTITUTIONNEL", ["INCONSTITU", "TIONNEL"]),
        ("A INCONSTITUTIONNEL", ["A", "INCONSTITU", "TIONNEL"]),
    ],
)
def test_a_line_ends_at_a_space_else_after_a_hyphen_else_inside_a_word(text: str, lines: list[str]) -> None:
    assert _break(text, 10) == lines


@given(WORDS, st.integers(1, 12))
def test_lines_lose_nothing_and_are_never_too_wide(text: str, limit: int) -> None:
    lines = _break(text, limit)
    assert all(len(line) <= limit for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_character_wider_than_the_column_is_still_drawn() -> None:
    assert [slice(0, 1), slice(1, 2)] == list(break_lines("WW", [9, 9], 5))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("14/03/1962 à GAP (05)", ["14/03/1962", "à GAP (05)"]),
        ("12 RUE X, 13001 ARLES", ["12 RUE X,", "13001 ARLES"]),
        ("à ANGERS (Maine et Loire)", ["à ANGERS (Maine et", "Loire)"]),
        ("à FORT-DE-FRANCE (972)", ["à", "FORT-DE-FRANCE", "(972)"]),
        ("à MONTPELLIER-LE-VIEUX (12)", ["à", "MONTPELLIER-LE-", "VIEUX (12)"]),
        ("à ANTANANARIVO (République démocratique)", ["à", "ANTANANARIVO", "(République", "démocratique)"]),
    ],
)
def test_a_place_is_torn_from_its_number_only_where_nothing_else_helps(text: str, lines: list[str]) -> None:
    style = _style()
    cells = RowSetter([TableColumn("", 70)], style, style).set_lines([text])[0]
    shown = [line.removeprefix(b"(").removesuffix(b")Tj") for line in cells]
    assert [codecs.charmap_decode(line, "strict", CHARACTERS)[0].rstrip() for line in shown] == lines


@given(WORDS)
def test_a_style_measures_what_it_wraps(text: str) -> None:
    style = _style()
    lines = style.break_text(text, 40)
    assert all(style.width(line.rstrip()) <= 40 for line in lines)
    assert "".join(lines) == style.font.readable(text)


def test_usual_characters_have_one_code_each_and_need_no_escape() -> None:
    usual = [character for character in CHARACTERS if character != "\ufffe"]
    assert len(set(usual)) == len(usual)
    codes = encode("".join(usual))
    assert len(codes) == len(usual)
    assert not set(codes) & set(b"()\\\r\n")


def test_every_letter_of_a_french_register_is_usual() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZÀÂÄÆÇÉÈÊËÎÏÔÖŒÙÛÜŸ"
    assert encode(f"{letters}{letters.lower()} 0123456789'’-–—→−\u202f\u00a0,;:.?!/«»()°")


@given(nasty_texts(surrogates=True))
@example("a\ufffeb")  # what marks an unused code is no usual character
def test_any_text_can_be_shown(text: str) -> None:
    style = _style()
    lines = style.break_text(text, 50)
    assert "".join("".join(lines).split()) == "".join(clean(style.font.readable(text)).split())
    for line in lines:
        style.show(line)


@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_no_usual_width_is_rounded_down(weight: Literal["regular", "bold"]) -> None:
    face = load_face(weight)
    width: Any = face.face.getCharWidth
    assert all(face.advances[code] * UNIT >= width(ord(CHARACTERS[code])) for code in range(256))
