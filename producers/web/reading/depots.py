"""Files that were made, as one deposits them: the view `derniers_exports`, read for one commune."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, func, or_, select

from producers.state import State
from producers.web.reading.exports import VIEW, AskedFile, of_commune, read_files
from schemas.vocabulary import ExportKind, ExportStatus, Liste

_SAME_KIND = (VIEW.c.kind, VIEW.c.liste, VIEW.c.format, VIEW.c.type_tableau, VIEW.c.presentation, VIEW.c.edition)
_LISTES = [*Liste]
_MANY = 500


def read_made(state: State, commune: str, export_ids: Iterable[int]) -> list[AskedFile]:
    """Those files, if they are this commune's and were made; purged ones too, in the order of their numbers.

    Raises:
        StateAwayError: the database did not answer.
    """
    return _read(state, _made(commune).where(VIEW.c.export_id.in_(set(export_ids))).order_by(VIEW.c.export_id))


def read_current(state: State, commune: str) -> list[AskedFile]:
    """The last file of each list and format and of each tableau, if it is still kept; lists first, in their order.

    Raises:
        StateAwayError: the database did not answer.
    """
    made = (VIEW.c.code_commune == commune, VIEW.c.status == ExportStatus.READY, VIEW.c.purged_at.is_(None))
    newest = select(func.max(VIEW.c.export_id)).where(*made).group_by(*_SAME_KIND)
    files = _read(state, _made(commune).where(VIEW.c.export_id.in_(newest.scalar_subquery())))
    return sorted(files, key=rank)


def read_tableaux(state: State, commune: str) -> list[AskedFile]:
    """The last tableaux that were made, the newest first; purged ones too.

    Raises:
        StateAwayError: the database did not answer.
    """
    tableaux = _made(commune).where(VIEW.c.kind == ExportKind.TABLEAU)
    return _read(state, tableaux.order_by(VIEW.c.export_id.desc()).limit(_MANY))


def read_deposited(state: State, commune: str, limit: int, offset: int = 0) -> list[AskedFile]:
    """What somebody said to have deposited, the last deposit first.

    Raises:
        StateAwayError: the database did not answer.
    """
    deposited = _made(commune).where(VIEW.c.deposited_on.is_not(None))
    newest_first = deposited.order_by(VIEW.c.deposited_on.desc(), VIEW.c.export_id.desc())
    return _read(state, newest_first.limit(limit).offset(offset))


def count_deposited(state: State, commune: str) -> int:
    """How many files somebody said to have deposited.

    Raises:
        StateAwayError: the database did not answer.
    """
    deposited = VIEW.c.code_commune == commune, VIEW.c.deposited_on.is_not(None)
    with state.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(VIEW).where(*deposited)).scalar_one())


def find_by_sha256(state: State, commune: str, digests: Iterable[str]) -> list[AskedFile]:
    """The files whose bytes, or those of the report beside them, have one of these SHA-256, the last one last.

    Raises:
        StateAwayError: the database did not answer.
    """
    wanted = set(digests)
    if not wanted:
        return []
    found = _made(commune).where(or_(VIEW.c.sha256.in_(wanted), VIEW.c.report_sha256.in_(wanted)))
    return _read(state, found.order_by(VIEW.c.export_id))


def find_by_name(state: State, commune: str, names: Iterable[str]) -> list[AskedFile]:
    """The files that have one of these names, or whose report has.

    Raises:
        StateAwayError: the database did not answer.
    """
    wanted = set(names)
    if not wanted:
        return []
    return _read(state, _made(commune).where(or_(VIEW.c.file_name.in_(wanted), VIEW.c.report_name.in_(wanted))))


def _made(commune: str) -> Select[Any]:
    return of_commune(commune).where(VIEW.c.status == ExportStatus.READY)


def _read(state: State, query: Select[Any]) -> list[AskedFile]:
    with state.reading() as connection:
        return read_files(connection, query)


def rank(file: AskedFile) -> tuple[bool, int, str, str, str]:
    """Lists before tableaux; P, CE, CM."""
    return file.is_tableau, _LISTES.index(Liste(file.liste)), file.type_tableau, file.presentation, file.format
