"""The header of a REU export: every known spelling, and the message about a file of another kind."""

import pytest

from tests.unit.reu_sample import PREFECTURE, TITLES
from worker.errors import ImportRefusedError
from worker.registre.imports.lines import fold_title
from worker.registre.reu.lines import NATIONALITE, OPTIONAL, REQUIRED, match_columns, read_name


def test_the_platforms_own_header_has_every_column() -> None:
    columns = match_columns(TITLES)
    assert len(columns.positions) == columns.width == 27
    assert columns.notes == ()


def test_the_header_of_a_prefecture_is_understood() -> None:
    columns = match_columns([PREFECTURE.get(title, title) for title in TITLES])
    assert columns.at("code_nationalite") == TITLES.index("libellé nationalité")
    assert columns.at("nationalite") == columns.width
    assert columns.at("code_canton") == 25
    assert columns.at("libelle_canton") == 24
    assert columns.notes == (
        "colonnes facultatives absentes : libellé circonscription métropolitaine du bureau de vote",
    )


@pytest.mark.parametrize(
    "title", ["code du l'ugle", "code de l'ugle", "CODE DE L’UGLE", "  Code  du l'UGLE ", "code_du_l_ugle", "code ugle"]
)
def test_accents_case_and_little_words_do_not_matter(title: str) -> None:
    assert match_columns([title, *TITLES[1:]]).at("code_commune") == 0


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
def test_a_name_says_a_commune_and_a_list_where_it_says_one_only(name: str, said: dict[str, str]) -> None:
    assert read_name(name) == said


def test_no_two_columns_are_told_apart_by_little_words_only() -> None:
    titles = [title for names in (REQUIRED | NATIONALITE | OPTIONAL).values() for title in names]
    assert len({fold_title(title) for title in titles}) == len(titles)


def test_missing_columns_are_named() -> None:
    with pytest.raises(ImportRefusedError) as refusal:
        match_columns([title for title in TITLES if title not in {"sexe", "prénoms", "libellé nationalité"}])
    assert str(refusal.value).endswith("Colonnes manquantes : prénoms, sexe, libellé nationalité")


def test_columns_that_stand_twice_are_named() -> None:
    with pytest.raises(ImportRefusedError, match="plusieurs fois : code postal"):
        match_columns([*TITLES, "Code Postal"])
