"""The commands that operate the service: `migrate`, `notifier`, `audit`."""

import os
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import chain
from threading import Event
from typing import TextIO

import click

from common.calendrier import PARIS
from common.cli import ExitCode, one_of, whole_number
from common.french import count_of
from common.logs import configure_logs
from worker.audit import read_audit, read_log, verify_audit
from worker.cli.options import (
    CODE_COMMUNE,
    JOUR,
    print_json,
    print_table,
    start_of,
    worker_database,
)
from worker.compose import build_notifier
from worker.db import migrate as migrations
from worker.db.engine import build_engine, require_current
from worker.error_policy import lacks_descriptors
from worker.health import EXHAUSTED, SILENCE_SECONDS, Pulse, Role, Watchdog, stop_on_signals
from worker.messaging.broker import build_broker, require_trusted
from worker.messaging.events import EventPublisher
from worker.messaging.queues import TokenQueues, is_blocked, read_queues
from worker.registre.communes import load_reference
from worker.settings import load_settings

WAIT_SECONDS = 2

CONNECTIONS = 5
"""Connections of a notifier, besides the one that wakes it: its loops hold one at a time, for a short transaction."""


@click.command
@click.option(
    "--check", is_flag=True, help="Dire si cette version peut prendre la suite, sans rien changer."
)
@click.option(
    "--wait", is_flag=True, help="Attendre qu'une autre exécution l'ait fait, sans rien changer."
)
def migrate(*, check: bool, wait: bool) -> None:
    """Préparer ou mettre à jour la base.

    Les communes du Code officiel géographique qui manquent sont ajoutées.
    """
    with worker_database() as engine:
        before, newest = migrations.current_revision(engine)
        while wait and before != newest:
            time.sleep(WAIT_SECONDS)
            before, newest = migrations.current_revision(engine)
        if wait:
            return
        if check:
            with engine.connect() as connection:
                migrations.require_migratable(connection)
            click.echo(f"Base de données : {before or 'vide'} ; cette version la mène à {newest}.")
            return
        migrations.migrate(engine)
        with engine.begin() as connection:
            added = load_reference(connection)
    done = "déjà à jour" if before == newest else f"mise à jour ({before or 'vide'} → {newest})"
    click.echo(f"Base de données {done} ; {count_of(added, 'commune ajoutée')}.")


@click.command
@click.option("--once", is_flag=True, help="Traiter ce qui attend, puis s'arrêter.")
def notifier(*, once: bool) -> None:
    """Prévient les agents quand leurs fichiers sont prêts ou en échec, et relance les fichiers oubliés."""
    settings = load_settings()
    amqp_url = settings.amqp_url.get_secret_value()
    configure_logs(settings.log_format, settings.log_level)
    engine = build_engine(
        settings.database_url.get_secret_value(), serves=True, connections=CONNECTIONS
    )
    require_current(engine)
    require_trusted(amqp_url)
    broker = build_broker(amqp_url)
    pulse = Pulse(settings.health_dir, Role.NOTIFIER)
    publisher = EventPublisher(broker, source=settings.event_source)
    built = build_notifier(
        settings, engine, tokens=TokenQueues(broker), publish=publisher.publish, beat=pulse.beat
    )
    stop = Event()
    if once:
        built.work(stop)
    else:
        stop_on_signals(stop)
        if settings.metrics_port:
            from worker.monitoring.exporter import Exporter, serve_metrics

            exporter = Exporter(
                engine,
                partial(read_queues, amqp_url),
                partial(is_blocked, amqp_url),
                settings.exports_dir,
            )
            serve_metrics(exporter, settings.metrics_port)
        watchdog = Watchdog(pulse, SILENCE_SECONDS[Role.NOTIFIER], lacks_descriptors)
        watchdog.start()
        built.run(stop)
        if watchdog.is_exhausted or built.is_exhausted:
            os._exit(EXHAUSTED)  # the supervisor sees the reason
    pulse.stop()


@click.command
@click.option(
    "--commune", type=CODE_COMMUNE, metavar="CODE", help="Seulement ce qui concerne cette commune."
)
@click.option("--since", type=JOUR, metavar="DATE", help="Depuis ce jour.")
@click.option(
    "--limit",
    type=whole_number(1),
    default=50,
    show_default=True,
    metavar="NOMBRE",
    help="Combien au plus.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Écrire le résultat en JSON, pour un programme."
)
@click.option(
    "--log",
    "logs",
    type=click.File(encoding="utf-8", errors="replace"),
    multiple=True,
    metavar="FICHIER",
    help="Avec verify : le journal du notifier, ou « - » ; plusieurs fois.",
)
@click.argument("what", required=False, type=one_of(["verify"]), metavar="[verify]")
@click.pass_context
def audit(
    context: click.Context,
    *,
    commune: str | None,
    since: date | None,
    limit: int,
    as_json: bool,
    logs: Sequence[TextIO],
    what: str | None,
) -> None:
    """Montrer qui a fait quoi, le plus récent en tête ; ou dire ce qui y manque ou y a été changé (verify).

    Téléchargements, dépôts, purges, fichiers trouvés altérés, droits donnés ou retirés.
    """
    if bool(logs) != bool(what):
        raise click.UsageError("« verify » et --log vont ensemble")
    if what:
        _verify_trail(context, logs)
        return
    begin = start_of(since) if since else None
    with worker_database() as engine, engine.connect() as connection:
        lines = read_audit(connection, code_commune=commune, since=begin, limit=limit + 1)
    has_more = len(lines) > limit
    lines = lines[:limit]
    if as_json:
        documents = [
            it._asdict() | {"at": it.at.isoformat(timespec="milliseconds")} for it in lines
        ]
        print_json(documents)
    else:
        rows = []
        for it in lines:
            number = "" if it.export_id is None else str(it.export_id)
            day = f"{it.at.astimezone(PARIS):%d/%m/%Y %H:%M:%S}"
            rows.append((day, it.actor, it.account, it.label, it.code_commune, number, it.detail))
        titles = "Date", "Par", "Compte", "Quoi", "Commune", "Export", "Détail"
        print_table(titles, rows, "Rien n'est noté.")
    if has_more:
        click.echo("… et d'autres lignes : --limit", err=as_json)


def _verify_trail(context: click.Context, logs: Sequence[TextIO]) -> None:
    logged = read_log(chain.from_iterable(logs))
    with worker_database() as engine, engine.connect() as connection:
        faults = verify_audit(connection, logged)
    for number, reason in faults.items():
        click.echo(f"n° {number} : {reason}")
    against = f"comparé à {count_of(len(logged), 'ligne')} du journal du service"
    click.echo(f"{count_of(len(faults), 'ligne')} à expliquer ; {against}.")
    if faults:
        context.exit(ExitCode.FAILED)
