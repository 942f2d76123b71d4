"""A batch of a program: the requests for files of many communes in one call, all or none."""

from collections.abc import Sequence
from typing import Any

import pytest
from limits import parse

from producers.web.security import limits
from schemas.checking import hash_payload
from schemas.envelope import CloudEvent
from schemas.events import name_request
from schemas.http import EVENT_JSON, EVENTS_JSON, MOST_IN_BATCH
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import REQUEST_TABLEAUX_RENDER
from tests.web.files_desk import FilesScreen
from tests.web.security_desk import GRANDVILLE, LIBREVILLE
from worker.access.management import make_token
from worker.handlers.requests.ingest_request import ingest_request

SENDER = "jeton compta"
_CANCEL = CancelRequested.model_validate(
    {"request": {"source": "/mairie/13900", "id": "1"}, "requested_by": "compta"}
)


@pytest.fixture
def token(files: FilesScreen) -> str:
    with files.desk.engine.begin() as connection:
        return make_token(connection, "compta", [LIBREVILLE], ["*"], actor="test")


def _asked(**fields: Any) -> CloudEvent:  # noqa: ANN401 — of the request
    said = {"commune": LIBREVILLE, "requested_by": "compta", "listes": ["P"]} | fields
    return CloudEvent.wrap(ListeExportRequested.model_validate(said), source="/mairie/13900")


def _post(files: FilesScreen, token: str, events: Sequence[CloudEvent], **headers: str) -> Any:  # noqa: ANN401
    body = f"[{','.join(it.model_dump_json(exclude_none=True) for it in events)}]"
    said = {"Authorization": f"Bearer {token}", "Content-Type": EVENTS_JSON} | headers
    return files.client.post("/api/v1/batches", content=body, headers=said)


def _refusal(answer: Any) -> tuple[int, list[tuple[str, str]]]:  # noqa: ANN401
    faults = [(it["field"], it["code"]) for it in answer.json().get("errors", ())]
    return answer.status_code, faults


def test_each_request_of_a_batch_has_an_address_and_goes_the_road_of_batches(
    files: FilesScreen, token: str
) -> None:
    asked = [_asked(), _asked(formats=["xml"]), _asked(bulk=False)]
    answer = _post(files, token, asked)
    assert answer.status_code == 202, answer.text
    sent = files.broker.events
    assert [(it.id, it.data["bulk"]) for it in sent] == [(it.id, True) for it in asked]
    uuids = [name_request(SENDER, it.source, it.id, hash_payload(it)) for it in sent]
    received = answer.json()["requests"]
    assert [(it["request"]["id"], it["request"]["uuid"]) for it in received] == [
        (it.id, uuid) for it, uuid in zip(asked, uuids, strict=True)
    ]
    for event in sent:
        ingest_request(event, files.desk.services, sender=SENDER)
    for it in received:
        found = files.client.get(it["url"], headers={"Authorization": f"Bearer {token}"}).json()
        assert (found["request"], found["status"]) == (it["request"], "accepted")
    assert _post(files, token, asked).json() == answer.json(), "the same again is the same"


def test_a_batch_is_taken_as_a_whole_or_not_at_all(files: FilesScreen, token: str) -> None:
    wrong = _asked().model_copy(update={"data": _asked().data | {"formats": ["doc"]}})
    cancel = CloudEvent.wrap(_CANCEL, source="/mairie/13900")
    tableaux = _asked().model_copy(update={"type": REQUEST_TABLEAUX_RENDER})
    known = _asked()
    ingest_request(known, files.desk.services, sender=SENDER)
    taken = known.model_copy(update={"data": known.data | {"listes": ["CE"]}})
    for events, expected in (
        ([_asked(), wrong], (422, [("/1/data/formats/0", "enum")])),
        ([_asked(), cancel], (422, [("/1/type", "type_inconnu")])),
        (
            [tableaux, _asked()],
            (422, [("/0/data/types", "missing"), ("/0/data/formats", "extra_forbidden")]),
        ),
        (
            [_asked(), _asked(commune=GRANDVILLE)],
            (403, [("/1/data/commune", "compte_non_autorise")]),
        ),
        ([_asked(), taken], (409, [("/1/id", "key_reused")])),
        ([], (422, [("", "batch_size")])),
    ):
        assert _refusal(_post(files, token, events)) == expected
    uuid = name_request(SENDER, known.source, known.id, hash_payload(known))
    assert _post(files, token, [taken]).json()["instance"] == f"/api/v1/requests/{uuid}"
    assert _refusal(_post(files, token, [_asked()], **{"Content-Type": EVENT_JSON})) == (415, [])
    assert _refusal(_post(files, "wrong", [_asked()])) == (401, [])
    assert files.broker.events == []


def test_a_batch_has_a_hundred_events_at_most(files: FilesScreen, token: str) -> None:
    events = [_asked() for _ in range(MOST_IN_BATCH + 1)]
    assert _refusal(_post(files, token, events)) == (422, [("", "batch_size")])
    assert _post(files, token, events[1:]).status_code == 202
    assert len(files.broker.events) == MOST_IN_BATCH == 100


def test_the_files_of_a_batch_are_limited_and_not_its_calls(
    files: FilesScreen, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits.RATES["file"] == parse("6000/minute")
    few = dict(limits.RATES) | {"file": parse("12/minute"), "event": parse("1/minute")}
    monkeypatch.setattr(limits, "RATES", few)
    two = _asked(formats=["csv", "xml"])
    assert [_post(files, token, [two]).status_code for _ in range(3)] == [202] * 3
    late = _post(files, token, [two, two, two, two])
    assert (late.status_code, late.json()["code"]) == (429, "trop_de_requetes")
    assert 1 <= int(late.headers["retry-after"]) <= 60
    assert _post(files, token, [two, two, two]).status_code == 202
    assert len(files.broker.events) == 6
