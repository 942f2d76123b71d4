"""`python -m worker diagnose`: the effective configuration, secrets masked, and whether each part answers."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import click
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from common.cli import ExitCode
from common.french import count_of, format_size
from common.settings import PREFIX
from common.tls import explain_database_tls
from worker.db.engine import build_engine, ping
from worker.db.migrate import current_revision
from worker.errors import PrefectureError
from worker.exports.storage import Storage
from worker.handlers.manage_access import count_senders
from worker.messaging.broker import ping_broker
from worker.settings import Settings, load_settings

Check = tuple[str, Callable[[Settings], str]]


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


def effective(settings: Settings) -> list[tuple[str, str]]:
    """Each setting as it is in force; of a URL everything but the password, of a secret nothing."""
    return [(name, _shown(name, getattr(settings, name))) for name in type(settings).model_fields]


def _shown(name: str, value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={code}" for key, code in value.items())
    if not isinstance(value, SecretStr):
        return "" if value is None else str(value)
    secret = value.get_secret_value()
    if not name.endswith("_url"):
        return "********" if secret else ""
    try:
        return make_url(secret).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "********"


def _check_database(url: SecretStr) -> str:
    engine = build_engine(url.get_secret_value())
    place = engine.url.render_as_string(hide_password=True)
    try:
        ping(engine)
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
    return _check_database(settings.registre_url) if settings.registre_url else "dans la même base"


def _check_exports(settings: Settings) -> str:
    directory: Path = settings.exports_dir
    Storage(directory).require_room(0)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PrefectureError(f"{directory} : pas de droit d'écriture")
    return f"{directory}, {format_size(shutil.disk_usage(directory).free)} libres"


def _check_senders(settings: Settings) -> str:
    if settings.senders == "any":
        return "toute demande est servie (PREFECTURE_SENDERS=any)"
    engine = build_engine(settings.database_url.get_secret_value())
    try:
        with engine.connect() as connection:
            number = count_senders(connection)
    except DBAPIError as error:
        raise PrefectureError(f"illisibles ({type(error.orig).__name__})") from None
    finally:
        engine.dispose()
    if not number:
        raise PrefectureError("aucun compte autorisé, toute demande sera refusée : « python -m worker senders »")
    return count_of(number, "compte autorisé", "comptes autorisés")


CHECKS: tuple[Check, ...] = (
    ("Base de données", lambda settings: _check_database(settings.database_url)),
    ("Registre", _check_registre),
    ("Expéditeurs", _check_senders),
    ("RabbitMQ", lambda settings: ping_broker(settings.amqp_url.get_secret_value())),
    ("Volume des exports", _check_exports),
)
