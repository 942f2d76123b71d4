"""What an agent noted on an export comes back after an undo and another import: for the same person and change only."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update

from common.calendrier import now
from schemas.declarations import CompletedMotif, DoubtDecided, MotifsCompleted
from schemas.vocabulary import Categorie, DoubtDecision, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.unit.reu_sample import BUREAU, DATE, ELECTEUR, NOM, NUMERO, PRENOMS, VOIE
from worker.arrivals import Arrivals
from worker.audit import Actor
from worker.db.types import utc_now
from worker.domain.identite import FORGOTTEN, Mouvement
from worker.exports.storage import Storage
from worker.handlers.declarations.declare import declare
from worker.handlers.forget import ForgetScope, forget_electeur
from worker.registre.comparaison.doubts import list_doubts
from worker.registre.imports.history import undo_import
from worker.registre.models import Import
from worker.registre.protections import Protege, add_protection, select_protections
from worker.registre.reu.importer import Intake, preview_file

pytestmark = [
    pytest.mark.database(TWO_COMMUNES),
    pytest.mark.desk(opened_by=MouvementsDesk.open),
    pytest.mark.slow,
]

SAME, TWO = DoubtDecision.SAME_PERSON, DoubtDecision.TWO_PERSONS
BEFORE, AFTER, DAY = date(2026, 9, 1), date(2026, 10, 1), date(2026, 9, 12)
Line = dict[str, str]

STAYS, LEAVES, COMES = (
    ELECTEUR | {NOM: nom, PRENOMS: prenoms, DATE: born, VOIE: voie, NUMERO: numero}
    for nom, prenoms, born, voie, numero in [
        ("PUPITRE", "Ignace", "01/02/1950", "Rue Haute", "50"),
        ("MANDOLINE", "Zoé Aglaé", "05/08/1961", "Rue du Puits", "7"),
        ("LUTRIN", "Odile", "03/04/1960", "Rue Basse", "8"),
    ]
)
CORRECTED = {DATE: "06/08/1961"}
MOVED = {VOIE: "Rue Neuve", BUREAU: "2", NUMERO: "99"}
CATEGORIES = {
    Nature.RADIATION: Categorie.RADIATION_DECES,
    Nature.INSCRIPTION: Categorie.INSCRIPTION_OFFICE,
    Nature.MODIFICATION: Categorie.CHANGEMENT_BUREAU,
}
WHO = Protege("MANDOLINE", "Zoé Aglaé", "1961-08-05")


def _export(desk: MouvementsDesk, *lines: Line, day: date = AFTER) -> None:
    desk.load([STAYS, *lines], intake=Intake(day), accept_changes=True)


def _note(desk: MouvementsDesk) -> list[Mouvement]:
    """Note a day and a motif on each mouvement of the desk; the mouvements."""
    noted = [
        CompletedMotif.model_validate(
            {
                "mouvement": it.id,
                "jour": DAY,
                "motif": f"acte {it.personne.prenoms}",
                "categorie": CATEGORIES[it.nature],
            }
        )
        for it in desk.mouvements()
    ]
    with desk.engine.begin() as connection:
        said = MotifsCompleted(motifs=noted)
        declare(connection, COMMUNE, said, by=Actor("mairie"), now=now())
    return _known(desk)


def _known(desk: MouvementsDesk) -> list[Mouvement]:
    return sorted(
        (replace(it, id=0) for it in desk.mouvements()), key=lambda it: (it.nature, it.numero)
    )


def _doubts(desk: MouvementsDesk) -> tuple[int, Sequence[tuple[str, str]]]:
    """The number of open doubts, and the decision of each doubt that the page shows, with who decided."""
    query = (
        "SELECT d.decision, d.decided_by FROM doutes v JOIN doubt d ON d.id = v.doute ORDER BY d.id"
    )
    rows = desk.rows(query)
    return sum(not decision for decision, _ in rows), [(it[0], it[1]) for it in rows if it[0]]


@pytest.mark.parametrize(
    "other", [{}, {VOIE: "Rue Longue"}, {BUREAU: "2"}], ids=["same", "address", "bureau"]
)
def test_days_and_motifs_come_back_with_the_same_or_a_corrected_export(
    desk: MouvementsDesk, other: Line
) -> None:
    _export(desk, LEAVES, day=BEFORE)
    _export(desk, COMES)
    noted = _note(desk)
    for _ in range(2):
        undo_import(desk.engine)
        assert desk.mouvements() == []
        _export(desk, COMES | other)
        again = _known(desk)
        assert [(it.motif, it.categorie, it.date_mouvement, it.after) for it in again] == [
            (it.motif, it.categorie, DAY, None) for it in noted
        ]
    assert len(desk.rows("SELECT id FROM mouvement")) == 2


def test_they_come_back_to_nobody_else_to_no_other_change_and_on_no_other_day(
    desk: MouvementsDesk,
) -> None:
    _export(desk, LEAVES, day=BEFORE)
    _export(desk, COMES)
    _note(desk)
    undo_import(desk.engine)
    _export(desk, LEAVES, COMES | {PRENOMS: "Odette"})
    assert [(it.motif, it.categorie, bool(it.after)) for it in desk.mouvements()] == [
        ("", "", True)
    ]
    _export(desk, COMES, day=date(2026, 11, 1))
    assert {it.motif for it in desk.mouvements()} == {""}, (
        "they leave and come between two other exports"
    )
    for number in (4, 3):
        undo_import(desk.engine, number)
    _export(desk, LEAVES, COMES, {**COMES, VOIE: "Rue Longue", NUMERO: "9"})
    assert {it.motif for it in desk.mouvements()} == {""}, "two homonyms: whose is not known"


def test_they_come_back_to_no_homonym_who_is_on_the_list(desk: MouvementsDesk) -> None:
    other = LEAVES | MOVED
    _export(desk, LEAVES, other, day=BEFORE)
    _export(desk, other)
    _note(desk)
    undo_import(desk.engine)
    _export(desk, LEAVES)
    assert [it.motif for it in desk.mouvements()] == [""]


@pytest.mark.parametrize("moved", [{}, MOVED], ids=["stays", "moves"])
@pytest.mark.parametrize("decision", [SAME, TWO])
def test_a_doubt_is_decided_again_and_asked_when_it_is_another(
    desk: MouvementsDesk, decision: DoubtDecision, moved: Line
) -> None:
    _export(desk, LEAVES, day=BEFORE)
    with desk.engine.begin() as connection:
        add_protection(connection, COMMUNE, WHO)
    _export(desk, LEAVES | CORRECTED | moved)
    with desk.engine.begin() as connection:
        for found in list_doubts(connection):
            decided = DoubtDecided(doubt=found.doute, decision=decision)
            declare(connection, COMMUNE, decided, by=Actor("mairie"), now=now())
    known, doubts = _note(desk) if decision is TWO or moved else [], _doubts(desk)
    with desk.engine.connect() as connection:
        protected = select_protections(connection, COMMUNE)
    undo_import(desk.engine)
    assert (desk.mouvements(), _doubts(desk)) == ([], (0, []))
    _export(desk, LEAVES | CORRECTED | moved, COMES)
    assert [it for it in _known(desk) if it.personne.nom_naissance == "MANDOLINE"] == known
    assert _doubts(desk) == doubts == (0, [(decision.value, "mairie")])
    with desk.engine.connect() as connection:
        assert select_protections(connection, COMMUNE) == protected
    undo_import(desk.engine)
    _export(desk, LEAVES | {DATE: "07/08/1961"} | moved)
    assert _doubts(desk) == (1, []), "another date of birth is another question"


def test_the_preview_says_what_comes_back_and_a_month_later_nothing_does(
    desk: MouvementsDesk,
) -> None:
    _export(desk, LEAVES, day=BEFORE)
    _export(desk, COMES)
    _note(desk)
    undo_import(desk.engine)
    path = desk.write([STAYS, COMES])
    found = preview_file(desk.engine, path, intake=Intake(AFTER), progress=lambda *_: None).summary
    assert found.notes == (
        "2 réponses notées avant une annulation reviennent : dates, motifs ou doutes",
    )
    desk.purge()
    assert len(desk.rows("SELECT id FROM mouvement")) == 2
    with desk.engine.begin() as connection:
        connection.execute(
            update(Import)
            .where(Import.undone_at.is_not(None))
            .values(undone_at=utc_now(-31 * 86_400))
        )
    desk.purge()
    assert desk.rows("SELECT id FROM mouvement") == []


def test_a_forgotten_elector_leaves_no_answer(desk: MouvementsDesk, tmp_path: Path) -> None:
    _export(desk, day=BEFORE)
    _export(desk, COMES)
    _note(desk)
    undo_import(desk.engine)
    scope = ForgetScope(desk.engine, Storage(tmp_path), Arrivals(tmp_path), COMMUNE, Actor("test"))
    forget_electeur(scope, Protege("LUTRIN", "Odile", "1960-04-03"), None)
    assert desk.rows("SELECT nom_naissance, motif FROM mouvement") == [(FORGOTTEN, "")]
    _export(desk, COMES)
    assert [it.motif for it in desk.mouvements()] == [""]
