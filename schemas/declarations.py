"""What a person did with files, or knows about the register: the `data` of events that request no file."""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import ConfigDict, Field, StrictBool, model_validator

from schemas.faults import FieldError
from schemas.requests import (
    CodeCommune,
    Contract,
    ExportIds,
    Jour,
    Reason,
    RequestedBy,
    RowId,
    SaidReason,
    Text,
)
from schemas.topology import REQUEST_DECLARATION
from schemas.vocabulary import Categorie, DoubtDecision, Liste, Piece, PublicationMode, Verdict

MOST_BUREAUX = 40
MOST_MOTIFS = 1000
"""Maximum number of mouvements that one event completes."""


Remarque = Annotated[
    Text, Field(max_length=1000, description="What the agent notes; no elector's name.")
]
Answer = Annotated[
    Text,
    Field(
        max_length=20_000,
        description="The platform's answer, pasted. It may name electors: it is erased with the file and never logged.",
    ),
]


class FileDownloaded(Contract):
    """A person has downloaded a piece of a file. The event is sent after the last byte, possibly much later."""

    kind: Literal["downloaded"] = "downloaded"
    piece: Piece = Piece.FICHIER


class FileDeposited(Contract):
    """A person has deposited files on e-listelec; a later note corrects it."""

    kind: Literal["deposited"] = "deposited"
    deposited_on: Annotated[
        Jour,
        Field(
            description="Day of the deposit: not before the file was made, not later than today."
        ),
    ]
    remarque: Remarque = ""


class VerdictReceived(Contract):
    """The platform has accepted or rejected the deposit."""

    kind: Literal["verdict"] = "verdict"
    verdict: Verdict
    verdict_on: Annotated[Jour, Field(description="Day of the answer, not before the deposit.")]
    answer: Answer = ""


class TableauPublished(Contract):
    """A person has posted tableaux, or opened them to consultation; a later note replaces it."""

    kind: Literal["published"] = "published"
    mode: PublicationMode
    published_on: Annotated[Jour, Field(description="First day, not later than today.")]
    published_until: Annotated[
        Jour | None,
        Field(
            description="Last day: of `vingt_jours` seven days later at least, of `cinq_jours_reu` the poll at "
            "least. No certificate is drawn without it."
        ),
    ] = None
    withdrawn_on: Annotated[
        Jour | None, Field(description="Day of the withdrawal, not before the last day.")
    ] = None
    certified_on: Annotated[
        Jour | None, Field(description="Day the certificate was signed, after the last day.")
    ] = None
    reason: Annotated[
        Reason,
        Field(
            description="Required of a tableau that lacks dates or motifs: why it is published all the same."
        ),
    ] = ""


FileNote = FileDownloaded | FileDeposited | VerdictReceived | TableauPublished


_Line = Annotated[Text, Field(max_length=200)]


def _require_libelle(schema: dict[str, Any]) -> None:
    removed = {"properties": {"removed": {"const": True}}, "required": ["removed"]}
    libelle = {
        "properties": {"libelle": {"type": "string", "pattern": "\\S"}},
        "required": ["libelle"],
    }
    schema |= {"if": removed, "else": libelle}


_Removed = Annotated[StrictBool, Field(description="True takes it back.")]
_Replaces = Annotated[Jour | None, Field(description="The day that was noted by mistake.")]


class ReunionNoted(Contract):
    """The commission de contrôle has met. Code électoral, art. L. 19."""

    kind: Literal["reunion"] = "reunion"
    jour: Annotated[Jour, Field(description="Its day, not later than today.")]
    liste: Annotated[Liste | None, Field(description="Its list; all when absent.")] = None
    has_deliberated: Annotated[
        StrictBool,
        Field(description="False: no quorum, or as many votes on each side (art. R. 10)."),
    ] = True
    removed: _Removed = False
    replaces: _Replaces = None
    reason: SaidReason = ""


class ScrutinNoted(Contract):
    """A poll of the commune; a later note replaces it. The commune does not note polls of the whole country."""

    kind: Literal["scrutin"] = "scrutin"
    model_config = ConfigDict(json_schema_extra=_require_libelle)

    jour: Annotated[Jour, Field(description="Day of the vote, in its round.")]
    libelle: Annotated[
        _Line, Field(description="What is voted on, and which round; required unless `removed`.")
    ] = ""
    cloture: Annotated[
        Jour | None, Field(description="Last day to register, when not the usual one.")
    ] = None
    publication_due: Annotated[
        Jour | None,
        Field(
            description="Last day to publish the first tableau, when not the 20th before the poll."
        ),
    ] = None
    has_commission: Annotated[
        StrictBool, Field(description="False: the commission de contrôle does not meet before it.")
    ] = True
    texte: Annotated[_Line, Field(description="The text that fixes these days, required then.")] = (
        ""
    )
    reunion_first: Annotated[
        Jour | None,
        Field(description="First day of the meeting, when not the 24th before the poll."),
    ] = None
    reunion_last: Annotated[
        Jour | None,
        Field(description="Last day of the meeting, when not the 21st before the poll."),
    ] = None
    cinq_jours_due: Annotated[
        Jour | None,
        Field(description="Day of the second tableau, when not the 5th before the poll."),
    ] = None
    removed: _Removed = False
    replaces: _Replaces = None
    reason: SaidReason = ""

    @model_validator(mode="after")
    def _check_libelle(self) -> Self:
        if not self.removed and not self.libelle:
            raise FieldError("libelle_missing", "libelle est attendu : ce qu'on élit, et quel tour")
        return self


class SeenMotif(Contract):
    """What the agent saw of a mouvement before changing it."""

    categorie: Categorie
    motif: _Line
    jour: Annotated[Jour | Literal[""], Field(description="Empty: no exact day.")]


class CompletedMotif(Contract):
    """The date, category and motif of one mouvement; an absent field keeps its value."""

    mouvement: Annotated[RowId, Field(description="Its number.")]
    categorie: Annotated[
        Categorie | None,
        Field(
            description="What a posted tableau prints, of the mouvement's nature. Empty: not known after all."
        ),
    ] = None
    motif: Annotated[
        _Line | None, Field(description="The whole motif, for the commission only.")
    ] = None
    jour: Annotated[
        Jour | Literal[""] | None,
        Field(description="The exact day, between the two exports. Empty: not known after all."),
    ] = None
    replaces: Annotated[
        SeenMotif | None,
        Field(
            description="What the agent saw. The note is refused if another one has changed it since; absent: not "
            "compared."
        ),
    ] = None


class MotifsCompleted(Contract):
    """The dates and motifs of mouvements: all are noted, or none."""

    kind: Literal["motifs"] = "motifs"
    motifs: Annotated[list[CompletedMotif], Field(min_length=1, max_length=MOST_MOTIFS)]


class DescribedBureau(Contract):
    """Fields of a bureau that the export of the REU does not contain; an absent field keeps its value."""

    bureau: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,10}$", description="Its code: `0001`.")]
    code_canton: Annotated[
        str | None,
        Field(
            pattern=r"^(2[AB]|[0-9]{2})[0-9]{2,3}$", description="INSEE: 4 characters, 5 overseas."
        ),
    ] = None
    libelle_canton: _Line | None = None
    code_circonscription: Annotated[
        str | None, Field(pattern=r"^[0-9]{2}$", description="Two digits.")
    ] = None
    libelle_circonscription: _Line | None = None


class BureauxDescribed(Contract):
    """Fields of bureaux: all are noted, or none."""

    kind: Literal["bureaux"] = "bureaux"
    bureaux: Annotated[list[DescribedBureau], Field(min_length=1, max_length=MOST_BUREAUX)]

    @model_validator(mode="after")
    def _check_once(self) -> Self:
        if len({it.bureau for it in self.bureaux}) < len(self.bureaux):
            raise FieldError("bureau_twice", "chaque bureau est attendu une seule fois")
        return self


def _require_one(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [
        {"properties": {name: {"type": "integer"}}, "required": [name]}
        for name in ("electeur", "lifted")
    ]


class MairieDescribed(Contract):
    """The town hall, as its letters and certificates name it. Each note replaces the former one as a whole.

    A field that is empty or absent is a line that the letter leaves to fill in by hand.
    """

    kind: Literal["mairie"] = "mairie"
    voie: Annotated[_Line, Field(description="Number and street: `1 place de la Mairie`.")] = ""
    ville: Annotated[_Line, Field(description="Postal code and town: `13900 LIBREVILLE`.")] = ""
    telephone: Annotated[
        str, Field(pattern=r"^[0-9+(). -]{0,30}$", description="As the letter prints it.")
    ] = ""
    courriel: Annotated[
        str, Field(pattern=r"^([^@\s]+@[^@\s]+)?$", max_length=254, description="Of the service.")
    ] = ""
    signataire: Annotated[
        _Line, Field(description="Name and quality of who signs: `Camille EXEMPLE, maire`.")
    ] = ""


class ElecteurProtected(Contract):
    """No tableau prints the address of the elector. Code électoral, art. L. 37. No event names the elector."""

    kind: Literal["protection"] = "protection"
    model_config = ConfigDict(json_schema_extra=_require_one)

    electeur: Annotated[
        RowId | None, Field(description="To protect: the row of the elector on a current list.")
    ] = None
    lifted: Annotated[
        RowId | None, Field(description="To lift a protection: the row of the protection.")
    ] = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.electeur is None) == (self.lifted is None):
            raise FieldError("one_of_two", "electeur ou lifted est attendu, pas les deux")
        return self


class DoubtDecided(Contract):
    """Whether a radiation and an inscription are one person. A later decision replaces it."""

    kind: Literal["doubt"] = "doubt"
    doubt: Annotated[RowId, Field(description="Its number, as `declare --show doubt` lists it.")]
    decision: DoubtDecision
    replaces: Annotated[
        DoubtDecision | Literal[""] | None,
        Field(
            description="The decision that the agent saw; empty: none yet. The note is refused if it has changed "
            "since; absent: not compared."
        ),
    ] = None
    reason: SaidReason = ""


RegisterNote = (
    ReunionNoted
    | ScrutinNoted
    | MotifsCompleted
    | BureauxDescribed
    | MairieDescribed
    | ElecteurProtected
    | DoubtDecided
)


FILE_KINDS, REGISTER_KINDS = (
    frozenset[str](it.model_fields["kind"].default for it in get_args(notes))
    for notes in (FileNote, RegisterNote)
)
NOTE_KINDS = FILE_KINDS | REGISTER_KINDS


def _require_exports(schema: dict[str, Any]) -> None:
    of_files = {"properties": {"note": {"properties": {"kind": {"enum": sorted(FILE_KINDS)}}}}}
    exports = {"properties": {"exports": {"type": "array"}}, "required": ["exports"]}
    schema |= {
        "if": of_files,
        "then": exports,
        "else": {"properties": {"exports": {"type": "null"}}},
    }


class DeclarationNoted(Contract):
    """A note about files (what a person did with them) or about the register (what no export of the REU contains)."""

    EVENT_TYPE: ClassVar[str] = REQUEST_DECLARATION

    model_config = ConfigDict(json_schema_extra=_require_exports)

    commune: CodeCommune
    exports: Annotated[
        ExportIds | None,
        Field(
            description="Of a note about files: these, by `export_id`, all of that commune; else absent."
        ),
    ] = None
    note: Annotated[FileNote | RegisterNote, Field(discriminator="kind")]
    seen: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Of the screen: what the form showed of the notes that this one replaces. The note is refused "
            "if they have changed since; absent: not compared.",
        ),
    ] = None
    requested_by: RequestedBy

    @model_validator(mode="after")
    def _check_exports(self) -> Self:
        if (self.exports is None) == (self.note.kind in FILE_KINDS):
            why = "exports est attendu pour ce qui est noté de fichiers, et pour rien d'autre"
            raise FieldError("exports_of_files", why)
        return self
