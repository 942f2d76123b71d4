"""`python -m worker check`: what is wrong now with the running system, why, and what mends it, within five seconds."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

import click
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from common.calendrier import now
from common.cli import ExitCode
from common.database import shown_address
from common.french import count_of, format_size
from common.settings import PREFIX, effective
from common.texte import without_controls
from schemas.topology import QUEUE_REGISTRE
from worker.access.management import list_senders
from worker.causes import RENEW, START, Stop, explain_database
from worker.cli.options import worker_database
from worker.db.engine import build_engine
from worker.db.migrate import current_revision
from worker.db.sessions import END_SESSION, find_blockers, find_open_transactions, say_duration
from worker.errors import PrefectureError, VolumeAbsentError
from worker.exports.models import Request
from worker.exports.storage import Storage
from worker.messaging.queues import BrokerBlockedError, LoginRefusedError, ping_broker, read_queues
from worker.settings import Settings, load_settings
from worker.work.queue import count_dead

PART_SECONDS = 4.5
"""All parts are asked at the same time; one that takes longer than this is reported."""

_BROKER_SECONDS = 3

_NEARLY_FULL = 0.1
"""The share of the volume at which the alert PrefectureVolumeNearlyFull fires."""
_LARGE_LISTE = 110_000_000
"""Bytes of the CSV and the XML of 100,000 electors: a volume with room for them is not nearly full."""
_OFF_SECONDS = 5
"""Two clocks that differ by more are reported; a question takes less."""

Found = str | Sequence[Stop]
"""What a part says when it is in order, or what is wrong with it."""


class Part(NamedTuple):
    """A part of the system, and the question about it."""

    title: str
    look: Callable[[Settings], Found]


@click.command
@click.option(
    "--settings",
    "shows_settings",
    is_flag=True,
    help="Montrer aussi les réglages, secrets masqués.",
)
@click.pass_context
def check(context: click.Context, *, shows_settings: bool) -> None:
    """Dire en cinq secondes ce qui ne va pas, pourquoi, et que faire."""
    settings = load_settings()
    if shows_settings:
        for name, value in effective(settings):
            click.echo(f"{PREFIX}{name.upper():20} {value}")
    said = set[Stop]()
    for title, found in ask_parts(settings, PARTS):
        if isinstance(found, str):
            click.echo(f"OK     {title} : {found}")
            continue
        for stop in found:
            click.echo(f"ÉCHEC  {title} : {without_controls(stop.what)}")
            if stop not in said:
                click.echo(f"       À faire : {without_controls(stop.mend)}")
            said.add(stop)
    if said:
        context.exit(ExitCode.AWAY)


def ask_parts(settings: Settings, parts: Sequence[Part]) -> Iterator[tuple[str, Found]]:
    """Yield title and answer of each part, in order, PART_SECONDS after the call at the latest.

    A daemon thread asks each part, so that a hung volume holds up neither the other parts nor the end of the process.
    """
    answers = [(part.title, SimpleQueue[Found]()) for part in parts]
    for part, (_, answer) in zip(parts, answers, strict=True):
        threading.Thread(target=_ask, args=(part, settings, answer), daemon=True).start()
    ends_at = time.monotonic() + PART_SECONDS
    for title, answer in answers:
        try:
            yield title, answer.get(timeout=max(0.0, ends_at - time.monotonic()))
        except Empty:
            late = Stop(
                f"pas de réponse en {PART_SECONDS:.0f} secondes", f"ce qui répond mal : {START}"
            )
            yield title, [late]


def _ask(part: Part, settings: Settings, answer: SimpleQueue[Found]) -> None:
    found: Found
    try:
        found = part.look(settings)
    except DBAPIError as error:
        found = [explain_database(error)]
    except LoginRefusedError as error:
        found = [Stop(str(error), RENEW)]
    except BrokerBlockedError as error:
        found = [Stop(str(error), "libérez de la place ; RabbitMQ reprend seul")]
    except PrefectureError as error:
        found = [Stop(str(error), START)]
    answer.put(found)


@contextmanager
def _reading(settings: Settings) -> Iterator[Connection]:
    with worker_database(settings, hurries=True) as engine, engine.connect() as connection:
        yield connection


def _look_at_database(url: str) -> Found:
    engine = build_engine(url, hurries=True)
    try:
        found, newest = current_revision(engine)
    finally:
        engine.dispose()
    place = shown_address(url)
    if found != newest:
        state = f"à la version {found}" if found else "vide"
        return [Stop(f"{place} est {state}", "lancez « python -m worker migrate »")]
    return f"{place}, version {found}"


def _look_at_registre(settings: Settings) -> Found:
    url = settings.registre_url
    return _look_at_database(url.get_secret_value()) if url else "dans la même base"


def _look_at_sessions(settings: Settings) -> Found:
    with _reading(settings) as connection:
        stops = [*find_session_stops(connection)]
    return stops or "aucune n'en bloque une autre, ni n'est ouverte depuis dix minutes"


def find_session_stops(connection: Connection) -> Iterator[Stop]:
    """Yield the sessions that block others, then the transactions that slow the database down."""
    blockers = {it.pid: it for it in find_blockers(connection)}
    for it in blockers.values():
        yield Stop(str(it), END_SESSION.format(it.pid))
    for old in find_open_transactions(connection):
        if old.is_old and old.pid not in blockers:
            yield Stop(f"{old} : la base ralentit", END_SESSION.format(old.pid))


def _look_at_clock(settings: Settings) -> Found:
    with _reading(settings) as connection:
        theirs = connection.scalar(select(func.now()))
        off = 0.0
        if connection.dialect.name == "postgresql" and theirs is not None:
            off = (theirs - now()).total_seconds()
        latest = connection.scalar(select(func.max(Request.created_at)))
    mend = "réglez l'horloge de l'hôte : « timedatectl », puis chrony ou systemd-timesyncd"
    if abs(off) > _OFF_SECONDS:
        way = "avance" if off > 0 else "retarde"
        return [Stop(f"celle de la base {way} de {abs(off):.0f} secondes sur celle d'ici", mend)]
    if latest is not None and (ahead := (latest - now()).total_seconds()) > _OFF_SECONDS:
        said = say_duration(ahead)
        return [Stop(f"la dernière demande est datée de {said} plus tard que maintenant", mend)]
    return "à l'heure de la base"


def _look_at_senders(settings: Settings) -> Found:
    with _reading(settings) as connection:
        accounts = {sender.name for sender in list_senders(connection)}
    if not accounts:
        return [
            Stop(
                "aucun compte autorisé, toute demande sera refusée",
                "« python -m worker accounts --add COMPTE --commune CODE »",
            )
        ]
    return count_of(len(accounts), "compte autorisé", "comptes autorisés")


def _look_at_work(settings: Settings) -> Found:
    with _reading(settings) as connection:
        dead = count_dead(connection)
    if dead:
        return [Stop(count_of(dead, "abandonné"), "« python -m worker work list »")]
    return "aucun n'est abandonné"


def _look_at_broker(settings: Settings) -> Found:
    return ping_broker(settings.amqp_url.get_secret_value(), _BROKER_SECONDS)


def _look_at_queues(settings: Settings) -> Found:
    states = read_queues(settings.amqp_url.get_secret_value(), _BROKER_SECONDS)
    stops = [
        Stop(
            f"aucun worker ne lit la file {it.queue}, où {count_of(it.messages, 'message')} attendent",
            f"workers de cette file : {START}",
        )
        for it in states
        # The workers of the register may be stopped while there is nothing to import.
        if not it.consumers and (it.messages or it.queue != QUEUE_REGISTRE)
    ]
    waiting = sum(it.messages for it in states)
    return stops or f"toutes sont lues ; {count_of(waiting, 'message')} à lire"


def _look_at_exports(settings: Settings) -> Found:
    directory: Path = settings.exports_dir
    accept = "montez-le, ou, s'il est neuf ou restauré, « python -m worker verify --accept-volume »"
    Storage(directory).require_room(0)  # creates it, as a worker would
    if not os.access(directory, os.W_OK | os.X_OK):
        return [Stop(f"{directory} : pas de droit d'écriture", "donnez-le au groupe 10001")]
    try:
        with worker_database(settings, hurries=True) as engine:
            Storage(directory, engine).require_own(may_mark=False)
    except VolumeAbsentError:
        return [Stop(f"{directory} n'est pas le volume de cette installation", accept)]
    size, _, free = shutil.disk_usage(directory)
    if free < min(size * _NEARLY_FULL, _LARGE_LISTE):
        return [
            Stop(
                f"{directory} est presque plein ({format_size(free)} libres sur {format_size(size)})",
                "agrandissez-le, ou effacez d'anciens fichiers : « python -m worker purge --older-than 10 »",
            )
        ]
    return f"{directory}, {format_size(free)} libres"


PARTS = (
    Part("Base de données", lambda it: _look_at_database(it.database_url.get_secret_value())),
    Part("Registre", _look_at_registre),
    Part("Sessions", _look_at_sessions),
    Part("Horloge", _look_at_clock),
    Part("Expéditeurs", _look_at_senders),
    Part("Travaux", _look_at_work),
    Part("RabbitMQ", _look_at_broker),
    Part("Files", _look_at_queues),
    Part("Volume des exports", _look_at_exports),
)
