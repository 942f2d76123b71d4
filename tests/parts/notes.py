"""Events by which an agent notes something."""

from typing import Any

from schemas.declarations import FileNoted
from tests.parts.town import AGENT


def note_file(kind: str, *exports: int, commune: str = "13900", requested_by: str = AGENT, **fields: Any) -> FileNoted:  # noqa: ANN401
    """A note about files; `fields` are those of its kind."""
    about = {"commune": commune, "exports": list(exports), "requested_by": requested_by}
    return FileNoted.model_validate(about | {"note": {"kind": kind} | fields})
