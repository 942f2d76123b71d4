"""What the worker says of its files: the `data` of each event it publishes. No elector's data, ever."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from schemas.requests import CodeCommune, Contract, RequestReference
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.topology import (
    EVENT_ECHEANCE_NEAR,
    EVENT_EXPORT_CANCELLED,
    EVENT_EXPORT_FAILED,
    EVENT_EXPORT_READY,
    EVENT_EXPORT_RECALLED,
    EVENT_REQUEST_ACCEPTED,
    EVENT_REQUEST_REFUSED,
    EVENT_REQUEST_SETTLED,
)
from schemas.vocabulary import FileFormat, Liste

Count = Annotated[int, Field(ge=0)]
RequestId = Annotated[int, Field(description="Our number of the request, `request_id` in the views.")]


class TableauReference(Contract):
    """Which tableau a PDF is."""

    type: TypeTableau
    presentation: Presentation
    edition: Edition


class _File(Contract):
    """Which file an event is about."""

    export_id: int
    request: RequestReference
    commune: CodeCommune
    liste: Liste
    format: FileFormat
    tableau: Annotated[TableauReference | None, Field(description="Absent for a list file.")] = None
    label: Annotated[str, Field(examples=["Liste P du 12/02/2014 12:26:07 [xml]"])]


class ExportReady(_File):
    """A file is in the exports volume, whole, and recorded."""

    EVENT_TYPE: ClassVar[str] = EVENT_EXPORT_READY

    path: Annotated[str, Field(description="Relative to the exports volume.")]
    size: Annotated[int, Field(ge=0, description="In bytes.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    electeurs: Annotated[
        int,
        Field(ge=0, description="Electors in the file: the data lines of a CSV, the mouvements that a tableau counts."),
    ]
    pages: Annotated[int | None, Field(ge=1, description="Of a PDF.")] = None
    anomalies_bloquantes: Annotated[
        int, Field(ge=0, description="The platform would reject the list for each of them; a tableau would be wrong.")
    ]
    remarques: Count
    provisoire_until: Annotated[
        date | None,
        Field(
            description="Of a tableau asked for before its date: that date. It is provisional, to be made again then."
        ),
    ] = None


class ExportFailed(_File):
    """A file could not be made; the reason is for people, in French."""

    EVENT_TYPE: ClassVar[str] = EVENT_EXPORT_FAILED

    code: Annotated[str, Field(description="Stable word for programs.", examples=["disque_plein"])]
    reason: str


class ExportCancelled(_File):
    """A file will not be made: somebody cancelled it; the reason is for people, in French."""

    EVENT_TYPE: ClassVar[str] = EVENT_EXPORT_CANCELLED

    reason: str


class ExpectedFile(Contract):
    """A file that will be made, and told of in an event of its own."""

    export_id: int
    liste: Liste
    format: FileFormat
    tableau: Annotated[TableauReference | None, Field(description="Absent for a list file.")] = None
    label: Annotated[str, Field(examples=["Liste P du 12/02/2014 12:26:07 [xml]"])]


class RequestAccepted(Contract):
    """An event was read and is being served, or has been: a cancellation and a declaration expect no file."""

    EVENT_TYPE: ClassVar[str] = EVENT_REQUEST_ACCEPTED

    request: RequestReference
    request_id: RequestId
    commune: CodeCommune
    exports: Annotated[list[ExpectedFile], Field(description="Empty where nothing more follows.")]


class RequestSettled(Contract):
    """Nothing more will happen to the files of a request: each was told of before."""

    EVENT_TYPE: ClassVar[str] = EVENT_REQUEST_SETTLED

    request: RequestReference
    request_id: RequestId
    commune: CodeCommune
    ready: Count
    failed: Count
    cancelled: Count


class RefusalFault(Contract):
    """One of the reasons of a refusal."""

    field: Annotated[
        str, Field(description="From the root of the event; empty for the whole.", examples=["data.formats.0"])
    ]
    code: Annotated[str, Field(description="Stable word for programs.", examples=["enum"])]
    message: Annotated[str, Field(description="For people, in French.")]


class ExportRecalled(_File):
    """A file that was ready is to be made again: an import that it rests on was undone, or its day corrected."""

    EVENT_TYPE: ClassVar[str] = EVENT_EXPORT_RECALLED

    because: Annotated[str, Field(description="What was done to the import, in French.")]


class RequestRefused(Contract):
    """A request was read and cannot be served; asking again the same thing gives the same answer.

    After RFC 9457: `code` is its type, `reason` its detail, `request` its instance, `errors` the extension it shows.
    """

    EVENT_TYPE: ClassVar[str] = EVENT_REQUEST_REFUSED

    request: RequestReference
    code: Annotated[str, Field(description="Stable word for programs.", examples=["demande_invalide"])] = "refus"
    reason: Annotated[str, Field(description="For people, in French.")]
    errors: Annotated[Sequence[RefusalFault], Field(description="One at least.")] = ()


class EcheanceNear(Contract):
    """A day of the electoral calendar comes near in a commune, where somebody wants to be reminded of it."""

    EVENT_TYPE: ClassVar[str] = EVENT_ECHEANCE_NEAR

    commune: CodeCommune
    echeance: Annotated[
        str, Field(description="A type of tableau, or `commission`: its meeting.", examples=["vingt_jours"])
    ]
    due_on: Annotated[date, Field(description="The day, in France.")]
    until: Annotated[date, Field(description="The last day; later than `due_on` for a meeting only.")]
    scrutin: date
    libelle: Annotated[str, Field(description="What the poll is called; empty when nobody said it.")] = ""
