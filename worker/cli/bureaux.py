"""`python -m worker bureaux`: what only the operator can tell about a bureau, its canton above all."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.registre.bureaux import DescribedBureau


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--bureau", metavar="CODE", help="DescribedBureau à compléter, par exemple 0001.")
@click.option("--libelle", help="Nom du bureau.")
@click.option("--canton", "code_canton", metavar="CODE", help="Code INSEE du canton, par exemple 1301.")
@click.option("--libelle-canton", help="Nom du canton.")
@click.option("--circonscription", "code_circonscription", metavar="CODE", help="Circonscription législative : 01.")
@click.option("--libelle-circonscription", help="Nom de la circonscription.")
def bureaux(*, commune: str, bureau: str | None, **options: str | None) -> None:
    """Montrer ou compléter les bureaux."""
    from worker.cli.database import register_database
    from worker.registre.bureaux import select_bureaux, set_bureau
    from worker.registre.imports.lines import parse_bureau

    description = {name: value for name, value in options.items() if value is not None}
    if description and not bureau:
        raise click.UsageError("il manque --bureau : lequel faut-il compléter ?")
    with register_database() as engine, engine.begin() as connection:
        if bureau:
            set_bureau(connection, commune.upper(), parse_bureau(bureau), **description)
        found = list(select_bureaux(connection, [commune.upper()]))
    _show([it for it in found if not bureau or it.code == parse_bureau(bureau)], commune)


def _show(found: list["DescribedBureau"], commune: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        click.echo(f"Aucun bureau à {commune} : importez d'abord la liste électorale.")
        return
    table = Table("DescribedBureau", "Nom", "Canton", "Circonscription")
    for it in found:
        canton = f"{it.code_canton or '?'} {it.libelle_canton}"
        table.add_row(it.code, it.libelle, canton, f"{it.code_circonscription or '?'} {it.libelle_circonscription}")
    Console().print(table)
