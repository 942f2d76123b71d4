"""The commands of the embedded mode, and the demonstration: LIBREVILLE from its REU exports to its mails.

A command first finishes the files that a killed process left unfinished.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris
from common.cli import ExitCode
from common.logs import configure_logs
from producers.cli.render import make_console, print_request, wait_for
from producers.cli.requests import (
    about_options,
    build_cancel,
    build_liste_export,
    build_retry,
    build_tableaux_render,
    liste_options,
    tableaux_options,
)
from producers.records import exit_code_of
from producers.settings import default_requested_by
from producers.state import State
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Format, Liste, RequestOutcome
from worker.access.models import Agent
from worker.cli.imports import print_comparaison, print_summary
from worker.demo.libreville import (
    JANVIER,
    LIBREVILLE,
    SCRUTIN_2018,
    demo_calendrier,
    load_libreville,
    loaded_on,
)
from worker.settings import Settings, load_settings
from worker.solo.process import Solo, exclusive, finish_restore, prepare_database

_requested_by = click.option(
    "--requested-by", default=default_requested_by, metavar="NOM", help="Qui demande."
)


@click.command("export-liste", short_help="Fabrique les fichiers de liste d'une commune.")
@liste_options
@_requested_by
def export_liste(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Fabrique les fichiers de liste d'une commune et attend qu'ils soient prêts."""
    return _make(build_liste_export, wanted)


@click.command(
    "render-tableaux", short_help="Fabrique les tableaux des mouvements d'une commune, en PDF."
)
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


@click.command(
    "cancel", short_help="Annule les fichiers d'une demande qui ne sont pas encore prêts."
)
@about_options
@_requested_by
def cancel(**wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Annule les fichiers de la demande ID qu'un arrêt a laissés, ou qui attendent de la place ; les autres se font."""
    event = build_cancel(**wanted, source="/solo")
    with exclusive_settings() as settings, State(settings.database_url.get_secret_value()) as state:
        solo = Solo(settings)
        prepare_database(solo.services.engine)
        solo.publish(event)  # before the start: the file may kill each process
        with solo:
            request = state.request_progress(_LOCAL, event.source, event.id)
        is_refused = request.outcome is RequestOutcome.REFUSED
        if not is_refused:
            request = state.request_progress(
                _LOCAL, event.data["request"]["source"], event.data["request"]["id"]
            )
        print_request(make_console(), event, request, settings.exports_dir)
    return ExitCode.FAILED if is_refused else ExitCode.DONE


def _make(build: Callable[..., CloudEvent], wanted: dict[str, Any]) -> ExitCode:
    event = build(**wanted, source="/solo")
    console = make_console()
    with (
        exclusive_settings() as settings,
        Solo(settings) as solo,
        State(settings.database_url.get_secret_value()) as state,
    ):
        solo.publish(event)
        request = wait_for(state, _LOCAL, event, console)
        print_request(console, event, request, settings.exports_dir)
    return exit_code_of(request)


_LOCAL = ""
"""The sender of requests from this computer, which have no account."""


@contextmanager
def exclusive_settings() -> Iterator[Settings]:
    """Lock the data, finish a restore that was interrupted, and yield the settings."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    with exclusive(settings.home):
        finish_restore(settings)
        yield settings


AGENT = "mairie-libreville"
INTRODUCTION = "Commune de démonstration LIBREVILLE (13900) : fictive, comme tous ses électeurs.\n"

_VINGT = TypeTableau.VINGT_JOURS


@click.command()
def demo() -> ExitCode:
    """Fabrique les fichiers et les tableaux de LIBREVILLE, commune fictive."""
    console, codes = make_console(), []
    console.print(INTRODUCTION)
    with (
        exclusive_settings() as settings,
        Solo(settings) as solo,
        State(settings.database_url.get_secret_value()) as state,
    ):
        today = load_demo(solo.services.engine, settings.home / "demo", console)
        for title, asked in _requests(today):
            event = CloudEvent.wrap(asked, source="/demo")
            solo.publish(event)
            request = wait_for(state, _LOCAL, event, make_console(stderr=True))
            console.print(f"\n{title}\n")
            print_request(console, event, request, settings.exports_dir)
            codes.append(exit_code_of(request))
    mails = sorted(settings.mail_dir.glob("*.eml"), key=lambda path: path.stat().st_mtime)
    if mails:
        said = "Courriels « envoyés » (déposés dans un dossier, faute de serveur), dont"
        console.print(f"\n{said} {mails[-1]}", soft_wrap=True)
    # blocking anomalies are part of the demonstration
    return next(
        (code for code in codes if code not in {ExitCode.DONE, ExitCode.ANOMALIES}), ExitCode.DONE
    )


def _requests(today: date) -> Iterator[tuple[str, Data]]:
    scrutin = demo_calendrier(today).scrutin
    yield (
        "Listes électorales, pour la préfecture",
        ListeExportRequested(commune=LIBREVILLE.code, formats=list(Format), requested_by=AGENT),
    )
    both = Presentation.COMMUNE, Presentation.RECAPITULATIF
    yield (
        "Tableau à publier, et son récapitulatif",
        _tableaux(_VINGT, presentations=both, scrutin=scrutin),
    )
    yield (
        "Exemplaire de la commission",
        _tableaux(_VINGT, edition=Edition.COMMISSION, scrutin=scrutin),
    )
    yield (
        "Tableau provisoire : sa date est à venir",
        _tableaux(TypeTableau.CINQ_JOURS_REU, scrutin=scrutin),
    )
    repealed = [type_ for type_ in TypeTableau if type_.is_repealed]
    yield (
        "Archives de 2018 : les tableaux d'avant 2019",
        _tableaux(
            *repealed,
            presentations=[Presentation.PAR_BUREAU],
            date_tableau=JANVIER,
            scrutin=SCRUTIN_2018,
        ),
    )


def _tableaux(*types: TypeTableau, **fields: Any) -> TableauxRenderRequested:  # noqa: ANN401 — of the request
    said = {
        "commune": LIBREVILLE.code,
        "listes": [Liste.PRINCIPALE],
        "types": types,
        "requested_by": AGENT,
    }
    return TableauxRenderRequested.model_validate(said | fields)


def load_demo(engine: Engine, folder: Path, console: Console) -> date:
    """Load LIBREVILLE unless it is loaded; return the day of the loading, from which its dates are counted."""
    folder.mkdir(parents=True, exist_ok=True)
    with Session(engine) as session, session.begin():
        session.merge(
            Agent(name=AGENT, code_commune=LIBREVILLE.code, email="elections@libreville.example")
        )
    if day := loaded_on(engine):
        console.print(f"LIBREVILLE est déjà importée, depuis le {day:%d/%m/%Y}.")
        return day
    today = jour_a_paris(datetime.now(UTC))
    for path, summary in load_libreville(engine, folder, today):
        console.print(str(path), soft_wrap=True)
        print_summary(summary, kept="gardée", rejected="rejetée")
        if summary.comparison:
            print_comparaison(summary.comparison)
    return today
