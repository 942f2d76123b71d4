"""Downloads, deposits and verdicts are written down once each, or refused with a reason; no mail is sent about them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from schemas.vocabulary import FORMATS, FileFormat, Liste
from tests.integration.depots_desk import DepotsDesk, open_desk, today
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from worker.access.models import Sender
from worker.audit import Action
from worker.exports.purge import purge_files, total

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

TOMORROW, LAST_WEEK = today() + timedelta(days=1), today() - timedelta(days=7)
NAMED = "Rejet : Mme INVENTEE Zélie, adresse absente."


def _is_accepted(request: RowMapping) -> bool:
    assert request["notified_at"] is not None, "no mail is sent about it"
    assert request["code_commune"] == "13900"
    return bool(request["outcome"] == "accepted")


def _refusal(request: RowMapping) -> str:
    assert request["outcome"] == "refused"
    assert request["notified_at"] is not None, "no mail is sent about it"
    return str(request["reason"])


def _day(value: object) -> str:
    return str(value)[:10]


def test_a_download_is_on_the_row_and_in_the_trail(desk: DepotsDesk) -> None:
    row = desk.make(liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert (row["downloaded_at"], row["downloaded_by"]) == (None, "")
    assert _is_accepted(desk.download(row["export_id"]))
    again = desk.row(row["export_id"])
    assert again["downloaded_at"] is not None
    assert again["downloaded_by"] == AGENT
    (line,) = desk.audit()
    assert (line.actor, line.action, line.code_commune, line.export_id, line.detail, line.label) == (
        *(AGENT, Action.FILE_DOWNLOADED, "13900", row["export_id"], row["file_name"]),
        "fichier téléchargé",
    )


@pytest.mark.slow
def test_a_download_that_is_told_late_keeps_its_instant_and_its_place(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.download(export_id, requested_by="Mme Lefèvre")
    latest = desk.row(export_id)["downloaded_at"]
    desk.download(export_id, at=datetime.fromisoformat("2026-11-01T09:30:00+01:00"), piece="rapport")
    row = desk.row(export_id)
    assert (row["downloaded_at"], row["downloaded_by"]) == (latest, "Mme Lefèvre")
    assert desk.audit()[-1].detail.endswith("-csv-anomalies.csv, le 01/11/2026 à 09:30:00")
    desk.download(export_id, at=datetime.now(UTC) + timedelta(days=3), piece="dossier")
    future = "SELECT downloaded_at FROM export WHERE downloaded_at > :limit"
    limit = datetime.now(UTC) + timedelta(days=1)
    with desk.engine.connect() as connection:
        parameters = {"limit": limit if desk.engine.dialect.name == "postgresql" else f"{limit:%Y-%m-%d %H:%M}"}
        assert connection.execute(text(future), parameters).all() == [], "a sender's clock may be wrong"
    assert desk.audit()[-1].detail.endswith(".csv (dossier de dépôt)")


def test_a_deposit_then_its_verdict_are_on_the_row_and_in_the_trail(desk: DepotsDesk) -> None:
    lists = [desk.make(liste=liste) for liste in (Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_MUNICIPALE)]
    ids = [row["export_id"] for row in lists]
    before = desk.row(ids[0])
    assert [before[it] for it in ("deposited_on", "deposited_by", "remarque", "verdict", "verdict_on", "answer")] == [
        *(None, "", "", "", None, "")
    ]
    assert _is_accepted(desk.deposit(*ids, remarque="accusé reçu"))
    assert _is_accepted(desk.answer(*ids, verdict="rejete", answer=NAMED, requested_by="Mme Lefèvre"))
    for export_id in ids:
        row = desk.row(export_id)
        assert (_day(row["deposited_on"]), _day(row["verdict_on"])) == (today().isoformat(), today().isoformat())
        assert [row[it] for it in ("deposited_by", "remarque", "verdict", "answer")] == [
            *(AGENT, "accusé reçu", "rejete", NAMED)
        ]
    trail = [(line.action, line.actor, line.export_id) for line in desk.audit()]
    assert trail == [
        *((Action.DEPOT_DECLARED, AGENT, export_id) for export_id in ids),
        *((Action.DEPOT_VERDICT, "Mme Lefèvre", export_id) for export_id in ids),
    ]
    day = f"{today():%d/%m/%Y}"
    assert [line.detail for line in desk.audit()[::2]] == [
        f"{lists[0]['file_name']}, le {day}",
        f"{lists[0]['file_name']} : rejeté le {day}",
    ]


def test_a_deposit_said_again_corrects_the_first_and_a_later_one_forgets_the_verdict(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.run("UPDATE export SET finished_at = :at", at=_moment(desk, LAST_WEEK.isoformat() + " 10:00:00"))
    desk.deposit(export_id, deposited_on=LAST_WEEK, remarque="première")
    desk.answer(export_id, verdict="rejete", verdict_on=LAST_WEEK, answer=NAMED)
    first = desk.depot(export_id)
    desk.deposit(export_id, deposited_on=LAST_WEEK, remarque="corrigée")
    corrected = desk.depot(export_id)
    assert (corrected["remarque"], corrected["verdict"], corrected["answer"]) == ("corrigée", "rejete", NAMED)
    desk.deposit(export_id)
    later = desk.depot(export_id)
    assert (later["verdict"], later["verdict_on"], later["answer"], later["verdict_by"]) == ("", None, "", "")
    kept = [(row["fingerprint_key"], row["fingerprint"]) for row in (first, corrected, later)]
    assert kept == [kept[0]] * 3
    assert len(bytes(first["fingerprint"])) == 16 * desk.row(export_id)["electeurs"]
    assert len(desk.audit()) == 4


def _moment(desk: DepotsDesk, utc: str) -> object:
    instant = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    return instant if desk.engine.dialect.name == "postgresql" else f"{utc}.000"


@pytest.mark.slow
def test_what_cannot_be_is_refused(desk: DepotsDesk) -> None:
    ready, other = desk.make()["export_id"], desk.make()["export_id"]
    waiting = desk.ask()
    for say in (desk.download, desk.deposit, desk.answer):
        assert _refusal(say(999_999)).startswith("Fichier inconnu")
        assert _refusal(say(ready, commune="01001")).startswith("Fichier inconnu"), "nothing is said of the other"
        assert _refusal(say(waiting)).startswith("Ce fichier n'est pas prêt : « Liste P du")
    assert "n'est pas encore venu" in _refusal(desk.deposit(ready, deposited_on=TOMORROW))
    assert "précède la production du fichier" in _refusal(desk.deposit(ready, deposited_on=LAST_WEEK))
    assert _refusal(desk.answer(ready)).startswith("Aucun dépôt n'est déclaré")
    desk.deposit(ready)
    assert "n'est pas encore venu" in _refusal(desk.answer(ready, verdict_on=TOMORROW))
    assert "précède le dépôt" in _refusal(desk.answer(ready, verdict_on=LAST_WEEK))
    assert _refusal(desk.answer(ready, other)).startswith("Aucun dépôt n'est déclaré")
    assert desk.row(ready)["verdict"] == "", "one that cannot be takes the others with it"
    assert [line.action for line in desk.audit()] == [Action.DEPOT_DECLARED]


def test_the_copy_of_the_commission_is_not_deposited(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.run("UPDATE export SET kind = 'tableau', edition = 'commission' WHERE id = :id", id=row["export_id"])
    assert _is_accepted(desk.download(row["export_id"]))
    assert _refusal(desk.deposit(row["export_id"])).startswith("L'exemplaire de la commission ne se dépose pas")


def test_a_file_in_a_format_that_the_platform_does_not_take_is_not_deposited(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = desk.make()["export_id"]
    monkeypatch.setitem(FORMATS, FileFormat.CSV, FORMATS[FileFormat.CSV]._replace(may_be_deposited=False))
    assert _refusal(desk.deposit(export_id)).startswith("La plateforme ne prend pas ce format")


def test_a_tableau_is_deposited_without_a_fingerprint(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.run("UPDATE export SET kind = 'tableau', edition = 'affichage' WHERE id = :id", id=row["export_id"])
    assert _is_accepted(desk.deposit(row["export_id"]))
    assert desk.depot(row["export_id"])["fingerprint"] is None


@pytest.mark.slow
@pytest.mark.parametrize(("sender", "is_allowed"), [("ecran", True), ("mairie-13055", False), ("", False)])
def test_a_sender_declares_what_it_may_ask_for(desk: DepotsDesk, sender: str, is_allowed: bool) -> None:
    export_id = desk.make()["export_id"]
    with Session(desk.engine) as session, session.begin():
        session.add_all([Sender(name="ecran", code_commune="*"), Sender(name="mairie-13055", code_commune="13055")])
    desk.configure(known_senders_only=True)
    desk.sender = sender
    for say in (desk.download, desk.deposit, desk.answer):
        assert (say(export_id)["outcome"] == "accepted") is is_allowed
    assert bool(desk.audit()) is is_allowed


def test_a_purge_erases_the_answer_and_keeps_the_rest(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.deposit(export_id, remarque="accusé reçu")
    desk.answer(export_id, verdict="rejete", answer=NAMED)
    assert total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).exports == 0, "not told"
    desk.run("UPDATE request SET notified_at = created_at")
    assert total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).exports == 1
    row = desk.row(export_id)
    assert [row[it] for it in ("answer", "verdict", "remarque", "deposited_by")] == [
        *("", "rejete", "accusé reçu", AGENT)
    ]
    assert desk.depot(export_id)["fingerprint"] is not None

    assert _is_accepted(desk.answer(export_id, verdict="accepte", answer=NAMED))
    row = desk.row(export_id)
    assert (row["verdict"], row["answer"]) == ("accepte", ""), "nothing would erase it any more"
    assert _is_accepted(desk.download(export_id)), "it was taken before it was purged"


@pytest.mark.slow
def test_no_log_has_what_a_person_pasted(desk: DepotsDesk, capsys: pytest.CaptureFixture[str]) -> None:
    export_id = desk.make()["export_id"]
    desk.deposit(export_id, remarque=NAMED)
    desk.answer(export_id, answer=NAMED)
    desk.answer(export_id, answer=NAMED, verdict_on=TOMORROW)
    said = "".join(capsys.readouterr())
    trail = json.dumps([line.detail for line in desk.audit()])
    with desk.engine.connect() as connection:
        reasons = str(connection.execute(text("SELECT reason FROM request")).all())
    for words in (said, trail, reasons):
        assert "INVENTEE" not in words
    assert "declaration_recorded" in said
