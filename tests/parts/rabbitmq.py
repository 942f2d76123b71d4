"""A private RabbitMQ node, which a test may stop and kill, and its management API."""

import json
import os
import secrets
import socket
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any
from urllib.parse import quote

from tests.parts.packages import RABBITMQ, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.server import Server
from tests.parts.wait import wait_until

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 60


class RabbitNode(Server):
    """A private node: own home, cookie, ports, epmd and data; loopback only; `close` removes it with all its data.

    It has the management API, which creates a virtual host in 10 ms.

    Args:
        config: further lines of rabbitmq.conf.
    """

    user = "tests"

    def __init__(self, *, config: Mapping[str, str] | None = None) -> None:
        require(RABBITMQ)
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        super().__init__(Path(tempfile.mkdtemp(prefix="tests-rabbitmq-")))
        self._epmd_port = free_port()
        self._epmd: Process | None = None
        self.management = Management(free_port(), self.user, self.password)
        self._configure(config or {})

    @property
    def disk_bytes(self) -> int:
        """The size of its data on the disk."""
        sizes = 0
        for path in (self._folder / "data").rglob("*"):
            with suppress(FileNotFoundError):  # removed meanwhile
                sizes += path.stat().st_blocks * 512
        return sizes

    def start(self) -> None:
        if self.alive:
            return
        if self._epmd is None or not self._epmd.alive:
            self._epmd = self._run("epmd", "-address", LOOPBACK, "-port", str(self._epmd_port))
        self._server = self._run("rabbitmq-server")
        wait_until(self._ready, timeout=_START_SECONDS, message="RabbitMQ ready")

    def stop(self) -> None:
        if self._server is not None:
            self._server.end(SIGTERM, timeout=_STOP_SECONDS)

    def close(self) -> None:
        """End the node and its epmd, and remove its files."""
        self.kill()
        if self._epmd is not None:
            self._epmd.end(SIGKILL, timeout=_STOP_SECONDS)
        super().close()

    def url(self, vhost: str = "/", user: str | None = None, password: str | None = None) -> str:
        """The AMQP address of a virtual host, by default for an administrator."""
        who, secret = quote(user or self.user, safe=""), quote(password or self.password, safe="")
        return f"amqp://{who}:{secret}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def create_vhost(self, name: str | None = None) -> str:
        """A new virtual host with all permissions for the administrator; its name."""
        name = name or f"tests-{secrets.token_hex(6)}"
        self.management.request("PUT", f"/vhosts/{quote(name, safe='')}", {})
        return name

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host, its queues and its connections; no effect while the node is down."""
        if self.alive:
            self.management.request("DELETE", f"/vhosts/{quote(name, safe='')}")

    def rabbitmqctl(self, *arguments: str) -> str:
        """The output of `rabbitmqctl --quiet`.

        Raises:
            RuntimeError: it failed; with its message.
        """
        command = [str(RABBITMQ.program("rabbitmqctl")), "--quiet", *arguments]
        done = subprocess.run(
            command,
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def _run(self, program: str, *arguments: str) -> Process:
        command = [str(RABBITMQ.program(program)), *arguments]
        return Process(
            command, env=self._environment, folder=self._folder, log=self._folder / "log.txt"
        )

    def _ready(self) -> bool:
        """AMQP answers before the plugins are up, and another server might answer for a dead node: ask all three."""
        if not self.alive:
            raise RuntimeError(f"RabbitMQ ended while it was starting:\n{self.log()[-3000:]}")
        return self._answers() and self.management.answers() and self.alive

    def _answers(self) -> bool:
        with (
            suppress(OSError),
            socket.create_connection((LOOPBACK, self.port), timeout=5) as connection,
        ):
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"  # a method frame: Connection.Start
        return False

    def _configure(self, further: Mapping[str, str]) -> None:
        lines = {
            "listeners.tcp.1": f"{LOOPBACK}:{self.port}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": str(self.management.port),
            "management_agent.disable_metrics_collector": "true",
            "default_user": self.user,
            "default_pass": self.password,
            "max_message_size": "262144",
            **further,
        }
        self._write("rabbitmq.conf", "".join(f"{key} = {value}\n" for key, value in lines.items()))
        self._write("rabbitmq-env.conf", "")
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write(".erlang.cookie", secrets.token_hex(20)).chmod(0o400)
        compose = (_ROOT / "docker-compose.yml").read_text("utf-8")
        start = compose.partition("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: ")[2].partition("\n")[0]
        interface = "-kernel inet_dist_use_interface {127,0,0,1}"
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "tests@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{interface} {start}",
            "RABBITMQ_CTL_ERL_ARGS": interface,
        }

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text)
        return path


class Management:
    """The API of one node, for its administrator; proxies of the environment are ignored.

    https://www.rabbitmq.com/docs/http-api-reference
    """

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
            connection.request(
                method, f"/api{path}", None if body is None else json.dumps(body), headers
            )
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
