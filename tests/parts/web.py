"""An HTTP server on the loopback interface that records requests, and answers as the test tells it."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.parts.certificates import Certificate
from tests.parts.ports import LOOPBACK


@dataclass(frozen=True)
class Post:
    """One recorded request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class WebServer:
    """The received requests, and the status and headers of the answers."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    posts: list[Post] = field(default_factory=list)
    on_post: Callable[[], object] = lambda: None
    """Called after a request is recorded and before it is answered."""

    def url(self, path: str = "/hook", scheme: str = "http", host: str = LOOPBACK) -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(certificate: Certificate | None = None) -> Iterator[WebServer]:
    """The listening server; with a certificate, it uses TLS."""
    state = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.posts.append(
                Post(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            )
            state.on_post()
            self.send_response(state.status)
            for name, value in {"Content-Length": str(len(state.body)), **state.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body)

        do_GET = do_PUT = do_POST  # noqa: N815 — the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
            """Quiet."""

    server = _Quiet((LOOPBACK, 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Ignore clients that disconnect early, as some tests do."""
