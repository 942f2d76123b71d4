"""`python -m worker diagnose`: the effective configuration, secrets masked, and a check of each part."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from common.cli import ExitCode
from common.database import explain_database_tls, shown_address
from common.french import count_of, format_size
from common.settings import PREFIX, effective
from worker.access.management import list_senders
from worker.cli.options import worker_database
from worker.db.engine import build_engine
from worker.db.migrate import current_revision
from worker.db.sessions import END_SESSION, find_open_transactions
from worker.errors import PrefectureError, VolumeAbsentError
from worker.exports.storage import Storage
from worker.messaging.queues import ping_broker
from worker.settings import Settings, load_settings
from worker.work.queue import count_dead

Check = tuple[str, Callable[[Settings], str]]

_NEARLY_FULL = 0.1
"""The share of the volume at which the alert PrefectureVolumeNearlyFull fires."""
_LARGE_LISTE = 110_000_000
"""Bytes of the CSV and the XML of 100,000 electors: a volume with room for them is not nearly full."""


@click.command
@click.pass_context
def diagnose(context: click.Context) -> None:
    """Montre la configuration effective (secrets masqués) et vérifie base, courtier et volume."""
    settings = load_settings()
    for name, value in effective(settings):
        click.echo(f"{PREFIX}{name.upper():20} {value}")
    failed = False
    click.echo()
    for title, check in CHECKS:
        try:
            click.echo(f"OK     {title} : {check(settings)}")
        except PrefectureError as error:
            failed = True
            click.echo(f"ÉCHEC  {title} : {error}")
    if failed:
        context.exit(ExitCode.AWAY)


def _check_database(url: SecretStr) -> str:
    engine = build_engine(url.get_secret_value())
    place = shown_address(url.get_secret_value())
    try:
        found, newest = current_revision(engine)
    except DBAPIError as error:
        reason = explain_database_tls(str(error.orig)) or type(error.orig).__name__
        raise PrefectureError(f"{place} ne répond pas ({reason})") from None
    finally:
        engine.dispose()
    if found != newest:
        state = f"à la version {found}" if found else "vide"
        raise PrefectureError(f"{place} est {state} : lancez « python -m worker migrate »")
    return f"{place}, version {found}"


def _check_registre(settings: Settings) -> str:
    place = _check_database(settings.registre_url or settings.database_url)
    return place if settings.registre_url else "dans la même base"


def _check_exports(settings: Settings) -> str:
    directory: Path = settings.exports_dir
    Storage(directory).require_room(0)  # creates it, as a worker would
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PrefectureError(f"{directory} : pas de droit d'écriture")
    try:
        with worker_database(settings) as engine:
            Storage(directory, engine).require_own(may_mark=False)
    except DBAPIError as error:
        raise PrefectureError(
            f"{directory} : est-ce le bon ? la base ne le dit pas ({type(error.orig).__name__})"
        ) from None
    except VolumeAbsentError:
        raise PrefectureError(
            f"{directory} n'est pas le volume de cette installation : montez-le, ou, s'il est neuf ou restauré, "
            "« python -m worker verify --accept-volume »"
        ) from None
    size, _, free = shutil.disk_usage(directory)
    if free < min(size * _NEARLY_FULL, _LARGE_LISTE):
        raise PrefectureError(
            f"{directory} est presque plein ({format_size(free)} libres sur {format_size(size)}) : agrandissez-le, ou "
            "effacez d'anciens fichiers par « python -m worker purge --older-than 10 »"
        )
    return f"{directory}, {format_size(free)} libres"


@contextmanager
def _reading(settings: Settings) -> Iterator[Connection]:
    try:
        with worker_database(settings) as engine, engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise PrefectureError(f"illisibles ({type(error.orig).__name__})") from None


def _check_senders(settings: Settings) -> str:
    with _reading(settings) as connection:
        accounts = {sender.name for sender in list_senders(connection)}
    if not accounts:
        raise PrefectureError(
            "aucun compte autorisé, toute demande sera refusée : « python -m worker accounts »"
        )
    return count_of(len(accounts), "compte autorisé", "comptes autorisés")


def _check_work(settings: Settings) -> str:
    with _reading(settings) as connection:
        dead = count_dead(connection)
    if dead:
        raise PrefectureError(f"{count_of(dead, 'abandonné')} : « python -m worker work list »")
    return "aucun n'est abandonné"


def _check_transactions(settings: Settings) -> str:
    with _reading(settings) as connection:
        old = [it for it in find_open_transactions(connection) if it.is_old]
    if old:
        said = " ; ".join(map(str, old))
        raise PrefectureError(f"{said} : la base ralentit. {END_SESSION.format(old[0].pid)}")
    return "aucune n'est ouverte depuis dix minutes"


CHECKS: tuple[Check, ...] = (
    ("Base de données", lambda settings: _check_database(settings.database_url)),
    ("Registre", _check_registre),
    ("Expéditeurs", _check_senders),
    ("Travaux", _check_work),
    ("Transactions", _check_transactions),
    ("RabbitMQ", lambda settings: ping_broker(settings.amqp_url.get_secret_value())),
    ("Volume des exports", _check_exports),
)
