"""The command line `python -m producers`: each command is a module, imported when it is called."""

import logging
from collections.abc import Sequence

import click

from common.cli import ExitCode, LazyGroup, run_command
from producers.errors import ProducerError

COMMANDS = {
    "export-liste": "producers.cli.export_liste:command",
    "render-tableaux": "producers.cli.render_tableaux:command",
    "cancel": "producers.cli.cancel:command",
    "retry": "producers.cli.retry:command",
    "exports": "producers.cli.exports:command",
    "web": "producers.cli.web:command",
}


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    epilog="Codes de sortie : 0 fait ; 1 refus ou échec ; 2 commande ou configuration fausse ; 3 RabbitMQ ou base "
    "injoignable ; 4 délai dépassé ; 5 fait, mais avec des anomalies bloquantes.",
)
def _group() -> None:
    """Demande les fichiers du module Préfecture et montre où ils en sont."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code ; errors go to standard error, in French."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)

    def explain(error: Exception) -> tuple[str, ExitCode] | None:
        if not isinstance(error, ProducerError):
            return None
        if "--json" in arguments:
            from producers.cli.documents import error_document, print_document

            print_document(error_document(error))
        return str(error), error.exit_code

    return run_command(
        lambda: _group.main(list(arguments), prog_name="python -m producers", standalone_mode=False), explain
    )
