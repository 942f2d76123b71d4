"""An import is undone, or its day corrected, by events: a preview of the changes first, then exactly these changes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris, now
from common.cli import ExitCode
from schemas.requests import RegistreCorrectionRequested
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Action, Format, Liste
from tests.integration import test_previews as previews
from tests.integration.export_desk import before_writing, decoded
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.reu_sample import EUROPEENNE, electeurs, lignes, write_mouvements
from worker.arrivals import Preview
from worker.cli.main import main
from worker.errors import RefusedError
from worker.exports.models import Request
from worker.handlers.handle_preview import undo
from worker.notifier.messages.events import registre_event
from worker.notifier.messages.request import RequestReport, describe_request
from worker.registre.mouvements.importer import import_mouvements
from worker.registre.reu.importer import Intake

AGENT, COLLEAGUE = "mairie-marseille", "collegue"
FIRST, MEETING, LAST = date(2026, 11, 1), date(2026, 11, 20), date(2026, 11, 24)
CHANGED = "Le registre ou ses fichiers ont changé depuis que cela vous a été montré ; regardez de nouveau."


class Desk(previews.Desk):
    """Three exports of a list, and the files made from them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.made = TableauDesk(self.register.engine, self.folder.parent / "made")
        for size, day in ((10, FIRST), (11, MEETING), (12, LAST)):
            self.register.load(electeurs(size), intake=Intake(day))

    def ask(self, act: str, import_id: int = 3, **fields: Any) -> str:  # noqa: ANN401 — fields of the event
        """Request the preview of a correction; the id of the event."""
        asked = {"commune": COMMUNE, "import_id": import_id, "act": act, "requested_by": AGENT}
        return self.send(RegistreCorrectionRequested.model_validate(asked | fields))

    def look(self, act: str, import_id: int = 3, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — as above
        """The row of the preview, once it was made."""
        self.ask(act, import_id, **fields)
        self.work()
        return self.last()

    def do(self, shown: Mapping[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — as above
        """Apply the correction of a preview."""
        self.ask_import(shown, **fields)
        self.work()
        return self.row(shown["id"])

    def liste(self, liste: Liste = Liste.PRINCIPALE) -> int:
        """Make a list file; its id."""
        (number,) = self.plan(liste)
        assert self.made.process(number)["status"] == "ready"
        return number

    def plan(self, liste: Liste = Liste.PRINCIPALE) -> list[int]:
        """Request a list file; its ids."""
        return self.made.ask_all([(liste, Format.CSV)], commune=COMMUNE)

    def tableau(self, last: date = LAST, **fields: Any) -> int:  # noqa: ANN401 — see TableauDesk
        """Make a tableau until that day; its id."""
        asked = {"commune": COMMUNE, "reunion": FIRST, "until": last} | fields
        return int(self.made.make(TypeTableau.VINGT_JOURS, **asked).row["export_id"])

    def file(self, export_id: int) -> dict[str, Any]:
        """The row of the file's view."""
        return dict(self.made.row(export_id))

    def deposit(self, number: int, verdict: str = "") -> None:
        depot = "INSERT INTO depot (export_id, deposited_on, deposited_by, verdict) VALUES (:id, :day, 'mairie', :said)"
        self.made.run(depot, id=number, day="2026-11-25", said=verdict)

    def recalled(self) -> list[int]:
        """The files that must be made again."""
        query = "SELECT export_id FROM derniers_exports WHERE recalled_at IS NOT NULL ORDER BY export_id"
        return [number for (number,) in self.register.rows(query)]

    def state(self) -> tuple[Any, ...]:
        """Everything that a correction could change in the register and its files."""
        mouvements = self.register.rows(
            "SELECT id, import_id, date_mouvement FROM mouvement ORDER BY id"
        )
        days = self.register.rows("SELECT id, taken_on, undone_at FROM import ORDER BY id")
        return (
            self.register.shown(),
            self.register.bureaux(),
            mouvements,
            days,
            self.recalled(),
            self.audit(),
        )

    def audit(self) -> list[tuple[Any, ...]]:
        """Actor, action, commune, export and detail of each audit line."""
        lines = [it for it in self.made.audit() if it.action != Action.VERSIONS_PURGED]
        return [(it.actor, it.action, it.code_commune, it.export_id, it.detail) for it in lines]


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[Desk]:
    with MouvementsDesk.open(url, folder) as register:
        yield Desk(register, folder / "arrivals")


pytestmark = [
    pytest.mark.database(TWO_COMMUNES),
    pytest.mark.desk(opened_by=open_desk),
    pytest.mark.slow,
]


def test_what_undoing_would_change_is_shown_and_changes_nothing(desk: Desk) -> None:
    tableau, liste = desk.tableau(), desk.liste()
    desk.deposit(liste)
    before = desk.state()
    shown = desk.look("undo")
    assert (shown["status"], shown["reason"], shown["import_id"]) == ("ready", "", 3)
    found = shown["found"]
    assert found["listes"] == [{"liste": "P", "electeurs": 11, "before": 12}]
    assert found["comparison"] == {
        "inscriptions": 1,
        "radiations": 0,
        "changements": 0,
        "doubts": 0,
    }
    assert (found["mouvements"], found["removed"], found["files"]["count"]) == (1, [], 2)
    labels = {number: desk.made.row(number)["label"] for number in (tableau, liste)}
    assert (found["files"]["used"], found["files"]["others"]) == (
        [labels[liste]],
        [labels[tableau]],
    )
    assert desk.state() == before


def test_exactly_that_is_done_and_is_in_the_trail(desk: Desk) -> None:
    number, shown = desk.liste(), desk.look("undo")
    row = desk.do(desk.look("undo"), requested_by=COLLEAGUE)
    assert (row["status"], row["import_id"], row["erased_at"] is not None) == ("imported", 3, True)
    assert desk.register.counts() == {(COMMUNE, "P"): 11}
    assert desk.recalled() == [number]
    assert desk.audit() == [
        (COLLEAGUE, "import_undone", COMMUNE, None, "l'import 3 (reu.csv) a été annulé"),
        (COLLEAGUE, "file_recalled", COMMUNE, number, "l'import 3 (reu.csv) a été annulé"),
    ]
    assert desk.do(shown)["reason"] == "Cet export est déjà annulé.", (
        "of two that were shown, one is done"
    )
    assert desk.files() == []


def test_a_day_is_corrected_with_its_mouvements_and_tableaux(desk: Desk) -> None:
    tableau, liste = desk.tableau(), desk.liste()
    before, day = desk.state(), LAST - timedelta(days=1)
    shown = desk.look("redate", taken_on=day)
    assert (shown["found"]["before"], shown["found"]["mouvements"]) == (LAST.isoformat(), 1)
    assert shown["found"]["files"]["others"] == [desk.made.row(tableau)["label"]]
    assert desk.state() == before
    assert desk.do(shown)["status"] == "imported"
    query = "SELECT taken_on FROM import WHERE id = 3 UNION SELECT date_mouvement FROM mouvement WHERE import_id = 3"
    assert [str(it) for (it,) in desk.register.rows(query)] == [day.isoformat()]
    assert desk.recalled() == [tableau]
    assert liste not in desk.recalled(), "it holds the same electors"
    said = "l'export de l'import 3 est du 23/11/2026, et non du 24/11/2026"
    assert desk.audit()[0] == (AGENT, "import_redated", COMMUNE, None, said)


@pytest.mark.parametrize("change", ["a file", "a deposit", "a register", "a download"])
def test_what_has_changed_since_is_not_done(desk: Desk, change: str) -> None:
    tableau, shown = desk.tableau(), desk.look("undo")
    match change:
        case "a file":
            desk.liste()
        case "a deposit":
            desk.deposit(tableau)
        case "a download":
            desk.made.run(
                "UPDATE export SET downloaded_at = created_at, a_completer = 0 WHERE id = :id",
                id=tableau,
            )
        case _:
            desk.register.load(electeurs(3, EUROPEENNE), intake=Intake(LAST))
    before = desk.state()
    row = desk.do(shown, reason="mauvais fichier")
    assert (row["status"], row["reason"]) == ("refused", CHANGED)
    assert desk.state() == before


def test_what_was_deposited_asks_for_a_reason_which_the_trail_alone_keeps(desk: Desk) -> None:
    number = desk.liste()
    desk.deposit(number)
    shown = desk.look("undo")
    before = desk.state()
    assert "dites pourquoi" in desk.refusal(desk.ask_import(shown))
    assert (desk.state(), desk.row(shown["id"])["status"]) == (before, "ready")
    row = desk.do(shown, reason="mauvais fichier")
    assert (row["status"], "reason" in row["terms"]) == ("imported", False)
    assert desk.audit()[0][-1] == "l'import 3 (reu.csv) a été annulé : mauvais fichier"
    assert desk.register.rows("SELECT reason, recalled_by FROM recall") == [
        ("mauvais fichier", AGENT)
    ]


def test_a_day_between_its_neighbours_only(desk: Desk) -> None:
    before = desk.state()
    for import_id, day in ((3, MEETING - timedelta(days=1)), (2, LAST + timedelta(days=1))):
        row = desk.look("redate", import_id, taken_on=day)
        assert (row["status"], "n'est pas possible" in row["reason"]) == ("refused", True)
    tomorrow = jour_a_paris(now()) + timedelta(days=2)
    assert "n'est pas encore venu" in desk.refusal(desk.ask("redate", taken_on=tomorrow))
    assert "est déjà du 24/11/2026" in desk.refusal(desk.ask("redate", taken_on=LAST))
    assert desk.state() == before


def test_nothing_is_done_or_said_of_the_exports_of_others(desk: Desk) -> None:
    desk.register.load(electeurs(3, {CODE: VOISINE}), intake=Intake(LAST))
    unknown = f"Export inconnu : aucun export repris de {COMMUNE} n'a ce numéro."
    assert desk.refusal(desk.ask("undo", 99)) == desk.refusal(desk.ask("undo", 4)) == unknown
    both = [*electeurs(12), *electeurs(3, {CODE: VOISINE, **EUROPEENNE})]
    desk.register.load(both, intake=Intake(jour_a_paris(now())))
    assert "d'autres communes aussi" in desk.refusal(desk.ask("undo", 5))
    assert desk.register.rows("SELECT count(*) FROM preview") == [(0,)]


def test_programs_and_people_are_told_what_would_change_and_what_was_done(desk: Desk) -> None:
    desk.deposit(desk.liste())
    shown = desk.look("undo")
    desk.do(shown, reason="mauvais fichier")
    with Session(desk.register.engine) as session:
        row = session.get_one(Preview, shown["id"])
        first, second = (
            session.get_one(Request, it) for it in (row.request_id, row.import_request_id)
        )
        previewed, done = registre_event(first, row).data, registre_event(second, row).data
        text = describe_request(RequestReport(second, "Marseille (13055)", row), "")
    assert (previewed["act"], previewed["status"], previewed["recalled"]) == ("undo", "ready", 1)
    assert (previewed["mouvements"], previewed["is_reason_wanted"], previewed["inscriptions"]) == (
        1,
        True,
        1,
    )
    assert (done["act"], done["status"], done["import_id"]) == ("undo", "imported", 3)
    assert text.subject.startswith("Reprise annulée — ")
    assert "Fichiers à refaire : 1\n" in text.mail


ACTOR = "exploitant"


def _numbers(row: dict[str, Any]) -> list[int]:
    return [it["import_id"] for it in decoded(row["rests_on"])]


def test_a_file_says_which_imports_it_rests_on(desk: Desk) -> None:
    path = write_mouvements(
        desk.register.folder / "mouvements.csv", lignes(1, date="10/11/2026", état="applique")
    )
    import_mouvements(desk.register.engine, path, imported_by="test")
    until_meeting, until_last, liste = desk.tableau(MEETING), desk.tableau(LAST), desk.liste()
    assert _numbers(desk.file(until_meeting)) == [1, 2, 4], (
        "the exports of its period, and a file of mouvements"
    )
    assert _numbers(desk.file(until_last)) == [1, 2, 3, 4]
    assert _numbers(desk.file(liste)) == [3], "the last import of the list"
    (rests_on,) = decoded(desk.file(liste)["rests_on"])
    assert rests_on == {"import_id": 3, "taken_on": "2026-11-24", "electeurs": 12}
    undo(desk.register.engine, 4, actor=ACTOR)
    assert desk.recalled() == [until_meeting, until_last]


def test_what_rests_on_an_import_that_is_undone_is_to_be_made_again(desk: Desk) -> None:
    until_meeting, until_last, liste = desk.tableau(MEETING), desk.tableau(LAST), desk.liste()
    _, recalled = undo(desk.register.engine, actor=ACTOR)
    assert desk.recalled() == [until_last, liste]
    row = desk.file(until_last)
    assert [f"{label}, à refaire" for label in recalled] == [
        row["label"],
        desk.file(liste)["label"],
    ]
    assert row["recalled_because"] == "l'import 3 (reu.csv) a été annulé"
    assert desk.file(until_meeting)["recalled_because"] == ""
    assert desk.audit() == [
        (ACTOR, "import_undone", COMMUNE, None, "l'import 3 (reu.csv) a été annulé"),
        (ACTOR, "file_recalled", COMMUNE, until_last, "l'import 3 (reu.csv) a été annulé"),
        (ACTOR, "file_recalled", COMMUNE, liste, "l'import 3 (reu.csv) a été annulé"),
    ]
    undo(desk.register.engine, 2, actor=ACTOR)
    assert desk.recalled() == [until_meeting, until_last, liste]
    assert desk.file(until_last)["label"].count("à refaire") == 1, "once, for the first reason"
    assert desk.tableau(FIRST + timedelta(days=2)) not in desk.recalled()


def test_files_of_other_lists_stand(desk: Desk) -> None:
    desk.register.load(electeurs(3, EUROPEENNE), intake=Intake(LAST))
    desk.register.load(electeurs(3, {CODE: VOISINE}), intake=Intake(LAST))
    liste, other = desk.liste(), desk.liste(Liste.COMPLEMENTAIRE_EUROPEENNE)
    undo(desk.register.engine, 3, actor=ACTOR)
    assert desk.recalled() == [liste]
    assert desk.file(other)["label"].endswith("[csv]")


@pytest.mark.parametrize("used", ["deposited", "posted", "published"])
def test_what_was_deposited_or_posted_asks_for_a_reason(desk: Desk, used: str) -> None:
    number = _use(desk, used)
    before = desk.register.counts(), desk.register.imports()
    with pytest.raises(
        RefusedError, match=r"reposent sur l'import 3 .+ : indiquez avec --reason pourquoi"
    ):
        undo(desk.register.engine, actor=ACTOR)
    assert (desk.register.counts(), desk.register.imports(), desk.recalled(), desk.audit()) == (
        *before,
        [],
        [],
    )
    undo(desk.register.engine, actor=ACTOR, reason="mauvais fichier")
    assert desk.recalled() == [number]
    assert desk.audit()[0][-1] == "l'import 3 (reu.csv) a été annulé : mauvais fichier"
    assert desk.register.rows("SELECT reason, recalled_by FROM recall") == [
        ("mauvais fichier", ACTOR)
    ]


@pytest.mark.parametrize(
    "used",
    ["rejected", "taken by the commission", "provisional", "incomplete", "a list that was taken"],
)
def test_what_is_in_nobodys_hands_asks_for_none(desk: Desk, used: str) -> None:
    number = _use(desk, used)
    undo(desk.register.engine, actor=ACTOR)
    assert desk.recalled() == [number]


def _use(desk: Desk, used: str) -> int:
    taken = "UPDATE export SET downloaded_at = created_at WHERE id = :id"
    match used:
        case "deposited" | "rejected":
            number = desk.liste()
            desk.deposit(number, "rejete" if used == "rejected" else "")
        case "published":
            number = desk.tableau(LAST)
            days = "published_on, published_by, said_at"
            desk.made.run(
                f"INSERT INTO publication (export_id, mode, {days}) "  # noqa: S608 — ours
                "SELECT id, 'affichage', '2026-11-25', 'mairie', created_at FROM export WHERE id = :id",
                id=number,
            )
        case "a list that was taken":
            number = desk.liste()
            desk.made.run(taken, id=number)
        case _:
            edition = Edition.COMMISSION if "commission" in used else Edition.AFFICHAGE
            number = desk.tableau(LAST, edition=edition)
            desk.made.run(taken, id=number)
            if used != "incomplete":
                desk.made.run("UPDATE export SET a_completer = 0 WHERE id = :id", id=number)
            if used == "provisional":
                desk.made.run("UPDATE export SET provisoire_until = '2027-04-01'")
    return number


def test_a_file_that_is_being_made_begins_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_writing(monkeypatch, lambda: undo(desk.register.engine, actor=ACTOR))
    (number,) = desk.plan()
    row = desk.made.process(number)
    assert (row["status"], row["owner"], row["starts"], desk.made.files()) == (
        "queued",
        None,
        0,
        [],
    )
    row = desk.made.process(number)
    assert (row["status"], row["electeurs"], row["recalled_at"]) == ("ready", 11, None)
    assert _numbers(dict(row)) == [2]


def test_the_command_says_what_is_to_be_made_again_and_asks_why(
    desk: Desk,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    label = desk.file(_use(desk, "deposited"))["label"]
    assert main(["imports", "--undo"]) == ExitCode.FAILED
    assert (
        f"(« {label} ») : indiquez avec --reason pourquoi ils sont à refaire"
        in capsys.readouterr().err
    )
    assert main(["imports", "--undo", "--reason", "mauvais fichier"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(f"À refaire : 1 fichier, {label}.\n")
    tableau = desk.file(desk.tableau(MEETING))["label"]
    assert main(["imports", "--taken-on", "2", "2026-11-19"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith(f"À refaire : 1 fichier, {tableau}.\n")
    assert main(["imports", "--reason", "pour rien"]) == ExitCode.USAGE
