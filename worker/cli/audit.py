"""`python -m worker audit`: who did what, when."""

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import click

from worker.cli.jours import JOUR
from worker.cli.values import CODE_COMMUNE, WholeNumber

if TYPE_CHECKING:
    from worker.exports.audit import Line


@click.command
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Seulement ce qui concerne cette commune.")
@click.option("--since", type=JOUR, metavar="DATE", help="Depuis ce jour.")
@click.option("--limit", type=WholeNumber(1), default=50, show_default=True, metavar="NOMBRE", help="Combien au plus.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
def audit(*, commune: str | None, since: date | None, limit: int, as_json: bool) -> None:
    """Montrer qui a fait quoi, le plus récent en tête.

    Téléchargements, dépôts, purges, fichiers trouvés altérés, droits donnés ou retirés.
    """
    from common.clock import PARIS
    from worker.cli.database import worker_database
    from worker.exports.audit import read_audit

    begin = datetime.combine(since, time(), PARIS) if since else None
    with worker_database() as engine, engine.connect() as connection:
        lines = read_audit(connection, code_commune=commune, since=begin, limit=limit)
    if as_json:
        documents = [it._asdict() | {"at": it.at.isoformat(timespec="milliseconds")} for it in lines]
        click.echo(json.dumps(documents, ensure_ascii=False))
    else:
        _show(lines)


def _show(lines: "Sequence[Line]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from common.clock import PARIS

    if not lines:
        click.echo("Rien n'est noté.")
        return
    table = Table("Date", "Par", "Quoi", "Commune", "Export", "Détail")
    for it in lines:
        number = "" if it.export_id is None else str(it.export_id)
        texts = it.actor, it.label, it.code_commune, number, it.detail
        table.add_row(f"{it.at.astimezone(PARIS):%d/%m/%Y %H:%M:%S}", *map(Text, texts))
    Console().print(table)
