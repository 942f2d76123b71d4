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
        return str(self.client.app.url_path_for(name, commune=self.commune, **path))  # type: ignore[attr-defined]

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
        assert self.desk.ring(export)["status"] == "ready"
        return export

    def numbers(self) -> list[int]:
        """Every file that was asked for, in order."""
        with self.desk.engine.connect() as connection:
            query = text("SELECT export_id FROM derniers_exports ORDER BY export_id")
            return list(connection.execute(query).scalars())

    @property
    def spool(self) -> Spool:
        """Where the screen keeps what is not taken for now."""
        spool: Spool = self.client.app.state.services.spool  # type: ignore[attr-defined]
        return spool

    def set_clock(self, instant: datetime) -> None:
        """The screen's own clock; the database keeps its own."""
        state = self.client.app.state  # type: ignore[attr-defined]
        state.services = replace(state.services, clock=lambda: instant)


def words(response: Response) -> str:
    """The text of a page, every run of white space one space."""
    return _SPACES.sub(" ", unescape(_TAG.sub("", response.text.partition("<main")[2])))


@contextmanager
def open_screen(url: str, folder: Path) -> Iterator[FilesScreen]:
    """The screen on this database, its volume and its spool in this folder."""
    engine = build_engine(url)
    desk = DepotsDesk(engine, folder / "exports")
    settings = WebSettings(state_url=SecretStr(url), exports_dir=folder / "exports", home=folder, source="/screen")
    broker = Broker()
    with TestClient(create_app(settings, broker.publish), base_url="http://127.0.0.1:8000") as client:
        yield FilesScreen(desk, client, broker)
    engine.dispose()
