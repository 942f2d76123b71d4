"""Deposits: declared, pending, recorded, answered, to be repeated."""

import base64
import re
from datetime import timedelta
from uuid import uuid4

import pytest

from producers.publisher import Publisher
from producers.web.depot import PAGE
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Format, Liste
from tests.integration.depots_desk import today
from tests.integration.requests_queue import RequestsQueue
from tests.parts.wait import wait_until
from tests.web.files_desk import FilesScreen, words
from worker.registre.models import Electeur
from worker.writers.columns import header_of

CM = Liste.COMPLEMENTAIRE_MUNICIPALE
REJECTION = f"Ligne 12 : la colonne {header_of(Electeur.code_postal)} est vide.\r\nLigne 48 : <b>Sexe</b> absent."


@pytest.mark.slow
def test_a_deposit_is_declared_and_shown_while_nobody_has_read_it(screen: FilesScreen) -> None:
    export = screen.make(CM)["export_id"]
    posted = screen.post("depot", {"export": export, "jour": today().isoformat(), "remarque": "Par Zoé, au guichet."})
    assert posted.status_code == 303
    waiting = screen.read("depot")
    assert f"Enregistrement en cours : déposé le {today():%d/%m/%Y}, 1 fichier." in waiting
    assert "Aucun dépôt n'est noté." in waiting
    screen.work()
    recorded = screen.read("depot")
    assert f"Enregistré : déposé le {today():%d/%m/%Y}, 1 fichier." in recorded
    assert "Par Zoé, au guichet." in recorded
    assert "pas encore de réponse" in recorded
    again = screen.read("depot")
    assert "Enregistré" not in again
    assert "Enregistrement en cours" not in again


@pytest.mark.slow
def test_a_button_that_is_pressed_twice_declares_once(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    deposit = {"export": export, "jour": today().isoformat(), "formulaire": str(uuid4())}
    verdict = deposit | {"verdict": "accepte", "formulaire": str(uuid4())}
    for name, form, said in (("depot", deposit, "déposé le"), ("verdict", verdict, "accepté le")):
        for _ in range(2):
            assert files.post(name, form).status_code == 303
        assert len({event.id for event in files.broker.events}) == 1
        assert files.read("depot").count(f"Enregistrement en cours : {said}") == 1
        files.work()
        assert files.read("depot").count(f"Enregistré : {said}") == 1
    actions = [line.action for line in files.desk.audit() if line.action.startswith("depot")]
    assert actions == ["depot_declared", "depot_verdict"]


@pytest.mark.slow
def test_what_was_refused_says_why_once(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    before = today() - timedelta(days=3)
    files.post("depot", {"export": export, "jour": before.isoformat()})
    files.work()
    assert "précède la production du fichier" in files.read("depot")
    assert "précède" not in files.read("depot")
    refused = words(files.get("listes"))
    assert "Dépôt déclaré" in refused
    assert "Rien n'a été enregistré. Corrigez ce qui est dit ci-dessus, puis recommencez." in refused
    files.post("depot", {"export": export, "jour": today().isoformat()})
    files.work()
    assert "Dépôt déclaré" not in words(files.get("listes")), "it was put right"


def test_the_page_that_waits_is_loaded_again_once_it_is_written_down(files: FilesScreen) -> None:
    files.post("depot", {"export": files.make(CM)["export_id"], "jour": today().isoformat()})
    asks = {"HX-Request": "true"}
    assert "HX-Refresh" not in files.client.get(files.path("depot"), headers=asks).headers
    files.work()
    assert files.client.get(files.path("depot"), headers=asks).headers["HX-Refresh"] == "true"
    written_on = files.client.get(files.path("depot"), headers=asks | {"X-Written": "1"})
    assert "HX-Refresh" not in written_on.headers
    assert "Actualiser la page" in written_on.text
    assert "Enregistré : déposé" in files.read("depot")


@pytest.mark.slow
def test_an_answer_is_noted_with_its_text_and_says_what_to_do(screen: FilesScreen) -> None:
    export = screen.make(CM)["export_id"]
    screen.desk.deposit(export)
    asked = screen.read("depot")
    assert "En attente de la réponse de la plateforme" in asked
    assert "il n'est gardé que pour les agents de la commune, et il est effacé avec le fichier" in asked
    form = {"export": export, "verdict": "rejete", "jour": today().isoformat(), "reponse": REJECTION}
    assert screen.post("verdict", form).status_code == 303
    screen.work()
    page = screen.read("depot")
    assert "À refaire : Liste complémentaire municipale — " in page
    assert "Déposez le nouveau fichier entier" in page
    assert "Ligne 48 : <b>Sexe</b> absent." in page
    assert "En attente de la réponse" not in page


@pytest.mark.slow
def test_a_rejected_list_that_was_deposited_again_is_not_to_be_redone(files: FilesScreen) -> None:
    first = files.make(CM)["export_id"]
    files.desk.deposit(first)
    files.desk.answer(first, verdict="rejete")
    assert "À refaire" in files.read("depot")
    second = files.make(CM, Format.XML)["export_id"]
    files.desk.deposit(second)
    assert "À refaire" not in files.read("depot")
    files.desk.answer(second)
    assert "accepté" in files.read("depot")


def test_what_is_to_be_deposited_is_ready_without_blocking_anomaly_and_in_one_format(files: FilesScreen) -> None:
    _mend(files)
    principale, csv = files.make(), files.make(CM)
    assert principale["bloquantes"]
    page = files.read("depot")
    to_correct = page.partition("À corriger d'abord La plateforme rejetterait ces fichiers.")[2]
    assert f"({principale['label']})" in to_correct.partition("Liste principale — ")[2]
    to_deposit = page.partition("Fichiers que vous avez déposés Liste complémentaire municipale — ")[2]
    assert csv["label"] in to_deposit
    assert principale["label"] not in to_deposit.partition("À corriger d'abord")[0]
    xml = files.make(CM, Format.XML)
    files.desk.deposit(xml["export_id"])
    assert "Rien n'attend d'être déposé." in files.read("depot")


def test_a_file_named_in_the_address_can_be_deposited_whatever_its_anomalies(files: FilesScreen) -> None:
    principale = files.make()
    page = files.get("depot", f"export={principale['export_id']}").text
    assert f'value="{principale["export_id"]}" checked' in page


def test_several_files_are_deposited_together(files: FilesScreen) -> None:
    exports = [files.make(CM)["export_id"], files.make()["export_id"]]
    files.post("depot", {"export": exports, "jour": f"{today():%d/%m/%Y}"})
    assert files.broker.events[0].data["exports"] == exports
    files.work()
    assert all(files.desk.row(export)["deposited_on"] for export in exports)


def test_a_form_that_says_nothing_sensible_comes_back_filled_in(files: FilesScreen) -> None:
    _mend(files)
    export = files.make(CM)["export_id"]
    tomorrow = today() + timedelta(days=1)
    wrong = {
        "Cochez au moins un fichier.": {"jour": today().isoformat(), "remarque": "gardée"},
        "Ce jour n'est pas possible": {"export": export, "jour": "31/02/2026", "remarque": "gardée"},
        "l'année en entier": {"export": export, "jour": "0026-11-20", "remarque": "gardée"},
        "n'est pas encore venu": {"export": export, "jour": tomorrow.isoformat(), "remarque": "gardée"},
        "Texte trop long": {"export": export, "jour": today().isoformat(), "remarque": "gardée" * 200},
        "caractères que le module ne peut pas garder": {
            "export": export,
            "jour": today().isoformat(),
            "remarque": "gardée\x07",
        },
    }
    for reason, form in wrong.items():
        response = files.post("depot", form)
        assert response.status_code == 422
        assert reason in words(response)
        assert "gardée" in words(response)
        assert "<title>Erreur – Dépôts" in response.text
        (place,) = re.findall(r'<a href="#([^"]+)">[^<]+</a>\s:', response.text)
        assert f'id="{place}"' in response.text
        assert f'id="{place}-faute"' in response.text
    assert "accepté ou rejeté" in words(files.post("verdict", {"export": export, "jour": today().isoformat()}))
    assert files.broker.events == []


@pytest.mark.slow
def test_an_answer_that_cannot_be_taken_says_which_field(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    day = today().isoformat()
    form = {"depot": export, "export": export, "jour": day, "verdict": "rejete", "reponse": "gardée"}
    wrong = {
        "verdict": form | {"verdict": ""},
        "jour-reponse": form | {"jour": "hier"},
        "texte": form | {"reponse": "gardée\x07"},
    }
    for place, given in wrong.items():
        response = files.post("verdict", given)
        assert response.status_code == 422
        assert "gardée" in words(response)
        assert f'<a href="#{place}">' in response.text
        assert response.text.count(f'id="{place}"') == response.text.count(f'id="{place}-faute"') == 1


def test_an_answer_is_about_the_files_that_she_ticks_and_no_other(files: FilesScreen) -> None:
    exports = [files.make(CM)["export_id"], files.make()["export_id"]]
    files.desk.run("UPDATE export SET request_id = (SELECT min(request_id) FROM export)")
    for export in exports:
        files.desk.deposit(export)
    page = files.get("depot").text
    assert " checked" not in page
    (depot,) = re.findall(r'name="depot" value="(\d+)"', page)
    form = {"depot": depot, "jour": today().isoformat(), "verdict": "accepte", "reponse": "gardée"}
    response = files.post("verdict", form)
    assert response.status_code == 422
    assert '<a href="#concerne">' in response.text
    assert "gardée" in words(response)
    files.post("verdict", form | {"export": exports[0]})
    files.work()
    assert [files.desk.row(export)["verdict"] for export in exports] == ["accepte", ""]


@pytest.mark.slow
def test_what_the_platform_accepted_is_not_said_to_be_refused(files: FilesScreen) -> None:
    export = files.make()["export_id"]
    assert "La plateforme rejetterait ce fichier." in files.read("export", export=export)
    files.desk.deposit(export)
    assert "anomalies bloquantes : la plateforme peut le rejeter." in files.read("export", export=export)
    files.desk.answer(export)
    page = files.read("export", export=export)
    assert "rejetterait" not in page + files.read("exports")
    assert f"anomalies bloquantes ; la plateforme l'a accepté le {today():%d/%m/%Y}." in page


def test_a_tableau_that_was_published_is_still_to_be_deposited(files: FilesScreen) -> None:
    number = files.make_tableau(TypeTableau.CINQ_JOURS_REU)
    files.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL")
    files.desk.publish(number)
    assert f'name="export" value="{number}"' in files.get("depot").text
    files.post("depot", {"export": number, "jour": today().isoformat()})
    files.work()
    assert files.desk.row(number)["deposited_on"]


def test_a_broker_that_is_away_loses_nothing_of_the_form(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    files.broker.is_away = True
    day = today().isoformat()
    form = {"depot": export, "export": export, "verdict": "rejete", "jour": day, "reponse": "Une longue réponse."}
    response = files.post("verdict", form)
    assert response.status_code == 503
    assert "Rien n'est enregistré" in words(response)
    assert "Une longue réponse." in words(response)


@pytest.mark.slow
def test_a_full_queue_keeps_what_is_declared_and_in_its_order(files: FilesScreen, amqp_url: str) -> None:
    export = files.make(CM)["export_id"]
    day = {"export": export, "jour": today().isoformat()}
    files.spool.stop()
    with RequestsQueue(amqp_url, max_length=1) as queue, Publisher(amqp_url) as files.broker.real:
        queue.fill()
        assert files.post("depot", day).status_code == 303
        assert "c'est gardé, et partira tout seul dès qu'il se libérera" in files.read("depot")
        queue.clear()
        assert files.post("verdict", day | {"verdict": "accepte"}).status_code == 303
        assert files.read("depot").count("c'est gardé") == 2
        assert queue.poll() is None, "the verdict waits behind the deposit"
        files.spool.start()
        assert [queue.take_event().data["note"]["kind"] for _ in range(2)] == ["deposited", "verdict"]
        wait_until(lambda: not files.spool.waiting(), message="that all has left")
        assert "c'est gardé" not in files.read("depot")
        assert files.post("depot", day).status_code == 303
        assert queue.take_event().data["note"]["kind"] == "deposited", "at once, since nothing waits"
    files.work()
    page = files.read("depot")
    assert f"Enregistré : déposé le {today():%d/%m/%Y}, 1 fichier." in page
    assert f"Enregistré : accepté le {today():%d/%m/%Y}, 1 fichier." in page


def test_the_session_does_not_keep_the_answer(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    answered = files.post(
        "verdict", {"export": export, "verdict": "rejete", "jour": today().isoformat(), "reponse": "INVENTEE Zélie"}
    )
    (cookie,) = answered.cookies.values()
    kept = base64.b64decode(cookie.partition(".")[0] + "==")
    assert b"envoyees" in kept
    assert b"INVENTEE" not in kept


def _mend(files: FilesScreen) -> None:
    """Correct LIBREVILLE's complementary municipal list, so that the platform would accept it."""
    files.desk.run(
        """UPDATE electeur SET nationalite = 'Belge', ville = 'LIBREVILLE', code_postal = '13900', sexe = 'F',
               libelle_voie = 'SAUGE', nom_naissance = 'INVENTEE', prenoms = 'Zélie ' ||
               substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ', 1 + id % 26, 1) ||
               substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ', 1 + id / 26 % 26, 1),
               date_naissance = '1962-03-14',
               commune_naissance = 'BRUXELLES', departement_naissance = '99', pays_naissance = 'BELGIQUE'
           WHERE liste = 'CM'"""
    )


@pytest.mark.slow
def test_the_electors_that_the_answer_names_are_found_in_the_file(screen: FilesScreen) -> None:
    row = screen.make(CM)
    export = row["export_id"]
    path = screen.desk.services.storage.path(screen.commune, row["file_name"])
    values = dict(zip(*(line.split(";") for line in path.read_text("utf-8").splitlines()[:2]), strict=True))
    nom, born = values[header_of(Electeur.nom_naissance)], values[header_of(Electeur.date_naissance)]
    assert screen.get("reponse", export=export).status_code == 404
    screen.desk.deposit(export)
    screen.desk.answer(export, verdict="rejete", answer=f"{nom}, née le {born} : adresse.\nLigne 3 : autre chose.")
    page = screen.read("reponse", export=export)
    assert f"{nom} {values[header_of(Electeur.prenoms)]}" in page
    assert "Le reste de la réponse Ligne 3 : autre chose." in page
    assert "Qui est nommé ?" in screen.read("depot")
    path.write_bytes(b"altered")
    assert "n'est plus lisible sur le disque" in screen.read("reponse", export=export)
    screen.desk.answer(export, verdict="rejete", answer="")
    assert "Le texte de la réponse n'a pas été noté." in screen.read("reponse", export=export)


def test_more_deposits_than_a_page_holds_are_on_the_next(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    assert "Page suivante" not in files.read("depot")
    for _ in range(PAGE):
        files.desk.deposit(files.make(CM)["export_id"])
    first, second = files.read("depot"), files.read("depot", "page=2")
    assert "Page 1 Page suivante" in first
    assert "Page précédente Page 2" in second
    assert f"/exports/{export}" in files.get("depot", "page=2").text.partition("Dépôts notés")[2]
