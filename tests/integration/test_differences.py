"""A new list file tells how it differs from the one deposited before it, on both databases and in both formats."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text

from schemas.vocabulary import Format, Liste
from tests.integration.depots_desk import DepotsDesk, open_desk, today
from tests.parts.town import LIBREVILLE_TEMPLATE
from worker.exports import depots
from worker.exports.purge import purge_files, total
from worker.handlers.making.make_export import make_export
from worker.handlers.making.make_liste import NOT_INTACT, PURGED
from worker.writers import electeurs_file

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.desk(opened_by=open_desk)]

DAYS_AGO = 20
"""When the deposited file was asked for; the other is of today."""
BETWEEN = today() - timedelta(days=3)
FORMATS = [(before, after) for before in Format for after in Format]


@pytest.fixture
def desk(desk: DepotsDesk) -> DepotsDesk:
    desk.run("DELETE FROM electeur WHERE date_naissance > '2000'")  # some come of age on a day of LIBREVILLE's own
    return desk


def _differences(row: RowMapping) -> dict[str, Any] | None:
    """As the view has it: JSON, which SQLite gives as text."""
    found: Any = row["differences"]
    return json.loads(found) if isinstance(found, str) else found  # type: ignore[no-any-return]


def _counts(desk: DepotsDesk, format_: Format = Format.CSV) -> dict[str, Any]:
    found = _differences(desk.make(format_))
    assert found is not None
    return {name: value for name, value in found.items() if name not in {"export_id", "label", "deposited_on"}}


def _deposited(desk: DepotsDesk, format_: Format = Format.CSV, **options: Any) -> RowMapping:  # noqa: ANN401
    row = desk.make(format_, days_ago=DAYS_AGO, **options)
    assert desk.deposit(row["export_id"])["outcome"] == "accepted"
    return row


def _count(arrivees: int = 0, departs: int = 0, modifications: int = 0, **others: Any) -> dict[str, Any]:  # noqa: ANN401
    without = {"inscriptions": None, "radiations": None, "majeurs": 0, "is_coherent": None}
    return {"arrivees": arrivees, "departs": departs, "modifications": modifications} | without | others


@pytest.mark.slow
def test_without_a_deposit_there_is_nothing_to_compare_with(desk: DepotsDesk) -> None:
    desk.make(days_ago=DAYS_AGO)
    assert _differences(desk.make()) is None
    _deposited(desk, liste=Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert _differences(desk.make()) is None, "that was another list"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), FORMATS)
def test_who_came_left_and_changed_is_counted_whatever_the_formats(
    desk: DepotsDesk, before: Format, after: Format
) -> None:
    old = _deposited(desk, before)
    assert _counts(desk, after) == _count()
    desk.add_person()
    desk.add_person(nom='INVENTEE "LA; SECONDE"')
    leaving, moving, married = _ids(desk)[:3]
    desk.run("DELETE FROM electeur WHERE id = :id", id=leaving)
    desk.run("UPDATE electeur SET code_bureau = '0002', libelle_voie = 'AUTRE' WHERE id = :id", id=moving)
    desk.run("UPDATE electeur SET nom_usage = 'INVENTEE' WHERE id = :id", id=married)
    desk.run("UPDATE electeur SET numero_general = 7")
    found = _differences(desk.make(after))
    about = {"export_id": old["export_id"], "label": old["label"], "deposited_on": today().isoformat()}
    assert found == about | _count(arrivees=2, departs=1, modifications=2)
    assert _counts(desk, before) == _counts(desk, after), "the comparison is with the same file each time"


def _ids(desk: DepotsDesk) -> list[int]:
    """Electors of the principal list without homonyms."""
    query = """SELECT min(id) FROM electeur WHERE liste = 'P' AND date_naissance < '1990' AND version =
               (SELECT version FROM liste WHERE liste = 'P' AND code_commune = '13900')
               GROUP BY nom_naissance, prenoms, date_naissance HAVING count(*) = 1 ORDER BY 1"""
    with desk.engine.connect() as connection:
        return list(connection.scalars(text(query)))


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
    assert _counts(desk) == _count(arrivees=1, departs=1, inscriptions=0, radiations=0, is_coherent=False)
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
def test_who_comes_of_age_arrives_without_a_mouvement(desk: DepotsDesk) -> None:
    birthday = _years_before(BETWEEN, 18)
    desk.add_person(born=birthday)
    desk.add_mouvement("inscription", today() - timedelta(days=100), born=birthday)
    _deposited(desk)
    assert _counts(desk) == _count(arrivees=1, inscriptions=0, radiations=0, majeurs=1, is_coherent=True)
    desk.add_person(born=birthday, nom="AUTRE")
    desk.add_mouvement("inscription", BETWEEN, born=birthday, nom="AUTRE")
    assert _counts(desk) == _count(arrivees=2, inscriptions=1, radiations=0, majeurs=1, is_coherent=True)


def _years_before(day: date, years: int) -> str:
    return f"{day.year - years:04}-{day.month:02}-{min(day.day, 28):02}"


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
        assert (depot["fingerprint"] is not None, depot["fingerprint_key"] is not None) == (has_fingerprint,) * 2
    desk.answer(second["export_id"], verdict="rejete")
    assert _counts(desk) == {"reason": depots.REPLACED}


@pytest.mark.slow
def test_the_comparison_outlives_the_file(desk: DepotsDesk) -> None:
    _deposited(desk)
    desk.add_person()
    desk.run("UPDATE request SET notified_at = created_at")
    assert total(purge_files(desk.engine, desk.services.storage, days=0, actor="test")).files >= 1
    assert _counts(desk) == _count(arrivees=1)


@pytest.mark.slow
def test_a_file_that_was_purged_or_altered_before_its_deposit_is_no_reference(desk: DepotsDesk) -> None:
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


def test_a_deposit_is_a_row_and_its_file_is_read_afterwards(desk: DepotsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = desk.make(days_ago=DAYS_AGO)
    with monkeypatch.context() as patch:
        patch.setattr(electeurs_file, "open_regular", _refuse_to_open)
        assert desk.deposit_only(row["export_id"])["outcome"] == "accepted"
    assert [(doorbell.row_id, doorbell.is_bulk) for doorbell in desk.enqueued] == [(row["export_id"], True)]
    assert desk.depot(row["export_id"])["fingerprint"] is None
    make_export(desk.enqueued.pop().row_id, desk.services)
    taken = bytes(desk.depot(row["export_id"])["fingerprint"])
    make_export(row["export_id"], desk.services)
    assert bytes(desk.depot(row["export_id"])["fingerprint"]) == taken, "once"
    assert desk.row(row["export_id"])["attempts"] == 1, "the file itself is not made again"


def _refuse_to_open(path: Path) -> None:
    raise AssertionError(path)


def test_the_next_list_takes_the_fingerprint_that_a_lost_doorbell_did_not(desk: DepotsDesk) -> None:
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
