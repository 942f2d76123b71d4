"""Who is of age, inside the database: the same rule as `common.calendrier.is_mineur`, for electors of the register."""

from sqlalchemy import ColumnElement, Text, and_, not_, or_, type_coerce

from worker.db.types import cleaned
from worker.registre.checks.rules import is_readable
from worker.registre.models import Electeur

BirthDate = str | ColumnElement[str]


def is_of_age(last_birth: BirthDate, seen_on: BirthDate) -> ColumnElement[bool]:
    """No minor; a date that cannot be read, or is yet to come on the day `seen_on`, does not make a minor.

    `last_birth`: the latest date of birth of a person who is of age on the day that counts.
    """
    born = Electeur.date_naissance
    as_written = _as_written()
    is_mineur = and_(is_readable(as_written), as_written > last_birth, as_written <= seen_on)
    return or_(and_(born <= last_birth, born >= "0"), not_(is_mineur))


def is_born_between(after: str, until: str) -> ColumnElement[bool]:
    """Born later than `after`, and no later than `until`; the cheap look first, since few are."""
    born = Electeur.date_naissance
    as_written = _as_written()
    return and_(or_(born > after, born < "0"), is_readable(as_written), as_written > after, as_written <= until)


def _as_written() -> ColumnElement[str]:
    return cleaned(type_coerce(Electeur.date_naissance, Text))
