"""From settings to the parts: what the workers, the notifier and the embedded mode are made of."""

import os
import socket
from functools import partial
from uuid import uuid4

from sqlalchemy import Engine

from worker.db.engine import build_engine, build_sessions
from worker.doorbell import CountEnqueued, Enqueue
from worker.exports.audit import NOTIFIER
from worker.exports.purge import purge_files
from worker.exports.storage import Storage
from worker.handlers.services import Services
from worker.health import Beat, ignore
from worker.monitoring.queue import Queues
from worker.notifier.chat import ChatSender
from worker.notifier.delivery import Sender
from worker.notifier.dispatch import Dispatcher
from worker.notifier.hosts import Hosts
from worker.notifier.kinds import Channel
from worker.notifier.letter import MailSender
from worker.notifier.loop import Desk, Notifier
from worker.notifier.mail import FolderMailer, Mailer, SmtpMailer
from worker.notifier.models import Reminder
from worker.notifier.outbox import Outbox
from worker.notifier.purge import PurgeClock
from worker.notifier.remind import Reminding
from worker.notifier.reminders import ReminderClock
from worker.notifier.tell import Teller
from worker.notifier.turn import Publish
from worker.notifier.webhook import WebhookSender
from worker.settings import Settings

LEASES_PER_MAIL = 4
"""A mail server may use up several time-outs of one mail: a notifier is given more time than a worker."""


def build_services(settings: Settings, ring: Enqueue) -> Services:
    """Nothing is connected yet."""
    engine: Engine = build_engine(settings.database_url.get_secret_value())
    registre = build_engine(settings.registre_url.get_secret_value()) if settings.registre_url else engine
    return Services(
        engine=engine,
        registre=registre,
        storage=Storage(settings.exports_dir),
        enqueue=ring,
        type_liste_codes=settings.type_liste_codes,
        info_liste=settings.info_liste,
        xsd=settings.xsd_path,
        lease_seconds=settings.lease_seconds,
        max_attempts=settings.max_attempts,
        retry_seconds=settings.retry_seconds,
        known_senders_only=settings.senders == "known",
    )


def build_notifier(
    settings: Settings,
    engine: Engine,
    *,
    ring: Enqueue,
    count: CountEnqueued | None = None,
    publish: Publish | None,
    beat: Beat = ignore,
) -> Notifier:
    """A notifier of its own name; without `publish`, people only are told."""
    build_outbox = partial(
        Outbox,
        engine,
        teller=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        lease_seconds=LEASES_PER_MAIL * settings.lease_seconds,
        beat=beat,
    )
    requests, reminders, sessions = build_outbox(), build_outbox(table=Reminder), build_sessions(engine)
    dispatcher = Dispatcher(sessions, build_senders(settings))
    telling = Teller(sessions, requests, dispatcher, publish, public_url=settings.public_url)
    reminding = Reminding(sessions, reminders, dispatcher, publish, public_url=settings.public_url)
    registre = build_engine(settings.registre_url.get_secret_value()) if settings.registre_url else engine
    return Notifier(
        engine,
        [Desk(requests, telling, "request_id"), Desk(reminders, reminding, "reminder_id")],
        ring,
        count=count,
        sweep_seconds=settings.sweep_seconds,
        purge=_build_purge(settings, engine),
        reminders=ReminderClock(engine, registre, settings.reminder_days),
        beat=beat,
    )


def build_senders(settings: Settings) -> dict[Channel, Sender]:
    """Each way of sending; nothing is connected yet."""
    return {
        Channel.MAIL: MailSender(build_mailer(settings), settings.mail_from),
        Channel.CHAT: ChatSender(),
        Channel.WEBHOOK: WebhookSender(Hosts.parse(settings.webhook_hosts)),
    }


def _build_purge(settings: Settings, engine: Engine) -> PurgeClock | None:
    if not settings.retention_days:
        return None
    storage = Storage(settings.exports_dir)
    return PurgeClock(partial(purge_files, engine, storage, days=settings.retention_days, actor=NOTIFIER))


def show_metrics(settings: Settings, engine: Engine, queues: Queues) -> None:
    """Let Prometheus ask this process, where a port is set for it."""
    from worker.monitoring.exporter import Exporter
    from worker.monitoring.server import serve_metrics

    if settings.metrics_port:
        exporter = Exporter(engine, queues, settings.exports_dir)
        serve_metrics(exporter, settings.metrics_host, settings.metrics_port)


def build_mailer(settings: Settings) -> Mailer:
    """The mail server of the settings, or the folder when there is none."""
    if not settings.smtp_host:
        return FolderMailer(settings.mail_dir)
    return SmtpMailer(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_user,
        settings.smtp_password,
    )
