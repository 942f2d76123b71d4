"""`python -m worker`: its output for operators and its exit codes for scripts."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from sqlalchemy import create_engine, text

from common.cli import ExitCode
from tests.integration.files_desk import Ran
from tests.integration.import_desk import TWO_COMMUNES
from tests.unit.reu_sample import DATE, NOM, electeurs, write_reu
from worker.cli import imports
from worker.cli.main import COMMANDS, guard, main
from worker.cli.options import print_table
from worker.db.engine import newest, require_current
from worker.errors import ConfigurationError

pytestmark = pytest.mark.database(TWO_COMMUNES)

ROOT = Path(__file__).parents[2]
Run = Callable[..., Ran]


@pytest.fixture
def reu(tmp_path: Path) -> Path:
    return write_reu(tmp_path / "reu.csv", electeurs(5))


@pytest.mark.slow
def test_importing_undoing_and_listing(run: Run, reu: Path) -> None:
    assert run("imports").out == "Aucun import.\n"
    done = run("import-reu", reu, "--imported-by", "Mme Lefèvre")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert "Import 1 : 5 lignes lues, 5 gardées, 0 rejetée, 0 valeur nettoyée, 1 bureau." in done.out
    assert "rien n'a changé" in run("import-reu", reu).out
    listed = run("imports").out
    assert "Mme Lefèvre" in listed
    assert re.search(r"│ \d\d/\d\d/\d{4} \? +│ reu.csv", listed), "nobody said the day of the export"
    undone = run("imports", "--undo")
    assert undone.out == (
        "Import 1 (reu.csv) annulé : 0 liste remise à l'état précédent, 1 liste retirée du registre.\n"
    )
    assert "annulé" in run("imports").out
    again = run("imports", "--undo")
    assert (again.code, again.out) == (ExitCode.FAILED, "")
    assert again.err == (
        "Erreur : l'import 1 est déjà annulé ; « imports » montre ceux d'avant, qui s'annulent par leur numéro\n"
    )
    unknown = run("imports", "--undo", "7")
    assert unknown.err == "Erreur : aucun import terminé n'a le numéro 7 ; « imports » les montre\n"


def test_rejected_lines_are_explained_without_naming_anybody(run: Run, tmp_path: Path) -> None:
    rows = [*electeurs(2), *electeurs(1, {DATE: "hier", NOM: "LANTERNE"})]
    reu, report = write_reu(tmp_path / "reu.csv", rows), tmp_path / "ailleurs.csv"
    refused = run("import-reu", reu, "--report", report)
    assert refused.code == ExitCode.FAILED
    assert refused.err.startswith("Erreur : 1 ligne rejetée sur 3 : date de naissance illisible (1). Le détail")
    accepted = run("import-reu", reu, "--report", report, "--accept-rejects")
    assert accepted.code == ExitCode.DONE
    assert f"Détail : {report}" in accepted.out
    assert "LANTERNE" not in refused.err + accepted.out + report.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_comes_by_standard_input_too(run: Run, tmp_path: Path) -> None:
    """`run` has set the address of the database; the temporary copy is deleted."""
    reu = write_reu(tmp_path / "reu.csv", [*electeurs(2), *electeurs(1, {DATE: "hier"})])
    report, kept = tmp_path / "rejets.csv", tmp_path / "tmp"
    kept.mkdir()

    def pipe(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "worker", "import-reu", "-", *options]
        environment = {**os.environ, "TMPDIR": str(kept)}
        with reu.open() as stream:
            return subprocess.run(
                command, cwd=ROOT, env=environment, stdin=stream, capture_output=True, text=True, check=False
            )

    assert pipe().returncode == ExitCode.USAGE
    refused = pipe("--report", str(report))
    assert (refused.returncode, report.exists()) == (ExitCode.FAILED, True), refused.stderr
    assert str(report) in refused.stderr
    done = pipe("--report", str(report), "--accept-rejects")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "entrée standard" in run("imports").out
    assert [*kept.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_command_keeps_what_it_writes_private(run: Run, tmp_path: Path) -> None:
    """`run` has set the address of the database; whatever the shell's umask, other users cannot read the files."""
    reu = write_reu(tmp_path / "reu.csv", [*electeurs(2), *electeurs(1, {DATE: "hier"})])
    command = [sys.executable, "-m", "worker", "import-reu", str(reu)]
    refused = subprocess.run(command, cwd=ROOT, umask=0, capture_output=True, text=True, check=False)
    assert refused.returncode == ExitCode.FAILED, refused.stderr
    assert stat.S_IMODE((tmp_path / "reu-rejets.csv").stat().st_mode) == 0o640


def test_a_program_gets_json(run: Run, reu: Path) -> None:
    done = run("import-reu", reu, "--json")
    summary = json.loads(done.out)
    assert summary["listes"] == [{"code_commune": "13055", "liste": "P", "electeurs": 5, "before": None, "mineurs": 0}]
    assert (summary["lines_kept"], summary["unchanged"], summary["report"]) == (5, False, None)


@pytest.mark.slow
def test_many_lists_are_summed_up(run: Run, tmp_path: Path) -> None:
    codes = [f"130{number:02}" for number in range(20)]
    for code in codes:
        run("communes", "--add", code, f"Commune {code}")
    rows = [row for code in codes for row in electeurs(2, {"code du l'ugle": code})]
    done = run("import-reu", write_reu(tmp_path / "reu.csv", rows))
    assert "20 communes" in done.out
    assert "40" in done.out


def test_communes_are_found_and_added(run: Run) -> None:
    assert run("communes").out == "2 communes connues ; cherchez avec --search.\n"
    assert run("communes", "--search", "MARSEI").out == "13055  Marseille (13)\n"
    assert run("communes", "--search", "2A004").out == "Aucune commune trouvée.\n"
    assert run("communes", "--add", "2a004", "Ajaccio", "--search", "2A004").out.endswith("2A004  Ajaccio (2A)\n")
    wrong = run("communes", "--add", "ABCDE", "Nulle part")
    assert wrong.code == ExitCode.FAILED
    assert "n'est pas un code INSEE" in wrong.err


def test_agents_are_listed_added_and_removed(run: Run) -> None:
    assert run("agents").out.startswith("Aucun agent : ajoutez-en un avec --add.\n")
    added = run("agents", "--add", "mairie", "--commune", "13055", "--email", "elections@mairie.example")
    assert added.out == "mairie sera prévenu pour 13055 à l'adresse elections@mairie.example : tout.\n"
    run("agents", "--add", "mairie", "--commune", "13055", "--email", "autre@mairie.example")
    listed = run("agents").out
    assert "autre@mairie.example" in listed
    assert "elections@" not in listed
    assert run("agents", "--remove", "mairie").code == ExitCode.DONE
    assert run("agents", "--remove", "mairie").code == ExitCode.FAILED
    assert run("agents", "--add", "x", "--commune", "99999", "--email", "x@y.example").code == ExitCode.FAILED
    for email in ("pas une adresse", "a@b.example\nBcc: c@d.example"):
        assert run("agents", "--add", "x", "--commune", "13055", "--email", email).code == ExitCode.USAGE
    assert run("agents", "--add", "x").code == ExitCode.USAGE


@pytest.mark.slow
def test_migrating_twice_does_nothing_more(run: Run) -> None:
    first = run("migrate")
    assert (first.code, "communes ajoutées" in first.out) == (ExitCode.DONE, True)
    assert run("migrate").out == "Base de données déjà à jour ; 0 commune ajoutée.\n"
    assert "Marseille" in run("communes", "--search", "13055").out


def test_a_register_held_by_another_program_is_not_written(
    run: Run, reu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECTURE_REGISTRE_URL", "postgresql+psycopg://elsewhere/registre")
    refused = run("import-reu", reu)
    assert refused.code == ExitCode.FAILED
    assert "tenu par un autre logiciel" in refused.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imprts"], "commande inconnue : imprts. Vouliez-vous dire "),
        (["import-reu"], "il manque l'argument 'FICHIER'"),
        (["declare", "--show", "bureau"], "--commune est attendu aussi"),
        (["agents", "--emal", "x"], "option inconnue : --emal. Vouliez-vous dire '--email'"),
        (["agents", "un", "deux"], "arguments en trop"),
        (["communes", "--add", "13055"], "option --add : il faut 2 valeurs"),
    ],
)
def test_a_wrong_command_line_is_explained_in_french(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"Erreur : {message}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == ExitCode.DONE
    assert "Afficher cette aide." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("sqlite:///nowhere/at/all.db", ExitCode.AWAY, "base de données injoignable : sqlite:///nowhere/at/all.db"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", ExitCode.AWAY, "postgresql+psycopg://me:***@127.0.0.1:1/x"),
        ("sqlite://", ExitCode.FAILED, "lancez « python -m worker migrate »"),
    ],
)
def test_a_database_that_is_not_there_is_said(
    url: str, code: ExitCode, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", url)
    assert main(["imports"]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said


def test_a_command_may_choose_its_exit_code() -> None:
    @click.command
    @click.pass_context
    def command(context: click.Context) -> None:
        context.exit(ExitCode.AWAY)

    assert guard(lambda: command.main([], standalone_mode=False)) == ExitCode.AWAY


def test_an_unexpected_error_says_where_and_quotes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("LANTERNE Ursule")

    assert guard(fail) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert said.startswith("Erreur : erreur inattendue : ValueError (test_worker_cli.py:")
    assert "LANTERNE" not in said


def test_a_missing_setting_is_a_wrong_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECTURE_DATABASE_URL", raising=False)
    assert main(["imports"]) == ExitCode.USAGE
    assert "PREFECTURE_DATABASE_URL" in capsys.readouterr().err


def test_the_health_check_starts_without_the_heavy_libraries() -> None:
    script = "import sys, worker.cli.main as m; m.main(['healthy', '--help']); print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.slow
def test_former_code_goes_on_where_the_database_says_so(run: Run, database_url: str) -> None:
    """After a rollback to a former release, its `migrate` does nothing and its commands work, or both fail."""
    engine = create_engine(database_url)

    def say(version: str, works_with: str) -> None:
        query = text("UPDATE alembic_version SET version_num = :version, works_with = :works_with")
        with engine.begin() as connection:
            connection.execute(query, {"version": version, "works_with": works_with})

    run("migrate")
    say("9999", newest())
    assert run("migrate").code == ExitCode.DONE
    require_current(engine)
    say("9999", "9998")
    assert "employez celle-là" in run("migrate").err
    with pytest.raises(ConfigurationError, match="n'est pas prête"):
        require_current(engine)
    engine.dispose()


def test_no_table_cuts_what_it_shows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = f"{'liste-inventee-' * 9}.csv"
    assert run("import-reu", write_reu(tmp_path / name, electeurs(5)), "--imported-by", "Mme Lefèvre").code == 0
    assert name in run("imports").out, "where it is no terminal, its lines are as long as need be"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("Fichier",), [(name,), ("[bold]",)], "")
    shown = click.unstyle(capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 40
    assert "".join(re.findall(r"^│ (.*?) *│$", shown, re.MULTILINE)) == f"{name}[bold]"


@pytest.mark.slow
def test_what_is_left_out_of_a_list_is_said(run: Run, reu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mairie-a", "mairie-b", "mairie-c"):
        assert run("agents", "--add", name, "--commune", "13900", "--email", "a@mairie.example").code == 0
    assert run("audit", "--limit", "2").out.endswith("… et d'autres lignes : --limit\n")
    assert "autre" not in run("audit", "--limit", "3").out
    assert "autre" not in run("audit", "--limit", "1", "--commune", "13055").out
    told = run("audit", "--limit", "1", "--json")
    assert len(json.loads(told.out)) == 1
    assert told.err == "… et d'autres lignes : --limit\n"
    for lines in (5, 6):
        assert run("import-reu", write_reu(reu, electeurs(lines))).code == ExitCode.DONE
    monkeypatch.setattr(imports, "SHOWN", 1)
    assert run("imports").out.endswith("… et 1 autre import : --all\n")
    assert "autre" not in run("imports", "--all").out
