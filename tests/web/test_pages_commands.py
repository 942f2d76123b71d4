"""No clerk reads a shell command: who administers the service is told by its documentation, a clerk whom to ask."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from producers.web.error_pages import show_failure
from tests.web.files_desk import FilesScreen
from tests.web.security_desk import (
    COMMUNE_PAGES,
    LIBREVILLE,
    PAGES,
    address,
    behind_proxy,
    make_settings,
    open_client,
    token_of,
)
from tests.web.test_notes import plant_doubt

ROOT = Path(__file__).parents[2]
SPOKEN = ("producers/web", "worker/handlers", "worker/domain", "worker/exports", "worker/registre", "worker/writers")
"""Whose words a page may show: its own, reasons of refusals and failures, messages of anomalies."""
COMMAND = re.compile(r"python3? -m|docker compose|\$ ")
STATUSES = (400, 403, 404, 405, 413, 429, 500, 503)


def _commands(text: str) -> list[str]:
    return [text[max(0, it.start() - 60) : it.end() + 40] for it in COMMAND.finditer(unescape(text))]


def _strings(path: Path) -> Iterator[str]:
    """What a module may say; its documentation is for engineers."""
    module = ast.parse(path.read_text("utf-8"))
    silent = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def test_nothing_that_a_page_may_say_holds_a_command() -> None:
    """Every state of every page: whatever is drawn stands in these files."""
    found = {}
    for folder in SPOKEN:
        for path in sorted((ROOT / folder).rglob("*.*")):
            texts = (
                _strings(path) if path.suffix == ".py" else [path.read_text("utf-8")] if path.suffix == ".html" else []
            )
            if commands := [command for text in texts for command in _commands(text)]:
                found[path.relative_to(ROOT).as_posix()] = commands
    assert found == {}


def _read(client: TestClient, route: object, *, method: str = "GET", token: str = "") -> str:
    where = address(route, LIBREVILLE).replace("{demande:int}", "1")  # type: ignore[arg-type]
    data = {"jeton": token} if method == "POST" else None
    return client.request(method, where, data=data).text


@pytest.mark.slow
@pytest.mark.parametrize("route", [route for route in PAGES if route.name != "flux"], ids=lambda route: route.name)
def test_no_page_shows_one(web_client: TestClient, route: object) -> None:
    token = token_of(web_client)
    for method in {"GET", "POST"} & set(route.methods or ()):  # type: ignore[attr-defined]
        assert _commands(_read(web_client, route, method=method, token=token)) == []


STATES = {
    "nothing is known": (
        "DELETE FROM scrutin",
        "DELETE FROM commission",
        "DELETE FROM liste",
        "DELETE FROM bureau",
    ),
    "all is to be completed": ("UPDATE mouvement SET categorie = ''", "UPDATE bureau SET code_canton = ''"),
}


@pytest.mark.slow
@pytest.mark.parametrize("statements", STATES.values(), ids=STATES)
def test_no_page_shows_one_in_another_state(files: FilesScreen, statements: tuple[str, ...]) -> None:
    files.desk.run("UPDATE agent SET may_protect = :yes", yes=True)
    plant_doubt(files)
    for statement in statements:
        files.desk.run(statement)
    for route in COMMUNE_PAGES:
        if "GET" in (route.methods or ()) and route.name != "flux":
            assert _commands(_read(files.client, route)) == [], route.name


@pytest.mark.parametrize("status", STATUSES)
def test_no_failure_shows_one(web_client: TestClient, status: int) -> None:
    seen: list[str] = []

    def fail(request: object) -> object:
        page = show_failure(request, status)  # type: ignore[arg-type]
        seen.append(bytes(page.body).decode())
        return page

    web_client.app.add_route("/essai", fail)  # type: ignore[attr-defined]
    web_client.get("/essai")
    assert seen
    assert _commands(seen[0]) == []


@pytest.mark.parametrize("given", [{"web_auth": "none"}, {"web_auth": "none", "web_agent": "x"}, behind_proxy()])
def test_no_door_shows_one(screen_database: str, tmp_path: Path, given: dict[str, object]) -> None:
    peer = "127.0.0.1" if given["web_auth"] == "none" else "10.1.2.3"
    for agent in ("", "personne"):
        with open_client(make_settings(screen_database, tmp_path, **given), peer=peer, agent=agent) as client:
            answer = client.get("/")
        assert answer.status_code in {401, 403}
        assert _commands(answer.text) == []
