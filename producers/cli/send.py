"""A request from the command line: built, sent and, with `--wait`, followed to the end."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from common.cli import ExitCode
from producers.errors import InvalidRequestError, StateAwayError
from producers.records import RequestState, exit_code_of
from producers.settings import ProducerSettings, load_settings
from schemas.envelope import CloudEvent
from schemas.faults import explain
from schemas.requests import CancelRequested, ListeExportRequested, RetryRequested, TableauxRenderRequested

if TYPE_CHECKING:
    from producers.cli.wait import ProgressSource

NOT_SENT = "demande invalide, rien n'a été envoyé"

AnyRequest = ListeExportRequested | TableauxRenderRequested | CancelRequested | RetryRequested
Follow = Callable[["ProgressSource", CloudEvent], "ProgressSource"]


def wrap_request(model: type[AnyRequest], *, source: str, **fields: Any) -> CloudEvent:  # noqa: ANN401 — the model's
    """The request as an event, with a fresh id; what is not given is left to the contract's defaults.

    Raises:
        InvalidRequestError: a value breaks the contract; the message names it without quoting it.
    """
    try:
        request = model.model_validate({name: value for name, value in fields.items() if value})
        return CloudEvent.wrap(request, source=source)
    except ValidationError as error:
        raise InvalidRequestError(f"{NOT_SENT} : {explain(error)}") from None


def ask(
    build: Callable[..., CloudEvent],
    *,
    requested_by: str | None,
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
        ProducerError: it was not sent, or the database went away while it was waited for.
    """
    settings = load_settings()
    event = build(**fields, requested_by=requested_by or settings.requested_by, source=settings.source)
    if wait:
        request = _send_and_wait(event, settings, timeout, follow, quiet=as_json)
        code = judge(request)
    else:
        _send(event, settings)
        request, code = None, ExitCode.DONE
    _show(event, request, code, settings, as_json=as_json)
    return code


def _send(event: CloudEvent, settings: ProducerSettings) -> None:
    from producers.publisher import Publisher

    with Publisher(settings.amqp_url.get_secret_value()) as publisher:
        publisher.publish(event)


def _send_and_wait(
    event: CloudEvent, settings: ProducerSettings, timeout: float, follow: Follow | None, *, quiet: bool
) -> RequestState:
    from producers.cli.render import make_console
    from producers.cli.wait import wait_for
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
