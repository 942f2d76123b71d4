"""What `cancel` and `retry` share: which earlier request they are about."""

from collections.abc import Sequence

import click

from producers.cli.asking import wrap_request
from producers.cli.options import together
from producers.cli.values import NUMBER
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested, RetryRequested

about_options = together(
    click.argument("event_id", metavar="ID"),
    click.option(
        "--source",
        "of_source",
        metavar="SOURCE",
        help="Attribut « source » de la demande, quand un autre programme l'a envoyée. Par défaut : PREFECTURE_SOURCE.",
    ),
    click.option(
        "--export",
        "exports",
        type=NUMBER,
        multiple=True,
        metavar="NUMERO",
        help="Un seul de ses fichiers ; répétable. Par défaut : tous. « exports --ids » donne les numéros.",
    ),
)
"""Which request; ID is what the command that sent it has printed."""


def build_about(
    model: type[CancelRequested] | type[RetryRequested],
    event_id: str,
    of_source: str | None = None,
    exports: Sequence[int] = (),
    *,
    requested_by: str,
    source: str,
) -> CloudEvent:
    """The event about an earlier request; of this program's own `source` where nothing else is said.

    Raises:
        InvalidRequestError: a value breaks the contract.
    """
    return wrap_request(
        model,
        request={"source": of_source or source, "id": event_id},
        exports=list(exports),
        requested_by=requested_by,
        source=source,
    )
