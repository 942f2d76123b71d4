"""Where the deposit of a commune stands: what is to be deposited, to be answered, to be done again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from producers.records import FileState
from producers.state import State
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_made, select_made

MOST_TO_ANSWER = 20
"""Forms on one page: the last deposits; an older one is answered once these are."""


@dataclass(frozen=True)
class Deposit:
    """Files of one request that were deposited together."""

    files: Sequence[AskedFile]

    @property
    def deposited_on(self) -> date | None:
        """The day."""
        return self.files[0].deposited_on

    @property
    def deposited_by(self) -> str:
        """The agent who said so."""
        return self.files[0].deposited_by


def read_deposited(state: State, commune: str, limit: int, offset: int = 0) -> list[AskedFile]:
    """What somebody said to have deposited, the last deposit first.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = DERNIERS_EXPORTS.c
    deposited = select_made(commune).with_only_columns(view.export_id).where(view.deposited_on.is_not(None))
    newest_first = deposited.order_by(view.deposited_on.desc(), view.export_id.desc()).limit(limit).offset(offset)
    with state.reading() as connection:  # numbers first: SQLite sorts all of them, whole rows in twice the time
        numbers = connection.scalars(newest_first).all()
    return sorted(read_made(state, commune, numbers), key=lambda file: numbers.index(file.export_id))


def find_to_deposit(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Of the last files of each kind, those that can be deposited and were not; a list is deposited in one format."""
    return [it for it in _not_deposited(current) if is_depositable(it)]


def find_to_correct(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Of the last files of each kind, those that the platform would reject, and that nobody deposited."""
    return [it for it in _not_deposited(current) if it.state is FileState.TO_CORRECT and not it.is_never_deposited]


def is_depositable(file: AskedFile) -> bool:
    """Whether its deposit may be noted: kept, fit for use, and of a kind that e-listelec takes.

    One that the register has outgrown meanwhile may have been deposited before it did; so may one that is published.
    """
    if file.state in {FileState.PUBLISHED, FileState.CERTIFIED}:
        return not (file.bloquantes or file.is_incomplete or file.provisoire_until or file.purged_at)
    return file.state in {FileState.READY, FileState.OUTDATED} and not file.is_never_deposited


def find_to_answer(deposited: Iterable[AskedFile]) -> list[Deposit]:
    """The deposits that the platform has not answered yet, as far as anybody said, the last one first."""
    groups: dict[tuple[object, ...], list[AskedFile]] = {}
    for file in deposited:
        if not file.verdict:
            groups.setdefault((file.request_id, file.deposited_on, file.deposited_by), []).append(file)
    return [Deposit(files) for files in groups.values()][:MOST_TO_ANSWER]


def find_to_redo(deposited: Iterable[AskedFile]) -> list[AskedFile]:
    """What was rejected, or is to be made again, and was not deposited again since: each list or tableau once."""
    last: dict[tuple[object, ...], AskedFile] = {}
    for file in deposited:
        last.setdefault(_what(file), file)
    return [file for file in last.values() if file.is_rejected or file.recalled_at]


def _not_deposited(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Those of which nothing as recent was deposited: a list whose CSV was is not to be deposited as XML."""
    files = list(current)
    deposited = {it.liste: it.request_id for it in files if it.deposited_on and not it.is_tableau}
    return [it for it in files if not it.deposited_on and (it.is_tableau or it.request_id > deposited.get(it.liste, 0))]


def _what(file: AskedFile) -> tuple[object, ...]:
    """What a later deposit replaces: a list whatever its format, a tableau of one kind."""
    if file.is_tableau:
        return file.liste, file.type_tableau, file.presentation, str(file.parameters.get("scrutin"))
    return (file.liste,)
