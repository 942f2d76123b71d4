"""The screen on a port, until it is asked to stop."""

import errno
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import LOGGING_CONFIG

from producers.errors import ProducerConfigurationError

_GRACE_SECONDS = 2
"""How long a page under way may take once the screen is asked to stop; event streams end at once."""

_REASONS = {
    errno.EADDRINUSE: "un autre programme occupe ce port",
    errno.EACCES: "ce port est réservé à l'administrateur",
    errno.EADDRNOTAVAIL: "cette adresse n'est pas celle de cet ordinateur",
}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()


def address(host: str, port: int) -> str:
    """What is typed in a browser on this computer."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises:
        ProducerConfigurationError: another program has it, or the address is not this computer's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, "adresse inutilisable")
        raise ProducerConfigurationError(
            f"l'écran ne peut pas s'ouvrir sur {address(host, port)} : {reason}. Arrêtez ce qui l'en empêche, ou "
            "choisissez un autre port par PREFECTURE_WEB_PORT (8001, par exemple)"
        ) from None


def serve(
    app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], None] = lambda: None, quiet: bool = False
) -> None:
    """Answer until SIGINT or SIGTERM, then return; `quiet` leaves uvicorn's logs to who configured logging."""
    config = uvicorn.Config(
        app,
        log_config=None if quiet else LOGGING_CONFIG,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # read by `middleware.TrustedProxies`, for listed proxies only
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # uvicorn raises the signal again once it has ended: nobody is to die of it.
    before = {which: signal.signal(which, lambda *_: None) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        _Server(config, on_ready).run(sockets=[listener])
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
