"""Builds the workers, the notifier and the embedded mode from the settings.

The parts of the notifier are imported inside the functions that build them: a worker does not load them.
"""

import os
import socket
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from common.settings import describe_given
from schemas.vocabulary import Channel
from worker import services
from worker.arrivals import Arrivals
from worker.audit import NOTIFIER, Actor, log_lines, note_settings, purge_audit
from worker.db.engine import build_engine
from worker.doorbell import CountEnqueued, Enqueue
from worker.exports.storage import Storage
from worker.health import Beat, ignore
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.housekeeping.housekeeping import Housekeeping
    from worker.monitoring.exporter import Queues
    from worker.notifier.channels.delivery import ChannelSender
    from worker.notifier.messages.events import PublishEvents, ReplyEvent
    from worker.notifier.notify import Notifier

log = structlog.get_logger()

NOTIFIER_LEASES = 2
"""The lease of a work of the notifier, in leases of a worker: a mail that is sent twice costs more than a delay."""


def build_services(settings: Settings, enqueue: Enqueue) -> services.Services:
    """Build the services of the use cases; nothing is connected yet."""
    engine: Engine = build_engine(settings.database_url.get_secret_value(), serves=True)
    return services.Services(
        engine=engine,
        registre=_build_registre(settings, engine),
        storage=Storage(settings.exports_dir, engine),
        arrivals=Arrivals(settings.arrivals_dir),
        enqueue=enqueue,
        type_liste_codes=settings.type_liste_codes,
        info_liste=settings.info_liste,
        xsd=settings.xsd_path,
        ruined_values=settings.ruined_values,
    )


def note_start(settings: Settings, engine: Engine, name: str) -> None:
    """Record the settings of this process in the trail; while the database is away, log a warning only."""
    account = engine.url.username or ""
    try:
        with engine.begin() as connection:
            note_settings(connection, Actor(name, account), describe_given(settings))
    except SQLAlchemyError as error:
        log.warning("settings_not_recorded", error=type(error).__name__)


def build_notifier(
    settings: Settings,
    engine: Engine,
    *,
    enqueue: Enqueue,
    count: CountEnqueued | None = None,
    publish: "PublishEvents | None",
    reply: "ReplyEvent" = lambda _event, _reply_to: None,
    beat: Beat = ignore,
) -> "Notifier":
    """Build a notifier with a name of its own and the housekeeping; without `publish` it notifies people only."""
    from worker.notifier.notices import Notices
    from worker.notifier.notify import Notifier, build_pools

    housekeeping = build_housekeeping(settings, engine, enqueue, count)
    return Notifier(
        engine,
        build_pools(Notices(settings.public_url), build_senders(settings), publish, reply),
        housekeeping,
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        lease_seconds=NOTIFIER_LEASES * services.LEASE_SECONDS,
        beat=housekeeping.supervise(beat),
    )


def build_housekeeping(
    settings: Settings, engine: Engine, enqueue: Enqueue, count: CountEnqueued | None
) -> "Housekeeping":
    """Build the sweeps, the reminders, and the purges that the settings ask for."""
    from worker.housekeeping import housekeeping
    from worker.housekeeping.housekeeping import DAY_SECONDS, HOUR_SECONDS, RETRY_SECONDS, Chore
    from worker.housekeeping.reminders import plan_reminders

    arrivals, storage = Arrivals(settings.arrivals_dir), Storage(settings.exports_dir, engine)
    registre, days = _build_registre(settings, engine), settings.reminder_days
    chores = [
        Chore("sweep", lambda: [housekeeping.sweep(engine, enqueue, counts=False)], services.SWEEP_SECONDS),
        Chore("lost_messages", lambda: [housekeeping.sweep(engine, enqueue, count=count)], 5 * services.SWEEP_SECONDS),
        Chore("audit_log", lambda: [log_lines(engine)], 1),
        Chore("reminders", lambda: [plan_reminders(engine, registre, days)], HOUR_SECONDS),
        Chore("refused", lambda: housekeeping.purge_all_refused(engine), RETRY_SECONDS),
        Chore("arrivals", lambda: housekeeping.erase_arrivals(engine, arrivals), HOUR_SECONDS),
        Chore("versions", lambda: housekeeping.remove_versions(engine), HOUR_SECONDS),
        Chore("temporaries", lambda: housekeeping.remove_temporaries(storage), HOUR_SECONDS),
        Chore("work", lambda: [housekeeping.delete_dead_works(engine)], DAY_SECONDS),
    ]
    if retention := settings.retention_days:
        chores.append(Chore("purge", lambda: housekeeping.purge(engine, storage, retention), HOUR_SECONDS))
    if kept := settings.audit_days:
        chores.append(Chore("audit", lambda: [purge_audit(engine, kept, actor=NOTIFIER)], DAY_SECONDS))
    return housekeeping.Housekeeping(chores)


def build_senders(settings: Settings) -> "dict[Channel, ChannelSender]":
    """Build one transport for each channel; nothing is connected yet."""
    from worker.notifier.channels.chat import ChatSender
    from worker.notifier.channels.hosts import Hosts
    from worker.notifier.channels.mail import FolderMailer, MailSender, SmtpMailer
    from worker.notifier.channels.webhook import WebhookSender

    server = settings.mail_server
    mailer = SmtpMailer(*server) if server else FolderMailer(settings.mail_dir)
    return {
        Channel.MAIL: MailSender(mailer, settings.mail_from),
        Channel.CHAT: ChatSender(),
        Channel.WEBHOOK: WebhookSender(Hosts.parse(settings.webhook_hosts), settings.event_source),
    }


def _build_registre(settings: Settings, engine: Engine) -> Engine:
    url = settings.registre_url
    return build_engine(url.get_secret_value(), serves=True) if url else engine


def show_metrics(settings: Settings, engine: Engine, queues: "Queues") -> None:
    """Serve metrics to Prometheus, if the settings have a port."""
    if settings.metrics_port:
        from worker.monitoring.exporter import Exporter, serve_metrics

        exporter = Exporter(engine, queues, settings.exports_dir)
        serve_metrics(exporter, settings.metrics_port)
