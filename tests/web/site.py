"""A whole installation with the accounts of `deploy/`: broker, database, worker, notifier, mails, and the screen."""

import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from common.clock import jour_a_paris
from producers.web.routes import ROUTES
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT, Town, prepare_mouvements
from tests.parts.wait import wait_until
from tests.web.neighbours import LIBREVILLE, add_neighbours


class Site:
    """The running installation; `url` is the screen's address."""

    def __init__(self, deployment: Deployment, folder: Path, mailbox: Mailbox) -> None:
        owner = deployment.database_url("owner")
        self.today = jour_a_paris(datetime.now(UTC))
        prepare_mouvements(owner, self.today)
        self.mailbox = mailbox
        self.town = Town(owner, deployment.broker.url(VHOST), folder, mailbox.port)
        add_neighbours(self.town.engine)
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        self.worker = self.town.start_worker(PREFECTURE_LEASE_SECONDS="30", **_addresses(deployment, "worker"))
        self.town.start_notifier(
            PREFECTURE_PUBLIC_URL=self.url, PREFECTURE_SWEEP_SECONDS="2", **_addresses(deployment, "notifier")
        )
        self._screen = self._open_screen(deployment, folder, port)

    def close(self) -> None:
        """End every process."""
        self._screen.kill()
        self.town.close()

    def _open_screen(self, deployment: Deployment, folder: Path, port: int) -> Process:
        environment = self.town.environment | {
            "PREFECTURE_AMQP_URL": deployment.amqp_url("producteur"),
            "PREFECTURE_STATE_URL": deployment.database_url("lecture"),
            "PREFECTURE_PUBLIC_URL": self.url,
            "PREFECTURE_SOURCE": "/screen",
            "PREFECTURE_WEB_PORT": str(port),
            "PREFECTURE_WEB_AUTH": "proxy",
            "PREFECTURE_WEB_TRUSTED_PROXIES": LOOPBACK,
            "PREFECTURE_WEB_KNOWN_BY": "name",
            "PREFECTURE_WEB_SPOOL_DIR": str(folder / "spool"),
        }
        command = [sys.executable, "-m", "producers", "web"]
        screen = Process(command, env=environment, folder=ROOT, log=folder / "screen.log")
        wait_until(lambda: not screen.alive or _listens(port), message="the screen")
        assert screen.alive, self.town.log("screen")
        return screen


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=5):
        return True
    return False


def _addresses(deployment: Deployment, account: str) -> dict[str, str]:
    return {
        "PREFECTURE_AMQP_URL": deployment.amqp_url(account),
        "PREFECTURE_DATABASE_URL": deployment.database_url(account),
    }


def path_of(name: str, **path: object) -> str:
    """The address of a page by the name of its route."""
    route = next(route for route in ROUTES if route.name == name)
    return str(route.url_path_for(name, **{"commune": LIBREVILLE} | path))
