"""List files read back: the same electors from CSV and XML, none from a file that the worker did not make."""

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import InstrumentedAttribute

from schemas.vocabulary import Format
from worker.domain.fingerprint import Digests, find_changes
from worker.registre.models import Bureau, Electeur
from worker.writers.columns import READ_COLUMNS, NotOurFileError, header_of
from worker.writers.csv_file import HEADER, read_csv
from worker.writers.electeurs_file import FileDays, take_fingerprint

GOLDEN = Path(__file__).parents[1] / "golden"
BOTH = sorted(path for path in GOLDEN.glob("*/*.csv") if path.with_suffix(".xml").is_file())
ORDINARY = GOLDEN / "commune_ordinaire" / "P.csv"
KEY = Digests(b"clef")


@pytest.mark.parametrize("path", BOTH, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_csv_and_xml_have_the_same_fingerprint(path: Path) -> None:
    csv = take_fingerprint(path, Format.CSV, KEY)
    xml = take_fingerprint(path.with_suffix(".xml"), Format.XML, KEY)
    assert csv.fingerprint == xml.fingerprint
    assert csv.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert xml.sha256 == hashlib.sha256(path.with_suffix(".xml").read_bytes()).hexdigest()
    with path.open("rb") as file:
        assert len(csv.fingerprint) == 16 * len(list(read_csv(file)))


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
    tmp_path: Path, source: InstrumentedAttribute[Any], value: str, expected: list[tuple[int, int, int]]
) -> None:
    """Added, removed, changed: for the first elector of a file."""
    header, first, *rest = ORDINARY.read_text("utf-8").splitlines()
    values, place = first.split(";"), header.split(";").index(header_of(source))
    assert values[place] != value
    values[place] = value
    path = tmp_path / "P.csv"
    path.write_text("\n".join([header, ";".join(values), *rest, ""]), "utf-8")
    taken = [take_fingerprint(it, Format.CSV, KEY).fingerprint for it in (ORDINARY, path)]
    assert sorted(change[1:] for change in find_changes(*taken)) == expected


def test_who_came_of_age_between_two_files_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "P.csv"
    births = ("01/07/2008", "14/03/1962", "00/00/2008", "01/07/2009")
    lines = ["G;;;;;;;F;INVENTEE;;Zélie;" + born + ";" * 17 for born in births]
    path.write_bytes(HEADER + "\n".join([*lines, ""]).encode())
    taken = take_fingerprint(path, Format.CSV, KEY, FileDays(date(2026, 3, 1), date(2026, 11, 25)))
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
        take_fingerprint(path, format_, KEY)
    assert str(caught.value) in {
        "the first line is not ours",
        "a line has not 29 values",
        "not UTF-8",
        "not well-formed",
        "an elector has not all values",
    }


def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "liste").symlink_to(ORDINARY)
    with pytest.raises(OSError, match="liste"):
        take_fingerprint(tmp_path / "liste", Format.CSV, KEY)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        take_fingerprint(tmp_path / "pipe", Format.CSV, KEY)


def test_an_elector_has_a_value_for_each_column_but_those_of_the_file() -> None:
    assert len(READ_COLUMNS) == 23
