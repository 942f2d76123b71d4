"""What a producer may ask for: the `data` of each request event."""

import re
from datetime import date
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from schemas.envelope import Attribute
from schemas.tableaux import Edition, Presentation, TypeTableau, find_missing_dates
from schemas.topology import REQUEST_CANCEL, REQUEST_LISTE_EXPORT, REQUEST_RETRY, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import Format, Liste, parse_jour, parse_liste

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
LARGEST_ID = 2**53 - 1
"""Beyond it, JSON readers do not agree on a number (RFC 8259, section 6)."""

_JOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_REQUESTED_BY = r"[A-Za-zÀ-ÖØ-öø-ÿ0-9][A-Za-zÀ-ÖØ-öø-ÿ0-9 .@_+'’:/-]*"
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


def _parse_jour(value: Any) -> date:  # noqa: ANN401 — whatever the sender wrote
    """Read a date: pydantic alone would take a number for seconds since 1970."""
    if type(value) is date:
        day = value
    elif isinstance(value, str) and _JOUR.fullmatch(value):
        day = parse_jour(value)
    else:
        raise ValueError("date attendue sous la forme AAAA-MM-JJ")
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"année attendue entre {_FIRST_YEAR} et {_LAST_YEAR}")
    return day


def _check_requested_by(name: str) -> str:
    if not re.fullmatch(_REQUESTED_BY, name):
        raise ValueError("des lettres, des chiffres, des espaces et . @ _ + ' ’ : / - sont attendus")
    return name


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
Listes = Annotated[
    list[Annotated[Liste, BeforeValidator(_parse_liste)]],
    Field(min_length=1, max_length=10, description="The lists wanted; the REU's names LP, LCE, LCM are understood."),
    AfterValidator(_once),
]
Jour = Annotated[
    date,
    BeforeValidator(_parse_jour),
    Field(json_schema_extra={"pattern": "^(19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}$"}),
]
RequestedBy = Annotated[
    str,
    Field(
        description="The agent or the service that asks, as the agents' table names it; never an address to write to.",
        min_length=1,
        max_length=100,
        examples=["mairie-libreville"],
        json_schema_extra={"pattern": f"^{_REQUESTED_BY}$"},
    ),
    AfterValidator(_check_requested_by),
]
Bulk = Annotated[
    StrictBool,
    Field(description="Part of a batch: its files are made after those that single clerks ask for."),
]


class Contract(BaseModel):
    """Base of everything that travels: strict names, frozen, and errors that never quote the value at fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ListeExportRequested(Contract):
    """Somebody asks for the list files of a commune: one file per list and per format."""

    EVENT_TYPE: ClassVar[str] = REQUEST_LISTE_EXPORT

    commune: CodeCommune
    listes: Listes = list(Liste)
    formats: Annotated[list[Format], Field(min_length=1, max_length=10), AfterValidator(_once)] = [Format.CSV]
    bulk: Bulk = False
    requested_by: RequestedBy

    def parts(self) -> list[tuple[Liste, Format]]:
        """The files asked for, in the order of the request."""
        return [(liste, format_) for liste in self.listes for format_ in self.formats]


class TableauPart(NamedTuple):
    """One file of a request for tableaux."""

    type: TypeTableau
    liste: Liste
    presentation: Presentation


class TableauxRenderRequested(Contract):
    """Somebody asks for tableaux of a commune: one PDF per type, list and presentation.

    A date is given once for all the tableaux that it concerns.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_TABLEAUX_RENDER

    commune: CodeCommune
    listes: Listes = list(Liste)
    types: Annotated[list[TypeTableau], Field(min_length=1, max_length=10), AfterValidator(_once)]
    presentations: Annotated[list[Presentation], Field(min_length=1, max_length=10), AfterValidator(_once)] = [
        Presentation.COMMUNE
    ]
    edition: Annotated[Edition, Field(description="`commission` prints the whole motif, and is not to be posted.")] = (
        Edition.AFFICHAGE
    )
    date_tableau: Annotated[
        Jour | None,
        Field(
            description="10 January or the last day of February, for the tableaux rectificatifs; where both are asked "
            "for, either date: the other is that of the same year."
        ),
    ] = None
    scrutin: Annotated[Jour | None, Field(description="Day of the poll, for every other tableau.")] = None
    reunion: Annotated[
        Jour | None,
        Field(
            description="The meeting of the commission de contrôle before, which mouvements are counted from, that day "
            "excluded; never the one that the tableau follows (`until`). When absent, the meeting that the register "
            "knows."
        ),
    ] = None
    until: Annotated[
        Jour | None,
        Field(description="Tableau des vingt jours: its last day, included. When absent, the meeting before the poll."),
    ] = None
    publication: Annotated[Jour | None, Field(description="Day the tableau is posted, when it is known.")] = None
    inclure_j5: Annotated[
        StrictBool,
        Field(description="First tableau rectificatif: also what was applied for a poll, as openElec's totals."),
    ] = False
    signature_maire: Annotated[
        StrictBool, Field(description="A place for the mayor to sign where no signature is required.")
    ] = False
    bulk: Bulk = False
    requested_by: RequestedBy

    @model_validator(mode="after")
    def _check_dates(self) -> Self:
        if missing := find_missing_dates(self.types, self.model_dump(exclude_none=True)):
            raise ValueError(" ; ".join(it.explain() for it in missing))
        return self

    def parts(self) -> list[TableauPart]:
        """The files asked for, in the order of the request."""
        return [
            TableauPart(type_, liste, presentation)
            for type_ in self.types
            for liste in self.listes
            for presentation in self.presentations
        ]


class RequestReference(Contract):
    """A request, by the two attributes that identify its event."""

    source: Annotated[Attribute, Field(examples=["/mairie/13900"])]
    id: Attribute


ExportIds = Annotated[
    list[Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)]],
    Field(min_length=1, max_length=100, description="Files of that request, by `export_id`; all when absent."),
    AfterValidator(_once),
]


class _AboutRequest(Contract):
    """Base of what is asked about an earlier request, or some files of it."""

    request: RequestReference
    exports: ExportIds | None = None
    requested_by: RequestedBy


class CancelRequested(_AboutRequest):
    """Somebody does not want the files of a request any more: those that are not made yet will not be."""

    EVENT_TYPE: ClassVar[str] = REQUEST_CANCEL


class RetryRequested(_AboutRequest):
    """Somebody asks again for the files of a request that failed or were cancelled: new files, of today.

    Those named by `exports` are made again even when they are ready: altered since, or purged.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_RETRY
