"""Days on a command line, as a clerk or a program writes them."""

from datetime import date, datetime
from typing import Any

import click

_FORMATS = ("%Y-%m-%d", "%d/%m/%Y")


class Jour(click.ParamType[date]):
    """`2026-11-25` or `25/11/2026`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:  # noqa: ANN401
        """Read a day, or refuse the option."""
        if isinstance(value, date):
            return value
        days = (_parse(value, form) for form in _FORMATS)
        if day := next(filter(None, days), None):
            return day
        raise click.BadParameter(f"« {value} » n'est pas une date ; écrivez AAAA-MM-JJ ou JJ/MM/AAAA", ctx, param)


def _parse(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 — a day has no time zone
    except ValueError:
        return None


JOUR = Jour()
