"""A corrected civil status raises a doubt, which a decision resolves; with the national number (INE) there is none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, insert, inspect, text

from common.calendrier import now
from common.cli import ExitCode
from schemas.declarations import CompletedMotif, DoubtDecided
from schemas.envelope import CloudEvent
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Action, Categorie, DoubtDecision, Liste, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, MouvementsDesk
from tests.integration.tableau_desk import Made, TableauDesk
from tests.parts.notes import note_register
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    ELECTEUR,
    NOM,
    NUMERO,
    PRENOMS,
    TITLES,
    VOIE,
    electeurs,
)
from worker.access.models import Sender
from worker.audit import Actor, read_audit
from worker.cli.main import main
from worker.errors import RefusedError
from worker.handlers.declarations.declare import declare
from worker.handlers.requests.ingest_request import ingest_request
from worker.registre.comparaison.doubts import list_doubts
from worker.registre.imports.history import undo_import
from worker.registre.imports.report import Comparison
from worker.registre.mouvements.queries import note_motifs
from worker.registre.protections import Protege, add_protection, select_protections
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

SAME, TWO = DoubtDecision.SAME_PERSON, DoubtDecision.TWO_PERSONS
LIEU = TITLES[9]
BEFORE, AFTER = date(2026, 9, 1), date(2026, 10, 1)
Line = dict[str, str]

OTHERS = [
    ELECTEUR
    | {
        NOM: nom,
        PRENOMS: prenoms,
        DATE: born,
        VOIE: f"Rue {number}",
        NUMERO: str(number),
        LIEU: "ARLES",
    }
    for number, (nom, prenoms, born) in enumerate(
        [
            ("PUPITRE", "Ignace", "01/02/1950"),
            ("LUTRIN", "Odile", "03/04/1960"),
            ("ENCRIER", "Basile", "05/06/1970"),
        ],
        50,
    )
]
"""Electors who stay."""
ELECTRICE = ELECTEUR | {
    NOM: "MANDOLINE",
    PRENOMS: "Zoé Aglaé",
    DATE: "00/00/1961",
    VOIE: "Rue du Puits",
    NUMERO: "7",
}
MOVED = {VOIE: "Rue Neuve", BUREAU: "2", NUMERO: "99"}
"""A move to another bureau."""


def _compare(desk: MouvementsDesk, before: list[Line], after: list[Line]) -> Sequence[Row[Any]]:
    desk.load([*OTHERS, *before], intake=Intake(BEFORE))
    found = desk.compare([*OTHERS, *after], intake=Intake(AFTER), accept_changes=True)
    listed = _open(desk)
    assert found.doubts == len(listed)
    return listed


def _open(desk: MouvementsDesk, commune: str = "") -> Sequence[Row[Any]]:
    with desk.engine.connect() as connection:
        return list_doubts(connection, commune)


def _decide(
    desk: MouvementsDesk, number: int, decision: DoubtDecision, commune: str = COMMUNE
) -> None:
    with desk.engine.begin() as connection:
        decided = DoubtDecided(doubt=number, decision=decision)
        declare(connection, commune, decided, by=Actor("mairie"), now=now())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correction", "differs"),
    [
        ({DATE: "05/08/1961"}, ["date_naissance"]),
        ({DATE: "05/08/1961", BUREAU: "2", NUMERO: "99"}, ["date_naissance", "code_bureau"]),
        ({DATE: "05/08/1961"} | MOVED, ["date_naissance", "adresse", "code_bureau"]),
        ({PRENOMS: "Zoé"}, ["prenoms"]),
        ({PRENOMS: "Aglaé Zoé", NUMERO: "99"}, ["prenoms"]),
        ({PRENOMS: "Jeanne"}, ["prenoms"]),
        ({PRENOMS: "Zoé Aglaé Rose"} | MOVED, ["prenoms", "adresse", "code_bureau"]),
        ({NOM: "LUTRIN"}, ["nom"]),
        ({NOM: "LUTRIN", BUREAU: "2"}, ["nom", "code_bureau"]),
        ({NOM: "LUTRIN"} | MOVED, ["nom", "adresse", "code_bureau"]),
        ({LIEU: "ARLES"} | MOVED, ["lieu_naissance", "adresse", "code_bureau"]),
        (
            {DATE: "05/08/1961", LIEU: "ARLES"} | MOVED,
            ["date_naissance", "lieu_naissance", "adresse", "code_bureau"],
        ),
        (
            {NOM: "Mandolïne", PRENOMS: "ZOE-AGLAE", DATE: "05/08/1961", VOIE: "RUE DU PUITS"},
            ["date_naissance"],
        ),
    ],
)
def test_a_corrected_civil_status_is_asked_about(
    desk: MouvementsDesk, correction: Line, differs: list[str]
) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | correction])
    assert found.differs.split() == differs
    assert (found.code_commune, found.liste, found.jour) == (COMMUNE, "P", AFTER)
    radiation = found.radiation_nom_naissance, found.radiation_bureau, found.radiation_numero
    assert radiation == ("MANDOLINE", "0001", 7)
    assert found.inscription_bureau == ("0002" if BUREAU in correction else "0001")


@pytest.mark.slow
@pytest.mark.parametrize("stays", [{}, {NUMERO: "99"}, {VOIE: "", NUMERO: "7"}])
def test_a_corrected_place_of_birth_alone_is_nobody_else(desk: MouvementsDesk, stays: Line) -> None:
    assert (
        _compare(
            desk,
            [ELECTRICE | ({VOIE: ""} if VOIE in stays else {})],
            [ELECTRICE | {LIEU: "ARLES"} | stays],
        )
        == []
    )
    assert desk.mouvements() == []
    [kept] = desk.rows(
        "SELECT differs, decision, decided_by, radiation_id, born_before, born_after FROM doubt"
    )
    assert [*kept] == [
        "lieu_naissance",
        "same_person",
        "comparaison",
        None,
        "1961-00-00",
        "1961-00-00",
    ]
    [(number,)] = desk.rows("SELECT id FROM doubt")
    with pytest.raises(RefusedError, match="annulez l'import"):
        _decide(desk, number, TWO)


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        {
            NOM: "LUTRIN",
            PRENOMS: "Rose",
            DATE: "05/08/1990",
        },  # with the number of the elector who left
        {
            NOM: "LUTRIN",
            PRENOMS: "Rose",
            DATE: "05/08/1990",
            NUMERO: "8",
        },  # at the address of the elector who left
        {
            PRENOMS: "Rose",
            DATE: "05/08/1990",
            NUMERO: "8",
        },  # of the same family, at the same address
        {PRENOMS: "Rose Aglaé", DATE: "05/08/1990"}
        | MOVED,  # with the same family name, at another address
        {DATE: "05/08/1990"} | MOVED,  # with the same names, born in another year
        {NOM: "LUTRIN", LIEU: "ARLES"} | MOVED,  # born on the same day elsewhere
        {NOM: "LUTRIN", PRENOMS: "Zoé", VOIE: "", NUMERO: ""},
    ],
)
def test_whoever_comes_when_she_leaves_is_nobody_else(desk: MouvementsDesk, other: Line) -> None:
    assert _compare(desk, [ELECTRICE], [ELECTRICE | other]) == []
    assert sorted(it.nature for it in desk.mouvements()) == [Nature.INSCRIPTION, Nature.RADIATION]


@pytest.mark.slow
def test_one_person_has_no_mouvement_any_more(desk: MouvementsDesk) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    _decide(desk, found.doute, SAME)
    assert (_open(desk), desk.mouvements()) == ([], [])
    [kept] = desk.rows("SELECT differs, decision, decided_by, decided_at IS NOT NULL FROM doubt")
    assert [*kept[:3], bool(kept[3])] == ["date_naissance", "same_person", "mairie", True]


@pytest.mark.slow
def test_one_person_in_another_bureau_has_changed_bureau(desk: MouvementsDesk) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {NOM: "LUTRIN"} | MOVED])
    _decide(desk, found.doute, SAME)
    [change] = desk.mouvements()
    assert (change.nature, change.ancien_bureau, change.nouveau_bureau) == (
        Nature.MODIFICATION,
        "0001",
        "0002",
    )
    assert (change.categorie, change.is_changement_bureau) == (Categorie.CHANGEMENT_BUREAU, True)
    assert (change.personne.nom_naissance, change.numero) == ("LUTRIN", 99)


def test_an_elector_is_one_person_with_one_other_only(desk: MouvementsDesk) -> None:
    twins = [
        ELECTRICE | {DATE: "05/08/1961", PRENOMS: prenoms, NUMERO: "8"}
        for prenoms in ("Zoé Aglaé", "Zoé Rose")
    ]
    first, second = _compare(desk, [ELECTRICE], twins)
    _decide(desk, first.doute, SAME)
    assert _open(desk) == []
    assert [it.personne.prenoms for it in desk.mouvements()] == [second.inscription_prenoms]
    assert desk.rows("SELECT decision FROM doubt ORDER BY id") == [
        ("same_person",),
        ("two_persons",),
    ]
    with desk.engine.connect() as connection:
        lines = read_audit(connection, limit=9)[::-1]
    assert [(it.action, it.actor, it.code_commune, it.label) for it in lines] == [
        (Action.DOUBT_DECIDED, "mairie", COMMUNE, "doute tranché")
    ] * 2
    assert [it.detail for it in lines] == [
        f"doute n° {first.doute}, liste P : même personne (date de naissance)",
        f"doute n° {second.doute}, liste P : deux personnes, d'après le n° {first.doute}",
    ]
    with pytest.raises(
        RefusedError, match=f"Le doute n° {first.doute} réunit déjà un de ces électeurs"
    ):
        _decide(desk, second.doute, SAME)
    _decide(desk, first.doute, TWO)
    _decide(desk, second.doute, SAME)
    assert [it.personne.prenoms for it in desk.mouvements()] == [first.inscription_prenoms]


@pytest.mark.parametrize(
    "correction", [{DATE: "05/08/1961"}, {NOM: "LUTRIN"} | MOVED], ids=["stays", "moves"]
)
def test_an_answer_is_changed_and_the_tableau_that_printed_it_is_recalled(
    desk: MouvementsDesk, tableaux: TableauDesk, correction: Line
) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | correction])
    both = desk.mouvements()
    _decide(desk, found.doute, TWO)
    with pytest.raises(RefusedError, match=r"déjà cette réponse : deux personnes"):
        _decide(desk, found.doute, TWO)
    assert _anomalies(tableaux) == []
    _decide(desk, found.doute, SAME)
    one = desk.mouvements()
    assert [it.nature for it in one] == [Nature.MODIFICATION] * (BUREAU in correction)
    assert desk.rows("SELECT count(*) FROM export WHERE recall_id IS NOT NULL") == [(1,)]
    with desk.engine.begin() as connection, pytest.raises(RefusedError, match="dans le registre"):
        note_motifs(connection, COMMUNE, [CompletedMotif(mouvement=both[0].id, motif="inventé")])
    _decide(desk, found.doute, TWO)
    assert desk.mouvements() == both
    _decide(desk, found.doute, SAME)
    assert [replace(it, id=0) for it in desk.mouvements()] == [replace(it, id=0) for it in one]
    undo_import(desk.engine)
    assert desk.mouvements() == []


def test_a_doubt_of_another_commune_is_not_known(desk: MouvementsDesk) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    with pytest.raises(RefusedError, match="inconnu"):
        _decide(desk, found.doute, SAME, VOISINE)
    with pytest.raises(RefusedError, match="inconnu"):
        _decide(desk, found.doute + 1, SAME)
    assert (_open(desk, VOISINE), len(_open(desk, COMMUNE))) == ([], 1)


@pytest.mark.slow
def test_an_import_that_is_undone_takes_its_doubts_away(desk: MouvementsDesk) -> None:
    first = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    desk.compare([*OTHERS, ELECTRICE | {DATE: "05/09/1961"}], intake=Intake(AFTER))
    assert len(_open(desk)) == 2
    undo_import(desk.engine)
    assert _open(desk) == first
    assert desk.rows("SELECT count(*) FROM doubt") == [(1,)]


@pytest.mark.slow
def test_a_doubt_whose_mouvements_a_service_took_away_holds_nothing_up(
    desk: MouvementsDesk,
) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    with desk.engine.begin() as connection:
        connection.execute(text("DELETE FROM mouvement WHERE nature = 'radiation'"))
    assert _open(desk) == []
    with pytest.raises(RefusedError, match="ne sont plus dans le registre"):
        _decide(desk, found.doute, SAME)
    assert len(desk.mouvements()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("by_list", [True, False])
def test_who_was_protected_stays_so_under_her_corrected_name(
    desk: MouvementsDesk, *, by_list: bool
) -> None:
    desk.load([*OTHERS, ELECTRICE], intake=Intake(BEFORE))
    if by_list:
        with desk.engine.begin() as connection:
            add_protection(connection, COMMUNE, Protege("MANDOLINE", "Zoé Aglaé", "1961-00-00"))
    desk.compare([*OTHERS, ELECTRICE | {NOM: "LUTRIN"} | MOVED], intake=Intake(AFTER))
    if not by_list:
        with desk.engine.begin() as connection:
            connection.execute(
                text("UPDATE mouvement SET is_protegee = true WHERE nature = 'radiation'")
            )
    _decide(desk, _open(desk)[0].doute, SAME)
    with desk.engine.connect() as connection:
        assert Protege("LUTRIN", "Zoé Aglaé", "1961-00-00") in select_protections(
            connection, COMMUNE
        )
    assert [it.personne.is_protegee for it in desk.mouvements()] == [True]


@pytest.mark.parametrize("is_protected", [False, True])
def test_who_was_protected_and_comes_under_another_name_is_asked_about(
    desk: MouvementsDesk, *, is_protected: bool
) -> None:
    """Nothing is left of her but the day of birth: of anybody else it raises no doubt."""
    desk.load([*OTHERS, ELECTRICE], intake=Intake(BEFORE))
    if is_protected:
        with desk.engine.begin() as connection:
            add_protection(connection, COMMUNE, Protege("MANDOLINE", "Zoé Aglaé", "1961-00-00"))
    other = ELECTRICE | {NOM: "TROMBONE", PRENOMS: "Cyprienne", LIEU: "ARLES"} | MOVED
    desk.compare([*OTHERS, other], intake=Intake(AFTER), accept_changes=True)
    assert len(_open(desk)) == is_protected
    if is_protected:
        _decide(desk, _open(desk)[0].doute, SAME)
        with desk.engine.connect() as connection:
            found = select_protections(connection, COMMUNE)
        assert Protege("TROMBONE", "Cyprienne", "1961-00-00") in found


@pytest.fixture
def tableaux(desk: MouvementsDesk, tmp_path: Path) -> TableauDesk:
    return TableauDesk(desk.engine, tmp_path / "exports")


def _anomalies(tableaux: TableauDesk, **fields: Any) -> list[list[str]]:  # noqa: ANN401 — of the request
    asked = {"commune": COMMUNE, "reunion": "2026-09-10", "until": "2026-10-01"} | fields
    made = tableaux.make(TypeTableau.VINGT_JOURS, **asked)
    found = _doubts_of(made)
    assert not found or made.row["bloquantes"] == 1
    return found


def _doubts_of(made: Made) -> list[list[str]]:
    return [line for line in made.anomalies if line[-1] == "doutes_ouverts"]


@pytest.mark.slow
def test_a_doubt_about_minors_blocks_no_tableau_since_none_shows_them(
    desk: MouvementsDesk, tableaux: TableauDesk
) -> None:
    _compare(desk, [ELECTRICE | {DATE: "12/08/2009"}], [ELECTRICE | {DATE: "05/08/2009"}])
    assert _anomalies(tableaux) == []


@pytest.mark.slow
def test_a_tableau_that_an_open_doubt_would_enter_is_blocking(
    desk: MouvementsDesk, tableaux: TableauDesk
) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    [line] = _anomalies(tableaux)
    assert line[0] == "bloquante"
    assert line[-2].startswith("1 doute est ouvert : une radiation et une inscription")
    assert "Le dire, puis redemander le tableau." in line[-2]
    assert _anomalies(tableaux, reunion="2026-10-01", until="2026-10-20") == [], "another period"
    assert _anomalies(tableaux, listes=[Liste.COMPLEMENTAIRE_EUROPEENNE]) == [], "another list"
    _decide(desk, found.doute, TWO)
    assert _anomalies(tableaux) == []


def test_an_event_of_an_account_that_may_not_decides_nothing(
    desk: MouvementsDesk, tableaux: TableauDesk
) -> None:
    [found] = _compare(desk, [ELECTRICE], [ELECTRICE | {DATE: "05/08/1961"}])
    tableaux.configure(is_embedded=False)
    with desk.engine.begin() as connection:
        connection.execute(insert(Sender).values(name="voisine", code_commune=VOISINE))
    same = note_register(
        "doubt", commune=COMMUNE, decision="same_person", doubt=found.doute, requested_by="agent"
    )
    event = CloudEvent.wrap(same, source="/test")
    ingest_request(event, tableaux.services, sender="voisine")
    assert tableaux.request(event)["outcome"] == "refused"
    assert len(_open(desk)) == 1


@pytest.mark.slow
def test_the_command_lists_and_decides(
    desk: MouvementsDesk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", desk.url)
    other = ELECTRICE | {
        NOM: "LUTRIN",
        PRENOMS: "Guy",
        DATE: "02/02/1980",
        VOIE: "Rue Basse",
        NUMERO: "11",
    }
    first, second = _compare(
        desk, [ELECTRICE, other], [ELECTRICE | {DATE: "05/08/1961"}, other | {DATE: "02/02/1981"}]
    )
    assert main(["declare", "--show", "doubt"]) == ExitCode.DONE
    shown = " ".join(capsys.readouterr().out.split())
    assert f"│ {COMMUNE} │ P │ 01/10/2026 │ date de naissance │" in shown
    assert (
        "MANDOLINE Zoé Aglaé, 00/00/1961, MARSEILLE, 12 BIS Rue du Puits, 13001 MARSEILLE, bureau 0001 n° 7"
        in shown
    )
    assert "MANDOLINE Zoé Aglaé, 05/08/1961" in shown
    decisions = [
        {
            "commune": COMMUNE,
            "note": {"kind": "doubt", "doubt": first.doute, "decision": "same_person"},
        },
        {
            "commune": COMMUNE,
            "note": {"kind": "doubt", "doubt": second.doute, "decision": "two_persons"},
        },
    ]
    path = tmp_path / "doutes.json"
    path.write_text(json.dumps(decisions))
    assert main(["declare", str(path)]) == ExitCode.DONE
    assert capsys.readouterr().out == "2 déclarations notées.\n"
    assert main(["declare", str(path)]) == ExitCode.FAILED
    assert "a déjà cette réponse : même personne" in capsys.readouterr().err
    assert main(["declare", "--show", "doubt"]) == ExitCode.DONE
    assert capsys.readouterr().out == "Rien à montrer.\n"


@pytest.mark.slow
def test_a_doubt_that_a_tableau_counts_and_does_not_print_is_blocking(
    desk: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """A minor, or an arrival: the arrival is in the totals of a tableau that prints no inscription."""
    _compare(desk, [ELECTRICE | {DATE: "05/08/2009"}], [ELECTRICE | {DATE: "05/08/1981"}])
    made = tableaux.make(
        TypeTableau.CINQ_JOURS_REU, commune=COMMUNE, reunion="2026-09-10", scrutin="2026-10-11"
    )
    assert len(_doubts_of(made)) == 1


UGLE = "libellé de l'ugle"
"""The column that stands for the INE in these files: its value is not kept."""


def _numbered(rows: Iterable[Mapping[str, str]], first: int = 1) -> list[dict[str, str]]:
    return [{**row, UGLE: f"{number:08}"} for number, row in enumerate(rows, first)]


def _compare_numbered(
    desk: MouvementsDesk, rows: Sequence[Mapping[str, str]], title: str = "INE"
) -> Comparison:
    comparison = desk.load_file(
        desk.write(rows, titles={UGLE: title}), accept_changes=True
    ).comparison
    assert comparison is not None
    return comparison


def test_a_corrected_name_and_birth_is_one_person(desk: MouvementsDesk) -> None:
    first = _numbered(electeurs(10))
    _compare_numbered(desk, first)
    with desk.engine.begin() as connection:
        add_protection(connection, COMMUNE, Protege("D'AUBIGNE", first[0][PRENOMS], "1962-03-14"))
    second = [dict(row) for row in first]
    second[0] |= {NOM: "TROMBONE", PRENOMS: "Cyprien"}
    second[1] |= {DATE: "14/03/2012"}
    second[2] |= {NOM: "CORNEMUSE", DATE: "01/01/1950", BUREAU: "0002"}
    found = _compare_numbered(desk, second)
    assert (found.inscriptions, found.radiations, found.changements, found.doubts) == (0, 0, 1, 0)
    assert [it.nature for it in desk.mouvements()] == [Nature.MODIFICATION]
    assert set(desk.rows("SELECT differs, decision, born_before, born_after FROM doubt")) == {
        ("date_naissance", "same_person", "1962-03-14", "2012-03-14"),
        ("nom prenoms", "same_person", "1962-03-14", "1962-03-14"),
        ("nom date_naissance", "same_person", "1962-03-14", "1950-01-01"),
    }
    with desk.engine.connect() as connection:
        assert Protege("TROMBONE", "Cyprien", "1962-03-14") in select_protections(
            connection, COMMUNE
        )


def test_homonyms_are_told_apart(desk: MouvementsDesk) -> None:
    """One of two homonyms leaves, another one comes: both are mouvements, and nothing is asked."""
    twins = [{**row, PRENOMS: "Zoé"} for row in _numbered(electeurs(6))]
    _compare_numbered(desk, twins)
    second = [*twins[1:], {**twins[0], UGLE: "00000099", NUMERO: "99"}]
    found = _compare_numbered(desk, second)
    assert (found.inscriptions, found.radiations, found.doubts) == (1, 1, 0)
    assert desk.rows("SELECT count(*) FROM homonym") == [(0,)]


def test_without_the_number_of_each_the_name_is_the_identity(desk: MouvementsDesk) -> None:
    rows = _numbered(electeurs(6))
    _compare_numbered(desk, rows, title=UGLE)
    second = [dict(row) for row in rows]
    second[0] |= {DATE: "14/03/1963"}
    found = _compare_numbered(desk, second)
    assert (found.inscriptions, found.radiations, found.doubts) == (1, 1, 1)
    second[1] |= {UGLE: second[2][UGLE], DATE: "14/03/1964"}
    assert _compare_numbered(desk, second).doubts == 1, "two share a number"


def test_no_view_shows_the_number(desk: MouvementsDesk) -> None:
    inspector = inspect(desk.engine)
    assert "ine" in {it["name"] for it in inspector.get_columns("electeur")}
    assert not [
        view
        for view in inspector.get_view_names()
        for it in inspector.get_columns(view)
        if it["name"] == "ine"
    ]
