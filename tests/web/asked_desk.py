"""The screen in this process, in front of the worker's real handlers: what is asked waits until a test lets it work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

from httpx2 import Response
from pydantic import SecretStr
from sqlalchemy import text
from starlette.testclient import TestClient

from producers.errors import BrokerAwayError
from producers.publisher import Publisher
from producers.web.app import create_app
from producers.web.settings import WebSettings
from schemas.envelope import CloudEvent
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from worker.db.engine import build_engine
from worker.handlers.requests.ingest_request import ingest_request

_TAG = re.compile(r"<[^>]*>")
_FIELD = re.compile(r'name="(jeton|formulaire)" value="([^"]+)"')


class AskedScreen:
    """An agent's browser; `sent` is what was published and no worker has read."""

    def __init__(self, desk: DepotsDesk, settings: WebSettings) -> None:
        self.desk = desk
        self.app = create_app(settings, self.publish)
        self.client = TestClient(self.app, base_url="http://127.0.0.1:8000")
        self.sent: list[CloudEvent] = []
        self.is_broker_away = False
        self.publisher: Publisher | None = None
        """A real broker, where a test has one."""

    def publish(self, event: CloudEvent) -> None:
        """As a broker takes it, or does not."""
        if self.is_broker_away:
            raise BrokerAwayError("127.0.0.1:5672", "connexion refusée")
        if self.publisher:
            self.publisher.publish(event)
        self.sent.append(event)

    def work(self) -> None:
        """A worker reads what was published; its files wait."""
        while self.sent:
            ingest_request(self.sent.pop(0), self.desk.services)

    def get(self, path: str) -> Response:
        """A page of the commune."""
        return self.client.get(f"/communes/{COMMUNE}{path}")

    def read(self, path: str) -> str:
        """What a page says, every run of white space one space."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return words(page)

    def post(self, path: str, form: dict[str, Any], *, on: str = "/listes") -> Response:
        """Send a form with the token of the session, as the page `on` gives it."""
        token = next(value for name, value in _FIELD.findall(self.get(on).text) if name == "jeton")
        return self.client.post(f"/communes/{COMMUNE}{path}", data=form | {"jeton": token}, follow_redirects=False)

    def press(self, path: str, *, on: str, times: int = 1) -> None:
        """Press the button of a form that page `on` shows and that is sent to `path`, so many times."""
        page = self.get(on).text
        form = page.partition(f'action="/communes/{COMMUNE}{path}"')[2].partition("</form>")[0]
        assert form, f"no form for {path}"
        fields = dict(_FIELD.findall(form)) | dict(re.findall(r'name="(export)" value="([^"]+)"', form))
        for _ in range(times):
            answer = self.client.post(f"/communes/{COMMUNE}{path}", data=fields, follow_redirects=False)
            assert answer.status_code == 303, answer.text

    def ask(self, *listes: str, format_: str = "csv") -> list[int]:
        """Ask for list files by the page, and let a worker read it; the numbers of the new files, which wait."""
        before = self.numbers()
        form = {"listes": list(listes) or ["P"], "format": format_}
        assert self.post("/listes", form).status_code == 303
        self.work()
        return [number for number in self.numbers() if number not in before]

    def make(self, *listes: str, format_: str = "csv") -> list[int]:
        """Ask, and let a worker make the files."""
        made = self.ask(*listes, format_=format_)
        for number in made:
            assert self.desk.ring(number)["status"] == "ready"
        return made

    def numbers(self) -> list[int]:
        """Every file that was asked for, in order."""
        return self._column("SELECT export_id FROM derniers_exports ORDER BY export_id")

    def requests(self) -> list[int]:
        """Every request that was read, in order."""
        return self._column("SELECT request_id FROM demandes ORDER BY request_id")

    def set_clock(self, instant: datetime) -> None:
        """The screen's own clock; the database keeps its own."""
        self.app.state.services = replace(self.app.state.services, clock=lambda: instant)

    def _column(self, query: str) -> list[int]:
        with self.desk.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())


def words(page: Response) -> str:
    """The text of a page, every run of white space one space."""
    return " ".join(unescape(_TAG.sub(" ", page.text.partition("<main")[2].partition(">")[2])).split())


def once_of(page: Response) -> str:
    """What tells this showing of the page's first form from another."""
    values: list[str] = [value for name, value in _FIELD.findall(page.text) if name == "formulaire"]
    return values[0]


@contextmanager
def open_asked(url: str, folder: Path, **given: Any) -> Iterator[AskedScreen]:  # noqa: ANN401 — fields of WebSettings
    """The screen on this database; its volume and its spool are in this folder."""
    engine = build_engine(url)
    places: dict[str, Any] = {"exports_dir": folder / "exports", "home": folder, "source": "/screen"}
    settings = WebSettings(state_url=SecretStr(url), **places | given)
    screen = AskedScreen(DepotsDesk(engine, folder / "exports"), settings)
    with screen.client:
        yield screen
    engine.dispose()
