"""Lines of a CSV file of mouvements: read, or rejected with a reason that names no elector."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.texte import clean
from schemas.profiles.source import read_mouvements
from schemas.vocabulary import Categorie, Nature
from tests.unit.nasty import nasty_texts
from tests.unit.reu_sample import HEADER, LIGNE
from worker.domain.identite import Effet, Etat
from worker.errors import ImportRefusedError
from worker.registre.imports.lines import LineError, clean_line
from worker.registre.mouvements.importer import MouvementParser, match_mouvement_columns

COLUMNS = match_mouvement_columns(HEADER, read_mouvements())
PARSER = MouvementParser(COLUMNS, {"13055"}, read_mouvements())
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


def _parse(changes: Mapping[str, str] | None = None) -> dict[str, Any]:
    line = LIGNE | dict(changes or {})
    return PARSER.parse(*clean_line(COLUMNS, [line.get(title, "") for title in HEADER]))


def test_a_line_becomes_a_row_of_the_table() -> None:
    assert _parse() == {
        "is_dated": True,
        "code_commune": "13055",
        "liste": "P",
        "nature": "inscription",
        "effet": "1erMars",
        "etat": "actif",
        "date_mouvement": date(2026, 10, 2),
        "nom_naissance": "TILLEUL",
        "prenoms": "Zoé",
        "date_naissance": "1962-03-14",
        "categorie": "inscription_volontaire",
        "motif": "Emménagement",
        "date_tableau": date(2027, 1, 10),
        "scrutin": None,
        "ancien_bureau": "",
        "nouveau_bureau": "0001",
        "numero": 0,
        "nom_usage": "",
        "commune_naissance": "ARLES",
        "departement_naissance": "",
        "pays_naissance": "",
        "adresse": "",
        "nationalite": "",
        "is_protegee": False,
    }


@pytest.mark.parametrize(
    ("title", "field", "written", "read"),
    [
        ("liste", "liste", "LCE", "CE"),
        ("nature", "nature", "Inscription", Nature.INSCRIPTION),
        ("effet", "effet", "1er mars", Effet.PREMIER_MARS),
        ("effet", "effet", "Immédiat", Effet.IMMEDIAT),
        ("effet", "effet", "ÉLECTION", Effet.ELECTION),
        ("état", "etat", "Appliqué", Etat.APPLIQUE),
        ("catégorie", "categorie", "Inscription d’office", Categorie.INSCRIPTION_OFFICE),
        ("catégorie", "categorie", "", ""),
        ("numéro", "numero", "12", 12),
        ("protégé", "is_protegee", "Oui", True),
        ("protégé", "is_protegee", "non", False),
        ("scrutin", "scrutin", "2027-04-11", date(2027, 4, 11)),
        ("date de naissance", "date_naissance", "1961", "1961-00-00"),
    ],
)
def test_a_value_is_understood(title: str, field: str, written: str, read: object) -> None:
    assert _parse({title: written})[field] == read


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"commune": "13999"}, "commune", "commune inconnue : 13999"),
        ({"commune": "TILLEUL"}, "commune", "commune inconnue"),
        ({"liste": "X"}, "liste", "liste : valeur inconnue ou illisible"),
        ({"nature": ""}, "nature", "nature : valeur inconnue ou illisible"),
        ({"effet": "demain"}, "effet", "effet : valeur inconnue ou illisible"),
        ({"état": "?"}, "état", "état : valeur inconnue ou illisible"),
        ({"catégorie": "!"}, "catégorie", "catégorie : valeur inconnue ou illisible"),
        ({"catégorie": "TILLEUL"}, "catégorie", "catégorie : valeur inconnue ou illisible"),
        ({"date": ""}, "date", "date : valeur manquante"),
        ({"date": "31/02/2026"}, "date", "date : valeur inconnue ou illisible"),
        ({"scrutin": "avril"}, "scrutin", "scrutin : valeur inconnue ou illisible"),
        ({"nom de naissance": ""}, "nom de naissance", "nom de naissance : valeur manquante"),
        ({"numéro": "douze"}, "numéro", "numéro : valeur inconnue ou illisible"),
        ({"protégé": "peut-être"}, "protégé", "protégé : valeur inconnue ou illisible"),
        ({"protégé": "!"}, "protégé", "protégé : valeur inconnue ou illisible"),
        (
            {"date de tableau": ""},
            "date de tableau",
            "date de tableau manquante pour un effet au 1er mars",
        ),
        ({"ancien bureau": "2"}, "ancien bureau", "une inscription n'a pas d'ancien bureau"),
        ({"nature": "radiation"}, "nouveau bureau", "une radiation n'a pas de nouveau bureau"),
    ],
)
def test_a_line_is_rejected_with_its_column_and_its_reason(
    changes: dict[str, str], column: str, reason: str
) -> None:
    with pytest.raises(LineError) as rejection:
        _parse(changes)
    assert (rejection.value.column, rejection.value.reason) == (column, reason)


def test_without_a_date_de_tableau_the_day_of_the_mouvement_stands() -> None:
    assert _parse({"effet": "Immediat", "date de tableau": ""})["date_tableau"] == date(2026, 10, 2)


@given(
    nature=st.sampled_from(Nature),
    effet=st.sampled_from(Effet),
    etat=st.sampled_from(Etat),
    categorie=st.sampled_from(Categorie),
    days=st.lists(DAYS, min_size=3, max_size=3),
    numero=st.integers(0, 2**31 - 1),
    texts=st.lists(nasty_texts(), min_size=2, max_size=2),
)
def test_what_is_written_is_what_is_read(
    *,
    nature: Nature,
    effet: Effet,
    etat: Etat,
    categorie: Categorie,
    days: list[date],
    numero: int,
    texts: list[str],
) -> None:
    words = {
        "nature": nature,
        "effet": effet,
        "état": etat,
        "catégorie": categorie,
        "numéro": str(numero),
    }
    dates = dict(
        zip(("date", "date de tableau", "scrutin"), map(date.isoformat, days), strict=True)
    )
    bureaux = {"ancien bureau": "" if nature is Nature.INSCRIPTION else "0001"}
    bureaux |= {"nouveau bureau": "" if nature is Nature.RADIATION else "0002"}
    row = _parse(words | dates | bureaux | {"motif": texts[0], "adresse": texts[1]})
    assert (row["nature"], row["effet"], row["etat"], row["categorie"]) == (
        nature,
        effet,
        etat,
        categorie,
    )
    assert [row["date_mouvement"], row["date_tableau"], row["scrutin"]] == days
    assert (row["numero"], row["ancien_bureau"]) == (numero, bureaux["ancien bureau"])
    assert [row["motif"], row["adresse"]] == [clean(text) for text in texts]


def test_columns_are_found_in_any_order_under_any_case() -> None:
    columns = match_mouvement_columns(
        [title.upper() for title in reversed(HEADER)] + ["Dossier"], read_mouvements()
    )
    assert columns.at("code_commune") == len(HEADER) - 1
    assert columns.notes == ("colonnes inconnues, ignorées : Dossier",)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER[1:], "Colonnes manquantes : commune"),
        ([*HEADER, "Commune"], "plusieurs fois : commune"),
        ([], "ce n'est pas un fichier de mouvements"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: list[str], message: str) -> None:
    with pytest.raises(ImportRefusedError, match=message):
        match_mouvement_columns(header, read_mouvements())
