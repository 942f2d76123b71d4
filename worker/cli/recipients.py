"""`python -m worker recipients`: the chats and the webhooks that are told, besides the agents.

Their addresses and their secrets are asked for, or read from the standard input: an option would stay in the history of
the shell and in the list of processes. None is shown again.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from common.french import short_date
from worker.cli.actor import system_user
from worker.cli.values import OneOf
from worker.cli.wishes import describe_wishes, prevenir_option, read_wishes
from worker.notifier.kinds import Channel

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from worker.notifier.models import Recipient


@click.command
@click.option(
    "--add",
    type=OneOf([Channel.CHAT, Channel.WEBHOOK]),
    metavar="CANAL",
    help="Ajouter une discussion ou un webhook, avec --commune ; son adresse est demandée.",
)
@click.option("--commune", metavar="CODE", help="Code INSEE de la commune, ou '*' pour toutes.")
@prevenir_option
@click.option("--own-secret", is_flag=True, help="Demander le secret du webhook, au lieu d'en fabriquer un.")
@click.option("--remove", metavar="ID", help="Retirer un destinataire.")
@click.option("--test", metavar="ID", help="Lui envoyer un message d'essai.")
def recipients(
    *,
    add: str | None,
    commune: str | None,
    prevenir: Sequence[str],
    own_secret: bool,
    remove: str | None,
    test: str | None,
) -> None:
    """Lister, ajouter, retirer, essayer des discussions et des webhooks.

    Une discussion s'écrit comme Apprise le veut (matrixs://, mmosts://, rockets://, nctalks://, slack:// …). Un
    webhook est une adresse https:// dont l'hôte est dans PREFECTURE_WEBHOOK_HOSTS ; il est signé selon Standard
    Webhooks. Les courriels vont aux agents : voir « agents ».
    """
    from worker.cli.database import worker_database

    code = commune.upper() if commune else None
    if add and not code:
        raise click.UsageError("--add demande aussi --commune")
    if (prevenir or own_secret) and not add:
        raise click.UsageError("--prevenir et --own-secret demandent aussi --add")
    if own_secret and add != Channel.WEBHOOK:
        raise click.UsageError("--own-secret est pour un webhook : une discussion a son secret dans son adresse")
    kinds = read_wishes(prevenir)
    with worker_database() as engine:
        if add and code:
            _add(engine, Channel(add), code, kinds, own_secret=own_secret)
        if remove:
            _remove(engine, remove)
        if test:
            _test(engine, test)
        if not (add or remove or test):
            _show(engine, code)


def _add(engine: "Engine", channel: Channel, code: str, kinds: str | None, *, own_secret: bool) -> None:
    import secrets

    from sqlalchemy import insert

    from worker.exports.audit import Action, record_audit
    from worker.notifier.dispatch import shown_address
    from worker.notifier.kinds import EVERY_WISH, join_wishes
    from worker.notifier.models import Recipient

    with engine.connect() as connection:
        _require_commune(connection, code)
    address = _ask("Adresse")
    _check(channel, address)
    secret = _read_secret(own=own_secret) if channel is Channel.WEBHOOK else ""
    row = {
        "id": secrets.token_hex(4),
        "code_commune": code,
        "channel": channel,
        "address": address,
        "kinds": join_wishes(EVERY_WISH) if kinds is None else kinds,
        "secret": secret,
    }
    detail = f"{channel} {row['id']}, {shown_address(address)}"
    with engine.begin() as connection:
        connection.execute(insert(Recipient).values(**row))
        record_audit(connection, Action.RECIPIENT_ADDED, actor=system_user(), code_commune=_known(code), detail=detail)
    click.echo(f"Destinataire {row['id']} ajouté : {describe_wishes(str(row['kinds']))}, pour {_where(code)}.")
    if secret and not own_secret:
        click.echo(f"Secret à donner à qui le recevra, montré cette fois seulement : {secret}")


def _remove(engine: "Engine", recipient_id: str) -> None:
    from sqlalchemy import delete

    from worker.exports.audit import Action, record_audit
    from worker.notifier.dispatch import shown_address
    from worker.notifier.models import Recipient

    with engine.begin() as connection:
        row = _find(connection, recipient_id)
        connection.execute(delete(Recipient).where(Recipient.id == recipient_id))
        detail = f"{row.channel} {row.id}, {shown_address(row.address)}"
        code = _known(row.code_commune)
        record_audit(connection, Action.RECIPIENT_REMOVED, actor=system_user(), code_commune=code, detail=detail)
    click.echo(f"Destinataire {recipient_id} retiré.")


def _test(engine: "Engine", recipient_id: str) -> None:
    from worker.notifier.dispatch import make_addressee, try_recipient
    from worker.settings import load_settings

    with engine.connect() as connection:
        row = _find(connection, recipient_id)
    from worker.compose import build_senders

    try_recipient(build_senders(load_settings()), make_addressee(row), lieu=_where(row.code_commune))
    click.echo(f"Message d'essai envoyé à {recipient_id}.")


def _show(engine: "Engine", code: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from worker.exports.models import EVERY_COMMUNE
    from worker.notifier.dispatch import shown_address
    from worker.notifier.models import Recipient

    query = select(Recipient).order_by(Recipient.code_commune, Recipient.channel, Recipient.id)
    if code:
        query = query.where(Recipient.code_commune.in_([code, EVERY_COMMUNE]))
    table = Table("Id", "Commune", "Canal", "Adresse", "Prévenu de", "État")
    with Session(engine) as session:
        for row in session.scalars(query):
            state = f"arrêté le {short_date(row.disabled_at)}" if row.disabled_at else "en service"
            where, shown, wishes = _where(row.code_commune), shown_address(row.address), describe_wishes(row.kinds)
            table.add_row(row.id, where, row.channel, shown, wishes, state)
    if table.row_count:
        Console(markup=False).print(table)
    else:
        click.echo("Aucun destinataire : ajoutez-en un avec --add.")


def _ask(what: str) -> str:
    """Type it unseen, or give it on the standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(f"{what} (ne s'affiche pas)", hide_input=True)).strip()
    return sys.stdin.readline().strip()


def _read_secret(*, own: bool) -> str:
    from worker.notifier.channels.webhook import check_secret, make_secret

    return check_secret(_ask("Secret")) if own else make_secret()


def _check(channel: Channel, address: str) -> None:
    from worker.notifier.channels.chat import open_chat
    from worker.notifier.channels.hosts import Hosts
    from worker.settings import load_settings

    if channel is Channel.CHAT:
        open_chat(address)
        return
    hosts = Hosts.parse(load_settings().webhook_hosts)
    hosts.resolve(hosts.check(address))


def _find(connection: "Connection", recipient_id: str) -> "Recipient":
    from sqlalchemy.orm import Session

    from worker.errors import RefusedError
    from worker.notifier.models import Recipient

    with Session(connection) as session:
        if (row := session.get(Recipient, recipient_id)) is None:
            raise RefusedError(f"aucun destinataire de ce numéro : {recipient_id}")
        session.expunge(row)
    return row


def _require_commune(connection: "Connection", code: str) -> None:
    from worker.errors import RefusedError
    from worker.exports.models import EVERY_COMMUNE
    from worker.registre.communes import read_commune

    if code != EVERY_COMMUNE and read_commune(connection, code) is None:
        raise RefusedError(f"commune inconnue : {code}. Cherchez son code avec « communes --search ».")


def _known(code: str) -> str:
    from worker.exports.models import EVERY_COMMUNE

    return "" if code == EVERY_COMMUNE else code


def _where(code: str) -> str:
    return code if _known(code) else "toutes les communes"
