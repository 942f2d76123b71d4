"""Lines of a REU export as electors: every spelling of a column, values kept unchanged, or a reason without a name."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.texte import clean, is_clean
from schemas.profiles.source import FieldSource, Shape, SourceMapping, read_reu
from tests.unit.nasty import NASTY, nasty_texts
from tests.unit.reu_sample import (
    BUREAU,
    CANTON,
    CIRCONSCRIPTION,
    COMMUNE,
    DATE,
    ELECTEUR,
    LISTE,
    NOM,
    NUMERO,
    PREFECTURE,
    TITLES,
    VALUES,
    VOIE,
)
from worker.errors import ImportRefusedError
from worker.registre.communes import DescribedBureau
from worker.registre.imports.lines import (
    LineError,
    clean_fields,
    clean_line,
    parse_bureau,
    parse_numero,
    read_date,
)
from worker.registre.imports.sources import Broken, Columns
from worker.registre.reu import lines
from worker.registre.reu.columns import match_columns, read_name
from worker.registre.reu.lines import (
    FIELDS,
    LineParser,
    parse_canton,
    parse_circonscription,
    parse_nationalite,
)

_SHAPES = Shape.DAY_FIRST, Shape.YEAR_FIRST


def _match(titles: Sequence[str]) -> Columns:
    return match_columns(titles, read_reu(), {})


def test_the_platforms_own_header_has_every_column() -> None:
    columns = _match(TITLES)
    assert len(columns.positions) == columns.width == 27
    assert columns.notes == ()


def test_the_header_of_a_prefecture_is_understood() -> None:
    columns = _match([PREFECTURE.get(title, title) for title in TITLES])
    assert columns.at("code_nationalite") == TITLES.index("libellé nationalité")
    assert columns.at("nationalite") == columns.width
    assert columns.at("code_canton") == 25
    assert columns.at("libelle_canton") == 24
    assert columns.notes == (
        "colonnes facultatives absentes : libellé circonscription métropolitaine du bureau de vote",
    )


@pytest.mark.parametrize(
    "title",
    [
        "code du l'ugle",
        "code de l'ugle",
        "CODE DE L’UGLE",
        "  Code  du l'UGLE ",
        "code_du_l_ugle",
        "code ugle",
    ],
)
def test_accents_case_and_little_words_do_not_matter(title: str) -> None:
    assert _match([title, *TITLES[1:]]).at("code_commune") == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("13055_LP", {"code_commune": "13055", "liste": "P"}),
        ("Liste complémentaire européenne com2A004 (1)", {"code_commune": "2A004", "liste": "CE"}),
        ("75118-LCM-20261125", {"code_commune": "75056", "liste": "CM"}),
        ("13055 et 13900", {}),
        ("LP+LCE", {}),
        ("export-20261125-093000", {}),
        ("20261", {"code_commune": "20261"}),
        ("X13055, ce P", {}),
    ],
)
def test_a_name_says_a_commune_and_a_list_where_it_says_one_only(
    name: str, said: dict[str, str]
) -> None:
    assert read_name(name) == said


def test_missing_columns_are_named() -> None:
    columns = _match(
        [title for title in TITLES if title not in {"sexe", "prénoms", "libellé nationalité"}]
    )
    assert columns.missing == ["prenoms", "sexe", "nationalite"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14/03/1962", "1962-03-14"),
        ("4/3/1962", "1962-03-04"),
        ("00/00/1953", "1953-00-00"),
        ("00/08/1955", "1955-08-00"),
        ("1961", "1961-00-00"),
        ("/1961", "1961-00-00"),
        ("//1961", "1961-00-00"),
        ("/ /1961", "1961-00-00"),
        ("08/1955", "1955-08-00"),
        ("/08/1955", "1955-08-00"),
        ("31/02/1960", "1960-02-31"),
        ("29/02/1900", "1900-02-29"),
        ("1962-03-14", "1962-03-14"),
        ("00/00/0000", ""),
        ("0000", ""),
        ("", ""),
    ],
)
def test_a_date_is_kept_as_it_is_written(text: str, expected: str) -> None:
    assert read_date(text, _SHAPES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "14/13/1962",
        "32/01/1962",
        "12/31/1962",
        "14-03-1962",
        "14/03/62",
        "mars 1962",
        "14/03/1962 00:00",
        "١٩٦١",
        "/",
        "22706",
    ],
)
def test_a_date_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        read_date(text, _SHAPES)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_whole_date_means_the_same_day(day: date) -> None:
    assert read_date(f"{day:%d/%m/%Y}", _SHAPES) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("0012", 12), ("0", 0), ("", None), ("2147483647", 2147483647)]
)
def test_an_order_number_is_a_number(text: str, expected: int | None) -> None:
    assert parse_numero(text) == expected


@pytest.mark.parametrize("text", ["12 BIS", "-1", "1.0", "²", "٣", "2147483648"])
def test_an_order_number_that_is_none_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_numero(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "0001"),
        ("0001", "0001"),
        ("00001", "0001"),
        ("12345", "12345"),
        ("0", "0000"),
        ("A1", "A1"),
        ("", ""),
    ],
)
def test_the_code_of_a_bureau_has_four_digits(text: str, expected: str) -> None:
    assert parse_bureau(text) == expected


@pytest.mark.parametrize(
    ("text", "departement", "expected"),
    [
        ("13-16", "13", "16"),
        ("1316", "13", "16"),
        ("13 - 16", "13", "16"),
        ("16", "13", "16"),
        ("1", "13", "01"),
        ("161", "16", "01"),
        ("2A-01", "2A", "01"),
        ("2b01", "2B", "01"),
        ("971-01", "971", "01"),
        ("97101", "971", "01"),
        ("59-16", "13", "59-16"),
        ("16e circonscription", "13", ""),
        ("", "13", ""),
    ],
)
def test_a_circonscription_is_its_number_in_the_departement(
    text: str, departement: str, expected: str
) -> None:
    assert parse_circonscription(text, departement) == expected


@pytest.mark.parametrize(
    ("text", "departement", "expected"),
    [
        ("1301", "13", "1301"),
        ("13-01", "13", "1301"),
        ("1", "13", "1301"),
        ("97101", "971", "97101"),
        ("", "13", ""),
    ],
)
def test_a_canton_begins_with_its_departement(text: str, departement: str, expected: str) -> None:
    assert parse_canton(text, departement) == expected


@pytest.mark.parametrize(
    ("label", "code", "expected"),
    [
        ("Belge", "", "Belge"),
        ("Belge", "PT", "Belge"),
        ("", "PT", "Portugaise"),
        ("", "fr", "Française"),
        ("BE", "", "Belge"),
        ("", "XK", "XK"),
        ("", "", ""),
    ],
)
def test_a_nationality_is_a_label(label: str, code: str, expected: str) -> None:
    assert parse_nationalite(label, code) == expected


COMMUNES = frozenset({"13055", "2A004"})
COLUMNS = match_columns(TITLES, read_reu(), {})


def _parser() -> LineParser:
    return LineParser(COLUMNS, COMMUNES, read_reu())


def _parse(changes: dict[str, str], parser: LineParser | None = None) -> dict[str, object]:
    row = (parser or _parser()).parse(*clean_line(COLUMNS, list((ELECTEUR | changes).values())))
    return dict(zip(FIELDS, row, strict=True))


@pytest.mark.parametrize(
    ("name", "liste"),
    [
        ("Liste principale", "P"),
        ("LISTE COMPLÉMENTAIRE EUROPÉENNE", "CE"),
        ("liste complementaire municipale", "CM"),
        ("LP", "P"),
        ("lce", "CE"),
        ("03", "CM"),
    ],
)
def test_a_list_has_many_names(name: str, liste: str) -> None:
    assert _parse({LISTE: name})["liste"] == liste


def test_what_is_missing_is_left_to_the_pre_check() -> None:
    elector = _parse(dict.fromkeys(TITLES, "") | {COMMUNE: "13055", LISTE: "LP"})
    assert {
        value for field, value in elector.items() if field not in {"code_commune", "liste"}
    } == {"", None, 0}


def test_values_are_cleaned_and_counted() -> None:
    elector = _parse({NOM: "  LANTERNE\u00a0 ", VOIE: "Rue\tde\0 l'E\u0301tang", COMMUNE: "2a004"})
    assert elector["nom_naissance"] == "LANTERNE"
    assert elector["libelle_voie"] == "Rue de l'Étang"
    assert elector["code_commune"] == "2A004"
    assert elector["nettoyages"] == 2


@pytest.mark.parametrize(
    "value",
    [
        "=cmd",
        "+33",
        "@",
        "-1",
        "U.R.S.S.",
        "Sans",
        "0",
        "SW1A 1AA",
        "D’OREILLER",
        "Łukasz",
        'a;b"c',
    ],
)
def test_odd_values_are_kept_as_they_are(value: str) -> None:
    elector = _parse({VOIE: value})
    assert (elector["libelle_voie"], elector["nettoyages"]) == (value, 0)


@given(st.lists(nasty_texts() | st.sampled_from(NASTY), min_size=1, max_size=5))
def test_fields_come_out_clean_and_every_change_is_counted(fields: list[str]) -> None:
    cleaned, count = clean_fields(list(fields))
    assert cleaned == [clean(field) for field in fields]
    assert count == sum(clean(field) != field for field in fields)


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("place", range(3))
def test_one_dirty_field_among_clean_ones_is_found(value: str, place: int) -> None:
    fields = ["Ursule", "Zélie", "Lucie"]
    fields[place] = value
    cleaned, count = clean_fields(list(fields))
    assert (cleaned[place], count) == (clean(value), int(not is_clean(value)))


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({COMMUNE: "99999"}, "code de l'ugle", "commune inconnue : 99999"),
        ({COMMUNE: "LANTERNE"}, "code de l'ugle", "commune inconnue"),
        ({COMMUNE: ""}, "code de l'ugle", "commune inconnue"),
        ({LISTE: "Liste des électeurs"}, LISTE, "liste inconnue"),
        ({DATE: "31/31/1960"}, DATE, "date de naissance illisible"),
        ({NUMERO: "12 BIS"}, NUMERO, "numéro d'ordre illisible"),
        ({NOM: "L" * 301}, NOM, "valeur de plus de 300 caractères"),
        ({NOM: "LANTERN\udce9"}, "", "octets illisibles dans l'encodage du fichier"),
    ],
)
def test_a_line_that_cannot_be_read_is_rejected(
    changes: dict[str, str], column: str, reason: str
) -> None:
    with pytest.raises(LineError) as rejection:
        _parse(changes)
    assert (rejection.value.column, rejection.value.reason) == (column, reason)


def test_a_column_that_is_not_read_may_be_long() -> None:
    columns = match_columns([*TITLES, "remarques"], read_reu(), {})
    assert clean_line(columns, [*VALUES, "x" * 9_000])[1] == 0


@pytest.mark.parametrize(
    ("title", "mapping"),
    [
        ("Lieu", {"splits": [{"titles": ["Lieu"], "shape": "bureau libellé"}]}),
        ("Nom", {"fields": {"complement2": {"parts": [["Nom"], ["Lieu"]]}}}),
    ],
)
def test_a_value_that_is_made_of_others_may_not_be_long(
    title: str, mapping: dict[str, Any]
) -> None:
    profile = read_reu().joined(SourceMapping.model_validate(mapping))
    columns = match_columns(["Nom", "Lieu", *TITLES[:14]], profile, {})
    clean_line(columns, ["N" * 149, f"1 - {'L' * 146}", *VALUES[:14]])
    with pytest.raises(LineError, match="valeur de plus de 300 caractères") as rejection:
        clean_line(columns, ["N" * 149, f"1 - {'L' * 301}", *VALUES[:14]])
    assert rejection.value.column == title


def test_a_constant_may_not_be_long() -> None:
    with pytest.raises(ValidationError, match="at most 300 characters"):
        FieldSource(constant="K" * 301)


def test_short_and_long_lines_are_rejected() -> None:
    for fields in (VALUES[:-1], (*VALUES, "")):
        with pytest.raises(LineError, match=f"{len(fields)} colonnes au lieu de 27"):
            clean_line(COLUMNS, list(fields))
    with pytest.raises(LineError, match="guillemets"):
        clean_line(COLUMNS, Broken.QUOTES)


def test_bureaux_are_remembered_once_and_the_first_value_stands() -> None:
    parser = _parser()
    _parse({BUREAU: "1", CANTON: ""}, parser)
    _parse({BUREAU: "0001", CANTON: "MARSEILLE-1"}, parser)
    _parse({BUREAU: "0001", CANTON: "MARSEILLE-2"}, parser)
    _parse({BUREAU: "", CIRCONSCRIPTION: ""}, parser)
    assert list(parser.bureaux.values()) == [
        DescribedBureau("13055", "0001", "HOTEL DE VILLE", "", "MARSEILLE-1", "16", "")
    ]


def test_an_export_has_not_a_bureau_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_MOST_BUREAUX", 3)
    parser = _parser()
    for number in range(3):
        _parse({BUREAU: f"100{number}"}, parser)
    with pytest.raises(ImportRefusedError, match="plus de 10 000 bureaux de vote"):
        _parse({BUREAU: "2000"}, parser)


def test_a_prefecture_tells_other_things_of_a_bureau() -> None:
    titles = [PREFECTURE.get(title, title) for title in TITLES]
    columns = match_columns(titles, read_reu(), {})
    parser = LineParser(columns, COMMUNES, read_reu())
    values = dict(zip(titles, VALUES, strict=True)) | {
        "identifiant nationalité": "BE",
        "circonscription législative du bureau de vote": "16e circonscription",
        "code canton du bureau de vote": "13-01",
    }
    row = dict(zip(FIELDS, parser.parse(*clean_line(columns, list(values.values()))), strict=True))
    assert row["nationalite"] == "Belge"
    assert list(parser.bureaux.values()) == [
        DescribedBureau(
            "13055", "0001", "HOTEL DE VILLE", "1301", "MARSEILLE-1", "", "16e circonscription"
        )
    ]
