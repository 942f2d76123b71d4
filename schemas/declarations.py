"""What a person did with files, or knows of the register: the `data` of the events that ask for no file."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt

from schemas.requests import LARGEST_ID, CodeCommune, Contract, ExportIds, Jour, RequestedBy, SaidReason, check_text
from schemas.topology import (
    REQUEST_DOUBT_DECIDE,
    REQUEST_FILE_NOTED,
    REQUEST_REGISTER_NOTE,
)
from schemas.vocabulary import (
    Categorie,
    DoubtDecision,
    Liste,
    Piece,
    PublicationMode,
    SeenPage,
    Verdict,
    Wish,
    parse_liste,
)

MOST_MOTIFS = 1000
"""Mouvements completed by one event."""


Remarque = Annotated[str, Field(max_length=1000), AfterValidator(check_text)]
Answer = Annotated[
    str,
    Field(
        max_length=20_000,
        description="The platform's answer, pasted by a person. It may name electors: it is stored for the agents of "
        "the commune only, erased with the file, and never logged.",
    ),
    AfterValidator(check_text),
]


class FileDownloaded(Contract):
    """A person has taken a piece of a file. Sent once the bytes have left, however late."""

    kind: Literal["downloaded"] = "downloaded"
    piece: Piece = Piece.FICHIER


class FileDeposited(Contract):
    """A person has deposited files on e-listelec; a later note corrects it."""

    kind: Literal["deposited"] = "deposited"
    deposited_on: Annotated[Jour, Field(description="The day of the deposit, not a later one than today.")]
    remarque: Remarque = ""


class VerdictReceived(Contract):
    """The platform has accepted or rejected the deposit."""

    kind: Literal["verdict"] = "verdict"
    verdict: Verdict
    verdict_on: Annotated[Jour, Field(description="The day of the answer.")]
    answer: Answer = ""


class TableauPublished(Contract):
    """A person has posted tableaux, or opened them to consultation; a later note replaces it."""

    kind: Literal["published"] = "published"
    mode: PublicationMode
    published_on: Annotated[Jour, Field(description="The first day, not a later one than today.")]
    published_until: Annotated[
        Jour | None, Field(description="The last day; absent while it is not known: no certificate is drawn then.")
    ] = None
    withdrawn_on: Annotated[
        Jour | None, Field(description="The day it was withdrawn, not before the last one; absent until then.")
    ] = None
    certified_on: Annotated[
        Jour | None, Field(description="The day its certificate was signed, after the last one; absent before.")
    ] = None
    reason: Annotated[
        str,
        Field(
            max_length=500,
            description="Why a tableau that lacks dates or motifs is published all the same; required of such a one, "
            "and kept with the publication.",
        ),
        AfterValidator(check_text),
    ] = ""


FileNote = FileDownloaded | FileDeposited | VerdictReceived | TableauPublished
"""What may be noted of files, distinguished by `kind`."""

NOTE_KINDS = frozenset(it.model_fields["kind"].default for it in get_args(FileNote))


class FileNoted(Contract):
    """What a person did with files."""

    EVENT_TYPE: ClassVar[str] = REQUEST_FILE_NOTED

    commune: CodeCommune
    exports: Annotated[ExportIds, Field(description="The files, by `export_id`, all of that commune.")]
    note: Annotated[FileNote, Field(discriminator="kind")]
    requested_by: RequestedBy


class DoubtDecided(Contract):
    """Somebody says whether a radiation and an inscription are one person. Once: it is not taken back."""

    EVENT_TYPE: ClassVar[str] = REQUEST_DOUBT_DECIDE

    commune: CodeCommune
    doubt: Annotated[StrictInt, Field(ge=1, le=LARGEST_ID, description="Its number, as `doutes` lists it.")]
    decision: DoubtDecision
    requested_by: RequestedBy


_RowId = Annotated[StrictInt, Field(ge=1, le=LARGEST_ID)]
_Line = Annotated[str, AfterValidator(check_text), Field(max_length=200)]
_AboutListe = Annotated[
    Liste | None,
    BeforeValidator(lambda value: parse_liste(value) if isinstance(value, str) else value),
    Field(description="The list that it was about; all of them when absent."),
]


class ReunionNoted(Contract):
    """The commission de contrôle has met. Code électoral, art. L. 19."""

    act: Literal["reunion_noted"] = "reunion_noted"
    jour: Annotated[Jour, Field(description="The day, not a later one than today.")]
    liste: _AboutListe = None
    has_deliberated: Annotated[
        StrictBool, Field(description="False: no quorum, or as many votes on each side (art. R. 10).")
    ] = True
    replaces: Annotated[Jour | None, Field(description="The day that was noted by mistake.")] = None
    reason: SaidReason = ""


class ReunionRemoved(Contract):
    """It has not: the meeting was noted by mistake."""

    act: Literal["reunion_removed"] = "reunion_removed"
    jour: Jour
    liste: _AboutListe = None
    reason: SaidReason = ""


class ScrutinNoted(Contract):
    """A poll of the commune; noted again, what is known of it is replaced. Those of the whole country are not hers."""

    act: Literal["scrutin_noted"] = "scrutin_noted"
    jour: Annotated[Jour, Field(description="The day of the vote, that of its round.")]
    libelle: Annotated[_Line, Field(min_length=1, description="What is voted on, and which round.")]
    cloture: Annotated[Jour | None, Field(description="Last day to register, when it is not the usual one.")] = None
    publication_due: Annotated[
        Jour | None,
        Field(description="Last day to publish the first tableau, when it is not the twentieth before the poll."),
    ] = None
    has_commission: Annotated[
        StrictBool, Field(description="False: the commission de contrôle does not meet before it.")
    ] = True
    texte: Annotated[
        _Line, Field(description="The text that fixes these two, required then: « décret n° 2024-527 du 9 juin 2024 ».")
    ] = ""
    replaces: Annotated[Jour | None, Field(description="The day that was noted by mistake.")] = None
    reason: SaidReason = ""


class ScrutinRemoved(Contract):
    """The commune does not vote on that day."""

    act: Literal["scrutin_removed"] = "scrutin_removed"
    jour: Jour
    reason: SaidReason = ""


class CompletedMotif(Contract):
    """When and why one elector came or left; what is absent stays as it was."""

    mouvement: Annotated[_RowId, Field(description="Its number.")]
    categorie: Annotated[
        Categorie | None,
        Field(description="What a posted tableau prints; one of the mouvement's nature. Empty: not known after all."),
    ] = None
    motif: Annotated[_Line | None, Field(description="The whole motif, for the commission only.")] = None
    jour: Annotated[
        Jour | Literal[""] | None,
        Field(
            description="The exact day: later than the export before, no later than the export that shows the "
            "mouvement. Empty: not known after all."
        ),
    ] = None


class MotifsCompleted(Contract):
    """The dates and motifs of mouvements: all are noted, or none."""

    act: Literal["motifs_completed"] = "motifs_completed"
    motifs: Annotated[list[CompletedMotif], Field(min_length=1, max_length=MOST_MOTIFS)]


class BureauDescribed(Contract):
    """What the REU's export did not say of a bureau; what is absent stays as it was."""

    act: Literal["bureau_described"] = "bureau_described"
    bureau: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,10}$", description="Its code: `0001`.")]
    code_canton: Annotated[
        str | None, Field(pattern=r"^(2[AB]|[0-9]{2})[0-9]{2,3}$", description="INSEE: 4 characters, 5 overseas.")
    ] = None
    libelle_canton: _Line | None = None
    code_circonscription: Annotated[str | None, Field(pattern=r"^[0-9]{2}$", description="Two digits.")] = None
    libelle_circonscription: _Line | None = None


class ElecteurProtected(Contract):
    """No tableau prints the address of an elector any more. Code électoral, art. L. 37."""

    act: Literal["electeur_protected"] = "electeur_protected"
    electeur: Annotated[_RowId, Field(description="Her row on a list of now: no event names her.")]


class ProtectionLifted(Contract):
    """Tableaux print the address of an elector again."""

    act: Literal["protection_lifted"] = "protection_lifted"
    protection: Annotated[_RowId, Field(description="The row of her protection.")]


class WishesChosen(Contract):
    """What the agent who sends it wants to be mailed about the commune; nothing, when there is none."""

    act: Literal["wishes_chosen"] = "wishes_chosen"
    wishes: Annotated[list[Wish], Field(max_length=10)]


class ElecteursSeen(Contract):
    """A page that names electors was shown, for the audit trail."""

    act: Literal["electeurs_seen"] = "electeurs_seen"
    page: SeenPage
    electeurs: Annotated[StrictInt, Field(ge=0, le=LARGEST_ID, description="How many it named.")]
    export: Annotated[_RowId | None, Field(description="The file that it was about.")] = None


class AnomaliesHandled(Contract):
    """Somebody says that she corrected, in the REU, what lines of a file's report of anomalies name; or not yet."""

    act: Literal["anomalies_handled"] = "anomalies_handled"
    export: _RowId
    lines: Annotated[
        list[_RowId],
        Field(min_length=1, max_length=200, description="Lines of the report, the first after the titles is 1."),
    ]
    is_handled: Annotated[bool, Field(description="False: it is to be done after all.")] = True


class DownloadBegun(Contract):
    """A file is about to be given: said before its first byte, so that what is cut off leaves a line too."""

    act: Literal["download_begun"] = "download_begun"
    export: _RowId
    piece: Piece = Piece.FICHIER


class LoggedIn(Contract):
    """A provider of identities vouched for the agent; the first time, she is bound to the identity that it knows."""

    act: Literal["logged_in"] = "logged_in"
    identity: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the issuer, an end of line, and the subject.")
    ]


class SettingsReported(Contract):
    """What a program runs with, secrets masked, for the audit trail; said at its start, recorded once per change."""

    act: Literal["settings_reported"] = "settings_reported"
    settings: Annotated[str, Field(min_length=1, max_length=8000)]


RegisterAct = (
    ReunionNoted
    | ReunionRemoved
    | ScrutinNoted
    | ScrutinRemoved
    | MotifsCompleted
    | BureauDescribed
    | ElecteurProtected
    | ProtectionLifted
    | WishesChosen
    | ElecteursSeen
    | AnomaliesHandled
    | DownloadBegun
    | LoggedIn
    | SettingsReported
)
"""What may be noted, told apart by `act`."""


class RegisterNoted(Contract):
    """What the town hall knows and no export of the REU says."""

    EVENT_TYPE: ClassVar[str] = REQUEST_REGISTER_NOTE

    commune: CodeCommune
    note: Annotated[RegisterAct, Field(discriminator="act")]
    requested_by: RequestedBy
