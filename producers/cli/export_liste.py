"""`export-liste`: ask for the list files of a commune."""

from collections.abc import Sequence
from typing import Any

import click

from common.cli import ExitCode
from producers.cli.asking import wrap_request
from producers.cli.batch import ask_one_or_many
from producers.cli.options import sending_options, subject_options, subjects_options, together
from producers.cli.values import FORMAT
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste

_formats = click.option(
    "--format", "formats", type=FORMAT, multiple=True, help="csv ou xml ; répétable. Par défaut : csv."
)
liste_options = together(subject_options, _formats)
"""What may be asked for, of one commune."""


def build_event(
    commune: str,
    listes: Sequence[Liste] = (),
    formats: Sequence[Format] = (),
    *,
    bulk: bool = False,
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
        bulk=bulk,
        requested_by=requested_by,
        source=source,
    )


@click.command("export-liste", short_help="Demande les fichiers de liste d'une commune, ou d'un lot de communes.")
@subjects_options
@_formats
@sending_options
def command(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande les fichiers de liste d'une commune, ou de chaque commune d'un fichier : un par liste et par format.

    Sans --wait, se termine dès que RabbitMQ tient la demande. Un lot passe après ce que demandent les communes seules.
    """
    return ask_one_or_many(build_event, **given)
