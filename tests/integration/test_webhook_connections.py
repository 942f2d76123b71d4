"""Where a webhook connects, by real connections: the host proves its name, and nobody keeps us waiting."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.vocabulary import Channel
from tests.parts.certificates import Authority
from tests.parts.ports import LOOPBACK
from tests.parts.web import WebServer, serving
from worker.notifier.channels import webhook
from worker.notifier.channels.delivery import Addressee, DeliveryDelayedError, DeliveryRefusedError
from worker.notifier.channels.hosts import Hosts
from worker.notifier.channels.webhook import WebhookSender, make_secret
from worker.notifier.recipients import try_recipient

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as web:
        yield web


def send(url: str, *hosts: str) -> None:
    addressee = Addressee("r1", Channel.WEBHOOK, url, "", frozenset(), make_secret())
    try_recipient({Channel.WEBHOOK: WebhookSender(Hosts.parse(hosts))}, addressee, lieu="13900")


def test_the_host_must_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "autorite")
    with serving(authority.sign("localhost")) as server:
        url = server.url(scheme="https", host="localhost")
        with pytest.raises(DeliveryDelayedError, match="SSLCertVerificationError"):
            send(url, "localhost", LOOPBACK, "::1")
        assert server.posts == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
        send(url, "localhost", LOOPBACK, "::1")
        assert server.posts[0].body == b"[]"
        with pytest.raises(DeliveryDelayedError, match="SSLCertVerificationError"):
            send(server.url(scheme="https"), LOOPBACK)


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server((LOOPBACK, 0)) as silent:
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}/"
        with pytest.raises(DeliveryDelayedError, match="TimeoutError"):
            send(url, LOOPBACK)


def test_a_server_that_says_little_for_long_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.5)
    with socket.create_server((LOOPBACK, 0)) as slow:
        stop = threading.Event()
        thread = threading.Thread(target=_drip, args=(slow, stop))
        thread.start()
        try:
            with pytest.raises(DeliveryDelayedError):
                send(f"http://{LOOPBACK}:{slow.getsockname()[1]}/", LOOPBACK)
        finally:
            stop.set()
            thread.join(timeout=60)
    assert not thread.is_alive()


def _drip(listener: socket.socket, stop: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        while not stop.wait(0.05):
            try:
                connection.sendall(b"H")
            except OSError:
                return


def test_without_tls_nothing_leaves_this_machine() -> None:
    with pytest.raises(DeliveryRefusedError, match="sans TLS"):
        send("http://hooks.example.org/", "hooks.example.org")
