"""The embedded mode with the clerk's screen: register, workers, notifier and screen in one process."""

import socket
import sys
from secrets import token_urlsafe

import click
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import Engine, exists, select
from sqlalchemy.exc import SQLAlchemyError

from common.cli import ExitCode
from producers.cli.render import make_console
from producers.errors import StateAwayError
from producers.web.app import create_app
from producers.web.serve import listen, opening_address, serve
from producers.web.settings import WebSettings, load_web_settings
from schemas.envelope import CloudEvent
from worker.access.management import add_agent
from worker.access.models import Agent
from worker.cli.access import EMAIL
from worker.cli.options import system_user
from worker.demo.libreville import BY, LIBREVILLE
from worker.errors import ConfigurationError
from worker.registre.communes import search_communes
from worker.registre.models import Import, ListeCommunale
from worker.settings import Settings
from worker.solo.backup import ScreenBackups
from worker.solo.commands import AGENT, INTRODUCTION, exclusive_settings, load_demo
from worker.solo.process import Solo, finish_restore

_MOST_SHOWN = 20


@click.command(short_help="Ouvre l'écran des agents, sur cet ordinateur seulement.")
def run() -> ExitCode:
    """Ouvre l'écran des agents sur cet ordinateur, avec tout ce qu'il faut pour fabriquer les fichiers.

    Sans agent, propose LIBREVILLE, la commune de démonstration, ou la vôtre. PREFECTURE_WEB_PORT change le port.
    """
    with exclusive_settings() as settings:
        return _run(settings, make_console())


def _run(settings: Settings, console: Console) -> ExitCode:
    web, key = load_web_settings(), token_urlsafe(24)
    if web.web_secret is None:  # sessions continue after a restore
        web = web.model_copy(update={"web_secret": SecretStr(token_urlsafe(32))})
    with listen(web.web_host, web.web_port) as listener:
        while True:
            with Solo(settings, finish=False) as solo:
                if web.web_auth == "none":
                    web = web.model_copy(update={"web_agent": _sign_in(solo, settings, web, console)})
                backups = ScreenBackups(settings, solo.services.engine)
                kept = "" if settings.mail_server else str(settings.mail_dir)
                _serve(solo, web, listener, console, backups=backups, key=key, mails_kept_at=kept)
                backups.leave()
                if not backups.asked.is_set():
                    console.print("Arrêt : le fichier en cours s'achève, les autres se feront au prochain démarrage.")
            if not backups.asked.is_set():
                return ExitCode.DONE
            former = finish_restore(settings)
            console.print(f"\nSauvegarde remise en place ; ce qu'il y avait avant est dans {former}.", soft_wrap=True)
            web = web.model_copy(update={"web_agent": backups.agent})


def _serve(
    solo: Solo,
    web: WebSettings,
    listener: socket.socket,
    console: Console,
    *,
    backups: ScreenBackups,
    key: str,
    mails_kept_at: str,
) -> None:
    def publish(event: CloudEvent) -> None:
        try:
            solo.publish(event)
        except SQLAlchemyError:
            raise StateAwayError("la base de données ne répond pas, rien n'a été noté") from None

    def say() -> None:
        who = f", vous y êtes {web.web_agent}" if web.web_agent else ""
        console.print(f"\nL'écran est ouvert{who} : {opening_address(web, key)}", soft_wrap=True)
        console.print("Ctrl+C pour l'arrêter.")

    is_alone = web.web_auth == "none"  # else each agent could download the lists of every commune
    app = create_app(web, publish, key=key, backups=backups if is_alone else None, mails_kept_at=mails_kept_at)
    # The port stays open while the screen restarts, so that a browser waits.
    serve(app, listener.dup(), on_ready=say, stop=backups.asked)


def _sign_in(solo: Solo, settings: Settings, web: WebSettings, console: Console) -> str:
    """Return the agent who uses this computer: that of the settings, the only one, or the answer to a prompt.

    LIBREVILLE's agent is fictitious: after a trial the prompt appears again. Without a terminal that agent is used.
    """
    engine = solo.services.engine
    is_used = exists().where(Import.imported_by != BY) | exists().where(ListeCommunale.code_commune != LIBREVILLE.code)
    with engine.connect() as connection:
        names = list(connection.scalars(select(Agent.name).distinct().order_by(Agent.name)))
        is_real = connection.execute(select(is_used)).scalar_one()
    own = [name for name in names if name != AGENT] or names
    wanted = web.web_agent or (own[0] if len(own) == 1 else "")
    if set(names) <= {AGENT} and not is_real and wanted in {"", AGENT}:
        wanted = AGENT if web.web_agent or not sys.stdin.isatty() else _ask_agent(engine)
    elif not names:
        raise ConfigurationError(
            "personne ne peut entrer : ajoutez l'agent de votre commune par « python -m worker.solo agents --add NOM "
            "--commune CODE --email ADRESSE »"
        )
    elif wanted not in names:
        raise ConfigurationError(
            f"choisissez l'agent qui utilise cet ordinateur par PREFECTURE_WEB_AGENT : {', '.join(own)}"
        )
    if wanted == AGENT and not is_real:
        console.print(INTRODUCTION)
        load_demo(engine, settings.home / "demo", console)
    return wanted


def _ask_agent(engine: Engine) -> str:
    click.echo("1. LIBREVILLE (démonstration) : une commune fictive, pour essayer.")
    click.echo("2. Ma commune : vous déposerez l'export du répertoire électoral unique à l'écran.")
    if click.prompt("Que voulez-vous ouvrir", type=click.Choice(["1", "2"]), default="1", show_choices=False) == "1":
        return AGENT
    code = _ask_commune(engine)
    name = str(click.prompt("Votre nom, à l'écran et au journal", default=f"mairie-{code.lower()}"))
    email = ""
    while not EMAIL.fullmatch(email):
        if email:
            click.echo("Ce n'est pas une adresse électronique : elle s'écrit nom@domaine.fr.")
        email = str(click.prompt("Votre adresse électronique")).strip()
    with engine.begin() as connection:
        add_agent(connection, name, code, email, None, actor=system_user())
    return name


def _ask_commune(engine: Engine) -> str:
    while True:
        said = str(click.prompt("Nom ou code INSEE de votre commune")).strip()
        with engine.connect() as connection:
            found = search_communes(connection, said)
        exact = [it for it in found if said.casefold() in {it[0].casefold(), it[1].casefold()}]
        chosen = exact if len(exact) == 1 else found
        if len(chosen) == 1:
            code, nom, _ = chosen[0]
            click.echo(f"{nom} ({code}).")
            return code
        click.echo("Aucune commune de ce nom." if not found else "Plusieurs communes : donnez le code de la vôtre.")
        for code, nom, departement in found[:_MOST_SHOWN]:
            click.echo(f"  {code} {nom} ({departement})")
