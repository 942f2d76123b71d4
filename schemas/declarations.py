"""What a person did with a file, or says of the register: the `data` of each declaration. They ask for no new file."""

import unicodedata
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StrictInt

from schemas.requests import LARGEST_ID, CodeCommune, Contract, ExportIds, Jour, RequestedBy
from schemas.topology import (
    REQUEST_DEPOT_DECLARE,
    REQUEST_DEPOT_VERDICT,
    REQUEST_DOUBT_DECIDE,
    REQUEST_FILE_DOWNLOADED,
)
from schemas.vocabulary import DoubtDecision, Piece, Verdict

_LINES = {"\n", "\t"}


def _check_text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in _LINES for letter in text):
        raise ValueError("caractère de contrôle refusé")
    return text


Remarque = Annotated[str, Field(max_length=1000), AfterValidator(_check_text)]
Answer = Annotated[
    str,
    Field(
        max_length=20_000,
        description="The platform's answer, pasted by a person. It may name electors: it is stored for the agents of "
        "the commune only, erased with the file, and never logged.",
    ),
    AfterValidator(_check_text),
]


class FileDownloaded(Contract):
    """Somebody has taken a file, for the audit trail. Sent once the bytes have left, however late."""

    EVENT_TYPE: ClassVar[str] = REQUEST_FILE_DOWNLOADED

    commune: CodeCommune
    export: Annotated[StrictInt, Field(ge=1, le=LARGEST_ID, description="The file, by `export_id`.")]
    piece: Piece = Piece.FICHIER
    requested_by: RequestedBy


class DoubtDecided(Contract):
    """Somebody says whether a radiation and an inscription are one person. Once: it is not taken back."""

    EVENT_TYPE: ClassVar[str] = REQUEST_DOUBT_DECIDE

    commune: CodeCommune
    doubt: Annotated[StrictInt, Field(ge=1, le=LARGEST_ID, description="Its number, as `doutes` lists it.")]
    decision: DoubtDecision
    requested_by: RequestedBy


class _AboutDepot(Contract):
    """Base of what is said of files that were deposited together."""

    commune: CodeCommune
    exports: Annotated[ExportIds, Field(description="The files, by `export_id`, all of that commune.")]
    requested_by: RequestedBy


class DepotDeclared(_AboutDepot):
    """Somebody has deposited files on e-listelec; said again, it corrects what was said before."""

    EVENT_TYPE: ClassVar[str] = REQUEST_DEPOT_DECLARE

    deposited_on: Annotated[Jour, Field(description="The day of the deposit, not a later one than today.")]
    remarque: Remarque = ""


class DepotVerdictDeclared(_AboutDepot):
    """The platform has answered: the deposit stands, or is to be made again."""

    EVENT_TYPE: ClassVar[str] = REQUEST_DEPOT_VERDICT

    verdict: Verdict
    verdict_on: Annotated[Jour, Field(description="The day of the answer.")]
    answer: Answer = ""
