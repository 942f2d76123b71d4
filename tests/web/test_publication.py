"""A tableau is posted, then its certificate is made, signed and noted: by the page, on both databases."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from schemas.tableaux import Edition, TypeTableau
from schemas.topology import QUEUE_TABLEAUX
from schemas.vocabulary import Action
from tests.integration.depots_desk import today
from tests.integration.export_desk import COMMUNE
from tests.parts.pdf import check_accessible, check_archive, read_text
from tests.parts.town import AGENT
from tests.web.files_desk import FilesScreen, words
from worker.exports.integrity import find_orphans, verify_files
from worker.exports.purge import purge_files, total

WEEK = timedelta(days=7)


def _tableau(screen: FilesScreen) -> int:
    """A tableau without blocking anomalies, of a poll that is over: its publication may end on any day."""
    number = screen.make_tableau(TypeTableau.CINQ_JOURS_REU)
    screen.desk.run(
        "UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL, finished_at = created_at"
    )
    screen.desk.end_poll()
    return number


def _made_long_ago(screen: FilesScreen) -> int:
    """The same tableau, made two weeks ago."""
    number = _tableau(screen)
    ago = (
        "now() - interval '14 days'"
        if screen.desk.engine.dialect.name == "postgresql"
        else "datetime('now', '-14 days')"
    )
    screen.desk.run(f"UPDATE export SET finished_at = {ago}")  # noqa: S608 — ours
    return number


def _form(**said: object) -> dict[str, str]:
    """The form data of the page, with ISO dates."""
    empty = dict.fromkeys(("mode", "du", "au", "retire", "signe"), "")
    return empty | {name: str(value) for name, value in said.items()}


def _note(screen: FilesScreen, number: int, first: date, **said: object) -> None:
    answer = screen.post("publication", _form(mode="affichage", du=first, **said), export=number)
    assert answer.status_code == 303, answer.text
    screen.work()
    screen.desk.work(QUEUE_TABLEAUX)


def test_a_tableau_that_lacks_motifs_is_published_with_a_recorded_reason_only(
    screen: FilesScreen,
) -> None:
    number = _made_long_ago(screen)
    lacks = '[{"code": "motif_absent", "severity": "a_completer", "column": "motif", "count": 4}]'
    screen.desk.run(f"UPDATE export SET a_completer = 4, anomalies = '{lacks}'")  # noqa: S608 — ours
    page = screen.read("export", export=number)
    assert " à compléter " in page
    assert "À compléter avant la publication : 4 motifs." in page
    assert "Publier sans compléter" in page
    assert "Noter la publication" not in screen.read("taches")
    form = {"mode": "consultation", "du": today().isoformat(), "au": "", "signe": "", "raison": ""}
    answer = screen.post("publication", form, export=number)
    assert answer.status_code == 422
    assert "Dites pourquoi il est publié ainsi" in answer.text
    answer = screen.post(
        "publication", form | {"raison": "le scrutin est dans huit jours"}, export=number
    )
    assert answer.status_code == 303
    screen.work()
    page = screen.read("publication", export=number)
    assert "À compléter : 4 motifs. Publié ainsi : le scrutin est dans huit jours" in page
    assert screen.desk.row(number)["publication_reason"] == "le scrutin est dans huit jours"
    said = [
        line.detail for line in screen.desk.audit() if line.action == Action.PUBLICATION_DECLARED
    ]
    assert said[-1].endswith(", incomplet (4 motifs)")
    assert " publié " in screen.read("exports")


@pytest.mark.slow
def test_from_a_ready_tableau_to_its_signed_certificate(screen: FilesScreen) -> None:
    number = _made_long_ago(screen)
    assert "Noter la publication" in screen.read("export", export=number)
    first, last = today() - 2 * WEEK + timedelta(days=1), today() - timedelta(days=1)
    _note(screen, number, first)
    assert "le dernier jour n'est pas noté" in screen.read("publication", export=number)
    assert screen.get("piece", export=number, piece="certificat").status_code == 404
    _note(screen, number, first, au=last)
    page = screen.read("publication", export=number)
    assert "Certificat à signer." in page
    assert " publié " in page
    row = screen.desk.row(number)
    pdf = screen.get("piece", export=number, piece="certificat")
    assert pdf.status_code == 200
    assert pdf.headers["content-disposition"] == f'attachment; filename="{row["certificat_name"]}"'
    _note(screen, number, first, au=last, signe=today())
    assert "Certificat signé le" in screen.read("publication", export=number)
    assert screen.get("piece", export=number, piece="certificat").content == pdf.content, (
        "a signature changes nothing of it"
    )
    assert " certifié " in screen.read("exports")
    said = [
        line.detail for line in screen.desk.audit() if line.action == Action.PUBLICATION_DECLARED
    ]
    assert len(said) == 3
    assert said[-1].endswith(f"certificat signé le {today():%d/%m/%Y}")
    assert "Publication notée" in screen.read("journal")


@pytest.mark.slow
def test_the_certificate_says_what_was_published_and_is_to_be_signed(
    files: FilesScreen, tmp_path: Path
) -> None:
    number = _made_long_ago(files)
    files.desk.publish(number, published_on=today() - WEEK, published_until=today())
    row = files.desk.row(number)
    path = files.desk.services.storage.path(COMMUNE, row["certificat_name"])
    said = " ".join(read_text(path).split())
    for expected in (
        *("Certificat de publication", "Mairie de LIBREVILLE", row["label"], row["file_name"]),
        *(f"SHA-256 : {row['sha256']}", "Code électoral, art. L. 20 (II), L. 30, L. 31 et R. 14"),
        *("Le maire", "Nom, qualité et signature", "Cachet de la mairie", "LIBREVILLE, le"),
        "certifie que le tableau désigné ci-dessous a été affiché du",
    ):
        assert expected in said, said
    assert check_accessible(path) == []
    before = path.read_bytes()
    files.desk.publish(
        number, published_on=today() - WEEK, published_until=today(), mode="consultation"
    )
    assert "a été tenu à la disposition des électeurs, à la mairie, du" in " ".join(
        read_text(path).split()
    )
    files.desk.publish(number, published_on=today() - WEEK, published_until=today())
    assert path.read_bytes() == before, "the same record, the same bytes"
    assert check_archive(path) == ""


@pytest.mark.slow
def test_the_certificate_of_an_incomplete_tableau_says_what_it_lacks_and_why(
    files: FilesScreen,
) -> None:
    number = _made_long_ago(files)
    lacks = '[{"code": "motif_absent", "severity": "a_completer", "column": "motif", "count": 4}]'
    files.desk.run(f"UPDATE export SET a_completer = 4, anomalies = '{lacks}'")  # noqa: S608 — ours
    for reason in ("le scrutin est proche", "la préfecture le demande"):
        files.desk.publish(
            number, published_on=today() - WEEK, published_until=today(), reason=reason
        )
        path = files.desk.services.storage.path(COMMUNE, files.desk.row(number)["certificat_name"])
        said = " ".join(read_text(path).split())
        assert f"Tableau publié incomplet. Il y manque : 4 motifs. Raison notée : {reason}" in said


@pytest.mark.slow
def test_what_is_not_to_be_posted_cannot_be_noted_as_posted(screen: FilesScreen) -> None:
    liste = screen.make()["export_id"]
    number = _tableau(screen)
    commission = screen.make_tableau(TypeTableau.CINQ_JOURS_REU, edition=Edition.COMMISSION)
    recapitulatif = screen.make_tableau(TypeTableau.CINQ_JOURS_REU, presentations=["recapitulatif"])
    publish = screen.desk.publish

    def refused(*exports: int, **fields: object) -> str:
        request = publish(*exports, **fields)
        assert (request["outcome"], request["notified_at"] is None) == ("refused", False)
        return str(request["code"])

    assert refused(liste) == "pas_un_tableau"
    assert refused(commission) == "exemplaire_commission"
    assert refused(number, recapitulatif) == "recapitulatif"
    screen.desk.run("UPDATE export SET type_tableau = 'cinq_jours' WHERE id = :id", id=number)
    assert refused(number) == "tableau_abroge"
    screen.desk.run("UPDATE export SET type_tableau = 'cinq_jours_reu' WHERE id = :id", id=number)
    assert refused(number, published_on=today() + WEEK) == "date_a_venir"
    assert refused(number, published_on=today() - WEEK) == "publication_avant_fichier"
    assert refused(number, published_until=today() - WEEK) == "fin_avant_debut"
    assert refused(number, certified_on=today()) == "certificat_avant_fin"
    assert refused(number, withdrawn_on=today()) == "retrait_avant_fin"
    assert (
        refused(number, published_until=today() + WEEK, withdrawn_on=today()) == "retrait_avant_fin"
    )
    assert (
        refused(number, published_until=today() + WEEK, certified_on=today())
        == "certificat_avant_fin"
    )
    for column in ("bloquantes = 1", "bloquantes = 0, provisoire_until = '2099-01-01'"):
        screen.desk.run(f"UPDATE export SET {column}")  # noqa: S608 — ours
        assert refused(number) == "tableau_a_refaire"
    assert screen.desk.row(number)["published_on"] is None
    assert screen.get("publication", export=liste).status_code == 404
    for export, said in (
        (commission, "ses motifs sont complets"),
        (recapitulatif, "il ne nomme aucun électeur"),
    ):
        for answer in (
            screen.get("publication", export=export),
            screen.post("publication", _form(), export=export),
        ):
            assert answer.status_code == 409
            assert said in answer.text
    assert "Noter la publication" not in screen.read("export", export=recapitulatif)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"du": "demain"}, "Ce jour n'est pas possible"),
        ({"du": "0026-11-20"}, "Ce jour n'est pas possible ; une date s'écrit JJ/MM/AAAA"),
        ({"du": "2099-01-01"}, "Le 01/01/2099 n'est pas encore venu"),
        ({"du": ""}, "Donnez le premier jour"),
        ({"au": "2020-01-01"}, "Le dernier jour précède le premier"),
        ({"signe": "2020-01-01"}, "Le certificat se signe une fois la publication terminée"),
        ({"retire": "2020-01-01"}, "Le tableau se retire une fois la publication terminée"),
        ({"retire": "2099-01-01"}, "Le 01/01/2099 n'est pas encore venu"),
    ],
)
def test_a_form_that_cannot_be_taken_comes_back_as_it_was_filled_in(
    files: FilesScreen, days: dict[str, str], said: str
) -> None:
    number = _tableau(files)
    form = _form(mode="consultation", du=today()) | days
    answer = files.post("publication", form, export=number)
    assert answer.status_code == 422
    page = answer.text.replace("\u202f", " ").replace("\u00a0", " ").replace("&#39;", "'")
    (name,) = days
    assert f'<a href="#{name}">' in page
    assert said in page
    assert 'value="consultation" checked' in page
    assert files.broker.events == []


@pytest.mark.slow
def test_the_tableau_des_vingt_jours_is_published_for_seven_days(screen: FilesScreen) -> None:
    """The day of the publication is not counted: electors may contest until the seventh day after it."""
    number = screen.make_tableau(TypeTableau.VINGT_JOURS)
    screen.desk.run(
        "UPDATE export SET bloquantes = 0, provisoire_until = NULL, finished_at = created_at"
    )
    for days in (0, 3, 6):
        last = today() + timedelta(days=days)
        refused = screen.desk.publish(number, published_until=last)
        assert refused["code"] == "publication_trop_courte"
        assert f"jusqu'au {today() + WEEK:%d/%m/%Y} au moins" in refused["reason"]
        answer = screen.post(
            "publication", _form(mode="consultation", du=today(), au=last), export=number
        )
        assert answer.status_code == 422
        assert (
            "reste sept jours à la disposition des électeurs (art. R. 13)"
            in answer.text.replace("\u00a0", " ")
        )
    assert screen.desk.publish(number, published_until=today() + WEEK)["outcome"] == "accepted"


def test_nothing_is_ticked_before_the_clerk_has_said_it(files: FilesScreen) -> None:
    number = _tableau(files)
    page = files.get("publication", export=number).text
    assert " checked" not in page
    answer = files.post("publication", _form(du=today()), export=number)
    assert answer.status_code == 422
    assert "Dites s'il est consultable en mairie, ou affiché" in answer.text.replace("&#39;", "'")
    assert files.broker.events == []


@pytest.mark.slow
def test_a_withdrawal_is_noted_and_the_certificate_says_it(screen: FilesScreen) -> None:
    number = _made_long_ago(screen)
    first, last = today() - WEEK - timedelta(days=1), today() - timedelta(days=1)
    _note(screen, number, first, au=last)
    assert "Tableau à retirer." in screen.read("publication", export=number)
    path = screen.desk.services.storage.path(COMMUNE, screen.desk.row(number)["certificat_name"])
    assert "puis retiré" not in read_text(path)
    _note(screen, number, first, au=last, retire=today())
    assert screen.desk.row(number)["withdrawn_on"] in {today(), str(today())}
    page = screen.read("publication", export=number)
    assert "Retiré le" in page
    assert "Tableau à retirer." not in page
    assert "puis retiré le" in " ".join(read_text(path).split())
    before = path.read_bytes()
    _note(screen, number, first, au=last, retire=today(), signe=today())
    assert path.read_bytes() == before, "what was signed is not drawn again"
    said = [
        line.detail for line in screen.desk.audit() if line.action == Action.PUBLICATION_DECLARED
    ]
    assert f", retiré le {today():%d/%m/%Y}" in said[1]


@pytest.mark.slow
def test_a_certificate_is_verified_and_purged_with_its_tableau(screen: FilesScreen) -> None:
    desk = screen.desk
    number = _made_long_ago(screen)
    desk.publish(number, published_on=today() - WEEK, published_until=today())
    storage = desk.services.storage
    path = storage.path(COMMUNE, screen.desk.row(number)["certificat_name"])
    assert list(find_orphans(desk.engine, storage, seconds=-1)) == []
    path.write_bytes(b"%PDF altered")
    verified = list(verify_files(desk.engine, storage, actor=AGENT))
    assert [name for it in verified for name, _ in it.findings] == [path.name]
    desk.run("UPDATE request SET notified_at = created_at")
    total(purge_files(desk.engine, storage, days=0, actor=AGENT))
    assert path.exists(), "it may be contested"
    desk.run("UPDATE publication SET published_on = '2000-01-01'")
    total(purge_files(desk.engine, storage, days=0, actor=AGENT))
    assert not path.exists()
    assert "effacé, et son certificat avec lui" in screen.read("publication", export=number)
    assert screen.get("piece", export=number, piece="certificat").status_code == 410


@pytest.mark.parametrize(
    ("facts", "said", "button", "page"),
    [
        ("bloquantes = 2", "il est à corriger", "Voir les anomalies", "anomalies"),
        (
            "provisoire_until = '2099-01-02'",
            "Refaites-le à partir du 02/01/2099",
            "Refaire",
            "export",
        ),
        ("fault = 'missing'", "il est introuvable", "Refaire", "export"),
        ("purged_at = finished_at", "il est effacé", "Refaire", "export"),
        ("status = 'failed'", "il est en échec", "Refaire", "export"),
        ("status = 'queued', finished_at = NULL", "il est en attente", "Suivre", "export"),
    ],
)
def test_a_tableau_that_cannot_be_published_yet_says_why_and_what_to_do(
    files: FilesScreen, facts: str, said: str, button: str, page: str
) -> None:
    number = _tableau(files)
    files.desk.run(f"UPDATE export SET {facts} WHERE id = :id", id=number)  # noqa: S608 — ours
    for answer in (
        files.get("publication", export=number),
        files.post("publication", _form(), export=number),
    ):
        assert answer.status_code == 409
        assert said in answer.text
        link = rf'href="{files.path(page, export=number)}[^"]*" data-cure="[a-z_]+">{button}'
        assert re.search(link, answer.text)


def test_a_publication_of_another_agent_is_shown_and_not_overwritten(files: FilesScreen) -> None:
    number, day = _made_long_ago(files), today() - WEEK
    field = f"vu-publication-{number}"
    (seen,) = re.findall(
        rf'name="{field}" value="([^"]*)"', files.get("publication", export=number).text
    )
    mine = _form(mode="affichage", du=day) | {field: seen}
    theirs = _form(mode="consultation", du=day, au=today())
    for form in (theirs, mine):
        assert files.post("publication", form, export=number).status_code == 303
    files.work()
    noted = "SELECT mode FROM publication WHERE export_id = :number"
    assert files.desk.values(noted, number=number) == ["consultation"], "the worker compares too"
    answer = files.post("publication", mine, export=number)
    assert answer.status_code == 422
    said = (
        f"consultable en mairie depuis le {day:%d/%m/%Y}, jusqu'au {today():%d/%m/%Y} (par {AGENT})"
    )
    assert f"Il est déjà noté : {said}" in words(answer)
    assert 'value="affichage" checked' in answer.text, "what was typed is kept"
    (seen,) = re.findall(rf'name="{field}" value="([^"]*)"', answer.text)
    assert files.post("publication", mine | {field: seen}, export=number).status_code == 303
    files.work()
    assert files.desk.values(noted, number=number) == ["affichage"], "the agent has seen both"
