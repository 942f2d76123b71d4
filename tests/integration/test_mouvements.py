"""The tables of mouvements, polls and meetings: their migration, what a service may write, what a tableau reads."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import IntegrityError

from schemas.vocabulary import Categorie, Liste, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import JOUR, MouvementsDesk, open_desk
from tests.unit.mouvement_csv import lignes, write_mouvements
from tests.unit.mouvements_samples import MOUVEMENT, RADIATION, Mouvements, demande
from tests.unit.reu_sample import BUREAU, DATE, PRENOMS, electeurs
from worker.domain.identite import identite
from worker.domain.tableau.composition import BureauElecteurs
from worker.domain.tableau.controles import check_tableau
from worker.errors import ExportError, RefusedError
from worker.registre import models, scrutins
from worker.registre.mouvements.queries import identity_keys, select_bureaux, select_mouvements
from worker.registre.scrutins import KnownScrutin, Reunion
from worker.writers.columns import ListeSpec, of_age

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]

INSERT = """
INSERT INTO mouvement (code_commune, liste, nature, effet, etat, date_tableau, date_mouvement, nom_naissance)
VALUES (:commune, :liste, :nature, :effet, :etat, :date_tableau, :date_mouvement, :nom)
"""
VALUES: dict[str, Any] = {
    "commune": COMMUNE,
    "liste": "P",
    "nature": "inscription",
    "effet": "Immediat",
    "etat": "applique",
    "date_tableau": "2026-11-25",
    "date_mouvement": "2026-11-25",
    "nom": "TILLEUL",
}


@pytest.fixture
def engine(desk: MouvementsDesk) -> Engine:
    return desk.engine


def _insert(engine: Engine, **changes: object) -> None:
    values = VALUES | changes
    days = {name: date.fromisoformat(values[name]) for name in ("date_tableau", "date_mouvement")}
    if engine.dialect.name == "sqlite":
        days = {name: str(day) for name, day in days.items()}  # type: ignore[misc]
    with engine.begin() as connection:
        connection.execute(text(INSERT), values | days)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"nature": "naissance"}, {"effet": "demain"}, {"etat": ""}])
def test_a_service_cannot_write_a_word_that_no_mouvement_has(engine: Engine, changes: dict[str, str]) -> None:
    with pytest.raises(IntegrityError):
        _insert(engine, **changes)


def test_a_service_writes_what_it_knows_and_no_more(desk: MouvementsDesk) -> None:
    _insert(desk.engine, nom=" TILLEUL\u00a0")
    [mouvement] = desk.mouvements()
    assert mouvement.personne.nom_naissance == "TILLEUL", "values need not be clean"
    assert (mouvement.numero, mouvement.motif, mouvement.scrutin, mouvement.ancien_bureau) == (0, "", None, "")
    assert (mouvement.date_tableau, mouvement.personne.is_protegee) == (JOUR, False)


def test_a_category_that_nobody_said_is_not_guessed(desk: MouvementsDesk) -> None:
    for nature in Nature:
        _insert(desk.engine, nature=nature.value)
    assert [it.categorie for it in desk.mouvements()] == [Categorie.NON_PRECISEE] * 3
    assert [it.categorie.label for it in desk.mouvements()] == [""] * 3


def test_a_category_that_does_not_exist_is_told_without_naming_anybody(desk: MouvementsDesk) -> None:
    _insert(desk.engine)
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET categorie = 'inconnue'"))
    with pytest.raises(ExportError, match="mouvement n° 1 : valeur inconnue dans le registre"):
        desk.mouvements()


def test_mouvements_of_one_list_only_are_read_in_order(desk: MouvementsDesk) -> None:
    for number, liste, commune in ((1, "P", COMMUNE), (2, "CE", COMMUNE), (3, "P", VOISINE), (4, "P", COMMUNE)):
        _insert(desk.engine, liste=liste, commune=commune, nom=f"N{number}")
    assert [it.personne.nom_naissance for it in desk.mouvements()] == ["N1", "N4"]
    assert [it.personne.nom_naissance for it in desk.mouvements(Liste.COMPLEMENTAIRE_EUROPEENNE)] == ["N2"]


def test_a_mouvement_comes_back_as_it_was_written(desk: MouvementsDesk) -> None:
    path = write_mouvements(
        desk.folder / "mouvements.csv",
        [
            {
                "commune": COMMUNE,
                "liste": "P",
                "nature": "radiation",
                "effet": "1erMars",
                "état": "actif",
                "catégorie": "Décès",
                "motif": "Décès",
                "date de tableau": "10/01/2014",
                "date": "02/10/2013",
                "ancien bureau": "0001",
                "nom de naissance": "DURAND",
                "prénoms": "Jeanne Marie",
                "date de naissance": "14/03/1962",
                "commune de naissance": "MARSEILLE",
                "département de naissance": "13",
                "pays de naissance": "FRANCE",
                "adresse": "3 RUE DES ABEILLES 13900 LIBREVILLE",
                "nationalité": "Française",
            }
        ],
    )
    desk.load_mouvements(path)
    assert desk.mouvements() == [replace(RADIATION, id=1)]
    assert RADIATION.personne == MOUVEMENT.personne


def test_bureaux_come_with_their_electors(desk: MouvementsDesk) -> None:
    desk.load([*electeurs(3), *electeurs(2, {BUREAU: "2"}), *electeurs(1, {BUREAU: ""})])
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO bureau (code_commune, code, libelle) VALUES ('13055', '0003', 'ECOLE')")
    with desk.engine.connect() as connection:
        assert select_bureaux(connection, COMMUNE, Liste.PRINCIPALE, 1, (JOUR, JOUR)) == [
            BureauElecteurs("", "", 1),
            BureauElecteurs("0001", "HOTEL DE VILLE", 3),
            BureauElecteurs("0002", "HOTEL DE VILLE", 2),
            BureauElecteurs("0003", "ECOLE", 0),
        ]


BIRTHS = ("26/11/2008", "25/11/2008", "24/11/2008", "00/00/2008", "00/12/2008", "", "01/01/2027", "31/02/1960")


def test_minors_are_counted_nowhere(desk: MouvementsDesk) -> None:
    rows = [electeurs(1, {DATE: born, PRENOMS: born})[0] for born in BIRTHS]
    desk.load(rows)
    spec = ListeSpec(COMMUNE, "", "13", Liste.PRINCIPALE, 1, "", "", JOUR)
    with desk.engine.connect() as connection:
        (bureau,) = select_bureaux(connection, COMMUNE, Liste.PRINCIPALE, 1, (JOUR, JOUR))
        (older,) = select_bureaux(connection, COMMUNE, Liste.PRINCIPALE, 1, (date(2027, 1, 1), JOUR))
        in_the_file = connection.scalar(select(func.count(models.Electeur.id)).where(of_age(spec)))
    assert (bureau.electeurs, in_the_file) == (len(BIRTHS) - 2, len(BIRTHS) - 2)
    assert older.electeurs == len(BIRTHS)


def test_electors_of_waiting_mouvements_are_looked_for_on_the_list(desk: MouvementsDesk) -> None:
    desk.load(electeurs(3))
    waiting = lignes(
        3, **{"nom de naissance": "d’Aubigné", "commune de naissance": "Marseille", "date de tableau": "10/01/2018"}
    )
    waiting[2] |= {"date de naissance": "15/03/1962"}
    desk.load_mouvements(write_mouvements(desk.folder / "mouvements.csv", waiting))
    with desk.engine.connect() as connection:
        keys = identity_keys(connection, COMMUNE, Liste.PRINCIPALE, 1)
        source = Mouvements(select_mouvements(connection, COMMUNE, Liste.PRINCIPALE))
    assert keys == {identite("D'AUBIGNE", f"ZOE {letter}", "1962-03-14", "MARSEILLE", "") for letter in "AB"}
    codes = [it.code for it in check_tableau(demande(date_tableau=date(2018, 1, 10)), source, keys, ["0001"])]
    assert codes == ["deja_inscrit", "deja_inscrit"]


def test_applied_mouvements_are_not_looked_for(desk: MouvementsDesk) -> None:
    desk.load(electeurs(3))
    desk.compare(electeurs(4))
    with desk.engine.connect() as connection:
        assert identity_keys(connection, COMMUNE, Liste.PRINCIPALE, 2) == set()


def _add_scrutin(connection: Connection, code: str, day: date, libelle: str = "", cloture: date | None = None) -> None:
    scrutins.set_scrutin(connection, KnownScrutin(code, day, libelle, cloture))


def test_a_commune_has_its_polls_and_the_national_ones(engine: Engine) -> None:
    avril, mai, juin = date(2027, 4, 11), date(2027, 5, 9), date(2027, 6, 13)
    with engine.begin() as connection:
        scrutins.remove_scrutin(connection, "", date(2026, 3, 15))  # that of a decree
        _add_scrutin(connection, "", mai, "Législatives")
        _add_scrutin(connection, COMMUNE, avril, "Municipale partielle", date(2027, 3, 5))
        _add_scrutin(connection, VOISINE, juin)
        _add_scrutin(connection, "", mai, "Élections législatives")
        assert scrutins.select_scrutins(connection, COMMUNE) == [
            KnownScrutin(COMMUNE, avril, "Municipale partielle", date(2027, 3, 5)),
            KnownScrutin("", mai, "Élections législatives", None),
        ]
        scrutins.remove_scrutin(connection, COMMUNE, avril)
        assert [it.date for it in scrutins.select_scrutins(connection)] == [mai]
        with pytest.raises(RefusedError, match="aucun scrutin"):
            scrutins.remove_scrutin(connection, COMMUNE, avril)


@pytest.mark.parametrize(
    ("code", "day", "cloture", "reason"),
    [
        (COMMUNE, date(2027, 4, 10), None, "ce n'est pas un dimanche"),
        ("", date(2027, 4, 12), None, "ce n'est pas un dimanche"),
        ("97999", date(2027, 4, 11), None, "commune inconnue : 97999"),
        (COMMUNE, date(2027, 4, 11), date(2027, 4, 11), "la clôture de la liste précède"),
    ],
)
def test_a_poll_that_cannot_be_is_refused(
    engine: Engine, code: str, day: date, cloture: date | None, reason: str
) -> None:
    with engine.begin() as connection, pytest.raises(RefusedError, match=reason):
        _add_scrutin(connection, code, day, cloture=cloture)


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ({"publication_due": date(2027, 3, 27)}, "demandent le texte"),
        ({"has_commission": False}, "demandent le texte"),
        ({"publication_due": date(2027, 4, 11), "texte": "décret"}, "la publication du tableau précède le scrutin"),
    ],
)
def test_unusual_days_come_with_their_text(engine: Engine, days: dict[str, Any], reason: str) -> None:
    poll = KnownScrutin(COMMUNE, date(2027, 4, 11), "Législatives", None)
    with engine.begin() as connection, pytest.raises(RefusedError, match=reason):
        scrutins.set_scrutin(connection, poll._replace(**days))


def test_the_calendar_of_a_list_knows_the_days_of_a_decree_and_vain_meetings(engine: Engine) -> None:
    poll, decreed, vain, annual = date(2027, 4, 11), date(2027, 6, 13), date(2027, 3, 19), date(2026, 12, 15)
    with engine.begin() as connection:
        scrutins.remove_scrutin(connection, "", date(2026, 3, 15))  # that of a decree
        _add_scrutin(connection, COMMUNE, poll, "Municipale partielle")
        of_decree = KnownScrutin("", decreed, "Législatives", None, date(2027, 5, 29), texte="décret n° 1")
        of_decree = of_decree._replace(has_commission=False)
        scrutins.set_scrutin(connection, of_decree)
        assert scrutins.select_scrutins(connection) == [of_decree]
        for day in (vain, annual):
            scrutins.add_reunion(connection, COMMUNE, Reunion("", day))
            scrutins.add_reunion(connection, COMMUNE, Reunion("", day, has_deliberated=False))
        known = scrutins.read_calendrier(connection, COMMUNE, Liste.PRINCIPALE)
    assert known.reunions == (annual, date(2027, 3, 22)), "before a poll the tableau stops on the twentieth day"
    assert (known.meeting_before(poll), known.publication_before(poll)) == (None, date(2027, 3, 22))
    assert (known.meeting_before(decreed), known.publication_before(decreed)) == (None, date(2027, 5, 29))
    assert known.without_commission == {decreed}


def test_the_meetings_of_a_commission_are_noted_once(engine: Engine) -> None:
    march, april = date(2027, 3, 19), date(2027, 4, 16)
    with engine.begin() as connection:
        for _ in range(2):
            scrutins.add_reunion(connection, COMMUNE, Reunion("", april))
            scrutins.add_reunion(connection, COMMUNE, Reunion("CE", march))
        assert scrutins.select_reunions(connection, COMMUNE) == [Reunion("CE", march), Reunion("", april)]
        assert scrutins.select_reunions(connection, COMMUNE, Liste.PRINCIPALE) == [Reunion("", april)]
        scrutins.remove_reunion(connection, COMMUNE, Reunion("", april))
        with pytest.raises(RefusedError, match="aucune réunion"):
            scrutins.remove_reunion(connection, COMMUNE, Reunion("", april))
        with pytest.raises(RefusedError, match="commune inconnue"):
            scrutins.add_reunion(connection, "97999", Reunion("", april))
