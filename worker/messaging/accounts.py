"""The queues of the accounts that may ask: one for single requests, one for batches, each bounded and bound.

A full queue refuses what its own account publishes, and no other account's.
"""

from typing import Any

from dramatiq.common import xq_name

from schemas.topology import EXCHANGE, QUEUE_REQUESTS, QUEUE_REQUESTS_BULK, account_bindings, account_queue

MOST_MESSAGES, MOST_MESSAGES_BULK = 10_000, 50_000
MOST_BYTES = 32 << 20
"""What a queue holds at most. A policy of the broker may lower it; the arguments of a queue cannot change."""


def declare_account(channel: Any, account: str, *, is_bulk: bool) -> str:  # noqa: ANN401 — pika's
    """Declare and bind a queue of an account, once is enough; return its name. Its dead letters join ours."""
    queue = account_queue(account, is_bulk=is_bulk)
    arguments = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": xq_name(QUEUE_REQUESTS_BULK if is_bulk else QUEUE_REQUESTS),
        "x-max-length": MOST_MESSAGES_BULK if is_bulk else MOST_MESSAGES,
        "x-max-length-bytes": MOST_BYTES,
        "x-overflow": "reject-publish",
    }
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for key in account_bindings(account, is_bulk=is_bulk):
        channel.queue_bind(queue, EXCHANGE, key)
    return queue
