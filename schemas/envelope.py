"""CloudEvents 1.0 in structured JSON, the envelope of every message that enters or leaves."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self
from uuid import uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.faults import Fault, list_faults
from schemas.topology import MAX_EVENT_BYTES, MAX_SHORT_BYTES, SHORT_TYPES

JSON: Literal["application/json"] = "application/json"
DEEPEST = 64
"""Maximum nesting of JSON; an event of the contract has three levels."""

_LONGEST_PROPERTY = 255
_EXTENSION_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
ATTRIBUTE_SIZE = 200
Attribute = Annotated[
    str, Field(min_length=1, max_length=ATTRIBUTE_SIZE, pattern=r"^[^\u0000-\u001f\u007f-\u009f]+$")
]
"""Any Unicode text without control characters (CloudEvents 1.0.2, « Type System », String)."""

_TIME_IN_CAPITALS = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_TIME = re.compile(_TIME_IN_CAPITALS, re.ASCII | re.IGNORECASE)
_TRACEPARENT = r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACESTATE = r"[\x20-\x7e]{1,512}"
_MEDIA_TYPE = re.compile(r"(application|text)/([a-z0-9.!#$&^_-]+\+)?json", re.ASCII)


class InvalidEventError(ValueError):
    """The bytes are not an event of the contract; the message is for engineers, `faults` for the sender.

    Neither quotes the bytes.
    """

    def __init__(self, message: str, *faults: Fault) -> None:
        super().__init__(message)
        self.faults = faults


def _invalid(message: str, code: str, french: str) -> InvalidEventError:
    return InvalidEventError(message, Fault("", code, french))


def _parse_time(value: Any) -> Any:  # noqa: ANN401 — decoded JSON
    """Accept RFC 3339 only: pydantic alone also accepts a number, and a time without seconds."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("time_type", "a text is expected, as RFC 3339 writes it")
    if not _TIME.fullmatch(value):
        raise PydanticCustomError("time_format", "not a date and time of RFC 3339")
    return value.upper()


def _parse_media_type(value: Any) -> Any:  # noqa: ANN401 — decoded JSON
    """Accept any media type of JSON, whatever its parameters and case (RFC 2045, section 5.1)."""
    essence = value.partition(";")[0].strip().lower() if isinstance(value, str) else ""
    if not _MEDIA_TYPE.fullmatch(essence):
        raise PydanticCustomError("media_type", "application/json is expected")
    return JSON


def _keep_trace(fields: dict[str, Any]) -> dict[str, Any]:
    """Remove an invalid `traceparent` or `tracestate`: neither is a fault (W3C Trace Context, section 4.3)."""
    forms = {"traceparent": _TRACEPARENT, "tracestate": _TRACESTATE}
    lost = {
        name
        for name, form in forms.items()
        if not re.fullmatch(form, str(fields.get(name, "")), re.ASCII)
    }
    return {
        it: value
        for it, value in fields.items()
        if it not in (forms if "traceparent" in lost else lost)
    }


def trace_id_of(traceparent: str | None) -> str:
    """Return the trace id, 32 hexadecimal digits; empty without a trace."""
    return traceparent.split("-")[1] if traceparent else ""


def _decode_data(encoded: Any) -> Any:  # noqa: ANN401 — decoded JSON
    try:
        return parse_json(base64.b64decode(encoded, validate=True))
    except (ValueError, TypeError):
        raise PydanticCustomError("data_base64", "data_base64 is not JSON in base64") from None


class Data(Protocol):
    """A model of the contract that has an event type."""

    EVENT_TYPE: ClassVar[str]

    def model_dump(  # noqa: D102 — pydantic's own
        self, *, mode: Literal["json"], exclude_none: bool
    ) -> dict[str, Any]: ...


class CloudEvent(BaseModel):
    """One event, identified by `source` and `id` together: two events with the same pair are one event.

    Source: CloudEvents 1.0.2, sections « Context Attributes » and « JSON Event Format ». Unknown extension attributes
    are accepted and dropped, as it requires.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[
        Attribute,
        Field(description="With `source`, identifies the event among those of its account."),
    ]
    source: Annotated[
        Attribute,
        Field(description="Names the sender, and stays the same.", examples=["/mairie/13900"]),
    ]
    type: Annotated[Attribute, Field(description="One of the types below.")]
    time: Annotated[
        AwareDatetime,
        BeforeValidator(_parse_time),
        Field(
            default_factory=lambda: datetime.now(UTC),
            description="RFC 3339, with seconds and offset. When absent, the time at which it is read.",
            json_schema_extra={"pattern": f"^{_TIME_IN_CAPITALS}$"},
        ),
    ]
    datacontenttype: Annotated[Literal["application/json"], BeforeValidator(_parse_media_type)] = (
        JSON
    )
    correlationid: Annotated[
        Attribute, Field(description="Follows a request to the e-mail; `id` when absent.")
    ]
    causationid: Annotated[
        Attribute | None, Field(description="The id of the event this one answers.")
    ] = None
    traceparent: Annotated[
        Annotated[str, Field(json_schema_extra={"pattern": f"^{_TRACEPARENT}$"})] | None,
        Field(
            description="W3C Trace Context, of the event or of the one that it answers; dropped when malformed."
        ),
    ] = None
    tracestate: Annotated[
        Annotated[str, Field(json_schema_extra={"pattern": f"^{_TRACESTATE}$"})] | None,
        Field(description="With `traceparent` only."),
    ] = None
    data: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _check_attributes(cls, fields: Any) -> Any:  # noqa: ANN401 — decoded JSON
        if not isinstance(fields, dict):
            raise PydanticCustomError("not_an_object", "a JSON object is expected")
        if fields.keys().isdisjoint({"specversion", "id", "source", "type", "data"}):
            raise PydanticCustomError("no_envelope", "the attributes of a CloudEvent are missing")
        if not all(_EXTENSION_NAME.fullmatch(name) for name in fields if name != "data_base64"):
            raise PydanticCustomError(
                "attribute_name", "attribute names are lower-case letters and digits"
            )
        present = {
            name: value for name, value in fields.items() if value is not None
        }  # JSON event format, section 2.2
        if "data_base64" in present:
            if "data" in present:
                raise PydanticCustomError("data_twice", "data and data_base64 exclude each other")
            present["data"] = _decode_data(present["data_base64"])
        return {"correlationid": present.get("id"), **_keep_trace(present)}

    @classmethod
    def wrap(
        cls,
        data: Data,
        *,
        source: str,
        correlationid: str | None = None,
        causationid: str | None = None,
    ) -> Self:
        """Wrap `data` in a new event with a fresh id, which is also the default correlation id."""
        event_id = str(uuid4())
        return cls(
            id=event_id,
            source=source,
            type=data.EVENT_TYPE,
            time=datetime.now(UTC),
            correlationid=correlationid or event_id,
            causationid=causationid,
            data=data.model_dump(mode="json", exclude_none=True),
        )

    def to_bytes(self) -> bytes:
        """Return the event as UTF-8 JSON.

        Raises:
            InvalidEventError: the event is too large for its type.
        """
        body = self.model_dump_json(exclude_none=True).encode()
        _check_size(body, self.type)
        return body

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Parse an event.

        Raises:
            InvalidEventError: too large, not UTF-8, not JSON, or not a CloudEvent.
        """
        _check_size(body)
        try:
            event = cls.model_validate(parse_json(body))
        except ValidationError as error:
            faults = list_faults(error)
            said = ", ".join(f"{it.field} {it.code}".strip() for it in faults)
            raise InvalidEventError(f"not a CloudEvent 1.0: {said}", *faults) from None
        _check_size(body, event.type)
        return event


def parse_json(body: bytes) -> Any:  # noqa: ANN401 — any JSON
    """Parse strict JSON (RFC 8259): UTF-8, no NaN, no duplicate name, limited depth and size of numbers.

    Raises:
        InvalidEventError: the body breaks one of these rules; the message does not quote it.
    """
    try:
        value = json.loads(
            body.decode("utf-8", "strict"), object_pairs_hook=_unique, parse_constant=_refuse
        )
        _check_depth(value, DEEPEST)
    except UnicodeDecodeError as error:
        where = f"l'événement n'est pas en UTF-8, à l'octet {error.start + 1}"
        raise _invalid("not UTF-8", "utf8", where) from None
    except InvalidEventError:
        raise
    except json.JSONDecodeError as error:
        where = f"l'événement n'est pas du JSON, à la ligne {error.lineno}, colonne {error.colno}"
        raise _invalid("not JSON", "json", where) from None
    except (ValueError, RecursionError):
        raise _invalid("not JSON", "json", "l'événement n'est pas du JSON") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) != len({name for name, _ in pairs}):
        raise _invalid(
            "not JSON: a name stands twice in one object",
            "json_twice",
            "un nom est deux fois dans un objet",
        )
    return dict(pairs)


def _check_depth(value: Any, left: int) -> None:  # noqa: ANN401 — any JSON
    if isinstance(value, dict | list):
        if left == 0:
            raise _invalid(
                f"not JSON of ours: nested deeper than {DEEPEST}",
                "json_depth",
                f"plus de {DEEPEST} niveaux imbriqués",
            )
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def _refuse(_constant: str) -> None:
    raise _invalid(
        "not JSON: NaN and Infinity are not numbers",
        "json_number",
        "NaN et Infinity ne sont pas du JSON",
    )


def _check_size(body: bytes, event_type: str = "") -> None:
    most = MAX_SHORT_BYTES if event_type in SHORT_TYPES else MAX_EVENT_BYTES
    if len(body) > most:
        raise _invalid(f"{len(body)} bytes, {most} at most", "size", f"plus de {most} octets")


class Publish(Protocol):
    """Returns once the broker or the database has stored the events; raises an error otherwise.

    `token`: the sender of events that a program sent to the screen over HTTP; else the screen itself is.
    """

    def __call__(self, event: CloudEvent, /, *others: CloudEvent, token: str = "") -> None: ...  # noqa: D102


def shorten(text: str) -> str | None:
    """Return a text that fits an AMQP property (255 bytes at most); None if it is longer."""
    return text if len(text.encode("utf-8", "replace")) <= _LONGEST_PROPERTY else None
