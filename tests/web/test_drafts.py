"""What is typed and not sent: kept on the server, put back by the page, deleted with the form that is taken."""

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from producers.web.drafts import MOST_BYTES, MOST_PAGES, SECONDS, Drafts
from tests.parts.wait import wait_until
from tests.web.conftest import Visit
from tests.web.files_desk import FilesScreen
from tests.web.filled import Filled
from tests.web.security_desk import CLERK
from tests.web.site import path_of
from tests.web.test_browser_pages import addresses

_KEPT = """form.method === 'post' && !form.hasAttribute('data-no-draft')"""
_TYPE = f"""() => {{
  let number = 0;
  for (const form of document.forms) if ({_KEPT}) for (const it of form.elements) {{
    if (it.type === 'checkbox') it.checked = !it.checked;
    else if (it.type === 'date') it.value = '2026-11-0' + (1 + number % 9);
    else if (it.tagName === 'TEXTAREA' || it.type === 'text') it.value = 'Tapé ' + number;
    else continue;
    number += 1;
    it.dispatchEvent(new Event('input', {{bubbles: true}}));
  }}
  return number;
}}"""
_READ = f"""() => [...document.forms].filter(form => {_KEPT}).flatMap(form => [...form.elements]
  .filter(it => ['checkbox', 'date', 'text', 'textarea'].includes(it.type))
  .map(it => `${{it.name}}: ${{it.type === 'checkbox' ? it.checked : it.value}}`))"""
_SAVED = """async () => {
  const answer = await fetch(`${document.body.dataset.drafts}?page=${encodeURIComponent(location.pathname)}`);
  return Object.values((await answer.json()).formulaires).reduce((sum, fields) => sum + Object.keys(fields).length, 0);
}"""


def _saved(page: Page) -> int:
    return int(page.evaluate(_SAVED))


@pytest.mark.slow
def test_what_is_typed_in_any_form_is_back_after_the_session(visit: Visit, filled: Filled) -> None:
    visitor = visit(CLERK)
    page = visitor.page
    seen = 0
    for address in addresses(filled):
        page.goto(address)
        number = page.evaluate(_TYPE)
        if not number:
            continue
        typed = page.evaluate(_READ)
        wait_until(lambda: _saved(page) >= number, message=f"{number} fields of {address}")  # noqa: B023 — at once
        page.context.clear_cookies()
        page.goto(address)
        expect(page.locator("#brouillon")).to_contain_text("est remis")
        assert page.evaluate(_READ) == typed, address
        page.get_by_role("button", name="L'effacer").click()
        expect(page.locator("#brouillon")).to_have_count(0)
        page.goto(address)
        assert _saved(page) == 0, address
        seen += number
    assert seen > 60
    visitor.forgive("404 (Not Found)")


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_two_tabs_and_an_absent_service_lose_nothing(visit: Visit) -> None:
    visitor = visit(CLERK)
    first, second = visitor.page, visitor.page.context.new_page()
    for page in (first, second):
        page.goto(path_of("reunions"))
    first.get_by_label("Ce qu'on élit").fill("Élection inventée")
    second.get_by_label("Jour du scrutin").fill("2027-05-09")
    wait_until(lambda: _saved(first) == 2, message="a field of each tab")

    def refuse(route: Route) -> None:
        route.fulfill(status=401) if route.request.method == "POST" else route.continue_()

    first.route("**/brouillon*", refuse)
    first.get_by_label("Ce qu'on élit").fill("Élection inventée, tour unique")
    expect(first.locator("#brouillon")).to_contain_text("votre session est finie")
    first.route("**/brouillon*", lambda route: route.fulfill(status=429))
    expect(first.locator("#brouillon")).to_contain_text("elle réessaie d'elle-même")
    first.unroute("**/brouillon*")
    expect(first.locator("#brouillon")).to_contain_text("Ce que vous avez tapé est gardé.")
    second.reload()
    expect(second.get_by_label("Ce qu'on élit")).to_have_value("Élection inventée, tour unique")
    expect(second.get_by_label("Jour du scrutin")).to_have_value("2027-05-09")
    second.get_by_label("Jour du scrutin").fill("2027-05-16")
    second.get_by_role("button", name="Ajouter le scrutin").click()
    expect(second.locator("#enregistrement")).to_contain_text("scrutin du 16/05/2027")
    assert _saved(second) == 0, "the form is taken"
    second.close()
    visitor.forgive("401 (Unauthorized)", "429 (Too Many Requests)")


def _keep(files: FilesScreen, page: str, form: str, fields: Any) -> Any:  # noqa: ANN401 — JSON, a response
    said = fields if isinstance(fields, str) else json.dumps(fields)
    return files.post("brouillon", {"brouillon": f"{page} {form}", "champs": said})


def test_a_draft_is_of_one_agent_and_commune(files: FilesScreen) -> None:
    page = files.path("reunions")
    assert _keep(files, page, "a", {"jour": "2026-11-20", "liste": "CE"}).status_code == 204
    assert _keep(files, page, "a", {"liste": None}).status_code == 204
    assert files.get("brouillon", f"page={page}").json()["formulaires"] == {
        "a": {"jour": "2026-11-20"}
    }
    for wrong in ("/communes/13901/reunions", "/communes/139001", "", "../etc"):
        assert _keep(files, wrong, "a", {"jour": "x"}).status_code == 404
        assert files.get("brouillon", f"page={wrong}").status_code == 404
    for wrong in ("[1]", "{", '{"jour": 3}'):
        assert _keep(files, page, "a", wrong).status_code == 404
    third = {"jour": "x" * (MOST_BYTES // 3)}
    assert [_keep(files, page, form, third).status_code for form in "bcd"] == [204, 204, 503]
    kept = files.get("brouillon", f"page={page}").json()["formulaires"]
    assert kept == {"a": {"jour": "2026-11-20"}, "b": third, "c": third}
    assert files.post("reunions", {"act": "reunion", "brouillon": f"{page} a"}).status_code == 422
    assert files.get("brouillon", f"page={page}").json()["formulaires"], "what was refused is kept"


def test_drafts_survive_a_restart_and_are_deleted_after_three_days(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts")
    drafts.keep("ici", "/communes/13900/motifs", "a", {"motif-1": "inventé"})
    again = Drafts(tmp_path / "drafts")
    assert again.read("ici", "/communes/13900/motifs") == {"a": {"motif-1": "inventé"}}
    assert again.read("ailleurs", "/communes/13900/motifs") == {}
    (path,) = (tmp_path / "drafts").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    old = time.time() - SECONDS - 1
    os.utime(path, (old, old))
    again.cleanup()
    again.keep("ailleurs", "/communes/13900/motifs", "a", {"motif-1": "x"})
    assert again.read("ici", "/communes/13900/motifs") == {}
    again.drop("ailleurs", "/communes/13900/motifs", "a")
    assert list((tmp_path / "drafts").iterdir()) == []


def test_an_agent_has_a_number_of_drafts(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    pages = [f"/communes/13900/invented/{number}" for number in range(MOST_PAGES + 1)]
    for agent, page in (("ailleurs", pages[0]), *(("ici", page) for page in pages)):
        drafts.keep(agent, page, "a", {"jour": "x"})
    assert len(list(tmp_path.iterdir())) == 1 + MOST_PAGES
    assert all(
        drafts.read(agent, page) for agent, page in (("ailleurs", pages[0]), ("ici", pages[-1]))
    )
