"""A whole installation with the accounts of `deploy/`: broker, database, worker, notifier, mails, and the screen."""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from common.calendrier import jour_a_paris
from producers.web.app import ROUTES
from schemas.rights import EVERY_COMMUNE
from schemas.topology import (
    QUEUE_LISTES,
    QUEUE_REGISTRE,
    QUEUE_TABLEAUX,
    REQUEST_QUEUES,
    SCREEN_ACCOUNT,
)
from tests.parts.browser import PROXY_SECRET
from tests.parts.databases import SqliteFiles
from tests.parts.deployment import VHOST, Deployment
from tests.parts.mail import Mailbox
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.process import Process
from tests.parts.town import ROOT, Town, prepare_migrated, prepare_mouvements
from tests.parts.wait import wait_until
from tests.web.security_desk import LIBREVILLE, SCREEN_TEMPLATE, SECRET, add_neighbours, write_files
from worker.access.management import allow_sender


class Service(NamedTuple):
    """A worker; `account` is that of the database."""

    account: str
    queues: Sequence[str]
    processes: int = 1
    lane: str = "all"


Crew = Sequence[Service]
_CREW = (
    Service("files", (QUEUE_LISTES, QUEUE_TABLEAUX)),
    Service("registre", (QUEUE_REGISTRE,)),
    Service("requests", REQUEST_QUEUES),
)


class Site:
    """The running installation; `url` is the screen's address.

    Args:
        crew: a crew that is given serves only the accounts that may ask, the usual one also that of the tests.
        is_empty: without LIBREVILLE and GRANDVILLE, and without any import.
    """

    def __init__(
        self,
        deployment: Deployment,
        folder: Path,
        mailbox: Mailbox,
        *,
        crew: Crew = _CREW,
        is_empty: bool = False,
    ) -> None:
        self.deployment = deployment
        owner = deployment.database_url("owner")
        self.today = jour_a_paris(datetime.now(UTC))
        (prepare_migrated if is_empty else partial(prepare_mouvements, today=self.today))(owner)
        self.mailbox = mailbox
        self.town = Town(owner, deployment.broker.url(VHOST), folder, mailbox.port)
        if not is_empty:
            add_neighbours(self.town.engine)
        with self.town.engine.begin() as connection:
            allow_sender(connection, SCREEN_ACCOUNT, EVERY_COMMUNE, actor="site")
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        said = {"LIMIT_LEASE_SECONDS": "30"} | ({} if crew is _CREW else {"ANY_ACCOUNT": ""})
        self.crew = tuple(
            self.town.start_worker(
                *("-p", str(one.processes), "-Q", *one.queues),
                PREFECTURE_WORKER_LANE=one.lane,
                **said,
                **deployment.addresses(one.account),
            )
            for one in crew
        )
        self.worker, self._importer, *_ = self.crew
        self.town.start_notifier(
            PREFECTURE_PUBLIC_URL=self.url,
            LIMIT_SWEEP_SECONDS="2",
            **deployment.addresses("notifier"),
        )
        environment = self.town.environment | {
            "PREFECTURE_AMQP_URL": deployment.amqp_url("ecran"),
            "PREFECTURE_STATE_URL": deployment.database_url("ecran"),
            "PREFECTURE_PUBLIC_URL": self.url,
            "PREFECTURE_SOURCE": "/screen",
            "PREFECTURE_WEB_PORT": str(port),
            "PREFECTURE_WEB_AUTH": "proxy",
            "PREFECTURE_WEB_TRUSTED_PROXIES": LOOPBACK,
            "PREFECTURE_WEB_PROXY_SECRET": PROXY_SECRET,
        }
        self._screen = start_screen(environment, folder / "screen.log")

    @property
    def processes(self) -> Sequence[Process]:
        """The crew, the notifier, the screen, the broker and the database."""
        return (
            *self.town.processes,
            self._screen,
            self.deployment.broker.process,
            self.deployment.server.process,
        )

    def peaks(self) -> dict[str, float]:
        """The maximum memory, in MiB, of the largest process of the screen, of the worker and of the one of exports."""
        processes = {
            "screen": self._screen,
            "worker": self.worker,
            "worker of exports": self._importer,
        }
        return {name: max(map(_peak, process.family)) for name, process in processes.items()}

    def close(self) -> None:
        self._screen.kill()
        self.town.close()


@contextmanager
def open_site(folder: Path, *, crew: Crew = _CREW, is_empty: bool = False) -> Iterator[Site]:
    """An installation that runs until the end of the block."""
    mailbox = Mailbox()
    mailbox.start()
    (folder / "deployment").mkdir()
    with Deployment(folder / "deployment") as deployment:
        site = Site(deployment, folder, mailbox, crew=crew, is_empty=is_empty)
        yield site
        site.close()
    mailbox.stop()


def screen_environment(folder: Path, sqlite_files: SqliteFiles, public_url: str) -> dict[str, str]:
    """The variables of a screen on the small database of `security_desk`, without a broker."""
    write_files(folder / "exports")
    return {
        "PATH": os.environ["PATH"],
        "PREFECTURE_STATE_URL": sqlite_files.create(folder / "screen.sqlite3", SCREEN_TEMPLATE),
        "PREFECTURE_AMQP_URL": f"amqp://nobody:nothing@{LOOPBACK}:1/",
        "PREFECTURE_EXPORTS_DIR": str(folder / "exports"),
        "PREFECTURE_HOME": str(folder),
        "PREFECTURE_PUBLIC_URL": public_url,
        "PREFECTURE_WEB_SECRET": SECRET,
        "PREFECTURE_WEB_PORT": str(free_port()),
    }


def start_screen(environment: dict[str, str], log: Path) -> Process:
    """A screen's process, once it listens."""
    screen = Process(
        [sys.executable, "-m", "producers", "web"], env=environment, folder=ROOT, log=log
    )
    port = int(environment["PREFECTURE_WEB_PORT"])
    wait_until(lambda: not screen.alive or _listens(port), message="the screen")
    assert screen.alive, log.read_text()
    return screen


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=5):
        return True
    return False


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def path_of(name: str, **path: object) -> str:
    """The address of a page by the name of its route."""
    route = next(route for route in ROUTES if route.name == name)
    return str(route.url_path_for(name, **{"commune": LIBREVILLE} | path))
