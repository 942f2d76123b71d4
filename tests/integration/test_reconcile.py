"""`python -m worker reconcile`: list files, tableaux and register agree to the elector, or it says where not."""

import json
import stat
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text

from common.cli import ExitCode
from schemas.tableaux import TypeTableau
from schemas.vocabulary import DoubtDecision, Format, Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.mouvements_desk import open_desk as open_register
from tests.integration.tableau_desk import TableauDesk
from tests.integration.test_majorite import ADULTS, BEFORE, IN_PERIOD, LATER, MEETING, ON_POLL, POLL, invented
from tests.unit.reu_sample import DATE, NOM, PRENOMS
from worker.cli.main import main
from worker.exports.naming import ListeNaming
from worker.exports.records import PlannedFile
from worker.handlers.handle_preview import undo
from worker.registre.comparaison.doubts import decide_doubt, list_doubts
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.slow]

CAME, LEFT = invented("FURET", "14/03/1962"), invented("FAISAN", "15/04/1963")
LATE = invented("COURLIS", "19/10/2009")
DAY = date(2026, 10, 20)
AT = datetime.fromisoformat(f"{DAY}T12:00:00+02:00")


@pytest.fixture
def register(database_url: str, tmp_path: Path) -> Iterator[MouvementsDesk]:
    with open_register(database_url, tmp_path) as desk:
        desk.load([*ADULTS, IN_PERIOD, ON_POLL, LEFT], intake=Intake(BEFORE))
        desk.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT], intake=Intake(MEETING))
        yield desk


class Office:
    """A commune whose files were made, and the command."""

    def __init__(self, register: MouvementsDesk, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.register = register
        self.desk = TableauDesk(register.engine, root)
        self.report = root.with_name("qui.json")
        self._capsys = capsys

    def make_liste(self, format_: Format = Format.CSV) -> RowMapping:
        columns = {"liste": Liste.PRINCIPALE, "format": format_}
        naming = ListeNaming(COMMUNE, Liste.PRINCIPALE, format_)
        (number,) = self.desk.ask_files([PlannedFile(f"P.{format_}", naming, columns)], AT, COMMUNE)
        return self.desk.ring(number)

    def make_tableau(self) -> None:
        asked = {"commune": COMMUNE, "scrutin": POLL, "reunion": BEFORE, "until": MEETING}
        self.desk.make(TypeTableau.VINGT_JOURS, created_at=AT, **asked)

    def run(self, *arguments: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = main(["reconcile", "--commune", COMMUNE, *arguments])
        said = self._capsys.readouterr()
        assert not any(nom in said.out + said.err for nom in ("FURET", "FAISAN", "GERFAUT")), "names are for the report"
        return code, " ".join(said.out.split())

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("--json")[1])
        return document


@pytest.fixture
def office(
    register: MouvementsDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Office:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", register.url)
    monkeypatch.setenv("PREFECTURE_EXPORTS_DIR", str(tmp_path / "exports"))
    return Office(register, tmp_path / "exports", capsys)


def test_nothing_was_made(office: Office) -> None:
    assert office.run() == (
        ExitCode.DONE,
        "Rien à rapprocher : aucun fichier de cette commune n'est sur le volume.",
    )
    assert main(["reconcile", "--commune", "01001"]) == ExitCode.FAILED


@pytest.mark.parametrize("format_", Format)
def test_all_of_it_agrees(office: Office, format_: Format) -> None:
    office.make_liste(format_)
    office.make_tableau()
    code, said = office.run()
    assert code == ExitCode.DONE
    assert "concorde avec le registre, 22 électeurs au 20/10/2026." in said
    assert "concorde avec le registre, 22 électeurs après, 3 mouvements." in said


def test_who_was_forgotten_is_counted_still(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Her radiation is masked; the tableau of its period, made again, has the same totals, and agrees."""
    monkeypatch.setenv("PREFECTURE_ARRIVALS_DIR", str(office.report.with_name("arrivals")))
    office.make_tableau()
    office.make_liste()
    with office.register.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET date_tableau = '2026-01-10'"))
    who = ADULTS[0]
    typed = f"{who[NOM]}\n{who[PRENOMS]}\n{who[DATE]}\n"
    monkeypatch.setattr("sys.stdin", StringIO(typed))
    main(["forget", "--commune", COMMUNE, "--electeur", "--yes"])
    assert ("EFFACÉ",) in office.register.rows("SELECT nom_naissance FROM mouvement")
    office.make_tableau()
    code, said = office.run()
    assert code == ExitCode.DONE, said
    assert "concorde avec le registre, 22 électeurs après, 3 mouvements." in said


def test_what_came_later_accounts_for_who_differs(office: Office) -> None:
    office.make_liste()
    office.make_tableau()
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, CAME], intake=Intake(LATER))
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.DONE
    assert "22 électeurs au 20/10/2026, 1 inscription et 1 radiation depuis." in said
    assert "D'avec la liste" not in said, "they came after both"
    named = json.loads(office.report.read_text("utf-8"))
    assert [(it["nom_naissance"], it["is_in_register"], it["message"]) for it in named] == [
        ("FAISAN", False, "radiation depuis ce fichier"),
        ("FURET", True, "inscription depuis ce fichier"),
    ]
    assert named[0]["date_naissance"] == "1963-04-15"
    assert stat.S_IMODE(office.report.stat().st_mode) == 0o600


def test_who_differs_between_the_day_of_a_tableau_and_that_of_the_list_is_named(office: Office) -> None:
    """One came and one left after the meeting, one came of age after the poll and before the day of the list."""
    between = MEETING + timedelta(days=2)
    young = invented("PINSON", "15/10/2008")
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT, young], intake=Intake(MEETING))
    office.make_tableau()
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, CAME, young], intake=Intake(between))
    office.make_liste()
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.DONE, said
    assert (
        "concorde avec le registre, 22 électeurs après, 3 mouvements. D'avec la liste du 20/10/2026 : 1 inscription "
        "après le tableau, 1 radiation après le tableau, 1 majorité après le tableau (--report les nomme)."
    ) in said
    named = json.loads(office.report.read_text("utf-8"))
    assert {(it["nom_naissance"], it["is_in_register"], it["message"]) for it in named} == {
        ("FURET", True, f"inscription du {between:%d/%m/%Y}, après le tableau"),
        ("FAISAN", False, f"radiation du {between:%d/%m/%Y}, après le tableau"),
        ("PINSON", True, "dix-huit ans le 15/10/2026, après le tableau"),
    }
    (tableau,) = office.document()["tableaux"]
    assert tableau["liste_on"] == "2026-10-20"
    assert tableau["differences"] == {"came_since": 1, "left_since": 1, "of_age_since": 1}


def test_what_was_taken_back_is_said_as_what_it_is(office: Office) -> None:
    office.make_liste()
    office.make_tableau()
    undo(office.register.engine, actor="mairie")
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.FAILED
    assert "À REFAIRE : 22 électeurs au 20/10/2026 ; l'import 2 (reu.csv) a été annulé, 1 électeur diffère" in said
    assert "À REFAIRE : 22 électeurs après, 3 mouvements ; l'import 2 (reu.csv) a été annulé." in said
    assert "rien n'explique" not in said
    assert "NE CONCORDE PAS" not in said
    document = office.document()
    assert [it["recalled_because"] for it in (*document["listes"], *document["tableaux"])] == [
        "l'import 2 (reu.csv) a été annulé"
    ] * 2


def test_a_corrected_civil_status_accounts_for_who_differs(office: Office) -> None:
    """Taken for a minor before: nobody came, and the list has one elector more."""
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT, LATE], intake=Intake(MEETING))
    office.make_liste()
    office.make_tableau()
    older = LATE | {DATE: "01/02/1990"}
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT, older], intake=Intake(MEETING))
    with office.register.engine.begin() as connection:
        (doubt,) = list_doubts(connection, COMMUNE)
        decide_doubt(connection, doubt.id, DoubtDecision.SAME_PERSON, by="mairie")
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.FAILED, "the tableau is to be made again, since the correction is of its last day"
    assert "concorde avec le registre, 22 électeurs au 20/10/2026, 1 état civil corrigé depuis." in said
    assert (
        "NE CONCORDE PAS : 22 électeurs après, 3 mouvements ; 23 et 3 d'après le registre, où une date de naissance "
        "corrigée depuis change un mineur en électeur ou le contraire. Redemander le tableau."
    ) in said
    named = {it["nom_naissance"]: it["message"] for it in json.loads(office.report.read_text("utf-8"))}
    assert named["COURLIS"] == "état civil corrigé depuis ce fichier (doutes : même personne)"


def test_a_civil_status_that_a_later_export_corrects_changes_no_tableau_of_before(office: Office) -> None:
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT, LATE], intake=Intake(MEETING))
    office.make_tableau()
    older = LATE | {DATE: "01/02/1990"}
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, LEFT, older], intake=Intake(LATER))
    with office.register.engine.begin() as connection:
        (doubt,) = list_doubts(connection, COMMUNE)
        decide_doubt(connection, doubt.id, DoubtDecision.SAME_PERSON, by="mairie")
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.DONE
    assert "NE CONCORDE PAS" not in said


def test_an_export_of_before_the_file_that_was_taken_up_after_it(office: Office) -> None:
    office.make_liste()
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, CAME], intake=Intake(DAY))
    (liste,) = office.document()["listes"]
    assert (liste["came_since"], liste["left_since"], liste["unexplained"]) == (1, 1, 0)


def test_who_left_without_a_mouvement_is_a_contradiction(office: Office) -> None:
    office.make_liste()
    office.make_tableau()
    office.desk.run("DELETE FROM electeur WHERE nom_naissance = 'FAISAN' AND version = 2")
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.FAILED
    assert "NE CONCORDE PAS : 22 électeurs au 20/10/2026, 1 écart que rien n'explique. Redemander la liste." in said
    assert "NE CONCORDE PAS : 22 électeurs après, 3 mouvements ; 21 et 3 d'après le registre." in said
    (who,) = json.loads(office.report.read_text("utf-8"))
    assert (who["nom_naissance"], who["is_explained"]) == ("FAISAN", False)
    assert who["message"].startswith("ni inscription ni radiation depuis ce fichier")


def test_a_tableau_whose_mouvements_changed_is_to_be_made_again(office: Office) -> None:
    office.make_tableau()
    office.desk.run("DELETE FROM mouvement WHERE nature = 'radiation'")
    document = office.document()
    (tableau,) = document["tableaux"]
    assert (document["agrees"], tableau["agrees"]) == (False, False)
    assert (tableau["mouvements"], tableau["mouvements_now"]) == (3, 2)


def test_a_file_that_was_altered_proves_nothing(office: Office) -> None:
    made = office.make_liste()
    path = office.desk.root / COMMUNE / made["file_name"]
    path.write_bytes(path.read_bytes().replace(b"FAISAN", b"FAUCON"))
    code, said = office.run()
    assert code == ExitCode.FAILED
    assert "NE CONCORDE PAS : le fichier n'est plus celui qui a été fabriqué. Le redemander." in said
    assert office.document()["listes"][0]["is_intact"] is False
