"""LIBREVILLE in the embedded database: its register, its calendar and its agent; what was loaded is told."""

from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.clock import jour_a_paris
from common.french import count_of
from worker.demo import LIBREVILLE
from worker.demo.load import load_libreville, loaded_on
from worker.notifier.models import Agent
from worker.registre.imports.summary import ImportSummary

AGENT = "mairie-libreville"
INTRODUCTION = "Commune de démonstration LIBREVILLE (13900) : fictive, comme tous ses électeurs.\n"


def load(engine: Engine, folder: Path, console: Console) -> date:
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
