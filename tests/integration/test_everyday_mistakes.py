"""What people send who have not read the contract, or have read CloudEvents': each event that is confirmed is answered.

What CloudEvents 1.0 allows is served; what is wrong is refused with the true reason, to whoever can be told.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.topology import (
    BULK_SUFFIX,
    CONTENT_TYPE,
    EVENT_REQUEST_ACCEPTED,
    EVENT_REQUEST_REFUSED,
    EXCHANGE,
    REQUEST_LISTE_EXPORT,
    REQUEST_TABLEAUX_RENDER,
)
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.messaging.unreadable import UNKNOWN

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]

EVENT: dict[str, Any] = json.loads((ROOT / "examples" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))
DATA: dict[str, Any] = EVENT["data"] | {"listes": ["CE"], "formats": ["csv"]}
TABLEAUX: dict[str, Any] = json.loads((ROOT / "examples" / f"{REQUEST_TABLEAUX_RENDER}.json").read_text("utf-8"))
OTHER_ID = "déjà-vu № 7 ⚑ 東京"
ACCEPTED = ""

Make = Callable[[str], tuple[bytes, dict[str, Any]]]


def _event(*without: str, **changes: Any) -> Make:  # noqa: ANN401 — JSON
    def make(name: str) -> tuple[bytes, dict[str, Any]]:
        fields = {key: it for key, it in EVENT.items() if key not in {"correlationid", *without}}
        fields |= {"id": name, "data": DATA} | changes
        return json.dumps(
            {key: it for key, it in fields.items() if key not in without}, ensure_ascii=False
        ).encode(), {}

    return make


def _data(**changes: Any) -> Make:  # noqa: ANN401 — JSON
    return _event(data=DATA | changes)


def _tableaux(**changes: Any) -> Make:  # noqa: ANN401 — JSON
    return _event(type=REQUEST_TABLEAUX_RENDER, data=TABLEAUX["data"] | changes)


def _as(change: Callable[[bytes], bytes], **properties: Any) -> Make:  # noqa: ANN401 — AMQP
    """The event, its bytes changed, with these properties."""
    return lambda name: (change(_event()(name)[0]), {"message_id": name} | properties)


def _binary(name: str) -> tuple[bytes, dict[str, Any]]:
    attributes = {"specversion": "1.0", "id": name, "source": "/mairie/13900", "type": REQUEST_LISTE_EXPORT}
    headers = {f"cloudEvents:{key}": value for key, value in attributes.items()}
    return json.dumps(DATA).encode(), {"headers": headers, "content_type": "application/json"}


def _batch(name: str) -> tuple[bytes, dict[str, Any]]:
    return b"[" + _event()(name)[0] + b"]", {"content_type": "application/cloudevents-batch+json"}


_BASE64 = base64.b64encode(json.dumps(DATA).encode()).decode()

MISTAKES: dict[str, tuple[Make, str, str]] = {
    # what CloudEvents 1.0 allows
    "no time": (_event("time"), ACCEPTED, ""),
    "time null": (_event(time=None), ACCEPTED, ""),
    "time with a fraction": (_event(time="2026-11-25T08:30:00.123456789Z"), ACCEPTED, ""),
    "time in small letters": (_event(time="2026-11-25t08:30:00z"), ACCEPTED, ""),
    "no datacontenttype": (_event("datacontenttype"), ACCEPTED, ""),
    "parameters of the media type": (_event(datacontenttype="application/json; charset=utf-8"), ACCEPTED, ""),
    "media type in capitals": (_event(datacontenttype="Application/JSON"), ACCEPTED, ""),
    "another media type of JSON": (_event(datacontenttype="application/vnd.mairie+json"), ACCEPTED, ""),
    "data in base64": (_event("data", data_base64=_BASE64), ACCEPTED, ""),
    "an id of any Unicode": (_event(id=OTHER_ID), ACCEPTED, ""),
    "extensions": (_event(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ACCEPTED, ""),
    "a subject and a schema": (_event(subject="listes", dataschema="https://example.org/s"), ACCEPTED, ""),
    "spaces and line breaks": (_as(lambda body: json.dumps(json.loads(body), indent=4).encode()), ACCEPTED, ""),
    "escaped Unicode": (_as(lambda body: json.dumps(json.loads(body)).encode()), ACCEPTED, ""),
    "the names of the REU": (_data(listes=["LCE"]), ACCEPTED, ""),
    "no specversion": (_event("specversion"), ACCEPTED, ""),
    # another way of sending
    "binary mode": (_binary, "mode_binaire", ""),
    "batch mode": (_batch, "mode_lot", ""),
    "gzip": (_as(gzip.compress, content_encoding="gzip"), "compresse", ""),
    "gzip that does not say so": (_as(gzip.compress), "compresse", ""),
    "a byte order mark": (_as(lambda body: b"\xef\xbb\xbf" + body), "bom", ""),
    "UTF-16": (_as(lambda body: body.decode().encode("utf-16")), "bom", ""),
    "latin-1": (_as(lambda body: body.replace(b'"data"', '"é": 1, "data"'.encode("latin-1"))), "utf8", ""),
    "JSON in a JSON text": (_as(lambda body: json.dumps(body.decode()).encode()), "not_an_object", ""),
    "the data alone": (_as(lambda _: json.dumps(DATA).encode()), "attribute_name", ""),
    "a form": (_as(lambda _: b"commune=13900&listes=P"), "json", ""),
    "XML": (_as(lambda _: b"<event/>"), "json", ""),
    "an empty body": (_as(lambda _: b""), "json", ""),
    "a comma too many": (_as(lambda body: body[:-1] + b",}"), "json", ""),
    "NaN": (_as(lambda body: body[:-1] + b', "note": NaN}'), "json_number", ""),
    "a name twice": (_as(lambda body: body[:-1] + b', "source": "/b"}'), "json_twice", ""),
    # the envelope
    "PHP's date": (_event(time="2026-11-25 08:30:00"), "time_separator", "time"),
    "PHP's ISO 8601": (_event(time="2026-11-25T08:30:00+0100"), "time_offset_colon", "time"),
    "Java's local date": (_event(time="2026-11-25T08:30:00.123"), "time_offset", "time"),
    "Java's zoned date": (_event(time="2026-11-25T08:30:00+01:00[Europe/Paris]"), "time_zone_name", "time"),
    "minutes without seconds": (_event(time="2026-11-25T08:30Z"), "time_seconds", "time"),
    "a time as a number": (_event(time=1_795_595_400), "time_type", "time"),
    "a French date": (_event(time="25/11/2026 08:30"), "time_format", "time"),
    "an integer id": (_event(id=41), "string_type", "id"),
    "no id, but a message_id": (lambda name: (_event("id")(name)[0], {"message_id": name}), "missing", "id"),
    "no source": (_event("source"), "missing", "source"),
    "a name with capitals": (_event(correlationId="x"), "attribute_name", ""),
    "another specversion": (_event(specversion="0.3"), "literal_error", "specversion"),
    "another media type": (_event(datacontenttype="text/xml"), "media_type", "datacontenttype"),
    "data as a text": (_event(data=json.dumps(DATA)), "dict_type", "data"),
    "no data": (_event("data"), "missing", "data"),
    "base64 that is none": (_event("data", data_base64="%%%"), "data_base64", ""),
    "data twice": (_event(data_base64=_BASE64), "data_twice", ""),
    # the data
    "a postal number": (_data(commune=13900), "string_type", "data.commune"),
    "a département": (_data(commune="13"), "value_error", "data.commune"),
    "one list, not in a list": (_data(listes="P"), "list_type", "data.listes"),
    "a format in capitals": (_data(formats=["CSV"]), "enum", "data.formats.0"),
    "a name of elsewhere": (_data(requestedBy="moi"), "extra_forbidden", "data.requestedBy"),
    "nobody who asks": (_event(data={"commune": "13900"}), "missing", "data.requested_by"),
    "a French day": (_tableaux(scrutin="11/04/2027"), "value_error", "data.scrutin"),
    "a day of Java": (_tableaux(scrutin=[2027, 4, 11]), "value_error", "data.scrutin"),
    "a day as a moment": (_tableaux(scrutin="2027-04-11T00:00:00Z"), "value_error", "data.scrutin"),
    "another type in the body": (_event(type="fr.mairie.liste"), "type_inconnu", "type"),
}


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


def test_every_mistake_is_answered_with_the_true_reason(town: Town) -> None:
    town.start_worker()
    town.start_notifier()
    called = {_called(name): name for name in MISTAKES}
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("listener")
        for event_type in (EVENT_REQUEST_ACCEPTED, EVENT_REQUEST_REFUSED):
            channel.queue_bind("listener", EXCHANGE, event_type)
        for name, (make, _, _) in MISTAKES.items():
            body, properties = make(name)
            key = REQUEST_LISTE_EXPORT + (BULK_SUFFIX if name == "a French date" else "")
            channel.basic_publish(EXCHANGE, key, body, _properties(properties), mandatory=True)
    answers: dict[str, CloudEvent] = {}

    def is_answered() -> bool:
        for _, body in town.queue("listener"):
            answer = CloudEvent.from_bytes(body)
            answers.setdefault(called[answer.data["request"]["id"]], answer)
        return answers.keys() == MISTAKES.keys()

    try:
        wait_until(is_answered, message="an answer to each")
    finally:
        assert MISTAKES.keys() - answers.keys() == set(), "not answered"
    said = {name: _said(answer) for name, answer in answers.items()}
    assert {name: it for name, it in said.items() if MISTAKES[name][1:] not in it} == {}
    assert town.queue("requests.XQ") == []


def _properties(changes: dict[str, Any]) -> pika.BasicProperties:
    properties: dict[str, Any] = {"content_type": CONTENT_TYPE, "delivery_mode": 2} | changes
    return pika.BasicProperties(**properties)


def _called(name: str) -> str:
    return {"an id of any Unicode": OTHER_ID, "an integer id": "41"}.get(name, name)


def _said(answer: CloudEvent) -> list[tuple[str, str]]:
    if answer.type == EVENT_REQUEST_ACCEPTED:
        return [(ACCEPTED, "")]
    assert answer.data["reason"]
    assert all(fault["message"] for fault in answer.data["errors"])
    return [(fault["code"], fault["field"]) for fault in answer.data["errors"]]


def test_an_event_that_is_put_right_may_be_sent_under_its_id(town: Town) -> None:
    town.start_worker()
    wrong, right = (make("the same")[0] for make in (_event(time="2026-11-25 08:30:00"), _event()))
    for body in (wrong, wrong, right, right, wrong):
        town.publish(body, REQUEST_LISTE_EXPORT)
    wait_until(lambda: len(town.rows("SELECT request_id FROM demandes")) == 2, message="both requests")
    wait_until(lambda: not town.queue("requests"), message="the copies")
    outcomes = town.rows("SELECT outcome, code, source FROM demandes ORDER BY request_id")
    assert [(row["outcome"], row["code"]) for row in outcomes] == [("refused", "evenement_illisible"), ("accepted", "")]
    assert UNKNOWN not in {row["source"] for row in outcomes}
