"""RabbitMQ's management API: https://www.rabbitmq.com/docs/http-api-reference."""

import json
from base64 import b64encode
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.parts.ports import LOOPBACK


class Management:
    """The API of one node, for its administrator; proxies of the environment are ignored."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.port = port
        self._authorization = "Basic " + b64encode(f"{user}:{password}".encode()).decode()

    def request(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 — JSON
        """The JSON of the response, or None without a body; `path` begins after `/api`.

        Raises:
            RuntimeError: the API refused; with its status and message.
            OSError: the node does not answer.
        """
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        with closing(HTTPConnection(LOOPBACK, self.port, timeout=60)) as connection:
            connection.request(method, f"/api{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text}")
        return json.loads(text) if text else None

    def answers(self) -> bool:
        """Whether the API is up."""
        try:
            self.request("GET", "/whoami")
        except (OSError, HTTPException, RuntimeError):
            return False
        return True
