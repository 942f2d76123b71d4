"""How the screen is: asked from beside it by a container, and of the broker by the screen."""

import socket
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

_SECONDS = 5
_BROKER_SECONDS = 1
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 — where a listener on all is asked
_READY = 200
_PORTS = {"amqp": 5672, "amqps": 5671}


class Health(NamedTuple):
    """What the screen said of itself, in French."""

    is_ready: bool
    text: str


def ask_health(host: str, port: int) -> Health:
    """Ask the screen that listens on this computer."""
    connection = HTTPConnection(_ANY.get(host, host), port, timeout=_SECONDS)
    try:
        connection.request("GET", "/sante")
        answer = connection.getresponse()
        return Health(answer.status == _READY, answer.read(1000).decode("utf-8", "replace"))
    except (OSError, HTTPException):
        return Health(is_ready=False, text="l'écran ne répond pas")
    finally:
        connection.close()


def answers(amqp_url: str) -> bool:
    """Whether something listens where the broker should; no account is tried."""
    try:
        parts = urlsplit(amqp_url)
        place = (parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 5672))
        with socket.create_connection(place, timeout=_BROKER_SECONDS):
            return True
    except (OSError, ValueError):
        return False
