"""`python -m worker agents`: who is told about the files of which commune. Mails go to nobody else."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from worker.cli.wishes import describe_wishes, prevenir_option, read_wishes

if TYPE_CHECKING:
    from sqlalchemy import Connection

_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")


@click.command
@click.option("--add", metavar="NOM", help="Ajouter un agent, ou changer son adresse ; avec --commune et --email.")
@click.option("--commune", metavar="CODE", help="Code INSEE de la commune.")
@click.option("--email", metavar="ADRESSE", help="Adresse où le prévenir.")
@prevenir_option
@click.option("--remove", metavar="NOM", help="Retirer un agent, de toutes les communes ou de --commune seulement.")
def agents(
    *, add: str | None, commune: str | None, email: str | None, prevenir: Sequence[str], remove: str | None
) -> None:
    """Lister, ajouter, retirer des agents.

    Un agent voit sa commune à l'écran, et est prévenu par courriel de ce qu'il veut savoir : fichiers prêts, échecs,
    échéances. Les discussions et les webhooks sont dans « recipients ».
    """
    from worker.cli.database import worker_database

    code = commune.upper() if commune else None
    if add and not (code and email):
        raise click.UsageError("--add demande aussi --commune et --email")
    if prevenir and not add:
        raise click.UsageError("--prevenir demande aussi --add")
    if email and not _EMAIL.fullmatch(email):
        raise click.UsageError("l'adresse électronique n'en est pas une")
    with worker_database() as engine, engine.begin() as connection:
        if add and code and email:
            _add(connection, add, code, email, read_wishes(prevenir))
        if remove:
            _remove(connection, remove, code)
        if not add and not remove:
            _show(connection, code)


def _add(connection: "Connection", name: str, code: str, email: str, kinds: str | None) -> None:
    from sqlalchemy import insert, select, update

    from worker.errors import RefusedError
    from worker.notifier.models import Agent
    from worker.registre.communes import read_commune

    if read_commune(connection, code) is None:
        raise RefusedError(f"commune inconnue : {code}. Cherchez son code avec « communes --search ».")
    is_it = (Agent.name == name) & (Agent.code_commune == code)
    values = {"email": email} | ({} if kinds is None else {"kinds": kinds})
    if not connection.execute(update(Agent).where(is_it).values(values)).rowcount:
        connection.execute(insert(Agent).values(name=name, code_commune=code, **values))
    wanted = connection.execute(select(Agent.kinds).where(is_it)).scalar_one()
    if wanted:
        click.echo(f"{name} sera prévenu pour {code} à l'adresse {email} : {describe_wishes(wanted)}.")
    else:
        click.echo(f"{name} voit {code} à l'écran, et n'est prévenu de rien.")


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

    columns = Agent.name, Agent.code_commune, Agent.email, Agent.kinds
    query = select(*columns).order_by(Agent.code_commune, Agent.name)
    table = Table("Agent", "Commune", "Adresse", "Prévenu de")
    for *cells, kinds in connection.execute(query.where(Agent.code_commune == code) if code else query):
        table.add_row(*cells, describe_wishes(kinds))
    if table.row_count:
        Console(markup=False).print(table)
    else:
        click.echo("Aucun agent : ajoutez-en un avec --add.")
