"""`python -m worker reconcile`: list files, tableaux and register agree to the elector, or it says where not."""

import json
import stat
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from common.cli import ExitCode
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.mouvements_desk import open_desk as open_register
from tests.integration.tableau_desk import TableauDesk
from tests.integration.test_majorite import ADULTS, BEFORE, IN_PERIOD, LATER, MEETING, ON_POLL, POLL, invented
from worker.cli.main import main
from worker.exports.naming import ListeNaming
from worker.handlers.export_plan import PlannedFile
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES)]

CAME, LEFT = invented("FURET", "14/03/1962"), invented("FAISAN", "15/04/1963")
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


def test_what_came_later_accounts_for_who_differs(office: Office) -> None:
    office.make_liste()
    office.make_tableau()
    office.register.load([*ADULTS[1:], IN_PERIOD, ON_POLL, CAME], intake=Intake(LATER))
    code, said = office.run("--report", str(office.report))
    assert code == ExitCode.DONE
    assert "22 électeurs au 20/10/2026, 1 inscription et 1 radiation depuis." in said
    named = json.loads(office.report.read_text("utf-8"))
    assert [(it["nom_naissance"], it["is_in_register"], it["message"]) for it in named] == [
        ("FAISAN", False, "radiation depuis ce fichier"),
        ("FURET", True, "inscription depuis ce fichier"),
    ]
    assert named[0]["date_naissance"] == "1963-04-15"
    assert stat.S_IMODE(office.report.stat().st_mode) == 0o600


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
