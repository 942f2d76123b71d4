"""The command line `python -m producers`: its commands, its output and its exit codes."""

import logging
from collections.abc import Sequence
from secrets import token_urlsafe

import click

from common.cli import EXIT_CODES, ExitCode, LazyGroup, run_command
from producers.cli.requests import BATCH, COMMUNE, NUMBER
from producers.errors import ProducerError
from producers.settings import load_settings

COMMANDS = {
    "export-liste": "producers.cli.requests:export_liste",
    "render-tableaux": "producers.cli.requests:render_tableaux",
    "cancel": "producers.cli.requests:cancel",
    "retry": "producers.cli.requests:retry",
    "exports": "producers.cli:exports",
    "web": "producers.cli:web",
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, epilog=EXIT_CODES)
def _group() -> None:
    """Demande les fichiers du module Préfecture et montre où ils en sont."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are printed on standard error, in French."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)

    def explain(error: Exception) -> tuple[str, ExitCode] | None:
        return (str(error), error.exit_code) if isinstance(error, ProducerError) else None

    return run_command(
        lambda: _group.main(
            list(arguments), prog_name="python -m producers", standalone_mode=False
        ),
        explain,
    )


@click.command("exports", short_help="Montre les derniers exports.")
@click.option("--commune", type=COMMUNE, help="Code INSEE. Par défaut : toutes les communes.")
@click.option(
    "--batch", type=BATCH, metavar="LOT", help="Seulement ceux d'un lot, par défaut tous."
)
@click.option("--limit", type=NUMBER, metavar="NOMBRE", help="Combien en montrer. Par défaut : 10.")
@click.option(
    "--ids",
    is_flag=True,
    help="Montre aussi l'identifiant de chaque demande et le numéro du fichier.",
)
def exports(commune: str | None, batch: str | None, limit: int | None, *, ids: bool) -> ExitCode:
    """Montre les derniers exports, le plus récent d'abord (PREFECTURE_STATE_URL)."""
    from producers.cli.render import make_console, print_exports, print_others
    from producers.state import State

    with State(load_settings().require_state_url()) as state:
        shown = limit or (None if batch else 10)
        found, total = state.latest(commune, shown, batch)
    console = make_console()
    print_exports(console, found, with_ids=ids)
    print_others(console, len(found), total)
    return ExitCode.DONE


@click.command(short_help="Ouvre l'écran « Module Préfecture » des agents.")
def web() -> ExitCode:
    """Ouvre l'écran des agents, à l'adresse PREFECTURE_WEB_HOST et au port PREFECTURE_WEB_PORT, jusqu'à son arrêt."""
    from common.logs import configure_logs
    from producers.publisher import Publisher
    from producers.web.app import create_app
    from producers.web.serve import answers, listen_here, opening_address, serve
    from producers.web.settings import load_web_settings

    settings = load_web_settings()
    configure_logs(settings.log_format, settings.log_level)
    amqp_url = settings.amqp_url.get_secret_value()
    with Publisher(amqp_url) as publisher, listen_here(settings) as listeners:
        key = token_urlsafe(24)
        app = create_app(
            settings, publisher.publish, key=key, reaches_broker=lambda: answers(amqp_url)
        )

        def say() -> None:
            if settings.web_auth == "none":
                click.echo(f"L'écran est ouvert : {opening_address(settings, key)}")

        serve(app, listeners, on_ready=say)
    return ExitCode.DONE
