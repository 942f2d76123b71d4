"""`python -m worker dead-letters` and `work`: lists, retries or deletes dead letters and dead works.

The commands never show the contents of a message. A dead letter leaves its queue after its copy is in the other queue,
or after the audit trail has its removal.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import islice

import click
from sqlalchemy import Engine

from common.cli import SUBCOMMAND, ExitCode, confirm, one_of, together, whole_number
from common.french import count_of, format_elapsed
from schemas.vocabulary import Action
from worker.audit import record_audit
from worker.cli.options import JOUR, print_table, start_of, system_user, worker_database
from worker.messaging.dead_letters import (
    QUEUES,
    DeadLetter,
    DeadLetterOffice,
    NotPutBackError,
    open_office,
)
from worker.notifier.publishing import publish_events_again
from worker.settings import load_settings
from worker.work.queue import WorkKind, WorkState, count_works
from worker.work.queue import retry as retry_dead


@click.group("dead-letters", subcommand_metavar=SUBCOMMAND)
def dead_letters() -> None:
    """Voir, remettre en file ou supprimer les messages mis de côté.

    Leur contenu n'est jamais affiché : il vient de n'importe qui. Ce qu'un autre opérateur a sous la main ne se voit
    pas ; s'il est interrompu, tout revient à sa place.
    """


queue_option = click.option(
    "--queue",
    type=one_of(QUEUES),
    metavar="FILE",
    help="D'une file seulement, par exemple requests.",
)


@dead_letters.command("list")
@queue_option
@click.option(
    "--limit",
    type=whole_number(1),
    default=50,
    show_default=True,
    metavar="NOMBRE",
    help="Par file.",
)
def list_letters(*, queue: str | None, limit: int) -> None:
    """Lister les lettres mortes, la plus ancienne d'abord."""
    rows: list[tuple[str, ...]] = []
    others = 0
    with open_office(load_settings().amqp_url.get_secret_value()) as office:
        for name in [queue] if queue else QUEUES:
            others += max(0, office.count(name) - limit)
            with closing(office.look(name)) as held:
                for letter in islice(held, limit):
                    size, since = str(len(letter.body)), letter.since
                    age = (
                        format_elapsed(max(0, (datetime.now(UTC) - since).total_seconds()))
                        if since
                        else ""
                    )
                    told = letter.reason, age, size, letter.sender, letter.message_id
                    rows.append((letter.name, letter.queue, *told))
    titles = "Lettre", "File", "Raison", "Âge", "Octets", "Compte", "Message"
    print_table(titles, rows, "Aucune lettre morte.")
    if others:
        click.echo(f"… et {count_of(others, 'autre')} : --limit")


_which_letters = together(
    click.argument("names", nargs=-1, metavar="[LETTRE]..."),
    click.option("--all", "every", is_flag=True, help="Toutes, au lieu de les nommer."),
    queue_option,
)


@dead_letters.command
@_which_letters
def requeue(*, names: Sequence[str], every: bool, queue: str | None) -> None:
    """Remettre des lettres mortes dans la file d'où elles viennent.

    Une lettre que le worker ne saurait toujours pas lire reste où elle est.
    """
    _check_choice(names, every=every)
    _treat(
        names,
        queue,
        Action.DEAD_LETTER_REQUEUED,
        "lettre remise en file",
        "lettres remises en file",
    )


@dead_letters.command
@_which_letters
@click.option("--yes", is_flag=True, help="Ne pas demander confirmation.")
def drop(*, names: Sequence[str], every: bool, queue: str | None, yes: bool) -> None:
    """Supprimer des lettres mortes, pour toujours."""
    _check_choice(names, every=every)
    if not yes:
        which = count_of(len(set(names)), "lettre morte") if names else "toutes les lettres mortes"
        confirm(f"Supprimer {which}, pour toujours ?")
    _treat(names, queue, Action.DEAD_LETTER_DROPPED, "lettre supprimée", "lettres supprimées")


def _check_choice(names: Sequence[str], *, every: bool) -> None:
    if bool(names) == every:
        raise click.UsageError("nommez des lettres, ou dites --all")


def _treat(names: Sequence[str], queue: str | None, action: Action, *done: str) -> None:
    """Requeue or drop the named letters, or all without names; `done`: the French words for one letter, and for more.

    A letter is removed once the trail has it.
    """
    settings = load_settings()
    missing, number, faults = set(names), 0, list[str]()
    with (
        worker_database(settings) as engine,
        open_office(settings.amqp_url.get_secret_value()) as office,
        closing(_iter_letters(office, queue)) as letters,
    ):
        for letter in letters:
            name = letter.name
            if names and name not in missing:
                continue
            missing.discard(name)
            try:
                if action is Action.DEAD_LETTER_REQUEUED:
                    letter.check()
                    office.put_back(letter)
            except NotPutBackError as error:
                faults.append(f"lettre {name} laissée où elle est : {error}")
                continue
            _remove(engine, letter, action, letter.reason)
            number += 1
    faults += [f"aucune lettre morte de ce nom : {name}" for name in sorted(missing)]
    for fault in faults:
        click.echo(f"Erreur : {fault}", err=True)
    click.echo(f"{count_of(number, *done)}.")
    if faults:
        click.get_current_context().exit(ExitCode.FAILED)


def _iter_letters(
    office: DeadLetterOffice, queue: str | None = None
) -> Generator[DeadLetter, None, None]:
    for name in [queue] if queue else QUEUES:
        with closing(office.look(name)) as letters:
            yield from letters


def _remove(engine: Engine, letter: DeadLetter, action: Action, why: str) -> None:
    detail = f"lettre {letter.name} de {letter.queue} ({why})"
    with engine.begin() as connection:
        record_audit(connection, action, actor=system_user(), detail=detail)
    letter.remove()


def drop_about(engine: Engine, is_about: Callable[[str], bool]) -> int:
    """Delete the letters whose contents are about forgotten people; return how many.

    Raises:
        TransientError: the broker is away; some letters may remain.
    """
    dropped = 0
    with (
        open_office(load_settings().amqp_url.get_secret_value()) as office,
        closing(_iter_letters(office)) as letters,
    ):
        for letter in letters:
            if is_about(letter.text):
                _remove(engine, letter, Action.DEAD_LETTER_DROPPED, "données effacées à la demande")
                dropped += 1
    return dropped


@click.group("work", subcommand_metavar=SUBCOMMAND)
def work() -> None:
    """Voir ce qui reste à faire, le réessayer, ou publier de nouveau des événements."""


@work.command("list")
def list_works() -> None:
    """Compter ce qui est à produire, à publier ou à envoyer, et ce qui a été abandonné."""
    with worker_database() as engine, engine.connect() as connection:
        works = count_works(connection)
    rows = [
        (
            WorkKind(kind).label if kind in set(WorkKind) else f"{kind} (inconnu)",
            WorkState(state).label,
            str(number),
            format_elapsed(age),
            error,
        )
        for kind, state, error, number, age in works
    ]
    print_table(("Quoi", "État", "Nombre", "Depuis", "Erreur"), rows, "Rien n'est à faire.")


@work.command
@click.option(
    "--error",
    required=True,
    metavar="TEXTE",
    help="Seulement les travaux dont l'erreur contient ce texte.",
)
@click.option("--since", required=True, type=JOUR, metavar="DATE", help="Ajoutés depuis ce jour.")
@click.option(
    "--kind",
    type=one_of(WorkKind),
    metavar="NATURE",
    help=f"D'une nature seulement : {', '.join(WorkKind)}.",
)
def retry(*, error: str, since: date, kind: str | None) -> None:
    """Réessayer les travaux abandonnés."""
    with worker_database() as engine, engine.begin() as connection:
        number = retry_dead(connection, error=error, since=start_of(since), kind=kind)
    click.echo(f"{count_of(number, 'travail repris', 'travaux repris')}.")


@work.command("publish-again")
@click.option(
    "--account",
    required=True,
    metavar="COMPTE",
    help="Le compte dont le programme a perdu sa file.",
)
@click.option(
    "--since", required=True, type=JOUR, metavar="DATE", help="Pour ses demandes depuis ce jour."
)
def publish_again(*, account: str, since: date) -> None:
    """Publier de nouveau les événements d'un compte, sous les mêmes identifiants.

    Les fichiers purgés n'en sont pas.
    """
    with worker_database() as engine, engine.begin() as connection:
        number = publish_events_again(connection, account, start_of(since))
    click.echo(f"Les événements de {count_of(number, 'demande')} seront publiés de nouveau.")
