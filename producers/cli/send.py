"""Sends the requests of the command line: one, followed to its end with `--wait`, or a batch.

A batch is the same request for each commune of a file, with ids derived from the name of the batch. Running the command
again sends the same events, and the worker ignores duplicates: an interrupted batch can be resumed.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import click

from common.cli import ExitCode
from common.french import count_of
from producers.errors import InvalidRequestError, PublishError, StateAwayError
from producers.records import exit_code_of
from producers.settings import ProducerSettings, default_requested_by, load_settings
from schemas.envelope import CloudEvent
from schemas.requests import check_code_commune
from schemas.topology import request_key

NOT_SENT = "demande invalide, rien n'a été envoyé"

TOGETHER = 100
"""Number of requests that are sent before waiting for the broker's confirms."""

_SHOWN_FAULTS = 20
_HEADERS = {"code", "insee", "commune", "communes", "codgeo", "com", "depcom"}


def ask(
    build: Callable[..., CloudEvent],
    *,
    requested_by: str | None,
    dry_run: bool,
    wait: bool = False,
    timeout: float = 0,
    batch: str | None = None,
    communes: Sequence[str] = (),
    **fields: Any,  # noqa: ANN401 — click's
) -> ExitCode:
    """Send the request that `build` returns, wait for its files if `wait` is set, and print the result.

    For a batch, send the request of each of its communes.

    Raises:
        UsageError: `--wait` is combined with `--dry-run`.
        ProducerError: the request, or a part of the batch, was not sent, or the database did not answer meanwhile.
    """
    settings = load_settings()
    fields |= {"requested_by": requested_by or default_requested_by(), "source": settings.source}
    if batch:
        events = [put_in_batch(build(commune=it, bulk=True, **fields), batch) for it in communes]
    else:
        events = [build(**fields)]
    if dry_run and wait:
        raise click.UsageError("--dry-run et --wait s'excluent", click.get_current_context())
    if dry_run:
        for event in events:
            click.echo(event.to_bytes())
        keys = sorted(
            {request_key("COMPTE", it.type, is_bulk=it.data.get("bulk") is True) for it in events}
        )
        counted = count_of(len(events), "événement", "événements")
        click.echo(f"Rien n'a été envoyé ({counted}, clé de routage {', '.join(keys)}).", err=True)
        return ExitCode.DONE
    if wait:
        return _send_and_wait(events[0], settings, timeout)
    _send(events, settings)
    if batch:
        click.echo(
            f"Lot {batch} envoyé, {count_of(len(events), 'commune')}. Pour le suivre : exports --batch {batch}"
        )
    else:
        said = "envoyée ; RabbitMQ l'a prise. Où elle en est : python -m producers exports"
        click.echo(f"Demande {events[0].id} {said}")
    return ExitCode.DONE


def _send(events: Sequence[CloudEvent], settings: ProducerSettings) -> None:
    from producers.publisher import Publisher

    with Publisher(settings.amqp_url.get_secret_value()) as publisher:
        for sent in range(0, len(events), TOGETHER):
            try:
                publisher.publish(*events[sent : sent + TOGETHER])
            except PublishError:
                if len(events) > 1:
                    click.echo(
                        f"{count_of(sent, 'demande envoyée', 'demandes envoyées')} sur {len(events)}. Redonnez la même "
                        "commande pour le reste : rien n'est fait deux fois.",
                        err=True,
                    )
                raise


def _send_and_wait(event: CloudEvent, settings: ProducerSettings, timeout: float) -> ExitCode:
    from producers.cli.render import make_console, print_request, wait_for
    from producers.state import State

    console = make_console()

    with State(settings.require_state_url()) as state:
        state.request_progress(
            settings.account, event.source, event.id
        )  # an absent database is reported before anything is sent
        _send([event], settings)
        try:
            request = wait_for(state, settings.account, event, console, timeout)
        except StateAwayError as error:
            raise StateAwayError(f"la demande {event.id} est partie, mais {error}") from None
    print_request(console, event, request, settings.exports_dir)
    return exit_code_of(request)


def ask_one_or_many(
    build: Callable[..., CloudEvent],
    *,
    commune: str | None,
    communes_file: bytes | None,
    batch: str | None,
    **given: Any,  # noqa: ANN401 — click's
) -> ExitCode:
    """Send the request of one commune, or of each commune of a file.

    Raises:
        UsageError: neither or both are given, or an option does not apply.
        ProducerError: as for `ask`.
    """
    context = click.get_current_context()
    if (commune is None) == (communes_file is None):
        raise click.UsageError("indiquer --commune ou --communes-file, un seul des deux", context)
    if (communes_file is None) != (batch is None):
        raise click.UsageError("--communes-file et --batch vont ensemble", context)
    if communes_file is None:
        return ask(build, commune=commune, **given)
    if given["wait"]:
        raise click.UsageError(
            f"--wait est pour une commune ; le lot se suit par « exports --batch {batch} »", context
        )
    return ask(build, batch=batch, communes=read_communes(communes_file), **given)


def put_in_batch(event: CloudEvent, batch: str) -> CloudEvent:
    """Return the event with an id derived from the batch and its data, and the batch as correlation id.

    `requested_by` does not count: another agent may resume the batch.
    """
    asked = {name: value for name, value in event.data.items() if name != "requested_by"}
    identity = json.dumps([batch, event.type, asked], sort_keys=True)
    return event.model_copy(
        update={"id": str(uuid5(NAMESPACE_URL, identity)), "correlationid": batch}
    )


def read_communes(content: bytes) -> list[str]:
    """Read INSEE codes, one per line or in the first column, without duplicates, in the order of the file.

    Blank lines, text after `#` and a first line of titles are skipped. Any ASCII-compatible encoding is accepted.

    Raises:
        InvalidRequestError: a line holds no code, or the file has none; the message quotes no line.
    """
    communes: dict[str, None] = {}
    faults: list[str] = []
    for number, cell in _iter_codes(content):
        try:
            communes[check_code_commune(cell.upper())] = None
        except ValueError as error:
            hint = (
                " ; un tableur a peut-être ôté le zéro du début"
                if re.fullmatch(r"[1-9][0-9]{3}", cell)
                else ""
            )
            faults.append(f"ligne {number} : {error}{hint}")
    if len(faults) > _SHOWN_FAULTS:
        faults[_SHOWN_FAULTS:] = [f"… et {len(faults) - _SHOWN_FAULTS} de plus"]
    if faults:
        raise InvalidRequestError("\n  ".join([f"{NOT_SENT} ; corrigez ces lignes :", *faults]))
    if not communes:
        raise InvalidRequestError(f"{NOT_SENT} : le fichier ne nomme aucune commune")
    return list(communes)


def _iter_codes(content: bytes) -> Iterator[tuple[int, str]]:
    is_first = True
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        cells = [
            cell.strip().strip("\"'").strip() for cell in re.split("[;,\t]", line.partition("#")[0])
        ]
        if any(cells):
            is_title = is_first and re.split("[ _-]", cells[0].casefold())[0] in _HEADERS
            is_first = False
            if not is_title:
                yield number, cells[0]
