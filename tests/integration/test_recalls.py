"""What rests on an import that is undone or redated is to be made again: the file says so wherever it is."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.cli import ExitCode
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.export_desk import before_writing
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.mouvements_desk import open_desk as open_register
from tests.integration.tableau_desk import TableauDesk
from tests.unit.mouvement_csv import lignes, write_mouvements
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.reu_sample import EUROPEENNE, electeurs
from worker.audit import Action, read_audit
from worker.cli.main import main
from worker.errors import RefusedError
from worker.exports.naming import ListeNaming
from worker.exports.records import PlannedFile
from worker.handlers.handle_preview import undo
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

FIRST, MEETING, LAST = date(2026, 11, 1), date(2026, 11, 20), date(2026, 11, 24)
VINGT_JOURS = TypeTableau.VINGT_JOURS
ACTOR = "exploitant"
_GONE = Action.VERSIONS_PURGED
"""What is removed after, of former versions."""


class Town:
    """Three exports of a list, the last one taken after the meeting, and what is made of them."""

    def __init__(self, register: MouvementsDesk, files: TableauDesk) -> None:
        self.register, self.files = register, files
        for size, day in ((10, FIRST), (11, MEETING), (12, LAST)):
            register.load(electeurs(size), intake=Intake(day))

    def tableau(self, last: date, **fields: Any) -> int:  # noqa: ANN401 — see TableauDesk
        """One whose period ends that day; its number."""
        asked = {"commune": COMMUNE, "reunion": FIRST, "until": last} | fields
        return int(self.files.make(VINGT_JOURS, **asked).row["export_id"])

    def liste(self, liste: Liste = Liste.PRINCIPALE) -> int:
        """A list file; its number."""
        (number,) = self.files.ask_files([self.plan(liste)], commune=COMMUNE)
        assert self.files.ring(number)["status"] == "ready"
        return number

    def plan(self, liste: Liste = Liste.PRINCIPALE) -> PlannedFile:
        """A list file that is asked for."""
        columns = {"liste": liste, "format": Format.CSV}
        return PlannedFile(f"{liste}.csv", ListeNaming(COMMUNE, liste, Format.CSV), columns)

    def row(self, export_id: int) -> dict[str, Any]:
        """What the view says of it."""
        return dict(self.files.row(export_id))

    def recalled(self) -> list[int]:
        """The files that are to be made again."""
        query = "SELECT export_id FROM derniers_exports WHERE recalled_at IS NOT NULL ORDER BY export_id"
        return [number for (number,) in self.register.rows(query)]

    def audit(self) -> list[tuple[Any, ...]]:
        """Who did what to which file."""
        with self.register.engine.connect() as connection:
            lines = read_audit(connection, limit=100)[::-1]
        return [(it.actor, it.action, it.code_commune, it.export_id, it.detail) for it in lines if it.action != _GONE]


@pytest.fixture
def town(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with open_register(database_url, tmp_path) as register:
        yield Town(register, TableauDesk(register.engine, tmp_path / "exports"))


def _numbers(row: dict[str, Any]) -> list[int]:
    known = row["rests_on"]
    return [it["import_id"] for it in (json.loads(known) if isinstance(known, str) else known)]


def test_a_file_says_which_imports_it_rests_on(town: Town) -> None:
    path = write_mouvements(town.register.folder / "mouvements.csv", lignes(1, date="10/11/2026", état="applique"))
    town.register.load_mouvements(path)
    until_meeting, until_last, liste = town.tableau(MEETING), town.tableau(LAST), town.liste()
    assert _numbers(town.row(until_meeting)) == [1, 2, 4], "the exports of its period, and a file of mouvements"
    assert _numbers(town.row(until_last)) == [1, 2, 3, 4]
    assert _numbers(town.row(liste)) == [3], "the last import of the list"
    days = town.row(liste)["rests_on"]
    ((rests_on,), electeurs) = json.loads(days) if isinstance(days, str) else days, town.row(liste)["electeurs"]
    assert rests_on == {"import_id": 3, "taken_on": "2026-11-24", "electeurs": electeurs}


def test_what_rests_on_an_import_that_is_undone_is_to_be_made_again(town: Town) -> None:
    until_meeting, until_last, liste = town.tableau(MEETING), town.tableau(LAST), town.liste()
    undone = undo(town.register.engine, actor=ACTOR)
    assert town.recalled() == [until_last, liste]
    row = town.row(until_last)
    assert undone.recalled == [
        row["label"].removesuffix(", à refaire"),
        town.row(liste)["label"][: -len(", à refaire")],
    ]
    assert row["label"].endswith(", à refaire")
    assert row["recalled_because"] == "l'import 3 (reu.csv) a été annulé"
    assert town.row(until_meeting)["recalled_because"] == ""
    assert town.audit() == [
        (ACTOR, "import_undone", COMMUNE, None, "l'import 3 (reu.csv) a été annulé"),
        (ACTOR, "file_recalled", COMMUNE, until_last, "l'import 3 (reu.csv) a été annulé"),
        (ACTOR, "file_recalled", COMMUNE, liste, "l'import 3 (reu.csv) a été annulé"),
    ]
    undo(town.register.engine, 2, actor=ACTOR)
    assert town.recalled() == [until_meeting, until_last, liste]
    assert town.row(until_last)["label"].count("à refaire") == 1, "once, for the first reason"
    assert town.tableau(FIRST + timedelta(days=2)) not in town.recalled()


def test_a_file_of_mouvements_that_is_undone_too(town: Town) -> None:
    path = write_mouvements(town.register.folder / "mouvements.csv", lignes(1, date="10/11/2026", état="applique"))
    town.register.load_mouvements(path)
    tableau, _ = town.tableau(MEETING), town.liste()
    undo(town.register.engine, 4, actor=ACTOR)
    assert town.recalled() == [tableau]


def test_files_of_other_lists_stand(town: Town) -> None:
    town.register.load(electeurs(3, EUROPEENNE), intake=Intake(LAST))
    town.register.load(electeurs(3, {CODE: VOISINE}), intake=Intake(LAST))
    liste, other = town.liste(), town.liste(Liste.COMPLEMENTAIRE_EUROPEENNE)
    undo(town.register.engine, 3, actor=ACTOR)
    assert town.recalled() == [liste]
    assert town.row(other)["label"].endswith("[csv]")


@pytest.mark.parametrize("used", ["deposited", "posted", "published"])
def test_what_was_deposited_or_posted_asks_for_a_reason(town: Town, used: str) -> None:
    number = _use(town, used)
    before = town.register.counts(), town.register.imports()
    with pytest.raises(RefusedError, match=r"reposent sur l'import 3 .+ : indiquez avec --reason pourquoi"):
        undo(town.register.engine, actor=ACTOR)
    assert (town.register.counts(), town.register.imports(), town.recalled(), town.audit()) == (*before, [], [])
    undo(town.register.engine, actor=ACTOR, reason="mauvais fichier")
    assert town.recalled() == [number]
    assert town.audit()[0][-1] == "l'import 3 (reu.csv) a été annulé : mauvais fichier"
    assert town.register.rows("SELECT reason, recalled_by FROM recall") == [("mauvais fichier", ACTOR)]


@pytest.mark.parametrize(
    "used", ["rejected", "taken by the commission", "provisional", "incomplete", "a list that was taken"]
)
def test_what_is_in_nobodys_hands_asks_for_none(town: Town, used: str) -> None:
    number = _use(town, used)
    undo(town.register.engine, actor=ACTOR)
    assert town.recalled() == [number]


def _use(town: Town, used: str) -> int:
    taken = "UPDATE export SET downloaded_at = created_at WHERE id = :id"
    depot = (
        "INSERT INTO depot (export_id, deposited_on, deposited_by, verdict) VALUES (:id, '2026-11-25', 'mairie', :v)"
    )
    match used:
        case "deposited" | "rejected":
            number = town.liste()
            town.files.run(depot, id=number, v="rejete" if used == "rejected" else "")
        case "published":
            number = town.tableau(LAST)
            days = "published_on, published_by, said_at"
            town.files.run(
                f"INSERT INTO publication (export_id, mode, {days}) "  # noqa: S608 — ours
                "SELECT id, 'affichage', '2026-11-25', 'mairie', created_at FROM export WHERE id = :id",
                id=number,
            )
        case "a list that was taken":
            number = town.liste()
            town.files.run(taken, id=number)
        case _:
            edition = Edition.COMMISSION if "commission" in used else Edition.AFFICHAGE
            number = town.tableau(LAST, edition=edition)
            town.files.run(taken, id=number)
            if used != "incomplete":
                town.files.run("UPDATE export SET a_completer = 0 WHERE id = :id", id=number)
            if used == "provisional":
                town.files.run("UPDATE export SET provisoire_until = '2027-04-01'")
    return number


def test_a_file_that_is_being_made_begins_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    before_writing(monkeypatch, lambda: undo(town.register.engine, actor=ACTOR))
    (number,) = town.files.ask_files([town.plan()], commune=COMMUNE)
    row = town.files.ring(number)
    assert (row["status"], row["owner"], row["attempts"], town.files.files()) == ("queued", None, 0, [])
    row = town.files.ring(number)
    assert (row["status"], row["electeurs"], row["recalled_at"]) == ("ready", 11, None)
    assert _numbers(dict(row)) == [2]


def test_the_command_says_what_is_to_be_made_again_and_asks_why(
    town: Town, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    label = town.row(_use(town, "deposited"))["label"]
    assert main(["imports", "--undo"]) == ExitCode.FAILED
    assert f"(« {label} ») : indiquez avec --reason pourquoi ils sont à refaire" in capsys.readouterr().err
    assert main(["imports", "--undo", "--reason", "mauvais fichier"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(f"À refaire : 1 fichier, {label}.\n")
    tableau = town.row(town.tableau(MEETING))["label"]
    assert main(["imports", "--taken-on", "2", "2026-11-19"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(f"À refaire : 1 fichier, {tableau}.\n")
    assert main(["imports", "--reason", "pour rien"]) == ExitCode.USAGE
