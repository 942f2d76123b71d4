"""Runs the screen on a port until it is stopped."""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode, urlsplit

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from producers.errors import ProducerConfigurationError
from producers.web.security import KEY_FIELD
from producers.web.settings import WebSettings

_REASONS = {
    errno.EADDRINUSE: "un autre programme occupe ce port",
    errno.EACCES: "ce port est réservé à l'administrateur",
    errno.EADDRNOTAVAIL: "cette adresse n'est pas celle de cet ordinateur",
}


class PatientProtocol(H11Protocol):
    """uvicorn's protocol; a request's headers have `patience` seconds, each CHUNK of a response `chunk_patience`."""

    patience, chunk_patience = 20.0, 60.0
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Linux reports a socket as writable when a third of its buffer is free; by itself the buffer grows to 4 MiB.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed body. The page that already runs has nobody to answer: what it sends is dropped."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.chunk_patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def opening_address(settings: WebSettings, key: str) -> str:
    """Return the URL of the user of this computer: with the key, if there is no login."""
    place = (
        settings.public_url if settings.own_name else address(settings.web_host, settings.web_port)
    )
    return f"{place}/ouvrir?{urlencode({KEY_FIELD: key})}" if settings.web_auth == "none" else place


def listen(host: str, port: int) -> socket.socket:
    """Bind the port. Raises `ProducerConfigurationError` if it is in use, or the address is not this computer's."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, "adresse inutilisable")
        raise ProducerConfigurationError(
            f"l'écran ne peut pas s'ouvrir sur {address(host, port)} : {reason}. Arrêtez ce qui l'en empêche, ou "
            "choisissez un autre port par PREFECTURE_WEB_PORT (8001, par exemple)"
        ) from None


@contextmanager
def listen_here(settings: WebSettings) -> Iterator[list[socket.socket]]:
    """Bind the port until the end of the block, as `listen` does.

    A browser resolves a name under `.localhost` to 127.0.0.1 or ::1. Both are bound, so that no other account of this
    computer can bind one of them and receive the cookie.
    """
    with ExitStack() as ends:
        hosts = [settings.web_host]
        if settings.own_name:
            hosts = ["127.0.0.1", "::1"] if _has_ipv6() else ["127.0.0.1"]
        yield [ends.enter_context(listen(host, settings.web_port)) for host in hosts]


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def configure(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,  # the entry points configure the logs
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `middleware.TrustedProxies` reads them, for listed proxies only
        timeout_graceful_shutdown=2,  # seconds for a running request to finish
    )


def serve(
    app: ASGIApp, listeners: list[socket.socket], *, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM, then return; `on_ready` is called first: the ports accept connections already."""
    config = configure(app)
    gc.collect()
    gc.freeze()  # loaded objects live as long as the process; scanning them again delays a page by 70 ms
    # uvicorn raises the signal again after its end, which must not kill the process.
    before = {
        which: signal.signal(which, lambda *_: None) for which in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        on_ready()
        uvicorn.Server(config).run(sockets=listeners)
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def answers(amqp_url: str) -> bool:
    """Whether the broker's port accepts connections; no login is tried."""
    try:
        parts = urlsplit(amqp_url)
        place = (
            parts.hostname or "localhost",
            parts.port or {"amqps": 5671}.get(parts.scheme, 5672),
        )
        with socket.create_connection(place, timeout=1):
            return True
    except (OSError, ValueError):
        return False
