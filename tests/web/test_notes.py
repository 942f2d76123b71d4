"""Notes of a clerk on the screen: meetings, polls, motifs, doubts, bureaux, protected electors, own notifications."""

import html
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import text

from producers.web.notes import electeurs
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Action, Categorie
from tests.integration.depots_desk import today
from tests.parts.notes import note_register
from tests.parts.town import AGENT, TODAY
from tests.web.files_desk import FilesScreen, words
from tests.web.filled import DOUBT, TWO_EXPORTS
from worker.demo.libreville import demo_calendrier

DAYS = demo_calendrier(TODAY)


def plant_doubt(screen: FilesScreen) -> None:
    """Add an undecided doubt about a corrected date of birth."""
    for statement in DOUBT:
        screen.desk.run(statement)


def _send(screen: FilesScreen, page: str, **data: Any) -> Response:  # noqa: ANN401 — of the form
    """Press, let a worker ingest it, and follow the redirect."""
    answer = screen.post(page, data)
    if answer.status_code != 303:
        return answer
    screen.work()
    return screen.get(page)


def _said(screen: FilesScreen) -> list[tuple[str, str]]:
    """The audit trail, without the lines that tests of other pages check."""
    return [
        (it.action, it.detail) for it in screen.desk.audit() if it.action != Action.FILE_RECALLED
    ]


def _faults(response: Response) -> list[str]:
    """The fields that the error summary links."""
    assert response.status_code == 422
    assert "<title>Erreur – " in response.text
    summary = response.text.partition('id="fautes"')[2].partition("</div>")[0]
    found = re.findall(r'<li><a href="#([^"]+)">', summary)
    for field in found:
        assert f'id="{field}"' in response.text, field
    return found


@pytest.mark.slow
def test_a_meeting_is_noted_corrected_and_taken_away(screen: FilesScreen) -> None:
    day = today() - timedelta(days=3)
    page = _send(screen, "reunions", act="reunion", jour=day.isoformat(), liste="CE")
    assert f"Enregistré : réunion du {day:%d/%m/%Y}." in words(page)
    assert "liste complémentaire européenne" in words(page)
    other = day + timedelta(days=1)
    correcting = screen.read("reunions", f"reunion={day}&liste=CE")
    assert "Corriger la réunion du" in correcting
    _send(
        screen,
        "reunions",
        act="reunion",
        jour=f"{other:%d/%m/%Y}",
        liste="CE",
        replaces=day.isoformat(),
    )
    _send(screen, "reunions", act="reunion-removed", jour=other.isoformat(), liste="CE")
    assert [action for action, _ in _said(screen)] == [Action.REUNION_CHANGED] * 3
    assert {it.actor for it in screen.desk.audit()} == {AGENT}
    refused = _send(screen, "reunions", act="reunion-removed", jour=other.isoformat(), liste="CE")
    assert f"Non enregistré (réunion du {other:%d/%m/%Y} retirée) : Aucune réunion le" in words(
        refused
    )


def test_what_is_wrong_with_a_meeting_or_a_poll_is_said_by_its_field(files: FilesScreen) -> None:
    tomorrow = today() + timedelta(days=1)
    assert _faults(files.post("reunions", {"act": "reunion"})) == ["jour"]
    assert _faults(files.post("reunions", {"act": "reunion", "jour": "31/02/2026"})) == ["jour"]
    assert "n'est pas encore venu" in words(
        files.post("reunions", {"act": "reunion", "jour": f"{tomorrow}"})
    )
    wrong = files.post(
        "reunions", {"act": "scrutin", "scrutin": "2027-05-10", "cloture": "2027-06-01"}
    )
    assert _faults(wrong) == ["libelle", "scrutin", "cloture", "texte"]
    assert "on ne vote pas un lundi" in words(wrong).lower()
    assert files.broker.events == []
    assert files.post("reunions", {"act": "parade"}).status_code == 404
    assert files.post("reunions", {"act": "scrutin-removed", "scrutin": "x"}).status_code == 404


def test_a_poll_of_a_decree_and_a_vain_meeting_are_noted(screen: FilesScreen) -> None:
    noted = {
        "libelle": "Élections législatives, 1er tour",
        "scrutin": "2027-05-09",
        "sans_commission": "1",
    }
    noted |= {"publication_due": "2027-04-24"}
    refused = screen.post("reunions", {"act": "scrutin", **noted})
    assert _faults(refused) == ["texte"]
    assert 'id="sans_commission" value="1" checked' in refused.text
    page = words(_send(screen, "reunions", act="scrutin", **noted, texte="décret n° 2027-1"))
    assert (
        "décret n° 2027-1 : pas de réunion de la commission, tableau publié au plus tard le 24/04/2027"
        in page
    )
    correcting = screen.get("reunions", "scrutin=2027-05-09").text
    assert 'name="publication_due" value="2027-04-24"' in correcting
    assert 'id="sans_commission" value="1" checked' in correcting
    due = screen.read("echeances").partition("Élections législatives")[2]
    assert "samedi 24 avril 2027 Tableau des inscriptions et radiations" in due

    noted |= {
        "scrutin": "2027-06-13",
        "sans_commission": "",
        "publication_due": "2027-05-29",
        "texte": "décret n° 2",
    }
    noted |= {
        "reunion_first": "2027-05-26",
        "reunion_last": "2027-05-29",
        "cinq_jours_due": "2027-06-10",
    }
    wrong = screen.post("reunions", {"act": "scrutin", **noted})
    assert _faults(wrong) == ["reunion_last"]
    page = words(_send(screen, "reunions", act="scrutin", **noted | {"reunion_last": "2027-05-28"}))
    assert (
        "décret n° 2 : réunion à partir du 26/05/2027, réunion au plus tard le 28/05/2027" in page
    )
    assert "tableau publié au plus tard le 29/05/2027, tableau des cinq jours le 10/06/2027" in page

    day = today() - timedelta(days=3)
    page = words(
        _send(screen, "reunions", act="reunion", jour=day.isoformat(), sans_deliberation="1")
    )
    assert "toutes les listes" in page
    assert "elle n'a pas délibéré" in page.partition("Réunions notées")[2]
    assert (
        'id="sans_deliberation" value="1" checked'
        in screen.get("reunions", f"reunion={day}&liste=").text
    )


def test_a_tableau_that_rests_on_a_day_is_named_and_is_to_be_made_again(files: FilesScreen) -> None:
    number = files.make_tableau(TypeTableau.VINGT_JOURS)
    label = files.desk.row(number)["label"]
    before = files.read("reunions")
    assert label in before.partition("Réunions notées")[2]
    assert "Tableaux à refaire" not in before
    _send(files, "reunions", act="reunion-removed", jour=DAYS.reunion.isoformat(), liste="")
    page = files.read("reunions")
    assert f"la réunion de la commission du {DAYS.reunion:%d/%m/%Y} a été retirée" in page
    assert "Tableaux à refaire" in page


def test_a_poll_in_the_past_is_confirmed(files: FilesScreen) -> None:
    poll = {"act": "scrutin", "libelle": "Élection", "scrutin": "2025-03-16"}
    assert _faults(files.post("reunions", poll)) == ["scrutin_passe"]
    other = poll | {"scrutin_passe": "2025-03-09"}
    assert _faults(files.post("reunions", other)) == ["scrutin_passe"], "another day was confirmed"
    assert files.post("reunions", poll | {"scrutin_passe": "2025-03-16"}).status_code == 303
    files.work()
    correcting = poll | {"libelle": "Élection partielle", "scrutin_replaces": "2025-03-16"}
    assert files.post("reunions", correcting).status_code == 303, "it is known already"


def test_a_noted_poll_leads_to_the_dates_only_while_some_are_missing(files: FilesScreen) -> None:
    poll = {"act": "scrutin", "libelle": "Élection", "scrutin": "2027-05-09"}
    link = "Compléter les dates et les motifs</a>"
    files.desk.run("UPDATE mouvement SET categorie = 'radiation_deces', is_dated = true")
    assert "0 mouvement" not in files.read("motifs")
    assert link not in _send(files, "reunions", **poll).text
    _without_motif(files)
    assert link in _send(files, "reunions", **poll | {"libelle": "Autre élection"}).text


def _without_motif(screen: FilesScreen) -> list[int]:
    screen.desk.run(
        "UPDATE mouvement SET categorie = '', motif = '' WHERE nature <> 'modification'"
    )
    return [int(it) for it in re.findall(r'id="categorie-(\d+)"', screen.get("motifs").text)]


def test_many_motifs_are_completed_by_one_form(screen: FilesScreen) -> None:
    numbers = _without_motif(screen)
    page = screen.get("motifs").text
    (total,) = re.findall(r"(\d+) mouvements à compléter", page)
    form = dict[str, str]()
    for number in numbers[:3]:
        options = page.partition(f'id="categorie-{number}"')[2].partition("</select>")[0]
        form[f"categorie-{number}"] = re.findall(r'<option value="([^"]+)"', options)[-1]
        form[f"motif-{number}"] = f"pièce n° {number}"
    answer = words(_send(screen, "motifs", **form))
    assert "Enregistré : 3 mouvements complétés." in answer
    assert f"{int(total) - 3} mouvements à compléter" in answer
    assert (Action.MOTIFS_COMPLETED, "la date ou le motif de 3 mouvements a été complété") in _said(
        screen
    )
    assert not {f'id="categorie-{number}"' for number in numbers[:3]} & set(
        screen.get("motifs").text.split()
    )


def test_a_motif_that_was_noted_wrongly_is_corrected(screen: FilesScreen) -> None:
    _without_motif(screen)
    screen.desk.run(
        "UPDATE mouvement SET categorie = 'radiation_deces', motif = 'acte'"
        " WHERE id IN (SELECT id FROM mouvement WHERE nature = 'radiation' ORDER BY id LIMIT 3)"
    )
    page = screen.get("motifs", "notes=1").text
    numbers = re.findall(r'id="categorie-(\d+)"', page)
    assert "Aucun tableau fait n'en dépend." in page
    assert (
        page.count('value="radiation_deces" selected')
        == page.count('value="acte"')
        == len(numbers)
        == 3
    )
    categorie, motif = f"categorie-{numbers[0]}", f"motif-{numbers[0]}"
    form = {f"categorie-{it}": "radiation_deces" for it in numbers} | {
        f"motif-{it}": "acte" for it in numbers
    }
    unchanged = screen.post("motifs", form, query="notes=1")
    assert _faults(unchanged) == [categorie]
    assert "Changez une ligne au moins." in words(unchanged)
    answer = screen.post("motifs", form | {categorie: "radiation_judiciaire"}, query="notes=1")
    assert answer.headers["location"].endswith("motifs?notes=1#enregistrement")
    screen.work()
    answer = screen.get("motifs", "notes=1")
    assert "Enregistré : 1 mouvement complété." in words(answer)
    options = answer.text.partition(f'id="{categorie}"')[2].partition("</select>")[0]
    assert 'value="radiation_judiciaire" selected' in options
    assert _said(screen)[-1] == (
        Action.MOTIFS_COMPLETED,
        "la date ou le motif de 1 mouvement a été complété",
    )
    _send(screen, "motifs", **{categorie: "", motif: ""})
    assert "2 motifs notés" in screen.get("motifs", "notes=1").text


def undate(screen: FilesScreen) -> list[int]:
    """Inscriptions and radiations of a comparison of two exports, without category: their numbers on the page."""
    for statement in TWO_EXPORTS:
        screen.desk.run(statement)
    screen.desk.run(
        "UPDATE mouvement SET categorie = '', motif = '', is_dated = false, import_id = 951,"
        " date_mouvement = '2026-11-20', date_naissance = '1962-03-14' WHERE nature <> 'modification'"
    )
    return [int(it) for it in re.findall(r'id="categorie-(\d+)"', screen.get("motifs").text)]


def _dated(screen: FilesScreen) -> Counter[tuple[str, str, str]]:
    query = "SELECT nature, categorie, date_mouvement, is_dated FROM mouvement WHERE nature <> 'modification'"
    with screen.desk.engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    return Counter(
        (row.nature, row.categorie, str(row.date_mouvement) if row.is_dated else "") for row in rows
    )


def test_dates_and_motifs_are_applied_to_all_at_once(screen: FilesScreen) -> None:
    first, *others = undate(screen)
    page = screen.get("motifs").text
    assert page.count("entre le 11/09/2026 et le 20/11/2026") == len(others) + 1
    number = _dated(screen).total()
    assert number > electeurs.MOUVEMENTS, "more than one page has"
    form = {f"categorie-{it}": "" for it in (first, *others)} | {f"jour-{first}": "2026-10-01"}
    for_all = {
        "tous": "oui",
        "tous-inscription": "inscription_volontaire",
        "tous-radiation": "radiation_deces",
    }
    for_all |= {"tous-jour": "2026-11-02", "portee": "toutes"}
    answer = words(_send(screen, "motifs", **form | for_all))
    assert f"Enregistré : {number} mouvements complétés." in answer
    assert "Toutes les inscriptions et radiations ont leur date et leur motif" in answer
    known = _dated(screen)
    assert known.total() == number
    assert {categorie for _, categorie, _ in known} == {"inscription_volontaire", "radiation_deces"}
    assert Counter(day for _, _, day in known.elements()) == {
        "2026-11-02": number - 1,
        "2026-10-01": 1,
    }


def test_a_day_that_is_not_between_the_exports_is_said_by_its_line(files: FilesScreen) -> None:
    first, *_ = undate(files)
    answer = files.post("motifs", {f"categorie-{first}": "", f"jour-{first}": "2026-09-10"})
    assert _faults(answer) == [f"jour-{first}"]
    assert "hoisissez un jour entre le 11/09/2026 et le 20/11/2026" in words(answer)
    impossible = {f"categorie-{first}": "", "tous": "oui", "tous-jour": "2026-02-31"}
    assert _faults(files.post("motifs", impossible)) == ["tous-jour"]


def test_a_day_is_noted_of_a_change_of_bureau_that_nobody_asks_for(files: FilesScreen) -> None:
    """R. 13 asks for no day of it: « Dates et motifs » does not list it, but who knows the day can note it."""
    undate(files)
    files.desk.run(
        "UPDATE mouvement SET is_dated = false, import_id = 951, date_mouvement = '2026-11-20',"
        " categorie = 'changement_bureau', ancien_bureau = '0001', nouveau_bureau = '0002'"
        " WHERE nature = 'modification'"
    )
    assert "0001 → 0002" not in files.read("motifs")
    page = files.get("motifs", "notes=bureaux").text
    assert "0001 → 0002" in page
    number = int(re.findall(r'id="categorie-(\d+)"', page)[0])
    form = {f"categorie-{number}": "changement_bureau", f"jour-{number}": "2026-10-05"}
    _send(files, "motifs", **form)
    known = "SELECT date_mouvement || '' FROM mouvement WHERE id = :id AND is_dated"
    assert _value(files, known, id=number) == "2026-10-05"


def test_a_birthday_is_proposed_and_applied_once_it_is_confirmed(screen: FilesScreen) -> None:
    numbers = undate(screen)
    screen.desk.run(
        "UPDATE mouvement SET date_naissance = '2008-10-05' WHERE nature = 'inscription'"
    )
    page = screen.get("motifs").text
    proposed = [int(it) for it in re.findall(r'name="propose-(\d+)"', page)]
    assert "inscription d'office le 05/10/2026, jour de ses dix-huit ans" in words(
        screen.get("motifs")
    )
    assert "Avant un scrutin, ce peut être l'article L. 30." in words(screen.get("motifs"))
    assert proposed
    first, *others = proposed
    form = {f"categorie-{it}": "" for it in numbers} | {f"categorie-{first}": "inscription_l30"}
    _send(screen, "motifs", **form | {f"propose-{it}": "oui" for it in proposed})
    known = _dated(screen)
    assert known["inscription", "inscription_office", "2026-10-05"] == len(others)
    assert known["inscription", "inscription_l30", ""] == 1, "what the agent chose wins"


def test_what_is_wrong_with_a_motif_is_said_by_its_line_and_nothing_is_lost(
    files: FilesScreen,
) -> None:
    first, second = sorted(_without_motif(files)[:2])
    form = {
        f"motif-{first}": "sans catégorie",
        f"categorie-{first}": "",
        f"categorie-{second}": "parade",
    }
    answer = files.post("motifs", form)
    assert _faults(answer) == [f"categorie-{first}", f"categorie-{second}"]
    assert 'value="sans catégorie"' in answer.text
    assert _faults(files.post("motifs", {f"categorie-{first}": ""})) == [f"categorie-{first}"]
    long = {f"categorie-{first}": Categorie.INSCRIPTION_OFFICE.value, f"motif-{first}": "x" * 201}
    assert _faults(files.post("motifs", long)) == [f"motif-{first}"]
    assert {it.data["note"]["kind"] for it in files.broker.events} <= {"electeurs_seen"}


@pytest.mark.slow
def test_a_doubt_is_shown_side_by_side_and_decided(screen: FilesScreen) -> None:
    tableau = screen.desk.row(screen.make_tableau(TypeTableau.VINGT_JOURS))["label"]
    plant_doubt(screen)
    page = screen.read("doutes")
    assert "Date de naissance diffère 00/00/1961 05/08/1961" in page
    assert "Adresse 3 RUE DU PUITS 3 RUE DU PUITS" in page
    refused = screen.post("doutes", {"doubt": "901", "decision": "same_person"})
    assert refused.status_code == 422
    assert "Cochez que vous avez vérifié dans le REU (doute n° 901)" in words(refused)
    answer = words(_send(screen, "doutes", doubt="901", decision="same_person", verifie="oui"))
    assert "Enregistré : doute n° 901, même personne." in answer
    assert "Aucun doute à trancher." in answer
    assert (
        Action.DOUBT_DECIDED,
        "doute n° 901, liste P : même personne (date de naissance)",
    ) in _said(screen)
    decided = screen.read("doutes", "tranches=1")
    assert "doute n° 901, liste principale" in decided
    assert "Deux personnes" in decided
    assert f"1 tableau peut passer « à refaire » : {tableau}." in decided
    screen.desk.run("UPDATE doubt SET liste = 'CE'")
    assert "Aucun tableau fait n'en dépend." in screen.read("doutes", "tranches=1")
    screen.desk.run("UPDATE doubt SET liste = 'P'")
    _send(screen, "doutes", doubt="901", decision="two_persons", verifie="oui")
    assert (
        Action.DOUBT_DECIDED,
        "doute n° 901, liste P : deux personnes (date de naissance)",
    ) in _said(screen)
    again = _send(screen, "doutes", doubt="901", decision="two_persons", verifie="oui")
    assert "a déjà cette réponse : deux personnes" in words(again)
    assert screen.post("doutes", {"doubt": "901", "decision": "perhaps"}).status_code == 404


def _value(screen: FilesScreen, query: str, **values: object) -> str:
    with screen.desk.engine.connect() as connection:
        return str(connection.execute(text(query), values).scalar_one())


def _seen(page: str, name: str) -> str:
    value: str
    (value,) = re.findall(rf'name="{name}" value="([^"]*)"', page)
    return value


def test_a_decision_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    plant_doubt(files)
    mine = {"doubt": "901", "decision": "two_persons", "verifie": "oui"}
    mine["vu"] = _seen(files.get("doutes").text, "vu")
    theirs = mine | {"decision": "same_person"}
    late = files.broker.events
    assert files.post("doutes", mine).status_code == 303
    event = late.pop()
    assert files.post("doutes", theirs).status_code == 303
    files.work()
    late.append(event)
    files.work()
    decision = "SELECT decision FROM doubt WHERE id = 901"
    assert _value(files, decision) == "same_person", "the worker compares too"
    answer = files.post("doutes", mine)
    assert _faults(answer) == ["verifie-901"]
    assert "Un autre agent a noté depuis : même personne. Votre réponse" in words(answer)
    assert files.post("doutes", mine | {"vu": _seen(answer.text, "vu")}).status_code == 303
    files.work()
    assert _value(files, decision) == "two_persons", "the agent has seen both"


def _has_deliberated(files: FilesScreen) -> bool:
    """Whether the meeting of a test has deliberated."""
    query = "SELECT count(*) FROM commission WHERE date = :day AND has_deliberated"
    return files.desk.values(query, day=f"{_MET}") == [1]


_MET = today() - timedelta(days=3)


def test_a_meeting_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    mine: dict[str, str] = {"act": "reunion", "jour": f"{_MET}", "sans_deliberation": "1"}
    mine["vu-reunion"] = _seen(files.get("reunions").text, "vu-reunion")
    theirs = {"act": "reunion", "jour": f"{_MET}"}
    for form in (theirs, mine):
        assert files.post("reunions", form).status_code == 303
    files.work()
    assert _has_deliberated(files), "the worker compares too"
    assert "Une autre note est venue depuis" in files.read("reunions")
    answer = files.post("reunions", mine)
    assert _faults(answer) == ["vu-reunion"]
    assert f"Il est déjà noté : réunion du {_MET:%d/%m/%Y}, toutes les listes." in words(answer)
    assert 'id="sans_deliberation" value="1" checked' in answer.text, "what was typed is kept"
    knowing = mine | {"vu-reunion": _seen(answer.text, "vu-reunion")}
    assert files.post("reunions", knowing).status_code == 303
    files.work()
    assert not _has_deliberated(files), "the agent has seen both"


def test_a_meeting_that_another_agent_corrected_is_not_taken_away_unseen(
    files: FilesScreen,
) -> None:
    _send(files, "reunions", act="reunion", jour=f"{_MET}")
    field = f"vu-retirer-{_MET}-"
    mine = {"act": "reunion-removed", "jour": f"{_MET}", "liste": ""}
    mine[field] = _seen(files.get("reunions").text, field)
    _send(files, "reunions", act="reunion", jour=f"{_MET}", sans_deliberation="1")
    answer = files.post("reunions", mine)
    assert _faults(answer) == [field]
    assert "elle n'a pas délibéré" in words(answer)
    assert files.post("reunions", mine | {field: _seen(answer.text, field)}).status_code == 303


def test_a_poll_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    poll = {"act": "scrutin", "libelle": "Élection partielle", "scrutin": "2027-05-09"}
    _send(files, "reunions", **poll)
    page = files.get("reunions", "scrutin=2027-05-09").text
    mine = poll | {"scrutin_replaces": "2027-05-09", "scrutin": "2027-05-16"}
    mine["vu-scrutin"] = _seen(page, "vu-scrutin")
    decree = {"cloture": "2027-03-01", "texte": "décret n° 2027-1"}
    theirs = poll | decree | {"scrutin_replaces": "2027-05-09"}
    for form in (theirs, mine):
        assert files.post("reunions", form).status_code == 303
    files.work()
    days = "SELECT count(*) FROM scrutin WHERE texte = 'décret n° 2027-1'"
    assert files.desk.values(days) == [1], "the worker compares too"
    without_name = files.post("reunions", mine | {"libelle": ""})
    assert _faults(without_name) == ["libelle"]
    kept = {"vu-scrutin": _seen(without_name.text, "vu-scrutin")}
    answer = files.post("reunions", mine | kept)
    assert _faults(answer) == ["vu-scrutin"], "another fault hides no later note"
    noted = "scrutin du 09/05/2027, Élection partielle, clôture le 01/03/2027, décret n° 2027-1"
    assert noted in words(answer)
    knowing = mine | {"vu-scrutin": _seen(answer.text, "vu-scrutin")}
    assert files.post("reunions", knowing).status_code == 303


def test_a_motif_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    first, second = sorted(_without_motif(files)[:2])
    page = files.get("motifs").text
    form = {f"vu-{it}": _seen(page, f"vu-{it}") for it in (first, second)}
    form |= {f"categorie-{it}": "" for it in (first, second)} | {
        f"motif-{first}": "",
        f"motif-{second}": "",
    }
    theirs = "UPDATE mouvement SET categorie = 'radiation_deces', motif = 'acte' WHERE id = :id"
    files.desk.run(theirs, id=first)
    files.desk.run("UPDATE mouvement SET nature = 'radiation'")
    mine = {f"categorie-{first}": "radiation_judiciaire"}
    answer = files.post("motifs", form | mine)
    assert _faults(answer) == [f"categorie-{first}"]
    assert "Un autre agent a noté depuis : Décès" in words(answer)
    alone = form | {f"categorie-{second}": "radiation_judiciaire"}
    assert files.post("motifs", alone).status_code == 303
    files.work()
    known = "SELECT categorie FROM mouvement WHERE id = :id"
    assert _value(files, known, id=first) == "radiation_deces", "a line left alone is kept"
    assert _value(files, known, id=second) == "radiation_judiciaire"
    knowing = form | mine | {f"vu-{first}": _seen(answer.text, f"vu-{first}")}
    assert files.post("motifs", knowing).status_code == 303
    files.desk.run("UPDATE mouvement SET motif = 'noté entre-temps' WHERE id = :id", id=first)
    files.work()
    assert _value(files, known, id=first) == "radiation_deces", "the worker compares too"


def test_a_page_that_comes_back_shows_what_another_agent_noted_on_the_lines_left_alone(
    files: FilesScreen,
) -> None:
    _without_motif(files)
    files.desk.run("UPDATE mouvement SET nature = 'radiation', categorie = 'radiation_deces'")
    page = files.get("motifs", "notes=1").text
    first, second = re.findall(r'name="vu-(\d+)"', page)[:2]
    opened = {f"vu-{it}": _seen(page, f"vu-{it}") for it in (first, second)}
    opened |= {f"categorie-{it}": "radiation_deces" for it in (first, second)}
    opened |= {f"motif-{it}": "" for it in (first, second)}
    files.desk.run("UPDATE mouvement SET motif = 'acte reçu' WHERE id = :id", id=int(first))
    wrong = opened | {f"categorie-{second}": "parade", f"motif-{second}": "gardé"}
    answer = files.post("motifs", wrong, query="notes=1")
    assert _faults(answer) == [f"categorie-{second}"]
    assert _seen(answer.text, f"vu-{first}").endswith("|acte reçu")
    shown = re.findall(rf'id="motif-(?:{first}|{second})" value="([^"]*)"', answer.text)
    assert sorted(shown) == ["acte reçu", "gardé"]


def test_a_bureau_is_completed(screen: FilesScreen) -> None:
    screen.desk.run("UPDATE bureau SET code_canton = '' WHERE code = '0001'")
    assert "canton à indiquer" in screen.read("bureaux")
    of_all = {"tous-code_canton": "1303", "tous-libelle_canton": "Partout", "tous": "oui"}
    _send(
        screen, "bureaux", **{"code_canton-0001": "", "libelle_canton-0001": "Ailleurs"}, **of_all
    )
    said = screen.get("bureaux").text
    assert 'name="code_canton-0001" value="1303"' in said
    assert 'name="libelle_canton-0001" value="Ailleurs"' in said, (
        "what is filled in does not change"
    )
    wrong = screen.post("bureaux", {"code_canton-0001": "13", "code_circonscription-0001": "neuf"})
    assert _faults(wrong) == ["code_canton-0001", "code_circonscription-0001"]
    assert 'value="neuf"' in wrong.text
    for nothing in ({"code_canton-0001": "1303"}, {"code_canton-9999": "1303"}):
        assert _faults(screen.post("bureaux", nothing)) == ["bureaux"]


def test_a_bureau_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    files.desk.run("UPDATE bureau SET code_canton = '1301', libelle_canton = 'Nord'")
    opened = _read_bureaux(files.get("bureaux").text)
    files.desk.run("UPDATE bureau SET code_canton = '1302' WHERE code = '0001'")
    known = "SELECT code_canton || libelle_canton FROM bureau WHERE code = :code"
    _send(files, "bureaux", **opened | {"libelle_canton-0002": "Sud"})
    assert _value(files, known, code="0001") == "1302Nord", "a bureau left alone is kept"
    assert _value(files, known, code="0002") == "1301Sud"
    mine = opened | {"code_canton-0001": "1303", "libelle_canton-0002": "Est"}
    answer = files.post("bureaux", mine)
    assert _faults(answer) == ["code_canton-0001", "libelle_canton-0002"]
    assert "Un autre agent a noté depuis : 1302. Gardez sa note ou la vôtre" in words(answer)
    knowing = _read_bureaux(answer.text)
    assert knowing["code_canton-0001"] == "1303", "what the agent typed is kept"
    assert files.post("bureaux", knowing).status_code == 303
    files.desk.run("UPDATE bureau SET libelle_canton = 'Ouest' WHERE code = '0001'")
    files.work()
    assert _value(files, known, code="0001") == "1302Ouest", "the worker compares too"


def _read_bureaux(page: str) -> dict[str, str]:
    found = re.findall(r'<input[^>]* name="([^"]+-000[12])" value="([^"]*)"', page)
    return {name: html.unescape(it) for name, it in found}


MAIRIE = {
    "voie": "1 place du Modèle",
    "ville": "13900 LIBREVILLE",
    "telephone": "04 00 00 00 00",
    "courriel": "elections@libreville.example",
    "signataire": "Camille EXEMPLE, maire",
}


def test_the_address_of_the_town_hall_is_noted_once(screen: FilesScreen) -> None:
    asks = "L'adresse de la mairie n'est pas notée"
    assert asks in screen.read("copies")
    wrong = screen.post("mairie", MAIRIE | {"telephone": "quatre", "courriel": "libreville"})
    assert _faults(wrong) == ["telephone", "courriel"]
    assert 'value="quatre"' in wrong.text
    _send(screen, "mairie", **MAIRIE)
    shown = screen.get("mairie").text
    assert all(f'value="{html.escape(it)}"' in shown for it in MAIRIE.values())
    assert asks not in screen.read("copies")
    assert _said(screen)[0] == ("mairie_described", "")
    _send(screen, "mairie")
    assert asks in screen.read("copies"), "an empty note is a town hall that is not known"


def test_the_address_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    _send(files, "mairie", **MAIRIE)
    mine = MAIRIE | {"voie": "2 rue du Modèle"}
    mine["vu-mairie"] = _seen(files.get("mairie").text, "vu-mairie")
    files.desk.declare(note_register("mairie", requested_by="adjoint", signataire="Alex MODÈLE"))
    answer = files.post("mairie", mine)
    assert _faults(answer) == ["vu-mairie"]
    assert "Alex MODÈLE" in answer.text
    knowing = mine | {"vu-mairie": _seen(answer.text, "vu-mairie")}
    _send(files, "mairie", **knowing)
    assert "2 rue du Modèle" in html.unescape(files.get("mairie").text)


def _let_protect(screen: FilesScreen) -> None:
    screen.desk.run("UPDATE agent SET may_protect = :yes", yes=True)


def test_only_who_may_sees_who_is_protected(files: FilesScreen) -> None:
    assert files.get("proteges").status_code == 404
    assert (
        files.post("proteges", {"act": "search", "nom": "a", "naissance": "01/01/1960"}).status_code
        == 404
    )
    assert "protégés" not in files.read("reglages").lower()
    _let_protect(files)
    assert "Électeurs protégés" in files.read("reglages")
    assert files.get("proteges").headers["cache-control"] == "no-store"


@pytest.mark.slow
def test_an_elector_is_looked_for_protected_and_is_not_any_more(screen: FilesScreen) -> None:
    _let_protect(screen)
    screen.desk.add_person()
    found = screen.post("proteges", {"act": "search", "nom": "Inventé", "naissance": "14/03/1962"})
    assert "INVENTEE Zélie, 14/03/1962" in words(found)
    number = re.findall(r'name="number" value="(\d+)"', found.text.partition('id="trouves"')[2])[0]
    assert "INVENTEE Zélie, 14/03/1962" in words(
        _send(screen, "proteges", act="protect", number=number)
    )
    lines = re.findall(r'name="number" value="(\d+)"', screen.get("proteges").text)
    page = screen.get("proteges").text
    place = page.index("INVENTEE")
    lifted = min(
        (it for it in lines if page.index(f'value="{it}"') > place),
        key=lambda it: page.index(f'value="{it}"'),
    )
    assert "INVENTEE" not in words(_send(screen, "proteges", act="lift", number=lifted))
    assert [it for it in _said(screen) if it[0] == Action.PROTECTION_CHANGED] == [
        (Action.PROTECTION_CHANGED, "une adresse n'est plus à afficher (art. L. 37)"),
        (Action.PROTECTION_CHANGED, "protection levée"),
    ]
    nobody = screen.post(
        "proteges", {"act": "search", "nom": "INVENTEE", "naissance": "15/03/1962"}
    )
    assert "Personne sur la liste ne porte ce nom à cette date." in words(nobody)
    empty = screen.post("proteges", {"act": "search", "nom": "", "naissance": "1962"})
    assert _faults(empty) == ["nom", "naissance"]


def test_an_agent_chooses_her_messages(screen: FilesScreen) -> None:
    answer = _send(screen, "prevenir", wish="echeance")
    assert "Enregistré : vous serez prévenu de : échéances." in words(answer)
    assert re.findall(r'value="(\w+)" checked', answer.text) == ["echeance"]


@pytest.mark.parametrize(
    ("page", "said"), [("motifs", "dates et motifs"), ("doutes", "doutes : 2 électeurs")]
)
def test_a_page_that_names_electors_is_in_the_trail_and_is_not_kept(
    files: FilesScreen, page: str, said: str
) -> None:
    _without_motif(files)
    files.work()
    plant_doubt(files)
    response = files.get(page)
    assert response.headers["cache-control"] == "no-store"
    files.client.app.state.services.spool.drain()  # type: ignore[attr-defined]
    files.work()
    seen = [it for it in files.desk.audit() if it.action == Action.ELECTEURS_SEEN]
    assert seen
    assert seen[-1].detail.startswith(said)
    assert seen[-1].actor == AGENT
    assert "INVENTÉE" not in str(files.desk.audit())


def test_each_page_shows_the_electors_of_its_commune_only(files: FilesScreen) -> None:
    _let_protect(files)
    plant_doubt(files)
    _without_motif(files)
    files.desk.add_person(nom="INVENTÉE")
    protected = "INSERT INTO protection (code_commune, nom_naissance, prenoms, date_naissance)"
    files.desk.run(f"{protected} VALUES ('13900', 'INVENTÉE', 'Zélie', '1962-03-14')")
    search = {"act": "search", "nom": "INVENTÉE", "naissance": "14/03/1962"}
    assert all("INVENTÉE" in files.read(page) for page in ("doutes", "proteges"))
    assert 'id="trouves"' in files.post("proteges", search).text
    files.desk.run(
        "INSERT INTO commune (code, nom, code_departement) VALUES ('13901', 'GRANDVILLE', '13')"
    )
    files.desk.run("UPDATE agent SET code_commune = '13901'")
    files.commune = "13901"
    for page in ("doutes", "motifs", "proteges", "bureaux", "reglages", "reunions"):
        said = files.read(page)
        assert "INVENTÉE" not in said, page
        assert "0001" not in said, page
    assert "Toutes les inscriptions et radiations ont leur date et leur motif" in files.read(
        "motifs"
    )
    files.desk.run("UPDATE mouvement SET categorie = 'radiation_deces' WHERE nature = 'radiation'")
    assert "Aucun motif n'est noté" in files.read("motifs", "notes=1")
    assert "Personne sur la liste ne porte ce nom" in words(files.post("proteges", search))
