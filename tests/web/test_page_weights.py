"""The size of a page with everything that it loads, beside a long history, for a clerk with a slow connection."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from starlette.routing import Route

from bench.history import add_history
from bench.registers import Task
from schemas.vocabulary import Nature
from tests.integration.export_desk import COMMUNE
from tests.parts.databases import SqliteFiles, Template
from tests.parts.pdf import read_text
from tests.parts.town import TODAY
from tests.web.files_desk import FilesScreen, open_screen
from tests.web.security_desk import SHOWN_PAGES
from worker.registre.models import Doubt, Import, MouvementRegistre, Protection

MOST_BYTES = 200_000
"""Bytes of a page and everything that it loads, before a proxy compresses them."""
MOST_BYTES_OF_FORTY_LINES = 235_000
"""The same for « Dates et motifs », which shows a month of forty mouvements at once, and has a script of its own."""
MOST_PIXELS = 4_200
"""Height on a telephone. « Dates et motifs » is the highest: it lists each motif with the authority that decides."""
REQUESTS, DOUBTS, PROTECTED = 600, 150, 1_000

_WHO = {"code_commune": COMMUNE, "nom_naissance": "INVENTÉE", "date_naissance": "1961-08-05"}
_LOADED = re.compile(r'<(?:link rel="(?:stylesheet|icon)" href|script src|img src)="([^"]+)"')


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesScreen]:
    """LIBREVILLE with a long history, and every kind of pending work at once."""
    folder = tmp_path_factory.mktemp("weights")
    past = Template("past", lambda url: add_history(Task(url, folder, REQUESTS)))
    url = SqliteFiles(folder).create(folder / "screen.sqlite3", past)
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
        about: dict[str, Any] = {
            "liste": "P",
            "effet": "Immediat",
            "etat": "applique",
            "import_id": import_id,
        }
        about |= _WHO | dict.fromkeys(("date_tableau", "date_mouvement"), TODAY)
        for number in range(DOUBTS):
            sides = [
                MouvementRegistre(**about, nature=nature, prenoms=f"Zélie {number}")
                for nature in (Nature.RADIATION, Nature.INSCRIPTION)
            ]
            session.add_all(sides)
            session.flush()
            ids = {"radiation_id": sides[0].id, "inscription_id": sides[1].id}
            session.add(
                Doubt(
                    import_id=import_id, code_commune=COMMUNE, liste="P", differs="prenoms", **ids
                )
            )
        session.execute(
            insert(Protection), [_WHO | {"prenoms": f"Zélie {it}"} for it in range(PROTECTED)]
        )


@pytest.mark.parametrize("route", SHOWN_PAGES, ids=lambda route: route.name)
def test_a_page_is_light_beside_a_long_past(screen: FilesScreen, route: Route) -> None:
    made = screen.numbers()[-1]
    where = (
        route.path.replace("{commune}", COMMUNE)
        .replace("{export}", str(made))
        .replace("{demande}", "1")
    )
    page = screen.client.get(where)
    assert page.status_code == (404 if route.name in {"publication", "reponse"} else 200)
    loaded = {name: screen.client.get(name).content for name in _LOADED.findall(page.text)}
    assert len(loaded) >= 5, "styles, scripts, the icon"
    assert all(name.startswith("/static/") for name in loaded), "nothing of another host"
    weights = {"the page": len(page.content)} | {
        name: len(content) for name, content in loaded.items()
    }
    most = MOST_BYTES_OF_FORTY_LINES if route.name == "motifs" else MOST_BYTES
    assert sum(weights.values()) <= most, weights["the page"]


def _show(page: Page, screen: FilesScreen, html: str) -> None:
    """Show a page with its styles, without scripts."""
    styles = "".join(
        screen.client.get(name).text for name in _LOADED.findall(html) if ".css" in name
    )
    page.set_content(
        f"<style>{styles}</style>{re.sub('<link[^>]*>|<script[^>]*></script>', '', html)}"
    )


def test_the_tasks_and_the_register_are_printed(
    screen: FilesScreen, browser: Browser, tmp_path: Path
) -> None:
    page, printed = browser.new_page(), {}
    for name in ("taches", "registre"):
        _show(page, screen, screen.get(name).text)
        page.pdf(path=tmp_path / f"{name}.pdf", format="A4")
        printed[name] = " ".join(read_text(tmp_path / f"{name}.pdf").split())
    page.close()
    assert re.search(
        r"☐ \d\. Régler les doutes 150 doutes attendent votre réponse\.", printed["taches"]
    )
    assert "Fait (" in printed["taches"]
    assert "Déposer l'export du REU" in printed["taches"].partition("Fait (")[2], (
        "folded tasks are printed too"
    )
    assert "Voir les doutes" not in printed["taches"]
    assert re.search(r"Liste principale \(générale\) \d+ électeurs export du", printed["registre"])
    assert "Liste principale : " in printed["registre"].partition("Derniers exports repris")[2]
    assert "Voir ce qui changerait" not in printed["registre"]


def test_no_page_is_long_on_a_telephone(screen: FilesScreen, browser: Browser) -> None:
    """Without scripts."""
    page, made, heights = (
        browser.new_page(viewport={"width": 375, "height": 667}),
        screen.numbers()[-1],
        {},
    )
    for route in SHOWN_PAGES:
        where = (
            route.path.replace("{commune}", COMMUNE)
            .replace("{export}", str(made))
            .replace("{demande}", "1")
        )
        html = screen.client.get(where).text
        _show(page, screen, html)
        heights[route.name] = page.evaluate("document.documentElement.scrollHeight")
        if route.name == "anomalies":
            assert page.locator(".anomaly").count() >= 24, "three of each elector"
        if route.name in {"exports", "journal", "envois", "depot", "motifs"}:
            assert page.locator("tbody tr").count() >= 15, route.name
    page.close()
    assert {name: height for name, height in heights.items() if height > MOST_PIXELS} == {}


def test_what_waits_beyond_the_first_page_is_on_another_one(screen: FilesScreen) -> None:
    assert screen.get("doutes").text.count('id="panneau-') == 7
    assert "Page 22 sur 22" in screen.read("doutes", "page=22")
    assert "revenez à la première" in screen.read("doutes", "page=23")
    everybody = screen.read("proteges", "page=40")
    assert "1 000 électeurs protégés" in everybody
    assert "Page 40 sur 40" in everybody


def test_nothing_of_ours_holds_a_page_up(screen: FilesScreen) -> None:
    """Our script is deferred."""
    head = screen.get("taches").text.partition("</head>")[0]
    scripts = re.findall(r'<script src="([^"]+)"( defer)?>', head)
    assert [
        name.split("/")[-1].partition("?")[0] for name, deferred in scripts if not deferred
    ] == ["htmx.min.js"]
