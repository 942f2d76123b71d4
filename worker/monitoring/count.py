"""From the totals of the rows to the metrics: which figure goes where, with those that are still nought.

A counter that appeared with its first event would hide that event from every rate.
"""

from collections.abc import Iterable
from itertools import product

from schemas.tableaux import TypeTableau
from schemas.vocabulary import ExportKind, ExportStatus, FileFormat, Format, Liste, RequestOutcome, Severity
from worker.errors import (
    CountMismatchError,
    DiskFullError,
    ExportError,
    PrefectureError,
    SchemaMismatchError,
    TransientError,
)
from worker.monitoring import metrics
from worker.monitoring.board import Board
from worker.monitoring.facts import OTHER_TYPE, REFUSED, REQUEST_TYPES, SENT
from worker.monitoring.ledger import Sums, Totals
from worker.monitoring.present import DELAYED, STATES, Pending, Untold
from worker.notifier.kinds import Channel

_LISTES = [(ExportKind.LISTE, "", *pair) for pair in product(Liste, Format)]
_TABLEAUX = [(ExportKind.TABLEAU, *pair, FileFormat.PDF) for pair in product(TypeTableau, Liste)]
_SETTLED = [status for status in ExportStatus if status.is_terminal]
_BULK = {False: "no", True: "yes"}
_DELAYS = [error.code for error in (DiskFullError, TransientError, PrefectureError)]
_FAILURES = [*_DELAYS, *(error.code for error in (ExportError, CountMismatchError, SchemaMismatchError))]
_FORMATS = [*((ExportKind.LISTE, format_) for format_ in Format), (ExportKind.TABLEAU, FileFormat.PDF)]


def count_requests(board: Board, totals: Totals) -> None:
    """Requests, by what became of them when they were read."""
    board.begin(metrics.REQUESTS, product([*REQUEST_TYPES.values(), OTHER_TYPE], RequestOutcome))
    for labels, sums in totals.items():
        board.add(metrics.REQUESTS, labels, sums["number"])


def count_told(board: Board, told: Totals, notifications: Totals) -> None:
    """How long people waited to be told, and what became of the messages."""
    board.begin(metrics.TELLING, [()])
    board.begin(metrics.NOTIFICATIONS, product(Channel, (SENT, REFUSED)))
    for sums in told.values():
        board.add(metrics.TELLING, (), sums["seconds"])
    for labels, sums in notifications.items():
        board.add(metrics.NOTIFICATIONS, labels, sums["number"])


def count_exports(board: Board, totals: Totals) -> None:
    """Files, and what is in those that are ready."""
    _begin_exports(board)
    for (kind, tableau, liste, format_, status, code), sums in totals.items():
        board.add(metrics.EXPORTS, (kind, tableau, liste, format_, status), sums["number"])
        if status == ExportStatus.FAILED:
            board.add(metrics.FAILURES, (kind, code), sums["number"])
        elif status == ExportStatus.READY:
            _count_ready(board, (kind, tableau, liste, format_), sums)


def _begin_exports(board: Board) -> None:
    files = [*_LISTES, *_TABLEAUX]
    board.begin(metrics.EXPORTS, [(*labels, status) for labels, status in product(files, _SETTLED)])
    board.begin(metrics.FAILURES, product(ExportKind, _FAILURES))
    board.begin(metrics.ELECTEURS, product(Liste, Format))
    board.begin(metrics.MOUVEMENTS, product(Liste, TypeTableau))
    board.begin(metrics.ANOMALIES, product(ExportKind, Severity))
    for metric in (metrics.BYTES, metrics.DURATION, metrics.TURNAROUND):
        board.begin(metric, _FORMATS)


def _count_ready(board: Board, file: tuple[str, str, str, str], sums: Sums) -> None:
    kind, tableau, liste, format_ = file
    if kind == ExportKind.LISTE:
        board.add(metrics.ELECTEURS, (liste, format_), sums["electeurs"])
    else:
        board.add(metrics.MOUVEMENTS, (liste, tableau), sums["electeurs"])
    board.add(metrics.ANOMALIES, (kind, Severity.BLOCKING), sums["bloquantes"])
    board.add(metrics.ANOMALIES, (kind, Severity.REMARK), sums["remarques"])
    for metric, name in ((metrics.BYTES, "bytes"), (metrics.DURATION, "duration"), (metrics.TURNAROUND, "turnaround")):
        board.add(metric, (kind, format_), sums[name])


def count_pending(board: Board, pending: Iterable[Pending]) -> None:
    """Files that are not settled."""
    board.begin(metrics.UNFINISHED, product(ExportKind, _BULK.values(), STATES))
    board.begin(metrics.OLDEST, product(ExportKind, _BULK.values()))
    board.begin(metrics.DELAYED, product(_DELAYS))
    for kind, is_bulk, state, code, number, age in pending:
        board.add(metrics.UNFINISHED, (kind, _BULK[is_bulk], state), [number])
        board.raise_to(metrics.OLDEST, (kind, _BULK[is_bulk]), age)
        if state == DELAYED:
            board.add(metrics.DELAYED, (code,), [number])


def count_untold(board: Board, untold: Untold) -> None:
    """Requests that are settled and not told."""
    board.set(metrics.UNTOLD, untold.number)
    board.set(metrics.LAG, untold.age)
