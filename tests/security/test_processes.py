"""Whoever got hold of a process that makes files or imports: of its accounts, what leads to what others do."""

from collections.abc import Callable

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from schemas.topology import EXCHANGE, REQUEST_LISTE_EXPORT, request_key
from tests.parts.deployment import Deployment
from worker.messaging.encoder import ACTOR_QUEUES

pytestmark = pytest.mark.integration

READS = {
    "requests": {"requests", "requests-bulk"},
    "listes": {"listes"},
    "tableaux": {"tableaux"},
    "bulk": {"listes-bulk", "tableaux-bulk"},
    "registre": {"registre"},
}
SILENT = [account for account in READS if account != "requests"]
"""Those that publish nothing at all: whoever may put a message into one queue may put it into that of requests."""

Attempt = Callable[[BlockingChannel], object]


def _publish(exchange: str, routing_key: str) -> Attempt:
    call = b'{"actor_name": "ingest", "options": {"sender": "ecran"}}'
    return lambda channel: channel.basic_publish(exchange, routing_key, call)


def _read(queue: str) -> Attempt:
    return lambda channel: channel.basic_get(queue)


def _purge(queue: str) -> Attempt:
    return lambda channel: channel.queue_purge(queue)


def _is_refused(deployment: Deployment, account: str, attempt: Attempt) -> bool:
    with pika.BlockingConnection(pika.URLParameters(deployment.amqp_url(account))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            attempt(channel)
        except ChannelClosedByBroker as error:
            return error.reply_code == 403
    return False


def _refused_by_the_database(deployment: Deployment, account: str, statement: str) -> bool:
    engine = create_engine(deployment.database_url(account), poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement))
    return type(caught.value.orig).__name__ == "InsufficientPrivilege"


@pytest.mark.slow
@pytest.mark.parametrize("account", SILENT)
def test_to_ask_for_files_in_anothers_name(deployment: Deployment, account: str) -> None:
    for exchange, key in (
        ("", "requests"),
        ("", "requests.DQ"),
        (EXCHANGE, request_key("ecran", REQUEST_LISTE_EXPORT)),
    ):
        assert _is_refused(deployment, account, _publish(exchange, key)), (exchange, key)
    for statement in (
        "INSERT INTO request (source, event_id) VALUES ('/moi', '1')",
        "INSERT INTO export (request_id) VALUES (1)",
        "UPDATE request SET outcome = 'accepted'",
        "UPDATE export SET request_id = 1",
    ):
        assert _refused_by_the_database(deployment, account, statement), statement


@pytest.mark.slow
@pytest.mark.parametrize("account", READS)
def test_to_read_or_empty_the_queues_of_others(deployment: Deployment, account: str) -> None:
    """Dead letters included, which quote what was sent; a queue of its own it reads."""
    queues = {*ACTOR_QUEUES.values()}
    for queue in queues:
        own = queue in READS[account]
        assert _is_refused(deployment, account, _read(queue)) is not own, queue
        assert _is_refused(deployment, account, _read(f"{queue}.XQ")), queue
        if not own:
            assert _is_refused(deployment, account, _purge(queue)), queue


@pytest.mark.parametrize("account", SILENT)
def test_to_delete_or_to_bind_what_others_read(deployment: Deployment, account: str) -> None:
    (own, *_) = sorted(READS[account])
    attempts: list[Attempt] = [
        lambda it: it.queue_delete("requests"),
        lambda it: it.queue_bind(own, EXCHANGE, REQUEST_LISTE_EXPORT),
        lambda it: it.exchange_delete(EXCHANGE),
        lambda it: it.queue_declare("mine"),
    ]
    assert [_is_refused(deployment, account, attempt) for attempt in attempts] == [True] * len(attempts)


@pytest.mark.parametrize("account", ["listes", "tableaux", "bulk"])
@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE audit SET actor = 'moi'", "DELETE FROM audit", "SELECT * FROM audit"),
        *("UPDATE export SET file_name = '../../etc/passwd'", "UPDATE export SET code_commune = '13055'"),
        *("INSERT INTO depot (export_id) VALUES (1)", "UPDATE depot SET verdict = 'accepte'"),
        *("UPDATE electeur SET nom_naissance = ''", "UPDATE mouvement SET motif = ''", "DELETE FROM protection"),
        *("SELECT answer FROM depot", "SELECT email FROM agent", "SELECT address FROM notification"),
    ],
)
def test_to_write_more_than_a_file_wants(deployment: Deployment, account: str, statement: str) -> None:
    assert _refused_by_the_database(deployment, account, statement)
