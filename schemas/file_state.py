"""The one state of a file, from what is known of it: every page, mail, event, command and view shows this state."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.vocabulary import ExportStatus, Toned, Verdict


class FileState(Toned):
    """The state of a file in a clerk's work; a file that cannot be used is never READY."""

    QUEUED = "queued", "en attente", "queued"
    RUNNING = "running", "en préparation", "running"
    FAILED = "failed", "en échec", "failed"
    CANCELLED = "cancelled", "annulé", "cancelled"
    REJECTED = "rejected", "rejeté", "error"
    TO_REDO = "to_redo", "à refaire", "error"
    CERTIFIED = "certified", "certifié", "ok"
    PUBLISHED = "published", "publié", "info"
    ACCEPTED = "accepted", "accepté", "ok"
    DEPOSITED = "deposited", "déposé", "info"
    PURGED = "purged", "effacé", "idle"
    MISSING = "missing", "introuvable", "error"
    ALTERED = "altered", "altéré", "error"
    TO_CORRECT = "to_correct", "à corriger", "error"
    PROVISOIRE = "provisoire", "provisoire", "warning"
    TO_COMPLETE = "to_complete", "à compléter", "warning"
    OUTDATED = "outdated", "ancien", "warning"
    READY = "ready", "prêt", "ready"


class StateRule(NamedTuple):
    """A finished file is in `state` if the fact `column` equals `value`; without `value`, if the fact is there."""

    state: FileState
    column: str
    value: str | None = None


STATE_RULES = (
    StateRule(FileState.REJECTED, "verdict", Verdict.REJETE),
    StateRule(FileState.TO_REDO, "recalled_at"),
    StateRule(FileState.CERTIFIED, "certified_on"),
    StateRule(FileState.PUBLISHED, "published_on"),
    StateRule(FileState.ACCEPTED, "verdict", Verdict.ACCEPTE),
    StateRule(FileState.DEPOSITED, "deposited_on"),
    StateRule(FileState.PURGED, "purged_at"),
    StateRule(FileState.MISSING, "fault", "missing"),
    StateRule(FileState.ALTERED, "fault"),
    StateRule(FileState.TO_CORRECT, "bloquantes"),
    StateRule(FileState.PROVISOIRE, "provisoire_until"),
    StateRule(FileState.TO_COMPLETE, "a_completer"),
    StateRule(FileState.OUTDATED, "outdated_at"),
)
"""From the last thing that may happen to a file to the first: the first rule that matches gives the state.

Columns are those of the view `derniers_exports`, whose column `state` is computed from these rules. A file without a
match is ready.
"""

USABLE = frozenset(
    {
        FileState.READY,
        FileState.DEPOSITED,
        FileState.ACCEPTED,
        FileState.PUBLISHED,
        FileState.CERTIFIED,
    }
)
"""The states that need no cure; `schemas.cures` has those of the others."""
_AGAINST = ("purged_at", "fault", "bloquantes", "provisoire_until")
"""Facts that a deposit or a publication does not remove."""


def find_state(status: ExportStatus, facts: Mapping[str, object]) -> FileState:
    """Return the state of a file; `facts`: what is known of it, by the columns of `STATE_RULES`."""
    if status is not ExportStatus.READY:
        return FileState(status.value)
    return next((rule.state for rule in STATE_RULES if _holds(rule, facts)), FileState.READY)


def _holds(rule: StateRule, facts: Mapping[str, object]) -> bool:
    known = facts.get(rule.column)
    return bool(known) if rule.value is None else known == rule.value


def is_usable(status: ExportStatus, facts: Mapping[str, object]) -> bool:
    """Return whether nothing that is known speaks against the use of the file: it may be deposited or published."""
    return find_state(status, facts) in USABLE and not any(facts.get(it) for it in _AGAINST)
