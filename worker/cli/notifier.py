"""`python -m worker notifier`: the process that tells people and programs, and rings for forgotten rows."""

import signal
from threading import Event, Thread

import click


@click.command
@click.option("--once", is_flag=True, help="Traiter ce qui attend, puis s'arrêter.")
def notifier(*, once: bool) -> None:
    """Prévient les agents quand leurs fichiers sont prêts ou en échec, et relance les fichiers oubliés."""
    from worker.compose import build_notifier
    from worker.db.engine import build_engine
    from worker.db.revision import require_current
    from worker.logs import configure_logs
    from worker.messaging.broker import build_broker
    from worker.messaging.doorbell import Doorbell
    from worker.messaging.events import EventPublisher
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    engine = build_engine(settings.database_url.get_secret_value())
    require_current(engine)
    broker = build_broker(settings.amqp_url.get_secret_value())
    built = build_notifier(
        settings,
        engine,
        ring=Doorbell(broker).ring,
        publish=EventPublisher(broker).publish,
    )
    stop = Event()
    if once:
        built.work(stop)
    else:
        _stop_on_signals(stop)
        built.run(stop)


def _stop_on_signals(stop: Event) -> None:
    """Let SIGTERM and SIGINT set `stop`, from another thread: the loop may hold the lock inside `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=stop.set).start())
