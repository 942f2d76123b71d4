"""`python -m worker import-mouvements`: a CSV file of mouvements enters the register."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from common.french import count_of
from worker.cli.actor import system_user
from worker.registre.imports.summary import ImportSummary, describe_reasons


@click.command("import-mouvements")
@click.argument("file", metavar="FICHIER", type=click.Path(path_type=Path))
@click.option("--accept-rejects", is_flag=True, help="Garder les lignes lisibles quand d'autres sont rejetées.")
@click.option("--imported-by", metavar="NOM", help="Qui importe ; par défaut, l'utilisateur du système.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FICHIER", help="Où écrire les lignes rejetées.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
def import_mouvements(
    file: Path, *, accept_rejects: bool, imported_by: str | None, report: Path | None, as_json: bool
) -> None:
    """Importer des mouvements.

    FICHIER est un CSV (UTF-8, point-virgule) d'inscriptions, de radiations et de changements de bureau, qui s'ajoutent
    à ceux du registre. Un fichier corrigé s'importe après « import-undo ».
    """
    from worker.cli.database import register_database
    from worker.registre.mouvements import importer

    with register_database() as engine:
        summary = importer.import_mouvements(
            engine, file, imported_by=imported_by or system_user(), accept_rejects=accept_rejects, report=report
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
        count_of(summary.lines_read, "ligne lue"),
        count_of(summary.lines_kept, "mouvement ajouté"),
        count_of(summary.lines_rejected, "rejeté"),
        count_of(summary.values_cleaned, "valeur nettoyée"),
    )
    click.echo(f"Import {summary.import_id} : {', '.join(counts)}.")
    for note in summary.notes:
        click.echo(f"À savoir : {note}.")
    if summary.report:
        click.echo(f"Lignes rejetées : {describe_reasons(summary.reasons)}. Détail : {summary.report}")
