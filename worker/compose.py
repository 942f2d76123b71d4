"""From settings to the parts: what the workers, the notifier and the embedded mode are made of."""

import os
import socket
from functools import partial
from uuid import uuid4

from sqlalchemy import Engine

from worker.bell import Count, Ring
from worker.db.engine import build_engine, build_sessions
from worker.exports.audit import NOTIFIER
from worker.exports.purge import purge_files
from worker.exports.storage import Storage
from worker.handlers.services import Services
from worker.health import Beat, ignore
from worker.monitoring.queue import Queues
from worker.notifier.loop import Notifier
from worker.notifier.mail import FolderMailer, Mailer, SmtpMailer
from worker.notifier.outbox import Outbox
from worker.notifier.purge import PurgeClock
from worker.notifier.tell import Publish, Teller
from worker.settings import Settings

LEASES_PER_MAIL = 4
"""A mail server may use up several time-outs of one mail: a notifier is given more time than a worker."""


def build_services(settings: Settings, ring: Ring) -> Services:
    """Nothing is connected yet."""
    engine: Engine = build_engine(settings.database_url.get_secret_value())
    registre = build_engine(settings.registre_url.get_secret_value()) if settings.registre_url else engine
    return Services(
        engine=engine,
        registre=registre,
        storage=Storage(settings.exports_dir),
        ring=ring,
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
    ring: Ring,
    count: Count | None = None,
    publish: Publish | None,
    beat: Beat = ignore,
) -> Notifier:
    """A notifier of its own name; without `publish`, people only are told."""
    outbox = Outbox(
        engine,
        teller=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        lease_seconds=LEASES_PER_MAIL * settings.lease_seconds,
        beat=beat,
    )
    teller = Teller(
        build_sessions(engine),
        outbox,
        build_mailer(settings),
        publish,
        mail_from=settings.mail_from,
        public_url=settings.public_url,
    )
    return Notifier(
        engine,
        outbox,
        teller,
        ring,
        count=count,
        sweep_seconds=settings.sweep_seconds,
        purge=_build_purge(settings, engine),
        beat=beat,
    )


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
