"""`python -m worker protections`: whose address no tableau prints.

Names are asked for, never options: a command line is kept by the shell and seen by every account of the machine.
"""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.registre.protections import Protege


@click.command
@click.option("--commune", required=True, metavar="CODE", help="Code INSEE de la commune.")
@click.option("--add", is_flag=True, help="Protéger un électeur : son nom est demandé ensuite.")
@click.option("--remove", is_flag=True, help="Ne plus protéger un électeur : son nom est demandé ensuite.")
def protections(*, commune: str, add: bool, remove: bool) -> None:
    """Montrer, ajouter ou retirer des électeurs protégés.

    Les tableaux n'impriment pas leur adresse (Code électoral, art. L. 37). L'export du REU ne dit pas qui ils sont.
    """
    from worker.cli.database import register_database
    from worker.registre.protections import add_protection, remove_protection, select_protections

    if add and remove:
        raise click.UsageError("--add ou --remove, pas les deux à la fois")
    code = commune.upper()
    asked = _ask() if add or remove else None
    with register_database() as engine, engine.begin() as connection:
        if asked:
            (add_protection if add else remove_protection)(connection, code, asked)
        found = select_protections(connection, code)
    _show(found)


def _ask() -> "Protege":
    from worker.domain.texte import clean
    from worker.registre.imports.lines import parse_date
    from worker.registre.protections import Protege

    questions = "Nom de naissance", "Tous les prénoms", "Date de naissance (JJ/MM/AAAA)"
    nom, prenoms, born = (
        clean(click.prompt(question, default="", show_default=False, prompt_suffix=" : ", err=True))
        for question in questions
    )
    try:
        return Protege(nom, prenoms, parse_date(born))
    except ValueError:
        raise click.UsageError("ce n'est pas une date de naissance ; écrivez JJ/MM/AAAA") from None


def _show(found: "list[Protege]") -> None:
    for it in found:
        born = "/".join(reversed(it.date_naissance.split("-")))
        click.echo(", ".join(filter(None, (f"{it.nom_naissance} {it.prenoms}".strip(), born))))
    if not found:
        click.echo("Aucun électeur protégé : ajoutez-en un avec --add.")
