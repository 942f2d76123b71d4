"""Options that several commands share, and the types of their values, read with the contract's own rules."""

import re
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from common.cli import ParsedType
from schemas.requests import check_code_commune
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Format, parse_jour, parse_liste

Code = TypeVar("Code", bound=StrEnum)
Number = TypeVar("Number", int, float)


def _parse_commune(text: str) -> str:
    return check_code_commune(text.upper())


def _parse_batch(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text, re.ASCII):
        raise ValueError("100 lettres sans accent, chiffres, points, tirets ou soulignés au plus")
    return text


def _read_file(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(text).read_bytes()
    except FileNotFoundError:
        raise ValueError("fichier introuvable") from None
    except OSError as error:
        raise ValueError(f"fichier illisible ({error.strerror})") from None


def _code(codes: type[Code]) -> Callable[[str], Code]:
    """A word of the vocabulary, in capitals or not, with hyphens or not."""

    def parse(text: str) -> Code:
        try:
            return codes(text.lower().replace("-", "_"))
        except ValueError:
            raise ValueError(f"les valeurs possibles sont {', '.join(codes)}") from None

    return parse


def _positive(number: Callable[[str], Number], noun: str) -> Callable[[str], Number]:
    def parse(text: str) -> Number:
        try:
            value = number(text)
        except ValueError:
            value = number("0")
        if not value > 0:
            raise ValueError(f"{noun} plus grand que 0 est attendu")
        return value

    return parse


COMMUNE = ParsedType("code", _parse_commune)
BATCH = ParsedType("lot", _parse_batch)
FILE = ParsedType("fichier", _read_file)
LISTE = ParsedType("liste", parse_liste)
FORMAT = ParsedType("format", _code(Format))
TYPE = ParsedType("type", _code(TypeTableau))
PRESENTATION = ParsedType("presentation", _code(Presentation))
EDITION = ParsedType("edition", _code(Edition))
JOUR = ParsedType("date", parse_jour)
NUMBER = ParsedType("numéro", _positive(int, "un nombre entier"))
LIMIT = ParsedType("nombre", _positive(int, "un nombre entier"))
SECONDS = ParsedType("secondes", _positive(float, "un nombre"))


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Écrit un document JSON, seul, sur la sortie standard."
)

_COMMUNE_HELP = "Code INSEE de la commune : 13900, 2A004."
_listes = click.option(
    "--liste", "listes", type=LISTE, multiple=True, help="P, CE, CM ; répétable. Par défaut : les trois."
)

subject_options = together(click.option("--commune", type=COMMUNE, required=True, help=_COMMUNE_HELP), _listes)
"""Whose files a request is about."""

subjects_options = together(
    click.option("--commune", type=COMMUNE, help=_COMMUNE_HELP),
    click.option(
        "--communes-file",
        type=FILE,
        help="Un lot : une commune par ligne, ou la première colonne d'un CSV ; - pour l'entrée standard.",
    ),
    click.option("--batch", type=BATCH, metavar="LOT", help="Nom du lot ; redonné, le lot reprend où il en était."),
    _listes,
)
"""Whose files one or many requests are about."""

sending_options = together(
    click.option("--requested-by", metavar="NOM", help="Qui demande. Par défaut : le compte du système."),
    click.option(
        "--dry-run", is_flag=True, help="N'envoie rien : écrit l'événement qui partirait, sur la sortie standard."
    ),
    click.option("--wait", is_flag=True, help="Attend les fichiers et montre leur avancement (PREFECTURE_STATE_URL)."),
    click.option(
        "--timeout",
        type=SECONDS,
        default="600",
        show_default=True,
        metavar="SECONDES",
        help="Combien de temps attendre, avec --wait.",
    ),
    json_option,
)
"""How a request is sent, and what is shown of it."""
