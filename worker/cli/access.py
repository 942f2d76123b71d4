"""`python -m worker agents`, `recipients` and `senders`: who is told about the files of a commune, who may ask.

The addresses and the secrets of recipients are asked for, or read from the standard input: an option would stay in the
history of the shell and in the list of processes. None is shown again.
"""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from common.french import short_date
from worker.cli.options import describe_wishes, one_of, prevenir_option, read_wishes, system_user
from worker.notifier.kinds import Channel

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
_LONGEST_NAME = 255
"""In bytes, as a property of AMQP carries it."""


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
    from worker.handlers.manage_access import add_agent, remove_agent

    code = commune.upper() if commune else None
    if add and not (code and email):
        raise click.UsageError("--add demande aussi --commune et --email")
    if prevenir and not add:
        raise click.UsageError("--prevenir demande aussi --add")
    if email and not _EMAIL.fullmatch(email):
        raise click.UsageError("l'adresse électronique n'en est pas une")
    with worker_database() as engine, engine.begin() as connection:
        if add and code and email:
            if kinds := add_agent(connection, add, code, email, read_wishes(prevenir)):
                click.echo(f"{add} sera prévenu pour {code} à l'adresse {email} : {describe_wishes(kinds)}.")
            else:
                click.echo(f"{add} voit {code} à l'écran, et n'est prévenu de rien.")
        if remove:
            remove_agent(connection, remove, code)
            click.echo(f"{remove} ne sera plus prévenu.")
        if not add and not remove:
            _show_agents(connection, code)


def _show_agents(connection: "Connection", code: str | None) -> None:
    from worker.handlers.manage_access import list_agents

    rows = [(it.name, it.code_commune, it.email, describe_wishes(it.kinds)) for it in list_agents(connection, code)]
    _print_table(("Agent", "Commune", "Adresse", "Prévenu de"), rows, "Aucun agent : ajoutez-en un avec --add.")


@click.command
@click.option(
    "--add",
    type=one_of([Channel.CHAT, Channel.WEBHOOK]),
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
    from worker.handlers.manage_access import remove_recipient

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
            _add_recipient(engine, Channel(add), code, kinds, own_secret=own_secret)
        if remove:
            with engine.begin() as connection:
                remove_recipient(connection, remove, actor=system_user())
            click.echo(f"Destinataire {remove} retiré.")
        if test:
            _test_recipient(engine, test)
        if not (add or remove or test):
            _show_recipients(engine, code)


def _add_recipient(engine: "Engine", channel: Channel, code: str, kinds: str | None, *, own_secret: bool) -> None:
    from worker.handlers.manage_access import add_recipient, check_recipient_commune, name_communes
    from worker.notifier.channels.webhook import check_secret, make_secret

    with engine.connect() as connection:
        check_recipient_commune(connection, code)
    address = _ask("Adresse")
    _check_address(channel, address)
    secret = ""
    if channel is Channel.WEBHOOK:
        secret = check_secret(_ask("Secret")) if own_secret else make_secret()
    with engine.begin() as connection:
        row = add_recipient(connection, channel, code, address, kinds=kinds, secret=secret, actor=system_user())
    click.echo(f"Destinataire {row.id} ajouté : {describe_wishes(row.kinds)}, pour {name_communes(code)}.")
    if secret and not own_secret:
        click.echo(f"Secret à donner à qui le recevra, montré cette fois seulement : {secret}")


def _check_address(channel: Channel, address: str) -> None:
    from worker.notifier.channels.chat import open_chat
    from worker.notifier.channels.hosts import Hosts
    from worker.settings import load_settings

    if channel is Channel.CHAT:
        open_chat(address)
        return
    hosts = Hosts.parse(load_settings().webhook_hosts)
    hosts.resolve(hosts.check(address))


def _test_recipient(engine: "Engine", recipient_id: str) -> None:
    from worker.handlers.manage_access import find_recipient, name_communes
    from worker.notifier.dispatch import make_addressee, try_recipient
    from worker.settings import load_settings

    with engine.connect() as connection:
        row = find_recipient(connection, recipient_id)
    from worker.compose import build_senders

    try_recipient(build_senders(load_settings()), make_addressee(row), lieu=name_communes(row.code_commune))
    click.echo(f"Message d'essai envoyé à {recipient_id}.")


def _show_recipients(engine: "Engine", code: str | None) -> None:
    from worker.handlers.manage_access import list_recipients, name_communes
    from worker.notifier.dispatch import shown_address

    with engine.connect() as connection:
        found = list_recipients(connection, code)
    rows = [
        (
            row.id,
            name_communes(row.code_commune),
            row.channel,
            shown_address(row.address),
            describe_wishes(row.kinds),
            f"arrêté le {short_date(row.disabled_at)}" if row.disabled_at else "en service",
        )
        for row in found
    ]
    titles = "Id", "Commune", "Canal", "Adresse", "Prévenu de", "État"
    _print_table(titles, rows, "Aucun destinataire : ajoutez-en un avec --add.")


def _ask(what: str) -> str:
    """Type it unseen, or give it on the standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(f"{what} (ne s'affiche pas)", hide_input=True)).strip()
    return sys.stdin.readline().strip()


@click.command
@click.option("--add", metavar="COMPTE", help="Autoriser un compte RabbitMQ ; avec --commune.")
@click.option("--commune", metavar="CODE", help="Code INSEE de la commune, ou '*' pour toutes.")
@click.option("--remove", metavar="COMPTE", help="Retirer un compte, de partout ou de --commune seulement.")
def senders(*, add: str | None, commune: str | None, remove: str | None) -> None:
    """Lister, autoriser, retirer les comptes RabbitMQ qui demandent des fichiers.

    Toute autre demande est refusée, à moins que PREFECTURE_SENDERS vaille any.
    """
    from worker.cli.database import worker_database
    from worker.handlers.manage_access import allow_sender, list_senders, name_communes, remove_sender

    code = commune.upper() if commune else None
    if add is not None:
        if not code:
            raise click.UsageError("--add demande aussi --commune")
        if not (add.isprintable() and 0 < len(add.encode()) <= _LONGEST_NAME):
            raise click.UsageError("ce n'est pas le nom d'un compte RabbitMQ")
    with worker_database() as engine, engine.begin() as connection:
        if add is not None and code:
            allow_sender(connection, add, code, actor=system_user())
            click.echo(f"{add} peut demander les fichiers de {name_communes(code)}.")
        if remove:
            gone = remove_sender(connection, remove, code, actor=system_user())
            click.echo(f"{remove} ne peut plus demander les fichiers de {', '.join(map(name_communes, gone))}.")
        if add is None and not remove:
            rows = [(it.name, name_communes(it.code_commune)) for it in list_senders(connection, code)]
            _print_table(("Compte", "Commune"), rows, "Aucun compte autorisé : ajoutez-en un avec --add.")


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        click.echo(empty)
        return
    table = Table(*titles)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)
