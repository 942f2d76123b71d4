"""Importing a REU export: whole lists replaced, all of them or none, and undone."""

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas.requests import UNDO_DAYS
from schemas.vocabulary import Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, Desk, give_up_soon
from tests.unit.reu_sample import (
    BUREAU,
    CIRCONSCRIPTION,
    DATE,
    EUROPEENNE,
    LIBELLE_BUREAU,
    LISTE,
    MUNICIPALE,
    NOM,
    TITLES,
    electeurs,
)
from tests.unit.reu_sample import COMMUNE as CODE
from worker.errors import ImportRefusedError
from worker.registre.imports.chain import read_chain
from worker.registre.imports.history import undo_import
from worker.registre.imports.report import ListeCount
from worker.registre.reu.importer import Intake
from worker.registre.versions import BATCH

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=Desk.open)]

P, CE, CM = (COMMUNE, "P"), (COMMUNE, "CE"), (COMMUNE, "CM")


def test_the_lists_of_a_file_become_the_register(desk: Desk) -> None:
    summary = desk.load([*electeurs(3), *electeurs(2, EUROPEENNE), *electeurs(1, MUNICIPALE)])
    assert desk.shown() == {P: ["Zoé A", "Zoé B", "Zoé C"], CE: ["Zoé A", "Zoé B"], CM: ["Zoé A"]}
    assert (summary.lines_read, summary.lines_kept, summary.lines_rejected) == (6, 6, 0)
    assert summary.listes == (
        ListeCount(COMMUNE, "CE", 2, None),
        ListeCount(COMMUNE, "CM", 1, None),
        ListeCount(COMMUNE, "P", 3, None),
    )
    assert (summary.bureaux, summary.bureaux_changed, summary.report) == (1, 1, None)
    assert desk.bureaux() == [("0001", "HOTEL DE VILLE", "", "16")]


def test_the_same_bytes_taken_later_are_a_link_more(desk: Desk) -> None:
    first, until = date(2026, 9, 10), date(2026, 11, 20)
    desk.load(electeurs(3), intake=Intake(taken_on=first))
    assert desk.load(electeurs(3)).unchanged, "nobody says that they are another export"
    assert desk.load(electeurs(3), intake=Intake(taken_on=first)).unchanged
    with pytest.raises(ImportRefusedError, match="le même, octet pour octet, que l'export du 10/09/2026"):
        desk.load(electeurs(3), intake=Intake(taken_on=until))
    later = desk.load(electeurs(3), intake=Intake(taken_on=until), accept_changes=True)
    assert (later.unchanged, later.comparison and later.comparison.inscriptions) == (False, 0)
    with desk.engine.connect() as connection:
        links = read_chain(connection, COMMUNE, Liste.PRINCIPALE).links
    assert [(link.taken_on, link.is_compared) for link in links] == [(first, False), (until, True)]


@pytest.mark.slow
def test_a_list_is_emptied_by_the_same_bytes_when_somebody_says_so(desk: Desk) -> None:
    desk.load([*electeurs(3), *electeurs(1, EUROPEENNE)])
    assert desk.load(electeurs(3)).kept, "the European list, which the file does not hold"
    assert not desk.load(electeurs(3), intake=Intake(empty=[Liste.COMPLEMENTAIRE_EUROPEENNE])).unchanged
    assert desk.counts() == {P: 3, CE: 0}
    undo_import(desk.engine)
    assert desk.counts() == {P: 3, CE: 1}


@pytest.mark.slow
def test_the_same_file_is_another_list_once_it_is_said_to_be_of_another_commune(desk: Desk) -> None:
    titles = [title for title in TITLES if title not in {CODE, LISTE}]
    rows = [titles, *([it[title] for title in titles] for it in electeurs(3))]
    path = desk.folder / "electeurs.csv"
    path.write_text("".join(";".join(row) + "\n" for row in rows), "utf-8")
    ours = Intake(commune=COMMUNE, liste=Liste.PRINCIPALE)
    desk.load_file(path, intake=ours)
    assert desk.load_file(path, intake=ours).unchanged
    assert not desk.load_file(path, intake=Intake(commune=VOISINE, liste=Liste.PRINCIPALE)).unchanged
    assert desk.counts() == {P: 3, (VOISINE, "P"): 3}


def test_a_list_that_is_not_in_the_file_is_not_touched(desk: Desk) -> None:
    desk.load([*electeurs(3), *electeurs(2, EUROPEENNE), *electeurs(2, {CODE: VOISINE})])
    desk.load(electeurs(4))
    assert desk.counts() == {P: 4, CE: 2, (VOISINE, "P"): 2}


@pytest.mark.slow
def test_imports_are_undone_one_after_the_other(desk: Desk) -> None:
    for nom, size in (("", 3), ("ECOLE", 4), ("GYMNASE", 5)):
        desk.load(electeurs(size, {LIBELLE_BUREAU: nom} if nom else {}))
    desk.load(electeurs(2, {CODE: VOISINE, BUREAU: "9"}))
    with pytest.raises(ImportRefusedError, match=r"l'import 3 \(reu.csv\) a remplacé ensuite la liste P de 13055"):
        undo_import(desk.engine, 1)
    seen = []
    for number in (3, 2, 1):
        undone = undo_import(desk.engine, number)
        seen.append((undone.import_id, desk.counts().get(P), [row[1] for row in desk.bureaux()][:1]))
    assert seen == [(3, 4, ["ECOLE"]), (2, 3, ["HOTEL DE VILLE"]), (1, None, ["HOTEL DE VILLE"])]
    desk.purge()
    assert (desk.counts(), desk.stored()) == ({(VOISINE, "P"): 2}, 2), "another commune's import does not matter"
    assert undo_import(desk.engine).import_id == 4


@pytest.mark.slow
def test_an_import_is_not_undone_when_what_it_replaced_is_gone(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    desk.age_imports(UNDO_DAYS + 1)
    for number in (None, 2):
        with pytest.raises(ImportRefusedError, match="l'import 2 a plus de 30 jours"):
            undo_import(desk.engine, number)
    desk.load(electeurs(5))
    undo_import(desk.engine)
    assert desk.counts() == {P: 4}


@pytest.mark.slow
def test_the_last_import_can_be_undone_once(desk: Desk) -> None:
    desk.load(electeurs(3))
    desk.load(electeurs(4))
    desk.load([*electeurs(5), *electeurs(2, EUROPEENNE)])
    undone = undo_import(desk.engine)
    assert (undone.restored, undone.removed) == ((P,), (CE,))
    assert desk.shown() == {P: ["Zoé A", "Zoé B", "Zoé C", "Zoé D"]}
    desk.purge()
    assert desk.stored() == 3 + 4
    assert [undone for *_, undone in desk.imports()] == [False, False, True]
    with pytest.raises(ImportRefusedError, match="déjà annulé"):
        undo_import(desk.engine)
    assert not desk.load([*electeurs(5), *electeurs(2, EUROPEENNE)]).unchanged


def test_an_import_that_a_service_has_overwritten_is_not_undone(desk: Desk) -> None:
    desk.load(electeurs(3))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE liste SET version = 0")
    with pytest.raises(ImportRefusedError, match="modifiées depuis"):
        undo_import(desk.engine)


@pytest.mark.slow
def test_a_list_that_loses_much_is_refused_unless_accepted(desk: Desk) -> None:
    desk.load([*electeurs(10), *electeurs(10, EUROPEENNE)])
    desk.load([*electeurs(8), *electeurs(10, EUROPEENNE)])
    with pytest.raises(ImportRefusedError, match="La liste principale de 13055 perdrait 2 électeurs connus sur 8"):
        desk.load([*electeurs(6), *electeurs(10, EUROPEENNE)])
    assert desk.counts() == {P: 8, CE: 10}
    summary = desk.load([*electeurs(6), *electeurs(10, EUROPEENNE)], accept_changes=True)
    assert ListeCount(COMMUNE, "P", 6, 8) in summary.listes
    assert desk.counts() == {P: 6, CE: 10}


def test_rejected_lines_are_reported_and_must_be_accepted(desk: Desk) -> None:
    rows = [*electeurs(2), *electeurs(1, {DATE: "hier", NOM: "LANTERNE"}), *electeurs(2, {CODE: "97999"})]
    with pytest.raises(ImportRefusedError) as refusal:
        desk.load(rows)
    assert "3 lignes rejetées sur 5" in str(refusal.value)
    assert "commune inconnue : 97999 (2) ; date de naissance illisible (1)" in str(refusal.value)
    assert desk.counts() == {}
    summary = desk.load(rows, accept_rejects=True)
    assert desk.counts() == {P: 2}
    assert (summary.lines_kept, summary.lines_rejected) == (2, 3)
    assert summary.report == desk.report
    report = desk.report.read_text("utf-8-sig")
    assert report.splitlines() == [
        "Ligne;Colonne;Motif",
        "4;date de naissance;date de naissance illisible",
        "5;code de l'ugle;commune inconnue : 97999",
        "6;code de l'ugle;commune inconnue : 97999",
    ]
    assert not desk.load(rows, accept_rejects=True).unchanged, "the commune may have been added since"


def test_the_report_of_an_earlier_attempt_does_not_stay(desk: Desk) -> None:
    with pytest.raises(ImportRefusedError):
        desk.load(electeurs(1, {DATE: "hier"}))
    assert desk.report.exists()
    desk.load(electeurs(2))
    assert not desk.report.exists()


def test_a_report_never_replaces_another_file(desk: Desk) -> None:
    path = desk.write(electeurs(1, {DATE: "hier"}))
    before = path.read_bytes()
    with pytest.raises(ImportRefusedError, match="n'est pas un rapport de rejets"):
        desk.load_file(path, report=path)
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("rows", [[], electeurs(2, {DATE: "hier"})])
def test_a_file_without_electors_is_refused(desk: Desk, rows: list[dict[str, str]]) -> None:
    desk.load(electeurs(2))
    with pytest.raises(ImportRefusedError):
        desk.load(rows, accept_rejects=True, accept_changes=True)
    assert desk.counts() == {P: 2}


@pytest.mark.slow
def test_what_the_operator_knows_of_a_bureau_is_kept(desk: Desk) -> None:
    desk.load(electeurs(2, {CIRCONSCRIPTION: ""}))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bureau SET code_canton = '1301', code_circonscription = '01'")
    desk.load(electeurs(3, {CIRCONSCRIPTION: "", LIBELLE_BUREAU: "ECOLE"}))
    assert desk.bureaux() == [("0001", "ECOLE", "1301", "01")]
    desk.load([*electeurs(3), *electeurs(1, {BUREAU: "2"})])
    assert desk.bureaux() == [("0001", "HOTEL DE VILLE", "1301", "16"), ("0002", "HOTEL DE VILLE", "", "16")]
    undo_import(desk.engine)
    assert desk.bureaux() == [("0001", "ECOLE", "1301", "01")]


def test_undoing_leaves_alone_a_bureau_that_the_operator_has_changed(desk: Desk) -> None:
    desk.load([*electeurs(2), *electeurs(2, {BUREAU: "2"})])
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bureau SET code_canton = '1301' WHERE code = '0002'")
    undo_import(desk.engine)
    assert desk.bureaux() == [("0002", "HOTEL DE VILLE", "1301", "16")]


MANY = 2 * BATCH + 10
ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from unittest.mock import Mock
from worker.db.engine import build_engine
from worker.registre.reu.importer import import_file
kill = lambda lines, share: os.kill(os.getpid(), signal.SIGKILL)
import_file(build_engine(sys.argv[1]), Path(sys.argv[2]), imported_by="test", progress=kill)
"""


@pytest.mark.slow
def test_an_import_killed_in_the_middle_has_changed_nothing(desk: Desk) -> None:
    desk.load(electeurs(3))
    path = desk.write([*electeurs(MANY), *electeurs(2, EUROPEENNE)])
    killed = subprocess.run([sys.executable, "-c", KILLED, desk.url, path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert desk.stored() == BATCH + 3
    assert (desk.counts(), desk.imports()[1:]) == ({P: 3}, [(2, 0, False, False)])
    desk.load(electeurs(4))
    desk.purge()
    assert desk.counts() == {P: 4}
    assert desk.stored() == 4 + 3
    assert [finished for _, _, finished, _ in desk.imports()] == [True, True]


@pytest.mark.slow
def test_a_second_import_is_refused_while_one_is_at_work(desk: Desk) -> None:
    refusals: list[str] = []

    def meet(_lines: int, _share: float) -> None:
        for other in (lambda: desk.load_file(desk.folder / "reu.csv"), lambda: undo_import(desk.engine)):
            with pytest.raises(ImportRefusedError) as refusal:
                other()
            refusals.append(str(refusal.value))

    desk.load(electeurs(3), progress=meet)
    assert len(refusals) == 2
    assert {reason.partition(" ;")[0] for reason in refusals} == {"un autre import est en cours"}
    assert desk.counts() == {P: 3}


@pytest.mark.slow
def test_others_read_the_former_list_and_write_meanwhile(desk: Desk) -> None:
    desk.load(electeurs(3))
    seen, written = [], []

    def look(_lines: int, _share: float) -> None:
        seen.append(desk.counts())
        with desk.engine.begin() as connection:
            give_up_soon(connection)
            connection.execute(text("UPDATE commune SET nom = nom"))
        written.append(True)

    desk.load(electeurs(MANY), progress=look)
    assert seen == [{P: 3}] * 3
    assert len(written) == 3
    assert desk.counts() == {P: MANY}


def test_a_file_that_grows_while_it_is_read_is_refused(desk: Desk) -> None:
    path = desk.write(electeurs(MANY))

    def grow(_lines: int, _share: float) -> None:
        with path.open("a") as file:
            file.write("\n")

    with pytest.raises(ImportRefusedError, match="a changé pendant sa lecture"):
        desk.load_file(path, progress=grow)
    assert (desk.counts(), desk.stored()) == ({}, 0)
