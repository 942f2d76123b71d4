"""The demonstration: LIBREVILLE, a fictitious commune, from its REU exports to its list files, tableaux and mails."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from rich.console import Console

from common.cli import ExitCode
from producers.cli.render import make_console, print_request
from producers.cli.wait import wait_for
from producers.records import exit_code_of
from producers.state import State
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Format, Liste
from worker.demo import LIBREVILLE
from worker.demo.libreville import demo_calendrier
from worker.settings import Settings
from worker.solo.libreville import AGENT, INTRODUCTION, load
from worker.solo.process import Solo

_SHOWN = {ExitCode.DONE, ExitCode.ANOMALIES}
"""Blocking anomalies are part of the show."""


def run_demo(settings: Settings, console: Console) -> ExitCode:
    """Load LIBREVILLE, ask for its lists in both formats and for its six tableaux, and show what was made."""
    console.print(INTRODUCTION)
    codes = []
    with Solo(settings) as solo, State(settings.database_url.get_secret_value()) as state:
        today = load(solo.services.engine, settings.home / "demo", console)
        for title, asked in _requests(today):
            event = CloudEvent.wrap(asked, source="/demo")
            solo.publish(event)
            request = wait_for(state, event, make_console(stderr=True))
            console.print(f"\n{title}\n")
            print_request(console, event, request, settings.exports_dir)
            codes.append(exit_code_of(request))
    _show_mails(settings.mail_dir, console)
    return next((code for code in codes if code not in _SHOWN), ExitCode.DONE)


def _requests(today: date) -> Iterator[tuple[str, Data]]:
    days = demo_calendrier(today)
    yield (
        "Listes électorales, pour e-listelec",
        ListeExportRequested(commune=LIBREVILLE.code, formats=list(Format), requested_by=AGENT),
    )
    yield (
        "Tableaux d'avant le scrutin",
        _tableaux(TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU, TypeTableau.CINQ_JOURS, scrutin=days.scrutin),
    )
    yield (
        "Tableaux rectificatifs de la révision annuelle (avant 2019)",
        _tableaux(TypeTableau.PREMIER_RECTIFICATIF, TypeTableau.SECOND_RECTIFICATIF, date_tableau=days.janvier),
    )
    yield (
        "Tableau des additions (avant 2019)",
        _tableaux(TypeTableau.ADDITIONS, scrutin=days.scrutin_additions),
    )
    yield "Exemplaires de la commission, pour les trois listes", _exemplaires_commission(days.scrutin)


def _tableaux(
    *types: TypeTableau, scrutin: date | None = None, date_tableau: date | None = None
) -> TableauxRenderRequested:
    return TableauxRenderRequested(
        commune=LIBREVILLE.code,
        listes=[Liste.PRINCIPALE],
        types=list(types),
        presentations=list(Presentation),
        scrutin=scrutin,
        date_tableau=date_tableau,
        requested_by=AGENT,
    )


def _exemplaires_commission(scrutin: date) -> TableauxRenderRequested:
    return TableauxRenderRequested(
        commune=LIBREVILLE.code,
        types=[TypeTableau.VINGT_JOURS],
        edition=Edition.COMMISSION,
        scrutin=scrutin,
        requested_by=AGENT,
    )


def _show_mails(folder: Path, console: Console) -> None:
    mails = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)
    if mails:
        console.print(
            f"\nCourriels « envoyés » (déposés dans un dossier, faute de serveur), dont {mails[-1]}", soft_wrap=True
        )
