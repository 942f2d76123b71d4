"""A request from the command line: sent and, with `--wait`, followed to the end."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from common.cli import ExitCode
from common.french import count_of
from producers.errors import StateAwayError
from producers.records import RequestState, exit_code_of
from producers.settings import ProducerSettings, default_requested_by, load_settings
from schemas.envelope import CloudEvent
from schemas.topology import request_key

if TYPE_CHECKING:
    from producers.cli.render import ProgressSource

NOT_SENT = "demande invalide, rien n'a été envoyé"

Follow = Callable[["ProgressSource", CloudEvent], "ProgressSource"]


def ask(
    build: Callable[..., CloudEvent],
    *,
    requested_by: str | None,
    dry_run: bool,
    wait: bool,
    timeout: float,
    as_json: bool,
    follow: Follow | None = None,
    judge: Callable[[RequestState], ExitCode] = exit_code_of,
    **fields: Any,  # noqa: ANN401 — click's
) -> ExitCode:
    """Send the request that `build` makes of what is wanted, wait for its files if asked to, and show the outcome.

    Its files are those of the request itself, unless `follow` says which; `judge` gives the exit code of a wait.

    Raises:
        UsageError: it is to be waited for what does not leave.
        ProducerError: it was not sent, or the database went away while it was waited for.
    """
    settings = load_settings()
    event = build(**fields, requested_by=requested_by or default_requested_by(), source=settings.source)
    if dry_run and wait:
        raise click.UsageError("--dry-run et --wait s'excluent", click.get_current_context())
    if dry_run:
        return show_unsent([event])
    if wait:
        request = _send_and_wait(event, settings, timeout, follow, quiet=as_json)
        code = judge(request)
    else:
        _send(event, settings)
        request, code = None, ExitCode.DONE
    _show(event, request, code, settings, as_json=as_json)
    return code


def show_unsent(events: Sequence[CloudEvent]) -> ExitCode:
    """Write the events as they would leave, one a line, and send nothing."""
    for event in events:
        click.echo(event.to_bytes())
    keys = sorted({request_key("COMPTE", event.type, is_bulk=event.data.get("bulk") is True) for event in events})
    said = (
        f"Rien n'a été envoyé ({count_of(len(events), 'événement', 'événements')}, clé de routage {', '.join(keys)})."
    )
    click.echo(said, err=True)
    return ExitCode.DONE


def _send(event: CloudEvent, settings: ProducerSettings) -> None:
    from producers.publisher import Publisher

    with Publisher(settings.amqp_url.get_secret_value()) as publisher:
        publisher.publish(event)


def _send_and_wait(
    event: CloudEvent, settings: ProducerSettings, timeout: float, follow: Follow | None, *, quiet: bool
) -> RequestState:
    from producers.cli.render import make_console, wait_for
    from producers.state import State

    with State(settings.require_state_url()) as state:
        state.request_progress(event.source, event.id)  # a database that is away is said before anything is sent
        _send(event, settings)
        try:
            followed = follow(state, event) if follow else state
            return wait_for(followed, event, make_console(stderr=quiet), timeout)
        except StateAwayError as error:
            raise StateAwayError(f"la demande {event.id} est partie, mais {error}") from None


def _show(
    event: CloudEvent, request: RequestState | None, code: ExitCode, settings: ProducerSettings, *, as_json: bool
) -> None:
    if as_json:
        from producers.cli.render import print_document, request_document

        print_document(request_document(event, request, code, settings.exports_dir))
        return
    from producers.cli.render import make_console, print_request, print_sent

    console = make_console()
    if request is None:
        print_sent(console, event)
    else:
        print_request(console, event, request, settings.exports_dir)
