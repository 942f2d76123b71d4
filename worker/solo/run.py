"""The embedded mode with the clerk's screen: register, workers, notifier and screen in one process."""

import hashlib
import sys
import webbrowser
from contextlib import suppress
from html import escape
from pathlib import Path
from secrets import token_urlsafe

import click
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from common.cli import ExitCode
from producers.cli.render import make_console
from producers.errors import StateAwayError
from producers.web.app import create_app
from producers.web.serve import listen_here, opening_address, serve
from producers.web.settings import WebSettings, load_web_settings
from schemas.envelope import CloudEvent
from worker.access.models import Agent
from worker.demo.libreville import BY, LIBREVILLE
from worker.errors import ConfigurationError
from worker.registre.models import Import, ListeCommunale
from worker.settings import Settings
from worker.solo.commands import AGENT, INTRODUCTION, exclusive_settings, load_demo
from worker.solo.process import Solo

_ADD_AGENT = "python -m worker.solo agents --add NOM --commune CODE --email ADRESSE"


@click.command(short_help="Ouvre l'écran des agents, sur cet ordinateur seulement.")
def run() -> ExitCode:
    """Ouvre l'écran des agents sur cet ordinateur, avec tout ce qu'il faut pour fabriquer les fichiers.

    Sans agent, ouvre LIBREVILLE, la commune de démonstration. Entre plusieurs agents, PREFECTURE_WEB_AGENT dit lequel.
    PREFECTURE_WEB_PORT change le port.
    """
    with exclusive_settings() as settings:
        return _run(settings, make_console())


def _run(settings: Settings, console: Console) -> ExitCode:
    web = load_web_settings()
    with listen_here(web) as listeners, Solo(settings, finish=False) as solo:
        if web.web_auth == "none":
            web = web.model_copy(update={"web_agent": _sign_in(solo, settings, web, console)})
        key = read_key(settings.home)
        if web.web_secret is None:  # sessions outlive a restart
            web = web.model_copy(
                update={
                    "web_secret": SecretStr(hashlib.sha256(f"sessions {key}".encode()).hexdigest())
                }
            )

        def publish(*events: CloudEvent, token: str = "") -> None:
            try:
                solo.publish(*events, token=token)
            except SQLAlchemyError:
                raise StateAwayError(
                    "la base de données ne répond pas, rien n'a été noté"
                ) from None

        def say() -> None:
            who = f", vous y êtes {web.web_agent}" if web.web_agent else ""
            console.print(
                f"\nL'écran est ouvert{who} : {opening_address(web, key)}", soft_wrap=True
            )
            console.print("Ctrl+C pour l'arrêter.")
            if sys.stdout.isatty():
                webbrowser.open(_write_start(settings.home, opening_address(web, key)))

        mails_kept_at = "" if settings.mail_server else str(settings.mail_dir)
        serve(
            create_app(web, publish, key=key, mails_kept_at=mails_kept_at), listeners, on_ready=say
        )
        console.print(
            "Arrêt : le fichier en cours s'achève, les autres se feront au prochain démarrage."
        )
    return ExitCode.DONE


def _write_start(home: Path, address: str) -> str:
    """Return the address of a page that leads to the screen: every account reads the browser's command line."""
    path = home / "screen.html"
    path.unlink(missing_ok=True)
    path.touch(0o600, exist_ok=False)
    path.write_text(f'<meta http-equiv="refresh" content="0; url={escape(address)}">', "utf-8")
    return path.resolve().as_uri()


def read_key(home: Path) -> str:
    """Return the key of this computer's user, from a file that no other account can read; make it the first time."""
    path = home / "screen-key"
    with suppress(OSError):
        if not path.stat().st_mode & 0o077 and (known := path.read_text("ascii")):
            return known
    path.unlink(missing_ok=True)
    key = token_urlsafe(24)
    path.touch(0o600, exist_ok=False)
    path.write_text(key, "ascii")
    return key


def _sign_in(solo: Solo, settings: Settings, web: WebSettings, console: Console) -> str:
    """Return the agent who uses this computer: that of the settings, or the only one.

    Without any, it is LIBREVILLE's, who is fictitious: the first other agent takes its place.
    """
    engine = solo.services.engine
    is_used = exists().where(Import.imported_by != BY) | exists().where(
        ListeCommunale.code_commune != LIBREVILLE.code
    )
    with engine.connect() as connection:
        names = list(connection.scalars(select(Agent.name).distinct().order_by(Agent.name)))
        is_real = connection.execute(select(is_used)).scalar_one()
    own = [name for name in names if name != AGENT] or names
    wanted = web.web_agent or (own[0] if len(own) == 1 else "")
    if set(names) <= {AGENT} and not is_real and wanted in {"", AGENT}:
        wanted = AGENT
    elif not names:
        raise ConfigurationError(
            f"personne ne peut entrer : ajoutez l'agent de votre commune par « {_ADD_AGENT} »"
        )
    elif wanted not in names:
        raise ConfigurationError(
            f"choisissez l'agent qui utilise cet ordinateur par PREFECTURE_WEB_AGENT : {', '.join(own)}"
        )
    if wanted == AGENT and not is_real:
        console.print(INTRODUCTION)
        load_demo(engine, settings.home / "demo", console)
        console.print(
            f"Pour ouvrir votre commune, lancez « {_ADD_AGENT} », puis cette commande.",
            soft_wrap=True,
        )
    return wanted
