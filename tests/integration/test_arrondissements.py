"""An export of an arrondissement replaces only its electors: the other electors of the commune's list stay."""

from datetime import date
from pathlib import Path

import pytest

from schemas.tableaux import TypeTableau
from schemas.vocabulary import ImportQuestion, Liste, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.unit.reu_sample import BUREAU, DATE, NOM, electeurs
from tests.unit.reu_sample import COMMUNE as CODE
from worker.errors import ImportRefusedError
from worker.registre.imports.chain import read_chain
from worker.registre.imports.history import read_basis, undo_import
from worker.registre.reference import arrondissements_of
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

P = (COMMUNE, "P")
FIRST, SECOND, THIRD = date(2026, 9, 10), date(2026, 10, 10), date(2026, 11, 10)
_NAMES = {"13201": "TILLEUL", "13202": "SUREAU"}

Rows = list[dict[str, str]]


def _of(arrondissement: str, count: int = 30) -> Rows:
    return electeurs(count, {CODE: arrondissement, NOM: _NAMES[arrondissement], BUREAU: arrondissement[-3:]})


def _links(desk: MouvementsDesk) -> list[tuple[date, bool, int | None]]:
    with desk.engine.connect() as connection:
        links = read_chain(connection, COMMUNE, Liste.PRINCIPALE).links
    return [(it.taken_on, it.is_compared, it.electeurs) for it in links]


def test_the_next_export_of_one_arrondissement_leaves_the_other(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    summary = desk.load(_of("13201", 31), intake=Intake(SECOND))
    assert (desk.counts(), summary.questions) == ({P: 61}, ())
    assert "30 électeurs de 13202 restent sur la liste P, sans changement" in summary.notes
    assert desk.natures() == {Nature.INSCRIPTION: 1}
    assert desk.rows("SELECT arrondissement, count(*) FROM electeur NATURAL JOIN liste GROUP BY 1 ORDER BY 1") == [
        ("13201", 31),
        ("13202", 30),
    ]
    undo_import(desk.engine)
    assert desk.counts() == {P: 60}


@pytest.mark.slow
def test_a_tableau_names_the_export_of_one_arrondissement_on_which_it_rests(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    desk.load(_of("13201", 31), intake=Intake(SECOND))
    asked = {"commune": COMMUNE, "reunion": FIRST.isoformat(), "until": THIRD.isoformat()}
    made = TableauDesk(desk.engine, tmp_path).make(TypeTableau.VINGT_JOURS, **asked)
    assert "du 10/09/2026 (60 personnes) et du 10/10/2026 (61 personnes), mineurs compris" in made.text
    (said,) = [line[-2] for line in made.anomalies if line[-1] == "couverture_fin"]
    assert "Les derniers exports des arrondissements sont de jours différents" in said


@pytest.mark.slow
def test_a_tableau_says_that_an_arrondissement_came_into_the_list(desk: MouvementsDesk, tmp_path: Path) -> None:
    desk.load(_of("13201"), intake=Intake(FIRST))
    desk.load(_of("13202"), intake=Intake(date(2026, 9, 11)))
    for arrondissement in _NAMES:
        desk.load(_of(arrondissement), intake=Intake(SECOND), accept_changes=True)
    asked = {"commune": COMMUNE, "reunion": "2026-09-16", "until": SECOND.isoformat()}
    made = TableauDesk(desk.engine, tmp_path).make(TypeTableau.VINGT_JOURS, **asked)
    (said,) = [line[-2] for line in made.anomalies if line[-1] == "couverture_lacune"]
    assert said.startswith(
        "Un arrondissement est entré dans la liste après l'export du 10/09/2026, et celui du 10/10/2026 est le premier "
    )


@pytest.mark.slow
def test_the_list_is_known_as_of_a_day_of_which_are_all_its_exports(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    desk.load(_of("13201", 31), intake=Intake(SECOND))
    desk.load(_of("13202", 29), intake=Intake(SECOND))
    assert _links(desk) == [(FIRST, False, 60), (SECOND, True, 60)], "between the two no day has a whole list"
    with desk.engine.connect() as connection:
        basis = [read_basis(connection, COMMUNE, "P", version) for version in (1, 2, 3)]
    assert [(it.imports, it.taken_on, it.electeurs) for it in basis if it] == [
        ({1}, FIRST, 60),
        ({1, 2}, FIRST, 61),
        ({2, 3}, SECOND, 60),
    ]


@pytest.mark.slow
def test_an_arrondissement_never_replaces_the_list_of_the_whole_commune(desk: MouvementsDesk) -> None:
    desk.load(electeurs(60), intake=Intake(FIRST))
    with pytest.raises(ImportRefusedError, match="cet export est celui de 13201, une partie de la commune 13055"):
        desk.load(_of("13201"), intake=Intake(SECOND), accept_changes=True)
    assert desk.counts() == {P: 60}
    codes = sorted(arrondissements_of(COMMUNE))
    everywhere = [row | {CODE: codes[index % 16]} for index, row in enumerate(electeurs(61))]
    assert not desk.load(everywhere, intake=Intake(SECOND)).questions, "all the arrondissements are the commune"
    assert _links(desk) == [(FIRST, False, 60), (SECOND, True, 61)]


@pytest.mark.slow
def test_an_arrondissement_that_is_cut_is_judged_by_itself(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201", 20), *_of("13202", 300)], intake=Intake(FIRST))
    with pytest.raises(ImportRefusedError, match="La liste principale de 13201 perdrait 6 électeurs connus sur 20"):
        desk.load(_of("13201", 14), intake=Intake(SECOND))
    others = [row | {NOM: "FRENE", DATE: "02/02/1970"} for row in _of("13201", 20)]
    summary = desk.load(others, intake=Intake(SECOND), accept_changes=True)
    assert [it.kind for it in summary.questions] == [ImportQuestion.OTHER_POPULATION]
    assert desk.counts() == {P: 320}
