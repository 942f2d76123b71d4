"""What comes from forms and addresses, read; forms count once however often they are pressed; pages of long tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Self
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData

from common.french import short_date
from schemas.envelope import CloudEvent, Data
from schemas.faults import explain_fault
from schemas.requests import LARGEST_ID, Jour
from schemas.vocabulary import parse_jour

ONCE = "formulaire"
"""The field that distinguishes one showing of a form from another."""

IMPOSSIBLE_DAY = "ce jour n'est pas possible ; une date s'écrit JJ/MM/AAAA, l'année en entier"
"""Of what is no day, and of 20/11/26, which a browser takes for the year 26."""

_JOUR = TypeAdapter[date](Jour)
_MOST_DIGITS = len(str(LARGEST_ID))

_MOST_DIGITS_OF_A_PAGE = 6
"""Digits of a page's number."""


@dataclass(frozen=True)
class Faults:
    """What is wrong: one sentence for each field at fault, in the order of the form."""

    by_field: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_field)

    @classmethod
    def ordered(cls, fields: Sequence[str], found: Mapping[str, str]) -> Self:
        """As sentences, in the order of the fields."""
        return cls({name: _sentence(found[name]) for name in fields if name in found})

    def of(self, name: str) -> str:
        """What is wrong with that field; empty when nothing is."""
        return self.by_field.get(name, "")


class WrongField(Exception):
    """A field of a form cannot be taken as it is; the reason is for the clerk."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name

    @property
    def by_field(self) -> dict[str, str]:
        """The fault, by the name of its field."""
        return {self.name: str(self)}


def new_once() -> str:
    """For a form that is shown for the first time."""
    return str(uuid4())


def once_for(*parts: object) -> str:
    """For a form that is shown again and again: the same as long as the parts are."""
    return str(uuid5(NAMESPACE_URL, "/".join(map(str, parts))))


def read_once(form: FormData) -> str:
    """What the form that comes back bears; a new one when it bears nothing of ours."""
    try:
        return str(UUID(str(form.get(ONCE, ""))))
    except ValueError:
        return new_once()


def wrap_once(data: Data, *, source: str, once: str) -> CloudEvent:
    """The event of a form: the same id for the same form with the same content, so that it counts once."""
    event = CloudEvent.wrap(data, source=source)
    event_id = str(uuid5(UUID(once), json.dumps(event.data, sort_keys=True)))
    return event.model_copy(update={"id": event_id, "correlationid": event_id})


def texts(form: FormData, name: str) -> list[str]:
    """The texts of a field that may come several times."""
    return [value for value in form.getlist(name) if isinstance(value, str)]


def text(form: FormData, name: str) -> str:
    """The text of a field; empty when it does not come."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def read_number(words: object) -> int | None:
    """The number of a row; None when it is none, or larger than any."""
    if not (isinstance(words, str) and words.isascii() and words.isdigit() and len(words) <= _MOST_DIGITS):
        return None
    return number if 0 < (number := int(words)) <= LARGEST_ID else None


def read_numbers(values: Iterable[object]) -> list[int]:
    """Those of a field that may come several times; what is none is left out."""
    return [number for words in values if (number := read_number(words))]


def read_day(words: str) -> date | None:
    """A day that a request may name, as a browser or a person writes it; None when it is none (`IMPOSSIBLE_DAY`)."""
    try:
        return _JOUR.validate_python(parse_jour(words.strip()))
    except ValueError:
        return None


def read_past_day(words: str, name: str, today: date) -> date:
    """Read a day that is over, or today, of the field `name`. Raises `WrongField`: it is no day, or a later one."""
    day = read_day(words)
    if day is None:
        raise WrongField(name, IMPOSSIBLE_DAY)
    if day > today:
        raise WrongField(name, f"le {short_date(day)} n'est pas encore venu : vérifiez la date")
    return day


def find_faults(
    contract: type[BaseModel],
    values: Mapping[str, object],
    fields: Sequence[str],
    *,
    names: Mapping[str, str],
    better: Mapping[str, str],
) -> dict[str, str]:
    """What the contract says against these values, by field of the form, in French.

    `names` are the contract's fields that the form calls otherwise; `better` says some faults in the form's own words.
    What fields only have wrong together is left to the form.
    """
    try:
        contract.model_validate(values)
    except ValidationError as error:
        found: dict[str, str] = {}
        for fault in error.errors(include_url=False, include_input=False):
            place = str(fault["loc"][0]) if fault["loc"] else ""
            name = names.get(place, place)
            if name in fields:
                found.setdefault(name, better.get(name) or explain_fault(fault))
        return found
    return {}


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."


def page_number(text: str) -> int:
    """The page that the address asks for; the first when it is none."""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS_OF_A_PAGE else 1


@dataclass(frozen=True)
class Paging:
    """Where a page stands among the others; `before` and `after` are addresses, empty at the ends."""

    page: int
    last: int
    """0: nobody has counted them."""
    before: str
    after: str

    @classmethod
    def of(cls, path: str, query: Mapping[str, str], *, page: int, total: int, size: int) -> Self:
        """The pages of `size` lines that `total` lines fill; the filters of `query` stay in the addresses."""
        last = max(1, -(-total // size))
        before = _address(path, query, min(page - 1, last)) if page > 1 else ""
        return cls(page, last, before, _address(path, query, page + 1) if page < last else "")

    @classmethod
    def uncounted(cls, path: str, *, page: int, has_after: bool) -> Self:
        """Of lines whose number takes long to tell."""
        return cls(
            page, 0, _address(path, {}, page - 1) if page > 1 else "", _address(path, {}, page + 1) if has_after else ""
        )


def _address(path: str, query: Mapping[str, str], page: int) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept | {'page': str(page)})}"
