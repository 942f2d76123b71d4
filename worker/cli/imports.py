"""`python -m worker imports` and `import-undo`: what was imported, and going back."""

import click

from common.french import count_of, format_number

SHOWN = 20


@click.command
@click.option("--all", "show_all", is_flag=True, help=f"Tous les imports, pas seulement les {SHOWN} derniers.")
def imports(*, show_all: bool) -> None:
    """Lister les imports, le dernier en tête."""
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select

    from common.clock import PARIS
    from worker.cli.database import register_database
    from worker.registre.models import Import

    columns = Import.id, Import.started_at, Import.file_name, Import.lines_kept, Import.lines_rejected
    query = select(*columns, Import.imported_by, Import.finished_at, Import.undone_at).order_by(Import.id.desc())
    with register_database() as engine, engine.connect() as connection:
        rows = connection.execute(query if show_all else query.limit(SHOWN)).all()
    if not rows:
        click.echo("Aucun import.")
        return
    table = Table("N°", "Date", "Fichier", "Lignes", "Rejets", "Par", "État")
    for id_, started, name, kept, rejected, by, finished, undone in rows:
        state = "annulé" if undone else "terminé" if finished else "en cours ou interrompu"
        day = f"{started.astimezone(PARIS):%d/%m/%Y %H:%M}"
        table.add_row(str(id_), day, name, format_number(kept), format_number(rejected), by, state)
    Console().print(table)


@click.command("import-undo")
def import_undo() -> None:
    """Annuler le dernier import.

    Les listes et les bureaux redeviennent ce qu'ils étaient.
    """
    from worker.cli.database import register_database
    from worker.registre.imports.history import undo_last_import

    with register_database() as engine:
        undone = undo_last_import(engine)
    mouvements = f", {count_of(undone.mouvements, 'mouvement effacé')}" if undone.mouvements else ""
    click.echo(
        f"Import {undone.import_id} ({undone.file_name}) annulé : {count_of(len(undone.restored), 'liste remise')} "
        f"à l'état précédent, {count_of(len(undone.removed), 'liste retirée')} du registre{mouvements}."
    )
