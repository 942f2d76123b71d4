"""Copies of the list for electors (L. 37, R. 20): who asks, the undertaking, what is given or refused, until when."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from httpx2 import Response
from playwright.sync_api import expect
from pydantic import ValidationError
from pypdf import PdfReader
from sqlalchemy import Engine, insert

from common.calendrier import jour_a_paris, now
from producers.web.copies import CopieState
from schemas.envelope import CloudEvent
from schemas.requests import CopieAsked, ListeExportRequested, RequestReference, RetryRequested
from schemas.vocabulary import Action, CopieFile, Liste, Qualite
from tests.parts.databases import SqliteFiles
from tests.parts.notes import note_register
from tests.parts.town import AGENT, MIGRATED_TEMPLATE
from tests.web.conftest import Visit
from tests.web.files_desk import FilesScreen
from tests.web.hands import Counting
from tests.web.site import Site, path_of
from worker.audit import Actor
from worker.db.engine import build_engine
from worker.domain.tableau.model import ADRESSE_MASQUEE
from worker.exports.models import Copie, Export, Request
from worker.handlers.declarations.declare import protect
from worker.handlers.forget import ForgetScope, forget_electeur
from worker.handlers.making.make_copie import (
    COLUMNS,
    compose_head,
    select_lines,
    write_csv,
    write_pdf,
)
from worker.handlers.requests.ingest_request import ingest_request
from worker.housekeeping.housekeeping import purge_copies
from worker.registre.models import Electeur, ListeCommunale, MouvementRegistre, Protection
from worker.registre.protections import Protege
from worker.writers.columns import ListeSpec

DAY = date(2026, 11, 30)
SECRET, HIDDEN = "RUE SECRÈTE", ("NATIONALITÉ-CACHÉE", "INE-CACHÉ", "SEXE-CACHÉ")
"""Addresses of protected persons, and values that article R. 20 does not name."""
WHO = "INVENTÉE Zélie-Prudence"
ASKED = {
    "act": "demander",
    "demandeur": WHO,
    "qualite": "liste",
    "recue_on": "2026-11-02",
    "liste": "P",
}


def _electors(random: Random, code: str) -> Iterator[tuple[dict[str, Any], bool]]:
    for number in range(random.randint(1, 12)):
        is_protected = random.random() < 0.3
        electeur = {
            "code_commune": code,
            "liste": "P",
            "version": 0,
            "code_bureau": random.choice(("0001", "0002")),
            "numero_ordre": number,
            "nom_naissance": f"Inventé-{number}",
            "prenoms": f"Zélie {code}",
            "date_naissance": f"19{random.randint(30, 99)}-01-0{random.randint(0, 9)}",
            "libelle_voie": SECRET if is_protected else "RUE INVENTÉE",
            "ville": "LIBREVILLE",
            **dict(zip(("nationalite", "ine", "sexe"), HIDDEN, strict=True)),
        }
        yield electeur, is_protected


def _protect(engine: Engine, random: Random, it: dict[str, Any]) -> None:
    """Protect by the table of the commune, in another spelling, or by a mouvement that says so."""
    who = {name: it[name] for name in ("code_commune", "prenoms", "date_naissance")}
    with engine.begin() as connection:
        if random.random() < 0.5:
            connection.execute(
                insert(Protection).values(**who, nom_naissance=it["nom_naissance"].upper())
            )
            return
        day = {
            "date_tableau": DAY,
            "date_mouvement": DAY,
            "nom_naissance": it["nom_naissance"],
            "is_protegee": True,
        }
        about = {"nature": "inscription", "effet": "Immediat", "etat": "applique", "liste": "P"}
        connection.execute(insert(MouvementRegistre).values(**who, **about, **day))


@pytest.mark.parametrize(
    "seed", [37, *(pytest.param(it, marks=pytest.mark.slow) for it in range(38, 43))]
)
def test_no_copy_has_a_protected_address_or_another_column_and_each_page_its_number(
    sqlite_files: SqliteFiles, tmp_path: Path, seed: int
) -> None:
    """60 invented copies, and 10,000 in the slow tests."""
    copies, random, masked = 60 if seed == 37 else 2_000, Random(seed), 0
    engine = build_engine(sqlite_files.create(tmp_path / "copies.sqlite3", MIGRATED_TEMPLATE))
    for number in range(1, copies + 1):
        code = f"{number:05}"
        people = list(_electors(random, code))
        with engine.begin() as connection:
            connection.execute(insert(ListeCommunale).values(code_commune=code, liste="P"))
            connection.execute(insert(Electeur), [it for it, _ in people])
        for it, is_protected in people:
            if is_protected:
                _protect(engine, random, it)
        spec = ListeSpec(code, "LIBREVILLE", "13", Liste.PRINCIPALE, 0, "", "", DAY)
        of_it = {"copie": number, "numero": f"{code}-{number}"}
        asked = Request(created_at=datetime.now(UTC))
        export = Export(edition=CopieFile.COPIE, code_commune=code, request=asked, parameters=of_it)
        sheet, drawn = BytesIO(), BytesIO()
        with engine.connect() as connection:
            lines = list(select_lines(connection, spec, "", lambda _number: None))
        write_csv(lines, sheet)
        write_pdf(compose_head(spec, export, Copie(id=number, bureau="")), lines, drawn)
        rows = list(csv.reader(io.StringIO(sheet.getvalue().decode("utf-8-sig")), delimiter=";"))
        assert rows[0] == [*COLUMNS.values()]
        assert "0" not in {row[1] for row in rows}, "who has no number has none here"
        assert [len(row) for row in rows] == [len(COLUMNS)] * (len(people) + 1)
        protected = sum(is_protected for _, is_protected in people)
        assert [row[-1] for row in rows].count(ADRESSE_MASQUEE) == protected
        reader = PdfReader(drawn)
        pages = [page.extract_text() for page in reader.pages]
        whole = "\n".join([*map(" ".join, rows), *pages])
        assert [it for it in (SECRET, *HIDDEN) if it in whole] == []
        assert all(f"{code}-{number}" in page for page in pages)
        assert reader.metadata is not None
        assert f"{code}-{number}" in str(reader.metadata.title)
        masked += protected
    engine.dispose()
    assert masked > copies / 2


def test_an_address_in_another_commune_of_the_same_name_is_whole_in_a_copy(
    sqlite_files: SqliteFiles, tmp_path: Path
) -> None:
    code = "97411"
    engine = build_engine(sqlite_files.create(tmp_path / "copies.sqlite3", MIGRATED_TEMPLATE))
    here, elsewhere = (
        dict(next(_electors(Random(1), code))[0], code_postal=postal, ville="SAINT-DENIS", **who)
        for postal, who in (
            ("97400", {"numero_ordre": 1, "nom_naissance": "INVENTÉE"}),
            ("93200", {"numero_ordre": 2, "nom_naissance": "INVENTÉ"}),
        )
    )
    with engine.begin() as connection:
        connection.execute(insert(ListeCommunale).values(code_commune=code, liste="P"))
        connection.execute(insert(Electeur), [here, elsewhere])
    spec = ListeSpec(code, "Saint-Denis", "974", Liste.PRINCIPALE, 0, "", "", DAY)
    with engine.connect() as connection:
        lines = list(select_lines(connection, spec, "", lambda _number: None, "Saint-Denis"))
    engine.dispose()
    assert ["SAINT-DENIS" in line[-1] for line in lines] == [False, True]
    assert "93200" in lines[1][-1]


def _ask(screen: FilesScreen, **changes: str) -> str:
    """Send the form; the faults that the page shows, or an empty text when the request was sent and read."""
    answer = screen.post("copies", ASKED | changes)
    if answer.status_code == 303:
        screen.work()
        return ""
    assert answer.status_code == 422
    return answer.text


def _make(screen: FilesScreen, edition: str) -> list[dict[str, Any]]:
    """Make all files that wait, each message the oldest one; the rows of this edition."""
    for number in screen.desk.values("SELECT id FROM export WHERE status = 'queued' ORDER BY id"):
        screen.desk.process(number)
    numbers = screen.desk.values(
        "SELECT id FROM export WHERE edition = :it ORDER BY id", it=edition
    )
    return [dict(screen.desk.row(number)) for number in numbers]


def _give(screen: FilesScreen, number: int = 1, day: str = "2026-11-05") -> Response:
    response = screen.post(
        "copies", {"act": "remettre", "numero": str(number), "engagement_on": day}
    )
    screen.work()
    return response


def _read_pdf(screen: FilesScreen, row: Any) -> str:  # noqa: ANN401 — a row
    return " ".join(
        " ".join(
            it.extract_text() for it in PdfReader(BytesIO(screen.desk.read(row))).pages
        ).split()
    )


def test_a_request_is_recorded_answered_and_told_by_its_number(screen: FilesScreen) -> None:
    assert _ask(screen) == ""
    (undertaking,) = _make(screen, "engagement")
    said = _read_pdf(screen, undertaking)
    assert WHO in said
    assert "ne pas en faire un usage commercial" in said
    assert "Répondre à la demande de copie n° 1" in screen.read_at("/taches")
    assert WHO not in screen.read_at("/taches")
    assert "La demande a été reçue après ce jour" in _give(screen, day="2026-11-01").text
    assert _give(screen).status_code == 303
    page = screen.read_at("/copies")
    assert ("remise le" in page, "réponse en préparation" in page) == (False, True)
    pdf, sheet = _make(screen, "copie")
    assert [it["file_name"].startswith("copie-P-13900-1-") for it in (pdf, sheet)] == [True, True]
    assert pdf["electeurs"] == sheet["electeurs"] > 0
    assert "Copie de la liste n° 13900-1" in _read_pdf(screen, pdf)
    (record,) = screen.desk.rows("SELECT * FROM copies")
    assert (record["demandeur"], record["decision"], str(record["engagement_on"])) == (
        WHO,
        "copie",
        "2026-11-05",
    )
    assert "remise le" in screen.read_at("/copies")
    assert "Copie de la liste n°" not in screen.read_at("/dossier")
    assert "Aucun fichier de cette liste" in screen.read_at("/statistiques")
    assert "n° 1 " not in screen.read_at("/taches")
    trail = [line for line in screen.desk.audit() if line.action == Action.COPIE_NOTED]
    assert [str(line.detail) for line in trail] == [
        f"n° 13900-1 : {it}" for it in ("engagement à signer", "copie de la liste")
    ]
    assert "INVENTÉE" not in str(screen.desk.audit())
    assert "a déjà sa réponse" in _give(screen).text
    assert screen.client.get(screen.path("fichier", export=pdf["export_id"])).status_code == 200
    assert "format_non_depose" in str(screen.desk.deposit(pdf["export_id"])["code"]), (
        "no copy is deposited"
    )


@pytest.fixture
def files(files: FilesScreen) -> FilesScreen:
    """The screen of a register that was exported today: a copy of an old one is asked about."""
    _age(files, 0)
    return files


@pytest.fixture
def screen(screen: FilesScreen) -> FilesScreen:
    """The same on both databases."""
    _age(screen, 0)
    return screen


def _age(screen: FilesScreen, days: int) -> date:
    """Have the exports of the register taken so many days ago; that day."""
    day = jour_a_paris(screen.app.state.services.clock()) - timedelta(days=days)
    screen.desk.run("UPDATE import SET taken_on = :day", day=day.isoformat())
    return day


@pytest.mark.parametrize("road", ["page", "event"])
def test_a_copy_of_an_old_register_is_confirmed_and_says_its_day(
    files: FilesScreen, road: str
) -> None:
    assert _ask(files) == ""
    asked = {"commune": "13900", "listes": ["P"], "requested_by": AGENT}

    def give(*, accepts: bool) -> str:
        """What is said of the refusal; empty when the copy is to be made."""
        if road == "page":
            form = {"act": "remettre", "numero": "1", "engagement_on": "2026-11-05"}
            answer = files.post("copies", form | ({"ancien": "oui"} if accepts else {}))
            files.work()
            return "" if answer.status_code == 303 else answer.text
        copie = {"numero": 1, "engagement_on": "2026-11-05", "accept_old_register": accepts}
        data = ListeExportRequested.model_validate(asked | {"copie": copie})
        ingest_request(event := CloudEvent.wrap(data, source="/autre"), files.desk.services)
        return str(files.desk.request(event)["reason"])

    day = _age(files, 270)
    assert f"{day:%d/%m/%Y}" in give(accepts=False)
    assert files.desk.values("SELECT decision FROM copies") == [""]
    assert give(accepts=True) == ""
    pdf, _ = _make(files, "copie")
    assert f"liste au {day:%d/%m/%Y} – usage commercial interdit" in _read_pdf(files, pdf)


def test_a_copy_of_a_list_that_the_register_has_no_more_leads_to_the_export(
    files: FilesScreen,
) -> None:
    """Its only export was undone: the worker refused the copy, and the page did not say it before."""
    _ask(files)
    files.desk.run("DELETE FROM liste WHERE code_commune = '13900' AND liste = 'P'")
    form = {"act": "remettre", "numero": "1", "engagement_on": "2026-11-05"}
    answer = files.post("copies", form)
    assert answer.status_code == 422
    assert "importez d&#39;abord l&#39;export du REU" in answer.text
    assert 'href="/communes/13900/registre#deposer"' in answer.text


def test_a_copy_is_not_made_again_of_a_register_that_has_grown_old(files: FilesScreen) -> None:
    _ask(files)
    _give(files)
    pdf, _ = _make(files, "copie")
    _age(files, 270)
    about = RequestReference(source=pdf["source"], id=pdf["event_id"])
    data = RetryRequested(request=about, exports=[pdf["export_id"]], requested_by=AGENT)
    ingest_request(event := CloudEvent.wrap(data, source="/autre"), files.desk.services)
    assert files.desk.request(event)["code"] == "registre_ancien"


@pytest.mark.parametrize(("days", "is_asked"), [(7, False), (8, True)])
def test_a_register_of_more_than_a_week_is_old(
    files: FilesScreen, days: int, *, is_asked: bool
) -> None:
    _ask(files)
    _age(files, days)
    assert (_give(files).status_code == 422) is is_asked


def test_a_letter_bears_the_address_and_who_signs(screen: FilesScreen) -> None:
    _ask(screen)
    (undertaking,) = _make(screen, "engagement")
    assert "Adresse : ____" in _read_pdf(screen, undertaking)
    noted = {"voie": "1 place du Modèle", "ville": "13900 LIBREVILLE"}
    screen.desk.declare(note_register("mairie", **noted, signataire="Camille EXEMPLE, maire"))
    screen.post("copies", {"act": "refuser", "numero": "1", "refus": "Usage commercial."})
    screen.work()
    (letter,) = _make(screen, "refus")
    said = " ".join(_read_pdf(screen, letter).split())
    assert "1 place du Modèle" in said.replace("’", "'")
    assert "Camille EXEMPLE, maire" in said
    assert "Le maire, ou par délégation" not in said
    assert "Téléphone, courriel : ____" in said, "what is not noted is a line to fill in"


def test_a_refusal_has_its_letter_with_the_ways_of_appeal(screen: FilesScreen) -> None:
    _ask(screen)
    without = screen.post("copies", {"act": "refuser", "numero": "1", "refus": ""})
    assert "Écrivez pourquoi la copie est refusée" in without.text
    screen.post(
        "copies", {"act": "refuser", "numero": "1", "refus": "Usage commercial à craindre."}
    )
    screen.work()
    (letter,) = _make(screen, "refus")
    said = _read_pdf(screen, letter)
    for words in (
        "Motif : Usage commercial à craindre.",
        "CADA",
        "dans les deux mois",
        "tribunal administratif",
        WHO,
    ):
        assert words in said
    assert "refusée le" in screen.read_at("/copies")


def test_each_bad_input_has_its_message(screen: FilesScreen) -> None:
    assert "Écrivez le nom et les prénoms du demandeur" in _ask(screen, demandeur="")
    assert "Dites comment vous avez vérifié" in _ask(screen, qualite="")
    assert "n'est pas encore venu" in _ask(screen, recue_on="2199-01-01").replace("&#39;", "'")
    assert "Ce bureau n'existe pas" in _ask(screen, bureau="0099").replace("&#39;", "'")
    screen.desk.run("UPDATE import_liste SET electeurs = 0 WHERE liste = 'CE'")
    assert "Aucun électeur n'est inscrit" in _ask(screen, liste="CE").replace("&#39;", "'")
    assert _ask(screen) == ""
    assert "l'a déjà demandée le 02/11/2026 (n° 1)" in _ask(screen, demandeur=WHO.upper()).replace(
        "&#39;", "'"
    )
    assert _ask(screen, encore="oui") == "", "a second copy may be wanted"
    assert "Sans engagement signé" in _give(screen, day="").text
    assert screen.post("copies", {"act": "vendre"}).status_code == 404


def test_a_list_with_anomalies_or_without_elector_is_told(
    screen: FilesScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen.desk.run(
        "UPDATE electeur SET code_postal = '' WHERE id = (SELECT min(id) FROM electeur WHERE liste = 'P')"
    )
    assert _ask(screen) + _ask(screen, demandeur="Autre", liste="CM") == ""
    screen.desk.run("DELETE FROM electeur WHERE liste = 'CM'")
    for number in (1, 2):
        _give(screen, number)
    _make(screen, "copie")
    page = screen.read_at("/copies")
    assert "à corriger dans le REU" in page
    assert "Aucun électeur de cette liste" in page
    assert (page.count("remise le"), "en échec : répondez de nouveau" in page) == (1, True)
    tasks = screen.read_at("/taches")
    assert ("copie n° 1 " in tasks, "n'a pas de fichier valable" in tasks) == (False, True)
    monkeypatch.setattr("producers.web.copies.PAGE", 1)
    assert all(
        f"Engagement à signer n° {it}" in screen.read_at(f"/copies?page={3 - it}") for it in (1, 2)
    )
    screen.desk.run("DELETE FROM liste WHERE liste = 'P'")
    screen.post("copies", {"act": "refuser", "numero": "2", "refus": "Liste vide."})
    screen.work()
    assert screen.desk.values("SELECT decision FROM copies ORDER BY numero") == ["copie", "refus"]


def test_a_program_gets_the_same_refusals(screen: FilesScreen) -> None:
    new = {"demandeur": WHO, "qualite": Qualite.CARTE, "recue_on": "2026-11-02"}
    given = {"numero": 12, "engagement_on": "2026-11-05"}
    for wrong in ({}, {**new, "refus": "non"}, {"numero": 1}, {**given, "refus": "x"}):
        with pytest.raises(ValidationError):
            CopieAsked.model_validate(wrong)
    assert _ask(screen) == ""
    asked = {"commune": "13900", "copie": given, "requested_by": AGENT}
    with pytest.raises(ValidationError, match="une seule liste"):
        ListeExportRequested.model_validate(asked)
    for changed in {"listes": ["P"]}, {"listes": ["CM"], "copie": {**given, "numero": 1}}:
        data = ListeExportRequested.model_validate(asked | changed)
        ingest_request(event := CloudEvent.wrap(data, source="/autre"), screen.desk.services)
        assert screen.desk.request(event)["code"] == "copie_inconnue"


@pytest.mark.parametrize(
    ("received", "last"),
    [
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 3, 15), date(2026, 4, 14)),
        (date(2026, 12, 10), date(2027, 1, 9)),
        (date(2027, 1, 31), date(2027, 2, 27)),
    ],
)
def test_the_month_ends_on_the_day_before(received: date, last: date) -> None:
    assert CopieState(1, "P", "", "", received, None, "", None).last_day == last


def test_silence_is_late_and_the_record_is_erased_in_time(screen: FilesScreen) -> None:
    today = jour_a_paris(now())
    _ask(screen, recue_on=(today - timedelta(days=40)).isoformat())
    assert "en retard" in screen.read_at("/taches")
    assert "refusée par le silence" in screen.read_at("/copies")
    assert purge_copies(screen.desk.engine, 41) == 0
    assert purge_copies(screen.desk.engine, 39) == 1
    assert screen.desk.rows("SELECT * FROM copies") == []


def test_who_asked_is_forgotten_and_the_copies_that_list_a_person_too(screen: FilesScreen) -> None:
    desk = screen.desk
    (person,) = desk.rows(
        "SELECT * FROM electeur e NATURAL JOIN liste WHERE e.liste = 'P' ORDER BY e.id LIMIT 1"
    )
    _ask(screen, demandeur=f"{person['nom_naissance']} {person['prenoms']}")
    query = "SELECT code_bureau FROM electeur WHERE code_bureau <> :it ORDER BY id LIMIT 1"
    _ask(screen, demandeur="Autre", bureau=desk.values(query, it=person["code_bureau"])[0])
    made: list[Any] = [screen.make(), *_make(screen, "engagement")[:1]]
    _give(screen, 2)
    _give(screen)
    made += _make(screen, "copie")[2:]
    desk.run("UPDATE export SET status = 'running' WHERE id = :it", it=made[-1]["export_id"])
    who = Protege(person["nom_naissance"], person["prenoms"], person["date_naissance"])
    with desk.engine.begin() as connection:
        assert protect(connection, "13900", who, by=Actor("test")) == [made[-2]["label"]]
    assert [desk.row(it["export_id"])["status"] for it in made[-2:]] == ["ready", "queued"]
    assert (
        screen.client.get(screen.path("fichier", export=made[-2]["export_id"])).status_code == 410
    )
    desk.run("UPDATE export SET status = 'ready'")
    desk.run("UPDATE liste SET version = 0 WHERE liste = 'P'")
    scope = ForgetScope(
        desk.engine, desk.services.storage, desk.services.arrivals, "13900", Actor("test")
    )
    forget_electeur(scope, who, None)
    assert desk.values("SELECT demandeur FROM copies ORDER BY numero") == ["[effacé]", "Autre"]
    assert [it["file_name"] for it in made if it["file_name"] in desk.files()] == []


def test_a_clerk_answers_in_twelve_actions(visit: Visit, site: Site, tmp_path: Path) -> None:
    hand = Counting(visit().page, tmp_path)
    hand.open(path_of("listes"))
    hand.go("Copies de la liste")
    hand.write("Demandeur", "INVENTÉ Paul")
    hand.write("Reçue le", site.today)
    hand.page.get_by_label("Qualité d'électeur").select_option("carte")
    hand.press("Noter la demande")
    expect(hand.page.get_by_role("link", name="Engagement à signer").first).to_be_visible(
        timeout=30_000
    )
    hand.download("Engagement à signer")
    hand.write("Engagement signé reçu le", site.today)
    hand.press("Remettre la copie")
    expect(hand.page.get_by_role("link", name="Copie, PDF").first).to_be_visible(timeout=30_000)
    assert hand.download("Copie, PDF").read_bytes().startswith(b"%PDF")
    assert hand.download("Copie, CSV").name.startswith("copie-P-13900-")
    assert hand.acts + 2 <= 12, "a choice in a list is two acts"
