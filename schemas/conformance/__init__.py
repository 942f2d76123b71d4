"""Valid and invalid events of producers, each with the expected reply.

`cases.json` in this folder is for other teams, in any language; the tests publish each case to a worker.
"""

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

from schemas.topology import (
    BULK_SUFFIX,
    CONTENT_TYPE,
    EVENT_REQUEST_STATUS,
    EXCHANGE,
    REQUEST_LISTE_EXPORT,
    REQUEST_REGISTRE_CORRECTION,
    REQUEST_TABLEAUX_RENDER,
    REQUEST_TYPES,
)

ACCEPTED = ""
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_OTHER_ID = "déjà-vu № 7 ⚑ 東京"
_BY = {"requested_by": "mairie-libreville"}
_DATA: dict[str, Any] = {"commune": "13900", "listes": ["CE"], "formats": ["csv"]} | _BY
_TABLEAUX: dict[str, Any] = {"commune": "13900", "listes": ["P"], "types": ["vingt_jours"]} | _BY
_CORRECTION: dict[str, Any] = {"commune": "13900", "import_id": 12, "act": "undo"} | _BY
_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "source": "/mairie/13900",
    "type": REQUEST_LISTE_EXPORT,
    "time": "2026-11-25T08:30:00Z",
    "datacontenttype": "application/json",
    "data": _DATA,
}

Make = Callable[[str], tuple[bytes, dict[str, Any]]]
"""Maps the name of a case, also its id, to a body and to the AMQP properties that differ from the usual ones."""


def _with(*without: str, **changes: Any) -> Make:  # noqa: ANN401 — JSON
    def make(name: str) -> tuple[bytes, dict[str, Any]]:
        fields = {"id": name} | _EVENT | changes
        kept = {key: it for key, it in fields.items() if key not in without}
        return json.dumps(kept, ensure_ascii=False).encode(), {}

    return make


def _data(**changes: Any) -> Make:  # noqa: ANN401 — JSON
    return _with(data=_DATA | changes)


def _tableaux(**changes: Any) -> Make:  # noqa: ANN401 — JSON
    return _with(type=REQUEST_TABLEAUX_RENDER, data=_TABLEAUX | {"scrutin": "2027-04-11"} | changes)


def _correction(**changes: Any) -> Make:  # noqa: ANN401 — JSON
    return _with(type=REQUEST_REGISTRE_CORRECTION, data=_CORRECTION | changes)


def _as(change: Callable[[bytes], bytes], **properties: Any) -> Make:  # noqa: ANN401 — AMQP
    """Return the event with changed bytes and these AMQP properties."""
    return lambda name: (change(_with()(name)[0]), {"message_id": name} | properties)


def _binary(name: str) -> tuple[bytes, dict[str, Any]]:
    attributes = {"specversion": "1.0", "id": name, "source": "/mairie/13900", "type": REQUEST_LISTE_EXPORT}
    headers = {f"cloudEvents:{key}": value for key, value in attributes.items()}
    return json.dumps(_DATA).encode(), {"headers": headers, "content_type": "application/json"}


def _batch(name: str) -> tuple[bytes, dict[str, Any]]:
    return b"[" + _with()(name)[0] + b"]", {"content_type": "application/cloudevents-batch+json"}


def _gzip(body: bytes) -> bytes:
    """Compress into one stored block (RFC 1951, 3.2.4): the same bytes for every zlib version."""
    size = len(body)
    block = b"\x01" + struct.pack("<HH", size, size ^ 0xFFFF) + body
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block + struct.pack("<II", zlib.crc32(body), size)


_BASE64 = base64.b64encode(json.dumps(_DATA).encode()).decode()

_CASES: dict[str, tuple[Make, str, str]] = {
    # allowed by CloudEvents 1.0
    "no time": (_with("time"), ACCEPTED, ""),
    "time null": (_with(time=None), ACCEPTED, ""),
    "time with a fraction": (_with(time="2026-11-25T08:30:00.123456789Z"), ACCEPTED, ""),
    "time in small letters": (_with(time="2026-11-25t08:30:00z"), ACCEPTED, ""),
    "no datacontenttype": (_with("datacontenttype"), ACCEPTED, ""),
    "parameters of the media type": (_with(datacontenttype="application/json; charset=utf-8"), ACCEPTED, ""),
    "media type in capitals": (_with(datacontenttype="Application/JSON"), ACCEPTED, ""),
    "another media type of JSON": (_with(datacontenttype="application/vnd.mairie+json"), ACCEPTED, ""),
    "data in base64": (_with("data", data_base64=_BASE64), ACCEPTED, ""),
    "an id of any Unicode": (_with(id=_OTHER_ID), ACCEPTED, ""),
    "extensions": (_with(traceparent=_TRACE, priority=3, urgent=True), ACCEPTED, ""),
    "a subject and a schema": (_with(subject="listes", dataschema="https://example.org/s"), ACCEPTED, ""),
    "spaces and line breaks": (_as(lambda body: json.dumps(json.loads(body), indent=4).encode()), ACCEPTED, ""),
    "escaped Unicode": (_as(lambda body: json.dumps(json.loads(body)).encode()), ACCEPTED, ""),
    "the names of the REU": (_data(listes=["LCE"]), ACCEPTED, ""),
    "no specversion": (_with("specversion"), ACCEPTED, ""),
    # allowed by the contract
    "as the contract has it": (_with(), ACCEPTED, ""),
    "null for what may be absent": (_data(listes=None, formats=None, bulk=None), ACCEPTED, ""),
    "a list twice": (_data(listes=["CE", "LCE"]), ACCEPTED, ""),
    "progress asked for": (_data(progress=True), ACCEPTED, ""),
    "tableaux": (_tableaux(reunion="2027-01-15"), ACCEPTED, ""),
    # other encodings and modes
    "binary mode": (_binary, "mode_binaire", ""),
    "batch mode": (_batch, "mode_lot", ""),
    "gzip": (_as(_gzip, content_encoding="gzip"), "compresse", ""),
    "gzip that does not say so": (_as(_gzip), "compresse", ""),
    "a byte order mark": (_as(lambda body: b"\xef\xbb\xbf" + body), "bom", ""),
    "UTF-16": (_as(lambda body: b"\xff\xfe" + body.decode().encode("utf-16-le")), "bom", ""),
    "latin-1": (_as(lambda body: body.replace(b'"data"', '"é": 1, "data"'.encode("latin-1"))), "utf8", ""),
    "JSON in a JSON text": (_as(lambda body: json.dumps(body.decode()).encode()), "not_an_object", ""),
    "the data alone": (_as(lambda _: json.dumps(_DATA).encode()), "attribute_name", ""),
    "a form": (_as(lambda _: b"commune=13900&listes=P"), "json", ""),
    "XML": (_as(lambda _: b"<event/>"), "json", ""),
    "an empty body": (_as(lambda _: b""), "json", ""),
    "a comma too many": (_as(lambda body: body[:-1] + b",}"), "json", ""),
    "NaN": (_as(lambda body: body[:-1] + b', "note": NaN}'), "json_number", ""),
    "a name twice": (_as(lambda body: body[:-1] + b', "source": "/b"}'), "json_twice", ""),
    # the envelope
    "PHP's date": (_with(time="2026-11-25 08:30:00"), "time_separator", "time"),
    "PHP's ISO 8601": (_with(time="2026-11-25T08:30:00+0100"), "time_offset_colon", "time"),
    "Java's local date": (_with(time="2026-11-25T08:30:00.123"), "time_offset", "time"),
    "Java's zoned date": (_with(time="2026-11-25T08:30:00+01:00[Europe/Paris]"), "time_zone_name", "time"),
    "minutes without seconds": (_with(time="2026-11-25T08:30Z"), "time_seconds", "time"),
    "a time as a number": (_with(time=1_795_595_400), "time_type", "time"),
    "a French date": (_with(time="25/11/2026 08:30"), "time_format", "time"),
    "an integer id": (_with(id=41), "string_type", "id"),
    "no id, but a message_id": (lambda name: (_with("id")(name)[0], {"message_id": name}), "missing", "id"),
    "no source": (_with("source"), "missing", "source"),
    "a name with capitals": (_with(correlationId="x"), "attribute_name", ""),
    "another specversion": (_with(specversion="0.3"), "literal_error", "specversion"),
    "another media type": (_with(datacontenttype="text/xml"), "media_type", "datacontenttype"),
    "data as a text": (_with(data=json.dumps(_DATA)), "dict_type", "data"),
    "no data": (_with("data"), "missing", "data"),
    "base64 that is none": (_with("data", data_base64="%%%"), "data_base64", ""),
    "data twice": (_with(data_base64=_BASE64), "data_twice", ""),
    # the data
    "a postal number": (_data(commune=13900), "string_type", "data.commune"),
    "a département": (_data(commune="13"), "value_error", "data.commune"),
    "one list, not in a list": (_data(listes="P"), "list_type", "data.listes"),
    "a number for a list": (_data(listes=["02"]), "enum", "data.listes.0"),
    "null for what must be there": (_data(requested_by=None), "string_type", "data.requested_by"),
    "a word for yes": (_data(progress="true"), "bool_type", "data.progress"),
    "a format in capitals": (_data(formats=["CSV"]), "enum", "data.formats.0"),
    "a name of elsewhere": (_data(requestedBy="moi"), "extra_forbidden", "data.requestedBy"),
    "nobody who asks": (_with(data={"commune": "13900"}), "missing", "data.requested_by"),
    "no poll": (_tableaux(scrutin=None), "value_error", "data"),
    "a French day": (_tableaux(scrutin="11/04/2027"), "value_error", "data.scrutin"),
    "a day of Java": (_tableaux(scrutin=[2027, 4, 11]), "value_error", "data.scrutin"),
    "a day as a moment": (_tableaux(scrutin="2027-04-11T00:00:00Z"), "value_error", "data.scrutin"),
    "another day, and not which": (_correction(act="redate"), "value_error", "data"),
    "an act of elsewhere": (_correction(act="delete"), "literal_error", "data.act"),
    "another type in the body": (_with(type="fr.mairie.liste"), "cle_de_routage", "type"),
}

_OTHER_IDS = {"an id of any Unicode": _OTHER_ID, "an integer id": "41"}
_OF_A_BATCH = "a French date"
_UNREADABLE, _INVALID = "evenement_illisible", "demande_invalide"


def conformance_cases() -> dict[str, Any]:
    """Return all cases as one JSON document; a body that is not UTF-8 is in base64."""
    return {"exchange": EXCHANGE, "cases": [_case(name, *case) for name, case in _CASES.items()]}


def _case(name: str, make: Make, code: str, field: str) -> dict[str, Any]:
    body, properties = make(name)
    answer: dict[str, Any] = {"type": EVENT_REQUEST_STATUS, "request_id": _OTHER_IDS.get(name, name)}
    answer["status"] = "accepted"
    if code != ACCEPTED:
        answer |= {
            "status": "refused",
            "code": _INVALID if field.startswith("data.") or code == "value_error" else _UNREADABLE,
            "errors": [{"field": field, "code": code}],
        }
    return {
        "name": name,
        "routing_key": "{account}." + _key(body) + (BULK_SUFFIX if name == _OF_A_BATCH else ""),
        "properties": {"content_type": CONTENT_TYPE, "delivery_mode": 2} | properties,
        **_text(body),
        "answer": answer,
    }


def _key(body: bytes) -> str:
    """Return the event type of the body if it is known, else the type of a list export."""
    try:
        event = json.loads(body)
    except ValueError:
        return REQUEST_LISTE_EXPORT
    named = event.get("type") if isinstance(event, dict) else None
    return named if named in REQUEST_TYPES else REQUEST_LISTE_EXPORT


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8", "strict")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
