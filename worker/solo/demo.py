"""The demonstration: LIBREVILLE, a fictitious commune, from its REU exports to its list files, tableaux and mails."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

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
from worker.access.models import Agent
from worker.demo.libreville import JANVIER, LIBREVILLE, SCRUTIN_2018, demo_calendrier
from worker.demo.load import load_libreville, loaded_on
from worker.registre.imports.report import ImportSummary
from worker.settings import Settings
from worker.solo.process import Solo

AGENT = "mairie-libreville"
INTRODUCTION = "Commune de démonstration LIBREVILLE (13900) : fictive, comme tous ses électeurs.\n"

_VINGT = TypeTableau.VINGT_JOURS

_SHOWN = {ExitCode.DONE, ExitCode.ANOMALIES}
"""Blocking anomalies are part of the show."""


def run_demo(settings: Settings, console: Console) -> ExitCode:
    """Load LIBREVILLE, request its lists in both formats and its six types of tableau, and print the files."""
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
    scrutin = demo_calendrier(today).scrutin
    yield (
        "Listes électorales, pour e-listelec",
        ListeExportRequested(commune=LIBREVILLE.code, formats=list(Format), requested_by=AGENT),
    )
    both = Presentation.COMMUNE, Presentation.RECAPITULATIF
    yield "Tableau à publier, et son récapitulatif", _tableaux(_VINGT, presentations=both, scrutin=scrutin)
    yield "Exemplaire de la commission", _tableaux(_VINGT, edition=Edition.COMMISSION, scrutin=scrutin)
    yield "Tableau provisoire : sa date est à venir", _tableaux(TypeTableau.CINQ_JOURS_REU, scrutin=scrutin)
    repealed = [type_ for type_ in TypeTableau if type_.is_repealed]
    yield (
        "Archives de 2018 : les tableaux d'avant 2019",
        _tableaux(*repealed, presentations=[Presentation.PAR_BUREAU], date_tableau=JANVIER, scrutin=SCRUTIN_2018),
    )


def _tableaux(*types: TypeTableau, **fields: Any) -> TableauxRenderRequested:  # noqa: ANN401 — of the request
    said = {"commune": LIBREVILLE.code, "listes": [Liste.PRINCIPALE], "types": types, "requested_by": AGENT}
    return TableauxRenderRequested.model_validate(said | fields)


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
