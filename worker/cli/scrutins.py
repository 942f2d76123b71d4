"""`python -m worker scrutins` and `commissions`: the dates that tableaux are counted from."""

from datetime import date
from typing import TYPE_CHECKING

import click

from common.french import short_date
from schemas.vocabulary import Liste, parse_liste
from worker.cli.jours import JOUR

if TYPE_CHECKING:
    from worker.registre.scrutins import KnownScrutin, Reunion


def _read_liste(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Liste | None:
    try:
        return parse_liste(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command
@click.option("--commune", default="", metavar="CODE", help="Code INSEE ; sans lui, les scrutins nationaux.")
@click.option("--add", type=JOUR, metavar="DATE", help="Ajouter ou corriger le scrutin de ce jour, avec --libelle.")
@click.option("--libelle", default="", metavar="TEXTE", help="Ce qu'on élit : « Élections municipales, 1er tour ».")
@click.option("--cloture", type=JOUR, metavar="DATE", help="Clôture de la liste, quand elle est inhabituelle.")
@click.option("--remove", type=JOUR, metavar="DATE", help="Retirer le scrutin de ce jour.")
def scrutins(*, commune: str, add: date | None, libelle: str, cloture: date | None, remove: date | None) -> None:
    """Montrer, ajouter ou retirer des scrutins.

    Les tableaux des cinq et des vingt jours, et celui des additions, se comptent depuis leur date.
    """
    from worker.cli.database import register_database
    from worker.registre.scrutins import KnownScrutin, remove_scrutin, select_scrutins, set_scrutin

    if (cloture or libelle) and not add:
        raise click.UsageError("--libelle et --cloture demandent aussi --add")
    code = commune.upper()
    with register_database() as engine, engine.begin() as connection:
        if remove:
            remove_scrutin(connection, code, remove)
        if add:
            set_scrutin(connection, KnownScrutin(code, add, libelle, cloture))
        found = select_scrutins(connection, code)
    _show_scrutins(found)


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option(
    "--liste", callback=_read_liste, metavar="LISTE", help="P, CE ou CM, si la réunion n'a porté que sur elle."
)
@click.option("--add", type=JOUR, metavar="DATE", help="Noter la réunion de ce jour.")
@click.option("--remove", type=JOUR, metavar="DATE", help="Retirer la réunion de ce jour.")
def commissions(*, commune: str, liste: Liste | None, add: date | None, remove: date | None) -> None:
    """Montrer, noter ou retirer les réunions de la commission de contrôle.

    Le tableau des vingt jours et celui des cinq jours comptent les mouvements depuis la dernière.
    """
    from worker.cli.database import register_database
    from worker.registre.scrutins import ALL_LISTS, Reunion, add_reunion, remove_reunion, select_reunions

    code, about = commune.upper(), liste.value if liste else ALL_LISTS
    with register_database() as engine, engine.begin() as connection:
        if remove:
            remove_reunion(connection, code, Reunion(about, remove))
        if add:
            add_reunion(connection, code, Reunion(about, add))
        found = select_reunions(connection, code, liste)
    _show_reunions(found)


def _show_scrutins(found: "list[KnownScrutin]") -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        click.echo("Aucun scrutin : ajoutez-en un avec --add.")
        return
    table = Table("Scrutin", "Commune", "Libellé", "Clôture")
    for it in found:
        cloture = short_date(it.cloture) if it.cloture else ""
        table.add_row(short_date(it.date), it.code_commune or "toutes", it.libelle, cloture)
    Console().print(table)


def _show_reunions(found: "list[Reunion]") -> None:
    for it in found:
        click.echo(f"{short_date(it.date)}  {f'liste {it.liste}' if it.liste else 'toutes les listes'}")
    if not found:
        click.echo("Aucune réunion : notez-en une avec --add.")
