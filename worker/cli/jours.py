"""Days on a command line, as a clerk or a program writes them."""

from datetime import date
from typing import Any

import click

from schemas.vocabulary import parse_jour


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
