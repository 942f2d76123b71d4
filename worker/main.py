"""The composition root of the workers: `dramatiq worker.main`."""

import os

import dramatiq

from worker.actors import declare_actors
from worker.compose import FILES_UMASK, build_services
from worker.logs import configure_logs
from worker.messaging.broker import build_broker
from worker.messaging.doorbell import Doorbell
from worker.messaging.middleware import build_middleware
from worker.settings import load_settings

os.umask(FILES_UMASK)
settings = load_settings()
configure_logs(settings.log_format, settings.log_level)
broker = build_broker(settings.amqp_url.get_secret_value(), build_middleware())
declare_actors(broker, build_services(settings, Doorbell(broker).ring))
dramatiq.set_broker(broker)
