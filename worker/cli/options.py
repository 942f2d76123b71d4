"""What options of several commands mean: words, days, codes, what somebody is told of; and who runs the command."""

import os
import pwd
from collections.abc import Iterable
from datetime import date
from typing import Any

import click

from schemas.requests import check_code_commune
from schemas.vocabulary import parse_jour
from worker.notifier.kinds import EVERY_WISH, Wish, join_wishes, split_wishes


class WholeNumber(click.ParamType[int]):
    """A whole number, `least` or more."""

    name = "nombre"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Read the number, or refuse the option."""
        text = str(value)
        if text.isascii() and text.isdigit() and int(text) >= self._least:
            return int(text)
        raise click.BadParameter(f"un nombre entier est attendu, {self._least} au moins", ctx, param)


class CodeCommune(click.ParamType[str]):
    """An INSEE code, in capitals or not."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Read the code, or refuse the option."""
        try:
            return check_code_commune(str(value).upper())
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None


class OneOf(click.ParamType[str]):
    """One of a few words."""

    name = "mot"

    def __init__(self, words: Iterable[str]) -> None:
        self._words = [str(word) for word in words]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Take the word, or refuse the option."""
        text = str(value)
        if text in self._words:
            return text
        raise click.BadParameter(f"les valeurs possibles sont {', '.join(self._words)}", ctx, param)


CODE_COMMUNE = CodeCommune()


class Jour(click.ParamType[date]):
    """`2026-11-25` or `25/11/2026`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:  # noqa: ANN401
        """Read a day, or refuse the option."""
        try:
            return parse_jour(str(value))
        except ValueError:
            message = f"« {value} » n'est pas une date ; écrivez AAAA-MM-JJ ou JJ/MM/AAAA"
            raise click.BadParameter(message, ctx, param) from None


JOUR = Jour()


NOTHING = "rien"

prevenir_option = click.option(
    "--prevenir",
    multiple=True,
    type=OneOf([*EVERY_WISH, NOTHING]),
    metavar="QUOI",
    help="pret, echec (refus et annulations compris), echeance, ou rien ; plusieurs fois ; tout par défaut.",
)


def read_wishes(given: Iterable[str]) -> str | None:
    """As the tables keep them; None when nothing was said."""
    words = set(given)
    if not words:
        return None
    if NOTHING in words and len(words) > 1:
        raise click.UsageError("--prevenir rien est seul")
    return join_wishes(words)


def describe_wishes(kinds: str) -> str:
    """As an operator reads them."""
    wishes = split_wishes(kinds)
    if wishes == set(Wish):
        return "tout"
    return ", ".join(wish.label for wish in Wish if wish in wishes) or NOTHING


def system_user() -> str:
    """The account of the system, whatever the environment pretends; `uid 10001` when it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in some containers
        return f"uid {os.getuid()}"
