"""`python -m worker agents`: who is told about the files of which commune. Mails go to nobody else."""

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")


@click.command
@click.option("--add", metavar="NOM", help="Ajouter un agent, ou changer son adresse ; avec --commune et --email.")
@click.option("--commune", metavar="CODE", help="Code INSEE de la commune.")
@click.option("--email", metavar="ADRESSE", help="Adresse où le prévenir.")
@click.option("--remove", metavar="NOM", help="Retirer un agent, de toutes les communes ou de --commune seulement.")
def agents(*, add: str | None, commune: str | None, email: str | None, remove: str | None) -> None:
    """Lister, ajouter, retirer des agents.

    Un agent est prévenu quand les fichiers de sa commune sont prêts.
    """
    from worker.cli.database import worker_database

    code = commune.upper() if commune else None
    if add and not (code and email):
        raise click.UsageError("--add demande aussi --commune et --email")
    if email and not _EMAIL.fullmatch(email):
        raise click.UsageError("l'adresse électronique n'en est pas une")
    with worker_database() as engine, engine.begin() as connection:
        if add and code and email:
            _add(connection, add, code, email)
        if remove:
            _remove(connection, remove, code)
        if not add and not remove:
            _show(connection, code)


def _add(connection: "Connection", name: str, code: str, email: str) -> None:
    from sqlalchemy import insert, update

    from worker.errors import RefusedError
    from worker.notifier.models import Agent
    from worker.registre.communes import read_commune

    if read_commune(connection, code) is None:
        raise RefusedError(f"commune inconnue : {code}. Cherchez son code avec « communes --search ».")
    is_it = (Agent.name == name) & (Agent.code_commune == code)
    if not connection.execute(update(Agent).where(is_it).values(email=email)).rowcount:
        connection.execute(insert(Agent).values(name=name, code_commune=code, email=email))
    click.echo(f"{name} sera prévenu des fichiers de {code} à l'adresse {email}.")


def _remove(connection: "Connection", name: str, code: str | None) -> None:
    from sqlalchemy import delete

    from worker.errors import RefusedError
    from worker.notifier.models import Agent

    statement = delete(Agent).where(Agent.name == name)
    if not connection.execute(statement.where(Agent.code_commune == code) if code else statement).rowcount:
        raise RefusedError(f"aucun agent de ce nom : {name}")
    click.echo(f"{name} ne sera plus prévenu.")


def _show(connection: "Connection", code: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select

    from worker.notifier.models import Agent

    query = select(Agent.name, Agent.code_commune, Agent.email).order_by(Agent.code_commune, Agent.name)
    table = Table("Agent", "Commune", "Adresse")
    for row in connection.execute(query.where(Agent.code_commune == code) if code else query):
        table.add_row(*row)
    if table.row_count:
        Console().print(table)
    else:
        click.echo("Aucun agent : ajoutez-en un avec --add.")
