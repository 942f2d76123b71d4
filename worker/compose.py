"""From settings to the parts: what the workers, the notifier and the embedded mode are made of."""

import os
import socket
from functools import partial
from uuid import uuid4

from sqlalchemy import Engine

from worker.db.engine import build_engine, build_sessions
from worker.doorbell import CountEnqueued, Enqueue, EnqueueParked
from worker.exports.models import Recall
from worker.exports.storage import Storage
from worker.handlers.services import Services
from worker.health import Beat, ignore
from worker.housekeeping.housekeeping import Housekeeping, parked_chore, purge_chore, reminder_chore, sweep_chore
from worker.monitoring.exporter import Queues
from worker.notifier.answers import Answers
from worker.notifier.channels.chat import ChatSender
from worker.notifier.channels.delivery import ChannelSender
from worker.notifier.channels.hosts import Hosts
from worker.notifier.channels.mail import FolderMailer, Mailer, MailSender, SmtpMailer
from worker.notifier.channels.webhook import WebhookSender
from worker.notifier.dispatch import Dispatcher
from worker.notifier.kinds import Channel
from worker.notifier.messages.events import PublishAnswer
from worker.notifier.models import Reminder
from worker.notifier.notify import Notifier, RecallNotifications, ReminderNotifications, RequestNotifications
from worker.notifier.outbox import Outbox
from worker.settings import Settings

LEASES_PER_MAIL = 4
"""A mail server may use up several time-outs of one mail: a notifier is given more time than a worker."""


def build_services(settings: Settings, enqueue: Enqueue) -> Services:
    """Nothing is connected yet."""
    engine: Engine = build_engine(settings.database_url.get_secret_value(), serves=True)
    return Services(
        engine=engine,
        registre=_build_registre(settings, engine),
        storage=Storage(settings.exports_dir),
        enqueue=enqueue,
        type_liste_codes=settings.type_liste_codes,
        info_liste=settings.info_liste,
        xsd=settings.xsd_path,
        lease_seconds=settings.lease_seconds,
        max_attempts=settings.max_attempts,
        retry_seconds=settings.retry_seconds,
        known_senders_only=settings.senders == "known",
        ruined_values=settings.ruined_values,
    )


def build_notifier(
    settings: Settings,
    engine: Engine,
    *,
    enqueue: Enqueue,
    enqueue_parked: EnqueueParked,
    count: CountEnqueued | None = None,
    publish: PublishAnswer | None,
    beat: Beat = ignore,
) -> Notifier:
    """A notifier of its own name, with the housekeeping; without `publish`, people only are notified."""
    housekeeping = build_housekeeping(settings, engine, enqueue, enqueue_parked, count)
    supervised = housekeeping.supervise(beat)
    build_outbox = partial(
        Outbox,
        engine,
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        lease_seconds=LEASES_PER_MAIL * settings.lease_seconds,
        beat=supervised,
    )
    sessions = build_sessions(engine)
    parts = Dispatcher(sessions, build_senders(settings)), publish
    use_cases = (
        RequestNotifications(sessions, build_outbox(), *parts, public_url=settings.public_url),
        RecallNotifications(sessions, build_outbox(table=Recall), *parts, public_url=settings.public_url),
        ReminderNotifications(sessions, build_outbox(table=Reminder), *parts, public_url=settings.public_url),
    )
    answers = Answers(engine, publish, lease_seconds=settings.lease_seconds) if publish else None
    return Notifier(engine, use_cases, housekeeping, answers, beat=supervised)


def build_housekeeping(
    settings: Settings, engine: Engine, enqueue: Enqueue, enqueue_parked: EnqueueParked, count: CountEnqueued | None
) -> Housekeeping:
    """The sweeps, the reminders, and the purge where files are not kept for ever."""
    chores = [
        sweep_chore(engine, enqueue, settings.sweep_seconds, count=count),
        parked_chore(engine, enqueue_parked, settings.sweep_seconds),
        reminder_chore(engine, _build_registre(settings, engine), settings.reminder_days),
    ]
    if settings.retention_days:
        chores.append(purge_chore(engine, Storage(settings.exports_dir), settings.retention_days))
    return Housekeeping(chores)


def build_senders(settings: Settings) -> dict[Channel, ChannelSender]:
    """Each way of sending; nothing is connected yet."""
    return {
        Channel.MAIL: MailSender(build_mailer(settings), settings.mail_from),
        Channel.CHAT: ChatSender(),
        Channel.WEBHOOK: WebhookSender(Hosts.parse(settings.webhook_hosts)),
    }


def _build_registre(settings: Settings, engine: Engine) -> Engine:
    """The database of the register, when it is another one."""
    url = settings.registre_url
    return build_engine(url.get_secret_value(), serves=True) if url else engine


def show_metrics(settings: Settings, engine: Engine, queues: Queues) -> None:
    """Let Prometheus ask this process, where a port is set for it."""
    from worker.monitoring.exporter import Exporter, serve_metrics

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
