"""Types of command line values, read with the contract's own rules."""

from typing import Any

import click

from schemas.requests import check_code_commune
from schemas.vocabulary import Format, Liste, parse_liste


class _CommuneType(click.ParamType[str]):
    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 — click's
        try:
            return check_code_commune(str(value).strip().upper())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _ListeType(click.ParamType[Liste]):
    name = "liste"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Liste:  # noqa: ANN401 — click's
        try:
            return parse_liste(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _FormatType(click.ParamType[Format]):
    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Format:  # noqa: ANN401 — click's
        try:
            return Format(str(value).lower())
        except ValueError:
            self.fail(f"format inconnu ; formats possibles : {', '.join(Format)}", param, ctx)


COMMUNE = _CommuneType()
LISTE = _ListeType()
FORMAT = _FormatType()

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Écrit un document JSON, seul, sur la sortie standard."
)
