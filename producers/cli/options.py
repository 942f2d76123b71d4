"""Options that several commands share, and the types of their values, read with the contract's own rules."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from common.cli import ParsedType
from producers.batch.batch import BATCH_NAME
from schemas.requests import check_code_commune
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Format, parse_jour, parse_liste

Code = TypeVar("Code", bound=StrEnum)
Number = TypeVar("Number", int, float)


def _parse_commune(text: str) -> str:
    return check_code_commune(text.upper())


def _parse_batch(text: str) -> str:
    if not BATCH_NAME.fullmatch(text):
        raise ValueError("100 lettres sans accent, chiffres, points, tirets ou soulignés au plus")
    return text


class GivenFile(NamedTuple):
    """A file that the command line names, read: what it is called, without folder or ending, and its bytes."""

    stem: str
    content: bytes


def _read_file(text: str) -> GivenFile:
    if text == "-":
        return GivenFile("lot", sys.stdin.buffer.read())
    try:
        return GivenFile(Path(text).stem, Path(text).read_bytes())
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
    click.option("--accept-rejects", is_flag=True, help="Laisse de côté les lignes fausses du fichier."),
    click.option(
        "--resume", type=BATCH, metavar="LOT", help="Reprend un lot sous son nom : rien n'est fait deux fois."
    ),
    click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FICHIER",
        help="Avec --wait : écrit ce qu'il en est de chaque commune du lot, en CSV.",
    ),
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
