"""The commands that keep the service going: `migrate`, `notifier`, `healthy`, `audit`."""

import json
import signal
from collections.abc import Sequence
from datetime import date, datetime, time
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from common.french import count_of
from worker.cli.options import CODE_COMMUNE, JOUR, whole_number
from worker.health import Role, require_healthy

if TYPE_CHECKING:
    from worker.exports.audit import AuditLine


@click.command
def migrate() -> None:
    """Préparer ou mettre à jour la base.

    Les communes du Code officiel géographique qui manquent sont ajoutées ; les listes que d'autres règles avaient
    vérifiées le sont de nouveau.
    """
    from worker.cli.database import worker_database
    from worker.db import migrate as migrations
    from worker.registre.checks.facts import look_again
    from worker.registre.communes import load_reference

    with worker_database() as engine:
        before, newest = migrations.current_revision(engine)
        migrations.migrate(engine)
        with engine.begin() as connection:
            added = load_reference(connection)
        looked_at = look_again(engine)
    done = "déjà à jour" if before == newest else f"mise à jour ({before or 'vide'} → {newest})"
    click.echo(f"Base de données {done} ; {count_of(added, 'commune ajoutée')}.")
    if looked_at:
        click.echo(f"{count_of(looked_at, 'liste vérifiée')} selon les règles de cette version.")


@click.command
@click.option("--once", is_flag=True, help="Traiter ce qui attend, puis s'arrêter.")
def notifier(*, once: bool) -> None:
    """Prévient les agents quand leurs fichiers sont prêts ou en échec, et relance les fichiers oubliés."""
    from common.logs import configure_logs
    from worker.compose import build_notifier, show_metrics
    from worker.db.engine import build_engine
    from worker.db.revision import require_current
    from worker.health import Pulse, Role
    from worker.messaging.broker import build_broker, require_trusted
    from worker.messaging.doorbell import DoorbellQueues
    from worker.messaging.events import EventPublisher
    from worker.messaging.queues import count_doorbells, read_queues
    from worker.settings import load_settings

    settings = load_settings()
    amqp_url = settings.amqp_url.get_secret_value()
    configure_logs(settings.log_format, settings.log_level)
    engine = build_engine(settings.database_url.get_secret_value(), serves=True)
    require_current(engine)
    require_trusted(amqp_url)
    broker = build_broker(amqp_url)
    pulse = Pulse(settings.health_dir, Role.NOTIFIER)
    doorbells = DoorbellQueues(broker)
    built = build_notifier(
        settings,
        engine,
        enqueue=doorbells.enqueue,
        enqueue_parked=doorbells.enqueue_parked,
        count=partial(count_doorbells, amqp_url),
        publish=EventPublisher(broker).publish,
        beat=pulse.beat,
    )
    stop = Event()
    if once:
        built.work(stop)
    else:
        _stop_on_signals(stop)
        show_metrics(settings, engine, partial(read_queues, amqp_url))
        built.run(stop)
    pulse.stop()


def _stop_on_signals(stop: Event) -> None:
    """Let SIGTERM and SIGINT set `stop`, from another thread: the loop may hold the lock inside `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=stop.set).start())


def _read_role(_context: click.Context, _parameter: click.Parameter, value: str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise click.BadParameter(f"{' ou '.join(Role)} est attendu") from None


@click.command
@click.argument("role", callback=_read_role, metavar="worker|notifier")
@click.option("--alive", is_flag=True, help="Seulement s'il vit, même si RabbitMQ ou la base ne répond pas.")
def healthy(*, role: Role, alive: bool) -> None:
    """Dit si le processus de ce conteneur ou de cette machine vit et peut travailler."""
    from worker.settings import load_settings

    count = require_healthy(load_settings().health_dir, role, alive=alive)
    click.echo(f"{role} : {count} processus {'en vie' if alive else 'au travail'}")


@click.command
@click.option("--commune", type=CODE_COMMUNE, metavar="CODE", help="Seulement ce qui concerne cette commune.")
@click.option("--since", type=JOUR, metavar="DATE", help="Depuis ce jour.")
@click.option("--limit", type=whole_number(1), default=50, show_default=True, metavar="NOMBRE", help="Combien au plus.")
@click.option("--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme.")
def audit(*, commune: str | None, since: date | None, limit: int, as_json: bool) -> None:
    """Montrer qui a fait quoi, le plus récent en tête.

    Téléchargements, dépôts, purges, fichiers trouvés altérés, droits donnés ou retirés.
    """
    from common.clock import PARIS
    from worker.cli.database import worker_database
    from worker.exports.audit import read_audit

    begin = datetime.combine(since, time(), PARIS) if since else None
    with worker_database() as engine, engine.connect() as connection:
        lines = read_audit(connection, code_commune=commune, since=begin, limit=limit)
    if as_json:
        documents = [it._asdict() | {"at": it.at.isoformat(timespec="milliseconds")} for it in lines]
        click.echo(json.dumps(documents, ensure_ascii=False))
    else:
        _show_audit(lines)


def _show_audit(lines: "Sequence[AuditLine]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from common.clock import PARIS

    if not lines:
        click.echo("Rien n'est noté.")
        return
    table = Table("Date", "Par", "Quoi", "Commune", "Export", "Détail")
    for it in lines:
        number = "" if it.export_id is None else str(it.export_id)
        texts = it.actor, it.label, it.code_commune, number, it.detail
        table.add_row(f"{it.at.astimezone(PARIS):%d/%m/%Y %H:%M:%S}", *map(Text, texts))
    Console().print(table)
