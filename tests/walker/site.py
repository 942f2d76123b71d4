"""The product in one process: register, worker, notifier and screen, each in turn, by the clock of a history."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, time
from pathlib import Path
from threading import Event
from typing import IO, Any
from zoneinfo import ZoneInfo

from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from producers.web.app import create_app
from producers.web.page_context import WebServices
from producers.web.settings import WebSettings
from schemas.topology import TOKEN_QUEUES
from tests.oracle.history import COMMUNES, Commune
from tests.walker.browser import Browser
from tests.walker.clock import POSTGRESQL, Clock
from worker.access.models import Agent
from worker.compose import build_chores, build_notifier
from worker.db.engine import build_engine
from worker.db.migrate import migrate
from worker.handlers.next_work import do_next_work
from worker.housekeeping.housekeeping import do_steps
from worker.messaging.queues import TokenQueues
from worker.registre.communes import add_commune
from worker.settings import Settings
from worker.solo.process import Solo
from worker.work.queue import count_due

AGENTS = ("agent-matin", "agent-soir")
_PROXY, _SECRET = "127.0.0.1", "s" * 40
_NEVER = Event()


def prepare(url: str) -> None:
    """Migrate a database, and add the communes of the histories and their agents."""
    engine = build_engine(url)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            for statement in POSTGRESQL:
                connection.execute(text(statement))
    migrate(engine)
    with engine.begin() as connection:
        for commune in COMMUNES:
            add_commune(connection, commune.code, commune.nom)
    with Session(engine) as session, session.begin():
        for commune in COMMUNES:
            session.add_all(
                Agent(name=it, code_commune=commune.code, email=f"{it}@mairie.example")
                for it in AGENTS
            )
    engine.dispose()


def read_here(
    parser: Callable[..., Iterable[object]],
    files: Sequence[IO[bytes]],
    _budget: object,
    *about: object,
    **_how: object,
) -> Iterator[Any]:
    """Run the reader of an export in this process: a child for each takes half the time of a history."""
    for file in files:
        file.flush()
    for value in parser(*files, *json.loads(json.dumps(about))):
        yield json.loads(json.dumps(value))


class Site:
    """An installation. Works are done after each form, so that the next page shows their results.

    All histories share one process; `restore` gives the database of the beginning again, once no connection is open.
    """

    def __init__(self, url: str, folder: Path, clock: Clock, restore: Callable[[], object]) -> None:
        self.clock, self._folder, self._restore = clock, folder, restore
        self._settings = Settings(
            database_url=SecretStr(url), home=folder, exports_dir=folder / "exports"
        )
        restore()
        self._solo = Solo(self._settings)
        self._services = self._solo.services
        self.engine = self._services.engine
        self._tokens = TokenQueues(self._solo._broker)  # noqa: SLF001 — as the embedded mode gives it
        self._notifier = build_notifier(
            self._settings, self.engine, tokens=self._tokens, publish=None
        )
        web = WebSettings(
            state_url=SecretStr(url),
            source="/solo",
            home=folder,
            exports_dir=folder / "exports",
            web_auth="proxy",
            web_trusted_proxies=(_PROXY,),  # type: ignore[arg-type]
            public_url="http://127.0.0.1:8000",
            web_secret=SecretStr(_SECRET),
            web_proxy_secret=SecretStr(_SECRET),
        )
        self._app = create_app(web, self._solo.publish)
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(
            start_blocking_portal()
        )  # one loop for all requests

    @property
    def screen(self) -> WebServices:
        services: WebServices = self._app.state.services
        return services

    def begin(self, commune: Commune, day: date) -> None:
        """Begin a history: the installation as it was before the first import."""
        self.engine.dispose()
        self.screen.state.close()
        for name in ("exports", "arrivals", "spool", "mails"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self._restore()
        self.commune = commune
        self.walk: list[str] = []
        self.screen.seen.clear()
        self.go_to(day)

    def go_to(self, day: date) -> None:
        """Let the morning of a day come: the periodic tasks of the night are done."""
        hour = time(self.commune.hour)
        self.clock.instant = datetime.combine(day, hour, ZoneInfo(self.commune.zone))
        self._show_clock()
        self.walk.append(f"-- {day}")
        chores = build_chores(self._settings, self.engine, self._tokens)
        while do_steps(chores, _NEVER):
            pass
        self.settle()

    def browser(self, agent: str) -> Browser:
        client = TestClient(
            self._app,
            base_url="http://127.0.0.1:8000",
            client=(_PROXY, 50_000),
            headers={"X-Prefecture-Secret": _SECRET},
            follow_redirects=False,
        )
        client.portal = self._portal
        return Browser(client, agent, self.walk, self.settle)

    def settle(self) -> None:
        """Do all due works, as the workers and the notifier do; a second passes."""
        self.clock.tick()
        self._show_clock()
        self.screen.spool.drain()
        self.screen.rates.__init__()  # type: ignore[misc]  # a clerk takes longer than the limit of forms
        while self._work():
            pass

    def address(self, page: str, **path: object) -> str:
        return str(self._app.url_path_for(page, commune=self.commune.code, **path))

    def close(self) -> None:
        self.engine.dispose()
        self.screen.state.close()
        self._stack.close()

    def _work(self) -> bool:
        done = False
        for queue in TOKEN_QUEUES:
            while self._count(queue):
                do_next_work(queue, self._services)
                done = True
        return self._notifier.work(_NEVER) > 0 or done

    def _count(self, queue: str) -> int:
        with self.engine.begin() as connection:
            return count_due(connection, queue)

    def _show_clock(self) -> None:
        if self.engine.dialect.name == "postgresql":
            with self.engine.begin() as connection:
                connection.execute(
                    text("UPDATE walker_clock SET at = :at"), {"at": self.clock.now()}
                )
