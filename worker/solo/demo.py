"""The demonstration: LIBREVILLE, a fictitious commune, from its REU exports to its list files, tableaux and mails."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.calendrier import jour_a_paris
from common.cli import ExitCode
from common.french import count_of
from producers.cli.render import make_console, print_request, wait_for
from producers.records import exit_code_of
from producers.state import State
from schemas.envelope import CloudEvent, Data
from schemas.requests import ListeExportRequested, TableauxRenderRequested
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Format, Liste
from worker.demo import LIBREVILLE
from worker.demo.libreville import demo_calendrier
from worker.demo.load import load_libreville, loaded_on
from worker.notifier.models import Agent
from worker.registre.imports.report import ImportSummary
from worker.settings import Settings
from worker.solo.process import Solo

AGENT = "mairie-libreville"
INTRODUCTION = "Commune de démonstration LIBREVILLE (13900) : fictive, comme tous ses électeurs.\n"

_SHOWN = {ExitCode.DONE, ExitCode.ANOMALIES}
"""Blocking anomalies are part of the show."""


def run_demo(settings: Settings, console: Console) -> ExitCode:
    """Load LIBREVILLE, ask for its lists in both formats and for its six tableaux, and show what was made."""
    console.print(INTRODUCTION)
    codes = []
    with Solo(settings) as solo, State(settings.database_url.get_secret_value()) as state:
        today = load_demo(solo.services.engine, settings.home / "demo", console)
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


def load_demo(engine: Engine, folder: Path, console: Console) -> date:
    """Load it unless it is there; the day it was loaded, which its dates are counted from."""
    folder.mkdir(parents=True, exist_ok=True)
    with Session(engine) as session, session.begin():
        session.merge(Agent(name=AGENT, code_commune=LIBREVILLE.code, email="elections@libreville.example"))
    if day := loaded_on(engine):
        console.print(f"LIBREVILLE est déjà importée, depuis le {day:%d/%m/%Y}.")
        return day
    today = jour_a_paris(datetime.now(UTC))
    for path, summary in load_libreville(engine, folder, today):
        console.print(f"{path}\n  {_describe(summary)}", soft_wrap=True)
    return today


def _describe(summary: ImportSummary) -> str:
    counts = (
        count_of(summary.lines_read, "ligne lue"),
        count_of(summary.lines_kept, "gardée"),
        count_of(summary.lines_rejected, "rejetée"),
        count_of(summary.values_cleaned, "valeur nettoyée"),
    )
    facts = [", ".join(counts)]
    if summary.report:
        facts.append(f"Rejets : {summary.report}")
    if found := summary.comparison:
        facts.append(
            f"Depuis le premier export : {count_of(found.inscriptions, 'inscription')}, "
            f"{count_of(found.radiations, 'radiation')}, {count_of(found.changements, 'changement')} de bureau"
        )
    return "\n  ".join(facts)
