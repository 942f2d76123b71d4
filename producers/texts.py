"""How numbers, sizes, durations and kinds of file are written in French, on the command line and on the screen."""

from typing import NamedTuple

from schemas.vocabulary import ExportKind

NBSP = "\u00a0"
"""No-break space: between a number and its unit, inside « guillemets »."""

NARROW = "\u202f"
"""Narrow no-break space: between thousands, and before ; ! ? in French typography."""

_UNITS = ("octets", "ko", "Mo", "Go")
_MINUTE = 60
"""In seconds, and an hour in minutes."""


class Words(NamedTuple):
    """How a kind of file is spoken of."""

    counted: str
    """What it is made of."""
    consequence: str
    """What its blocking anomalies would cause."""


WORDS = {
    ExportKind.LISTE: Words("électeurs", "le dépôt serait rejeté"),
    ExportKind.TABLEAU: Words("mouvements", "le tableau serait faux"),
}


def format_count(number: int | None) -> str:
    """Groups of three digits; a dash when there is no number yet."""
    return "—" if number is None else f"{number:,}".replace(",", NARROW)


def format_size(size: int | None) -> str:
    """Bytes in the decimal unit that reads best: `51,2 ko`."""
    if size is None:
        return "—"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 — SI prefixes
        value, unit = value / 1000, unit + 1
    text = str(size) if unit == 0 else f"{value:.1f}".replace(".", ",")
    return f"{text}{NBSP}{_UNITS[unit]}"


def format_duration(seconds: float) -> str:
    """To a minute: `moins d'une minute`, `4 min`, `2 h 05`."""
    minutes = round(seconds / _MINUTE)
    if minutes == 0:
        return "moins d'une minute"
    return f"{minutes} min" if minutes < _MINUTE else f"{minutes // 60} h {minutes % 60:02}"


def format_elapsed(seconds: float) -> str:
    """To a second while it is short: `moins d'une seconde`, `8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 1:
        return "moins d'une seconde"
    minutes, rest = divmod(whole, _MINUTE)
    if minutes >= _MINUTE:
        return f"{minutes // 60}{NBSP}h{NBSP}{minutes % 60:02}{NBSP}min"
    return f"{minutes}{NBSP}min{NBSP}{rest:02}{NBSP}s" if minutes else f"{rest}{NBSP}s"


def count_of(number: int, one: str, several: str) -> str:
    """`1 anomalie bloquante`, `3 anomalies bloquantes`; in French 0 is singular."""
    return f"{format_count(number)} {several if number > 1 else one}"
