"""The publisher against a real RabbitMQ: its guarantees and its error messages."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest
from pika import frame, spec

from common.cli import ExitCode
from producers import errors
from producers.cli import main
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import CONTENT_TYPE, REQUEST_DECLARATION, REQUEST_LISTE_EXPORT, request_key
from tests.integration.requests_queue import RequestsQueue
from tests.parts.ports import LOOPBACK
from tests.parts.rabbitmq import RabbitNode


@pytest.fixture
def event() -> CloudEvent:
    return CloudEvent.wrap(
        ListeExportRequested(commune="13900", requested_by="mairie"), source="/tests"
    )


def test_event_is_routed_by_account_and_type_and_described_by_properties(
    amqp_url: str, event: CloudEvent
) -> None:
    with RequestsQueue(amqp_url) as queue, Publisher(amqp_url) as publisher:
        publisher.publish(event)
        routing_key, properties, body = queue.take()
    assert routing_key == request_key(RabbitNode.user, REQUEST_LISTE_EXPORT)
    assert properties.type == REQUEST_LISTE_EXPORT
    assert properties.content_type == CONTENT_TYPE
    assert properties.delivery_mode == 2
    assert properties.message_id == event.id
    assert properties.correlation_id == event.correlationid
    assert properties.user_id == RabbitNode.user
    assert CloudEvent.from_bytes(body) == event


@pytest.mark.parametrize(("vhost", "told"), [("", "déjà démarré"), ("absent", "vhost « absent »")])
def test_missing_exchange_or_virtual_host_is_named(
    rabbit_node: RabbitNode, amqp_url: str, event: CloudEvent, vhost: str, told: str
) -> None:
    url = rabbit_node.url(vhost) if vhost else amqp_url
    with Publisher(url) as publisher, pytest.raises(errors.PublishError, match=told):
        publisher.publish(event)


def test_unknown_type_is_returned_and_the_next_event_passes(
    amqp_url: str, event: CloudEvent
) -> None:
    with RequestsQueue(amqp_url) as queue, Publisher(amqp_url) as publisher:
        with pytest.raises(
            errors.PublishError, match=r"aucune file n'attend .*fr\.openelec\.inconnu"
        ):
            publisher.publish(event.model_copy(update={"type": "fr.openelec.inconnu"}))
        publisher.publish(event)
        assert queue.take_event() == event


def test_full_queue_refuses_an_event(amqp_url: str, event: CloudEvent) -> None:
    with RequestsQueue(amqp_url, max_length=1), Publisher(amqp_url) as publisher:
        publisher.publish(event)
        with pytest.raises(errors.QueueFullError, match="pleine"):
            publisher.publish(event)


@pytest.mark.parametrize(
    "change",
    [{"type": REQUEST_DECLARATION, "data": {"x": "y" * 300_000}}, {"data": {"x": "y" * 17_000}}],
)
def test_event_too_large_is_refused_before_any_connection(
    event: CloudEvent, change: dict[str, object]
) -> None:
    huge = event.model_copy(update=change)
    with (
        Publisher("amqp://127.0.0.1:1/") as publisher,
        pytest.raises(errors.InvalidRequestError, match="rien n'a été"),
    ):
        publisher.publish(huge)


def test_refused_password_is_reported_at_once_and_not_quoted(
    rabbit_node: RabbitNode, amqp_url: str, event: CloudEvent
) -> None:
    url = rabbit_node.url(password="secret-password")
    with (
        Publisher(url) as publisher,
        pytest.raises(errors.PublishError, match="mot de passe") as caught,
    ):
        publisher.publish(event)
    assert f"127.0.0.1:{rabbit_node.port}" in str(caught.value)
    assert "secret-password" not in str(caught.value)


@pytest.mark.slow
def test_memory_alarm_ends_a_publication_after_its_patience(
    rabbit_node: RabbitNode, amqp_url: str, event: CloudEvent
) -> None:
    with RequestsQueue(amqp_url) as queue, Publisher(amqp_url, patience=1) as publisher:
        rabbit_node.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1")
        try:
            with pytest.raises(errors.BrokerBlockedError, match="alarme"):
                publisher.publish(event)
        finally:
            rabbit_node.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
        publisher.publish(event)
        assert queue.take_event() == event


def test_missing_confirm_leaves_the_event_uncertain(amqp_url: str, event: CloudEvent) -> None:
    with (
        RequestsQueue(amqp_url),
        Publisher(amqp_url, confirm_seconds=0) as publisher,
        pytest.raises(errors.UnconfirmedError, match="peut-être partie"),
    ):
        publisher.publish(event)


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", ["stop", "kill"])
def test_open_publisher_survives_a_restart_of_the_broker(
    rabbit_node: RabbitNode, amqp_url: str, event: CloudEvent, interrupt: str
) -> None:
    with Publisher(amqp_url) as publisher:
        with RequestsQueue(amqp_url) as queue:
            publisher.publish(event)
            assert queue.take_event() == event
        getattr(rabbit_node, interrupt)()
        rabbit_node.start()
        again = event.model_copy(update={"id": "again"})
        publisher.publish(again)
    with RequestsQueue(amqp_url) as queue:
        assert queue.take_event() == again


@pytest.mark.slow
def test_stopped_broker_ends_a_command_with_exit_code_3(
    rabbit_node: RabbitNode,
    amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PREFECTURE_AMQP_URL", amqp_url)
    rabbit_node.stop()
    assert main(["export-liste", "--commune", "13900"]) == ExitCode.AWAY
    answer = capsys.readouterr()
    assert f"RabbitMQ (127.0.0.1:{rabbit_node.port}) est injoignable" in answer.err
    assert rabbit_node.password not in answer.err
    assert answer.out == ""


@contextmanager
def _serve_confirms(*confirms: spec.Basic.Ack) -> Iterator[str]:
    """A broker that opens a connection and a channel, reads three events and sends these confirms."""

    def read(client: socket.socket, *kinds: type) -> None:
        waited, data = list(kinds), b""
        while waited:
            size, received = frame.decode_frame(data)
            data = data[size:] if size else data + client.recv(65536)
            if isinstance(received, frame.Method) and isinstance(received.method, waited[0]):
                waited.pop(0)

    def serve() -> None:
        client, _ = listener.accept()
        with client, suppress(OSError):
            client.recv(8)

            def send(channel: int, *methods: Any) -> None:  # noqa: ANN401 — pika's methods
                for method in methods:
                    client.sendall(frame.Method(channel, method).marshal())

            known = {"capabilities": {"publisher_confirms": True, "basic.nack": True}}
            send(0, spec.Connection.Start(server_properties=known))
            read(client, spec.Connection.StartOk)
            send(0, spec.Connection.Tune(10, 131072, 0))
            read(client, spec.Connection.Open)
            send(0, spec.Connection.OpenOk())
            read(client, spec.Channel.Open)
            send(1, spec.Channel.OpenOk())
            read(client, spec.Confirm.Select)
            send(1, spec.Confirm.SelectOk())
            read(client, *[spec.Basic.Publish] * 3)
            send(1, *confirms)
            while client.recv(65536):
                pass

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"amqp://compta:secret@{LOOPBACK}:{listener.getsockname()[1]}/%2F"


@pytest.mark.parametrize(
    ("confirms", "is_confirmed"),
    [
        ([spec.Basic.Ack(3)], False),
        ([spec.Basic.Ack(2, multiple=True)], False),
        ([spec.Basic.Ack(1), spec.Basic.Ack(3)], False),
        ([spec.Basic.Ack(3, multiple=True)], True),
        ([spec.Basic.Ack(3), spec.Basic.Ack(1), spec.Basic.Ack(2)], True),
    ],
)
def test_several_events_are_published_once_each_is_confirmed(
    event: CloudEvent, confirms: list[spec.Basic.Ack], *, is_confirmed: bool
) -> None:
    with (
        _serve_confirms(*confirms) as url,
        Publisher(url, confirm_seconds=2) as publisher,
        nullcontext() if is_confirmed else pytest.raises(errors.UnconfirmedError),
    ):
        publisher.publish(event, event, event)
