"""Ports on the loopback interface for our own servers."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range that Linux gives to outgoing connections (32768 and up): a port of that range can be taken while
# its server is down, and a client that reconnects in a loop can even end up connected to itself.
_RANGE = range(20_000, 32_768)

_given: set[int] = set()


def free_port() -> int:
    """A port without a listener that this process has not returned before."""
    while True:
        port = random.choice(_RANGE)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
