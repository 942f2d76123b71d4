"""`agents`: the notifications of each recipient; addresses and secrets stay secret."""

import io
import re

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from common.cli import ExitCode
from tests.integration.files_desk import Ran, Run
from tests.integration.import_desk import TWO_COMMUNES
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer
from worker.cli.options import system_user
from worker.db.engine import build_engine
from worker.notifier.channels.webhook import make_secret

pytestmark = pytest.mark.database(TWO_COMMUNES)


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PREFECTURE_WEBHOOK_HOSTS", LOOPBACK)

    def type_and_run(*arguments: str, typed: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return run("agents", *arguments)

    return type_and_run


def rows(database_url: str, query: str) -> list[tuple[object, ...]]:
    engine = build_engine(database_url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def added(ran: Ran) -> str:
    assert ran.code == ExitCode.DONE, ran.err
    found = re.match(r"Destinataire ([0-9a-f]{8}) ajouté", ran.out)
    assert found
    return found[1]


def test_a_webhook_is_added_tried_listed_and_removed(run: Run, database_url: str, server: WebServer) -> None:
    assert run().out.endswith("Aucune discussion, aucun webhook : ajoutez-en un avec --channel.\n")
    address = server.url("/chemin-secret")
    ran = run("--channel", "webhook", "--commune", "13900", "--prevenir", "pret", typed=f"{address}\n")
    id_ = added(ran)
    assert ran.out.startswith(f"Destinataire {id_} ajouté : fichiers prêts, pour 13900.\n")
    secret = ran.out.split()[-1]
    assert rows(database_url, "SELECT address, secret, kinds FROM recipient") == [(address, secret, "pret")]

    assert run("--test", id_).out == f"Message d'essai envoyé à {id_}.\n"
    (post,) = server.posts
    assert Webhook(secret).verify(post.body, dict(post.headers)) == []

    listed = run().out
    assert f"http://{LOOPBACK} " in listed
    assert "en service" in listed
    assert "chemin-secret" not in listed
    assert secret not in listed
    assert id_ not in run("--commune", "13055").out
    assert run("--remove-channel", id_).out == f"Destinataire {id_} retiré.\n"
    assert run("--remove-channel", id_) == Ran(
        ExitCode.FAILED, "", f"Erreur : aucun destinataire de ce numéro : {id_}\n"
    )
    detail = f"webhook {id_}, http://{LOOPBACK}"
    assert rows(database_url, "SELECT actor, action, code_commune, detail FROM audit ORDER BY id") == [
        (system_user(), "recipient_added", "13900", detail),
        (system_user(), "recipient_removed", "13900", detail),
    ]


def test_a_chat_of_every_commune(run: Run, database_url: str, server: WebServer) -> None:
    server.status, server.body = 200, b"ok"
    id_ = added(
        run("--channel", "discussion", "--commune", "*", typed=f"mmost://{LOOPBACK}:{server.port}/jetonsecret\n")
    )
    assert run("--test", id_).code == ExitCode.DONE
    assert "Message d'essai du Module Préfecture — toutes les communes" in server.posts[0].body.decode("unicode_escape")
    listed = run("--commune", "13900").out
    assert "toutes les communes" in listed
    assert "tout " in listed
    assert "jetonsecret" not in listed
    assert rows(database_url, "SELECT kinds, secret FROM recipient") == [("pret,echec,echeance", "")]


def test_ones_own_secret_is_taken_and_not_shown(run: Run, database_url: str, server: WebServer) -> None:
    secret = make_secret()
    ran = run("--channel", "webhook", "--commune", "13900", "--own-secret", typed=f"{server.url()}\n{secret}\n")
    added(ran)
    assert secret not in ran.out
    assert rows(database_url, "SELECT secret FROM recipient") == [(secret,)]


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "words"),
    [
        (["--channel", "webhook"], "", ExitCode.USAGE, "--channel demande aussi --commune"),
        (["--channel", "courriel", "--commune", "*"], "", ExitCode.USAGE, "les valeurs possibles sont"),
        (["--prevenir", "pret"], "", ExitCode.USAGE, "demande aussi --add ou --channel"),
        (["--channel", "webhook", "--commune", "99999"], "", ExitCode.FAILED, "commune inconnue : 99999"),
        (["--channel", "webhook", "--commune", "*"], "", ExitCode.FAILED, "adresse https:// attendue"),
        (["--channel", "webhook", "--commune", "*"], "https://h.example/secret", ExitCode.FAILED, "hôte absent de"),
        (["--channel", "discussion", "--commune", "*"], "exec://secret", ExitCode.FAILED, "service inconnu"),
        (["--test", "secret"], "", ExitCode.FAILED, "aucun destinataire"),
    ],
)
def test_what_cannot_be_told_is_not_added(
    run: Run, database_url: str, *, arguments: list[str], typed: str, code: ExitCode, words: str
) -> None:
    ran = run(*arguments, typed=typed)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "h.example" not in ran.err
    assert rows(database_url, "SELECT id FROM recipient") == []


def test_a_recipient_that_does_not_answer_is_said(run: Run, server: WebServer) -> None:
    id_ = added(run("--channel", "webhook", "--commune", "13900", typed=server.url()))
    server.status = 503
    assert run("--test", id_) == Ran(ExitCode.AWAY, "", "Erreur : réponse 503\n")
    server.status = 404
    assert run("--test", id_) == Ran(ExitCode.FAILED, "", "Erreur : réponse 404\n")


def test_an_agent_says_what_she_wants(run: Run, database_url: str) -> None:
    add = ["--add", "mairie", "--commune", "13900", "--email", "mairie@libreville.example"]

    assert run(*add).out == "mairie sera prévenu pour 13900 à l'adresse mairie@libreville.example : tout.\n"
    asked = run(*add, "--prevenir", "echeance", "--prevenir", "pret")
    assert asked.out.endswith(" : fichiers prêts, échéances.\n")
    assert rows(database_url, "SELECT kinds FROM agent") == [("pret,echeance",)]
    run(*add)
    assert rows(database_url, "SELECT kinds FROM agent") == [("pret,echeance",)]
    assert "fichiers prêts, échéances" in run().out
    assert run(*add, "--prevenir", "rien").out == "mairie voit 13900 à l'écran, et n'est prévenu de rien.\n"
    assert run("--prevenir", "pret").code == ExitCode.USAGE
