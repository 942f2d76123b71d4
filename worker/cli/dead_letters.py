"""`python -m worker dead-letters`: the messages that were put aside."""

import click

from common.cli import LazyGroup

COMMANDS = {
    "list": "worker.cli.dead_letters_look:list_letters",
    "show": "worker.cli.dead_letters_look:show",
    "requeue": "worker.cli.dead_letters_sort:requeue",
    "drop": "worker.cli.dead_letters_sort:drop",
}


@click.group("dead-letters", cls=LazyGroup, commands_at=COMMANDS)
def dead_letters() -> None:
    """Voir, remettre en file ou supprimer les messages mis de côté.

    Leur contenu n'est jamais affiché : il vient de n'importe qui. Ce qu'un autre opérateur a sous la main ne se voit
    pas ; s'il est interrompu, tout revient à sa place.
    """
