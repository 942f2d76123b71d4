"""What a sender may get wrong, or try: refused, with a reason that can be stored, logged and sent back."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.envelope import CloudEvent, InvalidEventError, describe
from schemas.generate import ROOT
from schemas.requests import ListeExportRequested
from schemas.topology import MAX_EVENT_BYTES, REQUEST_LISTE_EXPORT
from worker.messaging.encoder import PoisonError, PrefectureEncoder

GOOD = (ROOT / "examples" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8")
EVENT: dict[str, Any] = json.loads(GOOD)
SECRET = "LANTERNE-Ursule"


def _with(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode("utf-8", "surrogatepass")


def _data(**changes: object) -> bytes:
    return json.dumps(EVENT | {"data": EVENT["data"] | changes}).encode()


def _event(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode()


def _reason(body: bytes) -> str:
    """Why the body is refused, by the envelope or by the model of the request."""
    try:
        event = CloudEvent.from_bytes(body)
    except InvalidEventError as error:
        return str(error)
    with pytest.raises(ValidationError) as caught:
        ListeExportRequested.model_validate(event.data)
    assert SECRET not in str(caught.value), "what a traceback would show"
    return describe(caught.value)


def test_the_example_itself_is_accepted() -> None:
    event = CloudEvent.from_bytes(GOOD.encode())
    assert ListeExportRequested.model_validate(event.data).commune == "13900"


REFUSED = {
    "path in the commune": (_data(commune=f"../../{SECRET}"), "commune: code INSEE"),
    "absolute path": (_data(commune=f"/etc/{SECRET}"), "commune: code INSEE"),
    "NUL in the commune": (_data(commune="13900\0"), "commune: code INSEE"),
    "digits of elsewhere": (_data(commune="١٣٩٠٠"), "commune: code INSEE"),
    "département": (_data(commune="13"), "commune: code INSEE"),
    "lone surrogate": (_with('"13900"', '"\\ud800"'), "commune: code INSEE"),
    "number": (_data(commune=13900), "commune: Input should be a valid string"),
    "boolean": (_data(commune=True), "commune: Input should be a valid string"),
    "NaN": (_data(commune=float("nan")), ""),
    "deep in the data": (_with('"13900"', "[" * 200 + "]" * 200), "nested deeper than 64"),
    "unknown list": (_data(listes=[SECRET]), "listes.0: liste inconnue"),
    "no list": (_data(listes=[]), "listes: "),
    "list as text": (_data(listes=SECRET), "listes: Input should be a valid list"),
    "unknown format": (_data(formats=[SECRET]), "formats.0: Input should be 'csv' or 'xml'"),
    "unknown field": (_data(electeurs=[SECRET]), "electeurs: Extra inputs are not permitted"),
    "missing field": (_with('"commune": "13900",', ""), "commune: Field required"),
    "line break in the name": (_data(requested_by=f"{SECRET}\n"), "requested_by: String should match pattern"),
    "markup in the name": (_data(requested_by=f"<b>{SECRET}"), "requested_by: String should match pattern"),
    "long name": (_data(requested_by=SECRET * 20), "requested_by: String should have at most 100 characters"),
    "data as text": (_event(data=SECRET), "data: Input should be a valid dictionary"),
    "no data": (_event(data=None), "data: Input should be a valid dictionary"),
    "time without zone": (_event(time="2026-11-25T09:30:00"), "time: Input should have timezone info"),
    "no time": (_event(time=SECRET), "time: Input should be a valid datetime"),
    "other version": (_event(specversion=SECRET), "specversion: Input should be '1.0'"),
    "other content": (_event(datacontenttype=SECRET), "datacontenttype: Input should be 'application/json'"),
    "accents in the source": (_event(source=f"mairé{SECRET}"), "source: String should match pattern"),
    "long id": (_event(id=SECRET * 20), "id: String should have at most 200 characters"),
    "capitals in an attribute": (_event(Comment=SECRET), "attribute names are lower-case"),
    "257 KiB": (_event(comment="x" * 257 * 1024), f"{MAX_EVENT_BYTES} at most"),
    "not UTF-8": (GOOD.encode().replace(b"mairie", b"\xff\xfe"), "not UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "cut": (GOOD.encode()[:200], "not JSON"),
    "empty": (b"", "not JSON"),
    "deep everywhere": (b"[" * 100_000, "not JSON"),
    "not an object": (b"[]", "a JSON object is expected"),
    "null": (b"null", "a JSON object is expected"),
}


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_nasty_request_is_refused_without_quoting_it(body: bytes, expected: str) -> None:
    reason = _reason(body)
    assert expected in reason
    assert SECRET not in reason
    assert reason.isprintable()
    assert len(reason) < 500


@pytest.mark.parametrize("body", [body for body, _ in REFUSED.values()], ids=REFUSED)
def test_the_workers_encoder_never_raises_anything_else(body: bytes) -> None:
    try:
        shown = repr(PrefectureEncoder().decode(body))
    except PoisonError as error:
        shown = str(error)
    assert SECRET not in shown
    assert shown.isprintable()


NOT_STRICT = {
    "the same key twice": _with('"commune": "13900"', '"commune": "13900", "commune": "13055"'),
    "the same attribute twice": _with('"specversion"', f'"id": "{SECRET}", "specversion"'),
    "an integer of 5000 digits": _with('"13900"', "9" * 5_000),
    "the same list eleven times": _data(listes=["P"] * 11),
    "Infinity in an attribute": _event(comment=float("inf")),
    "NUL in the name of a field": _data(**{"a\0b": 1}),
    "line break in the name of a field": _data(**{"a\nlevel=critical": 1}),
}


@pytest.mark.parametrize("body", NOT_STRICT.values(), ids=NOT_STRICT)
def test_what_is_no_strict_json_or_no_name_is_refused(body: bytes) -> None:
    assert _reason(body).isprintable()


@pytest.mark.parametrize("inside", ["9" * 5_000, "[" * 600 + "]" * 600], ids=["long integer", "deep"])
def test_the_encoder_says_why_it_refuses(inside: str) -> None:
    with pytest.raises(PoisonError):
        PrefectureEncoder().decode(_with('"13900"', inside))
