"""« Dates et motifs » as a table: typed by keys, pasted from a spreadsheet, ticked, filtered, undone."""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import text

from producers.web.forms import complete_day
from tests.web.files_desk import FilesScreen, words
from tests.web.test_browser_pages import violations, wide
from tests.web.test_notes import undate

_SINCE, _UNTIL = date(2026, 9, 10), date(2026, 11, 20)


@pytest.mark.parametrize(
    ("typed", "since", "until", "day"),
    [
        ("1011", _SINCE, _UNTIL, "2026-11-10"),
        ("10/11", _SINCE, _UNTIL, "2026-11-10"),
        ("1.9.2026", _SINCE, _UNTIL, "2026-09-01"),
        ("10112026", _SINCE, _UNTIL, "2026-11-10"),
        ("2512", date(2026, 11, 20), date(2027, 3, 19), "2026-12-25"),
        ("1503", date(2026, 11, 20), date(2027, 3, 19), "2027-03-15"),
        ("2512", None, date(2027, 3, 19), "2026-12-25"),
        ("2511", _SINCE, _UNTIL, "2026-11-25"),
        ("2902", None, date(2025, 3, 1), "2024-02-29"),
        ("3102", _SINCE, _UNTIL, "3102"),
        ("2026-11-10", _SINCE, _UNTIL, "2026-11-10"),
        ("10/11/26", _SINCE, _UNTIL, "10/11/26"),
        ("demain", _SINCE, _UNTIL, "demain"),
    ],
)
def test_a_day_typed_in_short_is_of_the_period(
    typed: str, since: date | None, until: date, day: str
) -> None:
    assert complete_day(typed, since, until) == day


def _known(files: FilesScreen, number: int) -> tuple[str, str]:
    """The category and the exact day that are noted of a mouvement."""
    query = text("SELECT categorie, date_mouvement, is_dated FROM mouvement WHERE id = :id")
    with files.desk.engine.connect() as connection:
        categorie, day, is_dated = connection.execute(query, {"id": number}).one()
    return categorie, str(day)[:10] if is_dated else ""


def _save(files: FilesScreen, form: dict[str, str], query: str = "") -> str:
    """Send the form, let a worker note it, and return the words of the page."""
    assert files.post("motifs", form, query=query).status_code == 303
    files.work()
    return files.read("motifs", query)


def test_without_a_script_a_short_day_is_noted_and_undone(files: FilesScreen) -> None:
    first, second, *_ = undate(files)
    assert "Annuler mon dernier changement" not in files.read("motifs")
    form = {f"categorie-{it}": "" for it in (first, second)}
    said = _save(files, form | {f"jour-{first}": "1011", f"jour-{second}": "2/10"})
    assert "Annuler mon dernier changement (2 mouvements)" in said
    assert [_known(files, it)[1] for it in (first, second)] == ["2026-11-10", "2026-10-02"]
    assert 'value="10/11/2026"' in files.get("motifs").text
    assert "Enregistré : dernier changement annulé (2 mouvements)" in _save(
        files, {"act": "annuler"}
    )
    assert [_known(files, it) for it in (first, second)] == [("", ""), ("", "")]
    _save(files, {"act": "annuler"})
    assert _known(files, first) == ("", "2026-11-10"), "once more does it again"


def test_a_change_that_another_agent_followed_is_not_undone(files: FilesScreen) -> None:
    first, *_ = undate(files)
    _save(files, {f"categorie-{first}": "", f"jour-{first}": "1011"})
    files.desk.run("UPDATE mouvement SET date_mouvement = '2026-10-01' WHERE id = :id", id=first)
    assert "Non enregistré (dernier changement annulé (1 mouvement))" in _save(
        files, {"act": "annuler"}
    )
    assert _known(files, first) == ("", "2026-10-01")


def test_an_undo_without_a_change_says_so(files: FilesScreen) -> None:
    undate(files)
    answer = files.post("motifs", {"act": "annuler"})
    assert answer.status_code == 422
    assert "Il n'y a plus rien à annuler." in words(answer)


def test_one_value_is_given_to_the_ticked_lines_only(files: FilesScreen) -> None:
    first, second, third, *_ = undate(files)
    form = {f"categorie-{it}": "" for it in (first, second, third)}
    form |= {f"choix-{it}": "oui" for it in (first, third)} | {f"jour-{first}": "1011"}
    given = {"tous": "oui", "tous-jour": "0510", "portee": "toutes"}
    said = _save(files, form | given)
    assert "Enregistré : 2 mouvements complétés." in said
    known = [_known(files, it)[1] for it in (first, second, third)]
    assert known == ["2026-10-05", "", "2026-10-05"], "it replaces what the line says"
    wrong = files.post("motifs", form | given | {"tous-jour": "0109"})
    assert f'<a href="#jour-{third}">' in wrong.text, "an impossible day is said by the line"


def test_the_lines_are_filtered_by_bureau_and_by_what_they_lack(files: FilesScreen) -> None:
    first, *others = undate(files)
    files.desk.run("UPDATE mouvement SET nouveau_bureau = '0099' WHERE id = :id", id=first)
    page = files.get("motifs", "bureau=0099").text
    assert re.findall(r'id="categorie-(\d+)"', page) == [str(first)]
    assert '<option value="0099" selected>0099</option>' in page
    _save(files, {f"categorie-{first}": "", f"jour-{first}": "1011"}, "bureau=0099")
    assert "Aucun mouvement ne correspond à ce choix" in files.read(
        "motifs", "bureau=0099&manque=date"
    )
    assert f'id="categorie-{first}"' in files.get("motifs", "manque=motif").text
    shown = re.findall(r'id="categorie-(\d+)"', files.get("motifs", "manque=date").text)
    assert str(first) not in shown
    assert str(others[0]) in shown


@pytest.fixture
def page(files: FilesScreen, browser: Browser) -> Iterator[Page]:
    """A browser's page whose requests this process answers."""

    def answer(route: Route) -> None:
        asked = route.request
        kind = {"content-type": asked.headers.get("content-type", "")}
        response = files.client.request(
            asked.method,
            asked.url,
            content=asked.post_data_buffer,
            headers=kind,
            follow_redirects=False,
        )
        headers = {name: it for name, it in response.headers.items() if name != "set-cookie"}
        route.fulfill(status=response.status_code, headers=headers, body=response.content)

    page = browser.new_page(base_url="http://127.0.0.1:8000", locale="fr-FR")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.route("**/*", answer)
    yield page
    page.close()
    assert faults == []


def _field(page: Page, name: str, line: int) -> str:
    """The value of a field of the line, from 0."""
    return page.locator(f"[name^={name}-]").nth(line).input_value()


def _paste(page: Page, copied: str) -> None:
    page.evaluate(
        """words => {
          const data = new DataTransfer();
          data.setData("text", words);
          const options = {clipboardData: data, bubbles: true, cancelable: true};
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        copied,
    )


def test_keys_move_between_lines_and_copy_from_above(files: FilesScreen, page: Page) -> None:
    undate(files)
    page.goto(files.path("motifs"))
    days = page.locator("[name^=jour-]")
    days.first.focus()
    page.keyboard.type("1011")
    page.keyboard.press("Enter")
    expect(days.nth(1)).to_be_focused()
    assert _field(page, "jour", 0) == "10/11/2026"
    page.keyboard.press("Control+d")
    assert _field(page, "jour", 1) == "10/11/2026"
    expect(days.nth(2)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(days.first).to_be_focused()
    page.locator("[name^=categorie-]").first.select_option(index=2)
    page.get_by_role("button", name="comme au-dessus").first.click()
    assert _field(page, "categorie", 1) == _field(page, "categorie", 0) != ""
    expect(page.locator(".grid-said")).to_contain_text("3 cases remplies")
    days.last.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Enregistrer", exact=True)).to_be_focused()


def test_a_column_of_a_spreadsheet_fills_the_lines_below(files: FilesScreen, page: Page) -> None:
    undate(files)
    page.goto(files.path("motifs"))
    page.locator("[name^=jour-]").nth(1).focus()
    label = page.locator("[name^=categorie-]").nth(1).locator("option").nth(1).inner_text()
    _paste(page, f"10/11/2026\t{label.upper()}\tacte n° 1\r\n1110\tparade\r\n\r\n12/11\r\n")
    assert [_field(page, "jour", it) for it in range(5)] == [
        *("", "10/11/2026", "11/10/2026", "", "12/11/2026")
    ]
    assert _field(page, "motif", 1) == "acte n° 1"
    assert _field(page, "categorie", 1) != "" == _field(page, "categorie", 2)
    expect(page.locator(".grid-said")).to_contain_text(
        "5 cases remplies. 1 valeur n'a pas de place ici."
    )
    page.get_by_role("button", name="Reprendre les valeurs d'avant").click()
    assert [_field(page, "jour", it) for it in range(5)] == [""] * 5


def test_shift_ticks_several_lines(files: FilesScreen, page: Page) -> None:
    undate(files)
    page.goto(files.path("motifs"))
    boxes = page.locator("[name^=choix-]")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    assert [boxes.nth(it).is_checked() for it in range(6)] == [False, *[True] * 4, False]
    page.get_by_label("Date", exact=True).fill("0210")
    page.get_by_role("button", name="Appliquer aux 4 lignes cochées et enregistrer").click()
    expect(page.locator("#enregistrement")).to_contain_text("4 mouvements complétés")


def test_a_telephone_shows_one_line_at_a_time(files: FilesScreen, page: Page) -> None:
    undate(files)
    page.set_viewport_size({"width": 375, "height": 667})
    page.goto(files.path("motifs"))
    assert wide(page) + violations(page) == []
    assert page.locator("tbody tr").count() == 40
    seen = """() => { const box = document.querySelector("tbody").getBoundingClientRect();
      return [...document.querySelectorAll("tbody tr")].filter(it => { const line = it.getBoundingClientRect();
        return line.top < box.bottom - 4 && line.bottom > box.top + 4; }).length; }"""
    assert page.evaluate(seen) == 1
    days = page.locator("[name^=jour-]")
    days.nth(2).focus()
    page.keyboard.press("Enter")
    expect(days.nth(3)).to_be_focused()
    expect(days.nth(3)).to_be_in_viewport()


def test_a_month_of_forty_mouvements_takes_few_actions(files: FilesScreen, page: Page) -> None:
    """An action is a click, a field, a key or a paste: two columns are pasted, and the page is saved."""
    undate(files)
    page.goto(files.path("motifs"))
    first = page.locator("[name^=jour-]").first
    first.click()
    lines = page.locator("tbody tr")
    assert lines.count() == 40
    labels = [
        it.locator("option").nth(1 + number % 3).inner_text()
        for number, it in enumerate(page.locator("[name^=categorie-]").all())
    ]
    days = [f"{1 + it % 28:02}/10/2026" for it in range(40)]
    _paste(page, "\n".join(f"{day}\t{label}" for day, label in zip(days, labels, strict=True)))
    page.get_by_role("button", name="Enregistrer", exact=True).click()
    expect(page.locator("#enregistrement")).to_contain_text("40 mouvements complétés")
    files.work()
    page.reload()
    expect(page.locator("#enregistrement")).to_contain_text("Enregistré : 40 mouvements complétés")
