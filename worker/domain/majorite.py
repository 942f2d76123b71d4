"""Who is of age on a day, by a date of birth in the register's form: AAAA-MM-JJ, zeros where a part is unknown."""

import re
from datetime import date

MAJORITE = 18
"""Age from which a citizen votes, in years. Code électoral, art. L. 2."""

_JOUR = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def last_birth(jour: date) -> str:
    """The latest date of birth of a person who is of age on that day.

    Compared as text: a partial date is then the oldest possible day, and somebody born on 29 February is of age
    on 1 March of a common year.
    """
    return f"{jour.year - MAJORITE:04}-{jour.month:02}-{jour.day:02}"


def is_mineur(date_naissance: str, jour: date) -> bool:
    """Whether she is left out of the file of that day.

    A date that cannot be read, or is yet to come, makes no minor.
    """
    return bool(_JOUR.fullmatch(date_naissance)) and last_birth(jour) < date_naissance <= jour.isoformat()
