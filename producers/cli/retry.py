"""`retry`: ask again for the files of a request that failed or were cancelled."""

from functools import partial
from typing import Any

import click

from common.cli import ExitCode
from producers.cli.about import about_options, build_about
from producers.cli.asking import ask
from producers.cli.options import sending_options
from schemas.requests import RetryRequested

build_event = partial(build_about, RetryRequested)


@click.command("retry", short_help="Redemande les fichiers en échec ou annulés d'une demande.")
@about_options
@sending_options
def command(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Redemande les fichiers en échec ou annulés de la demande ID : de nouveaux fichiers, datés d'aujourd'hui.

    Avec --export, un fichier prêt est refait aussi : altéré depuis, ou purgé.

    C'est une nouvelle demande, qui a son propre identifiant. Sans --wait, se termine dès que RabbitMQ la tient.
    """
    return ask(build_event, **given)
