"""Protected electors (L. 37): named by the operator, known in every mouvement, whatever an export says."""

import pytest
from sqlalchemy import text

from schemas.vocabulary import Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import MouvementsDesk, open_desk
from tests.unit.mouvement_csv import lignes, write_mouvements
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.reu_sample import EUROPEENNE, PRENOMS, electeurs
from worker.errors import RefusedError
from worker.registre.protections import Protege, add_protection, select_protections

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]

ZOE = Protege("D'AUBIGNE", "Zoé A", "1962-03-14")


def _protect(desk: MouvementsDesk, *who: str, commune: str = COMMUNE) -> list[Protege]:
    with desk.engine.begin() as connection:
        add_protection(connection, commune, Protege(*who))
        return select_protections(connection, commune)


def _masked(desk: MouvementsDesk, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE) -> list[str]:
    return [it.personne.prenoms for it in desk.mouvements(liste, commune) if it.personne.is_protegee]


@pytest.mark.slow
@pytest.mark.parametrize("nom", ["D'AUBIGNE", "d’Aubigné", "D AUBIGNÉ"])
def test_an_elector_is_protected_however_her_name_is_written(desk: MouvementsDesk, nom: str) -> None:
    desk.load(electeurs(5))
    assert _protect(desk, nom, "ZOE A", "1962-03-14") == [ZOE]
    desk.compare(electeurs(5)[1:], accept_changes=True)
    assert _masked(desk) == ["Zoé A"]


def test_every_list_of_the_commune_and_no_other_commune(desk: MouvementsDesk) -> None:
    everywhere = [*electeurs(5), *electeurs(5, EUROPEENNE), *electeurs(5, {CODE: VOISINE})]
    desk.load(everywhere)
    _protect(desk, *ZOE)
    desk.compare([row for row in everywhere if row[PRENOMS] != "Zoé A"], accept_changes=True)
    assert _masked(desk) == _masked(desk, Liste.COMPLEMENTAIRE_EUROPEENNE) == ["Zoé A"]
    assert len(desk.mouvements(commune=VOISINE)) == 1
    assert _masked(desk, commune=VOISINE) == []


def test_who_is_in_a_mouvement_only_can_be_protected(desk: MouvementsDesk) -> None:
    desk.load_mouvements(write_mouvements(desk.folder / "mouvements.csv", lignes(3)))
    _protect(desk, "Tilleul", "Zoe B", "1962-03-14")
    assert _masked(desk) == ["Zoé B"]


def test_an_elector_of_a_version_that_no_list_shows_is_unknown(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE liste SET version = -1"))
    with pytest.raises(RefusedError, match="personne de ce nom"):
        _protect(desk, *ZOE)
