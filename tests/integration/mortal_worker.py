"""The workers; the first message kills the thread that MORTAL_THREAD names, a worker or a consumer.

`still`: the thread of the first message waits for ever in a call that nothing interrupts.
`never-starts`: that thread starts a thread that never runs, as when memory is short.
"""

import os
import threading

import dramatiq
from dramatiq import Middleware

import worker.main  # noqa: F401 — sets the broker
from worker import health
from worker.messaging import middleware
from worker.messaging.consumer import GuardedConsumer


class _Mortal(Middleware):
    def after_process_message(self, *_: object, **__: object) -> None:
        raise SystemExit


class _Still(Middleware):
    def before_process_message(self, *_: object, **__: object) -> None:
        threading.Event().wait()


class _NeverStarts(threading.Thread):
    def _bootstrap(self) -> None:
        pass


class _Starting(Middleware):
    def before_process_message(self, *_: object, **__: object) -> None:
        _NeverStarts().start()


class _MortalConsumer(GuardedConsumer):
    def __next__(self) -> None:
        if super().__next__() is not None:
            raise SystemExit


broker = dramatiq.get_broker()
if os.environ["MORTAL_THREAD"] == "worker":
    broker.add_middleware(_Mortal())
elif os.environ["MORTAL_THREAD"] == "still":
    middleware.LONGEST_MESSAGE_SECONDS = 1
    broker.add_middleware(_Still())
elif os.environ["MORTAL_THREAD"] == "never-starts":
    health.START_CHECKS = 2
    broker.add_middleware(_Starting())
else:
    type(broker).consumer_class = _MortalConsumer  # type: ignore[attr-defined]
