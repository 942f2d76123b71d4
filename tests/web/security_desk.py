"""The screen in this process, on a small database: LIBREVILLE has one file, which GRANDVILLE's agent may not see."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from producers.web.app import ROUTES, create_app
from producers.web.page_context import WebServices
from producers.web.settings import WebSettings
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus
from tests.parts.databases import Template
from tests.parts.town import AGENT, EMAIL, prepare_libreville
from tests.parts.wait import wait_until
from tests.unit.mail_samples import report_beside
from worker.access.models import Agent
from worker.db.engine import build_engine
from worker.exports.models import Export, Request
from worker.registre.communes import add_commune

LIBREVILLE, GRANDVILLE = "13900", "13901"
CLERK, CLERK_EMAIL = AGENT, EMAIL
NEIGHBOUR, NEIGHBOUR_EMAIL = "mairie-grandville", "elections@grandville.example"
HOST = "prefecture.mairie.example"
PUBLIC = f"https://{HOST}"
PROXY = "10.1.2.3"
SECRET = "s" * 40
FILE, REPORT = "liste-P-13900-20261125-093000.csv", "liste-P-13900-20261125-093000-csv-anomalies.csv"
CONTENT = b"NumeroElecteur;NomDeNaissance\n1;INVENTE\n"
_NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)


def _prepare(url: str) -> None:
    prepare_libreville(url)
    engine = build_engine(url)
    with engine.begin() as connection:
        add_commune(connection, GRANDVILLE, "GRANDVILLE")
    with Session(engine) as session, session.begin():
        session.add(Agent(name=NEIGHBOUR, code_commune=GRANDVILLE, email=NEIGHBOUR_EMAIL))
        session.add(Request(id=1, exports=[_ready_file()], **_of_event("1", LIBREVILLE, CLERK)))
        session.add(Request(id=2, **_of_event("2", GRANDVILLE, NEIGHBOUR)))
    engine.dispose()


def _of_event(event_id: str, commune: str, agent: str) -> dict[str, Any]:
    return {
        "source": "/test",
        "event_id": event_id,
        "event_type": "fr.openelec.prefecture.request.liste_export.v1",
        "correlation_id": event_id,
        "code_commune": commune,
        "requested_by": agent,
        "created_at": _NOW,
    }


def _ready_file() -> Export:
    digest = sha256(CONTENT).hexdigest()
    return Export(
        id=1,
        part="P.csv",
        code_commune=LIBREVILLE,
        liste="P",
        format="csv",
        file_name=FILE,
        label="Liste P du 25/11/2026 09:30:00 [csv]",
        status=ExportStatus.READY,
        started_at=_NOW,
        finished_at=_NOW,
        electeurs=1,
        lines_written=1,
        remarques=1,
        anomalies=[],
        size=len(CONTENT),
        sha256=digest,
        pieces=report_beside(REPORT, len(CONTENT), digest),
    )


SCREEN_TEMPLATE = Template("screen", _prepare)


def write_files(exports: Path) -> None:
    """Write the file and its report to the recorded paths."""
    folder = exports / LIBREVILLE
    folder.mkdir(parents=True)
    for name in (FILE, REPORT):
        (folder / name).write_bytes(CONTENT)


def make_settings(url: str, folder: Path, **given: Any) -> WebSettings:  # noqa: ANN401 — fields of WebSettings
    """Settings for a test; of the environment, only the variables that the test sets."""
    places: dict[str, Any] = {
        "state_url": SecretStr(url),
        "exports_dir": folder / "exports",
        "home": folder,
    }
    return WebSettings(**places | given)


def behind_proxy(**given: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of WebSettings
    """Settings of a screen whose proxy names the agent."""
    common = {"web_auth": "proxy", "web_trusted_proxies": PROXY, "public_url": PUBLIC}
    return common | {"web_secret": SecretStr(SECRET), "web_proxy_secret": SecretStr(SECRET)} | given


class Sent(list[CloudEvent]):
    """Collects the published events."""

    def publish(self, event: CloudEvent) -> None:
        self.append(event)


@contextmanager
def open_client(
    settings: WebSettings, *, peer: str = PROXY, agent: str = "", app: Starlette | None = None
) -> Iterator[TestClient]:
    """A client at the address of the screen, seen from `peer`; a proxy names `agent`."""
    base = settings.public_url if settings.web_auth != "none" and settings.public_url else "http://127.0.0.1:8000"
    app = app or create_app(settings, Sent().publish)
    headers = {"X-Prefecture-Secret": SECRET} | ({"X-Remote-User": agent} if agent else {})
    client = TestClient(app, base_url=base, client=(peer, 50_000), headers=headers, follow_redirects=False)
    with client:
        yield client


def sent_by(client: TestClient) -> list[CloudEvent]:
    """The events that this screen published, once its spool is empty."""
    services: WebServices = client.app.state.services  # type: ignore[attr-defined]
    wait_until(lambda: not services.spool.waiting(), message="the spool")
    sent: Sent = services.publish.__self__  # type: ignore[attr-defined]
    return list(sent)


def token_of(client: TestClient, commune: str = LIBREVILLE) -> str:
    """The token of this session's forms, from the first page."""
    page = client.get(f"/communes/{commune}/listes")
    assert page.status_code == 200, page.text
    return str(page.text.partition('name="jeton" value="')[2].partition('"')[0])


def execute(url: str, statement: str, **parameters: object) -> None:
    """Run a statement on the database of a screen."""
    engine = build_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)
    engine.dispose()


PAGES: Sequence[Route] = ROUTES
COMMUNE_PAGES = tuple(route for route in PAGES if route.path.startswith("/communes/{commune}"))


def address(route: Route, commune: str, number: int = 1) -> str:
    return route.path.replace("{commune}", commune).replace("{export}", str(number)).replace("{demande}", str(number))
