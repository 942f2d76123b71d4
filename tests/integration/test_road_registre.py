"""An export of the REU on its path through a real RabbitMQ, workers and a notifier, sent by another service."""

import hashlib
from collections.abc import Mapping
from signal import SIGKILL
from typing import Any

import pytest

from bench.people import write_town
from common.calendrier import jour_a_paris, now
from schemas.envelope import CloudEvent, Data
from schemas.requests import RegistreImportRequested, RegistrePreviewRequested
from schemas.topology import EVENT_REGISTRE_STATUS
from tests.parts.mail import Mailbox
from tests.parts.town import AGENT, EMAIL, LIBREVILLE_TEMPLATE, TODAY, Town
from tests.parts.wait import wait_until

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]


def send(town: Town, data: Data) -> CloudEvent:
    event = CloudEvent.wrap(data, source="/etat-civil")
    town.publish(event.to_bytes(), event.type)
    return event


def upload(town: Town, size: int) -> CloudEvent:
    """Write an export of this many electors to the arrivals folder, and request its preview."""
    town.arrivals.mkdir(exist_ok=True)
    path = town.arrivals / f"export-{size}.csv"
    write_town(path, size, today=TODAY)
    asked = RegistrePreviewRequested(
        commune="13900",
        arrival=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        taken_on=jour_a_paris(now()),  # not before the register's own export, which was imported just now
        file_name="liste-13900.csv",
        requested_by=AGENT,
    )
    return send(town, asked)


def accept(town: Town, said: Mapping[str, Any]) -> CloudEvent:
    fields = {"commune": "13900", "preview": said["preview_id"], "sha256": said["sha256"], "requested_by": AGENT}
    empty = said["kept"]
    accepted = fields | {"accept_changes": True, "accept_rejects": True, "empty": empty}
    return send(town, RegistreImportRequested.model_validate(accepted))


def shown(town: Town) -> int:
    """The number of electors that the register shows."""
    return int(town.rows("SELECT count(*) AS n FROM electeur NATURAL JOIN liste WHERE code_commune = '13900'")[0]["n"])


def _next(town: Town) -> CloudEvent:
    ((_, body),) = town.collect("listener", 1)
    return CloudEvent.from_bytes(body)


def test_a_service_previews_an_export_and_imports_it_by_two_events(town: Town, mailbox: Mailbox) -> None:
    town.start_worker("-Q", "requests")
    town.start_worker("-Q", "registre")
    town.listen("listener", EVENT_REGISTRE_STATUS)
    town.start_notifier()
    asked = upload(town, 300)
    said = _next(town)
    assert (said.data["status"], said.causationid) == ("ready", asked.id)
    lines = sum(it["electeurs"] for it in said.data["listes"]) + said.data["lines_rejected"]
    assert (said.data["status"], said.data["lines_read"]) == ("ready", lines)
    assert town.rows("SELECT count(*) AS n FROM import")[0]["n"] == 1

    wanted = accept(town, said.data)
    done = _next(town)
    assert (done.data["status"], done.causationid) == ("imported", wanted.id)
    assert (done.data["status"], done.data["sha256"]) == ("imported", said.data["sha256"])
    (mail,) = mailbox.wait_for(1)
    assert mail.recipients == (EMAIL,)
    assert str(mail.message["Subject"]).startswith("Registre repris")
    wait_until(lambda: not list(town.arrivals.iterdir()), message="an empty arrivals folder")
    assert shown(town) == sum(it["electeurs"] for it in said.data["listes"])


def test_a_worker_that_is_killed_in_the_middle_leaves_one_register_or_the_other(town: Town) -> None:
    town.start_worker("-Q", "requests")
    worker = town.start_worker("-Q", "registre")
    town.start_notifier()
    upload(town, 20_000)
    query = "SELECT preview_id, sha256, status, found, lines_read FROM apercus"
    wait_until(lambda: [row for row in town.rows(query) if row["status"] == "running"], message="a preview under way")
    worker.end(SIGKILL)
    worker = town.start_worker("-Q", "registre")
    ready = wait_until(lambda: [row for row in town.rows(query) if row["status"] == "ready"], message="the preview")[0]
    accept(town, dict(ready) | {"kept": [it["liste"] for it in ready["found"]["kept"]]})
    wait_until(
        lambda: [row for row in town.rows(query) if row["status"] == "importing" and row["lines_read"]],
        message="an import under way",
    )
    worker.end(SIGKILL)
    assert town.rows("SELECT count(*) AS n FROM import WHERE finished_at IS NOT NULL")[0]["n"] == 1
    town.start_worker("-Q", "registre")
    wait_until(lambda: town.rows(query)[0]["status"] == "imported", message="the import")
    wait_until(lambda: not list(town.arrivals.iterdir()), message="an empty arrivals folder")
    assert shown(town) == sum(it["electeurs"] for it in ready["found"]["listes"])
