"""What a command's exit code means, for scripts; the only list (docs/producers.md repeats it for readers)."""

from enum import IntEnum

from producers.records import RequestState
from schemas.vocabulary import ExportStatus


class ExitCode(IntEnum):
    """The outcome of a command."""

    DONE = 0
    """Everything asked was done; without `--wait`, the broker holds the request."""
    FAILED = 1
    """The request was refused, or one of its files could not be made."""
    USAGE = 2
    """The command line, the environment or the event is wrong: nothing was sent."""
    AWAY = 3
    """The broker did not take the request, or the database did not answer."""
    TIMEOUT = 4
    """The request was sent, but its files were not all made in the time allowed; they may still come."""
    ANOMALIES = 5
    """Every file was made, but one at least has blocking anomalies: the list would be rejected, the tableau wrong."""


def exit_code_of(request: RequestState) -> ExitCode:
    """The code of a command that waited for a request until now."""
    if not request.is_terminal:
        return ExitCode.TIMEOUT
    if not request.exports or any(export.status is not ExportStatus.READY for export in request.exports):
        return ExitCode.FAILED
    return ExitCode.ANOMALIES if any(export.bloquantes for export in request.exports) else ExitCode.DONE
