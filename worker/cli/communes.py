"""`python -m worker communes`: find a commune, or add one that the reference data lack."""

import click

from common.french import count_of

SHOWN = 50


@click.command
@click.option("--add", nargs=2, metavar="CODE NOM", help="Ajouter une commune, ou renommer celle de ce code.")
@click.option("--search", metavar="TEXTE", help="Chercher par le nom, ou par le code entier.")
def communes(*, add: tuple[str, str] | None, search: str | None) -> None:
    """Chercher ou ajouter une commune."""
    from worker.cli.database import worker_database
    from worker.registre.communes import add_commune, read_codes, search_communes

    with worker_database() as engine, engine.begin() as connection:
        if add:
            add_commune(connection, *add)
            click.echo(f"Commune {add[0].upper()} ({add[1]}) enregistrée.")
        if search:
            _show(search_communes(connection, search))
        if not add and not search:
            click.echo(f"{count_of(len(read_codes(connection)), 'commune connue')} ; cherchez avec --search.")


def _show(found: list[tuple[str, str, str]]) -> None:
    for code, nom, departement in found[:SHOWN]:
        click.echo(f"{code}  {nom} ({departement})")
    if len(found) > SHOWN:
        click.echo(f"… et {count_of(len(found) - SHOWN, 'autre')} ; précisez la recherche.")
    if not found:
        click.echo("Aucune commune trouvée.")
