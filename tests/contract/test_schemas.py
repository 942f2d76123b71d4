"""The contract between producers and workers: models, generated files and queues agree."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from schemas import declarations, events, requests, topology
from schemas.__main__ import main
from schemas.checking import find_faults
from schemas.envelope import CloudEvent
from schemas.file_state import FileState
from schemas.generate import MODELS, ROOT
from schemas.http import (
    BATCHES_PATH,
    EVENTS_PATH,
    FILE_PATH,
    OPENAPI_PATH,
    REQUEST_PATH,
    REQUESTS_PATH,
    Problem,
)
from schemas.vocabulary import FORMATS

TYPES = (*topology.REQUEST_TYPES, *topology.EVENT_TYPES)


def _load(folder: str, event_type: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / folder / f"{event_type}.json").read_text("utf-8"))
    return document


def _validator(event_type: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        _load("json", event_type), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def _model_of(event_type: str) -> type[BaseModel]:
    (model,) = [model for model in MODELS if getattr(model, "EVENT_TYPE", None) == event_type]
    return model


def _types_in(module: object) -> set[str]:
    return {value.EVENT_TYPE for value in vars(module).values() if hasattr(value, "EVENT_TYPE")}


def test_the_committed_files_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_page_of_fields_has_each_field_in_bold_if_it_is_required(
    model: type[BaseModel],
) -> None:
    page = (ROOT / "fields.md").read_text("utf-8")
    section = page.partition(f"## `{model.__name__}`\n")[2].partition("\n## ")[0]
    heads = [
        re.split(r" \(|: \[above", line)[0]
        for line in section.splitlines()
        if line.startswith("- ")
    ]
    listed = re.findall(r"(\*\*)?`(\w+)`", " ".join(heads))
    assert {name: bool(bold) for bold, name in listed} == {
        name: field.is_required() for name, field in model.model_fields.items()
    }


def test_requests_and_events_are_told_apart_by_their_type() -> None:
    assert _types_in(requests) | _types_in(declarations) == set(topology.REQUEST_TYPES)
    assert _types_in(declarations) == {topology.REQUEST_DECLARATION}
    assert _types_in(events) == set(topology.EVENT_TYPES)
    assert sorted(_model_of(event_type).__name__ for event_type in TYPES) == sorted(
        m.__name__ for m in MODELS
    )
    assert all(
        re.fullmatch(r"fr\.openelec\.prefecture\.(request|event)\.[a-z_]+\.v1", name)
        for name in TYPES
    )


@pytest.mark.parametrize("event_type", TYPES)
def test_an_example_follows_its_schema_and_its_model(event_type: str) -> None:
    example = _load("examples", event_type)
    jsonschema.Draft202012Validator.check_schema(_load("json", event_type))
    assert [error.message for error in _validator(event_type).iter_errors(example)] == []
    event = CloudEvent.from_bytes(json.dumps(example).encode())
    data = _model_of(event_type).model_validate(event.data)
    assert event.type == event_type
    assert data.model_dump(mode="json", exclude_unset=True) == example["data"]


@pytest.mark.parametrize("event_type", TYPES)
@pytest.mark.parametrize(
    "change",
    [
        {"type": "fr.openelec.prefecture.request.other.v1"},
        {"specversion": "0.3"},
        {"source": ""},
        {"time": "2026-11-25 08:30:00"},
        {"datacontenttype": "text/xml"},
        {"data": None},
        {"data": {}},
    ],
    ids=str,
)
def test_a_schema_refuses_what_is_not_of_the_contract(
    event_type: str, change: dict[str, Any]
) -> None:
    assert not _validator(event_type).is_valid(_load("examples", event_type) | change)


@pytest.mark.parametrize("event_type", TYPES)
def test_what_is_sent_to_us_is_strict_and_what_we_say_is_open(event_type: str) -> None:
    """Later versions add fields to our events: a validator of today must accept them."""
    example = _load("examples", event_type)
    inner = {name: it | {"more": 1} for name, it in example["data"].items() if isinstance(it, dict)}
    is_said = event_type in topology.EVENT_TYPES
    for data in (example["data"] | {"couleur": []}, example["data"] | inner):
        if data != example["data"]:
            assert _validator(event_type).is_valid(example | {"data": data}) is is_said
            assert _is_valid(event_type, data) is is_said
    assert _validator(event_type).is_valid(example | {"subject": "listes"}), (
        "an extension of CloudEvents"
    )
    assert not _validator(event_type).is_valid(example | {"correlationId": "x"}) or is_said


def _is_valid(event_type: str, data: dict[str, Any]) -> bool:
    try:
        _model_of(event_type).model_validate(data)
    except ValidationError:
        return False
    return True


def _schemas_within(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 — decoded JSON
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        yield from _schemas_within(inner)


def test_a_generator_of_code_finds_each_name_once() -> None:
    """The envelope and its data are two types; a scalar has no name of its own."""
    titles: Counter[str] = Counter()
    for event_type in TYPES:
        schema = _load("json", event_type)
        assert schema["$id"] == f"https://prefecture.openelec.fr/schemas/{event_type}.json"
        titles.update([schema["title"], schema["properties"]["data"]["title"]])
        named = {it["title"] for it in _schemas_within(schema) if isinstance(it.get("title"), str)}
        assert named == {
            schema["title"],
            schema["properties"]["data"]["title"],
            *schema.get("$defs", ()),
        }
    assert set(titles.values()) == {1}


@pytest.mark.parametrize(
    "change",
    [
        *({"commune": code} for code in ("../etc", "1390", "")),
        *({"listes": []}, {"listes": ["Q"]}, {"formats": ["pdf"]}, {"formats": []}),
        *({"requested_by": name} for name in ("", "a\nb", "<b>", "x" * 101)),
    ],
    ids=str,
)
def test_the_schema_of_the_request_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    _assert_refused_by_both(topology.REQUEST_LISTE_EXPORT, change)


@pytest.mark.parametrize(
    "change",
    [
        *({"types": types} for types in (None, [], ["vingt"], "vingt_jours", ["additions"] * 11)),
        *(
            {"listes": []},
            {"listes": ["lp"]},
            {"listes": ["01"]},
            {"scrutin": None},
            {"presentations": []},
            {"presentations": ["a3"]},
            {"formats": ["pdf"]},
        ),
        {"edition": "publique"},
        *(
            {"scrutin": day}
            for day in (
                1700000000,
                "0000-00-00",
                "9999-12-31",
                "2027-02-30",
                "11/04/2027",
                "",
                True,
            )
        ),
        *({"inclure_j5": "oui"}, {"inclure_j5": 1}, {"signature_maire": 0}),
        *({"types": ["additions", "vingt_jours"], "scrutin": None, "until": "2027-03-19"},),
        *(
            {"types": [kind], "scrutin": "2027-04-11"}
            for kind in ("premier_rectificatif", "second_rectificatif")
        ),
        {"requested_by": "a\nb"},
    ],
    ids=str,
)
def test_the_schema_of_tableaux_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    _assert_refused_by_both(topology.REQUEST_TABLEAUX_RENDER, change)


def _assert_refused_by_both(event_type: str, change: dict[str, Any]) -> None:
    example = _load("examples", event_type)
    assert _validator(event_type).is_valid(example)
    with pytest.raises(ValueError, match="validation error"):
        _model_of(event_type).model_validate(example["data"] | change)
    assert not _validator(event_type).is_valid(example | {"data": example["data"] | change})


@pytest.mark.parametrize("event_type", topology.REQUEST_TYPES)
def test_what_may_be_absent_may_be_null_which_says_the_same(event_type: str) -> None:
    example, model = _load("examples", event_type), _model_of(event_type)
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    absent = {name: it for name, it in example["data"].items() if name not in optional}
    if event_type == topology.REQUEST_TABLEAUX_RENDER:
        absent |= {"scrutin": example["data"]["scrutin"]}
    null = dict.fromkeys(optional) | absent
    attributes = example | dict.fromkeys(
        ["specversion", "time", "datacontenttype", "correlationid", "causationid"]
    )
    assert _validator(event_type).is_valid(attributes | {"data": null})
    CloudEvent.from_bytes(json.dumps(attributes).encode())
    assert model.model_validate(null) == model.model_validate(absent)
    for name in set(absent) - {"scrutin"}:
        assert not _validator(event_type).is_valid(
            example | {"data": example["data"] | {name: None}}
        )
        assert not _is_valid(event_type, example["data"] | {name: None})


TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "a=1,b=2",
}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, ("traceparent", "tracestate")),
        *(
            ({"traceparent": it}, ())
            for it in ("", "00-1", 7, TRACE["traceparent"].upper(), f"00-{'0' * 32}-{'1' * 16}-01")
        ),
        ({"traceparent": None}, ()),
        *(({"tracestate": it}, ("traceparent",)) for it in ("é", "a\nb", "x" * 513, None)),
    ],
    ids=str,
)
def test_a_trace_that_can_be_followed_is_kept_and_another_dropped(
    changes: dict[str, Any], kept: tuple[str, ...]
) -> None:
    """No request is refused because of its trace: W3C Trace Context, section 4.3."""
    event = CloudEvent.from_bytes(
        json.dumps(_load("examples", topology.REQUEST_CANCEL) | TRACE | changes).encode()
    )
    found = event.model_dump(include=set(TRACE), exclude_none=True)
    assert found == {name: TRACE[name] for name in kept}


_COPY = {"demandeur": "Camille EXEMPLE", "qualite": "carte", "recue_on": "2026-11-25"}
_OF_A_COPY: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"copie": _COPY, "listes": ["P"]}, True),
    ({"copie": _COPY, "listes": ["P", "P"]}, True),
    ({"copie": _COPY, "listes": ["P", "CE"]}, False),
    ({"copie": _COPY}, False),
    ({"copie": _COPY | {"refus": "Pas électeur."}, "listes": ["P"]}, False),
    ({"copie": _COPY | {"demandeur": " "}, "listes": ["P"]}, False),
    ({"copie": {"numero": 1}, "listes": ["P"]}, False),
    ({"copie": {"numero": 1, "refus": "Pas électeur."}, "listes": ["P"]}, True),
    ({"copie": _COPY | {"accept_old_register": "yes"}, "listes": ["P"]}, False),
)
_MEETING = {"kind": "reunion", "jour": "2026-11-20"}
_OF_TEXTS: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"kind": "mairie", "voie": "1 rue\u001b"}, False),
    ({"kind": "mairie", "voie": "\u000b1 rue"}, False),
    ({"kind": "mairie", "voie": "1 rue\r"}, False),
    ({"kind": "mairie", "voie": " 1 rue,\r\n\tbâtiment A\n"}, True),
    ({"kind": "scrutin", "jour": "2027-03-14", "libelle": " \n"}, False),
    (_MEETING | {"reason": " \n"}, True),
    (_MEETING | {"reason": "a. b."}, False),
    (_MEETING | {"reason": "a. b. c."}, True),
    ({"jour": "2026-11-20"}, False),
    (_MEETING | {"liste": "CE"}, True),
    ({"kind": "protection", "electeur": 41.0}, True),
    ({"kind": "protection", "electeur": 41.5}, False),
    ({"kind": "protection", "electeur": True}, False),
    ({"kind": "protection", "electeur": 0}, False),
    ({"kind": "protection", "electeur": 2**53}, False),
    (_MEETING | {"liste": "LCE"}, False),
)


@pytest.mark.parametrize(
    ("event_type", "data", "is_valid"),
    [(topology.REQUEST_LISTE_EXPORT, data, is_valid) for data, is_valid in _OF_A_COPY]
    + [(topology.REQUEST_DECLARATION, {"note": note}, is_valid) for note, is_valid in _OF_TEXTS],
)
def test_a_schema_says_what_the_model_checks(
    event_type: str, data: dict[str, Any], *, is_valid: bool
) -> None:
    data = {"commune": "13900", "requested_by": "mairie"} | data
    event = _load("examples", event_type) | {"data": data}
    assert _validator(event_type).is_valid(event) is _is_valid(event_type, data) is is_valid


def test_the_document_of_the_door_takes_a_malformed_trace_and_null() -> None:
    """It is dropped, and no fault: a generated client must not refuse to send it."""
    document = json.loads((ROOT / "openapi.json").read_bytes())
    sent = {"$ref": "#/components/schemas/SentEvent", "components": document["components"]}
    event = _load("examples", topology.REQUEST_CANCEL) | {"traceparent": 1, "tracestate": {}}
    event |= {"correlationid": None, "specversion": None}
    assert jsonschema.Draft202012Validator(sent).is_valid(event)
    faulty: tuple[dict[str, Any], ...] = {"data": {}}, {"correlationId": "x"}
    for wrong in faulty:
        assert not jsonschema.Draft202012Validator(sent).is_valid(event | wrong)


CASES = {
    case["name"]: case
    for case in json.loads((ROOT / "conformance" / "cases.json").read_bytes())["cases"]
}


def _body(case: dict[str, Any]) -> bytes:
    return (
        base64.b64decode(case["body_base64"])
        if "body_base64" in case
        else str(case["body"]).encode()
    )


@pytest.mark.parametrize("name", CASES)
def test_the_kit_says_offline_what_a_worker_answers(name: str) -> None:
    case = CASES[name]
    properties = {
        it: case["properties"].get(it)
        for it in ("headers", "content_type", "content_encoding", "expiration")
    }
    faults = find_faults(_body(case), **{it: value for it, value in properties.items() if value})
    expected = [(it["field"], it["code"]) for it in case["answer"].get("errors", ())]
    if name == "another type in the body":  # the routing key is not known offline
        expected = [("/type", "type_inconnu")]
    assert {(fault.pointer, fault.code) for fault in faults} >= set(expected)
    assert bool(faults) == bool(expected)


@pytest.mark.parametrize("name", CASES)
def test_the_kit_and_the_schemas_agree_except_where_the_kit_says_so(name: str) -> None:
    answer = CASES[name]["answer"]
    try:
        event = json.loads(_body(CASES[name]))
        is_valid = _validator(event["type"]).is_valid(event)
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        is_valid = False
    assert is_valid == ((answer["status"] == "accepted") != answer.get("schema_differs", False))


def test_validate_says_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ROOT / "examples" / f"{topology.REQUEST_LISTE_EXPORT}.json"
    assert main(["validate", str(good)]) == 0
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xef\xbb\xbf" + good.read_bytes())
    assert main(["validate", str(good), str(bad)]) == 1
    assert main(["validate", str(tmp_path / "none")]) == main(["validate"]) == 2
    said = capsys.readouterr()
    assert said.out.count(f"{good} : valide\n") == 2
    assert f"{bad} : l'événement commence par une marque d'ordre des octets (BOM)" in said.out
    assert "[bom]" in said.out


def test_what_is_no_json_has_a_position() -> None:
    bodies = b'{"id": "1",\n "source": \'/x\'}', b'{"id": "\xff"}'
    said = [find_faults(body)[0].message.rpartition("à l")[2] for body in bodies]
    assert said == ["a ligne 2, colonne 12", "'octet 9"]


@pytest.mark.parametrize("event_type", TYPES)
def test_each_event_type_has_a_channel_a_direction_and_a_payload(event_type: str) -> None:
    document = json.loads((ROOT / "asyncapi.json").read_text("utf-8"))
    (name,) = [
        name
        for name, channel in document["channels"].items()
        if channel["address"]
        .removeprefix("programs.{account}.")
        .split("{")[0]
        .rstrip(".")
        .removesuffix(".account")
        == event_type
    ]
    channel = document["channels"][name]
    (operation,) = [
        it
        for it in document["operations"].values()
        if it["channel"] == {"$ref": f"#/channels/{name}"}
    ]
    (reference,) = channel["messages"].values()
    message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
    assert message["examples"][0]["payload"] == _load("examples", event_type)
    assert ("reply" in operation) == (event_type in topology.REQUEST_TYPES)
    assert operation["action"] == ("receive" if event_type in topology.REQUEST_TYPES else "send")
    assert channel["bindings"]["amqp"]["exchange"]["name"] == topology.EXCHANGE
    assert (ROOT / message["payload"]["$ref"]).read_text("utf-8") == (
        ROOT / "json" / f"{event_type}.json"
    ).read_text("utf-8")


def test_the_openapi_document_has_the_paths_and_the_formats_of_the_files() -> None:
    document = json.loads((ROOT / "openapi.json").read_text("utf-8"))
    paths = document["paths"]
    assert paths.keys() == {
        *(FILE_PATH, EVENTS_PATH, BATCHES_PATH, REQUESTS_PATH, REQUEST_PATH, OPENAPI_PATH)
    }
    problem = Problem.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schemas = problem.pop("$defs") | {"Problem": problem}
    assert document["components"]["schemas"] | schemas == document["components"]["schemas"]
    assert document["components"]["schemas"]["FileState"]["enum"] == [*FileState]
    sent = document["components"]["schemas"]["SentEvent"]["oneOf"]
    assert len(sent) == len(topology.REQUEST_TYPES)
    for status in ("200", "206"):
        content = paths[FILE_PATH]["get"]["responses"][status]["content"]
        assert content.keys() == {record.media_type for record in FORMATS.values()}


@pytest.mark.parametrize(
    ("queue", "lane"), [("requests", "people"), ("requests-programs", "programs")]
)
def test_every_request_type_of_any_account_is_bound_to_the_queue_of_its_lane(
    queue: str, lane: str
) -> None:
    types = (*topology.REQUEST_TYPES, topology.SCREEN_NOTE)
    assert topology.request_bindings(queue) == [f"{lane}.*.{it}" for it in types]


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        *(
            ("compta", True),
            ("mairie-13055", True),
            ("mairie_2", True),
            ("france", True),
            ("x" * 60, True),
        ),
        *(
            ("fr", True),
            ("mairie.13055", False),
            ("*", False),
            ("#", False),
            ("é", False),
            ("", False),
        ),
        *(("a\n", False), ("x" * 61, False)),
    ],
)
def test_an_account_is_one_word_of_a_routing_key(name: str, *, is_it: bool) -> None:
    assert topology.is_account(name) is is_it
