"""`python -m worker work`: what is due or was given up, tried again, or published again for one account."""

from datetime import date, datetime, time

import click

from common.cli import LazyGroup
from common.french import count_of
from worker.cli.options import JOUR, one_of, print_table, worker_database
from worker.work.models import WorkKind, WorkState

COMMANDS = {
    "list": "worker.cli.work:list_works",
    "retry": "worker.cli.work:retry",
    "publish-again": "worker.cli.work:publish_again",
}

_LABELS = {
    WorkKind.REPLY: "réponse à une demande",
    WorkKind.EVENT: "événement",
    WorkKind.PROGRESS: "avancement",
    WorkKind.RECIPIENTS: "liste des destinataires",
    WorkKind.MAIL: "courriel",
    WorkKind.MESSAGE: "discussion ou webhook",
}
_STATES = {WorkState.DUE: "à faire", WorkState.HELD: "en cours", WorkState.DEAD: "abandonné"}
_MINUTE = 60


@click.group("work", cls=LazyGroup, commands_at=COMMANDS)
def work() -> None:
    """Voir ce qui reste à annoncer, le réessayer, ou publier de nouveau des événements."""


@click.command("list")
def list_works() -> None:
    """Compter ce qui est à publier ou à envoyer, et ce qui a été abandonné."""
    from worker.work.queue import count_works

    with worker_database() as engine, engine.connect() as connection:
        tallies = count_works(connection)
    if not tallies:
        click.echo("Rien n'est à faire.")
        return
    rows = [
        (
            _LABELS.get(WorkKind(it.kind), it.kind) if it.kind in set(WorkKind) else f"{it.kind} (inconnu)",
            _STATES[WorkState(it.state)],
            str(it.number),
            f"{it.age / _MINUTE:.0f} min",
            it.error,
        )
        for it in tallies
    ]
    print_table(("Quoi", "État", "Nombre", "Depuis", "Erreur"), rows)


@click.command
@click.option("--error", required=True, metavar="TEXTE", help="Seulement les travaux dont l'erreur contient ce texte.")
@click.option("--since", required=True, type=JOUR, metavar="DATE", help="Ajoutés depuis ce jour.")
@click.option(
    "--kind", type=one_of(WorkKind), metavar="NATURE", help=f"D'une nature seulement : {', '.join(WorkKind)}."
)
def retry(*, error: str, since: date, kind: str | None) -> None:
    """Réessayer les travaux abandonnés."""
    from worker.work.queue import retry as retry_dead

    with worker_database() as engine, engine.begin() as connection:
        number = retry_dead(connection, error=error, since=_start_of(since), kind=kind)
    click.echo(f"{count_of(number, 'travail repris', 'travaux repris')}.")


@click.command("publish-again")
@click.option("--account", required=True, metavar="COMPTE", help="Le compte dont le programme a perdu sa file.")
@click.option("--since", required=True, type=JOUR, metavar="DATE", help="Pour ses demandes depuis ce jour.")
def publish_again(*, account: str, since: date) -> None:
    """Publier de nouveau les événements d'un compte, sous les mêmes identifiants.

    Les fichiers purgés n'en sont pas.
    """
    from worker.notifier.publishing import publish_events_again

    with worker_database() as engine, engine.begin() as connection:
        number = publish_events_again(connection, account, _start_of(since))
    click.echo(f"{count_of(number, 'événement sera publié', 'événements seront publiés')} de nouveau.")


def _start_of(day: date) -> datetime:
    from common.calendrier import PARIS

    return datetime.combine(day, time(), PARIS)
