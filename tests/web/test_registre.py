"""« Le registre », on both databases: an export is uploaded, previewed, imported or discarded; its file is deleted."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response

from common.calendrier import jour_a_paris, now
from producers.publisher import Publisher
from producers.web.registre import page
from producers.web.registre.query import Whole, sum_up
from schemas.profiles import read_profile, write_profile
from schemas.profiles.matching import Matching
from schemas.profiles.source import SourceField, SourceProfile
from schemas.topology import QUEUE_REGISTRE, REQUEST_REGISTRE_PREVIEW
from tests.integration.requests_queue import RequestsQueue
from tests.parts.disk import small_disk
from tests.parts.reu_variants import answer as answer_page
from tests.parts.reu_variants import iter_variants
from tests.parts.town import AGENT, MOUVEMENTS_TEMPLATE
from tests.parts.wait import wait_until
from tests.unit.reu_sample import COMMUNE as CODE
from tests.unit.reu_sample import DATE, NUMERO, PRENOMS, electeurs, format_reu
from tests.web.files_desk import FilesScreen, open_screen, spaced_words

pytestmark = pytest.mark.database(MOUVEMENTS_TEMPLATE)

PAGE = "/communes/13900/registre"
QUESTIONS = [f"question-{number}" for number in range(1, 10)]
"""The checkboxes for the questions about an export of other electors; a form without some of them omits these."""


class RegistreScreen:
    """The page, and a worker that runs when the test calls it."""

    def __init__(self, screen: FilesScreen, arrivals: Path) -> None:
        self.screen, self.arrivals = screen, arrivals
        self.today = jour_a_paris(now())

    def upload(
        self, content: str | bytes | None, name: str = "liste.csv", **fields: str
    ) -> Response:
        """Send the upload form of the page."""
        page = self.screen.client.get(PAGE).text
        hidden = dict(re.findall(r'name="(jeton|formulaire)" value="([^"]+)"', page))
        form = hidden | {"jour": self.today.isoformat(), "liste": ""} | fields
        data = content.encode() if isinstance(content, str) else content
        files = (
            {"fichier": (name, data, "text/csv")} if data is not None else {"fichier": ("", b"")}
        )
        return self.screen.client.post(PAGE, data=form, files=files, follow_redirects=False)

    def press(self, path: str, *, files: Any = None, **fields: Any) -> Response:  # noqa: ANN401 — as httpx has them
        """Press the button of the form with this target."""
        page = self.screen.client.get(PAGE).text
        form = page.partition(f'action="{PAGE}/{path}"')[2].partition("</form>")[0]
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        return self.screen.client.post(
            f"{PAGE}/{path}", data=hidden | fields, files=files, follow_redirects=False
        )

    def work(self) -> None:
        """Ingest the sent events, then do the due work of each export."""
        self.screen.work()
        self.screen.desk.work(QUEUE_REGISTRE)

    def last(self) -> tuple[str, dict[str, Any]]:
        """The state of the last preview, and what was found."""
        ((status, found),) = self.rows("SELECT status, found FROM preview ORDER BY id DESC LIMIT 1")
        return status, (json.loads(found) if isinstance(found, str) else found) or {}

    def read(self) -> str:
        return spaced_words(self.screen.client.get(PAGE))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.screen.desk.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def files(self) -> list[Path]:
        return sorted(self.arrivals.iterdir()) if self.arrivals.exists() else []


@pytest.fixture
def screen(database_url: str, tmp_path: Path) -> Iterator[RegistreScreen]:
    arrivals = tmp_path / "exports" / "arrivals"
    with open_screen(database_url, tmp_path, home=arrivals.parent) as opened:
        yield RegistreScreen(opened, arrivals)


def _export(count: int = 400, *more: dict[str, str]) -> str:
    return format_reu([*electeurs(count, {CODE: "13900"}), *more])


def test_the_page_says_what_the_register_holds_and_how_old_it_is(screen: RegistreScreen) -> None:
    said = screen.read()
    assert re.search(r"Liste principale \(générale\) \d+ électeurs export du \d\d/\d\d/\d{4}", said)
    assert "Derniers exports repris" in said
    assert "Voir ce qui changerait" in said


@pytest.mark.slow
def test_an_export_that_was_not_compared_leaves_a_gap_that_the_page_shows(
    screen: RegistreScreen,
) -> None:
    assert "Lacune" not in screen.read(), "the first export of a list has none before it"
    _take_up(screen)
    assert "Lacune" not in screen.read()
    last = "(SELECT max(import_id) FROM import_liste)"
    screen.screen.desk.run(f"UPDATE import_liste SET is_compared = false WHERE import_id = {last}")  # noqa: S608
    assert re.search(
        rf"non comparé Lacune : du \d\d/\d\d/\d{{4}} au {screen.today:%d/%m/%Y}, ce qui a changé n'est pas connu",
        screen.read(),
    )


@pytest.mark.slow
def test_an_export_is_dropped_read_and_taken_up(screen: RegistreScreen) -> None:
    content = _export()
    answer = screen.upload(content)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#apercus")
    (kept,) = screen.files()
    assert kept.read_text() == content
    assert kept.stat().st_mode & 0o137 == 0
    assert "liste" not in kept.name
    assert "Envoyé" in screen.read()

    screen.work()
    said = screen.read()
    assert "Ce que changerait l'export du" in said
    assert "Rien n'a encore changé dans le registre" in said
    (before,) = screen.rows("SELECT count(*) FROM electeur NATURAL JOIN liste WHERE liste = 'P'")[0]
    whole = re.search(
        r"Depuis l'export précédent : (\d+) \+ (\d+) − (\d+) = (\d+) électeurs, \d+ changements? de bureau",
        said,
    )
    assert whole
    first, came, left, last = map(int, whole.groups())
    assert (first, first + came - left) == (before, last) == (before, 400)

    assert screen.press("reprendre", accepte=QUESTIONS).status_code == 303
    assert "Envoyé" in screen.read()
    screen.work()
    assert "Repris dans le registre" in screen.read()
    (after,) = screen.rows("SELECT count(*) FROM electeur NATURAL JOIN liste WHERE liste = 'P'")[0]
    assert (after, screen.files()) == (400, [])
    assert before != after
    screen.screen.desk.run("UPDATE preview SET found = NULL")  # like `forget`
    assert "Repris dans le registre" in screen.read()
    said = "SELECT imported_by, file_name FROM import ORDER BY id DESC LIMIT 1"
    assert screen.rows(said) == [(AGENT, "liste.csv")]


@pytest.mark.slow
def test_the_same_form_twice_is_one_export(screen: RegistreScreen) -> None:
    once = str(uuid4())
    for _ in range(2):
        assert screen.upload(_export(), formulaire=once).status_code == 303
    screen.work()
    assert len(screen.rows("SELECT id FROM preview")) == len(screen.files()) == 1


@pytest.mark.slow
def test_what_the_preview_warns_of_is_ticked_or_nothing_happens(screen: RegistreScreen) -> None:
    screen.upload(
        _export(30, electeurs(1, {CODE: "13900", DATE: "hier", PRENOMS: "Ode", NUMERO: "900"})[0])
    )
    screen.work()
    said = screen.read()
    assert "1 ligne rejetée sur 31" in said
    assert "date de naissance illisible" in said
    assert "Ode" not in said
    refused = screen.press("reprendre")
    assert refused.status_code == 422
    assert "2 points sont à corriger" in spaced_words(refused)
    assert screen.rows("SELECT status FROM preview") == [("ready",)]
    assert "2 points" not in spaced_words(screen.press("reprendre", accepte=["rejets"])), (
        "the question is left"
    )
    assert screen.press("reprendre", accepte=["rejets", *QUESTIONS]).status_code == 303
    screen.work()
    assert screen.rows("SELECT status FROM preview") == [("imported",)]


@pytest.mark.slow
def test_what_is_refused_says_why_and_is_gone(screen: RegistreScreen) -> None:
    screen.upload(
        "<!DOCTYPE html><html><body>Votre session a expiré</body></html>",
        name="C:\\Exports\\liste.csv",
    )
    screen.work()
    said = screen.read()
    assert "liste.csv : c'est une page" in said
    assert "Le registre n'a pas changé, et le fichier est effacé." in said
    assert screen.files() == []
    screen.upload("<!DOCTYPE html><html><body>De nouveau</body></html>", name="deux.csv")
    screen.work()
    said = screen.read()
    assert all(f"{name}.csv : c'est une page" in said for name in ("deux", "liste")), (
        "each refusal stays for a day"
    )


def test_older_uploads_are_folded_beneath_the_form(screen: RegistreScreen) -> None:
    for name in ("une.csv", "deux.csv"):
        screen.upload(f"<!DOCTYPE html><html><body>{name}</body></html>", name=name)
        screen.work()
    shown, _, folded = screen.read().partition("Dépôts d'avant, depuis hier (1)")
    assert "deux.csv : c'est une page" in shown.partition("Déposer un export")[0]
    assert "une.csv" not in shown
    assert "une.csv : c'est une page" in folded


@pytest.mark.parametrize(("electeurs", "is_explained"), [(882, True), (881, False)])
def test_a_sum_that_is_not_explained_is_not_shown(electeurs: int, *, is_explained: bool) -> None:
    """A list that is new in the register is not compared."""
    new = {"liste": "CM", "before": None, "electeurs": 3}
    listes = [{"liste": "P", "before": 875, "electeurs": electeurs}, new]
    changes = {"inscriptions": 19, "radiations": 12}
    found = sum_up({"listes": listes, "comparison": changes})
    assert found == (Whole(875, 882) if is_explained else None)


def test_after_five_refused_exports_the_page_says_why_the_next_one_waits(
    screen: RegistreScreen,
) -> None:
    for number in range(5):
        screen.upload(f"faux {number}")
        screen.work()
    assert "le suivant attend" not in screen.read()
    screen.upload(format_reu(electeurs(1)))
    screen.work()
    assert (
        "Après cinq exports refusés en dix minutes, le suivant attend une minute." in screen.read()
    )


def test_what_a_spreadsheet_changed_is_not_to_correct_in_the_reu(screen: RegistreScreen) -> None:
    screen.upload(
        format_reu([*electeurs(40, {CODE: "13900"}), *electeurs(3, {CODE: "13900", DATE: "23456"})])
    )
    screen.work()
    said = screen.read()
    assert (
        "Un tableur a changé ce fichier. Ne le reprenez pas : téléchargez-le de nouveau d'ELIRE"
        in said
    )
    assert "dans le REU" not in said


def test_settled_doubts_block_nothing(screen: RegistreScreen) -> None:
    _take_up(screen)
    _, found = screen.last()
    found["comparison"]["doubts"] = 2
    screen.screen.desk.run("UPDATE preview SET found = :found", found=json.dumps(found))
    screen.screen.desk.run("UPDATE doubt SET decision = 'same_person'")
    said = screen.read()
    assert "Repris dans le registre" in said
    assert "doute" not in said


def test_a_form_without_its_file_or_its_day_comes_back(screen: RegistreScreen) -> None:
    tomorrow = (screen.today + timedelta(days=3)).isoformat()
    for answer, said in (
        (screen.upload(None), "choisissez le fichier"),
        (screen.upload(b""), "choisissez le fichier|ce fichier est vide"),
        (screen.upload(_export(), jour=""), "indiquez le jour où vous l'avez téléchargé"),
        (screen.upload(_export(), jour="31/02/2026"), "ce jour n'est pas possible"),
        (screen.upload(_export(), jour="0026-11-20"), "l'année en entier"),
        (screen.upload(_export(), jour=tomorrow), "n'est pas encore venu"),
        (screen.upload(_export(), liste="X"), "choisissez une liste"),
    ):
        assert answer.status_code == 422
        assert re.search(said, spaced_words(answer), re.IGNORECASE), spaced_words(answer)
    assert (screen.files(), screen.screen.broker.events) == ([], [])


def test_a_commune_has_not_more_exports_open_than_it_can_answer(
    screen: RegistreScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "_MOST_OPEN", 1)
    assert screen.upload(_export()).status_code == 303
    screen.work()
    answer = screen.upload(_export(399))
    assert answer.status_code == 422
    assert "1 exports attendent déjà" in spaced_words(answer)
    assert len(screen.files()) == 1


def test_while_the_broker_is_away_nothing_is_kept(screen: RegistreScreen) -> None:
    screen.screen.broker.is_away = True
    answer = screen.upload(_export())
    assert answer.status_code == 503
    assert "Rien n'est parti, et le registre n'a pas changé" in spaced_words(answer)
    assert screen.files() == []


def test_without_room_nothing_is_left(screen: RegistreScreen) -> None:
    with small_disk(screen.arrivals, "512k") as disk:
        disk.fill()
        ballast = screen.files()
        answer = screen.upload(_export())
        assert answer.status_code == 422
        assert "attendre n'y changera rien. Montrez ceci" in spaced_words(answer)
        assert (screen.files(), screen.screen.broker.events) == (ballast, [])
        disk.free()
        assert screen.upload(_export()).status_code == 303


@pytest.mark.slow
def test_a_preview_of_another_commune_is_not_found(screen: RegistreScreen) -> None:
    screen.upload(_export())
    screen.work()
    screen.screen.desk.run("UPDATE preview SET code_commune = '13055'")
    assert "Ce que changerait" not in screen.read()
    token = dict(re.findall(r'name="(jeton)" value="([^"]+)"', screen.screen.client.get(PAGE).text))
    (preview_id,) = screen.rows("SELECT id FROM preview")[0]
    sha256 = hashlib.sha256(_export().encode()).hexdigest()
    for path in ("reprendre", "laisser"):
        form = token | {"apercu": str(preview_id), "sha256": sha256}
        assert screen.screen.client.post(f"{PAGE}/{path}", data=form).status_code == 404


def _correct(screen: RegistreScreen, button: str, **fields: str) -> Response:
    """Press the button of the last export in the register."""
    page = screen.screen.client.get(PAGE).text
    forms = [form.partition("</form>")[0] for form in page.split(f'action="{PAGE}/corriger"')[1:]]
    form = next(it for it in forms if f'value="{button}"' in it)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return screen.screen.client.post(
        f"{PAGE}/corriger", data=hidden | fields, follow_redirects=False
    )


def _take_up(screen: RegistreScreen, count: int = 400) -> None:
    screen.upload(_export(count))
    screen.work()
    screen.press("reprendre", accepte=["rejets", *QUESTIONS])
    screen.work()


@pytest.mark.slow
def test_an_export_is_undone_once_its_page_has_said_what_would_change(
    screen: RegistreScreen,
) -> None:
    count = "SELECT count(*) FROM electeur NATURAL JOIN liste WHERE liste = 'P'"
    before = screen.rows(count)
    _take_up(screen)
    confirmed = r"confirmé : autres électeurs \(liste P de 13900\)"
    taken = rf"repris dans le registre export du {screen.today:%d/%m/%Y}, import \d+ ; {confirmed}, liste.csv"
    assert re.search(taken, spaced_words(screen.screen.get("/journal")))
    assert _correct(screen, "undo").headers["location"] == f"{PAGE}#apercus"
    assert "Envoyé" in screen.read()
    screen.work()
    said = screen.read()
    assert "Ce que changerait l'annulation de l'export du" in said
    assert re.search(rf"Liste principale \(générale\) 400 {before[0][0]}", said), said
    assert re.search(
        r"Ce qu'il avait apporté est effacé : \d+ inscriptions?, \d+ radiations?", said
    )
    assert (screen.rows(count), "Aucun fichier n'est à refaire." in said) == ([(400,)], True)
    assert screen.press("reprendre", accepte=QUESTIONS).status_code == 303
    screen.work()
    said = screen.read()
    assert "La reprise est annulée" in said
    assert "Repris, puis annulé : le registre est celui d'avant." in said
    assert "Repris dans le registre." not in said
    assert screen.rows(count) == before
    assert "annulé" in screen.read().partition("Derniers exports repris")[2]


@pytest.mark.slow
def test_only_the_last_export_of_a_list_offers_to_be_undone(screen: RegistreScreen) -> None:
    _take_up(screen)
    said = screen.read().partition("Derniers exports repris")[2]
    assert said.count("Voir ce que changerait son annulation") == 1
    assert "Pour l'annuler, annulez d'abord celui du" in said
    first = screen.rows("SELECT min(import_id) FROM import_liste")[0][0]
    assert _correct(screen, "undo", **{"import": str(first)}).status_code == 404
    screen.screen.desk.run("UPDATE import SET finished_at = '2026-01-01 00:00:00+00:00'")
    assert "il ne s'annule plus" in screen.read()
    assert _correct(screen, "redate", act="undo").status_code == 404


@pytest.mark.slow
def test_the_day_of_an_export_is_corrected(screen: RegistreScreen) -> None:
    _take_up(screen)
    taken_on = "SELECT taken_on FROM import ORDER BY id DESC LIMIT 1"
    (number,) = screen.rows("SELECT max(id) FROM import")[0]
    wrong = {
        "": "indiquez le jour",
        "31/02/2026": "n'est pas possible",
        "0026-11-20": "l'année en entier",
        "2199-01-01": "n'est pas encore venu",
    }
    for day, said in wrong.items():
        answer = _correct(screen, "redate", jour=day)
        assert (answer.status_code, said in spaced_words(answer).lower()) == (422, True)
        assert f'href="#jour-{number}"' in answer.text
    before = screen.rows(taken_on)
    screen.screen.desk.run(
        "UPDATE import SET taken_on = '2026-01-02' WHERE id < (SELECT max(id) FROM import)"
    )
    yesterday = screen.today - timedelta(days=1)
    assert _correct(screen, "redate", jour=yesterday.isoformat()).status_code == 303
    screen.work()
    said = screen.read()
    assert f"Ce que changerait l'export daté du {yesterday:%d/%m/%Y}" in said
    assert f"il serait du {yesterday:%d/%m/%Y}" in said
    assert screen.rows(taken_on) == before
    screen.press("reprendre", accepte=QUESTIONS)
    screen.work()
    assert "Le jour est corrigé" in screen.read()
    assert str(screen.rows(taken_on)[0][0])[:10] == yesterday.isoformat()


@pytest.mark.slow
def test_what_was_deposited_wants_a_reason_on_the_page_too(screen: RegistreScreen) -> None:
    _take_up(screen)
    _correct(screen, "undo")
    screen.work()
    _, found = screen.last()
    found["files"] |= {"count": 2, "used": ["Liste P du jour"], "others": ["Tableau des essais"]}
    screen.screen.desk.run(
        "UPDATE preview SET found = :found WHERE act = 'undo'", found=json.dumps(found)
    )
    said = screen.read()
    assert "2 fichiers deviennent « à refaire »" in said
    assert "Liste P du jour (déposé, affiché, ou téléchargé pour l'être) Tableau des essais" in said
    answer = screen.press("reprendre")
    assert (
        answer.status_code,
        "Dites pourquoi ces fichiers sont à refaire" in spaced_words(answer),
    ) == (422, True)
    assert screen.press("reprendre", raison="mauvais fichier").status_code == 303
    screen.work()
    assert "ont changé depuis que cela vous a été montré" in screen.read(), (
        "there are no such files"
    )
    assert "et le fichier est effacé" not in screen.read()


@pytest.mark.slow
def test_a_full_queue_keeps_an_export_that_was_dropped(
    screen: RegistreScreen, amqp_url: str
) -> None:
    with (
        RequestsQueue(amqp_url, max_length=1) as queue,
        Publisher(amqp_url) as screen.screen.broker.real,
    ):
        queue.fill()
        assert screen.upload(_export()).status_code == 303
        assert "c'est gardé, et partira tout seul" in screen.read()
        assert len(screen.files()) == 1
        queue.clear()
        assert queue.take_event().type == REQUEST_REGISTRE_PREVIEW
        wait_until(lambda: screen.screen.broker.events, message="that it has left")
    screen.work()
    assert "Ce que changerait l'export du" in screen.read()


VARIANTS = {it.name: it for it in iter_variants()}


def _to_match(screen: RegistreScreen, name: str) -> Matching:
    """Upload a changed export, whose columns are asked about; return the questions."""
    variant = VARIANTS[name]
    assert screen.upload(variant.content, variant.file_name).status_code == 303
    screen.work()
    status, found = screen.last()
    assert status == "to_match"
    return Matching.model_validate(found["matching"])


@pytest.mark.slow
def test_a_file_of_another_form_is_matched_once(screen: RegistreScreen) -> None:
    """The clerk answers one page; the next file of that form needs no question, and another town hall may load it."""
    form, wrong = answer_page(_to_match(screen, "titre-inconnu"), VARIANTS["titre-inconnu"])
    assert wrong == []
    page = screen.read()
    assert "Ce fichier n'a pas la forme habituelle" in page
    assert "Quelle colonne contient…" in page
    assert not any(name in page for name in ("GUIMAUVE", "Guimauve", "26/05/1956"))
    assert screen.press("correspondance", **form | {"nom_naissance": ""}).status_code == 422
    assert screen.press("correspondance", **form).status_code == 303
    screen.work()
    page = screen.read()
    assert "Ce que changerait l'export" in page
    assert "« Champ 4 » = nom de naissance, « Champ 8 » = date de naissance" in page
    ((preview,),) = screen.rows("SELECT max(id) FROM preview")
    profile = screen.screen.client.get(f"{PAGE}/correspondance", params={"apercu": preview}).text
    assert read_profile(profile, SourceProfile, name="x.toml").fields[
        SourceField.NOM_NAISSANCE
    ].titles == ("Champ 4",)
    screen.press("reprendre", accepte=["rejets", *QUESTIONS])
    screen.work()
    assert "Repris dans le registre" in screen.read()
    assert "examples" not in str(screen.rows("SELECT found FROM preview"))
    journal = spaced_words(screen.screen.client.get("/communes/13900/journal"))
    assert "Colonnes d'un fichier décrites" in journal
    assert "« Champ 4 » = nom de naissance" in journal
    assert screen.files() == []
    screen.upload(VARIANTS["titre-inconnu"].content + b"\n", "encore.csv")
    screen.work()
    assert screen.rows("SELECT status FROM preview ORDER BY id DESC LIMIT 1") in (
        [("ready",)],
        [("refused",)],
    )


@pytest.mark.slow
def test_a_profile_of_another_town_hall_answers_the_page(screen: RegistreScreen) -> None:
    matching = _to_match(screen, "titre-inconnu")
    form, _ = answer_page(matching, VARIANTS["titre-inconnu"])
    mapping, _ = matching.read(form)
    head = {
        "kind": "source",
        "name": "autre",
        "label": "autre mairie",
        "version": "1",
        "according_to": "AUTREVILLE",
    }
    profile = SourceProfile.model_validate(
        head | {"seen_on": screen.today, "fields": mapping.fields}
    )
    broken = write_profile(profile).replace("nom_naissance", "nom_de_naissance")
    answered = screen.press("correspondance", files={"profil": ("autre.toml", broken)})
    assert re.search(r"Autre.toml, ligne \d+.*nom_de_naissance", spaced_words(answered))
    assert (
        screen.press(
            "correspondance", files={"profil": ("autre.toml", write_profile(profile))}
        ).status_code
        == 303
    )
    screen.work()
    assert "Ce que changerait l'export" in screen.read()
