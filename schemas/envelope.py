"""CloudEvents 1.0 in structured JSON, the envelope of every message that enters or leaves."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.faults import describe
from schemas.topology import MAX_EVENT_BYTES

DEEPEST = 64
"""Levels of nesting; an event of ours has three."""

_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}", re.ASCII)
Attribute = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~][ -~]*$")]


class InvalidEventError(ValueError):
    """Bytes that are not an event of ours; the message says why and never quotes them."""


class Data(Protocol):
    """A model of the contract that knows its event type."""

    EVENT_TYPE: ClassVar[str]

    def model_dump(  # noqa: D102 — pydantic's own
        self, *, mode: Literal["json"], exclude_none: bool
    ) -> dict[str, Any]: ...


class CloudEvent(BaseModel):
    """One event. `source` and `id` together identify it: the same pair twice is the same event.

    Source: CloudEvents 1.0.2, sections « Context Attributes » and « JSON Event Format ». Extension attributes other
    than ours are accepted and dropped, as the specification asks.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"] = "1.0"
    id: Attribute
    source: Annotated[Attribute, Field(examples=["/mairie/13900"])]
    type: Attribute
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: Annotated[Attribute, Field(description="Follows a request from its sender to the e-mail.")]
    causationid: Annotated[Attribute | None, Field(description="The id of the event this one answers.")] = None
    data: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _check_attributes(cls, fields: Any) -> Any:  # noqa: ANN401 — decoded JSON
        if not isinstance(fields, dict):
            raise ValueError("a JSON object is expected")  # noqa: TRY004 — pydantic turns ValueError only
        if not all(_EXTENSION_NAME.fullmatch(name) for name in fields):
            raise ValueError("attribute names are lower-case letters and digits")
        return {"correlationid": fields.get("id"), **fields}

    @classmethod
    def wrap(cls, data: Data, *, source: str, correlationid: str | None = None, causationid: str | None = None) -> Self:
        """Put `data` in a new event, with a fresh id that also serves as correlation id when none is given."""
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
        """The event as UTF-8 JSON.

        Raises:
            InvalidEventError: it is larger than MAX_EVENT_BYTES.
        """
        body = self.model_dump_json(exclude_none=True).encode()
        _check_size(body)
        return body

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read an event.

        Raises:
            InvalidEventError: too large, not UTF-8, not JSON, or not a CloudEvent.
        """
        _check_size(body)
        try:
            return cls.model_validate(parse_json(body))
        except ValidationError as error:
            raise InvalidEventError("not a CloudEvent 1.0: " + describe(error)) from None


def parse_json(body: bytes) -> Any:  # noqa: ANN401 — any JSON
    """Read JSON as RFC 8259 means it: UTF-8, no NaN, no name twice, no depth or number that exhausts a reader.

    Raises:
        InvalidEventError: it is not that; the message never quotes it.
    """
    try:
        value = json.loads(body.decode("utf-8", "strict"), object_pairs_hook=_unique, parse_constant=_refuse)
        _check_depth(value, DEEPEST)
    except UnicodeDecodeError:
        raise InvalidEventError("not UTF-8") from None
    except InvalidEventError:
        raise
    except (ValueError, RecursionError):
        raise InvalidEventError("not JSON") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) != len({name for name, _ in pairs}):
        raise InvalidEventError("not JSON: a name stands twice in one object")
    return dict(pairs)


def _check_depth(value: Any, left: int) -> None:  # noqa: ANN401 — any JSON
    if isinstance(value, dict | list):
        if left == 0:
            raise InvalidEventError(f"not JSON of ours: nested deeper than {DEEPEST}")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def _refuse(_constant: str) -> None:
    raise InvalidEventError("not JSON: NaN and Infinity are not numbers")


def _check_size(body: bytes) -> None:
    if len(body) > MAX_EVENT_BYTES:
        raise InvalidEventError(f"{len(body)} bytes, {MAX_EVENT_BYTES} at most")


Publish = Callable[[CloudEvent], None]
"""Returns once the event is kept, by the broker or by the database; raises when it is not."""
