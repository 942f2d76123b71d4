"""The requests of producers: the `data` of each request event."""

import re
import unicodedata
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    model_validator,
)
from pydantic_core import CoreSchema

from schemas.envelope import Attribute
from schemas.faults import FieldError
from schemas.profiles.source import SourceMapping
from schemas.tableaux import (
    YEARLY_REVISION,
    Edition,
    Presentation,
    TypeTableau,
    dated_by,
    find_missing_dates,
    find_wrong_dates,
)
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_LISTE_EXPORT,
    REQUEST_REGISTRE_CORRECTION,
    REQUEST_REGISTRE_IMPORT,
    REQUEST_REGISTRE_PREVIEW,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)
from schemas.vocabulary import CopieFile, Format, Liste, PreviewAct, Qualite, parse_jour

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
LARGEST_ID = 2**53 - 1
"""The largest integer that all JSON readers represent exactly (RFC 8259, section 6)."""


def _read_whole(value: Any) -> Any:  # noqa: ANN401 — decoded JSON
    """Read 41.0 as 41, which is the same number in JSON and in its schemas."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


RowId = Annotated[StrictInt, Field(ge=1, le=LARGEST_ID), BeforeValidator(_read_whole)]

_JOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
NAME_CHARACTERS = r"A-Za-zÀ-ÖØ-öø-ž0-9 .@_+'’:/(),°&-"
_REQUESTED_BY = rf"[A-Za-zÀ-ÖØ-öø-ž0-9][{NAME_CHARACTERS}]*"
_CODE_COMMUNE = r"((0[1-9]|[1-8][0-9]|9[0-5]|2[AB])[0-9]{3}|9[78][0-9]{3})"


def check_code_commune(code: str) -> str:
    """Accept an INSEE commune code: five characters, Corsica 2A/2B, overseas 97x and 98x.

    Raises:
        ValueError: any other text, such as a path or a département code.
    """
    if not re.fullmatch(_CODE_COMMUNE, code, re.ASCII):
        raise FieldError(
            "commune_code",
            "code INSEE de commune attendu : 5 caractères, par exemple 13055 ou 2A004",
        )
    return code


def _parse_jour(value: Any) -> date:  # noqa: ANN401 — decoded JSON
    """Read a date; pydantic alone also accepts a number as seconds since 1970."""
    if type(value) is date:
        day = value
    elif isinstance(value, str) and _JOUR.fullmatch(value):
        day = parse_jour(value)
    else:
        raise FieldError("date_format", "date attendue sous la forme AAAA-MM-JJ")
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise FieldError("date_range", f"année attendue entre {_FIRST_YEAR} et {_LAST_YEAR}")
    return day


def _check_date_tableau(day: date) -> date:
    if (day.month, day.day) != (1, 10) and day + timedelta(days=1) != date(day.year, 3, 1):
        raise FieldError(
            "date_range", "la date de tableau est le 10 janvier ou le dernier jour de février"
        )
    return day


def _check_requested_by(name: str) -> str:
    if not re.fullmatch(_REQUESTED_BY, name):
        allowed = (
            "des lettres, des chiffres, des espaces et . @ _ + ' ’ : / ( ) , ° & - sont attendus"
        )
        raise FieldError("name_characters", allowed)
    return name


_TEXT = r"([^\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\r\n)*"


def check_text(text: str) -> str:
    """Accept text of one or several lines; return it trimmed, with line breaks as LF.

    Raises:
        ValueError: the text holds a control character.
    """
    text = text.replace("\r\n", "\n")
    if any(
        unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in text
    ):
        raise FieldError("control_character", "caractère de contrôle refusé")
    return text.strip()


def _as_set(values: list[Any]) -> list[Any]:
    """Return each value once, words in the order of their vocabulary: a list of the contract is a set."""
    if values and isinstance(values[0], StrEnum):
        return [word for word in type(values[0]) if word in values]
    return sorted(set(values))


_LEAST_LETTERS, _LETTERS = 3, "A-Za-zÀ-ÖØ-öø-ž"


def check_reason(text: str) -> str:
    """Accept a reason, or none; return it as `check_text` does.

    Raises:
        FieldError: it has fewer than three letters, so that it gives no reason.
    """
    text = check_text(text)
    if text and len(re.findall(f"[{_LETTERS}]", text)) < _LEAST_LETTERS:
        raise FieldError("reason_without_words", "dites pourquoi, en quelques mots")
    return text


CodeCommune = Annotated[
    str,
    AfterValidator(check_code_commune),
    Field(
        description="INSEE code of the commune.",
        examples=["13900"],
        json_schema_extra={"pattern": f"^{_CODE_COMMUNE}$"},
    ),
]
Text = Annotated[
    str, AfterValidator(check_text), Field(json_schema_extra={"pattern": f"^{_TEXT}$"})
]
"""A text that a person writes, of one or several lines."""
Reason = Annotated[
    str,
    AfterValidator(check_reason),
    Field(
        max_length=500,
        json_schema_extra={
            "allOf": [
                {"pattern": f"^{_TEXT}$"},
                {"pattern": f"^\\s*$|([{_LETTERS}][^{_LETTERS}]*){{{_LEAST_LETTERS}}}"},
            ]
        },
    ),
]
"""Why something is done: empty, or three letters at least."""
Listes = Annotated[
    list[Liste],
    Field(min_length=1, max_length=10, description="Lists wanted; all when absent."),
    AfterValidator(_as_set),
]
Jour = Annotated[
    date,
    BeforeValidator(_parse_jour),
    Field(json_schema_extra={"pattern": "^(19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}$"}),
]
RequestedBy = Annotated[
    str,
    Field(
        description="The agent or service that asks, as the agents' table names it; never an address.",
        min_length=1,
        max_length=100,
        examples=["mairie-libreville"],
        json_schema_extra={"pattern": f"^{_REQUESTED_BY}$"},
    ),
    AfterValidator(_check_requested_by),
]
SaidReason = Annotated[
    Reason,
    Field(
        description="Why files that were deposited, or taken to be posted, are to be made again; required where there "
        "are some."
    ),
]
Bulk = Annotated[
    StrictBool,
    Field(description="Part of a batch: made after what single clerks ask for; false when absent."),
]
AskedProgress = Annotated[
    StrictBool, Field(description="Has no effect; the answer lists it in `ignored`.")
]


class Contract(BaseModel):
    """Base of requests: strict field names, frozen, and errors that never quote a value.

    An optional field may be `null`, which means absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema, which requires `kind`: the model of a note has it by default, and an event must say it."""
        schema = handler.resolve_ref_schema(handler(core))
        if "kind" in cls.model_fields:
            schema["required"] = ["kind", *schema.get("required", ())]
        return schema

    @model_validator(mode="before")
    @classmethod
    def _drop_null(cls, fields: Any) -> Any:  # noqa: ANN401 — decoded JSON
        if not isinstance(fields, dict):
            return fields
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name not in optional
        }


_Words = Annotated[Text, Field(max_length=500)]


COPIE_MOST_DAYS = 7
"""Days after which the day of the register must be confirmed before a copy of the list is given: see docs/loi.md."""


def _say_answers(schema: dict[str, Any]) -> None:
    """Say in a JSON Schema what `CopieAsked` checks of several fields."""

    def given(name: str, said: dict[str, Any]) -> dict[str, Any]:
        return {"required": [name], "properties": {name: said}}

    text, day = {"type": "string", "pattern": "\\S"}, {"type": "string"}
    answers = [given("engagement_on", day), given("refus", text)]
    asked = [given("demandeur", text), given("qualite", day), given("recue_on", day)]
    schema |= {
        "if": given("numero", {"type": "integer"}),
        "then": {"oneOf": answers},
        "else": {"allOf": asked, "not": {"anyOf": answers}},
    }


def _say_one_list(schema: dict[str, Any]) -> None:
    copy = {"required": ["copie"], "properties": {"copie": {"type": "object"}}}
    one = {"anyOf": [{"items": {"const": it}} for it in Liste]}
    schema |= {"if": copy, "then": {"required": ["listes"], "properties": {"listes": one}}}


class CopieAsked(Contract):
    """A copy of the list that an elector asks for, or the answer to that. Code électoral, art. L. 37 and R. 20.

    Without `numero`, the request is recorded, and the undertaking is made, to be signed. With it, the copy is made or
    refused, as PDF and CSV whatever `formats`. `listes` names one list, that of the request.
    """

    model_config = ConfigDict(json_schema_extra=_say_answers)

    numero: Annotated[RowId | None, Field(description="Of the request that is answered.")] = None
    demandeur: Annotated[_Words, Field(description="Who asks; erased later.")] = ""
    qualite: Annotated[
        Qualite | None, Field(description="How it was checked that this person is an elector.")
    ] = None
    recue_on: Annotated[Jour | None, Field(description="The day the request was received.")] = None
    bureau: Annotated[
        str, Field(pattern=r"^[0-9A-Za-z-]{0,10}$", description="Of this bureau alone: its code.")
    ] = ""
    engagement_on: Annotated[
        Jour | None, Field(description="The day the signed undertaking came: the copy is given.")
    ] = None
    refus: Annotated[_Words, Field(description="Why it is refused, in the letter.")] = ""
    accept_old_register: Annotated[
        StrictBool,
        Field(
            description=f"The copy is given although the export of the list is more than {COPIE_MOST_DAYS} days old."
        ),
    ] = False

    @property
    def edition(self) -> CopieFile:
        """What is made."""
        given = CopieFile.COPIE if self.engagement_on else CopieFile.ENGAGEMENT
        return CopieFile.REFUS if self.refus else given

    @model_validator(mode="after")
    def _check_act(self) -> Self:
        answers = bool(self.engagement_on) + bool(self.refus)
        if self.numero is None and (
            answers or not (self.demandeur and self.qualite and self.recue_on)
        ):
            raise FieldError(
                "one_of_two", "demandeur, qualite et recue_on sont attendus, sans réponse encore"
            )
        if self.numero is not None and answers != 1:
            raise FieldError(
                "one_of_two", "engagement_on est attendu pour remettre la copie, sinon refus"
            )
        return self


class ListeExportRequested(Contract):
    """Request the list files of a commune: one file per list and format."""

    EVENT_TYPE: ClassVar[str] = REQUEST_LISTE_EXPORT

    model_config = ConfigDict(json_schema_extra=_say_one_list)

    commune: CodeCommune
    listes: Listes = list(Liste)
    formats: Annotated[
        list[Format],
        Field(min_length=1, max_length=10, description="CSV when absent."),
        AfterValidator(_as_set),
    ] = [Format.CSV]
    copie: Annotated[CopieAsked | None, Field(description="A copy for an elector.")] = None
    bulk: Bulk = False
    progress: AskedProgress | None = None
    requested_by: RequestedBy

    @model_validator(mode="after")
    def _name_the_list_of_a_copy(self) -> Self:
        if self.copie and len(self.listes) != 1:
            raise FieldError("one_list", "une copie est d'une seule liste, que listes nomme")
        return self

    def parts(self) -> list[tuple[Liste, Format]]:
        """Return the requested files, in the order of the vocabulary."""
        return [(liste, format_) for liste in self.listes for format_ in self.formats]


_UNTIL_2018 = "^(19[0-9]{2}|200[0-9]|201[0-8])-"
"""Years up to `LAST_REPEALED_DAY`."""
_SINCE_2019 = "^(2019|20[2-9][0-9]|21[0-9]{2})-"


def _say_dates(schema: dict[str, Any]) -> None:
    is_yearly = {"pattern": f"^{YEARLY_REVISION}"}
    schema["allOf"] = []
    for type_ in TypeTableau:
        asked = {"types": {"contains": {"const": type_}}}
        schema["allOf"] += [
            {
                "if": {"properties": asked},
                "then": {
                    "anyOf": [
                        {"required": [name], "properties": {name: {"type": "string"}}}
                        for name in missing.names
                    ]
                },
            }
            for missing in find_missing_dates([type_], ())
        ]
        pattern = {"pattern": _UNTIL_2018 if type_.is_repealed else _SINCE_2019}
        schema["allOf"].append(
            {
                "if": {"properties": {**asked, "commune": {"not": is_yearly}}},
                "then": {"properties": dict.fromkeys(dated_by(type_), pattern)},
            }
        )
        if not type_.is_repealed:  # a date that is given is refused
            schema["allOf"].append(
                {
                    "if": {"properties": {**asked, "commune": is_yearly}},
                    "then": {"properties": {key: {"type": "null"} for key in dated_by(type_)}},
                }
            )


class TableauPart(NamedTuple):
    """One file of a request for tableaux."""

    type: TypeTableau
    liste: Liste
    presentation: Presentation


class TableauxRenderRequested(Contract):
    """Request tableaux of a commune: one PDF per type, list and presentation.

    A date is given once for all the tableaux that use it.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_TABLEAUX_RENDER

    model_config = ConfigDict(json_schema_extra=_say_dates)

    commune: CodeCommune
    listes: Listes = list(Liste)
    types: Annotated[
        list[TypeTableau],
        Field(min_length=1, max_length=10, description="The first four are of 2018 and before."),
        AfterValidator(_as_set),
    ]
    presentations: Annotated[
        list[Presentation],
        Field(min_length=1, max_length=10, description="`commune` when absent."),
        AfterValidator(_as_set),
    ] = [Presentation.COMMUNE]
    edition: Annotated[
        Edition,
        Field(description="`commission`: whole motifs, not to be posted. `affichage` when absent."),
    ] = Edition.AFFICHAGE
    secteur: Annotated[
        Annotated[StrictInt, Field(ge=1, le=20)] | None,
        Field(
            description="Of Paris, Lyon or Marseille: its secteur, whose commission met on `reunion` and `until` (art. "
            "R. 7). The whole commune when absent."
        ),
    ] = None
    date_tableau: Annotated[
        Annotated[
            Jour,
            AfterValidator(_check_date_tableau),
            Field(json_schema_extra={"pattern": "^(19|2[01])[0-9]{2}-(01-10|02-2[89])$"}),
        ]
        | None,
        Field(
            description="Of the tableaux rectificatifs: 10 January or the last day of February; either when both are "
            "asked for."
        ),
    ] = None
    scrutin: Annotated[Jour | None, Field(description="Day of the poll.")] = None
    reunion: Annotated[
        Jour | None,
        Field(
            description="Meeting of the commission de contrôle before: mouvements are counted from the day after it. "
            "Not the meeting that the tableau follows, which is `until`. The register's when absent."
        ),
    ] = None
    until: Annotated[
        Jour | None,
        Field(
            description="Last day, included. When absent, of `vingt_jours` the meeting before the poll, of "
            "`cinq_jours_reu` the sixth day before it, the eve of its publication."
        ),
    ] = None
    publication: Annotated[
        Jour | None,
        Field(
            description="Day the tableau is to be published: mouvements end on the day before. Not printed."
        ),
    ] = None
    inclure_j5: Annotated[
        StrictBool,
        Field(description="Of `premier_rectificatif`: also what was applied for a poll."),
    ] = False
    signature_maire: Annotated[
        StrictBool,
        Field(description="A place for the mayor to sign where no signature is required."),
    ] = False
    bulk: Bulk = False
    progress: AskedProgress | None = None
    requested_by: RequestedBy

    @model_validator(mode="after")
    def _check_dates(self) -> Self:
        if missing := find_missing_dates(self.types, self.model_dump(exclude_none=True)):
            raise FieldError("date_missing", " ; ".join(it.explain() for it in missing))
        if wrong := find_wrong_dates(self.types, dict(self)):
            raise FieldError("date_of_other_law", " ; ".join(it.reason for it in wrong))
        return self

    def parts(self) -> list[TableauPart]:
        """Return the requested files, in the order of the vocabulary."""
        return [
            TableauPart(type_, liste, presentation)
            for type_ in self.types
            for liste in self.listes
            for presentation in self.presentations
        ]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the file, in hexadecimal.")]


class RegistrePreviewRequested(Contract):
    """Request a preview of the import of an export of the REU, which is in the arrivals folder.

    The register does not change. The file is deleted after a day, unless it was imported or discarded before.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_REGISTRE_PREVIEW

    commune: CodeCommune
    arrival: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9]{1,9})?$",
            description="Name of the file in the arrivals folder, without a path.",
            examples=["5a0d2f6c8e9b4d17.csv"],
        ),
    ]
    sha256: Sha256
    taken_on: Annotated[
        Jour, Field(description="The day it was downloaded from the REU, not later than today.")
    ]
    file_name: Annotated[
        str,
        Field(
            pattern=r"^[^\u0000-\u001f\u007f-\u009f/\\]*$",
            max_length=200,
            description="What its owner calls it.",
        ),
    ] = ""
    liste: Annotated[
        Liste | None, Field(description="List of all its electors, where the file does not tell.")
    ] = None
    requested_by: RequestedBy


class RegistreImportRequested(Contract):
    """Confirm a preview: import exactly that file into the register that it was compared with.

    For the preview of a correction: apply exactly that correction.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_REGISTRE_IMPORT

    commune: CodeCommune
    preview: Annotated[RowId, Field(description="`preview_id` of the view `apercus`.")]
    sha256: Sha256
    accept_rejects: Annotated[
        StrictBool, Field(description="Go on without the rejected lines.")
    ] = False
    accept_changes: Annotated[
        StrictBool, Field(description="Answer yes to all questions of the preview.")
    ] = False
    empty: Annotated[
        list[Liste],
        Field(
            max_length=10, description="Lists that the export does not hold, now without electors."
        ),
        AfterValidator(_as_set),
    ] = []
    reason: SaidReason = ""
    mapping: Annotated[
        SourceMapping | None,
        Field(
            description="Of a preview in the state `to_match`: what its columns and values mean, as in a profile."
        ),
    ] = None
    requested_by: RequestedBy


UNDO_DAYS = 30
"""Days during which an import can be undone: the default retention of the exports volume."""


class RegistreCorrectionRequested(Contract):
    """Request a preview of undoing an import, or of changing its date.

    Nothing changes yet: `registre_import` confirms the preview, as for an export.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_REGISTRE_CORRECTION

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"act": {"const": PreviewAct.REDATE}}},
            "then": {"required": ["taken_on"], "properties": {"taken_on": {"type": "string"}}},
        }
    )

    commune: CodeCommune
    import_id: Annotated[
        RowId,
        Field(
            description="The export, by `import_id` of the view `imports`; of that commune alone."
        ),
    ]
    act: Literal[PreviewAct.UNDO, PreviewAct.REDATE]
    taken_on: Annotated[
        Jour | None, Field(description="Of `redate`, required: the day it was really downloaded.")
    ] = None
    requested_by: RequestedBy

    @model_validator(mode="after")
    def _check_day(self) -> Self:
        if self.act is PreviewAct.REDATE and self.taken_on is None:
            raise FieldError(
                "date_missing", "taken_on est attendu : le jour où l'export a été téléchargé du REU"
            )
        return self


class RequestReference(Contract):
    """A request, identified by the two attributes of its event."""

    source: Annotated[Attribute, Field(examples=["/mairie/13900"])]
    id: Attribute


ExportIds = Annotated[
    list[RowId],
    Field(min_length=1, max_length=100, description="Files of that request, by `export_id`."),
    AfterValidator(_as_set),
]


class _AboutRequest(Contract):
    """Base of requests about an earlier request, or about some of its files."""

    request: RequestReference
    exports: ExportIds | None = None
    requested_by: RequestedBy


class CancelRequested(_AboutRequest):
    """Cancel the unfinished files of a request, or those that `exports` names.

    For a preview of the register: discard the export and delete its file.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_CANCEL


class RetryRequested(_AboutRequest):
    """Request again the files of a request that have no good bytes: new files with the data of today.

    Files that `exports` names are made again even if they are ready, for example altered or purged.
    """

    EVENT_TYPE: ClassVar[str] = REQUEST_RETRY
