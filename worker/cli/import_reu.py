"""`python -m worker import-reu`: an export of the REU becomes the register."""

import getpass
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.registre.summary import ImportSummary, describe_reasons, format_count, format_number

if TYPE_CHECKING:
    from worker.registre.importer import Progress

MOST_LISTES = 12
"""Lists that are shown one by one; of more, totals."""


@click.command("import-reu")
@click.argument("file", metavar="FICHIER", type=click.Path(path_type=Path))
@click.option("--accept-loss", is_flag=True, help="Accepter qu'une liste perde plus de 20 % de ses électeurs.")
@click.option("--accept-rejects", is_flag=True, help="Garder les lignes lisibles quand d'autres sont rejetées.")
@click.option("--imported-by", metavar="NOM", help="Qui importe ; par défaut, l'utilisateur du système.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FICHIER", help="Où écrire les lignes rejetées.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
def import_reu(
    file: Path, *, accept_loss: bool, accept_rejects: bool, imported_by: str | None, report: Path | None, as_json: bool
) -> None:
    """Importer la liste électorale du REU.

    FICHIER est l'export CSV « Liste des électeurs actifs ». Chaque liste qui s'y trouve remplace celle du registre ;
    les autres ne changent pas.
    """
    from worker.cli.database import register_database
    from worker.registre.importer import import_file

    with register_database() as engine, _progress_bar() as progress:
        summary = import_file(
            engine,
            file,
            imported_by=imported_by or _system_user(),
            accept_loss=accept_loss,
            accept_rejects=accept_rejects,
            report=report,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(asdict(summary), ensure_ascii=False, default=str))
    else:
        _tell(summary)


def _tell(summary: ImportSummary) -> None:
    if summary.unchanged:
        click.echo(f"Ce fichier est déjà dans le registre (import {summary.import_id}) : rien n'a changé.")
        return
    counts = (
        format_count(summary.lines_read, "ligne lue"),
        format_count(summary.lines_kept, "gardée"),
        format_count(summary.lines_rejected, "rejetée"),
        format_count(summary.values_cleaned, "valeur nettoyée"),
        format_count(summary.bureaux, "bureau", "bureaux"),
    )
    click.echo(f"Import {summary.import_id} : {', '.join(counts)}.")
    for note in summary.notes:
        click.echo(f"À savoir : {note}.")
    if summary.report:
        click.echo(f"Lignes rejetées : {describe_reasons(summary.reasons)}. Détail : {summary.report}")
    _show_listes(summary)


def _show_listes(summary: ImportSummary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Commune", "Liste", "Électeurs", "Avant")
    if len(summary.listes) <= MOST_LISTES:
        for it in summary.listes:
            before = "–" if it.before is None else format_number(it.before)
            table.add_row(it.code_commune, it.liste, format_number(it.electeurs), before)
    else:
        communes, now, before_all = Counter[str](), Counter[str](), Counter[str]()
        for it in summary.listes:
            communes[it.liste] += 1
            now[it.liste] += it.electeurs
            before_all[it.liste] += it.before or 0
        for liste in sorted(now):
            figures = format_number(now[liste]), format_number(before_all[liste])
            table.add_row(format_count(communes[liste], "commune"), liste, *figures)
    Console().print(table)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return ""


@contextmanager
def _progress_bar() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("Lecture"), BarColumn(), TextColumn("{task.fields[lines]} lignes"), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, lines="0")
        yield lambda lines, share: bar.update(task, completed=share, lines=format_number(lines))
