"""`export-liste`: ask for the list files of a commune."""

from collections.abc import Sequence
from typing import Any

import click

from producers.cli.asking import ask, wrap_request
from producers.cli.options import sending_options, subject_options, together
from producers.cli.values import FORMAT
from producers.exit_codes import ExitCode
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste

liste_options = together(
    subject_options,
    click.option("--format", "formats", type=FORMAT, multiple=True, help="csv ou xml ; répétable. Par défaut : csv."),
)
"""What may be asked for."""


def build_event(
    commune: str,
    listes: Sequence[Liste] = (),
    formats: Sequence[Format] = (),
    *,
    requested_by: str,
    source: str,
) -> CloudEvent:
    """The request as an event; the three lists and CSV where nothing is named.

    Raises:
        InvalidRequestError: a value breaks the contract.
    """
    return wrap_request(
        ListeExportRequested,
        commune=commune,
        listes=listes,
        formats=formats,
        requested_by=requested_by,
        source=source,
    )


@click.command("export-liste", short_help="Demande les fichiers de liste d'une commune.")
@liste_options
@sending_options
def command(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande les fichiers de liste d'une commune : un par liste et par format.

    Sans --wait, se termine dès que RabbitMQ tient la demande.
    """
    return ask(build_event, **given)
