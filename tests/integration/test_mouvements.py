"""The tables of mouvements, polls and meetings: their migration, what a service may write, what a tableau reads."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import IntegrityError

from schemas.vocabulary import Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import JOUR, MouvementsDesk, open_desk
from tests.unit.reu_sample import DATE, PRENOMS, electeurs
from worker.registre import models, scrutins
from worker.registre.mouvements.queries import select_bureaux
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


def _add_scrutin(connection: Connection, code: str, day: date, libelle: str = "", cloture: date | None = None) -> None:
    scrutins.set_scrutin(connection, KnownScrutin(code, day, libelle, cloture))


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
