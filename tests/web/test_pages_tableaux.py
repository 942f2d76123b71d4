"""The second tab: the calendar proposes dates, the clerk may change them; an error appears beside its field."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.regimes import TABLE, read_regimes
from schemas.requests import TableauxRenderRequested
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Liste
from tests.parts.town import AGENT, TODAY
from tests.web.files_desk import FilesScreen, spaced_words

SCRUTIN = date(2027, 4, 18)
FORM: dict[str, Any] = {
    "type": "vingt_jours",
    "listes": ["P"],
    "presentations": ["commune"],
    "edition": "affichage",
    "scrutin": "2027-04-18",
}


@pytest.fixture(autouse=True)
def _on_the_day_of_the_register(screen: FilesScreen) -> None:
    screen.set_clock(datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC))


def checked(page: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" id="[^"]+" value="([^"]+)" checked', page)


def test_what_the_calendar_calls_for_comes_first_and_fills_the_form_in(screen: FilesScreen) -> None:
    page = screen.get("/tableaux")
    offered = re.findall(r'href="/communes/13900/tableaux\?([^"#]+)#demander"', page.text)
    assert offered[0].startswith("type=vingt_jours&amp;scrutin=2026-12-06")
    said = spaced_words(page)
    assert said.index("Ce que le calendrier demande") < said.index("Demander un tableau")
    assert checked(page.text, "type") == ["vingt_jours"]
    assert 'id="scrutin" value="2026-12-06"' in page.text


def test_an_offer_fills_the_form_in(screen: FilesScreen) -> None:
    page = screen.get("/tableaux?type=cinq_jours_reu&scrutin=2027-04-18&listes=CE&listes=CM").text
    assert checked(page, "type") == ["cinq_jours_reu"]
    assert checked(page, "listes") == ["CE", "CM"]
    assert 'id="scrutin" value="2027-04-18"' in page


@pytest.mark.slow
def test_an_offer_goes_once_its_tableau_is_made(screen: FilesScreen) -> None:
    offers = screen.get("/tableaux").text.count(">Préparer la demande<")
    everything = FORM | {"listes": ["P", "CM"], "scrutin": "2026-12-06"}
    assert screen.post("/tableaux", everything).status_code == 303
    screen.work()
    for number in screen.numbers():
        assert screen.desk.process(number)["status"] == "ready"
    assert screen.get("/tableaux").text.count(">Préparer la demande<") == offers - 1


ANNUAL = "Tableau des inscriptions et radiations"


def _without_a_poll(screen: FilesScreen) -> None:
    """Keep the demonstration's meetings, 15 May and 13 November 2026, without a poll; its first export is of 10 May."""
    screen.desk.run("DELETE FROM scrutin")
    screen.desk.run("UPDATE import SET taken_on = :day", day=date(2026, 5, 10))


def test_a_year_without_a_poll_has_its_meeting_its_day_and_its_tableau(screen: FilesScreen) -> None:
    _without_a_poll(screen)
    tasks = screen.read_at("/taches")
    assert (
        f"Préparer le {ANNUAL.lower()} en retard Réunion annuelle de 2026, liste principale"
        in tasks
    )
    assert "à publier le samedi 14 novembre 2026" in tasks
    assert "on ne sait pas" not in tasks.partition("Noter la réunion")[2]
    due = screen.read_at("/echeances")
    assert (
        "du vendredi 20 novembre 2026 au mercredi 30 décembre 2026 Réunion de la commission de contrôle"
        in due
    )
    assert (
        f"samedi 14 novembre 2026 {ANNUAL} à publier Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13"
        in due
    )

    page = screen.get("/tableaux")
    assert "type=vingt_jours&amp;until=2026-11-13&amp;listes=P" in page.text
    assert 'id="until" value="2026-11-13"' in page.text
    assert 'id="reunion" value="2026-05-15"' in page.text
    assert "C'est la dernière réunion notée avant ce tableau." in spaced_words(page)
    form = FORM | {
        "scrutin": "",
        "until": "2026-11-13",
        "reunion": "2026-05-15",
        "reunion_proposee": "2026-05-15",
    }
    assert screen.post("/tableaux", form).status_code == 303
    assert f"{ANNUAL}, listes P [pdf] envoyée" in screen.read_at("/tableaux")
    screen.work()
    made = screen.desk.process(screen.numbers()[0])
    assert made["label"].startswith(f"{ANNUAL} (commune), liste P, du ")
    assert "2026-05-15" in str(made["parameters"])
    assert "vingt jours" not in screen.read_at("/exports")


def test_the_first_export_is_proposed_when_no_meeting_before_is_noted(screen: FilesScreen) -> None:
    _without_a_poll(screen)
    screen.desk.run("DELETE FROM commission WHERE date < :day", day=date(2026, 6, 1))
    page = screen.get("/tableaux")
    assert 'id="reunion" value="2026-05-10"' in page.text
    assert "c'est le jour du premier export du REU que le registre a reçu" in spaced_words(page)
    five_days = screen.get("/tableaux?type=cinq_jours_reu&scrutin=2027-04-18")
    assert 'id="reunion" value=""' in five_days.text
    form = FORM | {"reunion": "2026-05-10", "reunion_proposee": "2026-05-10"}
    assert screen.post("/tableaux", form | {"type": "cinq_jours_reu"}).status_code == 303
    assert "reunion" not in screen.broker.events[0].data, (
        "the tableau des cinq jours goes on from the meeting of the poll"
    )
    assert (
        screen.post("/tableaux", form | {"scrutin": "", "until": "2026-11-13"}).status_code == 303
    )
    assert screen.broker.events[1].data["reunion"] == "2026-05-10"
    written = form | {"scrutin": "", "until": "2026-11-13", "reunion": "2026-05-12"}
    assert screen.post("/tableaux", written).status_code == 303
    assert screen.broker.events[2].data["reunion"] == "2026-05-12", "what the clerk writes wins"


def test_the_form_states_what_each_tableau_holds_and_why(screen: FilesScreen) -> None:
    page = screen.read_at("/tableaux")
    assert "Article L. 30 et radiations, jusqu'à cinq jours avant le scrutin" in page
    assert "Les motifs n'y sont donnés que par catégorie." in page


def test_everything_that_is_chosen_is_asked(screen: FilesScreen) -> None:
    form = FORM | {
        "type": "cinq_jours_reu",
        "listes": ["P", "CM"],
        "presentations": ["commune", "par_bureau"],
        "edition": "commission",
        "reunion": "26/03/2027",
        "until": "2027-04-12",
        "signature_maire": "1",
        "inclure_j5": "1",
    }
    answer = screen.post("/tableaux", form)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/communes/13900/tableaux#demandes",
    )
    (event,) = screen.broker.events
    assert TableauxRenderRequested.model_validate(event.data) == TableauxRenderRequested(
        commune="13900",
        listes=[Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_MUNICIPALE],
        types=[TypeTableau.CINQ_JOURS_REU],
        presentations=[Presentation.COMMUNE, Presentation.PAR_BUREAU],
        edition=Edition.COMMISSION,
        scrutin=SCRUTIN,
        reunion=date(2027, 3, 26),
        until=date(2027, 4, 12),
        signature_maire=True,
        inclure_j5=True,
        requested_by=AGENT,
    )
    assert "Tableau des cinq jours, listes P, CM [pdf] envoyée" in screen.read_at("/tableaux")


@pytest.fixture
def _elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[None]:
    """LIBREVILLE is in the territory with this code."""
    table, code = tmp_path / "regimes.toml", f'"{request.param}"]'
    here = TABLE.read_text("utf-8").replace(code, f'{code[:-1]}, "13900"]', 1)
    table.write_text(here, "utf-8")
    monkeypatch.setattr("common.regimes.TABLE", table)
    read_regimes.cache_clear()
    yield
    read_regimes.cache_clear()


MARSEILLE, NOUVELLE_CALEDONIE = "132", "988"


@pytest.mark.parametrize("_elsewhere", [NOUVELLE_CALEDONIE], indirect=True)
@pytest.mark.usefixtures("_elsewhere")
def test_where_the_lists_are_revised_each_year_its_tableaux_are_offered(
    screen: FilesScreen,
) -> None:
    page = screen.get("/tableaux")
    assert "<details open><summary>Tableaux de la révision annuelle</summary>" in page.text
    offered = re.findall(r'name="type" id="type-([a-z_]+)"', page.text)
    assert offered == [it.value for it in TypeTableau if it.is_repealed]
    assert checked(page.text, "type")[0] in offered


@pytest.mark.parametrize("_elsewhere", [MARSEILLE], indirect=True)
@pytest.mark.usefixtures("_elsewhere")
def test_the_tableau_of_a_secteur_is_asked_for_with_the_days_of_its_commission(
    screen: FilesScreen,
) -> None:
    page = screen.get("/tableaux?type=vingt_jours&secteur=7")
    assert '<option value="7" selected>7e secteur</option>' in page.text
    assert '<option value="1">1er secteur</option>' in page.text
    assert 'id="reunion" value=""' in page.text, "a noted meeting is that of no secteur"
    form = FORM | {"secteur": "7", "scrutin": "", "until": "2027-03-26"}
    assert screen.post("/tableaux", form | {"reunion": ""}).status_code == 422
    assert screen.post("/tableaux", form | {"reunion": "2026-09-10"}).status_code == 303
    (event,) = screen.broker.events
    assert (event.data["secteur"], event.data["until"]) == (7, "2027-03-26")
    assert "secteur" not in screen.get("/exports").text
    said = screen.read_at("/echeances")
    assert "les réunions d'un secteur ne se notent pas encore" in said
    assert "0 secteurs sur 8" in said
    assert "8 secteurs restent sur 8" in screen.read_at("/taches")


def test_no_secteur_is_asked_for_elsewhere(screen: FilesScreen) -> None:
    assert "secteur" not in screen.get("/tableaux").text
    assert "secteur" not in screen.get("/echeances").text


def test_a_commune_that_begins_is_asked_for_the_meeting_before(screen: FilesScreen) -> None:
    """The form does not offer the meeting of the tableau itself, which the worker would refuse."""
    before, window = date(2026, 9, 10), date(2027, 3, 26)
    screen.desk.run("DELETE FROM commission")
    screen.desk.run("UPDATE import SET undone_at = finished_at")
    assert "Le registre n'en connaît aucune avant ce tableau." in spaced_words(
        screen.get("/tableaux")
    )
    insert = "INSERT INTO commission (code_commune, liste, date) VALUES ('13900', '', :day)"
    screen.desk.run(insert, day=window)
    refused = screen.post("/tableaux", FORM)
    assert (refused.status_code, '<p class="error-text" id="reunion-faute">' in refused.text) == (
        422,
        True,
    )
    assert "indiquez la précédente, d'où les mouvements sont comptés" in spaced_words(refused)
    screen.desk.run(insert, day=before)
    said = spaced_words(screen.get("/tableaux?type=vingt_jours&scrutin=2027-04-18"))
    assert "C'est la dernière réunion notée avant ce tableau." in said
    assert screen.post("/tableaux", FORM).status_code == 303


IMPOSSIBLE_DAY = (
    "Ce jour n&#39;est pas possible\u202f; une date s&#39;écrit JJ/MM/AAAA, l&#39;année en entier."
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "field", "fault"),
    [
        ({"type": ""}, "type", "Choisissez un tableau."),
        ({"type": "trente_jours"}, "type", "Choisissez un tableau."),
        ({"listes": []}, "listes", "Cochez au moins une liste."),
        ({"presentations": []}, "presentations", "Cochez au moins une présentation."),
        ({"edition": "x"}, "edition", "Choisissez à qui l&#39;exemplaire est destiné."),
        ({"type": "cinq_jours_reu", "scrutin": ""}, "scrutin", "Indiquez le jour du scrutin."),
        ({"type": "second_rectificatif"}, "date_tableau", "Indiquez la date du tableau."),
        ({"scrutin": "2027-02-30"}, "scrutin", IMPOSSIBLE_DAY),
        ({"until": "demain"}, "until", IMPOSSIBLE_DAY),
        ({"scrutin": "2027-04-17"}, "scrutin", "On ne vote pas un samedi, vérifiez cette date."),
        ({"scrutin": "1899-04-16"}, "scrutin", IMPOSSIBLE_DAY),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_asked(
    screen: FilesScreen, changed: dict[str, Any], field: str, fault: str
) -> None:
    page = screen.post("/tableaux", FORM | changed)
    assert page.status_code == 422
    assert f'<p class="error-text" id="{field}-faute">{fault}</p>' in page.text
    assert re.search(rf'id="{field}"[^>]*aria-describedby="[^"]*{field}-faute', page.text)
    assert f'<a href="#{field}">' in page.text
    assert page.text.count('class="error-text"') == 1
    assert screen.broker.events == []


@pytest.mark.slow
def test_the_tableau_des_vingt_jours_takes_another_day_for_the_poll(screen: FilesScreen) -> None:
    page = screen.post("/tableaux", FORM | {"scrutin": ""})
    assert "à défaut, le dernier jour des mouvements" in spaced_words(page)
    assert (
        screen.post("/tableaux", FORM | {"scrutin": "", "until": "2027-03-28"}).status_code == 303
    )


def test_a_fault_keeps_what_was_written_and_opens_what_is_folded(screen: FilesScreen) -> None:
    page = screen.post(
        "/tableaux", FORM | {"listes": ["CE"], "edition": "commission", "until": "32/13/2027"}
    ).text
    assert 'id="until" value="32/13/2027"' in page
    assert 'id="scrutin" value="2027-04-18"' in page
    assert checked(page, "listes") == ["CE"]
    assert checked(page, "edition") == ["commission"]
    assert re.search(r"<details open><summary>Dernier jour des mouvements", page)


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"type": "additions"}, "scrutin", "demandez le tableau des vingt jours (vingt_jours)"),
        (
            {"type": "premier_rectificatif", "scrutin": "", "date_tableau": "2027-01-10"},
            "date_tableau",
            "demandez le tableau annuel des inscriptions et radiations (vingt_jours)",
        ),
    ],
)
def test_a_tableau_of_the_other_law_is_refused_beside_its_date(
    screen: FilesScreen, changed: dict[str, Any], field: str, said: str
) -> None:
    page = screen.post("/tableaux", FORM | changed)
    assert page.status_code == 422
    assert f'<a href="#{field}">' in page.text
    assert "1er janvier 2019" in spaced_words(page)
    assert said in spaced_words(page)
    assert screen.broker.events == []


def test_what_the_worker_refuses_is_told(screen: FilesScreen) -> None:
    screen.post(
        "/tableaux",
        FORM | {"type": "premier_rectificatif", "scrutin": "", "date_tableau": "2018-02-28"},
    )
    screen.work()
    said = screen.read_at("/tableaux")
    assert "Tableaux refusée" in said
    assert "la date de tableau est le 10 janvier" in said
    later = datetime.now(UTC) + timedelta(days=8)
    screen.set_clock(later)
    assert "refusée" not in screen.read_at("/tableaux")
