"""The contract between producers and workers: models, generated files and queues say the same thing."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from schemas import declarations, events, requests, topology
from schemas.__main__ import main
from schemas.envelope import CloudEvent
from schemas.generate import MODELS, ROOT, generated_files
from worker.messaging.broker import PrefectureBroker
from worker.writers.columns import COLUMNS, ENTETE

REPOSITORY = ROOT.parent
TYPES = (*topology.REQUEST_TYPES, *topology.EVENT_TYPES)
ORDINARY_WORDS = {"Sexe", "Prenoms", "Nationalite", "Pays"}


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


def test_a_stale_or_forgotten_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "schemas"
    for path, text in generated_files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, "utf-8")
    (folder / "json" / "forgotten.json").write_text("{}")
    monkeypatch.setattr("schemas.generate.ROOT", folder)
    monkeypatch.setattr("schemas.__main__.ROOT", folder)
    assert main(["check"]) == 1
    (folder / "json" / "forgotten.json").unlink()
    assert main(["check"]) == 0
    (folder / "asyncapi.json").write_text("{}\n")
    assert main(["check"]) == 1


def test_requests_and_events_are_told_apart_by_their_type() -> None:
    assert _types_in(requests) | _types_in(declarations) == set(topology.REQUEST_TYPES)
    assert _types_in(declarations) == set(topology.DECLARATION_TYPES)
    assert _types_in(events) == set(topology.EVENT_TYPES)
    assert sorted(_model_of(event_type).__name__ for event_type in TYPES) == sorted(m.__name__ for m in MODELS)
    assert all(re.fullmatch(r"fr\.openelec\.prefecture\.(request|event)\.[a-z_]+\.v1", name) for name in TYPES)


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
        {"time": None},
        {"datacontenttype": "text/xml"},
        {"data": None},
        {"data": {}},
        {"data": {"electeurs": []}},
    ],
    ids=str,
)
def test_a_schema_refuses_what_is_not_of_the_contract(event_type: str, change: dict[str, Any]) -> None:
    example = _load("examples", event_type)
    data = example["data"] | change["data"] if change.get("data") else change.get("data", example["data"])
    assert not _validator(event_type).is_valid(example | change | {"data": data})


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
        *({"listes": []}, {"listes": None}, {"presentations": []}, {"presentations": ["a3"]}, {"formats": ["pdf"]}),
        *({"edition": edition} for edition in (None, "publique")),
        *({"scrutin": day} for day in (1700000000, "0000-00-00", "9999-12-31", "2027-02-30", "11/04/2027", "", True)),
        *({"inclure_j5": "oui"}, {"inclure_j5": 1}, {"signature_maire": None}),
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


@pytest.mark.parametrize("event_type", [topology.REQUEST_TABLEAUX_RENDER, topology.EVENT_EXPORT_READY])
def test_a_field_without_a_value_may_be_null_and_does_not_travel(event_type: str) -> None:
    example, model = _load("examples", event_type), _model_of(event_type)
    optional = [name for name, field in model.model_fields.items() if field.default is None]
    absent = [name for name in optional if name not in example["data"]]
    data = example["data"] | dict.fromkeys(absent)
    assert len(absent) >= 2
    assert _validator(event_type).is_valid(example | {"data": data})
    event = CloudEvent.wrap(model.model_validate(data), source="/tests")  # type: ignore[arg-type]  # has its EVENT_TYPE
    assert event.data == example["data"]


@pytest.mark.parametrize("event_type", TYPES)
def test_each_event_type_has_a_channel_a_direction_and_a_payload(event_type: str) -> None:
    document = json.loads((ROOT / "asyncapi.json").read_text("utf-8"))
    (name,) = [name for name, channel in document["channels"].items() if channel["address"] == event_type]
    channel = document["channels"][name]
    (operation,) = [it for it in document["operations"].values() if it["channel"] == {"$ref": f"#/channels/{name}"}]
    (reference,) = channel["messages"].values()
    message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
    assert operation["action"] == ("receive" if event_type in topology.REQUEST_TYPES else "send")
    assert channel["bindings"]["amqp"]["exchange"]["name"] == topology.EXCHANGE
    assert (ROOT / message["payload"]["$ref"]).read_text("utf-8") == (ROOT / "json" / f"{event_type}.json").read_text(
        "utf-8"
    )


class _Channel:
    """Notes what is declared and bound."""

    def __init__(self) -> None:
        self.bound: set[tuple[str, str, str]] = set()

    def queue_declare(self, **_options: object) -> None:
        pass

    def exchange_declare(self, name: str, **options: object) -> None:
        assert (name, options) == (topology.EXCHANGE, {"exchange_type": "topic", "durable": True})

    def queue_bind(self, queue: str, exchange: str, routing_key: str) -> None:
        self.bound.add((queue, exchange, routing_key))


def test_every_request_type_is_bound_to_the_queue_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = _Channel()
    monkeypatch.setattr(PrefectureBroker, "channel", channel)
    broker = PrefectureBroker("amqp://127.0.0.1", ())
    for queue in (topology.QUEUE_REQUESTS, topology.QUEUE_LISTES, topology.QUEUE_TABLEAUX):
        broker._declare_queue(queue)  # noqa: SLF001 — what Dramatiq calls
    assert channel.bound == {(topology.QUEUE_REQUESTS, topology.EXCHANGE, name) for name in topology.REQUEST_TYPES}


def test_the_names_of_the_columns_stand_in_one_python_file() -> None:
    names = [column.name for column in COLUMNS if column not in ENTETE and column.name not in ORDINARY_WORDS]
    pattern = re.compile(rf"\b(?:{'|'.join(names)})\b")
    folders = [REPOSITORY / name for name in ("common", "schemas", "producers", "worker", "bench", "tests")]
    files = [path for folder in folders for path in folder.rglob("*.py") if pattern.search(path.read_text("utf-8"))]
    assert len(names) == 19
    assert [path.relative_to(REPOSITORY).as_posix() for path in files] == ["worker/writers/columns.py"]
