"""Which hosts a webhook may lead to: those that the operator lists, and no internal host behind their names.

A listed name may resolve to 127.0.0.1 or to a router (SSRF). So its addresses are checked too, and the connection is
made to a checked address, not to a later resolution of the name.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from worker.notifier.channels.delivery import DeliveryDelayedError, DeliveryRefusedError

IpAddress = IPv4Address | IPv6Address

VARIABLE = "PREFECTURE_WEBHOOK_HOSTS"


@dataclass(frozen=True)
class Hosts:
    """The listed names (`hooks.mairie.example`), and the listed private networks or addresses."""

    names: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = field(default=())

    @classmethod
    def parse(cls, items: Iterable[str]) -> "Hosts":
        """Parse the list; a single address is a network of one address."""
        names, networks = set(), []
        for item in items:
            try:
                networks.append(ip_network(item.strip("[]"), strict=False))
            except ValueError:
                names.add(item.lower().rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def check(self, url: str) -> SplitResult:
        """Return the parts of a webhook's address.

        Raises:
            DeliveryRefusedError: it is no such address, or its host is not on the list.
        """
        parts = _split(url)
        host = parts.hostname or ""
        address = _parse(host)
        if host.rstrip(".") not in self.names and not self._is_listed(address):
            raise DeliveryRefusedError(f"hôte absent de {VARIABLE}")
        if parts.scheme != "https" and not (address and address.is_loopback):
            raise DeliveryRefusedError("adresse sans TLS : https:// est attendu")
        return parts

    def resolve(self, parts: SplitResult) -> list[str]:
        """Return the addresses to connect to.

        Raises:
            DeliveryDelayedError: the name cannot be resolved now.
            DeliveryRefusedError: the name leads to a private address that is not on the list.
        """
        try:
            found = socket.getaddrinfo(
                parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM
            )
        except OSError as trouble:
            raise DeliveryDelayedError(f"nom d'hôte inconnu ({type(trouble).__name__})") from None
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        if not all(
            _is_public(address) or self._is_listed(address) for address in map(_parse, addresses)
        ):
            raise DeliveryRefusedError(f"hôte du réseau interne, absent de {VARIABLE}")
        return list(addresses)

    def _is_listed(self, address: IpAddress | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


_PORTS = {"https": 443, "http": 80}


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or not url.isascii() or not url.isprintable() or " " in url:
        raise DeliveryRefusedError("adresse https:// attendue")
    if parts.username is not None or parts.fragment:
        raise DeliveryRefusedError("adresse sans compte ni « # » attendue")
    return parts


def _parse(host: str) -> IpAddress | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_public(address: IpAddress | None) -> bool:
    return address is not None and address.is_global
