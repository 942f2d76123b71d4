"""The tables of mouvements, polls and meetings: their migration, the rights of a service, the queries of a tableau."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row, func, select, text
from sqlalchemy.exc import IntegrityError

from common.calendrier import CalendarReunion, CalendarScrutin, now
from schemas.declarations import CompletedMotif
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature
from tests.integration.import_desk import COMMUNE, JOUR, TWO_COMMUNES, VOISINE, MouvementsDesk
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    EUROPEENNE,
    PRENOMS,
    electeurs,
    lignes,
    write_mouvements,
)
from tests.unit.reu_sample import COMMUNE as CODE
from worker.domain.tableau.demande import Demande, dates_of
from worker.errors import ImportRefusedError, RefusedError
from worker.registre import models, scrutins
from worker.registre.imports.chain import set_taken_on
from worker.registre.mouvements.queries import list_incomplete, note_motifs, select_bureaux
from worker.registre.protections import Protege, add_protection, select_protections
from worker.registre.reu.importer import Intake
from worker.writers.columns import OF_AGE, ListeSpec

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

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


def _insert(engine: Engine, **changes: object) -> None:
    values = VALUES | changes
    days = {name: date.fromisoformat(values[name]) for name in ("date_tableau", "date_mouvement")}
    if engine.dialect.name == "sqlite":
        days = {name: str(day) for name, day in days.items()}  # type: ignore[misc]
    with engine.begin() as connection:
        connection.execute(text(INSERT), values | days)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"nature": "naissance"}, {"effet": "demain"}, {"etat": ""}])
def test_a_service_cannot_write_a_word_that_no_mouvement_has(
    desk: MouvementsDesk, changes: dict[str, str]
) -> None:
    with pytest.raises(IntegrityError):
        _insert(desk.engine, **changes)


def test_a_service_writes_what_it_knows_and_no_more(desk: MouvementsDesk) -> None:
    _insert(desk.engine, nom=" TILLEUL\u00a0")
    [mouvement] = desk.mouvements()
    assert mouvement.personne.nom_naissance == "TILLEUL", "values need not be clean"
    assert (mouvement.numero, mouvement.motif, mouvement.scrutin, mouvement.ancien_bureau) == (
        0,
        "",
        None,
        "",
    )
    assert (mouvement.date_tableau, mouvement.personne.is_protegee) == (JOUR, False)


BIRTHS = (
    "26/11/2008",
    "25/11/2008",
    "24/11/2008",
    "00/00/2008",
    "00/12/2008",
    "",
    "01/01/2027",
    "31/02/1960",
)


def test_minors_are_counted_nowhere(desk: MouvementsDesk) -> None:
    rows = [electeurs(1, {DATE: born, PRENOMS: born})[0] for born in BIRTHS]
    desk.load(rows)
    spec = ListeSpec(COMMUNE, "", "13", Liste.PRINCIPALE, 1, "", "", JOUR)
    with desk.engine.connect() as connection:
        (bureau,) = select_bureaux(connection, COMMUNE, Liste.PRINCIPALE, 1, (JOUR, JOUR))
        (older,) = select_bureaux(
            connection, COMMUNE, Liste.PRINCIPALE, 1, (date(2027, 1, 1), JOUR)
        )
        in_the_file = connection.scalar(
            select(func.count(models.Electeur.id)).where(OF_AGE), spec.parameters
        )
    assert (bureau.electeurs, in_the_file) == (len(BIRTHS) - 2, len(BIRTHS) - 2)
    assert older.electeurs == len(BIRTHS)


def test_the_calendar_of_a_list_knows_the_days_of_a_decree_and_vain_meetings(
    desk: MouvementsDesk,
) -> None:
    poll, decreed, vain, annual = (
        date(2027, 4, 11),
        date(2027, 6, 13),
        date(2027, 3, 19),
        date(2026, 12, 15),
    )
    with desk.engine.begin() as connection:
        scrutins.remove_scrutin(connection, "", date(2026, 3, 15))  # that of a decree
        scrutins.set_scrutin(
            connection, CalendarScrutin(poll, "Municipale partielle", code_commune=COMMUNE)
        )
        of_decree = CalendarScrutin(
            decreed, "Législatives", None, date(2027, 5, 29), texte="décret n° 1"
        )
        of_decree = replace(of_decree, has_commission=False)
        scrutins.set_scrutin(connection, of_decree)
        assert scrutins.select_scrutins(connection) == [of_decree]
        for day in (vain, annual):
            scrutins.add_reunion(connection, COMMUNE, CalendarReunion(day))
            scrutins.add_reunion(connection, COMMUNE, CalendarReunion(day, has_deliberated=False))
        known = scrutins.read_calendrier(connection, COMMUNE, Liste.PRINCIPALE)
    assert known.reunions == (annual, date(2027, 3, 22)), (
        "before a poll the tableau stops on the twentieth day"
    )
    assert (known.meeting_before(poll), known.publication_before(poll)) == (None, date(2027, 3, 22))
    assert (known.meeting_before(decreed), known.publication_before(decreed)) == (
        None,
        date(2027, 5, 29),
    )
    assert not known.poll(decreed).has_commission


def test_the_tableaux_of_a_poll_are_counted_from_the_days_of_its_text(desk: MouvementsDesk) -> None:
    poll, held, fifth = date(2027, 4, 11), date(2027, 3, 28), date(2027, 4, 8)
    of_decree = CalendarScrutin(
        poll,
        "Municipale partielle",
        None,
        date(2027, 3, 30),
        texte="décret n° 1",
        code_commune=COMMUNE,
    )
    days: dict[str, Any] = {
        "reunion_first": date(2027, 3, 26),
        "reunion_last": held,
        "cinq_jours_due": fifth,
    }
    with desk.engine.begin() as connection:
        for wrong in ({"texte": ""}, {"cinq_jours_due": poll}, {"publication_due": held}):
            with pytest.raises(RefusedError):
                scrutins.set_scrutin(connection, replace(of_decree, **(days | wrong)))
        with pytest.raises(RefusedError, match="le texte qui les fixe"):
            scrutins.set_scrutin(connection, CalendarScrutin(poll, "Régionales", date(2027, 3, 12)))
        scrutins.set_scrutin(connection, replace(of_decree, **days))
        scrutins.add_reunion(connection, COMMUNE, CalendarReunion(held))
        known = scrutins.read_calendrier(connection, COMMUNE, Liste.PRINCIPALE)
    both = [TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU]
    asked = TableauxRenderRequested.model_construct(
        commune=COMMUNE, requested_by="test", scrutin=poll, types=both
    )
    twentieth = dates_of(asked, TypeTableau.VINGT_JOURS, known)
    assert (twentieth["until"], twentieth["meetings_from"]) == (held, {poll: date(2027, 3, 26)})
    second = dates_of(asked, TypeTableau.CINQ_JOURS_REU, known)
    demande = Demande(type=TypeTableau.CINQ_JOURS_REU, requested_at=now(), **second)
    assert (demande.reunion, demande.last_day, demande.final_on) == (
        held,
        fifth - timedelta(days=1),
        fifth,
    )


def _write(desk: MouvementsDesk, rows: list[dict[str, str]], name: str = "mouvements.csv") -> Path:
    return write_mouvements(desk.folder / name, rows)


def test_a_file_that_holds_known_mouvements_is_told_so(desk: MouvementsDesk) -> None:
    desk.load_mouvements(_write(desk, lignes(3)))
    with pytest.raises(
        ImportRefusedError, match=r"3 lignes rejetées sur 4 : mouvement déjà dans le registre \(3\)"
    ):
        desk.load_mouvements(_write(desk, lignes(4)))
    assert len(desk.mouvements()) == 3
    summary = desk.load_mouvements(_write(desk, lignes(4)), accept_rejects=True)
    assert (summary.lines_kept, summary.lines_rejected) == (1, 3)
    assert [it.personne.prenoms for it in desk.mouvements()] == ["Zoé A", "Zoé B", "Zoé C", "Zoé D"]


ZOE = Protege("D'AUBIGNE", "Zoé A", "1962-03-14")


def _protect(desk: MouvementsDesk, *who: str, commune: str = COMMUNE) -> list[Protege]:
    with desk.engine.begin() as connection:
        add_protection(connection, commune, Protege(*who))
        return select_protections(connection, commune)


def _masked(
    desk: MouvementsDesk, liste: Liste = Liste.PRINCIPALE, commune: str = COMMUNE
) -> list[str]:
    return [
        it.personne.prenoms for it in desk.mouvements(liste, commune) if it.personne.is_protegee
    ]


@pytest.mark.slow
@pytest.mark.parametrize("nom", ["D'AUBIGNE", "d’Aubigné", "D AUBIGNÉ"])
def test_an_elector_is_protected_however_her_name_is_written(
    desk: MouvementsDesk, nom: str
) -> None:
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


FIRST = date(2026, 9, 10)
"""The day of the first export; the second one is of JOUR, 25/11/2026."""


@pytest.fixture
def compared(desk: MouvementsDesk) -> MouvementsDesk:
    """A comparison that found a radiation, an inscription and a change of bureau."""
    first = electeurs(6)
    desk.load(first, intake=Intake(FIRST))
    newcomer = electeurs(1)[0] | {PRENOMS: "=Ursule"}
    desk.compare([first[1] | {BUREAU: "0002"}, *first[2:], newcomer])
    return desk


def _incomplete(desk: MouvementsDesk, commune: str = COMMUNE) -> dict[str, Row[Any]]:
    with desk.engine.connect() as connection:
        return {it.nature: it for it in list_incomplete(connection, commune)}


def _note(desk: MouvementsDesk, nature: Nature, commune: str = COMMUNE, **fields: Any) -> None:  # noqa: ANN401
    (number,) = desk.rows(f"SELECT id FROM mouvement WHERE nature = '{nature}'")[0]  # noqa: S608 — ours
    with desk.engine.begin() as connection:
        note_motifs(
            connection, commune, [CompletedMotif.model_validate({"mouvement": number} | fields)]
        )


def _dates(desk: MouvementsDesk) -> dict[Nature, tuple[date | None, date]]:
    return {it.nature: (it.after, it.date_mouvement) for it in desk.mouvements()}


def test_what_is_not_said_is_listed_with_the_days_that_are_possible(
    compared: MouvementsDesk,
) -> None:
    found = _incomplete(compared).values()
    assert [
        (it.liste, it.nature, it.prenoms, it.categorie, it.is_dated, it.since, it.until)
        for it in found
    ] == [
        ("P", "inscription", "=Ursule", "", False, FIRST, JOUR),
        ("P", "radiation", "Zoé A", "", False, FIRST, JOUR),
    ]
    assert _incomplete(compared, VOISINE) == {}


def test_the_day_of_a_mouvement_is_unknown_until_it_is_noted(compared: MouvementsDesk) -> None:
    assert set(_dates(compared).values()) == {(FIRST, JOUR)}
    _note(compared, Nature.RADIATION, jour="2026-10-12")
    assert _dates(compared)[Nature.RADIATION] == (None, date(2026, 10, 12))
    assert _dates(compared)[Nature.INSCRIPTION] == (FIRST, JOUR)
    said = {it.nature: (it.categorie, it.motif) for it in compared.mouvements()}
    assert said[Nature.RADIATION] == (Categorie.NON_PRECISEE, ""), "what is absent stays"
    assert _incomplete(compared)[Nature.RADIATION].jour == date(2026, 10, 12), "it has no category"
    _note(compared, Nature.INSCRIPTION, categorie="inscription_volontaire", jour="2026-11-25")
    assert [*_incomplete(compared)] == [Nature.RADIATION]


@pytest.mark.parametrize("jour", [date(2026, 9, 10), date(2026, 11, 26), date(2025, 10, 12)])
def test_a_day_that_is_not_between_the_two_exports_is_refused(
    compared: MouvementsDesk, jour: date
) -> None:
    possible = "après le 10/09/2026, au plus tard le 25/11/2026"
    with pytest.raises(
        RefusedError, match=f"le {jour:%d/%m/%Y} n'est pas possible : {possible}"
    ) as refused:
        _note(compared, Nature.RADIATION, jour=jour.isoformat())
    assert "AUBIGNE" not in str(refused.value)
    assert _dates(compared)[Nature.RADIATION] == (FIRST, JOUR)


@pytest.mark.parametrize(("import_id", "day"), [(2, date(2026, 10, 11)), (1, date(2026, 10, 12))])
def test_a_day_of_an_export_that_contradicts_a_noted_date_is_refused(
    compared: MouvementsDesk, import_id: int, day: date
) -> None:
    _note(compared, Nature.RADIATION, jour="2026-10-12")
    with pytest.raises(ImportRefusedError, match="a une date notée que ce jour contredit"):
        set_taken_on(compared.engine, import_id, day)
