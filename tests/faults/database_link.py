"""The connections between the processes and PostgreSQL, which a test may cut when a commit is answered."""

import selectors
import socket
import threading
from contextlib import suppress
from random import Random

from sqlalchemy import URL

_COMMIT = b"COMMIT\0"
_MOST = 1 << 16


class DatabaseLink:
    """Forwards connections to a server. While `loses` is above 0, that share of the answers to COMMIT is lost.

    The server has committed then, and the process learns nothing but the end of its connection.
    """

    def __init__(self, url: URL) -> None:
        self._server = url.host or "127.0.0.1", url.port or 5432
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        self.loses = 0.0
        self.lost = 0
        """The number of answers that were lost."""
        self._chance = Random(1)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no further connection."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._server) as server:
            for it in (client, server):
                it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._forward(client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        is_committing = False
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    said = key.fileobj.recv(_MOST)  # type: ignore[union-attr]
                    if not said:
                        return
                    if key.fileobj is client:
                        is_committing = _COMMIT in said
                        server.sendall(said)
                    elif is_committing and self._chance.random() < self.loses:
                        self.lost += 1
                        return
                    else:
                        client.sendall(said)
