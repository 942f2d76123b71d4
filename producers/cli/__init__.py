"""The command line `python -m producers`: each command is a module, imported when it is called."""

import logging
from collections.abc import Sequence

import click

from common.cli import LazyGroup, explain_usage
from producers.errors import ProducerError
from producers.exit_codes import ExitCode

COMMANDS = {
    "export-liste": "producers.cli.export_liste:command",
    "render-tableaux": "producers.cli.render_tableaux:command",
    "cancel": "producers.cli.cancel:command",
    "retry": "producers.cli.retry:command",
    "exports": "producers.cli.exports:command",
    "web": "producers.cli.web:command",
}
_INTERRUPTED = 130


@click.group(
    cls=LazyGroup,
    commands_at=COMMANDS,
    epilog="Codes de sortie : 0 fait ; 1 refus ou échec ; 2 commande ou configuration fausse ; 3 RabbitMQ ou base "
    "injoignable ; 4 délai dépassé ; 5 fait, mais avec des anomalies bloquantes.",
)
def _group() -> None:
    """Demande les fichiers du module Préfecture et montre où ils en sont."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code (producers/exit_codes.py); errors go to standard error, in French."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    try:
        outcome: int | None = _group.main(list(arguments), prog_name="python -m producers", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        click.echo(f"Erreur : {explain_usage(error)}", err=True)
        return ExitCode.USAGE
    except ProducerError as error:
        _show_error(error, as_json="--json" in arguments)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    return outcome or ExitCode.DONE


def _show_error(error: ProducerError, *, as_json: bool) -> None:
    click.echo(f"Erreur : {error}", err=True)
    if as_json:
        from producers.cli.documents import error_document, print_document

        print_document(error_document(error))
