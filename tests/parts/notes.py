"""Declarations of an agent, as event data."""

from typing import Any

from schemas.declarations import DeclarationNoted
from schemas.screen_notes import ScreenNoted
from tests.parts.town import AGENT


def note_file(
    kind: str,
    *exports: int,
    commune: str = "13900",
    requested_by: str = AGENT,
    **fields: Any,  # noqa: ANN401
) -> DeclarationNoted:
    """A note about files; `fields` are those of its kind."""
    about = {"commune": commune, "exports": list(exports), "requested_by": requested_by}
    return DeclarationNoted.model_validate(about | {"note": {"kind": kind} | fields})


def note_register(
    kind: str,
    commune: str = "13900",
    requested_by: str = AGENT,
    **fields: Any,  # noqa: ANN401
) -> DeclarationNoted:
    """A note about the register; `fields` are those of its kind."""
    said = {"commune": commune, "requested_by": requested_by, "note": {"kind": kind} | fields}
    return DeclarationNoted.model_validate(said)


def note_screen(
    kind: str,
    commune: str = "13900",
    requested_by: str = AGENT,
    **fields: Any,  # noqa: ANN401
) -> ScreenNoted:
    """A note of the screen; `fields` are those of its kind."""
    said = {"commune": commune, "requested_by": requested_by, "note": {"kind": kind} | fields}
    return ScreenNoted.model_validate(said)
