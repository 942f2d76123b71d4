"""Each cure on a rendered page opens, and shows the thing; what names a page in guillemets links there."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from schemas.cures import CURES, PAGES
from schemas.file_state import FileState
from schemas.tableaux import Edition, Presentation, TypeTableau
from tests.unit.test_mails import CASES
from tests.web.files_desk import FilesScreen, words
from tests.web.test_notes import plant_doubt
from worker.access.management import make_token

_STATES = {
    "failed": "status = 'failed', error_message = 'Espace disque insuffisant.'",
    "cancelled": "status = 'cancelled'",
    "purged": "purged_at = finished_at",
    "missing": "fault = 'missing'",
    "altered": "fault = 'altered'",
    "provisoire": "provisoire_until = '2099-01-02'",
    "to_complete": "a_completer = 3",
    "queued": "status = 'queued', finished_at = NULL",
}
_TITLES = "|".join(re.escape(it.title) for it in PAGES.values())
_NAMED = re.compile(rf"«\s*({_TITLES})\s*»")


class _Page(HTMLParser):
    """The cures of a page, its ids, and its text outside links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.buttons: set[str] = set()
        self.ids: set[str] = set()
        self.text = ""
        self._depth = 0
        self.feed(html.partition("<main")[2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.ids.add(known.get("id", ""))
        if tag == "a":
            self._depth += 1
        if code := known.get("data-cure"):
            if tag == "a":
                self.links[known["href"]] = code
            else:
                self.buttons.add(code)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "a"

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.text += data


@pytest.fixture
def town(files: FilesScreen) -> dict[str, int]:
    """A file in each state, an open doubt, a refused request; the numbers of the files by state."""
    number = {"list": files.make()["export_id"]}
    plant_doubt(files)
    files.desk.run("UPDATE mouvement SET date_mouvement = '2026-11-10' WHERE id IN (9001, 9002)")
    for state, facts in _STATES.items():
        number[state] = files.make_tableau(TypeTableau.VINGT_JOURS)
        clean = "bloquantes = 0, a_completer = 0, provisoire_until = NULL"
        for it in (clean, facts):
            files.desk.run(f"UPDATE export SET {it} WHERE id = :id", id=number[state])  # noqa: S608 — ours
    number["real"] = files.make_tableau(TypeTableau.VINGT_JOURS)
    number["commission"] = files.make_tableau(TypeTableau.VINGT_JOURS, edition=Edition.COMMISSION)
    number["recapitulatif"] = files.make_tableau(
        TypeTableau.VINGT_JOURS, presentations=[Presentation.RECAPITULATIF]
    )
    return number


def _pages(files: FilesScreen, town: dict[str, int]) -> dict[str, _Page]:
    addresses = [files.path(it) for it in PAGES if "{export}" not in PAGES[it].path]
    addresses += [files.path("taches"), files.path("plan"), files.path("echeances")]
    for export in town.values():
        names = "export", "anomalies", "publication", "fichier", "differences"
        addresses += [files.path(name, export=export) for name in names]
    found = {it: files.client.get(it) for it in addresses}
    return {
        it: _Page(page.text)
        for it, page in found.items()
        if page.headers["content-type"].startswith("text/html")
    }


def test_each_cure_of_each_page_opens_on_its_place(
    files: FilesScreen, town: dict[str, int]
) -> None:
    codes = set[str]()
    for where, page in _pages(files, town).items():
        codes |= {*page.links.values(), *page.buttons}
        for address, code in page.links.items():
            assert code in CURES, f"{code} on {where}"
            target = files.client.get(address)
            assert target.status_code == 200, f"{code} on {where} leads to {address}"
            fragment = address.partition("#")[2]
            assert not fragment or fragment in _Page(target.text).ids, f"{address} on {where}"
    expected = {*_STATES, FileState.TO_CORRECT} | {"exemplaire_commission", "recapitulatif"}
    expected |= {"doutes_ouverts", "doutes_a_trancher", "motifs_a_completer", "canton_absent"}
    assert expected <= codes


def test_what_names_a_page_links_there(files: FilesScreen, town: dict[str, int]) -> None:
    for where, page in _pages(files, town).items():
        assert _NAMED.findall(page.text) == [], where


@pytest.mark.parametrize("name", CASES)
def test_a_mail_that_names_a_page_links_there(name: str) -> None:
    assert _NAMED.findall(CASES[name].mail) == []


def test_a_mail_leads_to_the_thing() -> None:
    mail = CASES["tableau_a_completer"].mail
    assert "communes/13900/doutes?export=12" in mail
    assert "communes/13900/exports/12/anomalies?gravite=bloquante#lignes" in mail


def test_the_doubts_of_a_tableau_are_those_of_its_list(
    files: FilesScreen, town: dict[str, int]
) -> None:
    number = town["real"]
    page = _Page(files.get("export", export=number).text)
    (address,) = [it for it, code in page.links.items() if code == "doutes_ouverts"]
    assert "INVENTÉE Zélie" in words(files.client.get(address))
    files.desk.run("UPDATE doubt SET liste = 'CE'")
    assert "INVENTÉE" not in words(files.client.get(address))
    assert "INVENTÉE" in files.read("doutes")


def test_the_mouvements_of_a_tableau_are_those_that_its_report_names(files: FilesScreen) -> None:
    files.desk.run("UPDATE mouvement SET categorie = '', motif = ''")
    number = files.make_tableau(TypeTableau.VINGT_JOURS)
    files.desk.run("UPDATE export SET bloquantes = 0 WHERE id = :id", id=number)
    assert files.desk.row(number)["a_completer"] > 0
    page = _Page(files.get("anomalies", "code=motif_absent", export=number).text)
    (address,) = {it for it, code in page.links.items() if code == "motif_absent"}
    assert address == f"{files.path('motifs')}?export={number}"
    report = files.client.get(files.path("piece", export=number, piece="rapport")).text
    named = {
        (cells[3], cells[4])
        for cells in (line.split(";") for line in report.splitlines())
        if cells[8] == "motif_absent"
    }
    assert named
    shown = ""
    for place in range(1, 20):
        answer = files.client.get(f"{address}&page={place}")
        shown += unescape(answer.text)
    assert [who for who in named if " ".join(who) not in shown] == []


def test_the_mouvements_of_another_period_are_left_out(files: FilesScreen) -> None:
    number = files.make_tableau(TypeTableau.VINGT_JOURS)
    files.desk.run(
        "UPDATE mouvement SET categorie = '', nom_naissance = 'AUTREFOIS', date_mouvement = '2020-02-03',"
        " date_naissance = '1950-01-01' WHERE id = (SELECT min(id) FROM mouvement WHERE nature = 'radiation')"
    )
    assert "AUTREFOIS" in files.read("motifs")
    page = files.read("motifs", f"export={number}")
    assert "AUTREFOIS" not in page
    assert "Seulement pour" in page


def test_one_bureau_is_shown_alone(files: FilesScreen) -> None:
    page = files.get("bureaux", "bureau=0002").text
    assert re.findall(r'id="code_canton-(\w+)"', page) == ["0002"]


def test_the_report_has_the_whole_address_of_the_page(files: FilesScreen) -> None:
    files.desk.configure(public_url="https://exemple.fr")
    number = files.make()["export_id"]
    report = files.client.get(files.path("piece", export=number, piece="rapport")).text
    assert "puis déposer le nouvel export : https://exemple.fr/communes/13900/registre" in report
    (line,) = [it for it in report.splitlines() if ";canton_absent;" in it][:1]
    assert re.search(r" : https://exemple\.fr/communes/13900/bureaux\?bureau=\d{4}$", line)


def test_a_program_reads_the_page_that_cures_the_state(files: FilesScreen) -> None:
    number = files.make()["export_id"]
    files.desk.run("UPDATE request SET sender = 'jeton compta', uuid = 'a'")
    with files.desk.engine.begin() as connection:
        token = make_token(connection, "compta", ["13900"], [], actor="test")

    def ask() -> dict[str, object]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = files.client.get("/api/v1/requests/a", headers=headers)
        (file,) = answer.json()["exports"]
        return dict(file)

    expected = f"{files.path('anomalies', export=number)}?gravite=bloquante#lignes"
    assert (ask()["state"], ask()["cure"]) == ("to_correct", expected)
    files.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0")
    assert ask()["state"] == "ready"
    assert "cure" not in ask()
