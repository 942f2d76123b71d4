"""A certificate of publication is drawn once, again when the publication changes, and after trouble of the volume."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from schemas.tableaux import TypeTableau
from schemas.topology import QUEUE_TABLEAUX
from tests.integration.depots_desk import DepotsDesk, today
from tests.integration.export_desk import COMMUNE, fail_once
from tests.integration.tableau_desk import TableauDesk
from tests.integration.tableau_register import (
    MOUVEMENTS,
    REUNION,
    REUNION_PRECEDENTE,
    SCRUTIN,
    add_scrutin,
    write_register,
)
from tests.parts.notes import note_file, note_register
from tests.parts.pdf import read_text
from tests.parts.town import MIGRATED_TEMPLATE
from worker.handlers.making import make_certificat


class Desk(TableauDesk, DepotsDesk):  # type: ignore[misc]  # `make` makes tableaux here
    """Tableaux, and the declarations of an agent about them."""

    number: int

    def publish_until(self, days: int) -> RowMapping:
        """Declare that the tableau is posted from today on, for so many days; the row of the request."""
        last = today() + timedelta(days=days)
        said: dict[str, Any] = {"mode": "affichage", "published_on": today()}
        return self.declare(note_file("published", self.number, published_until=last, **said))

    @property
    def certificat(self) -> Path:
        name = self.row(self.number)["certificat_name"]
        assert name, "no certificate was recorded"
        return self.root / COMMUNE / str(name)

    def says(self, days: int) -> bool:
        """Whether the certificate names the last day of a publication of so many days."""
        last = today() + timedelta(days=days)
        return f" {last.day} " in " ".join(read_text(self.certificat).split()).partition(" au ")[2]

    def works_left(self) -> list[str]:
        return [
            str(kind) for kind in self.values("SELECT kind FROM work WHERE kind = 'certificat'")
        ]


pytestmark = [pytest.mark.database(MIGRATED_TEMPLATE), pytest.mark.desk(opened_by=Desk.open)]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A desk with one ready tableau."""
    write_register(desk.engine, MOUVEMENTS)
    add_scrutin(desk.engine, SCRUTIN, REUNION_PRECEDENTE, REUNION)
    desk.number = desk.make(TypeTableau.CINQ_JOURS_REU, scrutin=SCRUTIN).row["export_id"]
    desk.run("UPDATE export SET bloquantes = 0, a_completer = 0, provisoire_until = NULL")
    desk.end_poll()
    return desk


def test_a_certificate_bears_the_address_and_who_signs(desk: Desk) -> None:
    note = {"ville": "13900 LIBREVILLE", "signataire": "Camille EXEMPLE, maire"}
    assert desk.declare(note_register("mairie", **note))["outcome"] == "accepted"
    desk.publish_until(8)
    desk.work(QUEUE_TABLEAUX)
    said = read_text(desk.certificat)
    assert "13900 LIBREVILLE" in said
    assert "Camille EXEMPLE, maire" in said


def test_a_certificate_is_made_once_however_often_it_is_declared(desk: Desk) -> None:
    for _ in range(2):
        assert desk.publish_until(8)["outcome"] == "accepted"
        desk.work(QUEUE_TABLEAUX)
        desk.take_token(QUEUE_TABLEAUX)
        made = desk.certificat.stat()
        assert desk.says(8)
    assert (made.st_ino, made.st_mtime_ns) == (
        desk.certificat.stat().st_ino,
        desk.certificat.stat().st_mtime_ns,
    )
    assert desk.works_left() == []


def test_a_changed_publication_gets_another_certificate(desk: Desk) -> None:
    desk.publish_until(8)
    desk.work(QUEUE_TABLEAUX)
    first = desk.certificat.read_bytes()
    desk.publish_until(10)
    assert desk.row(desk.number)["certificat_name"] is None, "the former one is no longer offered"
    desk.work(QUEUE_TABLEAUX)
    assert desk.certificat.read_bytes() != first
    assert desk.says(10)
    assert desk.works_left() == []


def test_a_certificate_waits_for_room_on_the_volume(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publish_until(8)
    fail_once(monkeypatch, "fsync", errno.ENOSPC, on="certificat")
    desk.take_token(QUEUE_TABLEAUX)
    (work,) = desk.rows("SELECT state, starts, waits, error FROM work WHERE kind = 'certificat'")
    assert (work["state"], work["starts"], work["waits"]) == ("due", 0, 1)
    assert work["error"].startswith("Volume des exports plein")
    assert desk.row(desk.number)["certificat_name"] is None
    assert not [name for name in desk.files() if "certificat" in name]
    assert desk.count_due(QUEUE_TABLEAUX) == 0, "it waits a second"
    desk.end_waits()
    desk.work(QUEUE_TABLEAUX)
    assert desk.says(8)
    assert desk.works_left() == []


def test_a_publication_that_changes_after_the_claim_is_the_one_that_is_certified(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = make_certificat.read_commune  # type: ignore[attr-defined]

    def read(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        monkeypatch.setattr(make_certificat, "read_commune", real)
        with ThreadPoolExecutor() as pool:
            assert pool.submit(desk.publish_until, 10).result(60)["outcome"] == "accepted"
        return real(*arguments)

    desk.publish_until(8)
    monkeypatch.setattr(make_certificat, "read_commune", read)
    desk.work(QUEUE_TABLEAUX)
    assert desk.says(10)
    assert desk.works_left() == []


def _recall(desk: Desk) -> None:
    desk.run(
        "INSERT INTO recall (id, code_commune, because, recalled_by) VALUES (1, '13900', 'essai', 'moi')"
    )
    desk.run("UPDATE export SET recall_id = 1 WHERE id = :id", id=desk.number)


def test_a_recalled_tableau_is_not_published_and_gets_no_certificate(desk: Desk) -> None:
    _recall(desk)
    refused = desk.publish_until(8)
    assert (refused["outcome"], refused["code"]) == ("refused", "tableau_a_refaire")
    desk.work(QUEUE_TABLEAUX)
    assert desk.row(desk.number)["published_on"] is None
    assert desk.row(desk.number)["certificat_name"] is None


def test_a_publication_of_before_a_recall_ends_without_a_certificate(desk: Desk) -> None:
    desk.publish_until(8)
    _recall(desk)
    assert desk.publish_until(0)["outcome"] == "accepted", "the day on which it was taken down"
    desk.work(QUEUE_TABLEAUX)
    assert desk.row(desk.number)["certificat_name"] is None
    assert desk.works_left() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_publication_that_changes_while_its_certificate_is_drawn_is_certified_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker locks the work, then the tableau. The declaration locked them in the other order: a deadlock."""
    real = make_certificat.take_uncertified  # type: ignore[attr-defined]
    pool, said = ThreadPoolExecutor(), []

    def take(*arguments: Any) -> Any:  # noqa: ANN401 — passed on
        monkeypatch.setattr(make_certificat, "take_uncertified", real)
        said.append(pool.submit(desk.publish_until, 10))
        desk.wait_for_lock()
        return real(*arguments)

    desk.publish_until(8)
    monkeypatch.setattr(make_certificat, "take_uncertified", take)
    with pool:
        desk.take_token(QUEUE_TABLEAUX)
        assert said[0].result(60)["outcome"] == "accepted"
    desk.work(QUEUE_TABLEAUX)
    assert desk.says(10)
    assert desk.works_left() == []
