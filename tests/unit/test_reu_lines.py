"""Lines of a REU export as electors: kept unchanged, or rejected with a reason that quotes no elector."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.texte import clean, is_clean
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
from worker.registre.communes import DescribedBureau
from worker.registre.imports.lines import LineError, clean_fields, clean_line
from worker.registre.imports.sources import Broken
from worker.registre.reu.lines import FIELDS, LineParser, match_columns

COMMUNES = frozenset({"13055", "2A004"})
COLUMNS = match_columns(TITLES)


def _parser() -> LineParser:
    return LineParser(COLUMNS, COMMUNES)


def _parse(changes: dict[str, str], parser: LineParser | None = None) -> dict[str, object]:
    row = (parser or _parser()).parse(*clean_line(COLUMNS, list((ELECTEUR | changes).values())))
    return dict(zip(FIELDS, row, strict=True))


def test_a_line_becomes_an_elector() -> None:
    assert _parse({}) == {
        "arrondissement": "",
        "code_commune": "13055",
        "liste": "P",
        "code_bureau": "0001",
        "numero_ordre": 1,
        "sexe": "F",
        "nom_naissance": "D'AUBIGNE",
        "nom_usage": "",
        "prenoms": "Apolline Capucine",
        "date_naissance": "1962-03-14",
        "code_commune_naissance": "13055",
        "commune_naissance": "MARSEILLE",
        "departement_naissance": "13",
        "pays_naissance": "FRANCE",
        "nationalite": "Française",
        "numero_voie": "12 BIS",
        "libelle_voie": "Rue de l'Hôtel de Ville",
        "complement1": "",
        "complement2": "",
        "lieu_dit": "",
        "code_postal": "13001",
        "ville": "MARSEILLE",
        "pays": "FRANCE",
        "nettoyages": 0,
    }


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
    assert {value for field, value in elector.items() if field not in {"code_commune", "liste"}} == {"", None, 0}


def test_values_are_cleaned_and_counted() -> None:
    elector = _parse({NOM: "  LANTERNE\u00a0 ", VOIE: "Rue\tde\0 l'E\u0301tang", COMMUNE: "2a004"})
    assert elector["nom_naissance"] == "LANTERNE"
    assert elector["libelle_voie"] == "Rue de l'Étang"
    assert elector["code_commune"] == "2A004"
    assert elector["nettoyages"] == 2


@pytest.mark.parametrize(
    "value", ["=cmd", "+33", "@", "-1", "U.R.S.S.", "Sans", "0", "SW1A 1AA", "D’OREILLER", "Łukasz", 'a;b"c']
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
        ({NOM: "LANTERN\udce9"}, "", "octets illisibles dans l'encodage du fichier"),
    ],
)
def test_a_line_that_cannot_be_read_is_rejected(changes: dict[str, str], column: str, reason: str) -> None:
    with pytest.raises(LineError) as rejection:
        _parse(changes)
    assert (rejection.value.column, rejection.value.reason) == (column, reason)


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
        DescribedBureau("13055", "0001", "HOTEL DE VILLE", "", "MARSEILLE-1", "16", ""),
    ]


def test_a_prefecture_tells_other_things_of_a_bureau() -> None:
    titles = [PREFECTURE.get(title, title) for title in TITLES]
    columns = match_columns(titles)
    parser = LineParser(columns, COMMUNES)
    values = dict(zip(titles, VALUES, strict=True)) | {
        "identifiant nationalité": "BE",
        "circonscription législative du bureau de vote": "16e circonscription",
        "code canton du bureau de vote": "13-01",
    }
    row = dict(zip(FIELDS, parser.parse(*clean_line(columns, list(values.values()))), strict=True))
    assert row["nationalite"] == "Belge"
    assert list(parser.bureaux.values()) == [
        DescribedBureau("13055", "0001", "HOTEL DE VILLE", "1301", "MARSEILLE-1", "", "16e circonscription"),
    ]
