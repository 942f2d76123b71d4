"""Parses forms and URLs; makes repeated submissions of a form count once; paginates tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self, TypeVar
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from common.french import capitalized, short_date
from schemas.faults import explain_fault
from schemas.requests import LARGEST_ID, Jour
from schemas.seen import overwrites_unseen
from schemas.vocabulary import parse_jour

IMPOSSIBLE_DAY = "ce jour n'est pas possible ; une date s'écrit JJ/MM/AAAA, l'année en entier"
"""For an invalid day, such as 20/11/26, which a browser reads as the year 26."""

_Contract = TypeVar("_Contract", bound=BaseModel)
_JOUR = TypeAdapter[date](Jour)
_SHORT_DAY = re.compile(
    r"(\d\d)(\d\d)(\d{4})?|(\d{1,2})[/. -](\d{1,2})(?:[/. -](\d{4}))?", re.ASCII
)

Faults = Mapping[str, str]
"""The errors of a form: one sentence per field, in the order of the form."""


class FormRefused(Exception):
    """A form was not taken: its errors, or why it could not be sent. The page shows it again."""

    def __init__(self, faults: Faults, *, failure: str | None = None) -> None:
        super().__init__(failure)
        self.faults, self.failure = faults, failure


def once_for(*parts: object) -> str:
    """Return a stable value for a form shown repeatedly, derived from `parts`."""
    return str(uuid5(NAMESPACE_URL, "/".join(map(str, parts))))


def read_once(form: FormData) -> str:
    """Return the hidden value that identifies one display of a form; a new one if it is missing or invalid."""
    try:
        return str(UUID(str(form.get("formulaire", ""))))
    except ValueError:
        return str(uuid4())


def texts(form: FormData, name: str) -> list[str]:
    return [value for value in form.getlist(name) if isinstance(value, str)]


def typed(form: FormData) -> dict[str, str]:
    """Return all texts of a form; empty if no form was sent."""
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def uploaded(form: FormData, name: str) -> UploadFile | None:
    """Return the file of a field; None if none was chosen. The application closes it."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def read_number(words: object) -> int | None:
    """Parse the number of a row; None if it is invalid or too large."""
    if not (
        isinstance(words, str)
        and words.isascii()
        and words.isdigit()
        and len(words) <= len(str(LARGEST_ID))
    ):
        return None
    return number if 0 < (number := int(words)) <= LARGEST_ID else None


def read_numbers(values: Iterable[object]) -> list[int]:
    return [number for words in values if (number := read_number(words))]


def read_day(words: str) -> date | None:
    """Parse a day that a request may contain; None if it is invalid (see `IMPOSSIBLE_DAY`)."""
    try:
        return _JOUR.validate_python(parse_jour(words.strip()))
    except ValueError:
        return None


def complete_day(words: str, since: date | None, until: date) -> str:
    """Return a day typed in short (`1011`, `10/11`, `10112026`) as `AAAA-MM-JJ`; other words as they are.

    Without a year the day is of the year that places it after `since` and not after `until`, else of that of `until`.
    `static/grid.js` shows the same day while the agent types.
    """
    match = _SHORT_DAY.fullmatch(words)
    if match is None:
        return words
    day, month, year = (match[short] or match[long] for short, long in ((1, 4), (2, 5), (3, 6)))
    years = [int(year)] if year else [until.year, until.year - 1]
    typed = [it for number in years if (it := read_day(f"{day}/{month}/{number}"))]
    possible = [it for it in typed if it <= until and (since is None or it > since)]
    found = possible or typed
    return found[0].isoformat() if found else words


def read_days(
    form: Mapping[str, str], found: dict[str, str], *, until: date | None = None
) -> dict[str, date]:
    """Parse the days that are filled in, by field; `found` gets those that are impossible, or later than `until`."""
    days = {}
    for name, words in form.items():
        day = read_day(words) if words else None
        if words and day is None:
            found[name] = IMPOSSIBLE_DAY
        elif day and until and day > until:
            found[name] = f"le {short_date(day)} n'est pas encore venu : vérifiez la date"
        elif day:
            days[name] = day
    return days


def validate(
    contract: type[_Contract],
    values: Mapping[str, object],
    fields: Iterable[str],
    found: Mapping[str, str],
    *,
    names: Mapping[str, str] | None = None,
    better: Mapping[str, str] | None = None,
) -> _Contract:
    """Return the object of the contract.

    `names` maps fields of the contract to those of the form; `better` replaces messages of the contract.

    Raises:
        FormRefused: the errors by field of the form: those found, and the contract's.
    """
    try:
        read = contract.model_validate(values)
    except ValidationError as error:
        errors: dict[str, str] = {}
        for fault in error.errors(include_url=False, include_input=False):
            place = str(fault["loc"][0]) if fault["loc"] else ""
            name = (names or {}).get(place, place)
            errors.setdefault(name, (better or {}).get(name) or explain_fault(fault))
        refuse(fields, {**errors, **found})
        raise ValueError(
            "the form does not check a rule of its contract about several fields"
        ) from None
    refuse(fields, found)
    return read


def find_unseen(
    form: FormData,
    name: str,
    known: Sequence[Sequence[object]],
    said: Sequence[Sequence[object]],
    words: str,
) -> dict[str, str]:
    """Return the fault of a form that would replace the notes `known`, which it did not show, with `said`.

    `name`: the hidden field that bears `seen_of` the notes shown; without it nothing is compared. `words`: the notes
    `known`, for the agent.
    """
    if name not in form or not overwrites_unseen(text(form, name), known, said):
        return {}
    return {
        name: f"il est déjà noté : {words}. Comparez avec votre saisie. Pour le remplacer, enregistrez de nouveau"
    }


def refuse(fields: Iterable[str], found: Mapping[str, str]) -> None:
    """Raise `FormRefused` with the errors found, in the order of the fields; return if there is none."""
    if faults := order_faults(fields, found):
        raise FormRefused(faults)


def order_faults(fields: Iterable[str], found: Mapping[str, str]) -> Faults:
    return {name: f"{capitalized(found[name].rstrip('.'))}." for name in fields if name in found}


def page_number(text: str) -> int:
    return read_number(text) or 1


@dataclass(frozen=True)
class Paging:
    """The position of a page; `before` and `after` are URLs, empty at the ends."""

    page: int
    last: int
    """0: unknown, since the rows are not counted."""
    total: int
    before: str
    after: str

    @classmethod
    def of(cls, path: str, query: Mapping[str, str], *, page: int, total: int, size: int) -> Self:
        """Paginate `total` rows by `size`; the URLs keep the filters of `query`."""
        last = max(1, -(-total // size))
        before = _address(path, query, min(page - 1, last)) if page > 1 else ""
        return cls(
            page, last, total, before, _address(path, query, page + 1) if page < last else ""
        )

    @classmethod
    def uncounted(cls, path: str, query: Mapping[str, str], *, page: int, has_after: bool) -> Self:
        """Paginate rows that are too slow to count."""
        before = _address(path, query, page - 1) if page > 1 else ""
        return cls(page, 0, 0, before, _address(path, query, page + 1) if has_after else "")


def _address(path: str, query: Mapping[str, str], page: int) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept | {'page': str(page)})}"
