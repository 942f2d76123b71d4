"""Types of command line values, refused in French."""

from collections.abc import Iterable
from typing import Any

import click

from schemas.requests import check_code_commune


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
