"""An endless source of invalid messages: requests and actor calls with random contents, and random bytes."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from schemas.topology import QUEUE_LISTES, QUEUE_REQUESTS, QUEUE_TABLEAUX, REQUEST_TYPES
from tests.faults.poison import CALL, EMPTY_COMMUNE, EVENTS, SECRET, Poison, event, header, nested
from tests.unit.nasty import nasty_texts
from worker.messaging.encoder import EXPORT_LISTE, INGEST, RENDER_TABLEAU

_EVENTS, _ENVELOPES, _CALLS, _DAMAGED = 50, 65, 83, 94
"""Cumulative share of each kind in hundredths; the rest is random bytes."""

_SERIAL = "serial-number"
_ACTORS = {QUEUE_REQUESTS: INGEST, QUEUE_LISTES: EXPORT_LISTE, QUEUE_TABLEAUX: RENDER_TABLEAU}

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**18, -(10**40), 2**63, 2**31]),
    st.floats(),
    nasty_texts(surrogates=True),
    st.sampled_from([SECRET, "", "13900\n", "2027-02-30", "9999-12-31", "0001-01-01T00:00:00+14:00", "../x", "P;CE"]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty_texts(), inner, max_size=3),
    max_leaves=6,
)
_DATES = st.datetimes().map(lambda it: f"{it:%Y-%m-%dT%H:%M:%S}+14:00")
_TABLES = st.one_of(
    st.just(b""),
    st.integers(0, (1 << 64) - 1).map(lambda it: header(b"T", struct.pack(">Q", it))),
    st.integers(0, 4_000).map(nested),
    st.binary(max_size=40).map(lambda it: header(b"x", struct.pack(">I", len(it)) + it)),
    st.binary(max_size=40).map(lambda it: header(b"S", struct.pack(">I", len(it)) + it)),
    st.tuples(st.integers(0, 255), st.integers(-(1 << 31), (1 << 31) - 1)).map(
        lambda it: header(b"D", struct.pack(">Bi", *it))
    ),
)


@st.composite
def _changed(draw: st.DrawFn, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with some removed or replaced by random values; sometimes a new one."""
    changed = dict(fields)
    for _ in range(draw(st.integers(1, 3))):
        is_new = draw(st.integers(0, 9)) == 0
        name = draw(nasty_texts() if is_new else st.sampled_from(sorted(fields)))
        if draw(st.integers(0, 4)):
            changed[name] = draw(_VALUES | _DATES)
        else:
            changed.pop(name, None)
    return changed


@st.composite
def _events(draw: st.DrawFn) -> dict[str, Any]:
    """Requests with invalid data."""
    example = EVENTS[draw(st.sampled_from(REQUEST_TYPES))]
    data = example["data"] | {"requested_by": SECRET}
    data |= {"commune": EMPTY_COMMUNE} if "commune" in data else {}
    wrong: dict[str, Any] = example | {"id": _SERIAL, "data": draw(_changed(data))}
    return wrong


@st.composite
def _calls(draw: st.DrawFn) -> dict[str, Any]:
    queue, actor = draw(st.sampled_from(sorted(_ACTORS.items())))
    argument = json.loads(event(id=_SERIAL)) if actor == INGEST else 1 << 40
    options = draw(st.just({}) | st.dictionaries(st.sampled_from(["retries", "eta", "sender", "throws"]), _VALUES))
    fields = CALL | {"queue_name": queue, "actor_name": actor, "args": [argument], "options": options}
    changed: dict[str, Any] = draw(_changed(fields))
    return changed


@st.composite
def _damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were cut, changed, doubled or encoded in another way."""
    body = draw(bodies)
    place = draw(st.integers(0, len(body)))
    damages: list[Callable[[], bytes]] = [
        lambda: body[:place],
        lambda: body[:place] + draw(st.binary(min_size=1, max_size=4)) + body[place:],
        lambda: body[:place] + body[place + 1 :],
        lambda: body + body,
        lambda: b"\xef\xbb\xbf" + body,
        lambda: body.decode("utf-8").encode("utf-16"),
    ]
    return draw(st.sampled_from(damages))()


def _dump(value: Any) -> bytes:  # noqa: ANN401 — any JSON
    return json.dumps(value).encode()


@st.composite
def poisons(draw: st.DrawFn) -> Poison:
    """Requests with invalid data in the majority; invalid envelopes, actor calls, damaged bytes, and random bytes."""
    kind = draw(st.integers(0, 99))
    if kind < _EVENTS:
        body = draw(_events().map(_dump))
    elif kind < _ENVELOPES:
        body = _dump(draw(_changed(draw(_events()))))
    elif kind < _CALLS:
        fields = draw(_calls())
        body = _dump(fields)
        if kind % 4:
            right = [queue for queue in _ACTORS if queue == fields.get("queue_name")]
            return Poison(body, exchange="", routing_key=draw(st.sampled_from([*_ACTORS, *right * 3])))
    elif kind < _DAMAGED:
        body = draw(_damaged((_events() | _calls()).map(_dump)))
    else:
        body = draw(st.binary(max_size=200) | _VALUES.map(_dump))
    return Poison(body, table=draw(_TABLES), message_id=draw(st.binary(max_size=255)))


def draw_poisons(count: int, start: int) -> list[Poison]:
    """This many, the same for each `start`; no two have the same id."""
    drawn: list[Poison] = []

    @seed(start)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(poisons())
    def collect(poison: Poison) -> None:
        serial = f"{start}-{len(drawn)}"
        drawn.append(replace(poison, body=poison.body.replace(_SERIAL.encode(), serial.encode())))

    collect()
    return drawn
