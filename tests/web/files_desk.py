"""The screen in this process, with real files of LIBREVILLE, and the handlers that read what an agent declares."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

from httpx2 import Response
from pydantic import SecretStr
from sqlalchemy import RowMapping, text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from producers.errors import BrokerAwayError
from producers.publisher import Publisher
from producers.web.app import create_app
from producers.web.exports.spool import Spool
from producers.web.settings import WebSettings
from schemas.envelope import CloudEvent
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.depots_desk import DepotsDesk
from tests.integration.export_desk import COMMUNE
from tests.parts.town import AGENT, TODAY
from worker.db.engine import build_engine
from worker.demo.libreville import demo_calendrier
from worker.handlers.requests.ingest_request import ingest_request

_TAG = re.compile(r"<[^>]*>")
_TOKEN = re.compile(r'name="jeton" value="([^"]+)"')
_FIELD = re.compile(r'name="(jeton|formulaire)" value="([^"]+)"')
_SPACES = re.compile(r"\s+")


@dataclass
class Broker:
    """Where events go; `is_away` for a while."""

    events: list[CloudEvent] = field(default_factory=list)
    is_away: bool = False
    real: Publisher | None = None
    """A real broker, where a test has one."""

    def publish(self, event: CloudEvent) -> None:
        """As a broker takes it, or does not."""
        if self.is_away:
            raise BrokerAwayError("127.0.0.1:5672", "connexion refusée")
        if self.real:
            self.real.publish(event)
        self.events.append(event)


class FilesScreen:
    """A browser on the screen; what is published waits at the broker until `work`."""

    def __init__(self, desk: DepotsDesk, client: TestClient, broker: Broker) -> None:
        self.desk, self.client, self.broker = desk, client, broker
        self.commune = COMMUNE

    def work(self) -> None:
        """A worker reads what was published."""
        while self.broker.events:
            ingest_request(self.broker.events.pop(0), self.desk.services)

    def path(self, name: str, **path: object) -> str:
        """The address of a page."""
        return str(self.app.url_path_for(name, commune=self.commune, **path))

    def get(self, name: str, query: str = "", **path: object) -> Response:
        """A page as it comes."""
        return self.client.get(self.path(name, **path) + (f"?{query}" if query else ""))

    def read(self, name: str, query: str = "", **path: object) -> str:
        """What a page says, every run of white space one space."""
        response = self.get(name, query, **path)
        assert response.status_code == 200, response.text
        return words(response)

    def post(
        self,
        name: str,
        data: dict[str, Any],
        *,
        files: Any = None,  # noqa: ANN401 — as the client takes them
        query: str = "",
        **path: object,
    ) -> Response:
        """Send a form, with the token of the session."""
        token = _TOKEN.search(self.get("listes").text)
        assert token
        data = data | {"jeton": unescape(token[1])}
        address = self.path(name, **path) + (f"?{query}" if query else "")
        return self.client.post(address, data=data, files=files, follow_redirects=False)

    def make(self, liste: Liste = Liste.PRINCIPALE, format_: Format = Format.CSV) -> RowMapping:
        """A file, made by the worker's handler."""
        return self.desk.make(format_, liste=liste)

    def make_tableau(self, type_: TypeTableau, **fields: Any) -> int:  # noqa: ANN401 — of the request
        """A tableau of the principal list for the coming poll, made by the worker's handlers; its number."""
        scrutin = demo_calendrier(TODAY).scrutin
        asked = {"commune": COMMUNE, "listes": ["P"], "types": [type_], "scrutin": scrutin, "requested_by": AGENT}
        event = CloudEvent.wrap(TableauxRenderRequested.model_validate(asked | fields), source="/test")
        ingest_request(event, self.desk.services)
        with self.desk.engine.connect() as connection:
            export: int = connection.execute(text("SELECT max(export_id) FROM derniers_exports")).scalar_one()
        assert self.desk.process(export)["status"] == "ready"
        return export

    def at(self, path: str) -> Response:
        """A page of the commune by its address."""
        return self.client.get(f"/communes/{self.commune}{path}")

    def read_at(self, path: str) -> str:
        """The text of a page by its address, a space in the place of each tag."""
        page = self.at(path)
        assert page.status_code == 200, page.text
        return spaced_words(page)

    def send(self, path: str, form: dict[str, Any]) -> Response:
        """Send a form to an address, with the token of the session."""
        token = dict(_FIELD.findall(self.at("/listes").text))["jeton"]
        address = f"/communes/{self.commune}{path}"
        return self.client.post(address, data=form | {"jeton": token}, follow_redirects=False)

    def press(self, path: str, *, on: str, times: int = 1) -> None:
        """Press the button of a form that page `on` shows and that is sent to `path`, so many times."""
        form = self.at(on).text.partition(f'action="/communes/{self.commune}{path}"')[2].partition("</form>")[0]
        assert form, f"no form for {path}"
        fields = dict(_FIELD.findall(form)) | dict(re.findall(r'name="(export)" value="([^"]+)"', form))
        for _ in range(times):
            answer = self.client.post(f"/communes/{self.commune}{path}", data=fields, follow_redirects=False)
            assert answer.status_code == 303, answer.text

    def ask(self, *listes: str, format_: str = "csv") -> list[int]:
        """Ask for list files by the page, and let a worker read it; the numbers of the new files, which wait."""
        before = self.numbers()
        assert self.send("/listes", {"listes": list(listes), "format": format_}).status_code == 303
        self.work()
        return [number for number in self.numbers() if number not in before]

    def ask_and_make(self, *listes: str, format_: str = "csv") -> list[int]:
        """Ask by the page, and let a worker make the files."""
        made = self.ask(*listes, format_=format_)
        for number in made:
            assert self.desk.process(number)["status"] == "ready"
        return made

    def numbers(self) -> list[int]:
        """Every file that was asked for, in order."""
        return self._column("SELECT export_id FROM derniers_exports ORDER BY export_id")

    def requests(self) -> list[int]:
        """Every request that was read, in order."""
        return self._column("SELECT request_id FROM demandes ORDER BY request_id")

    @property
    def app(self) -> Starlette:
        """The screen itself."""
        app: Starlette = self.client.app  # type: ignore[assignment]
        return app

    @property
    def spool(self) -> Spool:
        """Where the screen keeps what is not taken for now."""
        spool: Spool = self.app.state.services.spool
        return spool

    def set_clock(self, instant: datetime) -> None:
        """The screen's own clock; the database keeps its own."""
        self.app.state.services = replace(self.app.state.services, clock=lambda: instant)

    def _column(self, query: str) -> list[int]:
        with self.desk.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())


def words(response: Response) -> str:
    """The text of a page, every run of white space one space."""
    return _SPACES.sub(" ", unescape(_TAG.sub("", response.text.partition("<main")[2])))


def spaced_words(response: Response) -> str:
    """The same, with a space in the place of each tag."""
    return " ".join(unescape(_TAG.sub(" ", response.text.partition("<main")[2].partition(">")[2])).split())


def once_of(page: Response) -> str:
    """What tells this showing of the page's first form from another."""
    values: list[str] = [value for name, value in _FIELD.findall(page.text) if name == "formulaire"]
    return values[0]


@contextmanager
def open_screen(url: str, folder: Path, **given: Any) -> Iterator[FilesScreen]:  # noqa: ANN401 — of WebSettings
    """The screen on this database, its volume and its spool in this folder."""
    engine = build_engine(url)
    desk = DepotsDesk(engine, folder / "exports")
    places: dict[str, Any] = {"exports_dir": folder / "exports", "home": folder, "source": "/screen"}
    settings = WebSettings(state_url=SecretStr(url), **places | given)
    broker = Broker()
    with TestClient(create_app(settings, broker.publish), base_url="http://127.0.0.1:8000") as client:
        yield FilesScreen(desk, client, broker)
    engine.dispose()
