"""The reference of events in Markdown, for people: every field with its type, from the JSON Schemas."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

_INTRODUCTION = """\
# Events and their fields

`python -m schemas write` makes this page from the models; the JSON Schemas also have lengths and patterns. Fields in
bold are required. What holds for all events is in [README.md](README.md).

"""
_MOST_CODES = 20
"""A type of more codes than this is only called a text."""
_WORDS = {"string": "text"}


def write_fields(envelope: Schema, events: Mapping[str, Schema]) -> str:
    """Return the page: the envelope, the data of each event, then the objects in them.

    `events` has the JSON Schema of each event by its type. A field that several objects have is described once.
    """
    objects: dict[str, Schema] = {}
    codes: dict[str, Schema] = {}
    for event in events.values():
        for name, schema in event.get("$defs", {}).items():
            (codes if "enum" in schema else objects)[name] = schema
    data = {event["properties"]["data"]["title"]: type_ for type_, event in events.items()}
    objects = {name: events[type_]["properties"]["data"] for name, type_ in data.items()} | dict(
        sorted(objects.items())
    )
    shared = _find_shared(objects.values())
    fields = {name: _describe(name, shared[name], codes) for name in sorted(shared)}
    parts = [_INTRODUCTION, *_list_fields("The envelope", envelope, codes, {})]
    parts.append("## Fields of several objects\n\n" + "".join(fields.values()) + "\n")
    for name, schema in objects.items():
        about = _link(data[name]) if name in data else ""
        parts += _list_fields(f"`{name}`", schema, codes, shared, about)
    return "".join(parts).rstrip() + "\n"


def _find_shared(objects: Iterable[Schema]) -> dict[str, Schema]:
    """Return the fields that two objects or more have with the same description, by name."""
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str], Schema] = {}
    for schema in objects:
        for name, field in schema["properties"].items():
            if meaning := _find_description(field):
                counts[name, meaning] += 1
                found[name, meaning] = field
    return {name: found[name, meaning] for (name, meaning), count in counts.items() if count > 1}


def _link(event_type: str) -> str:
    return f"[`{event_type}`](json/{event_type}.json) ([example](examples/{event_type}.json))\n\n"


def _list_fields(
    title: str,
    schema: Schema,
    codes: Mapping[str, Schema],
    shared: Mapping[str, Schema],
    about: str = "",
) -> Iterator[str]:
    yield f"## {title}\n\n{about}"
    if description := schema.get("description"):
        yield description + "\n\n"
    described_once = []
    for name, field in schema["properties"].items():
        is_required = name in schema.get("required", ()) or name == "kind"  # the discriminator
        written = f"**`{name}`**" if is_required else f"`{name}`"
        if name in shared and _find_description(field) == _find_description(shared[name]):
            described_once.append(written)
        else:
            yield _describe(name, field, codes, written)
    if described_once:
        yield f"- {', '.join(described_once)}: [above](#fields-of-several-objects)\n"
    yield "\n"


def _describe(name: str, field: Schema, codes: Mapping[str, Schema], written: str = "") -> str:
    meaning = _find_description(field)
    return (
        f"- {written or f'`{name}`'} ({_say_type(field, codes)})"
        + (f": {meaning}" if meaning else "")
        + "\n"
    )


def _say_type(schema: Schema, codes: Mapping[str, Schema]) -> str:
    schema = _drop_null(schema)
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in codes:
        said = _say_codes(codes[name]["enum"])
    elif name:
        said = f"[`{name}`](#{name.lower()})"
    elif "const" in schema or "enum" in schema:
        said = _say_codes(schema.get("enum", [schema.get("const")]))
    elif kinds := schema.get("anyOf", schema.get("oneOf")):
        said = _join(_say_type(it, codes) for it in kinds)
    elif schema["type"] == "array":
        said = f"list of {_say_type(schema['items'], codes)}"
    else:
        said = str(schema.get("format") or _WORDS.get(schema["type"], schema["type"]))
    return said


def _say_codes(codes: list[str]) -> str:
    named = [f"`{code}`" if code else "empty" for code in codes]
    return _join(named) if len(named) <= _MOST_CODES else "text"


def _join(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _drop_null(schema: Schema) -> Schema:
    kinds = [it for it in schema.get("anyOf", ()) if it.get("type") != "null"]
    if len(kinds) == 1:
        return dict(kinds[0])
    return {**schema, "anyOf": kinds} if kinds else schema


def _find_description(field: Schema) -> str:
    """Return the description of a field, or of the type that it has when it is not null."""
    return str(field.get("description") or _drop_null(field).get("description", ""))
