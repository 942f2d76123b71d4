"""`accounts`: the communes of each account are listed and changed, and each change is recorded."""

from functools import partial

import pika
import pytest
from pika.exceptions import UnroutableError
from sqlalchemy import text

from common.cli import ExitCode
from schemas.topology import EXCHANGE, REQUEST_LISTE_EXPORT, request_key
from tests.integration.files_desk import Ran, Run
from tests.integration.import_desk import TWO_COMMUNES
from worker.cli.main import main
from worker.cli.options import system_user
from worker.db.engine import build_engine

pytestmark = pytest.mark.database(TWO_COMMUNES)


@pytest.fixture
def run(run: Run, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    return partial(run, "accounts")


def _audit(database_url: str) -> list[tuple[str, str, str]]:
    engine = build_engine(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT actor, action, detail FROM audit ORDER BY id"))
        lines = [(row.actor, row.action, row.detail) for row in rows]
    engine.dispose()
    return lines


def test_accounts_are_allowed_listed_and_removed(run: Run, database_url: str) -> None:
    assert run() == Ran(
        ExitCode.DONE,
        "Aucun compte autorisé : ajoutez-en un avec --add.\n"
        "Aucun jeton : faites-en un avec --kind jeton --add.\n"
        "Aucune écoute : ajoutez-en une avec --kind ecoute --add.\n",
        "",
    )
    for code in ("13900", "13900", "*"):
        assert run("--add", "mairie", "--commune", code).code == ExitCode.DONE
    shown = run().out
    assert shown.count("mairie") == 2
    assert "13900" in shown
    assert "toutes les communes" in shown
    assert run("--remove", "mairie", "--commune", "13900").out == (
        "mairie ne peut plus demander les fichiers de 13900.\n"
    )
    assert "13900" not in run().out
    assert run("--remove", "mairie").code == ExitCode.DONE
    assert run("--remove", "mairie") == Ran(ExitCode.FAILED, "", "Erreur : aucune autorisation à ce nom : mairie\n")
    changes = [("sender_allowed", "13900"), ("sender_allowed", "toutes les communes")]
    changes += [("sender_removed", "13900"), ("sender_removed", "toutes les communes")]
    assert _audit(database_url) == [(system_user(), action, f"mairie pour {where}") for action, where in changes]


def test_an_account_is_removed_with_what_waits_and_the_number_is_said(run: Run, amqp_url: str) -> None:
    run("--add", "mairie", "--commune", "13900")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        key = request_key("mairie", REQUEST_LISTE_EXPORT)
        for _ in range(2):
            channel.basic_publish(EXCHANGE, key, b"{}", mandatory=True)
        removed = run("--remove", "mairie")
        assert removed.out.endswith("\nSa file est supprimée, et 2 demandes avec elle : prévenez qui les a envoyées.\n")
        with pytest.raises(UnroutableError):
            channel.basic_publish(EXCHANGE, key, b"{}", mandatory=True)


def test_nothing_changes_while_the_broker_is_away(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("--add", "mairie", "--commune", "13900")
    monkeypatch.setenv("PREFECTURE_AMQP_URL", "amqp://127.0.0.1:1/")
    assert run("--add", "autre", "--commune", "13900").code == ExitCode.AWAY
    assert run("--remove", "mairie").code == ExitCode.AWAY
    assert len(_audit(database_url)) == 1
    assert "mairie" in run().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--add", "mairie"], ExitCode.USAGE, "--add demande aussi --commune"),
        (["--add", "", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (["--add", "mai\nrie", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (["--add", "fr", "--commune", "*"], ExitCode.USAGE, "« fr » est réservé"),
        (["--add", "mairie.13900", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (["--add", "é", "--commune", "*"], ExitCode.USAGE, "un compte a des lettres sans accent"),
        (["--add", "mairie", "--remove", "mairie"], ExitCode.USAGE, "--add ou --remove, pas les deux à la fois"),
        (["--account", "mairie"], ExitCode.USAGE, "--account demande aussi --kind ecoute"),
        (["--kind", "jeton", "--add", "a", "--commune", "*", "--speaks-for-itself"], ExitCode.USAGE, "d'un compte"),
        (["--kind", "jeton", "--remove", "0a1b2c3d", "--commune", "13900"], ExitCode.USAGE, "--remove sans --commune"),
        (["--add", "mairie", "--commune", "99999"], ExitCode.FAILED, "commune inconnue : 99999"),
    ],
)
def test_what_allows_nobody_is_refused(
    run: Run, database_url: str, arguments: list[str], code: ExitCode, words: str
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert _audit(database_url) == []


def test_the_list_of_a_commune_has_those_who_may_ask_for_all(run: Run) -> None:
    run("--add", "departement", "--commune", "*")
    run("--add", "mairie", "--commune", "13900")
    run("--kind", "ecoute", "--add", "logiciel", "--commune", "13900")
    for name in ("departement", "listener.logiciel"):
        assert name in run("--commune", "13900").out
    for name in ("mairie", "logiciel"):
        assert name not in run("--commune", "13055").out


def test_diagnose_says_when_nobody_may_ask(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def senders() -> str:
        main(["diagnose"])
        return next(line for line in capsys.readouterr().out.splitlines() if "Expéditeurs" in line)

    assert "ÉCHEC  Expéditeurs : aucun compte autorisé" in senders()
    assert run("--add", "mairie", "--commune", "*").code == ExitCode.DONE
    assert senders() == "OK     Expéditeurs : 1 compte autorisé"
