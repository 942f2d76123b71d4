"""The commands of mouvements, polls, meetings and protections: what an operator reads and a script gets."""

import io
import json
import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest
from sqlalchemy import insert, select

from common.calendrier import civil_day, is_mineur, jour_a_paris, last_birth, now
from common.cli import ExitCode
from tests.integration.import_desk import TWO_COMMUNES
from tests.unit.mouvement_csv import lignes, write_mouvements
from tests.unit.reu_sample import BUREAU, COMMUNE, DATE, EUROPEENNE, PAYS, POSTAL, VOIE, electeurs, write_reu
from worker.cli.main import main
from worker.db.engine import build_engine
from worker.registre.models import Commune, Import

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES)]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.mark.slow
def test_a_second_export_is_compared(run: Run, tmp_path: Path) -> None:
    first = electeurs(10)
    assert "Aucun mouvement" in run("import-reu", write_reu(tmp_path / "un.csv", first), "--taken-on", "2026-11-10").out
    second = [first[1] | {BUREAU: "2"}, first[2] | {VOIE: "Rue Neuve"}, first[2], *first[3:], *electeurs(12)[10:]]
    done = run("import-reu", write_reu(tmp_path / "deux.csv", second), "--taken-on", "2026-11-20")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert "D'après l'export du 20/11/2026 : 3 inscriptions, 1 radiation, 1 changement de bureau.\n" in done.out
    report = tmp_path / "deux-comparaison.csv"
    assert f"À vérifier : 1 cas d'homonymie, 0 orthographe changée, 3 doutes. Détail : {report}" in done.out
    assert "3 doutes bloquent les tableaux tant que personne n'a dit s'il s'agit de la même personne" in done.out
    undone = run("import-undo")
    assert undone.out.endswith(
        "1 liste remise à l'état précédent, 0 liste retirée du registre, 5 mouvements effacés.\n"
    )


@pytest.mark.slow
def test_what_makes_no_mouvement_is_said(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    moved = [electeurs(3)[0] | {VOIE: "Rue Neuve"}, *electeurs(3)[1:]]
    done = run("import-reu", write_reu(tmp_path / "deux.csv", moved), "--taken-on", "20/11/2026")
    assert "0 inscription, 0 radiation, 0 changement de bureau." in done.out
    assert "1 électeur a changé autrement" in done.out


@pytest.mark.slow
def test_a_program_gets_the_comparison_as_json(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    done = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-20", "--json")
    found = json.loads(done.out)["comparison"]
    assert (found["jour"], found["inscriptions"], found["report"]) == ("2026-11-20", 1, None)
    assert json.loads(run("import-reu", tmp_path / "deux.csv", "--json").out)["comparison"] is None


def test_a_day_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    reu = write_reu(tmp_path / "un.csv", electeurs(3))
    wrong = run("import-reu", reu, "--taken-on", "demain")
    assert wrong.code == ExitCode.USAGE
    assert "date attendue sous la forme AAAA-MM-JJ ou JJ/MM/AAAA" in wrong.err


@pytest.mark.slow
def test_the_day_of_an_export_is_asked_for_and_can_be_told_afterwards(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    done = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(5)))
    assert "celui de l'import, faute de --taken-on" in done.out
    assert "imports --taken-on 2 AAAA-MM-JJ" in done.out
    told = run("imports", "--taken-on", "2", "18/11/2026")
    assert told.out == "Import 2 : export du 18/11/2026, 2 mouvements datés de ce jour.\n"
    early = run("imports", "--taken-on", "2", "09/11/2026")
    assert early.code == ExitCode.FAILED
    assert "un export du 10/11/2026 a été repris avant celui-ci (import 1)" in early.err
    assert "n'est pas celui d'un export du REU" in run("imports", "--taken-on", "7", "09/11/2026").err


@pytest.mark.slow
def test_a_file_is_vouched_for_afterwards_too(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    mouvements = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    assert "sont connus jusqu'au" not in run("import-mouvements", mouvements).out
    again = run("import-mouvements", mouvements, "--complete-until", "20/11/2026")
    assert "rien n'a changé" in again.out
    assert "Tous les mouvements sont connus jusqu'au 20/11/2026, est-il dit de cet import." in again.out
    assert "terminé, dit complet jusqu'au 20/11/2026" in " ".join(run("imports").out.split())
    engine = build_engine(os.environ["PREFECTURE_DATABASE_URL"])
    with engine.connect() as connection:
        assert connection.scalars(select(Import.complete_until).order_by(Import.id)).all() == [None, date(2026, 11, 20)]
    engine.dispose()


def test_nothing_is_known_of_a_day_to_come(run: Run, tmp_path: Path) -> None:
    reu = write_reu(tmp_path / "un.csv", electeurs(3))
    mouvements = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    for arguments in (
        ("import-reu", reu, "--taken-on", "31/12/2099"),
        ("import-mouvements", mouvements, "--complete-until", "31/12/2099"),
    ):
        _refuse_day_to_come(run, *arguments)
    assert run("imports").out == "Aucun import.\n"
    run("import-mouvements", mouvements)
    number = _number_of(run("import-reu", reu))
    _refuse_day_to_come(run, "import-mouvements", mouvements, "--complete-until", "31/12/2099")
    _refuse_day_to_come(run, "imports", "--taken-on", number, "31/12/2099")
    assert "2099" not in run("imports").out


def _refuse_day_to_come(run: Run, *arguments: str | Path) -> None:
    refused = run(*arguments)
    assert refused.code == ExitCode.FAILED
    assert f"le {arguments[-1]} n'est pas encore venu : vérifiez la date" in refused.err


def test_the_view_counts_the_minors_of_the_civil_day_of_each_commune(run: Run, tmp_path: Path) -> None:
    wallis, papeete = "98613", "98735"
    _add_communes(wallis, papeete)
    born = last_birth(civil_day(now(), wallis))
    year, month, day = born.split("-")
    both = [it | {COMMUNE: code, DATE: f"{day}/{month}/{year}"} for code in (wallis, papeete) for it in electeurs(1)]
    run("import-reu", write_reu(tmp_path / "deux.csv", both))
    engine = build_engine(os.environ["PREFECTURE_DATABASE_URL"])
    with engine.connect() as connection:
        counted: dict[str, int] = dict(connection.exec_driver_sql("SELECT code_commune, mineurs FROM registres").all())
    engine.dispose()
    assert counted == {code: is_mineur(born, civil_day(now(), code)) for code in (wallis, papeete)}


def _add_communes(*codes: str) -> None:
    engine = build_engine(os.environ["PREFECTURE_DATABASE_URL"])
    with engine.begin() as connection:
        known = [{"code": code, "nom": "AILLEURS", "code_departement": code[:3]} for code in codes]
        connection.execute(insert(Commune), known)
    engine.dispose()


def _number_of(imported: Ran) -> str:
    """The number of an import whose day was not said."""
    return imported.out.partition("imports --taken-on ")[2].split()[0]


@pytest.mark.parametrize(
    ("code", "instant", "today", "tomorrow"),
    [
        ("98735", "2026-11-26T04:00:00+00:00", "25/11/2026", "26/11/2026"),  # Papeete: Paris has the 26th
        ("98818", "2026-11-26T21:00:00+00:00", "27/11/2026", "28/11/2026"),  # Nouméa: Paris has the 26th
    ],
)
def test_the_day_of_an_import_is_that_of_its_commune(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, code: str, instant: str, today: str, tomorrow: str
) -> None:
    _add_communes(code)
    clock = Mock(wraps=datetime, **{"now.return_value": datetime.fromisoformat(instant)})
    monkeypatch.setattr("common.calendrier.datetime", clock)
    reu = write_reu(tmp_path / "un.csv", electeurs(3, {COMMUNE: code}))
    _refuse_day_to_come(run, "import-reu", reu, "--taken-on", tomorrow)
    imported = run("import-reu", reu)
    assert f"Jour de l'export : {today}, celui de l'import" in imported.out
    _refuse_day_to_come(run, "imports", "--taken-on", _number_of(imported), tomorrow)
    redated = run("imports", "--taken-on", _number_of(imported), today, "--reason", "dit par la mairie")
    assert redated.code == ExitCode.DONE


def test_an_export_is_not_left_uncompared_without_a_reason(run: Run, tmp_path: Path) -> None:
    reu = write_reu(tmp_path / "un.csv", electeurs(3))
    for reason in ("", "  "):
        refused = run("import-reu", reu, "--no-compare", reason)
        assert refused.code == ExitCode.USAGE
        assert "--no-compare demande une raison : pourquoi cet export n'est-il pas comparé ?" in refused.err
    first = run("import-reu", reu, "--no-compare", "export partiel")
    assert first.code == ExitCode.DONE
    assert "Lacune" not in first.out, "nothing was there to be compared with"


@pytest.mark.slow
def test_what_it_costs_not_to_compare_is_said_and_shown_until_it_is_undone(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-10")
    second = "import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-20"
    done = run(*second, "--no-compare", "trop long")
    assert (
        "Lacune : aucun tableau ne pourra couvrir du 10/11/2026 au 20/11/2026 (liste P de 13055), ce qui a changé "
        "entre ces deux exports n'est pas connu. Pour la combler : import-undo 2, puis le même import sans "
        "--no-compare ; ou les mouvements de cette période (import-mouvements --complete-until).\n"
    ) in done.out
    shown = run("imports").out
    assert "terminé, non comparé : lacune du 10/11/2026 au 20/11/2026" in " ".join(shown.split())
    run("import-undo")
    assert "lacune" not in run("imports").out
    compared = run(*second)
    assert "Lacune" not in compared.out
    assert "lacune" not in run("imports").out
    again = run("import-reu", write_reu(tmp_path / "trois.csv", electeurs(5)), "--no-compare", "trop long", "--json")
    (gap,) = json.loads(again.out)["gaps"]
    assert gap[:4] == [4, "13055", "P", "2026-11-20"]


@pytest.mark.slow
def test_who_is_no_elector_yet_is_said_at_the_import(run: Run, tmp_path: Path) -> None:
    young = [it | {DATE: f"01/01/{jour_a_paris(now()).year - 17}"} for it in electeurs(2)]
    done = run("import-reu", write_reu(tmp_path / "un.csv", [*young, *electeurs(6)[2:]]), "--taken-on", "2026-11-10")
    assert "6, dont 2 mineurs" in done.out
    assert "Un mineur inscrit d'avance ne figure dans le fichier de sa liste qu'à ses dix-huit ans.\n" in done.out
    done = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(6)), "--taken-on", "2026-11-11", "--json")
    assert [it["mineurs"] for it in json.loads(done.out)["listes"]] == [0]


@pytest.mark.slow
def test_zeros_that_a_spreadsheet_removed_from_a_csv_are_said_once(run: Run, tmp_path: Path) -> None:
    ruined = [*electeurs(3, {POSTAL: "1400"}), *electeurs(5)[3:]]
    done = run("import-reu", write_reu(tmp_path / "un.csv", ruined), "--taken-on", "2026-11-10")
    assert done.code == ExitCode.DONE
    assert done.out.count("un tableur a retiré les zéros") == 1
    assert "À savoir : un tableur a retiré les zéros en tête des codes" in done.out
    assert "de 3 électeurs : les fichiers de ces listes ne seront pas à déposer. Reprenez l'export d'ELIRE" in done.out
    abroad = electeurs(5, {POSTAL: "1000", PAYS: "BELGIQUE"})
    done = run("import-reu", write_reu(tmp_path / "deux.csv", abroad), "--taken-on", "2026-11-11")
    assert "zéros" not in done.out


def test_an_export_that_comes_late_is_refused(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(3)), "--taken-on", "2026-11-20")
    late = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-10")
    assert late.code == ExitCode.FAILED
    assert "celui-ci, du 10/11/2026, vient trop tard" in late.err


@pytest.mark.slow
def test_a_list_that_the_file_lacks_is_named_and_emptied_on_purpose(run: Run, tmp_path: Path) -> None:
    both = [*electeurs(3), *electeurs(2, EUROPEENNE)]
    run("import-reu", write_reu(tmp_path / "un.csv", both), "--taken-on", "2026-11-10")
    kept = run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(4)), "--taken-on", "2026-11-11")
    assert "Liste CE de 13055, absente de ce fichier : 2 électeurs conservés (--empty la viderait)." in kept.out
    emptied = run(
        *("import-reu", write_reu(tmp_path / "trois.csv", electeurs(5))),
        *("--taken-on", "2026-11-12", "--empty", "CE"),
    )
    assert emptied.code == ExitCode.DONE
    assert "1 inscription, 2 radiations, 0 changement de bureau." in emptied.out
    later = run("import-reu", write_reu(tmp_path / "cinq.csv", electeurs(6)), "--taken-on", "2026-11-13")
    assert later.code == ExitCode.DONE
    assert "absente de ce fichier" not in later.out, "nobody is on that list any more"
    nobody = write_reu(tmp_path / "quatre.csv", [])
    assert "indiquez laquelle avec --empty" in run("import-reu", nobody, "--taken-on", "2026-11-13").err
    assert "indiquez avec --commune" in run("import-reu", nobody, "--taken-on", "2026-11-13", "--empty", "CE").err
    all_of_them = "import-reu", nobody, "--taken-on", "2026-11-13", "--empty", "P", "--commune", "13055"
    refused = run(*all_of_them)
    assert refused.code == ExitCode.FAILED
    assert "La liste principale de 13055 perdrait 6 électeurs connus sur 6. Le fichier est vide" in refused.err
    done = run(*all_of_them, "--accept-changes")
    assert done.code == ExitCode.DONE
    assert "0 inscription, 6 radiations" in done.out


def test_mouvements_are_imported_once_and_taken_back(run: Run, tmp_path: Path) -> None:
    path = write_mouvements(tmp_path / "mouvements.csv", lignes(2))
    done = run("import-mouvements", path, "--imported-by", "Mme Lefèvre")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert "Import 1 : 2 lignes lues, 2 mouvements ajoutés, 0 rejeté, 0 valeur nettoyée." in done.out
    assert "rien n'a changé" in run("import-mouvements", path).out
    assert "Mme Lefèvre" in run("imports").out
    assert "2 mouvements effacés" in run("import-undo").out


def test_rejected_mouvements_are_explained_without_naming_anybody(run: Run, tmp_path: Path) -> None:
    path = write_mouvements(tmp_path / "mouvements.csv", [*lignes(2), *lignes(1, nature="naissance")])
    report = tmp_path / "ailleurs.csv"
    refused = run("import-mouvements", path, "--report", report)
    assert refused.code == ExitCode.FAILED
    assert refused.err.startswith("Erreur : 1 ligne rejetée sur 3 : nature : valeur inconnue ou illisible (1).")
    accepted = run("import-mouvements", path, "--report", report, "--accept-rejects")
    assert f"Détail : {report}" in accepted.out
    assert "TILLEUL" not in refused.err + accepted.out + report.read_text()


def test_polls_are_added_shown_and_removed(run: Run) -> None:
    decreed = run("scrutins").out
    assert [it for it in ("15/03/2026", "toutes", "décret n° 2025-848 du 27 août 2025") if it not in decreed] == []
    assert run("scrutins", "--remove", "15/03/2026").out == "Aucun scrutin : ajoutez-en un avec --add.\n"
    national = run("scrutins", "--add", "11/04/2027", "--libelle", "Présidentielle", "--cloture", "2027-03-05")
    assert [word for word in ("11/04/2027", "toutes", "Présidentielle", "05/03/2027") if word not in national.out] == []
    both = run("scrutins", "--commune", "13055", "--add", "2027-06-13", "--libelle", "Municipale partielle").out
    assert "13/06/2027" in both
    assert "Présidentielle" in both
    assert "Municipale" not in run("scrutins", "--commune", "13055", "--remove", "13/06/2027").out
    refused = run("scrutins", "--add", "12/04/2027")
    assert (refused.code, refused.err) == (
        ExitCode.FAILED,
        "Erreur : on ne vote pas le 12/04/2027 : ce n'est pas un dimanche\n",
    )
    assert run("scrutins", "--libelle", "Présidentielle").code == ExitCode.USAGE
    assert run("scrutins", "--sans-commission").code == ExitCode.USAGE
    decree = "décret n° 2024-527 du 9 juin 2024"
    without = ("--add", "30/06/2024", "--libelle", "Législatives", "--publication", "15/06/2024", "--sans-commission")
    assert "demandent le texte" in run("scrutins", *without).err
    shown = run("scrutins", *without, "--texte", decree).out
    said = f"tableau publié au plus tard le 15/06/2024 ; pas de réunion de la commission ; {decree}"
    assert said in " ".join(shown.split())


def test_meetings_are_noted_shown_and_removed(run: Run) -> None:
    assert run("commissions", "--commune", "13055").out == "Aucune réunion : notez-en une avec --add.\n"
    run("commissions", "--commune", "13055", "--add", "2026-11-13")
    noted = run("commissions", "--commune", "13055", "--add", "20/11/2026", "--liste", "LCE")
    assert noted.out == "13/11/2026  toutes les listes\n20/11/2026  liste CE\n"
    assert run("commissions", "--commune", "13055", "--remove", "2026-11-13").out == "20/11/2026  liste CE\n"
    vain = run("commissions", "--commune", "13055", "--add", "2026-11-20", "--liste", "CE", "--sans-deliberation")
    assert vain.out == "20/11/2026  liste CE, sans délibération\n"
    assert run("commissions", "--commune", "13055", "--sans-deliberation").code == ExitCode.USAGE
    assert run("commissions", "--commune", "13055", "--add", "2026-11-20", "--liste", "X").code == ExitCode.USAGE
    assert run("commissions").code == ExitCode.USAGE


@pytest.mark.slow
def test_what_the_export_does_not_say_is_completed(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(5)))
    run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(7)))
    assert run("motifs", "--commune", "13055").out == "2 mouvements sans date ou sans catégorie.\n"
    path = tmp_path / "motifs.csv"
    assert run("motifs", "--commune", "13900", "--export", path).out == "0 mouvement sans date ou sans catégorie.\n"
    written = run("motifs", "--commune", "13055", "--export", path)
    assert written.out == f"2 mouvements à compléter dans {path} : il contient des noms.\n"
    day = path.read_text().splitlines()[1].split(";")[4]
    path.write_text(path.read_text().replace(";;;", f";{day};Inscription volontaire;Emménagement", 1))
    noted = run("motifs", "--commune", "13055", "--import", path)
    assert noted == (ExitCode.DONE, "1 mouvement complété.\n1 mouvement sans date ou sans catégorie.\n", "")
    assert run("motifs", "--commune", "13055", "--import", path, "--export", path).code == ExitCode.USAGE


@pytest.mark.slow
def test_a_file_that_is_refused_has_completed_nothing(run: Run, tmp_path: Path) -> None:
    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(5)))
    run("import-reu", write_reu(tmp_path / "deux.csv", electeurs(7)))
    path = tmp_path / "motifs.csv"
    run("motifs", "--commune", "13055", "--export", path)
    half = path.read_text().replace(";;;", ";;Inscription volontaire;", 1)
    path.write_text(half.replace(";;;", ";;Déménagement;"))
    refused = run("motifs", "--commune", "13055", "--import", path)
    assert (refused.code, refused.err) == (ExitCode.FAILED, "Erreur : ligne 3 : catégorie inconnue\n")
    assert run("motifs", "--commune", "13055").out == "2 mouvements sans date ou sans catégorie.\n"


def test_electors_are_protected_by_names_that_are_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(option: str, *answers: str) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in answers)))
        return run("protections", "--commune", "13055", option)

    run("import-reu", write_reu(tmp_path / "un.csv", electeurs(5)))
    assert run("protections", "--commune", "13055").out == "Aucun électeur protégé : ajoutez-en un avec --add.\n"
    added = answer("--add", "d’Aubigné", "ZOE C", "14/03/1962")
    assert (added.code, added.out) == (ExitCode.DONE, "D'AUBIGNE Zoé C, 14/03/1962\n")
    assert "Nom de naissance : " in added.err
    refused = answer("--add", "d’Aubigny", "ZOE C", "14/03/1962")
    assert refused.code == ExitCode.FAILED
    assert "Erreur : personne de ce nom, de ces prénoms et de cette date de naissance" in refused.err
    assert "Aubigny" not in refused.err
    assert answer("--add", "d’Aubigné", "ZOE C", "hier").code == ExitCode.USAGE
    assert answer("--add").code == ExitCode.INTERRUPTED
    assert "Aucun électeur" in answer("--remove", "D'Aubigne", "Zoé C", "1962-03-14").out
    assert run("protections", "--commune", "13055", "--add", "--remove").code == ExitCode.USAGE
