"""`dead-letters requeue` and `drop`: a letter leaves once its copy is where it goes, or its end is on record."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from common.cli import confirm
from common.french import count_of
from worker.cli.actor import system_user
from worker.cli.dead_letters_look import chosen_queues
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from worker.exports.audit import Action
    from worker.messaging.dead_letters import DeadLetter, DeadLetterOffice, HeldLetter

    Treat = Callable[[DeadLetterOffice, DeadLetter], None]


def _which_letters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--queue", metavar="FILE", help="D'une file seulement, par exemple requests."),
        click.option("--all", "every", is_flag=True, help="Toutes, au lieu de les nommer."),
        click.argument("names", nargs=-1, metavar="[LETTRE]..."),
    ):
        function = option(function)
    return function


@click.command
@_which_letters
@click.pass_context
def requeue(context: click.Context, *, names: Sequence[str], every: bool, queue: str | None) -> None:
    """Remettre des lettres mortes dans la file d'où elles viennent.

    Une lettre que le worker ne saurait toujours pas lire reste où elle est.
    """
    from worker.exports.audit import Action

    sorting = _Sorting(names, every=every, queues=chosen_queues(queue))
    sorting.run(Action.DEAD_LETTER_REQUEUED, lambda office, letter: office.put_back(letter))
    click.echo(f"{count_of(sorting.gone, 'lettre remise')} en file.")
    if sorting.failed:
        context.exit(Exit.REFUSED)


@click.command
@_which_letters
@click.option("--yes", is_flag=True, help="Ne pas demander confirmation.")
@click.pass_context
def drop(context: click.Context, *, names: Sequence[str], every: bool, queue: str | None, yes: bool) -> None:
    """Supprimer des lettres mortes, pour toujours."""
    from worker.exports.audit import Action

    sorting = _Sorting(names, every=every, queues=chosen_queues(queue))
    if not yes:
        which = count_of(len(sorting.missing), "lettre morte") if names else "toutes les lettres mortes"
        confirm(f"Supprimer {which}, pour toujours ?")
    sorting.run(Action.DEAD_LETTER_DROPPED, lambda _office, _letter: None)
    click.echo(f"{count_of(sorting.gone, 'lettre supprimée')}.")
    if sorting.failed:
        context.exit(Exit.REFUSED)


class _Sorting:
    """One pass over the letters that are named, or over all."""

    def __init__(self, names: Sequence[str], *, every: bool, queues: Sequence[str]) -> None:
        if bool(names) == every:
            raise click.UsageError("nommez des lettres, ou dites --all")
        self.missing = set(names)
        self.gone = 0
        self.failed = False
        self._every = every
        self._queues = queues

    def run(self, action: "Action", treat: "Treat") -> None:
        """Treat each letter, put it on record, and only then take it away."""
        from worker.cli.database import worker_database
        from worker.messaging.dead_letters import open_office
        from worker.settings import load_settings

        settings = load_settings()
        amqp_url = settings.amqp_url.get_secret_value()
        with worker_database(settings) as engine, open_office(amqp_url) as office:
            for queue in self._queues:
                with closing(office.look(queue)) as held:
                    for letter in held:
                        if self._every or letter.letter.name in self.missing:
                            self._sort(letter, action, partial(treat, office), engine)
        for name in sorted(self.missing):
            self._fail(f"aucune lettre morte de ce nom : {name}")

    def _sort(
        self, held: "HeldLetter", action: "Action", treat: "Callable[[DeadLetter], None]", engine: "Engine"
    ) -> None:
        from worker.exports.audit import record_audit
        from worker.messaging.dead_letters import NotPutBackError

        letter = held.letter
        self.missing.discard(letter.name)
        try:
            treat(letter)
        except NotPutBackError as error:
            self._fail(f"lettre {letter.name} laissée où elle est : {error}")
            return
        detail = f"lettre {letter.name} de {letter.came_from} ({letter.reason})"
        with engine.begin() as connection:
            record_audit(connection, action, actor=system_user(), detail=detail)
        held.remove()
        self.gone += 1

    def _fail(self, message: str) -> None:
        self.failed = True
        click.echo(f"Erreur : {message}", err=True)
