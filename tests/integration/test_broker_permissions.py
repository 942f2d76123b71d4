"""The accounts of `deploy/broker/` on a real RabbitMQ: what each has no use for is refused."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError

from producers.errors import NotPermittedError
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EVENT_EXPORT_READY, EVENT_TYPES, EXCHANGE, REQUEST_LISTE_EXPORT, REQUEST_TYPES
from tests.parts.deployment import VHOST, Deployment
from tests.parts.management import Management
from worker.errors import PrefectureError
from worker.messaging.broker import build_broker
from worker.messaging.dead_letters import open_office
from worker.messaging.encoder import ACTOR_QUEUES
from worker.messaging.middleware import TIME_LIMIT_MS
from worker.messaging.queues import read_queues

pytestmark = pytest.mark.integration

EVENT = CloudEvent.wrap(ListeExportRequested(commune="13055", requested_by="mairie"), source="/test")
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

Attempt = Callable[[BlockingChannel], object]


def _publish(exchange: str, routing_key: str, user_id: str | None = None) -> Attempt:
    properties = pika.BasicProperties(user_id=user_id)
    return lambda channel: channel.basic_publish(exchange, routing_key, b"{}", properties)


def _read(queue: str) -> Attempt:
    return lambda channel: channel.basic_get(queue)


def _declare(queue: str) -> Attempt:
    return lambda channel: channel.queue_declare(queue, durable=True)


REFUSED: list[tuple[str, str, Attempt]] = [
    *(("producteur", f"publish {event_type}", _publish(EXCHANGE, event_type)) for event_type in EVENT_TYPES),
    ("producteur", "publish straight to a queue", _publish("", "listes")),
    ("producteur", "publish elsewhere", _publish("amq.topic", REQUEST_LISTE_EXPORT)),
    ("producteur", "declare a queue", _declare("mine")),
    ("producteur", "declare an exchange", lambda channel: channel.exchange_declare("mine")),
    ("producteur", "change the exchange", lambda channel: channel.exchange_delete(EXCHANGE)),
    ("producteur", "consume requests", _read("requests")),
    ("producteur", "purge requests", lambda channel: channel.queue_purge("requests")),
    ("producteur", "delete a queue", lambda channel: channel.queue_delete("requests")),
    ("producteur", "bind a queue", lambda channel: channel.queue_bind("requests", EXCHANGE, "#")),
    *(("ecran", f"publish {event_type}", _publish(EXCHANGE, event_type)) for event_type in EVENT_TYPES),
    ("ecran", "publish straight to a queue", _publish("", "requests")),
    ("ecran", "declare a queue", _declare("mine")),
    *(("ecran", f"read {queue}", _read(queue)) for queue in ("requests", "listes", "requests.XQ")),
    *(("notifier", f"read {queue}", _read(queue)) for queue in ("requests", "listes", "tableaux", "requests.XQ")),
    *(("notifier", f"publish {request_type}", _publish(EXCHANGE, request_type)) for request_type in REQUEST_TYPES),
    ("notifier", "declare another queue", _declare("mine")),
    ("notifier", "bind to events", lambda channel: channel.queue_bind("requests", EXCHANGE, EVENT_EXPORT_READY)),
    ("worker", "publish an event", _publish(EXCHANGE, EVENT_EXPORT_READY)),
    ("worker", "publish a request", _publish(EXCHANGE, REQUEST_LISTE_EXPORT)),
    ("worker", "declare another queue", _declare("mine")),
    ("worker", "read dead letters", _read("requests.XQ")),
    ("exploitant", "publish an event", _publish(EXCHANGE, EVENT_EXPORT_READY)),
    ("exploitant", "read requests", _read("requests")),
    ("exploitant", "declare a queue", _declare("mine")),
]


def _try(url: str, attempt: Attempt) -> int:
    """The code with which the broker closed the channel; 0 when it let the attempt pass."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            attempt(channel)
        except ChannelClosedByBroker as error:
            return error.reply_code
    return 0


@pytest.mark.parametrize(("account", "what", "attempt"), REFUSED, ids=[f"{who}: {what}" for who, what, _ in REFUSED])
def test_the_broker_refuses_what_an_account_has_no_use_for(
    deployment: Deployment, account: str, what: str, attempt: Attempt
) -> None:
    url = deployment.broker.url(VHOST, account, deployment.password(f"broker_{account}"))
    assert _try(url, attempt) == 403


def test_nobody_publishes_under_another_name(deployment: Deployment) -> None:
    url = deployment.amqp_url("producteur")
    assert _try(url, _publish(EXCHANGE, REQUEST_LISTE_EXPORT, user_id="producteur")) == 0
    assert _try(url, _publish(EXCHANGE, REQUEST_LISTE_EXPORT, user_id="worker")) == 406


def test_a_message_beyond_the_limit_is_refused(deployment: Deployment) -> None:
    assert _try(deployment.amqp_url("worker"), lambda it: it.basic_publish("", "requests", b"x" * 262_145)) == 406


def test_there_is_no_other_account(deployment: Deployment) -> None:
    users = {user["name"] for user in deployment.broker.management.request("GET", "/users")}
    assert users == {"worker", "notifier", "producteur", "ecran", "exploitant", deployment.broker.user}
    with pytest.raises(ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST, "guest", "guest")))


@pytest.fixture
def letter(deployment: Deployment) -> CloudEvent:
    """An event among the dead letters, alone."""
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue in ("requests", "requests.XQ"):
            channel.queue_purge(queue)
        channel.basic_publish("", "requests.XQ", EVENT.to_bytes())
    return EVENT


def test_the_operator_sees_dead_letters_and_leaves_them_there(deployment: Deployment, letter: CloudEvent) -> None:
    operator = Management(deployment.broker.management.port, "exploitant", deployment.password("broker_exploitant"))
    look = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for _ in range(2):
        (found,) = operator.request("POST", f"/queues/{VHOST}/requests.XQ/get", look)
        assert found["payload"].encode() == letter.to_bytes()
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("POST", f"/queues/{VHOST}/listes/get", look)
    with pytest.raises(RuntimeError, match=r"40[13]"):
        operator.request("PUT", f"/queues/{VHOST}/mine", {})


def test_the_operator_puts_a_dead_letter_back(deployment: Deployment, letter: CloudEvent) -> None:
    with open_office(deployment.amqp_url("exploitant")) as office:
        for held in office.look("requests"):
            office.put_back(held.letter)
            held.remove()
        assert office.count("requests") == 0
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        _, _, body = connection.channel().basic_get("requests", auto_ack=True)
    assert letter.id.encode() in (body or b"")


@pytest.mark.parametrize("account", ["worker", "notifier", "producteur"])
def test_dead_letters_are_the_operators(deployment: Deployment, letter: CloudEvent, account: str) -> None:
    with (
        pytest.raises(PrefectureError, match="employez celui de l'exploitant"),
        open_office(deployment.amqp_url(account)) as office,
    ):
        list(office.look("requests"))


def test_the_definitions_declare_what_the_code_declares(deployment: Deployment) -> None:
    def topology() -> dict[str, object]:
        found = deployment.broker.management.request("GET", f"/definitions/{VHOST}")
        return {kind: sorted(map(str, found[kind])) for kind in ("exchanges", "queues", "bindings")}

    before = topology()
    for account in ("worker", "notifier"):
        broker = build_broker(deployment.amqp_url(account))
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue, ensure=True)
        broker.close()
    assert topology() == before


def test_policies_bound_the_queues(deployment: Deployment) -> None:
    ask = deployment.broker.management.request
    policies = {policy["name"]: policy["definition"] for policy in ask("GET", f"/policies/{VHOST}")}
    queues = {
        queue["name"]: policies[queue["policy"]] for queue in ask("GET", f"/queues/{VHOST}") if queue.get("policy")
    }
    assert queues.keys() == set(ACTOR_QUEUES.values())
    assert min(policy["consumer-timeout"] for policy in queues.values()) > 2 * TIME_LIMIT_MS
    assert queues["requests"]["overflow"] == "reject-publish"


def test_the_documented_commands_make_a_producer_for_one_commune(deployment: Deployment) -> None:
    block = OPERATIONS.read_text("utf-8").partition("test_broker_permissions.py runs this -->\n```sh\n")[2]
    for line in block.partition("\n```\n")[0].replace("\\\n", "").splitlines():
        words = shlex.split(line.removeprefix("docker compose exec broker rabbitmqctl "))
        deployment.broker.rabbitmqctl(*words, *(["p"] if words[0] == "add_user" else []))
    url = deployment.broker.url(VHOST, "mairie-13055", "p")
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.queue_purge("requests")
        with Publisher(url) as publisher:
            publisher.publish(EVENT)
            with pytest.raises(NotPermittedError):
                publisher.publish(EVENT.model_copy(update={"type": EVENT_EXPORT_READY}))
        _, properties, _ = channel.basic_get("requests", auto_ack=True)
    assert properties is not None
    assert properties.user_id == "mairie-13055"
    assert _try(url, _read("requests")) == 403


def test_the_notifier_counts_messages_that_it_cannot_read(deployment: Deployment) -> None:
    with pika.BlockingConnection(pika.URLParameters(deployment.broker.url(VHOST))) as connection:
        channel = connection.channel()
        channel.queue_purge("listes.XQ")
        channel.confirm_delivery()
        channel.basic_publish("", "listes.XQ", b"poison")
    counted = {state.queue: state.dead_letters for state in read_queues(deployment.amqp_url("notifier"))}
    assert counted["listes"] == 1


def test_a_new_password_is_taken_at_the_next_start(deployment: Deployment) -> None:
    old = deployment.amqp_url("producteur")
    deployment.renew_password("broker_producteur")
    deployment.broker.restart()
    assert _try(deployment.amqp_url("producteur"), _publish(EXCHANGE, REQUEST_LISTE_EXPORT)) == 0
    with pytest.raises(ProbableAuthenticationError):
        _try(old, _publish(EXCHANGE, REQUEST_LISTE_EXPORT))
