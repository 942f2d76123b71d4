"""The embedded mode's own commands; files that a killed process left unfinished are finished first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from common.cli import ExitCode
from common.logs import configure_logs
from producers.cli.render import make_console, print_request, wait_for
from producers.cli.requests import (
    Cancelled,
    about_options,
    build_cancel,
    build_liste_export,
    build_retry,
    build_tableaux_render,
    judge_cancellation,
    liste_options,
    tableaux_options,
)
from producers.records import exit_code_of
from producers.settings import default_requested_by
from producers.state import State
from schemas.envelope import CloudEvent
from worker.settings import Settings, load_settings
from worker.solo.demo import run_demo
from worker.solo.process import Solo, exclusive, finish_restore, prepare_database

_requested_by = click.option("--requested-by", default=default_requested_by, metavar="NOM", help="Qui demande.")


@click.command()
def demo() -> ExitCode:
    """Fabrique les fichiers et les tableaux de LIBREVILLE, commune fictive."""
    with _exclusive_settings() as settings:
        return run_demo(settings, make_console())


@click.command(short_help="Ouvre l'écran des agents, sur cet ordinateur seulement.")
def run() -> ExitCode:
    """Ouvre l'écran des agents sur cet ordinateur, avec tout ce qu'il faut pour fabriquer les fichiers.

    Sans commune ni agent, c'est LIBREVILLE, la commune de démonstration. PREFECTURE_WEB_PORT change le port.
    """
    from worker.solo.run import run_screen

    with _exclusive_settings() as settings:
        return run_screen(settings, make_console())


@click.command("export-liste", short_help="Fabrique les fichiers de liste d'une commune.")
@liste_options
@_requested_by
def export_liste(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Fabrique les fichiers de liste d'une commune et attend qu'ils soient prêts."""
    return _make(build_liste_export, wanted)


@click.command("render-tableaux", short_help="Fabrique les tableaux des mouvements d'une commune, en PDF.")
@tableaux_options
@_requested_by
def render_tableaux(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Fabrique des tableaux et attend qu'ils soient prêts : un PDF par type, par liste et par présentation.

    Une date s'écrit AAAA-MM-JJ ou JJ/MM/AAAA, et se donne une fois pour tous les types qui la demandent.
    """
    return _make(build_tableaux_render, wanted)


@click.command("retry", short_help="Refait les fichiers en échec ou annulés d'une demande.")
@about_options
@_requested_by
def retry(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Refait les fichiers en échec ou annulés de la demande ID et attend qu'ils soient prêts."""
    return _make(build_retry, wanted)


@click.command("cancel", short_help="Annule les fichiers d'une demande qui ne sont pas encore prêts.")
@about_options
@_requested_by
def cancel(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Annule les fichiers de la demande ID qu'un arrêt a laissés, ou qui attendent de la place ; les autres se font."""
    event = build_cancel(**wanted, source="/solo")
    with _exclusive_settings() as settings, State(settings.database_url.get_secret_value()) as state:
        solo = Solo(settings)
        prepare_database(solo.services.engine)
        solo.publish(event)  # before anything starts: the file may be what ends each process
        with solo:
            request = Cancelled(state, event).request_progress(event.source, event.id)
        print_request(make_console(), event, request, settings.exports_dir)
    return judge_cancellation(request)


def _make(build: Callable[..., CloudEvent], wanted: dict[str, Any]) -> ExitCode:
    event = build(**wanted, source="/solo")
    console = make_console()
    with (
        _exclusive_settings() as settings,
        Solo(settings) as solo,
        State(settings.database_url.get_secret_value()) as state,
    ):
        solo.publish(event)
        request = wait_for(state, event, console)
        print_request(console, event, request, settings.exports_dir)
    return exit_code_of(request)


@contextmanager
def _exclusive_settings() -> Iterator[Settings]:
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    with exclusive(settings.home):
        finish_restore(settings)
        yield settings
