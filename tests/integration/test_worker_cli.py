"""`python -m worker`: its output for operators, its exit codes for scripts; addresses and secrets stay secret."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import pika
import pytest
from sqlalchemy import create_engine, text
from standardwebhooks import Webhook, WebhookVerificationError

from common.cli import ExitCode, run_command
from schemas.topology import EXCHANGE
from tests.integration.files_desk import Ran, Run
from tests.integration.import_desk import TWO_COMMUNES
from tests.parts.databases import read_rows
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer
from tests.unit.reu_sample import DATE, NOM, electeurs, lignes, write_mouvements, write_reu
from worker.cli.main import COMMANDS, explain, main
from worker.cli.options import print_table, system_user
from worker.db.engine import require_current
from worker.errors import ConfigurationError
from worker.notifier.channels.webhook import make_secret

pytestmark = pytest.mark.database(TWO_COMMUNES)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reu(tmp_path: Path) -> Path:
    return write_reu(tmp_path / "reu.csv", electeurs(5))


@pytest.mark.slow
def test_importing_undoing_and_listing(run: Run, reu: Path) -> None:
    assert run("imports").out == "Aucun import.\n"
    done = run("import-reu", reu, "--imported-by", "Mme Lefèvre")
    assert (done.code, done.err) == (ExitCode.DONE, "")
    assert (
        "Import 1 : 5 lignes lues, 5 gardées, 0 rejetée, 0 valeur nettoyée, 1 bureau." in done.out
    )
    assert "rien n'a changé" in run("import-reu", reu).out
    listed = run("imports").out
    assert "Mme Lefèvre" in listed
    assert re.search(r"│ \d\d/\d\d/\d{4} \? +│ reu.csv", listed), (
        "nobody said the day of the export"
    )
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


@pytest.mark.parametrize("command", ["import-reu", "import-mouvements"])
def test_rejected_lines_are_explained_without_naming_anybody(
    run: Run, tmp_path: Path, command: str
) -> None:
    if command == "import-reu":
        rows, why = (
            [*electeurs(2), *electeurs(1, {DATE: "hier", NOM: "TILLEUL"})],
            "date de naissance illisible (1)",
        )
        path = write_reu(tmp_path / "fichier.csv", rows)
    else:
        rows, why = (
            [*lignes(2), *lignes(1, nature="naissance")],
            "nature : valeur inconnue ou illisible (1)",
        )
        path = write_mouvements(tmp_path / "fichier.csv", rows)
    report = tmp_path / "ailleurs.csv"
    refused = run(command, path, "--report", report)
    assert refused.code == ExitCode.FAILED
    assert refused.err.startswith(f"Erreur : 1 ligne rejetée sur 3 : {why}.")
    accepted = run(command, path, "--report", report, "--accept-rejects")
    assert accepted.code == ExitCode.DONE
    assert f"Détail : {report}" in accepted.out
    assert "TILLEUL" not in refused.err + accepted.out + report.read_text()


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
                command,
                cwd=ROOT,
                env=environment,
                stdin=stream,
                capture_output=True,
                text=True,
                check=False,
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
    refused = subprocess.run(
        command, cwd=ROOT, umask=0, capture_output=True, text=True, check=False
    )
    assert refused.returncode == ExitCode.FAILED, refused.stderr
    assert stat.S_IMODE((tmp_path / "reu-rejets.csv").stat().st_mode) == 0o640


def test_a_program_gets_json(run: Run, reu: Path) -> None:
    done = run("import-reu", reu, "--json")
    summary = json.loads(done.out)
    assert summary["listes"] == [
        {"code_commune": "13055", "liste": "P", "electeurs": 5, "before": None, "mineurs": 0}
    ]
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
    assert run("communes", "--add", "2a004", "Ajaccio", "--search", "2A004").out.endswith(
        "2A004  Ajaccio (2A)\n"
    )
    wrong = run("communes", "--add", "ABCDE", "Nulle part")
    assert wrong.code == ExitCode.FAILED
    assert "n'est pas un code INSEE" in wrong.err


def test_agents_are_listed_added_and_removed(run: Run) -> None:
    assert run("agents").out.startswith("Aucun agent : ajoutez-en un avec --add.\n")
    added = run(
        "agents", "--add", "mairie", "--commune", "13055", "--email", "elections@mairie.example"
    )
    assert (
        added.out == "mairie sera prévenu pour 13055 à l'adresse elections@mairie.example : tout.\n"
    )
    both = ("--commune", "13055", "--commune", "13900")
    run("agents", "--add", "mairie", *both, "--email", "autre@mairie.example")
    listed = run("agents").out
    assert listed.count("autre@mairie.example") == 2
    assert "elections@" not in listed
    assert (run("agents", *both).code, run("agents", "--remove", "mairie", *both).code) == (
        ExitCode.USAGE,
        ExitCode.DONE,
    )
    run("agents", "--add", "mairie", "--commune", "13055", "--email", "autre@mairie.example")
    assert run("agents", "--remove", "mairie").code == ExitCode.DONE
    assert run("agents", "--remove", "mairie").code == ExitCode.FAILED
    assert (
        run("agents", "--add", "x", "--commune", "99999", "--email", "x@y.example").code
        == ExitCode.FAILED
    )
    for email in ("pas une adresse", "a@b.example\nBcc: c@d.example"):
        assert (
            run("agents", "--add", "x", "--commune", "13055", "--email", email).code
            == ExitCode.USAGE
        )
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
        (
            "sqlite:///nowhere/at/all.db",
            ExitCode.AWAY,
            "le fichier de la base ne s'ouvre pas (sqlite:///nowhere/at/all.db)",
        ),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:1/x",
            ExitCode.AWAY,
            "postgresql+psycopg://me:***@127.0.0.1:1/x",
        ),
        ("sqlite://", ExitCode.FAILED, "lancez « python -m worker migrate »"),
    ],
)
def test_a_database_that_is_not_there_is_said(
    url: str,
    code: ExitCode,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", url)
    assert main(["imports"]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said


def test_an_unexpected_error_says_where_and_quotes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise ValueError("LANTERNE Ursule")

    assert run_command(fail, explain) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert said.startswith("Erreur : erreur inattendue : ValueError (test_worker_cli.py:")
    assert "LANTERNE" not in said


def test_a_missing_setting_is_a_wrong_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREFECTURE_DATABASE_URL", raising=False)
    assert main(["imports"]) == ExitCode.USAGE
    assert "PREFECTURE_DATABASE_URL" in capsys.readouterr().err


@pytest.mark.slow
def test_a_database_of_a_newer_release_is_refused(run: Run, database_url: str) -> None:
    engine = create_engine(database_url)
    run("migrate")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "employez celle-là" in run("migrate").err
    with pytest.raises(ConfigurationError, match="n'est pas prête"):
        require_current(engine)
    engine.dispose()


def test_no_table_cuts_what_it_shows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = f"{'liste-inventee-' * 9}.csv"
    assert (
        run(
            "import-reu", write_reu(tmp_path / name, electeurs(5)), "--imported-by", "Mme Lefèvre"
        ).code
        == 0
    )
    assert name in run("imports").out, "where it is no terminal, its lines are as long as need be"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("Fichier",), [(name,), ("[bold]",)], "")
    shown = click.unstyle(capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 40
    assert "".join(re.findall(r"^│ (.*?) *│$", shown, re.MULTILINE)) == f"{name}[bold]"


@pytest.fixture
def run_agents(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_WEBHOOK_HOSTS", LOOPBACK)

    def type_and_run(*arguments: str, typed: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return run("agents", *arguments)

    return type_and_run


def added(ran: Ran) -> str:
    assert ran.code == ExitCode.DONE, ran.err
    found = re.match(r"Destinataire ([0-9a-f]{8}) ajouté", ran.out)
    assert found
    return found[1]


def test_a_webhook_is_added_tried_listed_and_removed(
    run_agents: Run, database_url: str, server: WebServer
) -> None:
    assert run_agents().out.endswith("Aucun webhook : ajoutez-en un avec --channel.\n")
    address = server.url("/chemin-secret")
    ran = run_agents(
        "--channel", "webhook", "--commune", "13900", "--prevenir", "pret", typed=f"{address}\n"
    )
    id_ = added(ran)
    assert ran.out.startswith(f"Destinataire {id_} ajouté : fichiers prêts, pour 13900.\n")
    secret = ran.out.split()[-1]
    assert read_rows(database_url, "SELECT address, secret, kinds FROM recipient") == [
        (address, secret, "pret")
    ]

    assert run_agents("--test", id_).out == f"Message d'essai envoyé à {id_}.\n"
    (post,) = server.posts
    assert Webhook(secret).verify(post.body, dict(post.headers)) == []

    listed = run_agents().out
    assert f"http://{LOOPBACK} " in listed
    assert "en service" in listed
    assert "chemin-secret" not in listed
    assert secret not in listed
    assert id_ not in run_agents("--commune", "13055").out
    assert run_agents("--remove-channel", id_).out == f"Destinataire {id_} retiré.\n"
    assert run_agents("--remove-channel", id_) == Ran(
        ExitCode.FAILED, "", f"Erreur : aucun destinataire de ce numéro : {id_}\n"
    )
    detail = f"webhook {id_}, http://{LOOPBACK}"
    assert read_rows(
        database_url, "SELECT actor, action, code_commune, detail FROM audit ORDER BY id"
    ) == [
        (system_user(), "recipient_added", "13900", detail),
        (system_user(), "recipient_removed", "13900", detail),
    ]


def test_a_webhook_of_every_commune(run_agents: Run, server: WebServer) -> None:
    address = server.url("/chemin-secret")
    added(run_agents("--channel", "webhook", "--commune", "*", typed=f"{address}\n"))
    listed = run_agents("--commune", "13900").out
    assert "toutes les communes" in listed
    assert "tout " in listed


def test_two_secrets_sign_a_webhook_until_the_former_one_ends(
    run_agents: Run, server: WebServer
) -> None:
    former = make_secret()
    address = f"{server.url()}\n{former}\n"
    ran = run_agents("--channel", "webhook", "--commune", "13900", "--own-secret", typed=address)
    id_ = added(ran)
    assert former not in ran.out
    newer = run_agents("--new-secret", id_).out.split()[-1]
    run_agents("--test", id_)
    assert run_agents("--end-secret", id_).code == ExitCode.DONE
    run_agents("--test", id_)
    both, last = server.posts
    for secret in (former, newer):
        assert Webhook(secret).verify(both.body, dict(both.headers)) == []
    assert Webhook(newer).verify(last.body, dict(last.headers)) == []
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(last.body, dict(last.headers))


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "words"),
    [
        (["--channel", "webhook"], "", ExitCode.USAGE, "--channel demande aussi --commune"),
        (
            ["--channel", "courriel", "--commune", "*"],
            "",
            ExitCode.USAGE,
            "les valeurs possibles sont",
        ),
        (["--prevenir", "pret"], "", ExitCode.USAGE, "demande aussi --add ou --channel"),
        (
            ["--channel", "webhook", "--commune", "99999"],
            "",
            ExitCode.FAILED,
            "commune inconnue : 99999",
        ),
        (
            ["--channel", "webhook", "--commune", "*"],
            "",
            ExitCode.FAILED,
            "adresse https:// attendue",
        ),
        (
            ["--channel", "webhook", "--commune", "*"],
            "https://h.example/secret",
            ExitCode.FAILED,
            "hôte absent de",
        ),
        (["--test", "secret"], "", ExitCode.FAILED, "aucun destinataire"),
    ],
)
def test_what_cannot_be_told_is_not_added(
    run_agents: Run,
    database_url: str,
    *,
    arguments: list[str],
    typed: str,
    code: ExitCode,
    words: str,
) -> None:
    ran = run_agents(*arguments, typed=typed)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "h.example" not in ran.err
    assert read_rows(database_url, "SELECT id FROM recipient") == []


def test_a_recipient_that_does_not_answer_is_said(run_agents: Run, server: WebServer) -> None:
    id_ = added(run_agents("--channel", "webhook", "--commune", "13900", typed=server.url()))
    server.status = 503
    assert run_agents("--test", id_) == Ran(ExitCode.AWAY, "", "Erreur : réponse 503\n")
    server.status = 404
    assert run_agents("--test", id_) == Ran(ExitCode.FAILED, "", "Erreur : réponse 404\n")


def test_an_agent_says_what_she_wants(run_agents: Run, database_url: str) -> None:
    add = ["--add", "mairie", "--commune", "13900", "--email", "mairie@libreville.example"]

    assert (
        run_agents(*add).out
        == "mairie sera prévenu pour 13900 à l'adresse mairie@libreville.example : tout.\n"
    )
    asked = run_agents(*add, "--prevenir", "echeance", "--prevenir", "pret")
    assert asked.out.endswith(" : fichiers prêts, échéances.\n")
    assert read_rows(database_url, "SELECT kinds FROM agent") == [("pret,echeance",)]
    run_agents(*add)
    assert read_rows(database_url, "SELECT kinds FROM agent") == [("pret,echeance",)]
    assert "fichiers prêts, échéances" in run_agents().out
    assert (
        run_agents(*add, "--prevenir", "rien").out
        == "mairie voit 13900 à l'écran, et n'est prévenu de rien.\n"
    )
    assert run_agents("--prevenir", "pret").code == ExitCode.USAGE


TRAIL = "SELECT actor, action, detail FROM audit ORDER BY id"


@pytest.fixture
def run_accounts(run: Run, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().exchange_declare(EXCHANGE, "topic", durable=True)
    return partial(run, "accounts")


def test_accounts_are_allowed_listed_and_removed(run_accounts: Run, database_url: str) -> None:
    assert run_accounts() == Ran(
        ExitCode.DONE,
        "Aucun compte autorisé : ajoutez-en un avec --add.\n"
        "Aucun jeton : faites-en un avec --kind jeton --add.\n"
        "Aucune écoute : ajoutez-en une avec --kind ecoute --add.\n",
        "",
    )
    for code in ("13900", "13900", "*"):
        assert run_accounts("--add", "mairie", "--commune", code).code == ExitCode.DONE
    shown = run_accounts().out
    assert shown.count("mairie") == 2
    assert "13900" in shown
    assert "toutes les communes" in shown
    assert run_accounts("--remove", "mairie", "--commune", "13900").out == (
        "mairie ne peut plus demander les fichiers de 13900.\n"
    )
    assert "13900" not in run_accounts().out
    assert run_accounts("--remove", "mairie").code == ExitCode.DONE
    assert run_accounts("--remove", "mairie") == Ran(
        ExitCode.FAILED, "", "Erreur : aucune autorisation à ce nom : mairie\n"
    )
    changes = [("sender_allowed", "13900"), ("sender_allowed", "toutes les communes")]
    changes += [("sender_removed", "13900"), ("sender_removed", "toutes les communes")]
    assert read_rows(database_url, TRAIL) == [
        (system_user(), action, f"mairie pour {where}") for action, where in changes
    ]


def test_nothing_changes_while_the_broker_is_away(
    run_accounts: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = "--kind", "ecoute", "--add"
    run_accounts(*add, "mairie", "--commune", "13900")
    monkeypatch.setenv("PREFECTURE_AMQP_URL", "amqp://127.0.0.1:1/")
    assert run_accounts(*add, "autre", "--commune", "13900").code == ExitCode.AWAY
    assert run_accounts("--kind", "ecoute", "--remove", "mairie").code == ExitCode.AWAY
    assert len(read_rows(database_url, TRAIL)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--add", "mairie"], ExitCode.USAGE, "--add demande aussi --commune"),
        (["--add", "", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (
            ["--add", "mai\nrie", "--commune", "*"],
            ExitCode.USAGE,
            "un compte a des lettres sans accent",
        ),
        (
            ["--add", "mairie.13900", "--commune", "*"],
            ExitCode.USAGE,
            "un compte a des lettres sans accent",
        ),
        (["--add", "é", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (
            ["--add", "mairie", "--remove", "mairie"],
            ExitCode.USAGE,
            "--add ou --remove, pas les deux à la fois",
        ),
        (["--account", "mairie"], ExitCode.USAGE, "--account demande aussi --kind ecoute"),
        (
            ["--kind", "jeton", "--add", "a", "--commune", "*", "--speaks-for-itself"],
            ExitCode.USAGE,
            "d'un compte",
        ),
        (
            ["--kind", "jeton", "--remove", "0a1b2c3d", "--commune", "13900"],
            ExitCode.USAGE,
            "--remove sans --commune",
        ),
        (["--add", "mairie", "--commune", "99999"], ExitCode.FAILED, "commune inconnue : 99999"),
    ],
)
def test_what_allows_nobody_is_refused(
    run_accounts: Run, database_url: str, arguments: list[str], code: ExitCode, words: str
) -> None:
    ran = run_accounts(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert read_rows(database_url, TRAIL) == []


def test_the_list_of_a_commune_has_those_who_may_ask_for_all(run_accounts: Run) -> None:
    run_accounts("--add", "departement", "--commune", "*")
    run_accounts("--add", "mairie", "--commune", "13900")
    run_accounts("--kind", "ecoute", "--add", "logiciel", "--commune", "13900")
    for name in ("departement", "listener.logiciel"):
        assert name in run_accounts("--commune", "13900").out
    for name in ("mairie", "logiciel"):
        assert name not in run_accounts("--commune", "13055").out


def test_check_says_when_nobody_may_ask(
    run_accounts: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def senders() -> str:
        main(["check"])
        return next(line for line in capsys.readouterr().out.splitlines() if "Expéditeurs" in line)

    assert "ÉCHEC  Expéditeurs : aucun compte autorisé" in senders()
    assert run_accounts("--add", "mairie", "--commune", "*").code == ExitCode.DONE
    assert senders() == "OK     Expéditeurs : 1 compte autorisé"
