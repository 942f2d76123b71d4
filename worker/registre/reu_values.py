"""Values of a REU export as the register keeps them. Pure; ValueError when a value cannot be read."""

import re

from worker.registre.nationalites import NATIONALITES

_DATE = re.compile(r"(?:(?:(\d{1,2})? ?/ ?)?(\d{1,2})? ?/ ?)?(\d{4})", re.ASCII)
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_CODE = re.compile(r"[0-9AB]+")

LAST_MONTH = "12"
LAST_DAY = "31"
UNKNOWN = "0000-00-00"
MAX_NUMERO = 2**31 - 1
BUREAU_DIGITS = 4
NUMERO_DIGITS = 2


def parse_date(text: str) -> str:
    """`JJ/MM/AAAA` as `AAAA-MM-JJ`; what is unknown is zeros: `00/08/1955`, `/1961` and `1961` are real.

    A day that its month does not have (31/02) is kept as the REU has it; a date of zeros only is no date: empty.

    Raises:
        ValueError: no date can be read, or its month or its day is a number that no date has.
    """
    if match := _DATE.fullmatch(text):
        day, month, year = match.groups("00")
    elif match := _ISO_DATE.fullmatch(text):
        year, month, day = match.groups()
    elif not text:
        return ""
    else:
        raise ValueError(text)
    day, month = day.zfill(2), month.zfill(2)
    if month > LAST_MONTH or day > LAST_DAY:
        raise ValueError(text)
    date = f"{year}-{month}-{day}"
    return "" if date == UNKNOWN else date


def parse_numero(text: str) -> int | None:
    """An order number; None when the elector has none.

    Raises:
        ValueError: it is not a whole number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or (numero := int(text)) > MAX_NUMERO:
        raise ValueError(text)
    return numero


def parse_bureau(text: str) -> str:
    """The code of a bureau: four digits since 2023 (`1` is `0001`); a code that is not a number is kept."""
    if text.isascii() and text.isdigit():
        return text.lstrip("0").zfill(BUREAU_DIGITS)
    return text


def parse_circonscription(text: str, departement: str) -> str:
    """The number of a legislative constituency in its département: `16` of `13-16`, `1316` and `16`.

    No département has a hundred of them: what stands before the last two digits can only be the département.
    The code of another département is kept as it is; a text that is no code gives nothing, it is a label.
    """
    code = _compact(text)
    numero = code.removeprefix(departement) if len(code) > NUMERO_DIGITS else code
    if numero.isdigit() and len(numero) <= NUMERO_DIGITS:
        return numero.zfill(NUMERO_DIGITS)
    return text if _CODE.fullmatch(code) else ""


def parse_canton(text: str, departement: str) -> str:
    """The INSEE code of a canton, which begins with its département: `1301` of `13-01`, `1301` and `1`."""
    code = _compact(text)
    return departement + code.zfill(NUMERO_DIGITS) if code.isdigit() and len(code) <= NUMERO_DIGITS else code


def _compact(code: str) -> str:
    return code.upper().replace("-", "").replace(" ", "")


def parse_nationalite(label: str, code: str) -> str:
    """The label when there is one, else the label of the ISO code; a code that we do not know is kept."""
    return NATIONALITES.get(label.upper(), label) or NATIONALITES.get(code.upper(), code)
