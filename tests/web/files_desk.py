"""The screen in this process, with real files of LIBREVILLE, and the handlers of an agent's declarations."""

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

from producers.errors import PublishError
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
    """Collects the published events; raises while `is_away`."""

    events: list[CloudEvent] = field(default_factory=list)
    is_away: bool = False
    real: Publisher | None = None
    """A real broker, where a test has one."""

    def publish(self, *events: CloudEvent, token: str = "") -> None:
        if self.is_away:
            raise PublishError("RabbitMQ (127.0.0.1:5672) est injoignable")
        if self.real:
            self.real.publish(*events, token=token)
        self.events.extend(events)


class FilesScreen:
    """A client of the screen; published events wait at the broker until `work`."""

    def __init__(self, desk: DepotsDesk, client: TestClient, broker: Broker) -> None:
        self.desk, self.client, self.broker = desk, client, broker
        self.commune = COMMUNE

    def work(self) -> None:
        """Ingest the published events, as a worker does."""
        while self.broker.events:
            ingest_request(self.broker.events.pop(0), self.desk.services)

    def path(self, name: str, **path: object) -> str:
        """The path of a page by its name, or by its address after the commune's, which begins with a slash."""
        if name.startswith("/"):
            return f"/communes/{self.commune}{name}"
        return str(self.app.url_path_for(name, commune=self.commune, **path))

    def get(self, name: str, query: str = "", **path: object) -> Response:
        """The response of a page."""
        return self.client.get(self.path(name, **path) + (f"?{query}" if query else ""))

    def read(self, name: str, query: str = "", **path: object) -> str:
        """The text of a page, with each run of white space as one space."""
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
        """Send a form with the token of the session."""
        token = _TOKEN.search(self.get("listes").text)
        assert token
        data = data | {"jeton": unescape(token[1])}
        address = self.path(name, **path) + (f"?{query}" if query else "")
        return self.client.post(address, data=data, files=files, follow_redirects=False)

    def make(self, liste: Liste = Liste.PRINCIPALE, format_: Format = Format.CSV) -> RowMapping:
        """Make a list file with the worker's handler; its row."""
        return self.desk.make(format_, liste=liste)

    def make_tableau(self, type_: TypeTableau, **fields: Any) -> int:  # noqa: ANN401 — of the request
        """Make a tableau of the principal list for the coming poll with the worker's handlers; its id."""
        scrutin = demo_calendrier(TODAY).scrutin
        asked = {
            "commune": COMMUNE,
            "listes": ["P"],
            "types": [type_],
            "scrutin": scrutin,
            "requested_by": AGENT,
        }
        event = CloudEvent.wrap(
            TableauxRenderRequested.model_validate(asked | fields), source="/test"
        )
        ingest_request(event, self.desk.services)
        with self.desk.engine.connect() as connection:
            export: int = connection.execute(
                text("SELECT max(export_id) FROM derniers_exports")
            ).scalar_one()
        assert self.desk.process(export)["status"] == "ready"
        return export

    def read_at(self, path: str) -> str:
        """The text of a page by its address, with a space in place of each tag."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return spaced_words(page)

    def press(self, path: str, *, on: str, times: int = 1) -> None:
        """Press, this many times, the button of the form on the page `on` whose target is `path`."""
        form = (
            self.get(on)
            .text.partition(f'action="/communes/{self.commune}{path}"')[2]
            .partition("</form>")[0]
        )
        assert form, f"no form for {path}"
        fields = dict(_FIELD.findall(form)) | dict(
            re.findall(r'name="(export)" value="([^"]+)"', form)
        )
        for _ in range(times):
            answer = self.client.post(
                f"/communes/{self.commune}{path}", data=fields, follow_redirects=False
            )
            assert answer.status_code == 303, answer.text

    def ask(self, *listes: str, format_: str = "csv") -> list[int]:
        """Request list files on the page, and ingest the request; the ids of the new, queued files."""
        before = self.numbers()
        form = {"listes": list(listes), "format": format_, "encore": "oui"}
        assert self.post("/listes", form).status_code == 303
        self.work()
        return [number for number in self.numbers() if number not in before]

    def ask_and_make(self, *listes: str, format_: str = "csv") -> list[int]:
        """Request files on the page, and make them."""
        made = self.ask(*listes, format_=format_)
        for number in made:
            assert self.desk.process(number)["status"] == "ready"
        return made

    def numbers(self) -> list[int]:
        """The ids of all requested files, in order."""
        return self._column("SELECT export_id FROM derniers_exports ORDER BY export_id")

    def requests(self) -> list[int]:
        """The ids of all recorded requests, in order."""
        return self._column("SELECT request_id FROM demandes ORDER BY request_id")

    @property
    def app(self) -> Starlette:
        app: Starlette = self.client.app  # type: ignore[assignment]
        return app

    @property
    def spool(self) -> Spool:
        """The folder of declarations that the broker has not accepted yet."""
        spool: Spool = self.app.state.services.spool
        return spool

    def set_clock(self, instant: datetime) -> None:
        """Set the screen's own clock; the database's stays."""
        self.app.state.services = replace(self.app.state.services, clock=lambda: instant)

    def _column(self, query: str) -> list[int]:
        with self.desk.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())


def words(response: Response) -> str:
    """The text of a page, with each run of white space as one space."""
    return _SPACES.sub(" ", unescape(_TAG.sub("", response.text.partition("<main")[2])))


def spaced_words(response: Response) -> str:
    """The text of a page, with a space in place of each tag."""
    return " ".join(
        unescape(_TAG.sub(" ", response.text.partition("<main")[2].partition(">")[2])).split()
    )


def once_of(page: Response) -> str:
    """The token that tells this rendering of the page's first form from another."""
    values: list[str] = [value for name, value in _FIELD.findall(page.text) if name == "formulaire"]
    return values[0]


@contextmanager
def open_screen(url: str, folder: Path, **given: Any) -> Iterator[FilesScreen]:  # noqa: ANN401 — of WebSettings
    """The screen on this database, with its volume and its spool in this folder."""
    engine = build_engine(url)
    desk = DepotsDesk(engine, folder / "exports")
    places: dict[str, Any] = {
        "exports_dir": folder / "exports",
        "home": folder,
        "source": "/screen",
    }
    settings = WebSettings(state_url=SecretStr(url), **places | given)
    broker = Broker()
    with TestClient(
        create_app(settings, broker.publish), base_url="http://127.0.0.1:8000"
    ) as client:
        yield FilesScreen(desk, client, broker)
    engine.dispose()
