"""`python -m worker agents` and `accounts`: the people and the programs with rights on a commune's files.

The commands prompt for addresses and secrets of recipients, or read them from the standard input: an option would stay
in the history of the shell and in the list of processes. The commands never show them again.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import click
from sqlalchemy import Connection, Engine

from common.calendrier import civil_day, now
from common.cli import one_of
from common.french import short_date
from schemas.rights import ACTS, EVERY_ACT, EVERY_COMMUNE
from schemas.topology import (
    EXCHANGE,
    LISTENER_PREFIX,
    PROGRAMS,
    SCREEN_ACCOUNT,
    is_account,
    listener_key,
)
from schemas.vocabulary import Channel
from worker.access import management as access
from worker.access.models import last_day
from worker.cli.options import (
    JOUR,
    describe_wishes,
    prevenir_option,
    print_table,
    read_wishes,
    system_user,
    worker_database,
)
from worker.compose import build_senders
from worker.messaging.events import add_listener_queue, remove_listener_queue
from worker.messaging.queues import read_listeners
from worker.notifier.channels.webhook import check_secret, make_secret
from worker.notifier.recipients import make_addressee, mask_mail_addresses
from worker.notifier.sending import try_recipient
from worker.settings import load_settings

EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
"""An agent's mail address."""


@click.command
@click.option(
    "--add",
    metavar="NOM",
    help="Ajouter un agent, ou changer son adresse ; avec --commune et --email.",
)
@click.option(
    "--commune",
    "communes",
    multiple=True,
    metavar="CODE",
    help="Code INSEE ; répétable avec --add, --remove.",
)
@click.option("--email", metavar="ADRESSE", help="Adresse où le prévenir.")
@prevenir_option
@click.option(
    "--may-protect/--may-not-protect",
    default=None,
    help="Lui montrer les électeurs protégés (art. L. 37), ou non.",
)
@click.option(
    "--remove",
    metavar="NOM",
    help="Retirer un agent, de toutes les communes ou de --commune seulement.",
)
@click.option("--end-sessions", metavar="NOM", help="Terminer les sessions d'un agent à l'écran.")
@click.option(
    "--forget-identity", metavar="NOM", help="Laisser un agent s'identifier par un autre compte."
)
@click.option(
    "--channel",
    type=one_of([it for it in Channel if it is not Channel.MAIL]),
    metavar="CANAL",
    help="Ajouter un webhook, avec --commune ; son adresse est demandée.",
)
@click.option(
    "--own-secret", is_flag=True, help="Demander le secret du webhook, au lieu d'en fabriquer un."
)
@click.option(
    "--new-secret",
    metavar="ID",
    help="Signer un webhook avec un secret nouveau, en plus de l'ancien.",
)
@click.option(
    "--end-secret", metavar="ID", help="Ne plus signer un webhook avec son ancien secret."
)
@click.option("--remove-channel", metavar="ID", help="Retirer un webhook.")
@click.option("--test", metavar="ID", help="Lui envoyer un message d'essai.")
def agents(**given: Any) -> None:  # noqa: ANN401 — the options
    """Lister, ajouter, retirer qui est prévenu : agents et webhooks.

    Un agent voit sa commune à l'écran, et est prévenu par courriel. Un webhook est une adresse https://, d'un hôte de
    PREFECTURE_WEBHOOK_HOSTS ; il est signé selon Standard Webhooks. Tchap, Mattermost et Teams en acceptent.
    """
    _check_agents(given)
    wishes = read_wishes(given["prevenir"])
    codes = list(dict.fromkeys(code.upper() for code in given["communes"])) or [""]
    code = codes[0]
    with worker_database() as engine:
        if given["channel"]:
            _add_recipient(
                engine, Channel(given["channel"]), code, wishes, own_secret=given["own_secret"]
            )
        if recipient := given["new_secret"]:
            secret = _read_secret(own_secret=given["own_secret"])
            with engine.begin() as connection:
                access.change_secret(connection, recipient, secret, actor=system_user())
            click.echo(f"{recipient} est signé avec deux secrets, jusqu'à --end-secret.")
            if not given["own_secret"]:
                _show_secret(secret)
        if recipient := given["test"]:
            with engine.connect() as connection:
                row = access.find_recipient(connection, recipient)
            lieu = access.name_communes(row.code_commune)
            try_recipient(build_senders(load_settings()), make_addressee(row), lieu=lieu)
            click.echo(f"Message d'essai envoyé à {recipient}.")
        with engine.begin() as connection:
            _change(connection, codes, wishes, given)
            if not any(given[name] for name in _DOES):
                _show_agents(connection, code)
                _show_recipients(connection, code)


_DOES = (
    *("add", "remove", "end_sessions", "forget_identity"),
    *("channel", "new_secret", "end_secret", "remove_channel", "test"),
)
"""The options of `agents` that do something; without them it lists."""


def _check_agents(given: Mapping[str, Any]) -> None:
    if len(given["communes"]) > 1 and not (given["add"] or given["remove"]):
        raise click.UsageError("plusieurs --commune demandent --add ou --remove")
    if given["add"] and not (given["communes"] and given["email"]):
        raise click.UsageError("--add demande aussi --commune et --email")
    if given["channel"] and not given["communes"]:
        raise click.UsageError("--channel demande aussi --commune")
    if given["prevenir"] and not (given["add"] or given["channel"]):
        raise click.UsageError("--prevenir demande aussi --add ou --channel")
    if given["may_protect"] is not None and not given["add"]:
        raise click.UsageError("--may-protect demande aussi --add")
    if given["own_secret"] and not (given["channel"] or given["new_secret"]):
        raise click.UsageError("--own-secret demande aussi --channel ou --new-secret")
    if given["email"] and not EMAIL.fullmatch(given["email"]):
        raise click.UsageError("l'adresse électronique n'en est pas une")


def _change(
    connection: Connection, codes: Sequence[str], wishes: str | None, given: Mapping[str, Any]
) -> None:
    by = system_user()
    for code in codes if (name := given["add"]) else ():
        email, may_protect = given["email"], given["may_protect"]
        if kinds := access.add_agent(
            connection, name, code, email, wishes, actor=by, may_protect=may_protect
        ):
            click.echo(
                f"{name} sera prévenu pour {code} à l'adresse {email} : {describe_wishes(kinds)}."
            )
        else:
            click.echo(f"{name} voit {code} à l'écran, et n'est prévenu de rien.")
    if name := given["remove"]:
        for code in codes:
            left = access.remove_agent(connection, name, code or None, actor=by)
            mask_mail_addresses(connection, left)
        click.echo(f"{name} ne sera plus prévenu.")
    if name := given["end_sessions"]:
        access.end_sessions(connection, name, actor=by)
        click.echo(f"Les sessions de {name} à l'écran sont terminées.")
    if name := given["forget_identity"]:
        access.end_sessions(connection, name, forgets_identity=True, actor=by)
        click.echo(f"{name} sera lié au compte de sa prochaine identification.")
    if recipient := given["end_secret"]:
        access.change_secret(connection, recipient, "", actor=by)
        click.echo(f"{recipient} n'a plus que son secret le plus récent.")
    if recipient := given["remove_channel"]:
        access.remove_recipient(connection, recipient, actor=by)
        click.echo(f"Destinataire {recipient} retiré.")


def _show_agents(connection: Connection, code: str) -> None:
    rows = [
        (
            it.name,
            it.code_commune,
            it.email,
            describe_wishes(it.kinds),
            "oui" if it.may_protect else "non",
        )
        for it in access.list_agents(connection, code or None)
    ]
    titles = "Agent", "Commune", "Adresse", "Prévenu de", "Électeurs protégés"
    print_table(titles, rows, "Aucun agent : ajoutez-en un avec --add.")


def _add_recipient(
    engine: Engine, channel: Channel, code: str, kinds: str | None, *, own_secret: bool
) -> None:
    with engine.connect() as connection:
        access.check_heard_commune(connection, code)
    address = _ask("Adresse")
    build_senders(load_settings())[channel].check(address)
    secret = _read_secret(own_secret=own_secret)
    with engine.begin() as connection:
        row = access.add_recipient(
            connection, channel, code, address, kinds=kinds, secret=secret, actor=system_user()
        )
    click.echo(
        f"Destinataire {row.id} ajouté : {describe_wishes(row.kinds)}, pour {access.name_communes(code)}."
    )
    if not own_secret:
        _show_secret(secret)


def _read_secret(*, own_secret: bool) -> str:
    return check_secret(_ask("Secret")) if own_secret else make_secret()


def _show_secret(secret: str) -> None:
    click.echo(f"Secret à donner à qui le recevra, montré cette fois seulement : {secret}")


def _show_recipients(connection: Connection, code: str) -> None:
    rows = [
        (
            row.id,
            access.name_communes(row.code_commune),
            row.channel,
            access.shown_address(row.address),
            describe_wishes(row.kinds),
            f"arrêté le {short_date(row.disabled_at)}" if row.disabled_at else "en service",
        )
        for row in access.list_recipients(connection, code or None)
    ]
    titles = "Id", "Commune", "Canal", "Adresse", "Prévenu de", "État"
    print_table(titles, rows, "Aucun webhook : ajoutez-en un avec --channel.")


def _ask(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"{what} (ne s'affiche pas)", hide_input=True)).strip()
    return sys.stdin.readline().strip()


class ProgramKind(StrEnum):
    """The use of the service by a program, as an option of the command names it."""

    SENDER = "demande"
    LISTENER = "ecoute"
    TOKEN = "jeton"  # noqa: S105 — a word of the command line


@click.command
@click.option(
    "--kind",
    type=one_of(ProgramKind),
    metavar="SORTE",
    help="demande : un compte RabbitMQ qui demande des fichiers, par défaut ; ecoute : la file d'un programme qui lit "
    "nos événements ; jeton : un programme qui prend des fichiers par HTTP.",
)
@click.option(
    "--add",
    metavar="NOM",
    help="Autoriser un compte, déclarer une file ou faire un jeton ; avec --commune.",
)
@click.option(
    "--commune",
    "communes",
    multiple=True,
    metavar="CODE",
    help="Code INSEE, répétable, ou '*' pour toutes.",
)
@click.option(
    "--account",
    "answered",
    multiple=True,
    metavar="COMPTE",
    help="Avec ecoute, au lieu de --commune, répétable : les réponses à ce compte.",
)
@click.option(
    "--speaks-for-agents/--speaks-for-itself",
    "speaks",
    default=None,
    help="Avec --add : croire, ou non, l'agent que le compte nomme. Par défaut, « ecran » seulement est cru.",
)
@click.option(
    "--act",
    "acts",
    multiple=True,
    type=one_of([*ACTS, EVERY_ACT]),
    metavar="ACTE",
    help="Avec --add, répétable : une sorte de demande ou de déclaration, la seule permise ; '*' pour toutes. Sans "
    "elle, un compte les a toutes, un jeton aucune.",
)
@click.option(
    "--until",
    type=JOUR,
    metavar="DATE",
    help="Avec --add, d'un jeton : son dernier jour ; dans un an, par défaut.",
)
@click.option(
    "--remove",
    metavar="NOM",
    help="Retirer, partout ou pour --commune seulement ; un jeton par son ID.",
)
def accounts(**given: Any) -> None:  # noqa: ANN401 — the options
    """Lister, ajouter, retirer les programmes qui demandent, qui écoutent ou qui prennent des fichiers.

    Un compte qui parle pour les agents est cru quand il nomme un agent de la commune ; des autres, c'est le compte qui
    est noté.

    Le compte RabbitMQ d'un programme qui écoute n'a qu'à lire sa file. Une file pleine perd ses plus anciens messages.

    Un jeton se montre une fois, quand il est fait : la base n'en garde que l'empreinte.
    """
    kind, add = ProgramKind(given["kind"] or ProgramKind.SENDER), given["add"]
    _check_accounts(kind, given)
    codes, acts = (
        list(dict.fromkeys(it)) for it in (map(str.upper, given["communes"]), given["acts"])
    )
    keys = [listener_key(account=it) for it in given["answered"]] or [
        listener_key(commune=code) for code in codes
    ]
    scopes = dict.fromkeys(ProgramKind, codes) | {ProgramKind.LISTENER: keys}
    with worker_database() as engine:
        if add is not None and kind is ProgramKind.SENDER:
            how: dict[str, Any] = {
                "actor": system_user(),
                "speaks_for_agents": given["speaks"],
                "acts": acts,
            }
            with engine.begin() as connection:
                believed = [
                    code for code in codes if access.allow_sender(connection, add, code, **how)
                ]
            agents = f", et parle pour les agents de {_name_all(believed)}" if believed else ""
            click.echo(f"{add} peut demander les fichiers de {_name_all(codes)}{agents}.")
            if add != SCREEN_ACCOUNT:
                click.echo(
                    "Il faut à ce compte RabbitMQ le droit de publier sous son nom, et une limite :"
                )
                click.echo(f"  rabbitmqctl set_permissions -p VHOST {add} '' '^{EXCHANGE}$' ''")
                key = f"^{PROGRAMS}\\.{re.escape(add)}\\.fr\\.openelec\\.prefecture\\.request\\."
                click.echo(
                    f"  rabbitmqctl set_topic_permissions -p VHOST {add} {EXCHANGE} '{key}' ''"
                )
                click.echo(f"""  rabbitmqctl set_user_limits {add} '{{"max-connections": 10}}'""")
        elif add is not None and kind is ProgramKind.TOKEN:
            with engine.begin() as connection:
                until = given["until"] or last_day()
                by = system_user()
                token = access.make_token(connection, add, codes, acts, actor=by, until=until)
            asks = f", et demande : {', '.join(acts)}" if acts else ""
            click.echo(
                f"Jeton fait pour {add}, qui ouvre les fichiers de {_name_all(codes)}{asks}, jusqu'au "
                f"{short_date(until)} compris."
            )
            click.echo(f"À donner à qui l'emploiera, montré cette fois seulement : {token}")
        elif add is not None:
            with engine.begin() as connection:
                for key in keys:
                    access.add_listener(connection, add, key, actor=system_user())
                    queue = add_listener_queue(_amqp_url(), add, key)
            heard = ", ".join(map(_describe_key, keys))
            click.echo(
                f"La file {queue} entend {heard}. Il faut à qui la lit ce droit et cette limite :"
            )
            click.echo(
                f"  rabbitmqctl set_permissions -p VHOST COMPTE '' '' '^{re.escape(queue)}$'"
            )
            click.echo("""  rabbitmqctl set_user_limits COMPTE '{"max-connections": 10}'""")
        elif given["remove"] is not None:
            _REMOVE[kind](engine, given["remove"], scopes[kind])
        else:
            for it in [kind] if given["kind"] else _SHOW:
                _SHOW[it](engine, scopes[it])


def _check_accounts(kind: ProgramKind, given: Mapping[str, Any]) -> None:
    is_listener = kind is ProgramKind.LISTENER
    add, remove, codes, answered = (
        given[name] for name in ("add", "remove", "communes", "answered")
    )
    if add is not None and remove is not None:
        raise click.UsageError("--add ou --remove, pas les deux à la fois")
    if answered and not is_listener:
        raise click.UsageError("--account demande aussi --kind ecoute")
    _check_token(kind, given)
    if given["speaks"] is not None and (add is None or kind is not ProgramKind.SENDER):
        raise click.UsageError(
            "--speaks-for-agents et --speaks-for-itself demandent aussi --add, d'un compte"
        )
    if given["acts"] and (add is None or is_listener):
        raise click.UsageError("--act demande aussi --add, d'un compte ou d'un jeton")
    if add is None:
        return
    if is_listener and bool(codes) == bool(answered):
        raise click.UsageError("--add demande --commune ou --account, un seul des deux")
    if not is_listener and not codes:
        raise click.UsageError("--add demande aussi --commune")
    if not is_account(add):
        raise click.UsageError(
            "un compte a des lettres sans accent, des chiffres, des tirets : 60 au plus"
        )


def _check_token(kind: ProgramKind, given: Mapping[str, Any]) -> None:
    is_token = kind is ProgramKind.TOKEN
    if is_token and given["remove"] is not None and given["communes"]:
        raise click.UsageError(
            "un jeton se révoque pour toutes ses communes : --remove sans --commune"
        )
    if given["until"] and (given["add"] is None or not is_token):
        raise click.UsageError("--until demande aussi --kind jeton --add")


def _amqp_url() -> str:
    return load_settings().amqp_url.get_secret_value()


def _name_all(codes: Iterable[str]) -> str:
    return ", ".join(map(access.name_communes, codes))


def _remove_sender(engine: Engine, name: str, codes: Sequence[str]) -> None:
    with engine.begin() as connection:
        gone = access.remove_sender(connection, name, codes, actor=system_user())
    click.echo(f"{name} ne peut plus demander les fichiers de {_name_all(gone)}.")


def _show_senders(engine: Engine, codes: Sequence[str]) -> None:
    with engine.connect() as connection:
        rows = [
            (
                it.name,
                _name_all([it.code_commune]),
                "les agents" if it.speaks_for_agents else "lui-même",
                it.acts,
            )
            for it in access.list_senders(connection)
            if _concerns([it.code_commune], codes, EVERY_COMMUNE)
        ]
    print_table(
        ("Compte", "Commune", "Parle pour", "Actes"),
        rows,
        "Aucun compte autorisé : ajoutez-en un avec --add.",
    )


def _remove_listener(engine: Engine, name: str, keys: Sequence[str]) -> None:
    with engine.begin() as connection:
        gone = access.remove_listener(connection, name, keys, actor=system_user())
        is_kept = name in access.list_listeners(connection)
        remove_listener_queue(_amqp_url(), name, *(gone if is_kept else ()))
    heard = ", ".join(map(_describe_key, gone))
    click.echo(f"{name} n'entend plus {heard}{'' if is_kept else ' ; sa file est supprimée'}.")


def _show_listeners(engine: Engine, keys: Sequence[str]) -> None:
    every = listener_key(commune=EVERY_COMMUNE)
    with engine.connect() as connection:
        known = access.list_listeners(connection).items()
    found = {name: heard for name, heard in known if _concerns(heard, keys, every)}
    states = {state.queue: state for state in read_listeners(_amqp_url(), found)} if found else {}
    rows = []
    for name, heard in found.items():
        state = states[f"{LISTENER_PREFIX}{name}"]
        rows.append(
            (
                state.queue,
                ", ".join(map(_describe_key, heard)),
                str(state.messages),
                str(state.consumers),
            )
        )
    titles = "File", "Entend", "Messages", "Lecteurs"
    print_table(titles, rows, "Aucune écoute : ajoutez-en une avec --kind ecoute --add.")


def _describe_key(key: str) -> str:
    _, is_answers, account = key.partition(".account.")
    return (
        f"les réponses à {account}" if is_answers else access.name_communes(key.rpartition(".")[2])
    )


def _revoke_token(engine: Engine, token_id: str, _codes: Sequence[str]) -> None:
    with engine.begin() as connection:
        name = access.revoke_token(connection, token_id, actor=system_user())
    click.echo(f"Jeton {token_id} ({name}) révoqué : il n'ouvre plus rien.")


def _show_tokens(engine: Engine, codes: Sequence[str]) -> None:
    with engine.connect() as connection:
        tokens = access.list_tokens(connection)
    rows = []
    for token in tokens:
        opened = [it.code_commune for it in token]
        if _concerns(opened, codes, EVERY_COMMUNE):
            first = token[0]
            state = f"en service jusqu'au {short_date(first.ends_on)}"
            if first.revoked_at:
                state = f"révoqué le {short_date(first.revoked_at)}"
            elif first.ends_on < civil_day(now(), ""):
                state = f"fini le {short_date(first.ends_on)}"
            used = short_date(first.last_used) if first.last_used else "jamais"
            made = short_date(first.created_at)
            rows.append((first.id, first.name, _name_all(opened), made, used, state))
    titles = "ID", "Jeton", "Ouvre", "Fait le", "Demande ou fichier", "État"
    print_table(titles, rows, "Aucun jeton : faites-en un avec --kind jeton --add.")


_REMOVE = {
    ProgramKind.SENDER: _remove_sender,
    ProgramKind.LISTENER: _remove_listener,
    ProgramKind.TOKEN: _revoke_token,
}
_SHOW = {
    ProgramKind.SENDER: _show_senders,
    ProgramKind.TOKEN: _show_tokens,
    ProgramKind.LISTENER: _show_listeners,
}


def _concerns(scopes: Iterable[str], wanted: Sequence[str], every: str) -> bool:
    return not wanted or not {*wanted, every}.isdisjoint(scopes)
