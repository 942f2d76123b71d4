"""Fingerprints compared with a simple reference, and taken of list files: the same electors from CSV and XML."""

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import InstrumentedAttribute

from schemas.profiles.platform import read_shipped
from schemas.vocabulary import Format
from worker.domain.fingerprint import HALF, PARTS, SIZE, Change, Digests, find_changes, sort_records
from worker.registre.models import Bureau, Electeur
from worker.writers.columns import READ_COLUMNS, NotOurFileError, header_of
from worker.writers.electeurs_file import LISTE_FORMATS, FileDays, take_fingerprint

KEY = Digests(b"clef invent\xe9e")
Liste = list[tuple[str, str]]
LISTES = st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("xyz")), max_size=12)


def _identity(name: str) -> bytes:
    return KEY.identity(name, "Apolline", "1962-03-14", "MARSEILLE", "")


def _fingerprint(liste: Liste) -> bytes:
    parts = [bytearray() for _ in range(PARTS)]
    for name, contents in liste:
        parts[_identity(name)[0]] += _identity(name) + KEY.contents([contents])
    return sort_records(parts)


def _reference(before: Liste, after: Liste) -> set[Change]:
    found = set()
    for name in {name for name, _ in before + after}:
        left = [contents for other, contents in before if other == name]
        came = [contents for other, contents in after if other == name]
        for contents in list(left):
            if contents in came:
                left.remove(contents)
                came.remove(contents)
        changed = min(len(left), len(came))
        if left or came:
            found.add(Change(_identity(name), len(came) - changed, len(left) - changed, changed))
    return found


@given(LISTES, LISTES)
def test_changes_are_those_that_a_person_would_find(before: Liste, after: Liste) -> None:
    changes = list(find_changes(_fingerprint(before), _fingerprint(after)))
    assert set(changes) == _reference(before, after)
    assert len(changes) == len(set(changes))
    assert len(after) - len(before) == sum(it.arrivees - it.departs for it in changes)


@given(LISTES.flatmap(lambda liste: st.tuples(st.just(liste), st.permutations(liste))))
def test_the_order_of_the_lines_leaves_no_trace(lists: tuple[Liste, Liste]) -> None:
    liste, shuffled = lists
    assert _fingerprint(liste) == _fingerprint(shuffled)
    assert len(_fingerprint(liste)) == SIZE * len(liste)


def test_who_she_is_does_not_depend_on_spelling_but_on_all_the_rest() -> None:
    known = KEY.identity("D'AUBIGNÉ", "Apolline-Capucine", "1962-03-14", "Saint-Denis", "")
    assert known == KEY.identity(
        "D’AUBIGNE", "APOLLINE CAPUCINE", "1962-03-14", "SAINT DENIS", "FRANCE"
    )
    assert len(known) == HALF
    assert known not in {
        KEY.identity("AUBIGNE", "Apolline Capucine", "1962-03-14", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline", "1962-03-14", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline Capucine", "1962-00-00", "Saint-Denis", ""),
        KEY.identity("D'AUBIGNE", "Apolline Capucine", "1962-03-14", "", "BELGIQUE"),
        KEY.identity("D'AUBIGNE Apolline", "Capucine", "1962-03-14", "Saint-Denis", ""),
    }


def test_what_the_csv_cannot_carry_makes_no_difference() -> None:
    assert KEY.contents(['Bât "B" ; 3', ""]) == KEY.contents(["Bât 'B' , 3", ""])
    assert KEY.contents(["a", ""]) != KEY.contents(["", "a"])


def test_two_keys_have_nothing_in_common() -> None:
    other = Digests.new()
    assert len(other.key) == 32
    assert other.key != Digests.new().key
    assert other.identity("A", "B", "C", "D", "") != KEY.identity("A", "B", "C", "D", "")
    assert other.contents(["A"]) != KEY.contents(["A"])


GOLDEN = Path(__file__).parents[1] / "golden"
BOTH = sorted(path for path in GOLDEN.glob("*/*.csv") if path.with_suffix(".xml").is_file())
ORDINARY = GOLDEN / "commune_ordinaire" / "P.csv"
FORM = read_shipped().form
HEADER = FORM.header


@pytest.mark.parametrize("path", BOTH, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_list_has_the_same_fingerprint_in_every_format(path: Path) -> None:
    for format_ in LISTE_FORMATS:
        file = path.with_suffix(f".{format_}")
        taken = take_fingerprint(file, format_, FORM, KEY)
        assert taken.fingerprint == take_fingerprint(path, Format.CSV, FORM, KEY).fingerprint, (
            format_
        )
        assert taken.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        with file.open("rb") as stream:
            assert len(taken.fingerprint) == 16 * len(
                list(LISTE_FORMATS[format_].read(stream, FORM))
            )


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        (Electeur.nom_usage, "INVENTEE", [(0, 0, 1)]),
        (Electeur.code_bureau, "0099", [(0, 0, 1)]),
        (Electeur.libelle_voie, "DE LA SAUGE", [(0, 0, 1)]),
        (Electeur.sexe, "X", [(0, 0, 1)]),
        (Electeur.nom_naissance, "INVENTEE", [(0, 1, 0), (1, 0, 0)]),
        (Electeur.prenoms, "Zélie", [(0, 1, 0), (1, 0, 0)]),
        (Electeur.date_naissance, "00/00/1961", [(0, 1, 0), (1, 0, 0)]),
        (Electeur.commune_naissance, "X", [(0, 1, 0), (1, 0, 0)]),
        (Electeur.numero_general, "999", []),
        (Bureau.libelle, "ÉCOLE", []),
        (Bureau.code_canton, "9999", []),
        (Bureau.code_circonscription, "99", []),
    ],
)
def test_a_changed_value_makes_a_change_another_elector_or_no_difference(
    tmp_path: Path,
    source: InstrumentedAttribute[Any],
    value: str,
    expected: list[tuple[int, int, int]],
) -> None:
    """Added, removed, changed: for the first elector of a file."""
    header, first, *rest = ORDINARY.read_text("utf-8").splitlines()
    values, place = first.split(";"), header.split(";").index(header_of(source))
    assert values[place] != value
    values[place] = value
    path = tmp_path / "P.csv"
    path.write_text("\n".join([header, ";".join(values), *rest, ""]), "utf-8")
    taken = [take_fingerprint(it, Format.CSV, FORM, KEY).fingerprint for it in (ORDINARY, path)]
    assert sorted(change[1:] for change in find_changes(*taken)) == expected


def test_who_came_of_age_between_two_files_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "P.csv"
    births = ("01/07/2008", "14/03/1962", "00/00/2008", "01/07/2009")
    lines = ["G;;;;;;;F;INVENTEE;;Zélie;" + born + ";" * 17 for born in births]
    path.write_bytes(HEADER + "\n".join([*lines, ""]).encode())
    taken = take_fingerprint(
        path, Format.CSV, FORM, KEY, FileDays(date(2026, 3, 1), date(2026, 11, 25))
    )
    assert taken.of_age_since == {KEY.identity("INVENTEE", "Zélie", "2008-07-01", "", "")}
    assert len(taken.fingerprint) == 4 * 16


_XML = ORDINARY.with_suffix(".xml").read_text("utf-8")


@pytest.mark.parametrize(
    ("format_", "content"),
    [
        (Format.CSV, ORDINARY.read_bytes().partition(b"\n")[2]),
        (Format.CSV, b"\xef\xbb\xbf" + ORDINARY.read_bytes()),
        (Format.CSV, ORDINARY.read_bytes() + b"G;L\n"),
        (Format.CSV, HEADER + b"\xff" + b";" * 28 + b"\n"),
        (Format.XML, b""),
        (Format.XML, _XML[: len(_XML) // 2].encode()),
        (Format.XML, b"<ListeElectorale><Electeur><Sexe>F</Sexe></Electeur></ListeElectorale>"),
    ],
    ids=["no header", "another header", "short line", "not UTF-8", "empty", "cut", "no address"],
)
def test_a_file_that_is_not_ours_is_refused_without_a_value_of_it(
    tmp_path: Path, format_: Format, content: bytes
) -> None:
    path = tmp_path / "liste"
    path.write_bytes(content)
    with pytest.raises(NotOurFileError) as caught:
        take_fingerprint(path, format_, FORM, KEY)
    assert str(caught.value) in {
        "the first line is not ours",
        "a line has not all values",
        "not utf-8",
        "not well-formed",
        "an elector has not all values",
    }


def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "liste").symlink_to(ORDINARY)
    with pytest.raises(OSError, match="liste"):
        take_fingerprint(tmp_path / "liste", Format.CSV, FORM, KEY)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        take_fingerprint(tmp_path / "pipe", Format.CSV, FORM, KEY)


def test_an_elector_has_a_value_for_each_column_but_those_of_the_file() -> None:
    assert len(READ_COLUMNS) == 23
