"""What befalls RabbitMQ, and between it and the workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tests.faults.fault import fault
from tests.faults.jobs import catch_a_job, jobs_held
from tests.faults.stage import Stage
from tests.parts.rabbitmq import RabbitNode
from worker.messaging.queues import add_account_queues, open_channel, remove_account_queues

_PATIENCE_MS = 1000
_OUT_OF_PATIENCE = f"Timeout value used: {_PATIENCE_MS} ms"


@fault("the broker stopped (SIGTERM), then started")
def broker_stopped(stage: Stage) -> Iterator[None]:
    """While files are made: their late acknowledgments must hit no other message."""
    yield
    with jobs_held(stage):
        stage.broker.restart()
        _expect_readers_again(stage)
    stage.expect_log("stale_ack")


@fault("the broker killed (SIGKILL), then started", short=True)
def broker_killed(stage: Stage) -> Iterator[None]:
    """Likewise; what it had confirmed is on its disk."""
    yield
    with jobs_held(stage):
        stage.broker.kill()
        stage.broker.start()
        _expect_readers_again(stage)
    stage.expect_log("stale_ack")


@fault("the broker short of memory (alarm)")
def broker_alarm(stage: Stage) -> Iterator[None]:
    """It takes no message: doorbells and events of files that are made meanwhile cannot leave."""
    yield
    with jobs_held(stage):
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0")
    try:
        stage.expect_log("doorbells_not_enqueued", "event_delayed")
    finally:
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    stage.let_time_pass(60)


@fault("a job longer than the broker's consumer timeout")
def consumer_timeout(stage: Stage) -> Iterator[None]:
    """The broker closes the channel and delivers the message again, while its job goes on."""
    path = f"/policies/{quote(stage.vhost, safe='')}/short"
    policy = {"pattern": ".*", "apply-to": "queues", "definition": {"consumer-timeout": _PATIENCE_MS}}
    with _interval(stage.broker, "channel_tick_interval", 500, usual=60_000):
        yield
        with jobs_held(stage):
            stage.broker.management.request("PUT", path, policy)
            stage.expect(lambda: _OUT_OF_PATIENCE in stage.broker.log(), "the end of the broker's patience")
            stage.broker.management.request("DELETE", path)
            _expect_readers_again(stage)
        stage.expect_log("stale_ack")


@fault("queues of type quorum, and all workers killed")
def quorum(stage: Stage) -> Iterator[None]:
    """The server's default type may be quorum: they have rules of their own."""
    vhost = quote(stage.vhost, safe="")
    stage.broker.management.request("PUT", f"/vhosts/{vhost}", {"default_queue_type": "quorum"})
    with open_channel(stage.town.amqp_url) as channel:  # declared by the stage, before the type was changed
        remove_account_queues(channel, stage.town.account)
    add_account_queues(stage.town.amqp_url, stage.town.account)
    with _interval(stage.broker, "quorum_tick_interval", 200, usual=5_000):
        yield
    types = {it["type"] for it in stage.broker.management.request("GET", f"/queues/{vhost}?disable_stats=true")}
    assert types == {"quorum"}, f"queues of type {types}"
    job = catch_a_job(stage)
    for worker in stage.workers:
        worker.process.kill()
    job.expect_again()


@contextmanager
def _interval(broker: RabbitNode, name: str, milliseconds: int, *, usual: int) -> Iterator[None]:
    """The broker does something more often than usual: look for late acknowledgments, count messages."""
    for_now, back = (f"application:set_env(rabbit, {name}, {it})." for it in (milliseconds, usual))
    broker.rabbitmqctl("eval", for_now)
    try:
        yield
    finally:
        broker.rabbitmqctl("eval", back)


def _expect_readers_again(stage: Stage) -> None:
    stage.expect(lambda: stage.queues.are_read_by(len(stage.workers)), "workers that read the queues again")
