"""The embedded mode's own commands; files that a killed process left unfinished are finished first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from producers.cli.export_liste import build_event
from producers.cli.options import COMMUNE, FORMAT, LISTE
from producers.cli.render import make_console, print_request
from producers.cli.wait import wait_for
from producers.exit_codes import ExitCode, exit_code_of
from producers.settings import default_requested_by
from producers.state import State
from worker.logs import configure_logs
from worker.settings import Settings, load_settings
from worker.solo.demo import run_demo
from worker.solo.lock import exclusive
from worker.solo.process import Solo


@click.command()
def demo() -> ExitCode:
    """Fabrique les six fichiers de liste de LIBREVILLE."""
    with _alone() as settings:
        return run_demo(settings, make_console())


@click.command("export-liste", short_help="Fabrique les fichiers de liste d'une commune.")
@click.option("--commune", type=COMMUNE, required=True, help="Code INSEE de la commune.")
@click.option("--liste", "listes", type=LISTE, multiple=True, help="P, CE ou CM ; répétable. Par défaut : les trois.")
@click.option("--format", "formats", type=FORMAT, multiple=True, help="csv ou xml ; répétable. Par défaut : csv.")
@click.option("--requested-by", default=default_requested_by, metavar="NOM", help="Qui demande.")
def export_liste(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Fabrique les fichiers de liste d'une commune et attend qu'ils soient prêts."""
    console = make_console()
    with _alone() as settings, Solo(settings) as solo, State(settings.database_url.get_secret_value()) as state:
        event = build_event(**wanted, source="/solo")
        solo.publish(event)
        request = wait_for(state, event, console)
        print_request(console, event, request, settings.exports_dir)
    return exit_code_of(request)


@contextmanager
def _alone() -> Iterator[Settings]:
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    with exclusive(settings.home):
        yield settings
