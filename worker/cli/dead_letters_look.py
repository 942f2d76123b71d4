"""`dead-letters list` and `show`: what was put aside, since when and why, without its contents."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.values import WholeNumber
from worker.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.messaging.dead_letters import DeadLetter

_UNITS = ((86_400, "j"), (3_600, "h"), (60, "min"))


@click.command("list")
@click.option("--queue", metavar="FILE", help="D'une file seulement, par exemple requests.")
@click.option("--limit", type=WholeNumber(1), default=50, show_default=True, metavar="NOMBRE", help="Par file.")
def list_letters(*, queue: str | None, limit: int) -> None:
    """Lister les lettres mortes, la plus ancienne d'abord."""
    from rich.console import Console
    from rich.table import Table

    from worker.messaging.dead_letters import open_office
    from worker.settings import load_settings

    table = Table("Lettre", "File", "Raison", "Âge", "Octets", "Compte", "Message")
    others = 0
    with open_office(load_settings().amqp_url.get_secret_value()) as office:
        for name in chosen_queues(queue):
            others += max(0, office.count(name) - limit)
            with closing(office.look(name)) as held:
                for letter, _ in islice(held, limit):
                    table.add_row(
                        letter.name,
                        letter.came_from,
                        letter.reason,
                        _age(letter.since),
                        str(len(letter.body)),
                        letter.sender,
                        letter.message_id,
                    )
    if not table.row_count:
        click.echo("Aucune lettre morte.")
        return
    Console(markup=False).print(table)
    if others:
        click.echo(f"… et {others} autres : --limit")


@click.command
@click.argument("name", metavar="LETTRE")
@click.option("--body", type=click.Path(path_type=Path), metavar="FICHIER", help="Y écrire le contenu, pour vous seul.")
def show(*, name: str, body: Path | None) -> None:
    """Montrer ce qui entoure une lettre morte, jamais son contenu ; --body l'écrit dans un fichier neuf."""
    from worker.messaging.dead_letters import open_office
    from worker.settings import load_settings

    with open_office(load_settings().amqp_url.get_secret_value()) as office:
        for queue in chosen_queues(None):
            with closing(office.look(queue)) as held:
                letter = next((letter for letter, _ in held if letter.name == name), None)
            if letter:
                break
        else:
            raise RefusedError(f"aucune lettre morte de ce nom : {name}")
    for title, value in _facts(letter):
        click.echo(f"{title:15} {value}")
    if body:
        _write(body, letter.body)
        click.echo(f"{'Contenu':15} écrit dans {body}, lisible par vous seul")


def chosen_queues(queue: str | None) -> tuple[str, ...]:
    """The queue that was named, or all that have dead letters."""
    from worker.messaging.dead_letters import QUEUES

    if queue is None:
        return QUEUES
    if queue not in QUEUES:
        raise click.UsageError(f"les files sont {', '.join(QUEUES)}")
    return (queue,)


def _facts(letter: "DeadLetter") -> "Iterator[tuple[str, str]]":
    yield "Lettre", letter.name
    yield "File", letter.came_from
    yield "Raison", letter.reason
    yield "Mise de côté", f"{letter.since:%d/%m/%Y %H:%M:%S} UTC" if letter.since else "on ne sait quand"
    yield "Taille", f"{len(letter.body)} octets"
    yield "Compte", letter.sender or "inconnu"
    yield "Message", letter.message_id or "sans identifiant"
    yield from _contents(letter)


def _contents(letter: "DeadLetter") -> "Iterator[tuple[str, str]]":
    from worker.messaging.encoder import INGEST_ACTORS, PoisonError

    try:
        call = letter.read()
    except PoisonError as poison:
        yield "Contenu", f"illisible ({poison})"
        return
    (argument,) = call["args"]
    if call["actor_name"] not in INGEST_ACTORS.values():
        yield "Appel", f"{call['actor_name']}, fichier n° {argument}"
        return
    for attribute in ("id", "source", "type", "time", "correlationid"):
        yield f"  {attribute}", str(argument[attribute])


def _age(since: datetime | None) -> str:
    if since is None:
        return ""
    seconds = max(timedelta(0), datetime.now(UTC) - since).total_seconds()
    return next((f"{seconds // size:.0f} {unit}" for size, unit in _UNITS if seconds >= size), f"{seconds:.0f} s")


def _write(path: Path, contents: bytes) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 — its mode
            file.write(contents)
    except FileExistsError:
        raise RefusedError(f"{path} existe déjà ; donnez un autre nom") from None
    except OSError as error:
        raise RefusedError(f"{path} ne peut pas être écrit ({os.strerror(error.errno or 0)})") from None
