"""What the worker publishes about files: the `data` of each event. No event holds data of electors."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, ConfigDict, Field

from schemas.envelope import Attribute
from schemas.faults import Fault
from schemas.file_state import FileState, find_state, is_usable
from schemas.requests import CodeCommune, Sha256
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.topology import (
    EVENT_ECHEANCE_NEAR,
    EVENT_EXPORT_STATUS,
    EVENT_REGISTRE_STATUS,
    EVENT_REQUEST_STATUS,
)
from schemas.vocabulary import (
    ExportKind,
    ExportStatus,
    FileFormat,
    ImportQuestion,
    Liste,
    PreviewAct,
    PreviewStatus,
)

Count = Annotated[int, Field(ge=0)]
RequestId = Annotated[
    int, Field(description="Our number of the request, `request_id` in the views.")
]


class Published(BaseModel):
    """Base of published data: later versions add fields, so readers must ignore unknown fields."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class AnsweredRequest(Published):
    """The request that an event is about, identified by the two attributes of its event."""

    source: Annotated[Attribute, Field(examples=["/mairie/13900"])]
    id: Attribute
    uuid: Annotated[
        str,
        Field(
            description="Of its state over HTTP, `/api/v1/requests/UUID`: another content under its `id` has another.",
            examples=["5f0c1d0e-8a3b-5b52-9c1e-0d7a4c1f2b6a"],
        ),
    ]


class TableauReference(Published):
    """The tableau that a PDF contains."""

    type: TypeTableau
    presentation: Presentation
    edition: Edition


class ExpectedFile(Published):
    """A file that the worker will produce; a later event announces its state."""

    export_id: int
    liste: Liste
    format: FileFormat
    tableau: Annotated[TableauReference | None, Field(description="Absent for a list file.")] = None
    label: Annotated[str, Field(examples=["Liste P du 12/02/2014 12:26:07 [xml]"])]


class FileStage(StrEnum):
    """How far the making of a file is; `queued` and `running` are in no event."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RECALLED = "recalled"


class MadeFile(Published):
    """A complete, recorded file of the exports volume."""

    path: Annotated[str, Field(description="Relative to the exports volume.")]
    size: Annotated[int, Field(ge=0, description="In bytes.")]
    sha256: Sha256
    url: Annotated[
        str | None,
        Field(
            description="Of its bytes, for programs with a token; absent where the screen has no public address.",
            examples=["https://prefecture.example/api/v1/exports/41/fichier"],
        ),
    ] = None
    electeurs: Annotated[
        int,
        Field(
            ge=0,
            description="Electors: the data lines of a CSV, the mouvements that a tableau counts.",
        ),
    ]
    pages: Annotated[int | None, Field(ge=1, description="Of a PDF.")] = None
    anomalies_bloquantes: Annotated[
        int,
        Field(
            ge=0,
            description="The platform would reject the list for each of them; a tableau would be wrong.",
        ),
    ]
    a_completer: Annotated[
        Count,
        Field(
            description="Of a tableau: mouvements without date or motif; it is not to be published before."
        ),
    ]
    remarques: Count
    provisoire_until: Annotated[
        date | None,
        Field(
            description="Of a provisional tableau: the civil day of the commune from which it is final, to be made "
            "again then."
        ),
    ] = None


class FileStatus(ExpectedFile):
    """A file is ready, failed or cancelled; or a ready file must be made again (`recalled`)."""

    EVENT_TYPE: ClassVar[str] = EVENT_EXPORT_STATUS

    request: AnsweredRequest
    commune: CodeCommune
    status: FileStage
    state: Annotated[
        FileState,
        Field(description="The one state that the screen, the mails and the commands show too."),
    ]
    usable: Annotated[
        bool,
        Field(
            description="Whether it may be deposited or published: it is ready, and neither recalled, provisional, to "
            "correct nor to complete."
        ),
    ]
    file: Annotated[MadeFile | None, Field(description="Of a file that is ready.")] = None
    code: Annotated[
        str | None,
        Field(description="Of a failure: a stable word for programs.", examples=["disque_plein"]),
    ] = None
    reason: Annotated[
        str | None,
        Field(description="Why it failed, was cancelled or recalled, for people, in French."),
    ] = None


def expected_fields(row: Any, export_id: int) -> dict[str, Any]:  # noqa: ANN401 — of `export` or `derniers_exports`
    """Return the fields of an ExpectedFile."""
    is_tableau = row.kind == ExportKind.TABLEAU
    named = {"type": row.type_tableau, "presentation": row.presentation, "edition": row.edition}
    about = {"export_id": export_id, "liste": row.liste, "format": row.format, "label": row.label}
    return about | {"tableau": named if is_tableau else None}


_FOUND_AT_THE_END = ("bloquantes", "provisoire_until", "a_completer")
"""The facts that are known when a file is made. An event is about its own instant: later facts are not in it."""


def ended_fields(row: Any, url: str | None) -> dict[str, Any]:  # noqa: ANN401 — as above
    """Return the fields of the FileStatus of a ready, failed or cancelled file that say how it ended."""
    if row.status == ExportStatus.CANCELLED:
        return _unusable(FileState.CANCELLED) | {"reason": row.error_message}
    if row.status != ExportStatus.READY:
        return _unusable(FileState.FAILED) | {"code": row.error_code, "reason": row.error_message}
    found = {name: getattr(row, name) for name in _FOUND_AT_THE_END}
    known = {
        "state": find_state(ExportStatus.READY, found),
        "usable": is_usable(ExportStatus.READY, found),
    }
    return {"status": FileStage.READY, "file": made_file(row, url)} | known


def made_file(row: Any, url: str | None) -> MadeFile:  # noqa: ANN401 — as above
    """Return the record of a file that was made."""
    return MadeFile(
        path=f"{row.code_commune}/{row.file_name}",
        size=row.size or 0,
        sha256=row.sha256 or "",
        url=url,
        electeurs=row.electeurs or 0,
        pages=row.pages,
        anomalies_bloquantes=row.bloquantes,
        a_completer=row.a_completer,
        remarques=row.remarques,
        provisoire_until=row.provisoire_until,
    )


def _unusable(state: FileState) -> dict[str, Any]:
    return {"status": FileStage(state.value), "state": state, "usable": False}


def recalled_fields(because: str) -> dict[str, Any]:
    """Return the fields of the FileStatus of a recalled file that say why."""
    known = {"state": FileState.TO_REDO, "usable": False}
    return {"status": FileStage.RECALLED, "reason": because} | known


def name_request(sender: str, source: str, event_id: str, payload_hash: str) -> str:
    """Return the UUIDv5 of the request of an event: the same wherever it is computed, at the door or by a worker.

    It also depends on the content of the event: the refusal of a second content under one `id` has a UUID of its own.
    """
    return str(uuid5(NAMESPACE_URL, f"{sender}\n{source}\n{event_id}\n{payload_hash}"))


def name_event(source: str, event_id: str, part: object, event_type: str, time: datetime) -> str:
    """Return the id of an event about a request: the same for the same part and instant."""
    return str(
        uuid5(NAMESPACE_URL, f"{source}\n{event_id}\n{part}\n{event_type}\n{time.isoformat()}")
    )


class RefusalFault(Published):
    """One of the reasons of a refusal."""

    field: Annotated[
        str,
        Field(
            description="JSON Pointer (RFC 6901) from the root of the event; empty for the whole.",
            examples=["/data/formats/0"],
        ),
    ]
    code: Annotated[str, Field(description="Stable word for programs.", examples=["enum"])]
    message: Annotated[str, Field(description="For people, in French.")]

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Return the fault as programs get it."""
        return cls(field=fault.pointer, code=fault.code, message=fault.message)


class RequestStage(StrEnum):
    """The state of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SETTLED = "settled"


class RequestStatus(Published):
    """A request is accepted or refused, or all its files are finished (`settled`).

    A cancellation and a declaration expect no file. A refused request that is sent again gets the same reply. After RFC
    9457: `code` is the type of a refusal, `reason` its detail, `request` its instance, `errors` the extension.
    """

    EVENT_TYPE: ClassVar[str] = EVENT_REQUEST_STATUS

    request: AnsweredRequest
    status: RequestStage
    request_id: Annotated[
        int | None,
        Field(
            description="Our number of the request, `request_id` in the views; absent of a refused one."
        ),
    ] = None
    commune: Annotated[
        CodeCommune | None,
        Field(description="Absent where none is named that the sender may ask for."),
    ] = None
    exports: Annotated[
        Sequence[ExpectedFile] | None,
        Field(
            description="Of an accepted request: the files to expect; empty where nothing more follows."
        ),
    ] = None
    ready: Annotated[
        int | None, Field(ge=0, description="Of a settled request: how many of its files.")
    ] = None
    failed: Annotated[int | None, Field(ge=0, description="Likewise.")] = None
    cancelled: Annotated[int | None, Field(ge=0, description="Likewise.")] = None
    code: Annotated[
        str | None,
        Field(
            description="Of a refused request: a stable word for programs.",
            examples=["demande_invalide"],
        ),
    ] = None
    reason: Annotated[
        str | None, Field(description="Why it is refused, for people, in French.")
    ] = None
    errors: Annotated[
        Sequence[RefusalFault] | None, Field(description="Of a refused request: one at least.")
    ] = None
    ignored: Annotated[
        Sequence[RefusalFault] | None,
        Field(description="Of an accepted request: fields that have no effect any more."),
    ] = None


class PreviewedListe(Published):
    """A list that an export, or the undoing of an export, would replace."""

    liste: Liste
    electeurs: Count
    before: Annotated[
        int | None,
        Field(ge=0, description="What the register holds; absent when it has no such list."),
    ] = None


class PreviewedQuestion(Published):
    """A question that an agent must confirm before the import of an export."""

    kind: ImportQuestion
    liste: Annotated[Liste | None, Field(description="Absent where it is of the whole file.")] = (
        None
    )
    found: Annotated[str, Field(description="What would change, with its figures, in French.")]
    cause: Annotated[str, Field(description="The likely cause, in French.")]


class RegistreStatus(Published):
    """The state of an export of the REU or of its correction; while it is `ready`, what the import would change."""

    EVENT_TYPE: ClassVar[str] = EVENT_REGISTRE_STATUS

    request: AnsweredRequest
    request_id: RequestId
    commune: CodeCommune
    preview_id: Annotated[
        int, Field(description="Our number of the preview, `preview_id` in the view `apercus`.")
    ]
    sha256: Sha256
    act: PreviewAct = PreviewAct.IMPORT
    status: PreviewStatus
    reason: Annotated[
        str, Field(description="Why it was refused, for people, in French; empty otherwise.")
    ] = ""
    import_id: Annotated[
        int | None, Field(description="Its number in the register; absent when it is not there.")
    ] = None
    listes: Annotated[Sequence[PreviewedListe], Field(description="Lists of the export.")] = ()
    kept: Annotated[
        Sequence[Liste], Field(description="Lists of the register that the export does not hold.")
    ] = ()
    questions: Annotated[
        Sequence[PreviewedQuestion],
        Field(description="What is to be confirmed by `accept_changes`, if anything."),
    ] = ()
    lines_read: Count = 0
    lines_rejected: Annotated[
        int, Field(ge=0, description="They are to be accepted when there are any.")
    ] = 0
    inscriptions: Count = 0
    radiations: Count = 0
    changements: Annotated[int, Field(ge=0, description="Electors who vote in another bureau.")] = 0
    doubts: Annotated[
        int, Field(ge=0, description="Radiations and inscriptions that may be of one person.")
    ] = 0
    mouvements: Annotated[
        int, Field(ge=0, description="Of a correction: forgotten, or of another day.")
    ] = 0
    recalled: Annotated[
        int, Field(ge=0, description="Of a correction: files to be made again.")
    ] = 0
    is_reason_wanted: Annotated[
        bool,
        Field(description="One of them was deposited, or taken to be posted: say why, to go on."),
    ] = False


class EcheanceNear(Published):
    """A date of the electoral calendar is near in a commune, for recipients who subscribed to reminders."""

    EVENT_TYPE: ClassVar[str] = EVENT_ECHEANCE_NEAR

    commune: CodeCommune
    echeance: Annotated[
        str,
        Field(
            description="A type of tableau; `commission`: its meeting; `retrait`: published tableaux to withdraw.",
            examples=["vingt_jours"],
        ),
    ]
    due_on: Annotated[date, Field(description="The day, in France.")]
    until: Annotated[
        date,
        Field(
            description="The last day: of a meeting's window, of a withdrawal's reminder; else `due_on`."
        ),
    ]
    scrutin: Annotated[
        date | None,
        Field(description="The poll; absent for a withdrawal, and when no poll calls for it."),
    ] = None
    libelle: Annotated[
        str,
        Field(
            description="What the poll is called; of a withdrawal, the tableaux. Empty when not known."
        ),
    ] = ""
