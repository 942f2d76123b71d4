"""« Le registre » in a real browser, on the whole installation: from the clerk's file to the lists."""

import re
import time
from pathlib import Path

import click
import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy.orm import Session

from tests.parts.browser import reload_until
from tests.parts.wait import wait_until
from tests.unit.reu_sample import (
    COMMUNE,
    ELECTEUR,
    NOM,
    NUMERO,
    PRENOMS,
    TITLES,
    electeurs,
    format_reu,
    write_reu,
    zoe,
)
from tests.web.conftest import Visit
from tests.web.site import Site
from tests.web.test_browser_pages import violations
from worker.access.models import Agent
from worker.registre.communes import add_commune

pytestmark = pytest.mark.slow


LONG = {TITLES[n]: ("Résidence des Essais, escalier " * 9)[:250] for n in (15, 16, 17)}
GRANDE, LARGEST, MEBIBYTES = "13916", 500_000_000, 512
"""A code that no commune has; the size of its export; the memory limit of each process."""


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "without-javascript"])
def test_an_export_that_was_a_mistake_is_taken_back_by_keyboard(
    visit: Visit, site: Site, tmp_path: Path, *, is_live: bool
) -> None:
    code, agent = ("13917", "agent-essais") if is_live else ("13918", "agent-tentatives")
    with Session(site.town.engine) as session, session.begin():
        add_commune(session.connection(), code, "ESSAIVILLE")
        session.merge(Agent(name=agent, code_commune=code, email=f"{agent}@essais.example"))
    page = visit(agent, java_script_enabled=is_live).page

    def see(what: Locator, message: str) -> Locator:
        if is_live:
            expect(what.first).to_be_visible()
        else:
            reload_until(what, message)
        return what.first

    for size in (12, 15):
        page.goto(f"/communes/{code}/registre")
        path = write_reu(
            tmp_path / f"export-{size}.csv",
            electeurs(size, {COMMUNE: code, NOM: f"ESSAI-{'LENT' if is_live else 'VIF'}"}),
        )
        page.get_by_label("Fichier", exact=True).set_input_files(path)
        page.get_by_label("Jour du téléchargement").fill(site.today.isoformat())
        page.get_by_role("button", name="Voir ce qui changerait").click()
        see(page.get_by_role("button", name="Reprendre dans le registre"), "the preview").press(
            "Enter"
        )
        see(page.get_by_text(f"{size} électeurs", exact=True), "the import")

    page.goto(f"/communes/{code}/registre")
    page.get_by_text("Derniers exports repris").press("Enter")
    page.get_by_text("Annuler ou corriger").first.press("Enter")
    page.get_by_role("button", name="Voir ce que changerait son annulation").press("Enter")
    button = see(page.get_by_role("button", name="Annuler cette reprise"), "what would change")
    assert page.get_by_role("row", name="Liste principale").get_by_role("cell").all_inner_texts()[
        :2
    ] == ["15", "12"]
    expect(page.get_by_text("15 électeurs", exact=True)).to_be_visible()
    if is_live:
        assert violations(page) == []
    button.press("Enter")
    see(page.get_by_text("La reprise est annulée"), "the end of it")
    expect(page.get_by_text("12 électeurs", exact=True)).to_be_visible()


def test_an_export_of_500_megabytes_is_taken_up_by_the_screen(
    visit: Visit, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Session(site.town.engine) as session, session.begin():
        add_commune(session.connection(), GRANDE, "GRANDE")
        session.merge(
            Agent(name="agent-grande", code_commune=GRANDE, email="elections@grande.example")
        )
    page, path, times = visit("agent-grande").page, tmp_path / "export.csv", {}
    text = format_reu([ELECTEUR | LONG | {COMMUNE: GRANDE, PRENOMS: "{0}", NUMERO: "{1}"}])
    head, line = text.splitlines(keepends=True)
    count = (LARGEST - len(head)) // (len(line) + 10)
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        file.writelines(line.format(zoe(number), number) for number in range(1, count + 1))
    page.goto(f"/communes/{GRANDE}/registre")
    page.get_by_label("Fichier", exact=True).set_input_files(path)
    page.get_by_label("Jour du téléchargement").fill(site.today.isoformat())

    began = time.monotonic()
    page.get_by_role("button", name="Voir ce qui changerait").click(
        timeout=600_000, no_wait_after=True
    )
    button = page.get_by_role("button", name="Reprendre dans le registre")
    expect(button).to_be_visible(timeout=1_200_000)
    times["dropped, read and shown"] = time.monotonic() - began
    for warned in (
        page.get_by_role("group", name="Avant de reprendre").get_by_role("checkbox").all()
    ):
        warned.check()
    began = time.monotonic()
    button.click()
    expect(page.get_by_text(re.compile("^Repris dans le registre")).first).to_be_visible(
        timeout=1_200_000
    )
    times["taken up"] = time.monotonic() - began

    arrivals = site.town.arrivals
    wait_until(lambda: not list(arrivals.iterdir()), message="an empty arrivals folder")
    listed = "SELECT count(*) AS n FROM electeur NATURAL JOIN liste WHERE code_commune = :commune"
    assert site.town.rows(listed, commune=GRANDE)[0]["n"] == count
    with capsys.disabled():
        click.echo(
            f"\n{count} electors, 500 MB: "
            + ", ".join(f"{what} {took:.0f} s" for what, took in times.items())
        )
        for name, highest in site.peaks().items():
            click.echo(f"  {highest:4.0f} MiB at most  {name}")
    assert max(site.peaks().values()) < MEBIBYTES
