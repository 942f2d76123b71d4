"""`cancel`: the files of a request that are not made yet will not be."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from common.cli import ExitCode
from producers.cli.about import about_options, build_about
from producers.cli.asking import ask
from producers.cli.options import sending_options
from producers.records import RequestState
from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested
from schemas.vocabulary import RequestOutcome

if TYPE_CHECKING:
    from producers.cli.wait import ProgressSource

build_event = partial(build_about, CancelRequested)


@click.command("cancel", short_help="Annule les fichiers d'une demande qui ne sont pas encore prêts.")
@about_options
@sending_options
def command(**given: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Annule les fichiers de la demande ID qui ne sont pas encore prêts. Ceux qui le sont restent.

    Sans --wait, se termine dès que RabbitMQ tient l'annulation.
    """
    return ask(build_event, follow=Cancelled, judge=judge_cancellation, **given)


class Cancelled:
    """Where a cancellation stands: once it is accepted, it shows the files that it is about."""

    def __init__(self, state: "ProgressSource", event: CloudEvent) -> None:
        self._state = state
        self._about = CancelRequested.model_validate(event.data)

    def request_progress(self, source: str, event_id: str) -> RequestState:
        """What became of it until now."""
        cancellation = self._state.request_progress(source, event_id)
        if cancellation.outcome is not RequestOutcome.ACCEPTED:
            return cancellation
        earlier = self._state.request_progress(self._about.request.source, self._about.request.id)
        wanted = self._about.exports
        exports = [export for export in earlier.exports if wanted is None or export.export_id in wanted]
        return replace(cancellation, exports=tuple(exports))


def judge_cancellation(request: RequestState) -> ExitCode:
    """The code of a command that waited for a cancellation until now."""
    if not request.is_terminal:
        return ExitCode.TIMEOUT
    return ExitCode.FAILED if request.outcome is RequestOutcome.REFUSED else ExitCode.DONE
