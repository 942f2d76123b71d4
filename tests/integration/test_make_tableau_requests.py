"""A request for tableaux becomes one row for each, or is refused; a tableau meets a full disk or another owner."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from common.calendrier import CalendarScrutin
from schemas.tableaux import TypeTableau
from schemas.topology import QUEUE_TABLEAUX
from tests.integration.tableau_desk import TableauDesk, wrap
from tests.integration.tableau_register import (
    MOUVEMENTS,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)
from tests.parts.town import MIGRATED_TEMPLATE
from worker.exports.models import Export
from worker.handlers.making import make_tableau
from worker.handlers.requests.ingest_request import ingest_request
from worker.registre.models import ListeCommunale
from worker.registre.scrutins import set_scrutin
from worker.writers import Progress

pytestmark = [pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=TableauDesk.open)]

VINGT, CINQ = TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU


@pytest.fixture
def desk(desk: TableauDesk) -> TableauDesk:
    write_register(desk.engine, MOUVEMENTS)
    return desk


REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        {},
        "Tableau des vingt jours : indiquer la réunion précédente de la commission de contrôle, d'où",
    ),
    ({"scrutin": None}, "scrutin manque, pour vingt_jours (ou until, ou publication)."),
    ({"scrutin": "2027-04-14"}, "On ne vote pas le 14/04/2027 : vérifiez la date du scrutin."),
    ({"scrutin": "2027-04-10"}, "On ne vote pas le 10/04/2027 : vérifiez la date du scrutin."),
    ({"reunion": "2027-03-25", "until": "2027-03-19"}, "la réunion à indiquer est la précédente"),
    (
        {"types": ["premier_rectificatif"], "date_tableau": "2014-02-28"},
        "Premier tableau rectificatif : la date de tableau est le 10 janvier",
    ),
    (
        {"types": ["second_rectificatif"], "date_tableau": "2016-01-10"},
        "Second tableau rectificatif : la date de tableau est le dernier jour de février.",
    ),
    ({"commune": "2A999"}, "Commune inconnue : 2A999. Vérifiez le code INSEE."),
    ({"commune": "13055"}, "Aucun registre importé pour 13055 : importez d'abord l'export du REU."),
    ({"electeurs": ["LANTERNE Ursule"]}, "electeurs : champ inconnu."),
    ({"requested_by": "LANTERNE\nUrsule"}, "requested_by : "),
]


def test_a_request_that_cannot_be_served_is_refused_with_its_reason(desk: TableauDesk) -> None:
    desk.run(
        "INSERT INTO commune (code, nom, code_departement) VALUES ('13055', 'MARSEILLE', '13')"
    )
    good = wrap(VINGT, scrutin=SCRUTIN)
    for number, (changes, reason) in enumerate(REFUSALS):
        data = {name: value for name, value in (good.data | changes).items() if value is not None}
        refused = desk.refusal(good.model_copy(update={"id": str(number), "data": data}))
        assert reason in refused
        assert "LANTERNE" not in refused
    assert _exports(desk) == []


def test_one_request_makes_a_row_for_each_type_list_and_presentation(desk: TableauDesk) -> None:
    tokens: list[tuple[str, int]] = []
    desk.configure(send_tokens=lambda queue, number: tokens.append((queue, number)))
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    event = wrap(
        VINGT, CINQ, scrutin=SCRUTIN, listes=["P", "CE"], presentations=["commune", "recapitulatif"]
    )
    for _ in range(3):
        ingest_request(event, desk.services)
    exports = _exports(desk)
    assert [export.part for export in exports] == [
        f"{type_}.{liste}.{presentation}"
        for type_ in ("vingt_jours", "cinq_jours_reu")
        for liste in ("P", "CE")
        for presentation in ("commune", "recapitulatif")
    ]
    assert tokens == [(QUEUE_TABLEAUX, len(exports))], "a copy of the request sends none"
    assert len({export.file_name for export in exports}) == len(exports)
    assert {(export.kind, export.format, export.edition) for export in exports} == {
        ("tableau", "pdf", "affichage")
    }


@pytest.mark.slow
def test_dates_that_are_not_given_are_those_of_the_register(desk: TableauDesk) -> None:
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    vingt, cinq = (
        desk.finish(export_id) for export_id in desk.ask_tableaux(VINGT, CINQ, scrutin=SCRUTIN)
    )
    assert "intervenues depuis le 19/09/2026, jusqu’au 19/03/2027." in vingt.text
    assert "intervenues depuis le 20/03/2027, jusqu’au 05/04/2027." in cinq.text
    given = desk.make(VINGT, scrutin=SCRUTIN, reunion=date(2026, 12, 24), until=date(2027, 1, 31))
    assert "intervenues depuis le 25/12/2026, jusqu’au 31/01/2027." in given.text


@pytest.mark.slow
def test_a_row_prints_the_same_whatever_the_calendar_has_become(desk: TableauDesk) -> None:
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    asked = [desk.ask_tableaux(VINGT, CINQ, scrutin=SCRUTIN) for _ in range(2)]
    before = [desk.finish(export_id) for export_id in asked[0]]
    desk.run("DELETE FROM scrutin")
    desk.run("DELETE FROM commission")
    add_scrutin(desk.engine, date(2027, 5, 30), date(2026, 12, 24), date(2027, 3, 21))
    after = [desk.finish(export_id) for export_id in asked[1]]
    assert [made.content for made in after] == [made.content for made in before]
    assert [made.row["electeurs"] for made in after] == [5, 4]


def _exports(desk: TableauDesk) -> list[Export]:
    with Session(desk.engine) as session:
        return list(session.scalars(select(Export).order_by(Export.id)))


@pytest.fixture
def polled(desk: TableauDesk) -> TableauDesk:
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    return desk


def _ask(polled: TableauDesk) -> int:
    (export_id,) = polled.ask_tableaux(VINGT, scrutin=SCRUTIN, presentations=["par_bureau"])
    return export_id


def _in_the_middle(monkeypatch: pytest.MonkeyPatch, action: Callable[[Progress], None]) -> None:
    """Run the action once, after the figures are computed and before any line is drawn."""
    real = make_tableau.write_report  # type: ignore[attr-defined]
    read: list[Progress] = []
    done: list[bool] = []

    def note(progress: Progress) -> Any:  # noqa: ANN401 — the real one
        read.append(progress)
        return count(progress)

    def write(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        if not done:
            done.append(True)
            action(read[-1])
        return real(*arguments)

    count = make_tableau._Count  # noqa: SLF001 — the counter that reports the progress
    monkeypatch.setattr(make_tableau, "_Count", note)
    monkeypatch.setattr(make_tableau, "write_report", write)


def test_a_worker_that_lost_its_lease_publishes_nothing(
    polled: TableauDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_the_middle(monkeypatch, lambda _: polled.run("UPDATE work SET owner = 'other', starts = 2"))
    row = polled.process(_ask(polled))
    assert (row["status"], row["owner"], row["starts"]) == ("running", "other", 2)
    assert (row["sha256"], row["pages"], row["finished_at"], row["error_code"]) == (
        None,
        None,
        None,
        "",
    )
    assert polled.files() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            "DELETE FROM liste",
            "Le registre de 13900 a disparu depuis la demande : importez-le de nouveau.",
        ),
        ("UPDATE mouvement SET categorie = 'exil' WHERE id = 3", "mouvement n° 3 : "),
    ],
)
def test_a_register_that_cannot_be_printed_fails_the_row(
    polled: TableauDesk, changes: str, message: str
) -> None:
    export_id = _ask(polled)
    polled.run(changes)
    row = polled.process(export_id)
    assert (row["status"], row["error_code"]) == ("failed", "export_impossible")
    assert row["error_message"].startswith(message)
    assert polled.files() == []


@pytest.mark.parametrize(
    ("libelle", "liste", "is_refused"),
    [
        ("Élections municipales", "CE", True),
        ("Élections européennes", "CM", True),
        ("Élection présidentielle", "CE", True),
        ("Élections européennes", "CE", False),
        ("", "CE", False),
    ],
)
def test_a_list_that_does_not_vote_has_no_tableau_of_the_poll(
    desk: TableauDesk, libelle: str, liste: str, *, is_refused: bool
) -> None:
    with desk.engine.begin() as connection:
        row = {"code_commune": "13900", "liste": liste, "version": 1}
        connection.execute(insert(ListeCommunale).values(row))
        set_scrutin(connection, CalendarScrutin(SCRUTIN, libelle))
    asked: dict[str, Any] = {"scrutin": SCRUTIN, "reunion": REUNION, "listes": [liste]}
    if is_refused:
        assert "ne vote pas à ce scrutin" in desk.refusal(wrap(CINQ, **asked))
    else:
        assert len(desk.ask_tableaux(CINQ, **asked)) == 1
