"""A tableau is composed from the register as of a day: later imports, purges and statements do not change it."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update

from schemas.declarations import CompletedMotif
from schemas.requests import UNDO_DAYS
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import ASKED_AT, Made, TableauDesk
from tests.oracle.product import ask_liste
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    LIBELLE_BUREAU,
    NOM,
    NUMERO,
    PRENOMS,
    TITLES,
    VOIE,
    electeurs,
    zoe,
)
from worker.arrivals import Arrivals
from worker.audit import Actor
from worker.db.types import utc_now
from worker.exports.models import Export, Recall
from worker.handlers.forget import ForgetScope, forget_electeur
from worker.registre.imports.history import undo_import
from worker.registre.models import MouvementRegistre
from worker.registre.mouvements.queries import note_motifs
from worker.registre.protections import Protege
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

BEFORE, BETWEEN, MEETING = date(2026, 9, 10), date(2026, 12, 1), date(2027, 3, 19)
APRIL, MAY = date(2027, 4, 20), date(2027, 5, 20)
NOW = datetime(2027, 6, 1, 10, tzinfo=UTC)
"""All these days are in the past."""


NUMERO_VOIE = TITLES[13]
SCHOOL = {BUREAU: "0001", LIBELLE_BUREAU: "ÉCOLE"}
STAY = electeurs(20, SCHOOL)
LEAVES, COMES = electeurs(3, {NOM: "PARTANTE"} | SCHOOL), electeurs(4, {NOM: "ARRIVANTE"} | SCHOOL)


def _young(numero: str, voie: str, **changes: str) -> dict[str, str]:
    """An elector who comes of age on 20 December 2026, between the second export and the meeting."""
    at = {NUMERO: numero, NUMERO_VOIE: voie[:1], VOIE: voie[2:]}
    return (
        electeurs(1, {NOM: "GERBOISE", PRENOMS: "Zoé", DATE: "20/12/2008"} | SCHOOL)[0]
        | at
        | changes
    )


@pytest.fixture
def register(register: MouvementsDesk, monkeypatch: pytest.MonkeyPatch) -> MouvementsDesk:
    monkeypatch.setattr("worker.registre.imports.chain.now", lambda: NOW)
    register.load([*STAY, *LEAVES, _young("900", "1 Rue du Début")], intake=Intake(BEFORE))
    register.load([*STAY, *LEAVES, _young("901", "2 Rue du Jour")], intake=Intake(BETWEEN))
    register.load([*STAY, *COMES, _young("902", "3 Rue d'Après")], intake=Intake(MEETING))
    return register


def _make(tableaux: TableauDesk, **fields: object) -> Made:
    asked = {
        "commune": COMMUNE,
        "reunion": BEFORE,
        "until": MEETING,
        "presentations": ["par_bureau"],
    }
    return tableaux.make(TypeTableau.VINGT_JOURS, **(asked | fields))


def _said(made: Made, code: str) -> list[str]:
    return [line[-2] for line in made.anomalies if line[-1] == code]


def _import_later(register: MouvementsDesk, no_compare: str = "") -> None:
    """Two exports: electors leave, come and move, numbers change, a bureau is opened and another one is renamed."""
    anew = {LIBELLE_BUREAU: "ÉCOLE NEUVE"}
    others = [
        one | {NUMERO: str(200 + rank)} | anew for rank, one in enumerate([*STAY[2:], *COMES])
    ]
    young = _young("7", "8 Rue de la Suite", **anew)
    register.load([*others, young], intake=Intake(APRIL), accept_changes=True)
    opened = [one | {BUREAU: "0004", LIBELLE_BUREAU: "GYMNASE"} for one in others[:5]]
    register.load(
        [*opened, *others[5:], young], intake=Intake(MAY, no_compare), accept_changes=True
    )


def _purge(register: MouvementsDesk) -> int:
    register.age_imports(UNDO_DAYS + 1)
    return sum(register.purge())


def test_asked_again_after_later_imports_it_has_the_same_bytes(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    first = _make(tableaux)
    assert (
        "D’après les exports du répertoire électoral unique du 10/09/2026 (24 personnes), du 01/12/2026 (24 personnes) "
        "et du 19/03/2027 (25 personnes), mineurs compris." in first.text
    )
    assert _said(first, "couverture_contredite") == []
    _import_later(register, no_compare="essai")
    again = _make(tableaux)
    assert again.text == first.text
    assert again.content == first.content
    assert again.anomalies == first.anomalies
    assert again.row["rests_on"] == first.row["rests_on"]


def test_an_elector_who_comes_of_age_has_the_number_and_the_address_of_that_day(
    tableaux: TableauDesk,
) -> None:
    made = _make(tableaux)
    assert "901 GERBOISE" in made.text
    assert "2 Rue du Jour" in made.text
    assert not _said(made, "export_efface")


def test_a_version_is_kept_until_the_file_that_rests_on_it_is_purged(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    first = _make(tableaux)
    _import_later(register)
    assert _purge(register) == 23, (
        "the version of April: the tableau rests on three others, the list is that of May"
    )
    assert _make(tableaux).content == first.content
    with tableaux.engine.begin() as connection:
        connection.execute(update(Export).values(purged_at=utc_now()))
    assert _purge(register) == 24 + 24 + 25
    assert register.counts() == {(COMMUNE, "P"): register.stored()}
    later = _make(tableaux)
    (said,) = _said(later, "export_efface")
    assert said == (
        "L'export du 01/12/2026 n'est plus gardé : 1 électeur a ici le numéro, le nom d'usage et l'adresse du "
        "20/05/2027. Les vérifier dans le REU."
    )
    assert (
        "du 19/03/2027 (25 personnes) et du 20/05/2027 (23 personnes), mineurs compris."
        in later.text
    )
    assert "7 GERBOISE" in later.text
    assert "8 Rue de la Suite" in later.text
    assert _bilans(later)[-1] == _bilans(first)[-1], "counted back over April and May"


def test_a_file_that_is_to_be_made_again_keeps_nothing(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    _make(tableaux)
    _import_later(register)
    with tableaux.engine.begin() as connection:
        recall = insert(Recall).values(
            code_commune=COMMUNE, because="un import", recalled_by="test"
        )
        number = connection.execute(recall.returning(Recall.id)).scalar_one()
        connection.execute(update(Export).values(recall_id=number))
    assert _purge(register) == 24 + 24 + 25 + 23


def test_an_elector_who_was_forgotten_goes_on_being_counted(
    register: MouvementsDesk, tableaux: TableauDesk, tmp_path: Path
) -> None:
    first = _make(tableaux)
    _import_later(register)
    with register.engine.begin() as connection:
        connection.execute(update(MouvementRegistre).values(date_tableau=date(2026, 1, 10)))
    scope = ForgetScope(
        register.engine, tableaux.services.storage, Arrivals(tmp_path), COMMUNE, Actor("test")
    )
    for number in range(2):  # they left after the meeting
        forget_electeur(scope, Protege("D'AUBIGNE", zoe(number), "1962-03-14"), None)
    again = _make(tableaux)
    assert _bilans(again) == _bilans(first)
    assert again.content == first.content
    gone = "SELECT count(*) FROM electeur WHERE prenoms IN (:one, :other) AND nom_naissance LIKE 'D_A%'"
    assert register.rows(gone, one=zoe(0), other=zoe(1)) == [(0,)]


def test_an_import_that_is_undone_brings_back_no_name_that_was_forgotten(
    register: MouvementsDesk, tableaux: TableauDesk, tmp_path: Path
) -> None:
    with register.engine.begin() as connection:
        connection.execute(update(MouvementRegistre).values(date_tableau=date(2026, 1, 10)))
    scope = ForgetScope(
        register.engine, tableaux.services.storage, Arrivals(tmp_path), COMMUNE, Actor("test")
    )
    forget_electeur(scope, Protege("PARTANTE", zoe(1), "1962-03-14"), None)
    undo_import(register.engine)
    row = tableaux.process(ask_liste(tableaux, COMMUNE, Liste.PRINCIPALE, ASKED_AT))
    lines = tableaux.read(row).decode().splitlines()
    assert (len(lines), sum("EFFACÉ" in line for line in lines)) == (1 + 24, 1)
    assert row["bloquantes"], "the list is not to be deposited without this elector"


def test_electors_whom_a_statement_removed_are_missed(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    with register.engine.begin() as connection:
        connection.execute(
            text("DELETE FROM electeur WHERE numero_ordre IN (11, 12, 13) AND version = 3")
        )
    (said,) = _said(_make(tableaux), "couverture_contredite")
    assert said.startswith(
        "Le registre a été modifié hors import : l'export du 19/03/2027 donnait 25 électeurs, le registre en a 22. "
    )
    register.load(
        [*STAY, *COMES, _young("902", "3 Rue d'Après")], intake=Intake(APRIL), accept_changes=True
    )
    (said,) = _said(_make(tableaux, until=APRIL), "couverture_contredite")
    assert said.startswith(
        "De l'export du 19/03/2027 (25 électeurs) à celui du 20/04/2027 (25 électeurs), les mouvements en feraient "
        "28 : le registre a été modifié hors import. "
    )


@pytest.mark.parametrize("presentation", ["par_bureau", "commune"])
def test_a_statement_that_moves_electors_contradicts_the_first_export(
    register: MouvementsDesk, tableaux: TableauDesk, presentation: str
) -> None:
    with register.engine.begin() as connection:
        moved = "UPDATE electeur SET code_bureau = '0009' WHERE numero_ordre IN (11, 12) AND version = 3"
        connection.execute(text(moved))
    changed, counted = _said(_make(tableaux, presentations=[presentation]), "couverture_contredite")
    assert "2 électeurs ne sont plus ce que donnait l'export du 19/03/2027" in changed
    assert counted.startswith(
        "Le registre a été modifié hors import : d'après les mouvements, il y avait 21 électeurs avant ce tableau "
        "(Bureau 0001 — ÉCOLE), et 23 d'après l'export du 10/09/2026. "
    )


def test_a_day_before_the_meeting_contradicts_no_export(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    ((number,),) = register.rows(
        "SELECT id FROM mouvement WHERE prenoms = :prenoms AND nature = 'radiation'", prenoms=zoe(0)
    )
    with register.engine.begin() as connection:
        note_motifs(connection, COMMUNE, [CompletedMotif(mouvement=number, jour=date(2027, 1, 5))])
    meeting = date(2027, 1, 15)
    made = _make(tableaux, reunion=meeting)
    assert not _said(made, "couverture_contredite")
    assert (
        _bilans(made)[-1]
        == "Électeurs avant 23 Inscriptions + 4 Radiations − 2 Électeurs après = 25"
    )
    with register.engine.begin() as connection:
        moved = "UPDATE electeur SET code_bureau = '0009' WHERE numero_ordre IN (11, 12) AND version = 3"
        connection.execute(text(moved))
    changed, counted = _said(_make(tableaux, reunion=meeting), "couverture_contredite")
    assert "2 électeurs ne sont plus ce que donnait l'export du 19/03/2027" in changed
    assert (
        "il y avait 21 électeurs avant ce tableau (Bureau 0001 — ÉCOLE), et 23 d'après l'export"
        in counted
    )


def _bilans(made: Made) -> list[str]:
    return re.findall(r"Électeurs avant \d[^=]*= \d+", made.text)
