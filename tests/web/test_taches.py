"""The first page of a commune, one list of tasks; its calendar, the tableaux that each coming poll requires."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest

from producers.web.echeances.ribbon import place
from producers.web.templating import NAVIGATION, SETTINGS
from schemas.tableaux import Edition, TypeTableau
from tests.integration.depots_desk import today
from tests.parts.town import TODAY
from tests.web.files_desk import FilesScreen
from worker.demo.libreville import demo_calendrier

_BUTTON = re.compile(r'<a class="button[^"]*" href="([^"]+)"')


def test_the_first_page_is_the_list_of_what_is_to_be_done(files: FilesScreen) -> None:
    assert files.client.get("/", follow_redirects=False).headers["location"] == files.path("taches")
    files.set_clock(datetime.now(UTC) + timedelta(days=34))
    page = files.read("taches")
    assert re.search(r"Déposer l'export du REU Il date de \d+ jours", page)
    assert "Cette page ne sait pas" not in page, "doubts and motifs are counted"
    assert "1. " not in page, "numbers are drawn by the style sheet"


def test_the_map_leads_to_every_page_and_every_page_to_the_map(files: FilesScreen) -> None:
    files.desk.run("UPDATE agent SET may_protect = :yes", yes=True)
    here = f'href="{files.path("plan")}"'
    page = files.get("plan").text.partition("<main")[2]
    sections = *NAVIGATION, SETTINGS
    for section in sections:
        opened = files.get(section.name).text
        for it in (section, *section.pages):
            assert f'href="{files.path(it.name)}"' in page, it.name
            assert f'href="{files.path(it.name)}"' in opened, f"{section.name} leads to {it.name}"
            assert here in files.get(it.name).text.partition("<footer")[2], it.name
    assert len(NAVIGATION) == 5


def test_every_button_leads_to_a_page(files: FilesScreen) -> None:
    number = files.make()["export_id"]
    files.make_tableau(TypeTableau.VINGT_JOURS)
    page = files.get("taches").text
    addresses = _BUTTON.findall(page)
    assert len(addresses) >= 5
    for address in addresses:
        assert files.client.get(address.replace("&amp;", "&")).status_code == 200, address
    assert f"{files.path('anomalies', export=number)}?gravite=bloquante#lignes" in addresses


def _steps(files: FilesScreen) -> dict[str, str]:
    """Where the month stands at each step, as the page says it."""
    road = files.get("taches").text.partition('<ol class="road">')[2].partition("</ol>")[0]
    found = re.findall(r'href="([^"]+)">([^<]+)</a> <span class="badge[^>]*>([^<]+)<', road)
    for address, _, _ in found:
        assert files.client.get(address).status_code == 200
    return {label: state for _, label, state in found}


def test_the_four_steps_say_where_the_month_stands(files: FilesScreen) -> None:
    files.desk.run("UPDATE mouvement SET categorie = 'radiation_deces', is_dated = true")
    unknown = dict.fromkeys(("Fichiers", "Déposé"), "on ne sait pas")
    begun = {"Export": "fait", "Dates": "fait"} | unknown
    assert _steps(files) == begun
    files.desk.run(
        "UPDATE mouvement SET categorie = '' WHERE id = (SELECT min(id) FROM mouvement"
        " WHERE nature <> 'modification')"
    )
    assert _steps(files) == begun | {"Dates": "à faire"}
    files.ask_and_make("P", "CE", "CM")
    files.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL")
    made = _steps(files)
    assert made["Fichiers"] == "fait"
    assert made["Déposé"] == "à faire"
    form = {"export": [str(it) for it in files.numbers()[-3:]], "jour": today().isoformat()}
    assert files.post("depot", form).status_code == 303
    files.work()
    assert _steps(files)["Déposé"] == "réponse attendue"
    files.set_clock(datetime.now(UTC) + timedelta(days=34))
    assert _steps(files) == begun | dict.fromkeys(("Fichiers", "Déposé"), "pas encore") | {
        "Export": "à faire",
        "Dates": "à faire",
    }, "another month has begun"


def test_a_register_without_a_day_leaves_the_first_step_unknown(files: FilesScreen) -> None:
    files.desk.run("UPDATE import SET taken_on = NULL")
    assert _steps(files)["Export"] == "on ne sait pas"
    files.desk.run("DELETE FROM mouvement")
    files.desk.run("DELETE FROM electeur")
    files.desk.run("DELETE FROM liste")
    nothing = dict.fromkeys(("Dates", "Fichiers", "Déposé"), "pas encore")
    assert _steps(files) == {"Export": "à faire"} | nothing


DAYS = demo_calendrier(TODAY)
NOON = datetime(TODAY.year, TODAY.month, TODAY.day, 11, tzinfo=UTC)
VINGT_JOURS = TypeTableau.VINGT_JOURS


def test_each_day_of_the_coming_poll_is_written_in_full_with_its_article(
    screen: FilesScreen,
) -> None:
    screen.set_clock(NOON)
    page = screen.read("echeances")
    for expected in (
        "Élection municipale partielle dimanche 6 décembre 2026 – dans 11 jours",
        "vendredi 30 octobre 2026 Clôture des inscriptions",
        "Code électoral, art. L. 17",
        "du jeudi 12 novembre 2026au dimanche 15 novembre 2026 Réunion de la commission de contrôle",
        "réunion notée le vendredi 13 novembre 2026",
        "samedi 14 novembre 2026 Tableau des vingt jours à publier Code électoral, art. L. 19, L. 20 et R. 13",
        "jeudi 26 novembre 2026 Dernier jour des inscriptions de l'article L. 30 Code électoral, art. L. 30",
        "mardi 1er décembre 2026 Tableau des cinq jours à publier Code électoral, art. L. 20 (II), L. 30, L. 31 et",
        "dans 6 jours",
    ):
        assert expected in page
    assert "en ligne" not in page, "R. 5 counts for general elections only"


def test_the_ribbon_shows_the_days_of_the_poll_and_today(files: FilesScreen) -> None:
    files.set_clock(NOON)
    page = unescape(files.get("echeances").text)
    ribbon = page.partition('<div class="ribbon">')[2].partition("</div>")[0]
    said = re.findall(r"<li[^>]*>([^<]+)</li>", ribbon)
    assert said[:2] == ["30/10/2026 – clôture", "13/11/2026 – réunion"]
    assert said[-4:] == [
        "25/11/2026 – aujourd'hui",
        "26/11/2026 – dernier jour de l'article L. 30",
        "01/12/2026 – J-5\u202f: Tableau des cinq jours",
        "06/12/2026 – scrutin",
    ]
    circles = [float(it) for it in re.findall(r'cx="([\d.]+)%"', ribbon)]
    assert circles == sorted(circles)
    assert len(circles) == len(said)


_POLL = date(2026, 12, 6)


@pytest.mark.parametrize(
    ("today", "edge"), [(date(2026, 6, 1), 4.0), (date(2027, 3, 1), 96.0), (_POLL, 96.0)]
)
def test_today_stays_on_the_ribbon(today: date, edge: float) -> None:
    marks = place([(date(2026, 10, 30), "clôture"), (_POLL, "scrutin")], today)
    assert [it.x for it in marks if it.is_today] == [edge]
    assert all(4 <= it.x <= 96 for it in marks)
    for one in marks:
        near = [it for it in marks if it is not one and it.row == one.row]
        assert all(abs(it.x - one.x) >= 7 for it in near), "circles do not touch"


@pytest.mark.slow
def test_a_tableau_is_done_once_it_is_made_for_that_poll_to_be_posted(screen: FilesScreen) -> None:
    screen.set_clock(NOON)
    assert "en retard il y a 11 jours" in screen.read("echeances")
    screen.make_tableau(VINGT_JOURS, edition=Edition.COMMISSION)
    assert "en retard" in screen.read("echeances")
    screen.make_tableau(VINGT_JOURS)
    page = screen.read("echeances")
    assert "en retard" not in page
    assert "publication non notée Liste principale, du" in page
    missing = "la liste complémentaire municipale"
    assert f"Pas de tableau pour {missing} : il en faut un si elle vote à ce scrutin." in page


def test_a_provisional_tableau_strikes_off_no_deadline(files: FilesScreen) -> None:
    files.set_clock(NOON)
    files.make_tableau(VINGT_JOURS)
    files.desk.run("UPDATE export SET provisoire_until = '2026-12-01'")
    page = files.read("echeances")
    assert "en retard il y a 11 jours" in page
    assert "provisoire Liste principale, du" in page
    assert "à refaire à partir du mardi 1er décembre 2026" in page
    assert "Demander ce tableau" in page
    for name in ("exports", "tableaux"):
        page = files.read(name)
        assert "À refaire à partir du 01/12/2026" in page
        assert "ni signature, ni publication, ni dépôt." in page
        assert "prêt" not in page.partition("Derniers exports")[2]


def test_what_was_recalled_says_so_on_every_page(files: FilesScreen) -> None:
    files.set_clock(NOON)
    number = files.make_tableau(VINGT_JOURS)
    files.desk.run(
        "INSERT INTO recall (code_commune, because, recalled_by) VALUES ('13900', 'essai annulé', 'mairie')"
    )
    files.desk.run("UPDATE export SET recall_id = (SELECT max(id) FROM recall)")
    files.desk.run(
        "INSERT INTO depot (export_id, deposited_on, deposited_by) VALUES (:id, '2026-11-25', 'm')",
        id=number,
    )
    assert "à refaire Liste principale, du" in files.read("echeances")
    for name in ("exports", "tableaux"):
        assert "Essai annulé : demandez ce fichier de nouveau." in files.read(name)
    assert (
        "mais essai annulé. Demandez-le de nouveau, puis déposez le nouveau fichier"
        in files.read("depot")
    )
    assert "Essai annulé : à part dans le ZIP" in files.read("dossier")
    page = files.read("export", export=number)
    assert "À refaire. Ce fichier a été fait à partir de ce qui ne vaut plus" in page


def test_what_is_missing_is_asked_for_by_a_form_filled_in(files: FilesScreen) -> None:
    files.set_clock(NOON)
    page = files.get("echeances").text
    wanted = f"{files.path('tableaux')}?type=cinq_jours_reu&amp;scrutin={DAYS.scrutin}"
    assert f'href="{wanted}"' in page
    form = files.read("tableaux", f"type=cinq_jours_reu&scrutin={DAYS.scrutin}")
    assert "Tableau des cinq jours" in form


def test_a_national_poll_is_everybodys_and_past_ones_are_left_out(files: FilesScreen) -> None:
    files.desk.run("DELETE FROM scrutin")
    for scrutin in (
        "'', '2027-04-11', 'Élection nationale'",
        "'13055', '2027-05-02', 'Élection ailleurs'",
        "'13900', '2026-03-15', 'Élection passée'",
    ):
        files.desk.run(f"INSERT INTO scrutin (code_commune, date, libelle) VALUES ({scrutin})")  # noqa: S608 — ours
    files.set_clock(NOON)
    page = files.read("echeances")
    assert "Élection nationale dimanche 11 avril 2027" in page
    assert "Élection ailleurs" not in page
    assert "Élection passée" not in page


def test_what_is_due_in_a_year_is_counted_and_found_among_the_dates(files: FilesScreen) -> None:
    files.desk.run("DELETE FROM scrutin")
    files.desk.run(
        "INSERT INTO scrutin (code_commune, date, libelle) VALUES ('13900', '2027-12-19', 'Lointaine')"
    )
    files.set_clock(NOON)
    page = files.read("taches")
    assert "Lointaine du" not in page
    assert re.search(r"\d tâches viennent après le \d\d/\d\d/\d{4}", page)
    assert "Lointaine dimanche 19 décembre 2027" in files.read("echeances")
