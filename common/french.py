"""French words: numbers, dates, and the little words before the name of a commune."""

from datetime import date

_UNITS = (
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize"),
    *("quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
)
_TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante", 8: "quatre-vingt"}
_MOIS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
_MILLION, _THOUSAND, _HUNDRED, _TEENS = 1_000_000, 1000, 100, 20


def number_in_words(number: int) -> str:
    """`deux cent quatre-vingts`, in the traditional spelling, from zero to 999 999 999.

    Raises:
        ValueError: the number is negative or larger.
    """
    if not 0 <= number < _THOUSAND * _MILLION:
        raise ValueError("un nombre d'électeurs va de 0 à 999 999 999")
    if number < _TEENS:
        return _UNITS[number]
    millions, rest = divmod(number, _MILLION)
    thousands, units = divmod(rest, _THOUSAND)
    words = []
    if millions:
        words.append(f"{_below_thousand(millions)} million{'s' * (millions > 1)}")
    if thousands:
        # vingt and cent take no s before mille: deux cent mille, quatre-vingt mille.
        words.append("mille" if thousands == 1 else f"{_below_thousand(thousands, is_last=False)} mille")
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


def count(number: int, noun: str) -> str:
    """`douze (12) électeurs`, `zéro (0) électeur`, `deux millions (2 000 000) d’électeurs`."""
    words = number_in_words(number)
    is_many = number > 1
    of = ("d’" if noun[0] in "aeéèiouy" else "de ") if words.endswith(("million", "millions")) else ""
    return f"{words} ({figures(number)}) {of}{noun}{'s' * is_many}"


def figures(number: int) -> str:
    """`12 345`, with spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def long_date(day: date) -> str:
    """`1er mars 2026`."""
    return f"{'1er' if day.day == 1 else day.day} {_MOIS[day.month - 1]} {day.year}"


def short_date(day: date) -> str:
    """`01/03/2026`."""
    return f"{day:%d/%m/%Y}"


def of_commune(nom: str) -> str:
    """`de Lyon`, `d’Arles`, `du Havre`, `des Abymes`, `de La Rochelle`.

    The names of communes beginning with an H are all taken for aspirated: the register does not know which are.
    """
    article, _, rest = nom.partition(" ")
    if rest and article.upper() in {"LE", "LES"}:
        return f"{'du' if article.upper() == 'LE' else 'des'} {rest}"
    return f"d’{nom}" if nom[:1].upper() in tuple("AÀÂEÉÈÊIÎOÔUYŒ") else f"de {nom}"


def at_commune(nom: str) -> str:
    """`à Lyon`, `au Havre`, `aux Abymes`, `à La Rochelle`."""
    article, _, rest = nom.partition(" ")
    if rest and article.upper() in {"LE", "LES"}:
        return f"{'au' if article.upper() == 'LE' else 'aux'} {rest}"
    return f"à {nom}"
