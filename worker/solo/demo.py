"""The demonstration: LIBREVILLE, a fictitious commune, from its REU export to six list files and a mail."""

from pathlib import Path

from rich.console import Console
from sqlalchemy.orm import Session

from producers.cli.export_liste import build_event
from producers.cli.render import print_request
from producers.cli.wait import wait_for
from producers.exit_codes import ExitCode, exit_code_of
from producers.records import RequestState
from producers.state import State
from schemas.vocabulary import Format
from worker.demo import LIBREVILLE, write_reu
from worker.notifier.models import Agent
from worker.registre.importer import import_file
from worker.registre.known_communes import add_commune
from worker.settings import Settings
from worker.solo.process import Solo

_AGENT = Agent(name="mairie-libreville", code_commune=LIBREVILLE.code, email="elections@libreville.example")


def run_demo(settings: Settings, console: Console) -> ExitCode:
    """Import LIBREVILLE, ask for its three lists in both formats, and show what was made."""
    console.print("Commune de démonstration LIBREVILLE (13900) : fictive, comme tous ses électeurs.\n")
    with Solo(settings) as solo:
        _import(solo, settings.home / "demo" / "libreville-reu.csv", console)
        event = build_event(LIBREVILLE.code, formats=list(Format), requested_by=_AGENT.name, source="/demo")
        solo.publish(event)
        with State(settings.database_url.get_secret_value()) as state:
            request = wait_for(state, event, console)
    print_request(console, event, request, settings.exports_dir)
    _show_mails(settings.mail_dir, console)
    return _demo_exit_code(request)


def _import(solo: Solo, reu: Path, console: Console) -> None:
    reu.parent.mkdir(parents=True, exist_ok=True)
    write_reu(reu)
    engine = solo.services.engine
    with engine.begin() as connection:
        add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
    with Session(engine) as session, session.begin():
        session.merge(_AGENT)
    summary = import_file(engine, reu, imported_by="démonstration", accept_rejects=True)
    console.print(
        f"Export du REU : {reu}\n  {summary.lines_read} lignes lues, {summary.lines_kept} gardées, "
        f"{summary.lines_rejected} rejetées, {summary.values_cleaned} valeurs nettoyées"
        + (" (déjà importé)" if summary.unchanged else "")
        + (f"\n  Rejets : {summary.report}" if summary.report else "")
        + "\n"
    )


def _show_mails(folder: Path, console: Console) -> None:
    mails = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)
    if mails:
        console.print(f"\nCourriel « envoyé » (déposé dans un dossier, faute de serveur) : {mails[-1]}", soft_wrap=True)


def _demo_exit_code(request: RequestState) -> ExitCode:
    """Blocking anomalies are part of the show."""
    code = exit_code_of(request)
    return ExitCode.DONE if code is ExitCode.ANOMALIES else code
