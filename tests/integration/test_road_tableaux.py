"""The road of a request for tableaux through a real RabbitMQ, worker processes and a notifier."""

import hashlib
from typing import Any

import pytest
from pypdf import PdfReader

from schemas.envelope import CloudEvent
from schemas.topology import (
    EVENT_EXPORT_ENDED,
    QUEUE_LISTES,
    QUEUE_REQUESTS,
    QUEUE_TABLEAUX,
)
from tests.parts.mail import Mailbox
from tests.parts.town import EMAIL, MOUVEMENTS_TEMPLATE, TODAY, Town
from tests.parts.wait import wait_until
from worker.demo.libreville import demo_calendrier

pytestmark = pytest.mark.database(MOUVEMENTS_TEMPLATE)

DAYS = demo_calendrier(TODAY)
BOTH: dict[str, Any] = {"types": ["vingt_jours", "cinq_jours_reu"], "scrutin": str(DAYS.scrutin)}
MOUVEMENTS = {"vingt_jours": 7, "cinq_jours_reu": 11}
"""Of LIBREVILLE, in each tableau; two come of age."""


def test_one_request_makes_its_files_one_mail_and_their_events(town: Town, mailbox: Mailbox) -> None:
    town.start_worker()
    town.listen("listener", EVENT_EXPORT_ENDED)
    event = town.ask_tableaux(**BOTH, presentations=["commune", "par_bureau", "recapitulatif"])
    exports = town.wait_for(event)
    town.start_notifier()
    (mail,) = mailbox.wait_for(1)

    assert [(export["type_tableau"], export["presentation"]) for export in exports] == [
        (type_, presentation) for type_ in MOUVEMENTS for presentation in ("commune", "par_bureau", "recapitulatif")
    ]
    for export in exports:
        path = town.exports / "13900" / export["file_name"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == export["sha256"]
        assert len(PdfReader(path).pages) == export["pages"]
        assert export["electeurs"] == MOUVEMENTS[export["type_tableau"]]
    assert mail.recipients == (EMAIL,)
    text = mail.text
    assert "3 tableaux prêts, 3 provisoires" in mail.message["Subject"]
    assert all(export["label"] in text and export["file_name"] in text for export in exports)

    said = {
        fact.data["file"]["path"]: fact
        for _, body in town.collect("listener", 6)
        for fact in [CloudEvent.from_bytes(body)]
    }
    assert {(fact.correlationid, fact.causationid) for fact in said.values()} == {(event.correlationid, event.id)}
    for export in exports:
        fact = said[f"13900/{export['file_name']}"].data
        assert fact["tableau"] == {
            "type": export["type_tableau"],
            "presentation": export["presentation"],
            "edition": "affichage",
        }
        made = fact["file"]
        assert (fact["format"], made["pages"], made["electeurs"]) == ("pdf", export["pages"], export["electeurs"])
    wait_until(lambda: town.rows("SELECT 1 FROM demandes WHERE notified_at IS NOT NULL"), message="the request told")
    assert len(mailbox.mails) == 1


@pytest.mark.slow
def test_a_worker_of_tableaux_leaves_the_lists_to_others(town: Town) -> None:
    town.start_worker("-Q", QUEUE_REQUESTS)
    town.start_worker("-Q", QUEUE_TABLEAUX)
    listes = town.ask(listes=["CE", "CM"])
    tableaux = town.ask_tableaux(**BOTH)
    assert len(town.wait_for(tableaux)) == 2
    assert [export["status"] for export in town.exports_of(listes)] == ["queued", "queued"]
    assert [len(town.queue(name)) for name in (QUEUE_LISTES, QUEUE_TABLEAUX, QUEUE_REQUESTS)] == [2, 0, 0]
