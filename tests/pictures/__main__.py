"""The steps of docs/guide-agent.md: LIBREVILLE's clerk in the embedded mode; each page is written to docs/pictures/."""

import argparse
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGTERM
from typing import Any

from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.parts.browser import Visitor, open_browser
from tests.parts.packages import FRENCH_CHROMIUM, provide
from tests.parts.ports import free_port
from tests.parts.process import Process
from tests.parts.town import ROOT
from tests.parts.wait import wait_until

COMMUNE = "/communes/13900"
MOST_BYTES = 150_000
_MARGIN = 12
_CORRECTED = (
    "DELETE FROM electeur WHERE NOT (sexe IN ('M', 'F') AND prenoms <> '' AND commune_naissance <> '' AND ville <> '' "
    "AND departement_naissance <> '' AND pays_naissance <> '' AND libelle_voie <> '' AND code_postal <> '' "
    "AND nationalite <> '') OR facts > 0"
)
_COUNTED = (
    "UPDATE import_liste SET electeurs = (SELECT count(*) FROM electeur e WHERE e.liste = import_liste.liste "
    "AND e.code_commune = import_liste.code_commune AND e.version = import_liste.import_id)"
)
_TWO_LEFT = (
    "DELETE FROM electeur WHERE id IN (SELECT electeur.id FROM electeur "
    "JOIN liste USING (code_commune, liste, version) WHERE liste = 'P' ORDER BY electeur.id LIMIT 2)"
)


class Walk:
    """LIBREVILLE's clerk at the screen, and the changes of the register meanwhile."""

    def __init__(self, page: Page, home: Path, pictures: Path) -> None:
        self.page = page
        self._database = home / "prefecture.db"
        self._home = home
        self._pictures = pictures

    def run(self) -> None:
        """All steps in the order of the guide."""
        self._go("listes")
        self._shoot("demander", self._region("Demander les fichiers"))
        self._ask_listes()
        self._shoot("suivre", self._region("Vos demandes"))
        first = self._files("liste = 'P'")[-1]
        self._go(f"exports/{first}/anomalies")
        self._shoot_window("anomalies")
        self._change_register(_CORRECTED)
        self._go("listes")
        self._ask_listes()
        self._shoot("derniers-exports", self._region("Derniers exports"), most=620)
        good = self._files("bloquantes = 0 AND liste = 'P'")[-1]
        (name,) = self._rows(f"SELECT file_name FROM export WHERE id = {good}")[0]  # noqa: S608 — a number
        opened = self._home / str(name)
        content = (self._home / "exports" / "13900" / str(name)).read_bytes()
        opened.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
        self._go("verifier")
        self.page.get_by_label("Fichier à vérifier").set_input_files(opened)
        self.page.get_by_role("button", name="Vérifier", exact=True).click()
        expect(self.page.get_by_text("n'est plus celui")).to_be_visible()
        self._shoot_window("verifier")
        self._deposit()
        self._change_register(_TWO_LEFT)
        self._go("listes")
        self._ask_listes()
        latest = self._files("liste = 'P'")[-1]
        self._go(f"exports/{latest}/differences")
        self._shoot_window("differences")
        self._go(f"exports/{good}")
        self._shoot_window("fichier")
        self._go("tableaux")
        self._shoot_window("tableaux")
        self._go("echeances")
        self._shoot_window("echeances")

    def _ask_listes(self) -> None:
        before = len(self._files("status = 'ready'"))
        self.page.get_by_role("button", name="Génération du fichier").click()
        self._wait_for(before + 3, "SELECT 1 FROM export WHERE status = 'ready'")
        newest = self._files("1 = 1")[-1]
        expect(
            self.page.locator(f"#demandes #telecharger-{newest}, #etape-{newest} a").first
        ).to_be_visible()

    def _deposit(self) -> None:
        self._go("dossier")
        self._shoot_window("dossier")
        with self.page.expect_download():
            self.page.get_by_role("button", name="Télécharger le dossier").click()
        self._wait_for(3, "SELECT 1 FROM export WHERE downloaded_at IS NOT NULL")
        self._go("depot")
        boxes = self.page.get_by_role("region", name="Marquer comme déposé").get_by_role("checkbox")
        for box in boxes.all():
            box.check()
        self._shoot("deposer", self._region("Marquer comme déposé"))
        self.page.get_by_role("button", name="Marquer comme déposé").click()
        self._wait_for(3, "SELECT 1 FROM depot")
        self._go("depot")
        answers = self._region("En attente de la réponse de la plateforme")
        for box in (
            *answers.get_by_role("checkbox").all(),
            answers.get_by_role("radio", name="accepté"),
        ):
            box.check()
        self._shoot("reponse", answers)
        answers.get_by_role("button", name="Enregistrer la réponse").click()
        expect(self.page.get_by_text("Enregistré : accepté")).to_be_visible()

    def _go(self, page: str) -> None:
        self.page.goto(f"{COMMUNE}/{page}")

    def _region(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name)

    def _shoot(self, name: str, *parts: Locator, most: float = 960) -> None:
        """Save the smallest picture that contains the parts, `most` pixels high at most."""
        self.page.mouse.move(0, 0)
        boxes = [box for part in parts if (box := part.bounding_box())]
        left, top = (min(box[edge] for box in boxes) - _MARGIN for edge in ("x", "y"))
        right = max(box["x"] + box["width"] for box in boxes) + _MARGIN
        bottom = max(box["y"] + box["height"] for box in boxes) + _MARGIN
        scrolled = self.page.evaluate("scrollY")
        clip = FloatRect(
            x=left, y=top + scrolled, width=right - left, height=min(bottom - top, most)
        )
        self._keep(name, self.page.screenshot(full_page=True, clip=clip))

    def _shoot_window(self, name: str) -> None:
        """Save the visible part of the page."""
        self._keep(name, self.page.screenshot())

    def _keep(self, name: str, picture: bytes) -> None:
        assert len(picture) <= MOST_BYTES, f"{name}: {len(picture)} bytes"
        (self._pictures / f"{name}.png").write_bytes(picture)

    def _files(self, condition: str) -> list[int]:
        return [
            int(row[0])
            for row in self._rows(f"SELECT id FROM export WHERE {condition} ORDER BY id")  # noqa: S608
        ]

    def _wait_for(self, count: int, query: str) -> None:
        wait_until(lambda: len(self._rows(query)) == count, timeout=30, message=query)

    def _rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._database, timeout=10)) as connection:
            return connection.execute(query).fetchall()

    def _change_register(self, statement: str) -> None:
        with closing(sqlite3.connect(self._database, timeout=10)) as connection, connection:
            connection.execute(statement)
            connection.execute(_COUNTED)


_WINDOW = {"width": 1100, "height": 820}


def main() -> None:
    """Make them all again; 2 for a wrong usage."""
    argparse.ArgumentParser(prog="python -m tests.pictures").parse_args()
    provide(FRENCH_CHROMIUM)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder), Path(folder) / "run.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PREFECTURE_HOME": folder,
            "PREFECTURE_WEB_PORT": str(port),
        }
        command = [sys.executable, "-m", "worker.solo", "run"]
        screen = Process(command, env=environment, folder=ROOT, log=log)
        opened = re.compile(rf"(http://\S+\.localhost:{port})(/ouvrir\?cle=\S+)")
        wait_until(
            lambda: opened.search(log.read_text("utf-8")) or not screen.alive,
            timeout=60,
            message="the address",
        )
        ((address, opening),) = opened.findall(log.read_text("utf-8"))
        with open_browser() as browser:
            visitor = Visitor(browser, address, viewport=_WINDOW, reduced_motion="reduce")
            visitor.page.goto(address + opening)
            Walk(visitor.page, home, ROOT / "docs" / "pictures").run()
            visitor.close()
        screen.end(SIGTERM, timeout=20)


if __name__ == "__main__":
    main()
