"""French formats: numbers, sizes, durations, dates, spaces, communes with their preposition, what a tableau lacks."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from common.calendrier import PARIS, civil_time, zone_of

NBSP = "\u00a0"
"""No-break space: between a number and its unit, inside « guillemets »."""

NARROW = "\u202f"
"""Narrow no-break space: between thousands, and before ; ! ? in French typography."""

_UNITS = (
    *(
        "zéro",
        "un",
        "deux",
        "trois",
        "quatre",
        "cinq",
        "six",
        "sept",
        "huit",
        "neuf",
        "dix",
        "onze",
        "douze",
        "treize",
    ),
    *("quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
)
_TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante", 8: "quatre-vingt"}
_MOIS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
_JOURS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_SIZES = ("octets", "ko", "Mo", "Go", "To")
_MINUTE = 60
"""Seconds per minute, and minutes per hour."""
_BEFORE_MARK = re.compile(r" (?=[;:!?](?:\s|$|<))")
_IN_QUOTES = re.compile(r"(?<=«) | (?=»)")
_COMMANDS = re.compile(r" \((?:[^()]*(?:import-|--)[^()]*|motifs|doutes)\)")
_MILLION, _THOUSAND, _HUNDRED, _TEENS = 1_000_000, 1000, 100, 20


def number_in_words(number: int) -> str:
    """Return `deux cent quatre-vingts`, in the traditional spelling, for a number from zero to 999 999 999."""
    if number < _TEENS:
        return _UNITS[number]
    millions, rest = divmod(number, _MILLION)
    thousands, units = divmod(rest, _THOUSAND)
    words = []
    if millions:
        words.append(f"{_below_thousand(millions)} million{'s' * (millions > 1)}")
    if thousands:
        # vingt and cent have no s before mille: deux cent mille, quatre-vingt mille.
        words.append(
            "mille" if thousands == 1 else f"{_below_thousand(thousands, is_last=False)} mille"
        )
    if units:
        words.append(_below_thousand(units))
    return " ".join(words)


def _below_thousand(number: int, *, is_last: bool = True) -> str:
    hundreds, rest = divmod(number, _HUNDRED)
    words = [] if hundreds <= 1 else [_UNITS[hundreds]]
    if hundreds:
        words.append("cents" if hundreds > 1 and not rest and is_last else "cent")
    if rest:
        words.append(_below_hundred(rest, is_last=is_last))
    return " ".join(words)


def _below_hundred(number: int, *, is_last: bool) -> str:
    if number < _TEENS:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    if tens in {7, 9}:  # soixante-dix, quatre-vingt-dix
        tens, unit = tens - 1, unit + 10
    if not unit:
        return "quatre-vingts" if tens == 8 and is_last else _TENS[tens]  # noqa: PLR2004 — huit dizaines
    has_et = unit in {1, 11} and tens != 8  # noqa: PLR2004 — vingt et un, soixante et onze, quatre-vingt-un
    return f"{_TENS[tens]} et {_UNITS[unit]}" if has_et else f"{_TENS[tens]}-{_UNITS[unit]}"


def name_secteur(number: int) -> str:
    """Return the name of a secteur of Paris, Lyon or Marseille: `1er secteur`, `10e secteur`."""
    return f"{number}{'er' if number == 1 else 'e'} secteur"


def count_in_words(number: int, noun: str) -> str:
    """Return `douze (12) électeurs`, `zéro (0) électeur`, `deux millions (2 000 000) d’électeurs`."""
    words = number_in_words(number)
    of = (
        ("d’" if noun[0] in "aeéèiouy" else "de ")
        if words.endswith(("million", "millions"))
        else ""
    )
    return f"{words} ({format_number(number)}) {of}{agree(number, noun)}"


def format_number(number: int | None) -> str:
    """Return `1 840 917`, with narrow no-break spaces; a dash for None."""
    return "—" if number is None else f"{number:_}".replace("_", NARROW)


def agree(number: int, noun: str, plural: str = "") -> str:
    """Return the noun in the singular for 0 and 1, else in the plural: `plural`, or an -s added to each word."""
    return (plural or " ".join(f"{word}s" for word in noun.split())) if number > 1 else noun


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return `1 anomalie bloquante`, `3 anomalies bloquantes`, `0 anomalie bloquante`; see `agree`."""
    return f"{format_number(number)} {agree(number, noun, plural)}"


def format_size(size: int | None) -> str:
    """Return a size in decimal units (SI), such as `51,2 ko` for a number of bytes; a dash for None."""
    if size is None:
        return "—"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_SIZES) - 1:  # noqa: PLR2004 — SI prefixes
        value, unit = value / 1000, unit + 1
    text = str(size) if unit == 0 else f"{value:.1f}".replace(".", ",")
    return f"{text}{NBSP}{_SIZES[unit]}"


def format_elapsed(seconds: float) -> str:
    """Return a duration: `moins d'une seconde`, `8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 1:
        return "moins d'une seconde"
    minutes, rest = divmod(whole, _MINUTE)
    if minutes >= _MINUTE:
        return f"{minutes // 60}{NBSP}h{NBSP}{minutes % 60:02}{NBSP}min"
    return f"{minutes}{NBSP}min{NBSP}{rest:02}{NBSP}s" if minutes else f"{rest}{NBSP}s"


def short_date(day: date) -> str:
    """Return `01/03/2026`."""
    return f"{day:%d/%m/%Y}"


def long_date(day: date) -> str:
    """Return `1er mars 2026`."""
    return f"{'1er' if day.day == 1 else day.day} {_MOIS[day.month - 1]} {day.year}"


def format_birth(date_naissance: str) -> str:
    """Return `14/03/1962` for a date of birth; unknown parts are zeros, as in the register."""
    return "/".join(reversed(date_naissance.split("-")))


def weekday_date(day: date) -> str:
    """Return `dimanche 1er mars 2026`, with a no-break space between the number and the month."""
    return f"{_JOURS[day.weekday()]} {long_date(day).replace(' ', NBSP, 1)}"


def format_moment(instant: datetime, code_commune: str) -> str:
    """Return `25/11/2026 à 10:04`, in the civil time of the commune."""
    return f"{civil_time(instant, code_commune):%d/%m/%Y à %H:%M}"


def format_second(instant: datetime, code_commune: str) -> str:
    """Return `25/11/2026 à 10:04:38`, in the civil time of the commune."""
    return f"{civil_time(instant, code_commune):%d/%m/%Y à %H:%M:%S}"


def format_second_with_zone(instant: datetime, code_commune: str) -> str:
    """Return `25/11/2026 à 10:04:38 (heure de Paris)`, or `(heure locale)` overseas, for readers elsewhere."""
    zone = "heure de Paris" if zone_of(code_commune) is PARIS else "heure locale"
    return f"{format_second(instant, code_commune)} ({zone})"


def of_commune(nom: str) -> str:
    """Return `de Lyon`, `d’Arles`, `d’Hyères`, `de Yutz`, `du Havre`, `des Abymes`, `de La Rochelle`.

    An initial H is treated as aspirated, but in Hy: the register does not record which are.
    """
    article, _, rest = nom.partition(" ")
    if rest and article.upper() in {"LE", "LES"}:
        return f"{'du' if article.upper() == 'LE' else 'des'} {rest}"
    start = nom[:2].upper()
    is_elided = start[:1] in tuple("AÀÂEÉÈÊIÎOÔUYŒ") or start == "HY"
    return f"d’{nom}" if is_elided and start != "YU" else f"de {nom}"


def at_commune(nom: str) -> str:
    """Return `à Lyon`, `au Havre`, `aux Abymes`, `à La Rochelle`."""
    article, _, rest = nom.partition(" ")
    if rest and article.upper() in {"LE", "LES"}:
        return f"{'au' if article.upper() == 'LE' else 'aux'} {rest}"
    return f"à {nom}"


def capitalized(text: str) -> str:
    """Capitalise the first letter only: the rest may contain a name."""
    return text[:1].upper() + text[1:]


def without_commands(text: str) -> str:
    """Return a message without the commands for operators that it names in parentheses."""
    return _COMMANDS.sub("", text)


def typo(text: str) -> str:
    """Put no-break spaces where French requires them: before ; ! ? : and », after «."""
    return _IN_QUOTES.sub(NBSP, _BEFORE_MARK.sub(NARROW, text))


LACKS_DATE = "date_du_mouvement_absente"
LACKS_MOTIF = "motif_absent"
LACKS_BOTH = "date_et_motif_absents"
LACKS_ENTRY = "date_et_motif_d_avance"
"""Neither date nor motif, and no entry in the register: on the list before the first export, as a minor."""
LACKS_CATEGORIE = "categorie_absente"
"""An inscription without category. It may be one of article L. 30, which belongs on the tableau des cinq jours."""

_LACKS = (
    ({LACKS_DATE, LACKS_BOTH, LACKS_ENTRY}, ("date", "dates")),
    ({LACKS_MOTIF, LACKS_BOTH, LACKS_ENTRY}, ("motif", "motifs")),
    ({LACKS_CATEGORIE}, ("inscription sans catégorie", "inscriptions sans catégorie")),
)


def describe_missing(anomalies: Iterable[Mapping[str, Any]]) -> str:
    """Return `12 dates, 4 motifs`, or an empty text. `anomalies`: the records of a file (`code`, `count`)."""
    counts = [(str(it["code"]), int(it["count"])) for it in anomalies]
    found = [
        (sum(number for code, number in counts if code in codes), words) for codes, words in _LACKS
    ]
    return ", ".join(count_of(number, *words) for number, words in found if number)
