"""Downloads, deposits and verdicts are recorded once each, or refused with a reason; no mail is sent about them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from common.calendrier import PROOF_DAYS
from schemas.topology import QUEUE_LISTES
from schemas.vocabulary import Action, FileFormat, Format, Liste
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.export_desk import decoded
from tests.parts.town import AGENT, LIBREVILLE_TEMPLATE
from tests.parts.wait import wait_until
from worker.access.models import Sender
from worker.exports import depots
from worker.exports.purge import find_due, purge_files, remove_files, total
from worker.handlers.making import make_liste
from worker.handlers.making.make_liste import NOT_INTACT, PURGED
from worker.writers import electeurs_file

pytestmark = [
    pytest.mark.database(LIBREVILLE_TEMPLATE),
    pytest.mark.desk(opened_by=DepotsDesk.open),
]

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


def test_a_download_is_on_the_row_and_in_the_trail(desk: DepotsDesk) -> None:
    row = desk.make(liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert (row["downloaded_at"], row["downloaded_by"]) == (None, "")
    assert _is_accepted(desk.download(row["export_id"]))
    again = desk.row(row["export_id"])
    assert again["downloaded_at"] is not None
    assert again["downloaded_by"] == AGENT
    (line,) = desk.audit()
    assert (
        line.actor,
        line.action,
        line.code_commune,
        line.export_id,
        line.detail,
        line.label,
    ) == (
        *(AGENT, Action.FILE_DOWNLOADED, "13900", row["export_id"], row["file_name"]),
        "téléchargement",
    )


@pytest.mark.slow
def test_a_download_that_is_told_late_keeps_its_instant_and_its_place(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.download(export_id, requested_by="Mme Lefèvre")
    latest = desk.row(export_id)["downloaded_at"]
    desk.download(
        export_id, at=datetime.fromisoformat("2026-11-01T09:30:00+01:00"), piece="rapport"
    )
    row = desk.row(export_id)
    assert (row["downloaded_at"], row["downloaded_by"]) == (latest, "Mme Lefèvre")
    assert desk.audit()[-1].detail.endswith("-csv-anomalies.csv, le 01/11/2026 à 09:30:00")
    desk.download(export_id, at=datetime.now(UTC) + timedelta(days=3), piece="dossier")
    future = "SELECT downloaded_at FROM export WHERE downloaded_at > :limit"
    limit = datetime.now(UTC) + timedelta(days=1)
    with desk.engine.connect() as connection:
        parameters = {
            "limit": limit
            if desk.engine.dialect.name == "postgresql"
            else f"{limit:%Y-%m-%d %H:%M}"
        }
        assert connection.execute(text(future), parameters).all() == [], (
            "a sender's clock may be wrong"
        )
    assert desk.audit()[-1].detail.endswith(".csv (dossier de dépôt)")


def test_a_deposit_said_again_corrects_the_first_and_a_later_one_forgets_the_verdict(
    desk: DepotsDesk,
) -> None:
    export_id = desk.make()["export_id"]
    desk.run("UPDATE export SET finished_at = :at", at=f"{LAST_WEEK} 10:00:00.000")
    desk.deposit(export_id, deposited_on=LAST_WEEK, remarque="première")
    desk.answer(export_id, verdict="rejete", verdict_on=LAST_WEEK, answer=NAMED)
    first = desk.depot(export_id)
    desk.deposit(export_id, deposited_on=LAST_WEEK, remarque="corrigée")
    corrected = desk.depot(export_id)
    assert (corrected["remarque"], corrected["verdict"], corrected["answer"]) == (
        "corrigée",
        "rejete",
        NAMED,
    )
    desk.deposit(export_id)
    later = desk.depot(export_id)
    assert (later["verdict"], later["verdict_on"], later["answer"], later["verdict_by"]) == (
        "",
        None,
        "",
        "",
    )
    kept = [(row["fingerprint_key"], row["fingerprint"]) for row in (first, corrected, later)]
    assert kept == [kept[0]] * 3
    assert len(bytes(first["fingerprint"])) == 16 * desk.row(export_id)["electeurs"]
    assert len(desk.audit()) == 4


@pytest.mark.slow
def test_what_cannot_be_is_refused(desk: DepotsDesk) -> None:
    ready, other = desk.make()["export_id"], desk.make()["export_id"]
    waiting = desk.ask()
    for say in (desk.download, desk.deposit_only, desk.answer):
        assert _refusal(say(999_999)).startswith("Fichier inconnu")
        assert _refusal(say(ready, commune="01001")).startswith("Fichier inconnu"), (
            "nothing is said of the other"
        )
        assert _refusal(say(waiting)).startswith("Ce fichier n'est pas prêt : « Liste P du")
    assert "n'est pas encore venu" in _refusal(desk.deposit(ready, deposited_on=TOMORROW))
    assert "précède la production du fichier" in _refusal(
        desk.deposit(ready, deposited_on=LAST_WEEK)
    )
    assert _refusal(desk.answer(ready)).startswith("Aucun dépôt n'est déclaré")
    desk.deposit(ready)
    assert "n'est pas encore venu" in _refusal(desk.answer(ready, verdict_on=TOMORROW))
    assert "précède le dépôt" in _refusal(desk.answer(ready, verdict_on=LAST_WEEK))
    assert _refusal(desk.answer(ready, other)).startswith("Aucun dépôt n'est déclaré")
    assert desk.row(ready)["verdict"] == "", "one that cannot be takes the others with it"
    assert [line.action for line in desk.audit()] == [Action.DEPOT_DECLARED]


def test_the_copy_of_the_commission_is_not_deposited(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.run(
        "UPDATE export SET kind = 'tableau', edition = 'commission' WHERE id = :id",
        id=row["export_id"],
    )
    assert _is_accepted(desk.download(row["export_id"]))
    assert _refusal(desk.deposit(row["export_id"])).startswith(
        "L'exemplaire de la commission ne se dépose pas"
    )


def test_a_file_in_a_format_that_the_platform_does_not_take_is_not_deposited(
    desk: DepotsDesk,
) -> None:
    desk.use_profile(formats=[FileFormat.XML])
    export_id = desk.make()["export_id"]
    assert _refusal(desk.deposit(export_id)).startswith("La plateforme ne prend pas ce format")


def test_a_tableau_is_deposited_without_a_fingerprint(desk: DepotsDesk) -> None:
    row = desk.make()
    desk.run(
        "UPDATE export SET kind = 'tableau', edition = 'affichage' WHERE id = :id",
        id=row["export_id"],
    )
    assert _is_accepted(desk.deposit(row["export_id"]))
    assert desk.depot(row["export_id"])["fingerprint"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sender", "is_allowed"), [("ecran", True), ("mairie-13055", False), ("", False)]
)
def test_a_sender_declares_what_it_may_ask_for(
    desk: DepotsDesk, sender: str, is_allowed: bool
) -> None:
    export_id = desk.make()["export_id"]
    with Session(desk.engine) as session, session.begin():
        session.add_all(
            [
                Sender(name="ecran", code_commune="*"),
                Sender(name="mairie-13055", code_commune="13055"),
            ]
        )
    desk.configure(is_embedded=False)
    desk.sender = sender
    for say in (desk.download, desk.deposit, desk.answer):
        assert (say(export_id)["outcome"] == "accepted") is is_allowed
    assert bool(desk.audit()) is is_allowed


def test_a_purge_erases_the_answer_and_keeps_the_rest(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.deposit(export_id, remarque="accusé reçu")
    desk.answer(export_id, verdict="rejete", answer=NAMED)
    assert (
        total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).exports == 0
    ), "not told"
    desk.run("UPDATE request SET notified_at = created_at")
    desk.run("UPDATE depot SET deposited_on = '2000-01-01'")
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


def test_what_was_deposited_or_published_is_kept_a_year(desk: DepotsDesk) -> None:
    """A list or a tableau may be contested for longer than a file is kept."""
    other, list_file, tableau = (desk.make()["export_id"] for _ in range(3))
    desk.run("UPDATE request SET notified_at = created_at")
    desk.deposit(list_file)
    desk.run("UPDATE export SET kind = 'tableau' WHERE id = :id", id=tableau)
    desk.run(
        """INSERT INTO publication (export_id, mode, published_on, published_by, said_at)
           SELECT id, 'affichage', '2000-01-01', 'agent', created_at FROM export WHERE id = :id""",
        id=tableau,
    )
    desk.run("UPDATE request SET notified_at = created_at")

    def purge(published_days_ago: int, deposited_days_ago: int) -> list[int]:
        for table, column, days in (
            ("publication", "published_on", published_days_ago),
            ("depot", "deposited_on", deposited_days_ago),
        ):
            day = today() - timedelta(days=days)
            desk.run(f"UPDATE {table} SET {column} = '{day}'")  # noqa: S608 — ours
        kept = (published_days_ago <= PROOF_DAYS) + (deposited_days_ago <= PROOF_DAYS)
        assert find_due(desk.engine, 0).proofs == kept
        total(purge_files(desk.engine, desk.services.storage, days=0, actor="test"))
        left = desk.rows("SELECT id FROM export WHERE purged_at IS NULL ORDER BY id")
        return [row["id"] for row in left]

    assert purge(PROOF_DAYS, PROOF_DAYS) == [list_file, tableau], f"not {other}"
    assert purge(PROOF_DAYS + 1, PROOF_DAYS) == [list_file]
    assert purge(PROOF_DAYS + 1, PROOF_DAYS + 1) == []


def test_forgetting_reaches_what_was_deposited_yesterday(desk: DepotsDesk) -> None:
    export_id = desk.make()["export_id"]
    desk.deposit(export_id)
    storage = desk.services.storage
    assert remove_files(desk.engine, storage, [export_id], actor="forget").exports == 1


@pytest.mark.slow
def test_no_log_has_what_a_person_pasted(
    desk: DepotsDesk, capsys: pytest.CaptureFixture[str]
) -> None:
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


DAYS_AGO = 20
"""The request date of the deposited file; the other file is from today."""
BETWEEN = today() - timedelta(days=3)
PAIRS = [(before, after) for before in Format for after in Format]


@pytest.fixture
def desk(desk: DepotsDesk) -> DepotsDesk:
    desk.run(
        "DELETE FROM electeur WHERE date_naissance > '2000'"
    )  # some come of age on a particular day of LIBREVILLE
    return desk


def _differences(row: RowMapping) -> dict[str, Any] | None:
    return decoded(row["differences"])  # type: ignore[no-any-return]


def _counts(desk: DepotsDesk, format_: Format = Format.CSV) -> dict[str, Any]:
    found = _differences(desk.make(format_))
    assert found is not None
    return {
        name: value
        for name, value in found.items()
        if name not in {"export_id", "label", "deposited_on"}
    }


def _deposited(desk: DepotsDesk, format_: Format = Format.CSV, **options: Any) -> RowMapping:  # noqa: ANN401
    row = desk.make(format_, days_ago=DAYS_AGO, **options)
    assert desk.deposit(row["export_id"])["outcome"] == "accepted"
    return row


def _count(
    arrivees: int = 0,
    departs: int = 0,
    modifications: int = 0,
    **others: Any,  # noqa: ANN401
) -> dict[str, Any]:
    without = {"inscriptions": None, "radiations": None, "majeurs": 0, "is_coherent": None}
    return (
        {"arrivees": arrivees, "departs": departs, "modifications": modifications}
        | without
        | others
    )


@pytest.mark.slow
def test_without_a_deposit_there_is_nothing_to_compare_with(desk: DepotsDesk) -> None:
    desk.make(days_ago=DAYS_AGO)
    assert _differences(desk.make()) is None
    _deposited(desk, liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert _differences(desk.make()) is None, "that was another list"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_who_came_left_and_changed_is_counted_whatever_the_formats(
    desk: DepotsDesk, before: Format, after: Format
) -> None:
    old = _deposited(desk, before)
    assert _counts(desk, after) == _count()
    desk.add_person()
    desk.add_person(nom='INVENTEE "LA; SECONDE"')
    no_homonyms = """SELECT min(id) FROM electeur WHERE liste = 'P' AND date_naissance < '1990' AND version =
                     (SELECT version FROM liste WHERE liste = 'P' AND code_commune = '13900')
                     GROUP BY nom_naissance, prenoms, date_naissance HAVING count(*) = 1 ORDER BY 1"""
    leaving, moving, married = desk.values(no_homonyms)[:3]
    desk.run("DELETE FROM electeur WHERE id = :id", id=leaving)
    desk.run(
        "UPDATE electeur SET code_bureau = '0002', libelle_voie = 'AUTRE' WHERE id = :id", id=moving
    )
    desk.run("UPDATE electeur SET nom_usage = 'INVENTEE' WHERE id = :id", id=married)
    desk.run("UPDATE electeur SET numero_general = 7")
    found = _differences(desk.make(after))
    about = {
        "export_id": old["export_id"],
        "label": old["label"],
        "deposited_on": today().isoformat(),
    }
    assert found == about | _count(arrivees=2, departs=1, modifications=2)
    assert _counts(desk, before) == _counts(desk, after), (
        "the comparison is with the same file each time"
    )


@pytest.mark.slow
def test_the_mouvements_between_the_two_files_say_why(desk: DepotsDesk) -> None:
    _deposited(desk)
    desk.add_mouvement("inscription", today() - timedelta(days=DAYS_AGO), nom="AVANT")
    desk.add_mouvement("inscription", today() + timedelta(days=1), nom="APRES")
    desk.add_mouvement("inscription", BETWEEN, nom="ATTEND", etat="actif")
    desk.add_mouvement("modification", BETWEEN, nom="CHANGE")
    assert _counts(desk) == _count(inscriptions=0, radiations=0, is_coherent=True)
    desk.add_person()
    assert _counts(desk) == _count(arrivees=1, inscriptions=0, radiations=0, is_coherent=False)
    desk.add_mouvement("inscription", BETWEEN)
    assert _counts(desk) == _count(arrivees=1, inscriptions=1, radiations=0, is_coherent=True)
    desk.add_mouvement("radiation", BETWEEN, nom="RADIEE")
    assert _counts(desk) == _count(arrivees=1, inscriptions=1, radiations=1, is_coherent=False)


@pytest.mark.slow
def test_a_correction_is_a_change_when_somebody_said_so(desk: DepotsDesk) -> None:
    desk.add_mouvement("modification", BETWEEN, nom="CHANGE")
    desk.add_person()
    _deposited(desk)
    desk.run("UPDATE electeur SET date_naissance = '1961-08-05' WHERE nom_naissance = 'INVENTEE'")
    assert _counts(desk) == _count(
        arrivees=1, departs=1, inscriptions=0, radiations=0, is_coherent=False
    )
    desk.run(f"""
        INSERT INTO import (id, file_name, sha256, imported_by, lines_read, lines_kept, lines_rejected, values_cleaned,
                            bureaux_before, taken_on) VALUES (99, '', '', '', 0, 0, 0, 0, '[]', '{BETWEEN}')""")  # noqa: S608 — a day
    add_doubt = "INSERT INTO doubt (import_id, code_commune, liste, decision) VALUES (99, :commune, :liste, :decision)"
    for commune, liste, decision in (
        ("13900", "P", "two_persons"),
        ("13900", "CE", "same_person"),
        ("13901", "P", "same_person"),
    ):
        desk.run(add_doubt, commune=commune, liste=liste, decision=decision)
    assert _counts(desk)["arrivees"] == 1
    desk.run(add_doubt, commune="13900", liste="P", decision="same_person")
    assert _counts(desk) == _count(modifications=1, inscriptions=0, radiations=0, is_coherent=True)
    desk.run("UPDATE import SET taken_on = '2020-01-01' WHERE id = 99")
    assert _counts(desk)["arrivees"] == 1, "by an export of before the deposit"


@pytest.mark.slow
def test_a_rejected_deposit_and_the_file_itself_are_no_reference(desk: DepotsDesk) -> None:
    first = _deposited(desk)
    desk.add_person()
    second = _deposited(desk)
    assert _counts(desk) == _count()
    desk.answer(second["export_id"], verdict="rejete")
    found = _differences(desk.make())
    assert found is not None
    assert (found["export_id"], found["arrivees"]) == (first["export_id"], 1)
    desk.answer(first["export_id"], verdict="rejete")
    assert _differences(desk.make()) is None


@pytest.mark.slow
def test_an_accepted_deposit_takes_the_place_of_those_before_it(desk: DepotsDesk) -> None:
    first, other = _deposited(desk), _deposited(desk, liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    second = _deposited(desk)
    desk.answer(second["export_id"])
    for row, has_fingerprint in ((first, False), (second, True), (other, True)):
        depot = desk.depot(row["export_id"])
        assert (depot["fingerprint"] is not None, depot["fingerprint_key"] is not None) == (
            has_fingerprint,
        ) * 2
    desk.answer(second["export_id"], verdict="rejete")
    assert _counts(desk) == {"reason": depots.REPLACED}


@pytest.mark.slow
def test_the_comparison_outlives_the_file(desk: DepotsDesk) -> None:
    _deposited(desk)
    desk.add_person()
    desk.run("UPDATE request SET notified_at = created_at")
    desk.run("UPDATE depot SET deposited_on = '2000-01-01'")
    assert total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).files >= 1
    assert _counts(desk) == _count(arrivees=1)


@pytest.mark.slow
def test_a_file_that_was_purged_or_altered_before_its_deposit_is_no_reference(
    desk: DepotsDesk,
) -> None:
    purged, altered = desk.make(days_ago=DAYS_AGO), desk.make(Format.XML, days_ago=DAYS_AGO)
    desk.run("UPDATE request SET notified_at = created_at WHERE id = :id", id=purged["request_id"])
    assert total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).exports == 1
    path = desk.root / "13900" / altered["file_name"]
    intact = path.read_bytes()
    path.write_bytes(intact.replace(b"<Sexe>M</Sexe>", b"<Sexe>F</Sexe>"))
    desk.deposit(purged["export_id"])
    assert _counts(desk) == {"reason": PURGED}
    desk.deposit(altered["export_id"])
    assert _counts(desk) == {"reason": NOT_INTACT}
    path.unlink()
    desk.deposit(altered["export_id"])
    assert _counts(desk) == {"reason": NOT_INTACT}
    path.write_bytes(intact)
    assert _counts(desk) == _count(), "once the volume was restored"
    path.unlink()
    assert _counts(desk) == _count(), "its fingerprint was taken"


def test_a_deposit_is_a_row_and_its_file_is_read_afterwards(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = desk.make(days_ago=DAYS_AGO)
    with monkeypatch.context() as patch:
        patch.setattr(electeurs_file, "open_regular", lambda path: pytest.fail(str(path)))
        assert desk.deposit_only(row["export_id"])["outcome"] == "accepted"
    assert desk.depot(row["export_id"])["fingerprint"] is None
    desk.work(QUEUE_LISTES)
    taken = bytes(desk.depot(row["export_id"])["fingerprint"])
    desk.deposit(row["export_id"], remarque="corrigée")
    assert bytes(desk.depot(row["export_id"])["fingerprint"]) == taken, "once"
    assert desk.row(row["export_id"])["finished_at"] == row["finished_at"], (
        "the file itself is not made again"
    )


def test_a_deposit_that_is_corrected_while_its_file_is_read_keeps_both(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = desk.make(days_ago=DAYS_AGO)
    real = make_liste.take_fingerprint  # type: ignore[attr-defined]

    def take(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        desk.deposit_only(row["export_id"], remarque="corrigée")
        return real(*arguments)

    desk.deposit_only(row["export_id"])
    with monkeypatch.context() as patch:
        patch.setattr(make_liste, "take_fingerprint", take)
        desk.work(QUEUE_LISTES)
    depot = desk.depot(row["export_id"])
    assert (depot["remarque"], depot["fingerprint"] is not None) == ("corrigée", True)
    assert desk.values("SELECT kind FROM work WHERE kind = 'fingerprint'") == []


def test_a_fingerprint_keeps_its_lease_while_its_file_is_read(
    desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a file that takes longer than a lease was read by several workers at once."""
    row = desk.make(days_ago=DAYS_AGO)
    real = make_liste.take_fingerprint  # type: ignore[attr-defined]
    lease = "SELECT due_at FROM work WHERE kind = 'fingerprint' AND state = 'held'"

    def take(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        first = desk.values(lease)
        wait_until(lambda: first != desk.values(lease), message="the lease is renewed")
        return real(*arguments)

    desk.deposit_only(row["export_id"])
    with monkeypatch.context() as patch:
        patch.setattr(make_liste, "take_fingerprint", take)
        desk.work(QUEUE_LISTES)
    assert desk.depot(row["export_id"])["fingerprint"] is not None


def test_the_next_list_takes_a_fingerprint_that_is_still_due(desk: DepotsDesk) -> None:
    row = desk.make(days_ago=DAYS_AGO)
    desk.deposit_only(row["export_id"])
    desk.add_person()
    assert _counts(desk) == _count(arrivees=1)
    assert desk.depot(row["export_id"])["fingerprint"] is not None


@pytest.mark.slow
def test_what_is_kept_of_a_deposit_names_nobody(desk: DepotsDesk) -> None:
    desk.add_person()
    row = _deposited(desk)
    kept = bytes(desk.depot(row["export_id"])["fingerprint"])
    assert len(kept) == 16 * row["electeurs"]
    assert b"INVENTEE" in desk.read(row)
    assert b"INVENTEE" not in kept
    again = _deposited(desk)
    other = bytes(desk.depot(again["export_id"])["fingerprint"])
    assert not {kept[it : it + 8] for it in range(0, len(kept), 16)} & {
        other[it : it + 8] for it in range(0, len(other), 16)
    }, "each deposit has a key of its own"
