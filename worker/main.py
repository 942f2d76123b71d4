"""The composition root of the workers: `dramatiq worker.main`."""

import sys

import dramatiq

from common.files import keep_files_private
from common.logs import configure_logs
from worker.actors import declare_actors
from worker.compose import build_services
from worker.db.revision import require_current
from worker.errors import ConfigurationError
from worker.exports.storage import STALE_SECONDS
from worker.health import Pulse, Role
from worker.messaging.broker import PrefectureBroker, build_broker, require_trusted
from worker.messaging.doorbell import DoorbellQueues
from worker.messaging.middleware import AtBoot, ThreadWatchdog, build_middleware
from worker.settings import load_settings


def compose() -> PrefectureBroker:
    """The broker with its actors, from the environment."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    require_trusted(settings.amqp_url.get_secret_value())
    broker = build_broker(settings.amqp_url.get_secret_value(), build_middleware())
    services = build_services(settings, DoorbellQueues(broker).enqueue)
    require_current(services.engine)
    broker.add_middleware(AtBoot(lambda: services.storage.sweep_temporaries(STALE_SECONDS)))
    broker.add_middleware(ThreadWatchdog(Pulse(settings.health_dir, Role.WORKER)))
    declare_actors(broker, services)
    return broker


keep_files_private()
try:
    dramatiq.set_broker(compose())
except ConfigurationError as error:
    sys.stderr.write(f"Erreur : {error}\n")
    sys.exit(2)
