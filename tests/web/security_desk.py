"""The screen in this process, on a small database: LIBREVILLE has one file, which GRANDVILLE's agent may not see.

On a whole installation GRANDVILLE has LIBREVILLE's complete electors, many times over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from producers.web.app import ROUTES, create_app
from producers.web.page_context import WebServices
from producers.web.settings import WebSettings
from schemas.envelope import CloudEvent
from tests.parts.databases import Template
from tests.parts.town import AGENT, EMAIL, prepare_libreville
from tests.parts.wait import wait_until
from tests.unit.mail_samples import ASKED_AT, export, report, report_beside
from worker.access.models import Agent
from worker.db.engine import build_engine
from worker.db.types import Base
from worker.registre.communes import add_commune
from worker.registre.models import Bureau, Electeur, ListeCommunale

LIBREVILLE, GRANDVILLE = "13900", "13901"
CLERK, CLERK_EMAIL = AGENT, EMAIL
NEIGHBOUR, NEIGHBOUR_EMAIL = "mairie-grandville", "elections@grandville.example"
HOST = "prefecture.mairie.example"
PUBLIC = f"https://{HOST}"
PROXY = "10.1.2.3"
SECRET = "s" * 40
FILE, REPORT = (
    "liste-P-13900-20261125-093000.csv",
    "liste-P-13900-20261125-093000-csv-anomalies.csv",
)
CONTENT = b"NumeroElecteur;NomDeNaissance\n1;INVENTE\n"


def _prepare(url: str) -> None:
    prepare_libreville(url)
    engine = build_engine(url)
    with engine.begin() as connection:
        add_commune(connection, GRANDVILLE, "GRANDVILLE")
    with Session(engine) as session, session.begin():
        session.add(Agent(name=NEIGHBOUR, code_commune=GRANDVILLE, email=NEIGHBOUR_EMAIL))
        digest = sha256(CONTENT).hexdigest()
        pieces = report_beside(REPORT, len(CONTENT), digest)
        found: dict[str, Any] = {"size": len(CONTENT), "sha256": digest, "pieces": pieces}
        made = export(
            id=1, started_at=ASKED_AT, finished_at=ASKED_AT, lines_written=1, electeurs=1, **found
        )
        session.add(report(made, id=1, event_id="1", requested_by=CLERK).request)
        of_neighbour = {"code_commune": GRANDVILLE, "requested_by": NEIGHBOUR}
        session.add(report(id=2, event_id="2", **of_neighbour).request)
    engine.dispose()


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
    """Collects the published events, and the tokens of their senders."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []

    def publish(self, *events: CloudEvent, token: str = "") -> None:
        self.extend(events)
        self.tokens += [token] * len(events)


@contextmanager
def open_client(
    settings: WebSettings, *, peer: str = PROXY, agent: str = "", app: Starlette | None = None
) -> Iterator[TestClient]:
    """A client at the address of the screen, seen from `peer`; a proxy names `agent`."""
    base = (
        settings.public_url
        if settings.web_auth != "none" and settings.public_url
        else "http://127.0.0.1:8000"
    )
    app = app or create_app(settings, Sent().publish)
    headers = {"X-Prefecture-Secret": SECRET} | ({"X-Remote-User": agent} if agent else {})
    client = TestClient(
        app, base_url=base, client=(peer, 50_000), headers=headers, follow_redirects=False
    )
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
_NO_PAGE = {
    "dossier_zip",
    "fichier",
    "piece",
    "statistiques_csv",
    "suivi",
    "correspondance",
    "brouillon",
}
SHOWN_PAGES = [
    route
    for route in COMMUNE_PAGES
    if "GET" in (route.methods or ()) and route.name not in _NO_PAGE
]
"""Neither files nor fragments of a page."""


def address(route: Route, commune: str, number: int = 1) -> str:
    return (
        route.path.replace("{commune}", commune)
        .replace("{export}", str(number))
        .replace("{demande}", str(number))
    )


BOTH, BOTH_EMAIL = "agglomeration", "agglomeration@grandville.example"
"""An agent of the two communes."""

_COPIES = 900
"""Writing the principal list takes more than twice the interval of progress events (`PULSE_SECONDS`)."""
_WHOLE = {
    "electeur": " AND sexe IN ('M', 'F') AND prenoms <> '' AND commune_naissance <> '' AND departement_naissance <> '' "
    "AND pays_naissance <> '' AND libelle_voie <> '' AND code_postal <> '' AND ville <> '' AND nationalite <> ''"
}
_AGENTS = (
    (NEIGHBOUR, GRANDVILLE, NEIGHBOUR_EMAIL),
    (BOTH, LIBREVILLE, BOTH_EMAIL),
    (BOTH, GRANDVILLE, BOTH_EMAIL),
)


def add_neighbours(engine: Engine) -> None:
    """Add GRANDVILLE, whose files take seconds and may be deposited, to a register that holds LIBREVILLE."""
    with engine.begin() as connection:
        copy_libreville(connection, GRANDVILLE, "GRANDVILLE", _COPIES)
    with Session(engine) as session, session.begin():
        session.add_all(
            Agent(name=name, code_commune=commune, email=email) for name, commune, email in _AGENTS
        )


def copy_libreville(connection: Connection, commune: str, nom: str, copies: int = 1) -> None:
    """Add another commune with LIBREVILLE's complete electors, this many times."""
    add_commune(connection, commune, nom)
    for model, times in ((ListeCommunale, 1), (Bureau, 1), (Electeur, copies)):
        connection.execute(_copying(model), {"here": LIBREVILLE, "there": commune, "times": times})


def _copying(model: type[Base]) -> TextClause:
    table = model.__tablename__
    columns = [
        column.name
        for column in model.__table__.columns
        if column.name not in {"id", "code_commune"}
    ]
    named = "prenoms || ' ' || translate(copy::text, '0123456789', 'ABCDEFGHIJ')"  # digits in names are blocking
    copied = ", ".join(named if column == "prenoms" else column for column in columns)
    return text(
        f"INSERT INTO {table} (code_commune, {', '.join(columns)}) SELECT :there, {copied} FROM {table} "  # noqa: S608
        f"CROSS JOIN generate_series(1, :times) AS copy WHERE code_commune = :here{_WHOLE.get(table, '')}"
    )
