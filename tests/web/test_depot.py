"""Deposits: declared, pending, recorded, answered, to be repeated; the dossier: a ZIP, the same at each download."""

import base64
import io
import re
import subprocess
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from httpx2 import Response

from producers.publisher import Publisher
from producers.web.depot import PAGE
from schemas.declarations import DeclarationNoted
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import Format, Liste, Piece
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
    posted = screen.post(
        "depot", {"export": export, "jour": today().isoformat(), "remarque": "Par Zoé, au guichet."}
    )
    assert posted.status_code == 303
    waiting = screen.read("depot")
    assert f"Enregistrement en cours : déposé le {today():%d/%m/%Y}, 1 fichier." in waiting
    assert "Dépôts notés" not in waiting
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
    assert (
        "Rien n'a été enregistré. Corrigez ce qui est dit ci-dessus, puis recommencez." in refused
    )
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
    assert "il est gardé pour les agents de la commune, et effacé avec le fichier" in asked
    form = {
        "export": export,
        "verdict": "rejete",
        "jour": today().isoformat(),
        "reponse": REJECTION,
    }
    assert screen.post("verdict", form).status_code == 303
    screen.work()
    page = screen.read("depot")
    assert "À refaire : Liste complémentaire municipale — " in page
    assert "Déposez le nouveau fichier entier" in page
    assert "Ligne 48 : <b>Sexe</b> absent." in page
    assert "En attente de la réponse" not in page


def test_what_is_to_be_deposited_is_ready_without_blocking_anomaly_and_in_one_format(
    files: FilesScreen,
) -> None:
    assert files.make()["bloquantes"]
    files.make(CM)
    files.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0 WHERE liste = 'CM'")
    page = files.read("depot")
    to_deposit, _, to_correct = page.partition(
        "À corriger d'abord La plateforme rejetterait ces fichiers."
    )
    assert "Liste principale — " in to_correct
    assert "Fichiers que vous avez déposés Liste complémentaire municipale — " in to_deposit
    assert "Liste principale — " not in to_deposit
    files.desk.deposit(files.make(CM, Format.XML)["export_id"])
    assert "Rien n'attend d'être déposé." in files.read("depot")


def test_a_file_named_in_the_address_can_be_deposited_whatever_its_anomalies(
    files: FilesScreen,
) -> None:
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
    export = files.make(CM)["export_id"]
    tomorrow = today() + timedelta(days=1)
    right = {"export": [export], "jour": today().isoformat(), "remarque": "gardée"}
    wrong: dict[str, dict[str, object]] = {
        "Cochez au moins un fichier.": {"export": []},
        "Ce jour n'est pas possible": {"jour": "31/02/2026"},
        "l'année en entier": {"jour": "0026-11-20"},
        "n'est pas encore venu": {"jour": tomorrow.isoformat()},
        "Texte trop long": {"remarque": "gardée" * 200},
        "caractères que le module ne peut pas garder": {"remarque": "gardée\x07"},
    }
    for reason, change in wrong.items():
        response = files.post("depot", right | change)
        assert response.status_code == 422
        assert reason in words(response)
        assert "gardée" in words(response)
        assert "<title>Erreur – Dépôts" in response.text
        (place,) = re.findall(r'<a href="#([^"]+)">[^<]+</a>\s:', response.text)
        assert f'id="{place}"' in response.text
        assert f'id="{place}-faute"' in response.text
    assert "accepté ou rejeté" in words(
        files.post("verdict", {"export": export, "jour": today().isoformat()})
    )
    assert files.broker.events == []


@pytest.mark.slow
def test_an_answer_that_cannot_be_taken_says_which_field(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    day = today().isoformat()
    form = {
        "depot": export,
        "export": export,
        "jour": day,
        "verdict": "rejete",
        "reponse": "gardée",
    }
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
        assert (
            response.text.count(f'id="{place}"') == response.text.count(f'id="{place}-faute"') == 1
        )


def test_a_wrong_answer_is_changed(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    files.desk.answer(export, verdict="rejete", answer="Électeur inconnu.")
    assert "Modifier la réponse" in files.read("depot")
    page = files.get("depot", f"reponse={export}").text
    assert ">Électeur inconnu.</textarea>" in page
    files.post(
        "verdict",
        {"depot": export, "export": export, "jour": today().isoformat(), "verdict": "accepte"},
    )
    files.work()
    assert files.desk.row(export)["verdict"] == "accepte"


def test_an_answer_is_about_the_files_that_she_ticks_and_no_other(files: FilesScreen) -> None:
    exports = [files.make(CM)["export_id"], files.make()["export_id"]]
    files.desk.run("UPDATE export SET request_id = (SELECT min(request_id) FROM export)")
    for export in exports:
        files.desk.deposit(export)
    page = files.get("depot").text
    assert all(f'value="{export}" checked' in page for export in exports)
    (depot,) = re.findall(r'name="depot" value="(\d+)"', page)
    form = {"depot": depot, "jour": today().isoformat(), "verdict": "accepte", "reponse": "gardée"}
    response = files.post("verdict", form)
    assert response.status_code == 422
    assert '<a href="#concerne">' in response.text
    assert "gardée" in words(response)
    files.post("verdict", form | {"export": exports[0]})
    files.work()
    assert [files.desk.row(export)["verdict"] for export in exports] == ["accepte", ""]


def _seen(response: Response, name: str) -> str:
    """The value of the hidden field that says what a form was read against."""
    found = re.search(rf'name="{name}" value="([^"]*)"', response.text)
    assert found, name
    return found[1]


def test_a_deposit_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.run("UPDATE export SET finished_at = '2026-11-01 08:00:00+00:00'")
    field, eve = f"vu-depot-{export}", today() - timedelta(days=1)
    mine = {"export": export, "jour": f"{eve}", field: _seen(files.get("depot"), field)}
    theirs = {"export": export, "jour": f"{today()}"}
    for form in (theirs, mine):
        assert files.post("depot", form).status_code == 303
    files.work()
    assert f"{files.desk.row(export)['deposited_on']}" == f"{today()}", "the worker compares too"
    assert "Une autre note est venue depuis que vous avez lu la page." in files.read("depot")
    answer = files.post("depot", mine)
    assert answer.status_code == 422
    assert f"Il est déjà noté : déposé le {today():%d/%m/%Y} par" in words(answer)
    assert files.post("depot", mine | {field: _seen(answer, field)}).status_code == 303
    files.work()
    assert f"{files.desk.row(export)['deposited_on']}" == f"{eve}", "the agent has seen both"


def test_an_answer_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    exports, form = _deposit_together(files)
    names = [f"vu-reponse-{it}" for it in exports]
    page = files.get("depot")
    mine: dict[str, object] = {**form, "export": exports, "verdict": "accepte"}
    mine |= {name: _seen(page, name) for name in names}
    theirs = {"export": exports[0], "jour": f"{today()}", "verdict": "rejete", "reponse": "Refus."}
    for sent in (theirs, mine):
        assert files.post("verdict", sent).status_code == 303
    files.work()
    assert [files.desk.row(it)["verdict"] for it in exports] == ["rejete", "", ""]
    assert "Une autre note est venue depuis" in files.read("depot"), "the worker compares too"
    answer = files.post("verdict", mine)
    assert answer.status_code == 422
    assert answer.text.count("Il est déjà noté") == 2, "in the summary, and beside the file"
    assert f"rejeté le {today():%d/%m/%Y}" in words(answer)
    assert sorted(_ticked(answer.text)) == sorted(exports), "the form comes back as it was sent"
    assert f'<a href="#{names[0]}">' in answer.text
    assert f'id="{names[0]}"' in answer.text
    assert files.post("verdict", mine | {it: _seen(answer, it) for it in names}).status_code == 303
    files.work()
    assert {files.desk.row(it)["verdict"] for it in exports} == {"accepte"}, "both were seen"


def _deposit_together(files: FilesScreen) -> tuple[list[int], dict[str, str]]:
    """Deposit CM, CE and P as files of one request; their ids and the hidden fields of the form of the answer."""
    exports = [
        files.make(liste)["export_id"]
        for liste in (CM, Liste.COMPLEMENTAIRE_EUROPEENNE, Liste.PRINCIPALE)
    ]
    files.desk.run("UPDATE export SET request_id = (SELECT min(request_id) FROM export)")
    for export in exports:
        files.desk.deposit(export)
    (depot,) = re.findall(r'name="depot" value="(\d+)"', files.get("depot").text)
    return exports, {"depot": depot, "jour": today().isoformat()}


def _ticked(page: str) -> list[int]:
    form = page.partition("La réponse concerne</legend>")[2].partition("</fieldset>")[0]
    return [int(number) for number in re.findall(r'value="(\d+)" checked', form)]


def _name_one_of(files: FilesScreen, export: int, others: list[int]) -> str:
    """Name an elector of the file who is in none of the others."""
    texts = [
        files.desk.services.storage.path(files.commune, files.desk.row(it)["file_name"]).read_text(
            "utf-8"
        )
        for it in (export, *others)
    ]
    lines = [[line.split(";") for line in text.splitlines()] for text in texts]
    nom, born = (
        lines[0][0].index(header_of(column))
        for column in (Electeur.nom_naissance, Electeur.date_naissance)
    )
    elsewhere = {line[nom] for other in lines[1:] for line in other}
    line = next(it for it in lines[0][1:] if it[nom] not in elsewhere and len(it[born]) == 10)
    return f"{line[nom]} {line[born]} : adresse absente."


def test_a_rejection_is_about_the_list_whose_electors_it_names(files: FilesScreen) -> None:
    exports, form = _deposit_together(files)
    principale = exports[-1]
    form |= {"verdict": "rejete", "reponse": _name_one_of(files, principale, exports[:-1])}
    asked = files.post("verdict", form | {"export": exports})
    assert asked.status_code == 422
    assert not files.broker.events
    assert "rien d'autre n'est coché" in words(asked)
    assert re.search(r"Liste principale — [^(]*\(1 électeur\)", words(asked))
    assert _ticked(asked.text) == [principale]
    (seen,) = re.findall(r'name="lue" value="(\w+)"', asked.text)
    other_text = form | {"export": exports, "lue": seen, "reponse": "Sans nom."}
    assert files.post("verdict", other_text).status_code == 422, "another text is read again"
    assert files.post("verdict", form | {"export": [principale], "lue": seen}).status_code == 303
    files.work()
    assert [files.desk.row(it)["verdict"] for it in exports] == ["", "", "rejete"]


def test_a_rejection_that_names_nobody_says_so_and_is_about_all_files(files: FilesScreen) -> None:
    exports, form = _deposit_together(files)
    form |= {"verdict": "rejete", "reponse": "Le séparateur est faux."}
    asked = files.post("verdict", form | {"export": exports})
    assert "La réponse ne nomme aucun électeur reconnu" in words(asked)
    assert sorted(_ticked(asked.text)) == sorted(exports)
    (seen,) = re.findall(r'name="lue" value="(\w+)"', asked.text)
    assert files.post("verdict", form | {"export": exports, "lue": seen}).status_code == 303
    files.work()
    assert {files.desk.row(it)["verdict"] for it in exports} == {"rejete"}


@pytest.mark.slow
def test_what_the_platform_accepted_is_not_said_to_be_refused(files: FilesScreen) -> None:
    export = files.make()["export_id"]
    assert "La plateforme rejetterait ce fichier." in files.read("export", export=export)
    files.desk.deposit(export)
    assert "anomalies bloquantes : la plateforme peut le rejeter." in files.read(
        "export", export=export
    )
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
    form = {
        "depot": export,
        "export": export,
        "verdict": "rejete",
        "jour": day,
        "reponse": "Une longue réponse.",
    }
    response = files.post("verdict", form)
    assert response.status_code == 503
    assert "Rien n'est enregistré" in words(response)
    assert "Une longue réponse." in words(response)


@pytest.mark.slow
def test_a_full_queue_keeps_what_is_declared_and_in_its_order(
    files: FilesScreen, amqp_url: str
) -> None:
    export = files.make(CM)["export_id"]
    day = {"export": export, "jour": today().isoformat()}
    files.spool.stop()
    with RequestsQueue(amqp_url, max_length=1) as queue, Publisher(amqp_url) as files.broker.real:
        queue.fill()
        assert files.post("depot", day).status_code == 303
        assert "c'est gardé, et partira tout seul" in files.read("depot")
        queue.clear()
        assert files.post("verdict", day | {"verdict": "accepte"}).status_code == 303
        assert files.read("depot").count("c'est gardé") == 2
        assert queue.poll() is None, "the verdict waits behind the deposit"
        files.spool.start()
        assert [queue.take_event().data["note"]["kind"] for _ in range(2)] == [
            "deposited",
            "verdict",
        ]
        wait_until(lambda: not files.spool.waiting(), message="that all has left")
        assert "c'est gardé" not in files.read("depot")
        assert files.post("depot", day).status_code == 303
        assert queue.take_event().data["note"]["kind"] == "deposited", (
            "at once, since nothing waits"
        )
    files.work()
    page = files.read("depot")
    assert f"Enregistré : déposé le {today():%d/%m/%Y}, 1 fichier." in page
    assert f"Enregistré : accepté le {today():%d/%m/%Y}, 1 fichier." in page


def test_the_session_does_not_keep_the_answer(files: FilesScreen) -> None:
    export = files.make(CM)["export_id"]
    files.desk.deposit(export)
    answered = files.post(
        "verdict",
        {
            "export": export,
            "verdict": "rejete",
            "jour": today().isoformat(),
            "reponse": "INVENTEE Zélie",
        },
    )
    (cookie,) = answered.cookies.values()
    kept = base64.b64decode(cookie.partition(".")[0] + "==")
    assert b"envoyees" in kept
    assert b"INVENTEE" not in kept


@pytest.mark.slow
def test_the_electors_that_the_answer_names_are_found_in_the_file(screen: FilesScreen) -> None:
    row = screen.make(CM)
    export = row["export_id"]
    path = screen.desk.services.storage.path(screen.commune, row["file_name"])
    values = dict(
        zip(*(line.split(";") for line in path.read_text("utf-8").splitlines()[:2]), strict=True)
    )
    nom, born = (
        values[header_of(Electeur.nom_naissance)],
        values[header_of(Electeur.date_naissance)],
    )
    assert screen.get("reponse", export=export).status_code == 404
    screen.desk.deposit(export)
    screen.desk.answer(
        export, verdict="rejete", answer=f"{nom}, née le {born} : adresse.\nLigne 3 : autre chose."
    )
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


CE = Liste.COMPLEMENTAIRE_EUROPEENNE


@pytest.mark.slow
def test_the_dossier_holds_the_files_and_what_explains_and_proves_them(
    screen: FilesScreen, tmp_path: Path
) -> None:
    principale, municipale = screen.make(), screen.make(CM, Format.XML)
    editions = (Edition.AFFICHAGE, Edition.COMMISSION)
    tableau, commission = (
        screen.make_tableau(TypeTableau.VINGT_JOURS, edition=edition) for edition in editions
    )
    query = f"P={principale['export_id']}&CM={municipale['export_id']}&export={tableau}&export={commission}"
    response = screen.get("dossier_zip", query)
    assert response.headers["Content-Type"] == "application/zip"
    assert int(response.headers["Content-Length"]) == len(response.content)
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    names = [screen.desk.row(export)["file_name"] for export in (tableau, commission)]
    assert archive.namelist() == [
        "LISEZ-MOI.txt",
        "RAPPROCHEMENT.txt",
        f"a-deposer/{principale['file_name']}",
        f"a-deposer/{municipale['file_name']}",
        f"a-deposer/{names[0]}",
        f"ne-pas-deposer/{names[1]}",
        "SHA256SUMS",
    ]
    assert archive.read(f"a-deposer/{principale['file_name']}") == screen.desk.read(principale)
    archive.extractall(tmp_path / "extracted")
    command = ["sha256sum", "--check", "SHA256SUMS"]
    folder = tmp_path / "extracted"
    checked = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == 6


def test_a_repealed_tableau_is_an_archive_and_is_not_deposited(files: FilesScreen) -> None:
    """The dossier and the screen agree with the mail: keep it as an archive or a duplicate."""
    day = date(2018, 1, 10)
    old = files.make_tableau(TypeTableau.PREMIER_RECTIFICATIF, scrutin=None, date_tableau=day)
    archive = zipfile.ZipFile(io.BytesIO(files.get("dossier_zip", f"export={old}").content))
    assert f"ne-pas-deposer/{files.desk.row(old)['file_name']}" in archive.namelist()
    readme = " ".join(archive.read("LISEZ-MOI.txt").decode().replace("\u202f", " ").split())
    assert (
        "NE PAS DÉPOSER NI AFFICHER : tableau abrogé depuis 2019, archive ou duplicata." in readme
    )
    assert "Déposez ensuite les tableaux" not in readme
    assert "Abrogé depuis 2019 : à part dans le ZIP, dans « ne-pas-deposer »" in files.read(
        "dossier"
    )
    assert "Marquer comme déposé" not in files.read("export", export=old)


def test_the_same_files_make_the_same_bytes_and_every_unzip_reads_them(
    files: FilesScreen, tmp_path: Path
) -> None:
    ids = [files.make(liste)["export_id"] for liste in (CM, CE)]
    first = files.get("dossier_zip", f"CM={ids[0]}&CE={ids[1]}")
    files.desk.deposit(ids[0])
    files.desk.download(ids[1])
    second = files.get("dossier_zip", f"export={ids[1]}&export={ids[0]}")
    assert first.content == second.content
    assert first.headers["Content-Disposition"] == second.headers["Content-Disposition"]
    path = tmp_path / "dossier.zip"
    path.write_bytes(first.content)
    assert subprocess.run(["unzip", "-tq", path], capture_output=True, check=False).returncode == 0


def test_the_readme_and_the_sums_name_no_elector_and_say_what_is_blocking(
    files: FilesScreen,
) -> None:
    files.desk.add_person(nom="INVENTEE-DU-DOSSIER")
    made = files.make()
    assert made["bloquantes"]
    archive = _take(files, f"P={made['export_id']}")
    readme = archive.read("LISEZ-MOI.txt").decode("utf-8-sig")
    assert f"ATTENTION : {made['bloquantes']} anomalies bloquantes" in " ".join(readme.split())
    assert "e-listelec" in readme
    assert "\r\n" in readme
    assert max(map(len, readme.splitlines())) < 100
    assert b"INVENTEE-DU-DOSSIER" in archive.read(f"a-deposer/{made['file_name']}")
    texts = b"".join(archive.read(name) for name in ("LISEZ-MOI.txt", "SHA256SUMS"))
    assert b"INVENTEE-DU-DOSSIER" not in texts


@pytest.mark.slow
def test_each_file_that_was_taken_is_declared_even_when_the_broker_is_away(
    files: FilesScreen,
) -> None:
    ids = sorted(files.make(liste)["export_id"] for liste in (CM, CE))
    files.broker.is_away = True
    assert files.get("dossier_zip", f"CM={ids[0]}&CE={ids[1]}").status_code == 200
    files.broker.is_away = False
    wait_until(
        lambda: len(files.broker.events) == 4, message="the downloads, once the broker is back"
    )
    ended = [
        event.data for event in files.broker.events if event.type == DeclarationNoted.EVENT_TYPE
    ]
    assert sorted(number for data in ended for number in data["exports"]) == ids
    assert {data["note"]["piece"] for data in ended} == {Piece.DOSSIER}
    files.work()
    assert all(files.desk.row(export)["downloaded_by"] == "mairie-libreville" for export in ids)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "status"), [(lambda path: path.write_bytes(b"X"), 500), (Path.unlink, 410)]
)
def test_nothing_leaves_when_a_file_is_not_what_it_was(
    files: FilesScreen, damage: Callable[[Path], object], status: int
) -> None:
    good, bad = files.make(CE), files.make(CM)
    damage(files.desk.root / bad["code_commune"] / bad["file_name"])
    response = files.get("dossier_zip", f"CE={good['export_id']}&CM={bad['export_id']}")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert bad["file_name"] in words(response)
    assert "Le dossier n'a pas été préparé" in words(response)
    assert files.broker.events == []


@pytest.mark.slow
def test_a_choice_that_makes_no_dossier_comes_back_with_the_reason(files: FilesScreen) -> None:
    csv, xml = (files.make(CM, format_)["export_id"] for format_ in Format)
    for query, status, reason in (
        ("", 422, "Choisissez au moins un fichier."),
        ("export=abc&P=99", 422, "Choisissez au moins un fichier."),
        (f"CM={csv}&export={xml}", 422, "Une liste se dépose dans un seul format"),
    ):
        response = files.get("dossier_zip", query)
        assert response.status_code == status
        assert reason in words(response)
    files.desk.run("UPDATE export SET purged_at = finished_at WHERE id = :id", id=csv)
    assert files.get("dossier_zip", f"CM={csv}").status_code == 410


def test_another_communes_file_is_in_no_dossier(files: FilesScreen) -> None:
    made = files.make(CM)["export_id"]
    files.desk.run("UPDATE export SET code_commune = '13055' WHERE id = :id", id=made)
    assert files.get("dossier_zip", f"CM={made}").status_code == 422


@pytest.mark.slow
def test_a_dossier_names_what_it_lacks_on_the_page_and_in_the_zip(screen: FilesScreen) -> None:
    principale = screen.make()
    lack = f"Il manque la liste principale : {principale['bloquantes']} anomalies bloquantes."
    assert lack in screen.read("dossier")
    europeenne = screen.make(CE)["export_id"]
    with _take(screen, f"CE={europeenne}") as archive:
        readme = (
            archive.read("LISEZ-MOI.txt")
            .decode("utf-8-sig")
            .replace("\u202f", " ")
            .replace("\u00a0", " ")
        )
    assert "CE QUI MANQUE À CE DOSSIER" in readme
    assert lack in readme
    assert "Il manque la liste complémentaire municipale : aucun fichier n'est fait." in readme
    assert "Il manque la liste complémentaire européenne" not in readme


@pytest.mark.slow
def test_a_list_that_the_platform_refused_is_not_in_the_dossier_any_more(
    screen: FilesScreen,
) -> None:
    made = screen.make(CM)["export_id"]
    screen.desk.run("UPDATE export SET bloquantes = 0, a_completer = 0")
    assert f'value="{made}" checked' in screen.get("dossier").text
    screen.desk.deposit(made)
    assert f'value="{made}" checked' not in screen.get("dossier").text
    assert "Il manque la liste complémentaire municipale" not in screen.read("dossier")
    screen.desk.answer(made, verdict="rejete")
    assert f'value="{made}" checked' not in screen.get("dossier").text
    assert re.search(
        r"Il manque la liste complémentaire municipale : la plateforme l'a rejetée le \d\d/\d\d/\d{4}\.",
        screen.read("dossier"),
    )
    with _take(screen, f"CM={made}") as archive:
        assert "a-deposer" not in " ".join(archive.namelist())


def _take(files: FilesScreen, query: str) -> zipfile.ZipFile:
    response = files.get("dossier_zip", query)
    assert response.status_code == 200, words(response)
    return zipfile.ZipFile(io.BytesIO(response.content))
