"""The HTTP API for programs that do not mount the exports volume: its responses and its OpenAPI document."""

import hashlib
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from schemas.events import AnsweredRequest, Count, Published, TableauReference
from schemas.requests import CodeCommune
from schemas.vocabulary import FORMATS, ExportStatus, FileFormat, Liste

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


_ERRORS = {
    "401": "No token, or one that is unknown or revoked.",
    "404": "No such file of a commune of the token.",
    "405": "Only GET and HEAD.",
    "429": "Too often: `Retry-After` says for how many seconds.",
    "503": "The database does not answer.",
}
_ERRORS_OF_FILE = _ERRORS | {
    "409": "The file is not made: it waits, failed or was cancelled.",
    "410": "Its bytes were purged, or are not there any more.",
    "416": "No such range of bytes.",
    "500": "The bytes are not those of the record: nothing is given.",
}
_ID = {"name": "export_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_RANGE_HEADERS = ("Range", "If-Range", "If-None-Match")


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the API."""
    models: list[type[BaseModel]] = [ExportDocument, Problem]
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Module Préfecture",
            "version": "1.0.0",
            "description": "Files for programs that do not mount the exports volume. They are asked for by an event "
            "(asyncapi.json). Fields are added.",
        },
        "servers": [{"url": "https://{host}" + PREFIX, "variables": {"host": {"default": "prefecture.example"}}}],
        "security": [{"token": []}],
        "paths": {
            EXPORT_PATH: {
                "get": {
                    "operationId": "getExport",
                    "summary": "What is known of a file",
                    "parameters": [_ID],
                    "responses": {
                        "200": _answer(
                            "The file.", "application/json", {"$ref": "#/components/schemas/ExportDocument"}
                        ),
                        **_problems(_ERRORS),
                    },
                }
            },
            FILE_PATH: {
                "get": {
                    "operationId": "getFile",
                    "summary": "Its bytes, as the record has them, or none",
                    "parameters": [
                        _ID,
                        *({"name": name, "in": "header", "schema": {"type": "string"}} for name in _RANGE_HEADERS),
                    ],
                    "responses": {
                        "200": _file("All of them."),
                        "206": _file("One range of them (RFC 9110, section 14); several at once are not served."),
                        "304": {"description": "What `If-None-Match` names is what it still is."},
                        **_problems(_ERRORS_OF_FILE),
                    },
                }
            },
        },
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From the operator (`python -m worker accounts`), for some communes.",
                }
            },
        },
    }


def _answer(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _file(description: str) -> dict[str, Any]:
    headers = {
        "ETag": "The SHA-256 of the whole file, in hexadecimal.",
        "Repr-Digest": "The same, as RFC 9530 has it.",
        "Digest": "The same, as RFC 3230 has it.",
    }
    return {
        "description": description,
        "headers": {name: {"description": what, "schema": {"type": "string"}} for name, what in headers.items()},
        "content": {record.media_type: {} for record in FORMATS.values()},
    }


def _problems(errors: dict[str, str]) -> dict[str, Any]:
    problem = {"$ref": "#/components/schemas/Problem"}
    return {status: _answer(what, PROBLEM_JSON, problem) for status, what in errors.items()}
