"""`export-liste`: ask for the list files of a commune and, with `--wait`, follow them to the end."""

from collections.abc import Sequence
from typing import Any

import click
from pydantic import ValidationError

from producers.cli.options import COMMUNE, FORMAT, LISTE, json_option
from producers.errors import InvalidRequestError, StateAwayError
from producers.exit_codes import ExitCode, exit_code_of
from producers.records import RequestState
from producers.settings import ProducerSettings, load_settings
from schemas.envelope import CloudEvent, describe
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste


def build_event(
    commune: str,
    listes: Sequence[Liste] = (),
    formats: Sequence[Format] = (),
    *,
    requested_by: str,
    source: str,
) -> CloudEvent:
    """The request as an event, with a fresh id; the three lists and CSV where nothing is named.

    Raises:
        InvalidRequestError: a value breaks the contract; the message names it without quoting it.
    """
    try:
        request = ListeExportRequested(
            commune=commune,
            listes=list(listes or Liste),
            formats=list(formats or [Format.CSV]),
            requested_by=requested_by,
        )
        return CloudEvent.wrap(request, source=source)
    except ValidationError as error:
        raise InvalidRequestError(f"demande invalide, rien n'a été envoyé : {describe(error)}") from None


@click.command("export-liste", short_help="Demande les fichiers de liste d'une commune.")
@click.option("--commune", type=COMMUNE, required=True, help="Code INSEE de la commune, par exemple 13900 ou 2A004.")
@click.option("--liste", "listes", type=LISTE, multiple=True, help="P, CE ou CM ; répétable. Par défaut : les trois.")
@click.option("--format", "formats", type=FORMAT, multiple=True, help="csv ou xml ; répétable. Par défaut : csv.")
@click.option("--requested-by", metavar="NAME", help="Qui demande. Par défaut : le compte du système.")
@click.option("--wait", is_flag=True, help="Attend les fichiers et montre leur avancement (PREFECTURE_STATE_URL).")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Combien de temps attendre, avec --wait.",
)
@json_option
def command(requested_by: str | None, *, wait: bool, timeout: float, as_json: bool, **wanted: Any) -> ExitCode:  # noqa: ANN401 — click's
    """Demande les fichiers de liste d'une commune : un par liste et par format.

    Sans --wait, se termine dès que RabbitMQ tient la demande.
    """
    settings = load_settings()
    event = build_event(**wanted, requested_by=requested_by or settings.requested_by, source=settings.source)
    if wait:
        request = _send_and_wait(event, settings, timeout, quiet=as_json)
        code = exit_code_of(request)
    else:
        _send(event, settings)
        request, code = None, ExitCode.DONE
    _show(event, request, code, settings, as_json=as_json)
    return code


def _send(event: CloudEvent, settings: ProducerSettings) -> None:
    from producers.publisher import Publisher

    with Publisher(settings.amqp_url.get_secret_value()) as publisher:
        publisher.publish(event)


def _send_and_wait(event: CloudEvent, settings: ProducerSettings, timeout: float, *, quiet: bool) -> RequestState:
    from producers.cli.render import make_console
    from producers.cli.wait import wait_for
    from producers.state import State

    with State(settings.require_state_url()) as state:
        state.request_progress(event.source, event.id)  # a database that is away is said before anything is sent
        _send(event, settings)
        try:
            return wait_for(state, event, make_console(stderr=quiet), timeout)
        except StateAwayError as error:
            raise StateAwayError(f"la demande {event.id} est partie, mais {error}") from None


def _show(
    event: CloudEvent, request: RequestState | None, code: ExitCode, settings: ProducerSettings, *, as_json: bool
) -> None:
    if as_json:
        from producers.cli.documents import print_document, request_document

        print_document(request_document(event, request, code, settings.exports_dir))
        return
    from producers.cli.render import make_console, print_request, print_sent

    console = make_console()
    if request is None:
        print_sent(console, event)
    else:
        print_request(console, event, request, settings.exports_dir)
