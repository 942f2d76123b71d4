"""What a producer may ask for: the `data` of each request event."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from schemas.topology import REQUEST_LISTE_EXPORT
from schemas.vocabulary import Format, Liste, parse_liste

CODE_COMMUNE = re.compile(r"(?:0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|9[78][0-9])[0-9]{2,3}", re.ASCII)


def check_code_commune(code: str) -> str:
    """Accept an INSEE commune code: five characters, Corsica 2A/2B, overseas 97x and 98x.

    Raises:
        ValueError: anything else, a path or a département code included.
    """
    if len(code) != 5 or not CODE_COMMUNE.fullmatch(code):  # noqa: PLR2004 — INSEE, Code officiel géographique
        raise ValueError("code INSEE de commune attendu : 5 caractères, par exemple 13055 ou 2A004")
    return code


def _parse_liste(value: Any) -> Any:  # noqa: ANN401 — whatever the sender wrote
    return parse_liste(value) if isinstance(value, str) else value


def _once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


CodeCommune = Annotated[
    str,
    AfterValidator(check_code_commune),
    Field(
        description="INSEE code of the commune.",
        examples=["13900"],
        json_schema_extra={"pattern": "^(2[AB]|[0-9]{2})[0-9]{3}$"},
    ),
]
RequestedBy = Annotated[
    str,
    Field(
        description="The agent or the service that asks, as the agents' table names it; never an address to write to.",
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-zÀ-ÖØ-öø-ÿ0-9][A-Za-zÀ-ÖØ-öø-ÿ0-9 .@_+'’:/-]*$",
        examples=["mairie-libreville"],
    ),
]


class Contract(BaseModel):
    """Base of everything that travels: strict names, frozen, and errors that never quote the value at fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ListeExportRequested(Contract):
    """Somebody asks for the list files of a commune: one file per list and per format."""

    EVENT_TYPE: ClassVar[str] = REQUEST_LISTE_EXPORT

    commune: CodeCommune
    listes: Annotated[
        list[Annotated[Liste, BeforeValidator(_parse_liste)]],
        Field(
            min_length=1, max_length=10, description="The lists wanted; the REU's names LP, LCE, LCM are understood."
        ),
        AfterValidator(_once),
    ] = list(Liste)
    formats: Annotated[list[Format], Field(min_length=1, max_length=10), AfterValidator(_once)] = [Format.CSV]
    requested_by: RequestedBy

    def parts(self) -> list[tuple[Liste, Format]]:
        """The files asked for, in the order of the request."""
        return [(liste, format_) for liste in self.listes for format_ in self.formats]
