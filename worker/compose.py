"""Builds the workers, the notifier and the embedded mode from the settings.

The parts of the notifier are imported inside the functions that build them: a worker does not load them.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine

from schemas.profiles import ProfileError
from schemas.profiles.platform import load_profiles
from schemas.profiles.source import load_sources
from schemas.vocabulary import Channel
from worker import services
from worker.arrivals import Arrivals, expire
from worker.audit import NOTIFIER, Actor, log_lines, note_removed, purge_audit
from worker.db.engine import build_engine
from worker.errors import ConfigurationError
from worker.exports.lease import new_owner
from worker.exports.storage import Storage
from worker.health import Beat, ignore
from worker.settings import Settings
from worker.work.queue import BATCH, PEOPLE, delete_dead

if TYPE_CHECKING:
    from worker.housekeeping.housekeeping import Chore
    from worker.messaging.queues import TokenQueues
    from worker.notifier.channels.delivery import ChannelSender
    from worker.notifier.messages.events import PublishEvent
    from worker.notifier.notify import Notifier

_Profiles = TypeVar("_Profiles")

NOTIFIER_LEASES = 2
"""The lease of a work of the notifier, in leases of a worker: a mail that is sent twice costs more than a delay."""


def build_services(settings: Settings, send_tokens: services.SendTokens) -> services.Services:
    """Build the services of the use cases; nothing is connected yet.

    Raises:
        ConfigurationError: a profile cannot be used.
    """
    engine: Engine = build_engine(settings.database_url.get_secret_value(), serves=True)
    return services.Services(
        engine=engine,
        registre=_build_registre(settings, engine),
        storage=Storage(settings.exports_dir, engine),
        arrivals=Arrivals(settings.arrivals_dir),
        send_tokens=send_tokens,
        profiles=_load(load_profiles, settings),
        source=_load(load_sources, settings),
        ruined_values=settings.ruined_values,
        public_url=settings.public_url,
        most_lane=PEOPLE if settings.worker_lane == "people" else BATCH,
    )


def _load(load: Callable[[Path], _Profiles], settings: Settings) -> _Profiles:
    try:
        return load(settings.profiles_dir)
    except ProfileError as error:
        raise ConfigurationError(str(error)) from None


def build_notifier(
    settings: Settings,
    engine: Engine,
    *,
    tokens: "TokenQueues",
    publish: "PublishEvent | None",
    beat: Beat = ignore,
) -> "Notifier":
    """Build a notifier with a name of its own and the housekeeping; without `publish` it notifies people only."""
    from worker.housekeeping.housekeeping import do_steps
    from worker.notifier.notices import Notices
    from worker.notifier.notify import Notifier, build_pools

    has_screen = (
        bool(settings.public_url) and publish is not None
    )  # a command of the embedded mode ends before
    notices = Notices(settings.public_url, spares_asker=has_screen)
    return Notifier(
        engine,
        build_pools(engine, notices, build_senders(settings), publish),
        partial(do_steps, build_chores(settings, engine, tokens)),
        owner=new_owner(),
        lease_seconds=NOTIFIER_LEASES * services.LEASE_SECONDS,
        beat=beat,
    )


def build_chores(settings: Settings, engine: Engine, tokens: "TokenQueues") -> "list[Chore]":
    """Build the sweeps, the reminders, and the purges that the settings ask for."""
    from worker.housekeeping import housekeeping
    from worker.housekeeping.housekeeping import (
        DAY_SECONDS,
        HOUR_SECONDS,
        RETRY_SECONDS,
        Chore,
        plan_reminders,
    )
    from worker.registre.imports.history import purge_versions

    arrivals, storage = Arrivals(settings.arrivals_dir), Storage(settings.exports_dir, engine)
    registre, days = _build_registre(settings, engine), settings.reminder_days
    chores = [
        Chore(
            "sweep",
            lambda: [housekeeping.sweep(engine, tokens.send, tokens.count)],
            services.SWEEP_SECONDS,
        ),
        Chore("previews", lambda: map(expire, [engine]), RETRY_SECONDS),
        Chore(
            "early_cancels", lambda: map(housekeeping.purge_early_cancels, [engine]), HOUR_SECONDS
        ),
        Chore("audit_log", lambda: map(log_lines, [engine]), 1),
        Chore("reminders", lambda: [plan_reminders(engine, registre, days)], HOUR_SECONDS),
        Chore(
            "refused", lambda: iter(partial(housekeeping.purge_refused, engine), 0), RETRY_SECONDS
        ),
        Chore(
            "answers", lambda: iter(partial(housekeeping.purge_answers, engine), 0), HOUR_SECONDS
        ),
        Chore("arrivals", lambda: housekeeping.erase_arrivals(engine, arrivals), HOUR_SECONDS),
        Chore(
            "versions", lambda: purge_versions(engine, note_removed(Actor(NOTIFIER))), HOUR_SECONDS
        ),
        Chore("temporaries", lambda: housekeeping.remove_temporaries(storage), HOUR_SECONDS),
        Chore("work", lambda: map(delete_dead, [engine]), DAY_SECONDS),
    ]
    if retention := settings.retention_days:
        chores.append(
            Chore("purge", lambda: housekeeping.purge(engine, storage, retention), HOUR_SECONDS)
        )
    if kept := settings.audit_days:
        chores.append(
            Chore("copies", lambda: [housekeeping.purge_copies(engine, kept)], DAY_SECONDS)
        )
        chores.append(
            Chore("audit", lambda: [purge_audit(engine, kept, actor=NOTIFIER)], DAY_SECONDS)
        )
    return chores


def build_senders(settings: Settings) -> "dict[Channel, ChannelSender]":
    """Build one transport for each channel; nothing is connected yet."""
    from worker.notifier.channels.hosts import Hosts
    from worker.notifier.channels.mail import FolderMailer, MailSender, SmtpMailer
    from worker.notifier.channels.webhook import WebhookSender

    server = settings.mail_server
    mailer: SmtpMailer | FolderMailer = (
        SmtpMailer(*server) if server else FolderMailer(settings.mail_dir)
    )
    return {
        Channel.MAIL: MailSender(mailer.send, settings.mail_from),
        Channel.WEBHOOK: WebhookSender(Hosts.parse(settings.webhook_hosts), settings.event_source),
    }


def _build_registre(settings: Settings, engine: Engine) -> Engine:
    url = settings.registre_url
    return build_engine(url.get_secret_value(), serves=True) if url else engine
