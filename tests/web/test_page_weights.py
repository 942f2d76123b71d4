"""The size of a page with everything that it loads, beside a long history, for a clerk with a slow connection."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from starlette.routing import Route

from bench.history_rows import add_history
from bench.registers import Task
from producers.web.app import DOWNLOADS
from schemas.vocabulary import Nature
from tests.integration.export_desk import COMMUNE
from tests.parts.databases import SqliteFiles, Template
from tests.parts.town import TODAY
from tests.web.files_desk import FilesScreen, open_screen
from tests.web.security_desk import COMMUNE_PAGES
from worker.registre.models import Doubt, Import, MouvementRegistre, Protection

MOST_BYTES = 200_000
"""Bytes of a page and everything that it loads, before a proxy compresses them."""
REQUESTS, DOUBTS, PROTECTED = 600, 150, 1_000

_WHO = {"code_commune": COMMUNE, "nom_naissance": "INVENTÉE", "date_naissance": "1961-08-05"}
_LOADED = re.compile(r'<(?:link rel="(?:stylesheet|icon)" href|script src|img src)="([^"]+)"')
_NO_PAGE = DOWNLOADS | {"suivi"}
"""Files, and fragments of a page."""
_SHOWN = [route for route in COMMUNE_PAGES if "GET" in (route.methods or ()) and route.name not in _NO_PAGE]


def _prepare(url: str) -> None:
    add_history(Task(url, str(Path(url.removeprefix("sqlite:///")).parent), REQUESTS))


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesScreen]:
    """LIBREVILLE with a long history, and every kind of pending work at once."""
    folder = tmp_path_factory.mktemp("weights")
    url = SqliteFiles(folder).create(folder / "screen.sqlite3", Template("past", _prepare))
    with open_screen(url, folder) as screen:
        _fill(screen)
        yield screen


def _fill(screen: FilesScreen) -> None:
    """Add mouvements without a motif, doubts, protected electors, and a file with anomalies of every elector."""
    run = screen.desk.run
    run("UPDATE agent SET may_protect = :yes", yes=True)
    run("UPDATE electeur SET sexe = '', code_postal = '1390'")
    screen.make()
    run("UPDATE mouvement SET categorie = '', motif = ''")
    with Session(screen.desk.engine) as session, session.begin():
        import_id = session.scalars(select(Import.id).order_by(Import.id.desc())).first()
        about: dict[str, Any] = {"liste": "P", "effet": "Immediat", "etat": "applique", "import_id": import_id}
        about |= _WHO | dict.fromkeys(("date_tableau", "date_mouvement"), TODAY)
        for number in range(DOUBTS):
            sides = [
                MouvementRegistre(**about, nature=nature, prenoms=f"Zélie {number}")
                for nature in (Nature.RADIATION, Nature.INSCRIPTION)
            ]
            session.add_all(sides)
            session.flush()
            ids = {"radiation_id": sides[0].id, "inscription_id": sides[1].id}
            session.add(Doubt(import_id=import_id, code_commune=COMMUNE, liste="P", differs="prenoms", **ids))
        session.execute(insert(Protection), [_WHO | {"prenoms": f"Zélie {it}"} for it in range(PROTECTED)])


@pytest.mark.parametrize("route", _SHOWN, ids=lambda route: route.name)
def test_a_page_is_light_beside_a_long_past(screen: FilesScreen, route: Route) -> None:
    made = screen.numbers()[-1]
    where = route.path.replace("{commune}", COMMUNE).replace("{export}", str(made)).replace("{demande}", "1")
    page = screen.client.get(where)
    assert page.status_code == (404 if route.name in {"publication", "reponse"} else 200)
    loaded = {name: screen.client.get(name).content for name in _LOADED.findall(page.text)}
    assert len(loaded) >= 5, "styles, scripts, the icon"
    assert all(name.startswith("/static/") for name in loaded), "nothing of another host"
    weights = {"the page": len(page.content)} | {name: len(content) for name, content in loaded.items()}
    assert sum(weights.values()) <= MOST_BYTES, weights["the page"]


def test_what_waits_beyond_the_first_page_is_on_another_one(screen: FilesScreen) -> None:
    assert screen.get("doutes").text.count('id="panneau-') == 15
    assert "Page 10 sur 10" in screen.read("doutes", "page=10")
    assert "revenez à la première" in screen.read("doutes", "page=11")
    everybody = screen.read("proteges", "page=20")
    assert "1 000 électeurs protégés" in everybody
    assert "Page 20 sur 20" in everybody


def test_nothing_of_ours_holds_a_page_up(screen: FilesScreen) -> None:
    """Our script is deferred, and all scripts are cached for a year."""
    head = screen.get("taches").text.partition("</head>")[0]
    scripts = re.findall(r'<script src="([^"]+)"( defer)?>', head)
    assert [name.split("/")[-1].partition("?")[0] for name, deferred in scripts if not deferred] == ["htmx.min.js"]
    for name in _LOADED.findall(head):
        assert "immutable" in screen.client.get(name).headers["cache-control"]
