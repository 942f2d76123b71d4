"""The allowed addresses of a webhook, and the addresses that a name may resolve to."""

import socket
from collections.abc import Callable
from unittest.mock import Mock, call

import pytest

from worker.notifier.channels.delivery import (
    DeliveryDelayedError,
    DeliveryRefusedError,
    cut_after,
    dial,
)
from worker.notifier.channels.hosts import Hosts

Resolve = Callable[..., list[str]]

LISTED = Hosts.parse(["hooks.example.org", "10.20.0.0/16", "127.0.0.1", "::1"])


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://hooks.example.org/a?b=c",
            "https://HOOKS.example.org:8443/",
            "https://hooks.example.org./",
        ),
        *("https://10.20.3.4/", "http://127.0.0.1:8080/", "http://[::1]:8080/"),
    ],
)
def test_what_is_listed_is_taken(url: str) -> None:
    assert LISTED.check(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.org/",
            "https://evil.hooks.example.org/",
            "https://hooks.example.org.evil.example/",
        ),
        *(
            "https://10.21.0.1/",
            "https://127.0.0.2/",
            "https://[::2]/",
            "https://0x7f.1/",
            "https://2130706433/",
        ),
        *(
            "http://hooks.example.org/",
            "http://10.20.3.4/",
            "ftp://hooks.example.org/",
            "file:///etc/passwd",
        ),
        *(
            "https://user:pass@hooks.example.org/",
            "https://hooks.example.org@evil.example/",
            "https://hooks.example.org/#x",
        ),
        *(
            "https://hooks.example.org/\r\nX: y",
            "https://hooks.example.org/ x",
            "https://hooks.example.org/é",
            "",
        ),
        *(
            "https://hooks.example.org:99999/",
            "https://hooks.example.org:0/",
            "https://[",
            "//hooks.example.org/",
        ),
        "https://hooks.example.org\\@evil.example/",
    ],
)
def test_what_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(DeliveryRefusedError):
        LISTED.check(url)


def test_without_a_list_nothing_is_taken() -> None:
    with pytest.raises(DeliveryRefusedError, match="PREFECTURE_WEBHOOK_HOSTS"):
        Hosts().check("https://hooks.example.org/")


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Resolve the name as the test says."""

    def lead_to(*addresses: str) -> list[str]:
        entries = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
        return LISTED.resolve(LISTED.check("https://hooks.example.org/"))

    return lead_to


@pytest.mark.parametrize(
    "addresses", [["93.184.215.14"], ["2606:2800:21f::1", "93.184.215.14"], ["10.20.0.7"]]
)
def test_a_name_may_lead_to_the_internet_and_to_what_is_listed(
    resolve: Resolve, addresses: list[str]
) -> None:
    assert resolve(*addresses) == addresses


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.53", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "255.255.255.255", "::", "fe80::1", "fe80::1%eth0", "fc00::1"),  # noqa: S104
        "::ffff:10.0.0.1",
    ],
)
def test_a_name_may_not_lead_inside(resolve: Resolve, address: str) -> None:
    with pytest.raises(DeliveryRefusedError, match="réseau interne"):
        resolve(address)
    with pytest.raises(DeliveryRefusedError, match="réseau interne"):
        resolve("93.184.215.14", address)


def test_a_name_that_is_not_known_now_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DeliveryDelayedError, match="nom d'hôte inconnu"):
        LISTED.resolve(LISTED.check("https://hooks.example.org/"))


def test_the_many_addresses_of_a_name_take_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = Mock(side_effect=TimeoutError)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TimeoutError):
        dial([f"10.20.0.{number}" for number in range(20)], 443, 15)
    assert connect.mock_calls == [call((f"10.20.0.{number}", 443), 15 / 4) for number in range(4)]


def test_a_connection_that_begins_tls_is_cut_in_time() -> None:
    ours, theirs = socket.socketpair()
    with theirs, cut_after(0.1, ours), socket.socket(fileno=ours.detach()) as as_wrapped:
        as_wrapped.settimeout(10)
        assert as_wrapped.recv(1) == b""
