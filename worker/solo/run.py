"""The whole in one process: register, workers, notifier and the clerk's screen, until it is asked to stop."""

import socket

from rich.console import Console
from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from common.cli import ExitCode
from producers.errors import StateAwayError
from producers.web.app import create_app
from producers.web.serve import address, listen, serve
from producers.web.settings import WebSettings, load_web_settings
from schemas.envelope import CloudEvent
from worker.demo import LIBREVILLE
from worker.demo.load import BY
from worker.errors import ConfigurationError
from worker.notifier.models import Agent
from worker.registre.models import Import, ListeCommunale
from worker.settings import Settings
from worker.solo.demo import AGENT, INTRODUCTION, load_demo
from worker.solo.process import Solo


def run_screen(settings: Settings, console: Console) -> ExitCode:
    """Open the screen; at the end, the file under way is finished and the others wait for the next start.

    Raises:
        ConfigurationError: nobody can be signed in, or one of several is to be chosen.
        producers.errors.ConfigurationError: the port is taken.
    """
    web = load_web_settings()
    with listen(web.web_host, web.web_port) as listener, Solo(settings, finish=False) as solo:
        if web.web_auth == "none":
            web = web.model_copy(update={"web_agent": _sign_in(solo, settings, web, console)})
        _serve(solo, web, listener, console)
        console.print("Arrêt : le fichier en cours s'achève, les autres se feront au prochain démarrage.")
    return ExitCode.DONE


def _serve(solo: Solo, web: WebSettings, listener: socket.socket, console: Console) -> None:
    def publish(event: CloudEvent) -> None:
        try:
            solo.publish(event)
        except SQLAlchemyError:
            raise StateAwayError("la base de données ne répond pas, rien n'a été noté") from None

    def say() -> None:
        who = f", vous y êtes {web.web_agent}" if web.web_agent else ""
        console.print(f"\nL'écran est ouvert{who} : {address(web.web_host, web.web_port)}", soft_wrap=True)
        console.print("Ctrl+C pour l'arrêter.")

    serve(create_app(web, publish), listener, on_ready=say, quiet=True)


def _sign_in(solo: Solo, settings: Settings, web: WebSettings, console: Console) -> str:
    """Who uses this computer: the agent of the settings or the only one; LIBREVILLE's, when there is nobody yet."""
    engine = solo.services.engine
    is_used = exists().where(Import.imported_by != BY) | exists().where(ListeCommunale.code_commune != LIBREVILLE.code)
    with engine.connect() as connection:
        names = list(connection.scalars(select(Agent.name).distinct().order_by(Agent.name)))
        is_real = connection.execute(select(is_used)).scalar_one()
    wanted = web.web_agent or (names[0] if len(names) == 1 else "")
    if not names and not is_real and wanted in {"", AGENT}:
        wanted = AGENT
    elif not names:
        raise ConfigurationError(
            "personne ne peut entrer : ajoutez l'agent de votre commune par « python -m worker.solo agents --add NOM "
            "--commune CODE --email ADRESSE »"
        )
    elif wanted not in names:
        raise ConfigurationError(
            f"choisissez l'agent qui utilise cet ordinateur par PREFECTURE_WEB_AGENT : {', '.join(names)}"
        )
    if wanted == AGENT and not is_real:
        console.print(INTRODUCTION)
        load_demo(engine, settings.home / "demo", console)
    return wanted
