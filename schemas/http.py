"""The HTTP API for programs that do not mount the exports volume: its responses and its OpenAPI document."""

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from schemas.events import AnsweredRequest, Count, Published, TableauReference
from schemas.requests import CodeCommune
from schemas.vocabulary import ExportStatus, FileFormat, Liste

PREFIX = "/api/v1"
OPENAPI_PATH, EXPORT_PATH, FILE_PATH = "/openapi.json", "/exports/{export_id}", "/exports/{export_id}/fichier"
TOKEN_PREFIX = "prefecture_"  # noqa: S105 — prefix of every token
TOKEN_ACTOR = "jeton "  # noqa: S105 — prefix of the actor in the audit trail
PROBLEM_JSON = "application/problem+json"


def digest_secret(secret: str) -> str:
    """Return the stored digest of a token's secret: the secret is random enough to need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Problem(Published):
    """The reason why a request has failed. Source: RFC 9457."""

    type: Annotated[str, Field(description="`about:blank`: `code` tells kinds apart.")] = "about:blank"
    title: Annotated[str, Field(description="Of the status, in French.")]
    status: int
    code: Annotated[str, Field(description="Stable word for programs.", examples=["fichier_inconnu"])]
    detail: Annotated[str, Field(description="For people, in French.")]


class ExportDocument(Published):
    """One file: the request, the state and the result. No data of electors."""

    export_id: int
    request: AnsweredRequest
    requested_at: datetime
    commune: CodeCommune
    liste: Liste
    format: FileFormat
    tableau: Annotated[TableauReference | None, Field(description="Absent for a list file.")] = None
    label: Annotated[str, Field(examples=["Liste P du 12/02/2014 12:26:07 [xml]"])]
    status: ExportStatus
    code: Annotated[str | None, Field(description="Of a file that failed: a word for programs.")] = None
    reason: Annotated[str | None, Field(description="Of one that failed or was cancelled: French.")] = None
    url: Annotated[str | None, Field(description="Of its bytes; absent while they are not there, and once purged.")] = (
        None
    )
    name: Annotated[str | None, Field(description="File name to save it under.")] = None
    size: Annotated[int | None, Field(ge=0, description="In bytes.")] = None
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")] = None
    electeurs: Annotated[int | None, Field(ge=0, description="Electors of a list, mouvements of a tableau.")] = None
    pages: Annotated[int | None, Field(ge=1, description="Of a PDF.")] = None
    anomalies_bloquantes: Annotated[
        Count, Field(description="With one, the file is not to be used: the platform would reject it.")
    ]
    a_completer: Annotated[
        Count, Field(description="Of a tableau: mouvements whose date or motif is missing; it is not to be published.")
    ]
    remarques: Count
    provisoire_until: Annotated[
        date | None,
        Field(description="Of a tableau asked for too early: the civil day of the commune from which it is final."),
    ] = None
    recalled_because: Annotated[
        str | None, Field(description="It is to be made again: what was done to the import it rests on, in French.")
    ] = None
    purged_at: Annotated[datetime | None, Field(description="When its bytes were removed.")] = None


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the API: that of the file, with the schemas of today's models."""
    document: dict[str, Any] = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
    models: list[type[BaseModel]] = [ExportDocument, Problem]
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"] = definitions["$defs"]
    return document
