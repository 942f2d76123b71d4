"""The same request for many communes: checked before anything is sent; a broker that leaves is waited for."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from common.cli import ExitCode
from common.french import count_of
from producers.batch.batch import Batch, CommuneOutcome, CommunesFile, new_batch_name, put_in_batch, read_communes
from producers.cli.options import GivenFile
from producers.cli.send import NOT_SENT, ask, show_unsent
from producers.errors import (
    BatchInterruptedError,
    BrokerAwayError,
    BrokerBlockedError,
    InvalidRequestError,
    ProducerConfigurationError,
    PublishError,
    QueueFullError,
    StateAwayError,
    UnconfirmedError,
)
from producers.settings import ProducerSettings, default_requested_by, load_settings
from schemas.envelope import CloudEvent

if TYPE_CHECKING:
    from producers.publisher import Publisher

_SHOWN_FAULTS = 20

TOGETHER = 100
"""How many requests are sent before the broker's confirms are waited for."""

PATIENCE_SECONDS = 60.0
"""How long a broker that left is waited for: its restart does not end a batch."""

_PASSING = (BrokerAwayError, BrokerBlockedError, QueueFullError, UnconfirmedError)

_ROOM_SECONDS = 1.0
"""A full queue says no at once: this is how long it is given to be read."""


class BatchOptions(NamedTuple):
    """What the command line says of a batch."""

    file: GivenFile
    accept_rejects: bool
    resume: str | None
    report: Path | None


def ask_one_or_many(
    build: Callable[..., CloudEvent],
    *,
    commune: str | None,
    communes_file: GivenFile | None,
    accept_rejects: bool,
    resume: str | None,
    report: Path | None,
    **given: Any,  # noqa: ANN401 — click's
) -> ExitCode:
    """Send the request of one commune, or of each commune of a file.

    Raises:
        UsageError: neither or both are named, or an option is about the other case.
        ProducerError: as `ask`; of a batch, also that a part of it was sent.
    """
    context = click.get_current_context()
    if (commune is None) == (communes_file is None):
        raise click.UsageError("indiquer --commune ou --communes-file, un seul des deux", context)
    if communes_file is None:
        if accept_rejects or resume or report:
            raise click.UsageError("--accept-rejects, --resume et --report demandent --communes-file", context)
        return ask(build, commune=commune, **given)
    if report and not given["wait"]:
        raise click.UsageError("--report demande --wait", context)
    return ask_many(build, BatchOptions(communes_file, accept_rejects, resume, report), **given)


def ask_many(
    build: Callable[..., CloudEvent],
    options: BatchOptions,
    *,
    requested_by: str | None,
    dry_run: bool,
    wait: bool,
    timeout: float,
    as_json: bool,
    **fields: Any,  # noqa: ANN401 — click's
) -> ExitCode:
    """Send a request for each commune of a file, wait for their files if asked to, and show what became of them.

    Raises:
        InvalidRequestError: a line of the file, or a value, is wrong; nothing was sent.
        ProducerError: a request was not sent, or the database went away while they were waited for.
    """
    from producers.batch.report import show_result
    from producers.cli.render import make_console

    settings = load_settings()
    file = _read(options)
    name = options.resume or new_batch_name(options.file.stem, datetime.now(UTC).astimezone())
    fields |= {"bulk": True, "requested_by": requested_by or default_requested_by(), "source": settings.source}
    batch = Batch(name, [put_in_batch(build(commune=commune, **fields), name) for commune in file.communes])
    if dry_run:
        return show_unsent(batch.events, wait=wait)
    _try_report(options.report)
    console = make_console(stderr=True)
    for line in _introduce(name, file):
        console.print(line, soft_wrap=True)
    outcomes: list[CommuneOutcome] | None = None
    if wait:
        outcomes = _send_and_wait(batch, settings, timeout)
    else:
        _send(batch, settings)
    return show_result(batch, file.faults, outcomes, options.report, as_json=as_json)


def _read(options: BatchOptions) -> CommunesFile:
    file = read_communes(options.file.content)
    if file.faults and not options.accept_rejects:
        shown = [f"ligne {fault.line} : {fault.reason}" for fault in file.faults[:_SHOWN_FAULTS]]
        if (others := len(file.faults) - len(shown)) > 0:
            shown.append(f"… et {others} de plus")
        raise InvalidRequestError(
            "\n  ".join([f"{NOT_SENT} ; corrigez ces lignes, ou laissez-les de côté avec --accept-rejects :", *shown])
        )
    if not file.communes:
        raise InvalidRequestError(f"{NOT_SENT} : le fichier ne nomme aucune commune")
    return file


def _introduce(name: str, file: CommunesFile) -> Iterator[str]:
    for fault in file.faults:
        yield f"Ligne {fault.line} laissée de côté : {fault.reason}."
    if file.repeated:
        yield f"{count_of(file.repeated, 'ligne en double, comptée', 'lignes en double, comptées')} une fois."
    yield f"Lot {name}. Pour le reprendre s'il s'interrompt : --resume {name}"


def _try_report(report: Path | None) -> None:
    """Find out before anything is sent whether it can be written."""
    try:
        if report:
            report.open("ab").close()
    except OSError as error:
        raise ProducerConfigurationError(f"--report {report} ne peut pas être écrit ({error.strerror})") from None


def _send(batch: Batch, settings: ProducerSettings) -> None:
    from producers.batch.command import send_batch
    from producers.publisher import Publisher

    with Publisher(settings.amqp_url.get_secret_value()) as publisher:
        send_batch(batch, publisher, lambda _sent: None)


def _send_and_wait(batch: Batch, settings: ProducerSettings, timeout: float) -> list[CommuneOutcome]:
    from producers.batch.command import send_batch
    from producers.batch.wait import open_line, wait_for_batch
    from producers.cli.render import make_console
    from producers.publisher import Publisher
    from producers.state import State

    with (
        State(settings.require_state_url()) as state,
        Publisher(settings.amqp_url.get_secret_value()) as publisher,
        open_line(make_console(stderr=True), len(batch.events)) as line,
    ):
        state.batch_progress(batch.source, batch.name)  # a database that is away is said before anything is sent
        send_batch(batch, publisher, line.show_sent)
        try:
            wait_for_batch(state, batch, line.show, timeout)
            return state.batch_outcomes(batch.source, batch.name, batch.asked)
        except StateAwayError as error:
            raise StateAwayError(f"le lot {batch.name} est parti, mais {error}") from None


def send_batch(batch: Batch, publisher: "Publisher", show: Callable[[int], None]) -> None:
    """Send every request; `show` is told how many the broker holds so far.

    Raises:
        PublishError: no request was taken.
        BatchInterruptedError: the broker holds a part of the batch, and did not take the rest.
    """
    sent = 0
    give_up_at = 0.0
    while chunk := batch.events[sent : sent + TOGETHER]:
        try:
            publisher.publish(*chunk)
        except PublishError as error:
            if not sent:
                raise
            give_up_at = give_up_at or time.monotonic() + PATIENCE_SECONDS
            if not isinstance(error, _PASSING) or time.monotonic() > give_up_at:
                raise _interrupted(batch, sent, error) from None
            if isinstance(error, QueueFullError):
                time.sleep(_ROOM_SECONDS)
        else:
            sent += len(chunk)
            give_up_at = 0.0
            show(sent)


def _interrupted(batch: Batch, sent: int, error: PublishError) -> BatchInterruptedError:
    return BatchInterruptedError(
        f"{sent} demandes sur {len(batch.events)} sont parties, les autres non : {error}. Pour reprendre : la même "
        f"commande avec --resume {batch.name}"
    )
