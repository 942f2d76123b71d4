"""`python -m worker senders`: which account of the broker may ask for the files of which commune."""

from typing import TYPE_CHECKING

import click

from worker.cli.actor import system_user

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LONGEST_NAME = 255
"""In bytes, as a property of AMQP carries it."""


@click.command
@click.option("--add", metavar="COMPTE", help="Autoriser un compte RabbitMQ ; avec --commune.")
@click.option("--commune", metavar="CODE", help="Code INSEE de la commune, ou '*' pour toutes.")
@click.option("--remove", metavar="COMPTE", help="Retirer un compte, de partout ou de --commune seulement.")
def senders(*, add: str | None, commune: str | None, remove: str | None) -> None:
    """Lister, autoriser, retirer les comptes RabbitMQ qui demandent des fichiers.

    Toute autre demande est refusée, à moins que PREFECTURE_SENDERS vaille any.
    """
    from worker.cli.database import worker_database

    code = commune.upper() if commune else None
    if add is not None:
        if not code:
            raise click.UsageError("--add demande aussi --commune")
        if not (add.isprintable() and 0 < len(add.encode()) <= _LONGEST_NAME):
            raise click.UsageError("ce n'est pas le nom d'un compte RabbitMQ")
    with worker_database() as engine, engine.begin() as connection:
        if add is not None and code:
            _add(connection, add, code)
        if remove:
            _remove(connection, remove, code)
        if add is None and not remove:
            _show(connection, code)


def _add(connection: "Connection", name: str, code: str) -> None:
    from sqlalchemy import insert, select

    from worker.errors import RefusedError
    from worker.exports.audit import Action, record_audit
    from worker.exports.models import EVERY_COMMUNE, Sender
    from worker.registre.communes import read_commune

    if code != EVERY_COMMUNE and read_commune(connection, code) is None:
        raise RefusedError(f"commune inconnue : {code}. Cherchez son code avec « communes --search ».")
    is_it = (Sender.name == name) & (Sender.code_commune == code)
    if connection.scalar(select(Sender.name).where(is_it)) is None:
        connection.execute(insert(Sender).values(name=name, code_commune=code))
        record_audit(connection, Action.SENDER_ALLOWED, actor=system_user(), detail=f"{name} pour {_where(code)}")
    click.echo(f"{name} peut demander les fichiers de {_where(code)}.")


def _remove(connection: "Connection", name: str, code: str | None) -> None:
    from sqlalchemy import delete

    from worker.errors import RefusedError
    from worker.exports.audit import Action, record_audit
    from worker.exports.models import Sender

    statement = delete(Sender).where(Sender.name == name).returning(Sender.code_commune)
    removed = connection.scalars(statement.where(Sender.code_commune == code) if code else statement).all()
    if not removed:
        raise RefusedError(f"aucune autorisation à ce nom : {name}")
    for gone in removed:
        record_audit(connection, Action.SENDER_REMOVED, actor=system_user(), detail=f"{name} pour {_where(gone)}")
    click.echo(f"{name} ne peut plus demander les fichiers de {', '.join(_where(gone) for gone in sorted(removed))}.")


def _show(connection: "Connection", code: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select

    from worker.exports.models import EVERY_COMMUNE, Sender

    query = select(Sender.name, Sender.code_commune).order_by(Sender.name, Sender.code_commune)
    table = Table("Compte", "Commune")
    for row in connection.execute(query.where(Sender.code_commune.in_([code, EVERY_COMMUNE])) if code else query):
        table.add_row(row.name, _where(row.code_commune))
    if table.row_count:
        Console(markup=False).print(table)
    else:
        click.echo("Aucun compte autorisé : ajoutez-en un avec --add.")


def _where(code: str) -> str:
    from worker.exports.models import EVERY_COMMUNE

    return "toutes les communes" if code == EVERY_COMMUNE else code
