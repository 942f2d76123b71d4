"""`python -m worker notifier`: the process that tells people and programs, and rings for forgotten rows."""

import signal
from functools import partial
from threading import Event, Thread

import click


@click.command
@click.option("--once", is_flag=True, help="Traiter ce qui attend, puis s'arrêter.")
def notifier(*, once: bool) -> None:
    """Prévient les agents quand leurs fichiers sont prêts ou en échec, et relance les fichiers oubliés."""
    from common.logs import configure_logs
    from worker.compose import build_notifier, show_metrics
    from worker.db.engine import build_engine
    from worker.db.revision import require_current
    from worker.health import Pulse, Role
    from worker.messaging.broker import build_broker
    from worker.messaging.doorbell import DoorbellQueues
    from worker.messaging.events import EventPublisher
    from worker.messaging.probe import require_trusted
    from worker.messaging.queues import count_bells, read_queues
    from worker.settings import load_settings

    settings = load_settings()
    amqp_url = settings.amqp_url.get_secret_value()
    configure_logs(settings.log_format, settings.log_level)
    engine = build_engine(settings.database_url.get_secret_value())
    require_current(engine)
    require_trusted(amqp_url)
    broker = build_broker(amqp_url)
    pulse = Pulse(settings.health_dir, Role.NOTIFIER)
    built = build_notifier(
        settings,
        engine,
        enqueue=DoorbellQueues(broker).enqueue,
        count=partial(count_bells, amqp_url),
        publish=EventPublisher(broker).publish,
        beat=pulse.beat,
    )
    stop = Event()
    if once:
        built.work(stop)
    else:
        _stop_on_signals(stop)
        show_metrics(settings, engine, partial(read_queues, amqp_url))
        built.run(stop)
    pulse.stop()


def _stop_on_signals(stop: Event) -> None:
    """Let SIGTERM and SIGINT set `stop`, from another thread: the loop may hold the lock inside `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=stop.set).start())
