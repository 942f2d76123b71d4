"""The composition root of the workers: `python -m worker.main`."""

import gc
import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from importlib import import_module
from threading import Event

import dramatiq
from dramatiq import Worker
from dramatiq.cli import main as run_dramatiq
from dramatiq.cli import make_argument_parser
from sqlalchemy.orm import configure_mappers

from common.files import keep_files_private
from common.logs import configure_logs
from worker.actors import declare_actors, ingest
from worker.compose import build_services
from worker.db.engine import find_lack, require_current
from worker.errors import ConfigurationError
from worker.handlers.next_work import free_held_works
from worker.health import Pulse, Role, stop_on_signals
from worker.messaging.broker import PrefectureBroker, build_broker, require_trusted
from worker.messaging.expired import ExpiredEvents
from worker.messaging.middleware import ThreadWatchdog, build_middleware
from worker.messaging.queues import TokenQueues
from worker.services import EXPIRED_SECONDS
from worker.settings import load_settings

_POLL_SECONDS = 1.0
"""How often the main thread checks for a signal that another thread received."""


def compose() -> PrefectureBroker:
    """Build the broker with its actors from the environment."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    require_trusted(settings.amqp_url.get_secret_value())
    middleware = build_middleware(lambda: not find_lack(services.engine))
    broker = build_broker(settings.amqp_url.get_secret_value(), middleware)
    services = build_services(settings, TokenQueues(broker).send)
    require_current(services.engine)
    services.engine.dispose()  # processes that are forked later share no connection
    broker.add_middleware(
        ThreadWatchdog(
            Pulse(settings.health_dir, Role.WORKER),
            services.stuck,
            partial(free_held_works, services),
            partial(find_lack, services.engine),
        )
    )
    url = settings.amqp_url.get_secret_value()
    broker.add_middleware(ExpiredEvents(url, partial(ingest, services), EXPIRED_SECONDS))
    declare_actors(broker, services)
    return broker


def main() -> int:
    """Run a single process here; run several through Dramatiq's program, which supervises them.

    All modules are loaded before Dramatiq forks: its processes share memory pages, and start at once.
    """
    parser: ArgumentParser = make_argument_parser()  # type: ignore[no-untyped-call]
    arguments = parser.parse_args(["worker.main", *sys.argv[1:]])
    import_module("worker.main")  # calls compose(), as Dramatiq would in each process
    configure_mappers()
    gc.freeze()  # without it, a collection would write to each shared page
    if arguments.processes == 1:
        return serve(arguments)
    return int(run_dramatiq(arguments))  # type: ignore[no-untyped-call]


def serve(arguments: Namespace) -> int:
    """Process messages until a signal arrives and the current jobs are done."""
    broker = dramatiq.get_broker()
    broker.emit_after("process_boot")
    worker = Worker(
        broker, queues=arguments.queues and set(arguments.queues), worker_threads=arguments.threads
    )
    stop = Event()
    stop_on_signals(stop)
    worker.start()
    while not stop.wait(_POLL_SECONDS):
        pass
    worker.stop(arguments.worker_shutdown_timeout)
    broker.close()
    return 0


keep_files_private()
if __name__ == "__main__":
    sys.exit(main())
try:
    dramatiq.set_broker(compose())
except ConfigurationError as error:
    sys.stderr.write(f"Erreur : {error}\n")
    sys.exit(2)
