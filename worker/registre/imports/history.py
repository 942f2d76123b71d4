"""The record of imports: one at a time, each file once, each undone from the last one of its lists backwards."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, Select, and_, bindparam, delete, exists, func, select, text, update
from sqlalchemy.exc import DBAPIError

from schemas.requests import UNDO_DAYS
from worker.db.engine import has_table
from worker.db.types import utc_now
from worker.errors import ImportBusyError, ImportRefusedError
from worker.registre.communes import lock_bureaux, restore_bureaux
from worker.registre.comparaison.doubts import forget_doubts
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.report import ImportSummary, RejectReport
from worker.registre.models import Electeur, Import, ImportListe, ListeCommunale, MouvementRegistre
from worker.registre.versions import (
    ListeKey,
    OnRemoved,
    can_be_undone,
    current_versions,
    find_obsolete,
    is_shown,
    point_to,
    remove_obsolete,
    remove_some,
    stands,
)

ADVISORY_KEY = 0x5245555F494D50
"""`REU_IMP` in ASCII: the key of the advisory lock of imports in a PostgreSQL database."""

_STEP = 20_000
"""Electors that the PostgreSQL function removes in one transaction: about a second, while an import waits."""

_PATIENCE = "2s"
_TOO_LONG = "55P03"
"""PostgreSQL's code: the lock timeout expired."""

_BUSY = "un autre import est en cours ; recommencez quand il sera fini"


@contextmanager
def import_lock(connection: Connection) -> Iterator[None]:
    """Hold the import lock on this connection; it is released when the process dies.

    On PostgreSQL, wait for it as long as a step of `purge_versions` may hold it.

    Raises:
        ImportBusyError: another import holds it.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    with _advisory_lock(connection) if on_postgresql else _file_lock(connection.engine.url.database):
        yield


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    try:
        with connection.begin():
            connection.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": _PATIENCE})
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
            raise
        raise ImportBusyError(_BUSY) from None
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.commit()


@contextmanager
def _file_lock(database: str | None) -> Iterator[None]:
    """SQLite: lock a file beside the database, because so long a transaction would block every worker."""
    if not database or database == ":memory:":
        yield
        return
    lock = FileLock(f"{database}.import-lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise ImportBusyError(_BUSY) from None
    try:
        yield
    finally:
        lock.release()


def purge_versions(engine: Engine, note: OnRemoved) -> Iterator[int]:
    """Remove the electors that no undo can restore, step by step; imports can start between two steps.

    Each step and its `note` are one transaction. An import removes the same electors when it ends, so a running import
    leaves no step to do here. On PostgreSQL the account needs no right to read electors.
    """
    with engine.connect() as connection:
        step = _purge_by_function if connection.dialect.name == "postgresql" else _purge_by_statement
        while number := step(connection, note):
            yield number


def _purge_by_function(connection: Connection, note: OnRemoved) -> int:
    with connection.begin():
        number = int(connection.execute(text("SELECT purge_versions(:room)"), {"room": _STEP}).scalar_one())
        if number:
            note(connection, number)
    return number


def _purge_by_statement(connection: Connection, note: OnRemoved) -> int:
    """SQLite has one writer: only versions that a running import may have written need the lock."""
    with connection.begin():
        found = find_obsolete(connection)
        number = remove_some(connection, deque(it for it in found if not it.is_left))
        if number:
            note(connection, number)
    if not number and found:
        with suppress(ImportBusyError), import_lock(connection):
            remove_obsolete(connection, note)
    return number


def read_state(connection: Connection, code_commune: str) -> str:
    """Return a fingerprint of the register of a commune: its lists, their versions, electors and days.

    It changes with everything that an import is compared with. Electors are counted: a service may write them.
    """
    electeurs = select(func.count(Electeur.id)).where(is_shown()).correlate(ListeCommunale).scalar_subquery()
    query = (
        select(ListeCommunale.liste, ListeCommunale.version, electeurs, Import.taken_on, Import.is_dated)
        .join(Import, Import.id == ListeCommunale.version, isouter=True)
        .where(ListeCommunale.code_commune == code_commune)
        .order_by(ListeCommunale.liste)
    )
    said = json.dumps([list(row) for row in connection.execute(query)], default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def find_same(connection: Connection, sha256: str) -> ImportSummary | None:
    """Return the import of the same bytes whose lists are all still in the register, or None.

    An import that rejected lines does not count: an unknown commune may have been added since.
    """
    is_shown = exists().where(
        ListeCommunale.code_commune == ImportListe.code_commune,
        ListeCommunale.liste == ImportListe.liste,
        ListeCommunale.version == ImportListe.import_id,
    )
    is_replaced = exists().where(ImportListe.import_id == Import.id, ~is_shown)
    columns = Import.id, Import.file_name, Import.lines_read, Import.lines_kept, Import.values_cleaned, Import.taken_on
    query = select(*columns).where(
        Import.sha256 == sha256,
        stands(),
        Import.lines_rejected == 0,
        ~is_replaced,
    )
    row = connection.execute(query.order_by(Import.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return ImportSummary(
        import_id=row.id,
        file_name=row.file_name,
        sha256=sha256,
        unchanged=True,
        lines_read=row.lines_read,
        lines_kept=row.lines_kept,
        lines_rejected=0,
        values_cleaned=row.values_cleaned,
        taken_on=row.taken_on,
    )


def find_days(connection: Connection, sha256: str) -> list[tuple[int, date]]:
    """Return the imports of these bytes that were not undone, replaced since or not, each with its day."""
    query = select(Import.id, Import.taken_on).where(Import.sha256 == sha256, stands())
    return [(number, day) for number, day in connection.execute(query) if day]


class Basis(NamedTuple):
    """The export that a list of the register comes from, or the exports of its arrondissements."""

    imports: Collection[int]
    taken_on: date
    """The day of the oldest export."""
    electeurs: int
    """Electors of the list, including minors, as the import counted them."""
    absent_on: date | None
    """The day of the last export of the commune, if it is later and does not contain the list."""
    absorbed_into: str
    """The commune that most electors of a list of this one have joined, by an export that is no older; else empty."""
    absorbed_on: date | None
    """The day of that export."""


def read_basis(connection: Connection, code_commune: str, liste: str, version: int) -> Basis | None:
    """Return the exports of this version of a list; None where a service writes the lists itself."""
    if not has_table(connection, ImportListe):
        return None
    key = ImportListe.import_id == version, ImportListe.code_commune == code_commune, ImportListe.liste == liste
    query = select(ImportListe.electeurs, ImportListe.parts, ImportListe.absorbed_into, Import.taken_on)
    absorbing = query.outerjoin(Import, and_(Import.id == ImportListe.absorbed_by, stands()))
    mine = connection.execute(absorbing.where(*key)).one_or_none()
    if mine is None:
        return None
    imports = {version, *(mine.parts or {}).values()}
    days = read_days(connection, imports)
    of_commune = select_links(Import.taken_on).where(ImportListe.code_commune == code_commune)
    last_on = [days[version], *connection.scalars(of_commune)][-1]
    absent_on = last_on if last_on > days[version] else None
    return Basis(imports, min(days.values()), mine.electeurs, absent_on, mine.absorbed_into, mine.taken_on)


def mark_absorbed(connection: Connection, import_id: int, absorbed: Mapping[str, str]) -> None:
    """Record on the shown lists of each commune that its electors have joined another one, by this import.

    Lists that the import itself holds, or from an export of a later day, are not marked.
    """
    is_shown = exists().where(
        ListeCommunale.code_commune == ImportListe.code_commune,
        ListeCommunale.liste == ImportListe.liste,
        ListeCommunale.version == ImportListe.import_id,
    )
    day = select(Import.taken_on).where(Import.id == import_id).scalar_subquery()
    older = select(Import.id).where(Import.id != import_id, Import.taken_on <= day)
    for code_commune, into in absorbed.items():
        marked = update(ImportListe).where(ImportListe.code_commune == code_commune, is_shown)
        marked = marked.where(ImportListe.import_id.in_(older))
        connection.execute(marked.values(absorbed_by=import_id, absorbed_into=into))


def select_links(*columns: Any) -> Select[Any]:  # noqa: ANN401 — columns of Import and ImportListe
    """Select the exports that were not undone and their lists, ordered by import."""
    return select(*columns).join_from(ImportListe, Import).where(stands()).order_by(Import.id)


def read_days(connection: Connection, imports: Collection[int]) -> dict[int, date]:
    """Return the day that each of these exports was taken."""
    query = select(Import.id, Import.taken_on).where(Import.id.in_(imports))
    return {number: day for number, day in connection.execute(query) if day}


class Counted(Protocol):
    """A pass over a file that counts its lines."""

    @property
    def lines_read(self) -> int:
        """All lines but the header and blank ones."""

    @property
    def lines_kept(self) -> int:
        """Lines that were not rejected."""

    @property
    def values_cleaned(self) -> int:
        """Values cleaned in the lines kept."""


def count_columns(reading: Counted) -> dict[str, int]:
    """Return the columns of an import that count its lines."""
    return {
        "lines_read": reading.lines_read,
        "lines_kept": reading.lines_kept,
        "lines_rejected": reading.lines_read - reading.lines_kept,
        "values_cleaned": reading.values_cleaned,
    }


def summarise(import_id: int, file: ImportedFile, reading: Counted, rejects: RejectReport) -> ImportSummary:
    """Build the part of the summary that all imports share."""
    return ImportSummary(
        import_id=import_id,
        file_name=file.name,
        sha256=file.sha256,
        unchanged=False,
        lines_read=reading.lines_read,
        lines_kept=reading.lines_kept,
        lines_rejected=rejects.reasons.total(),
        values_cleaned=reading.values_cleaned,
        notes=file.notes,
        reasons=rejects.reasons,
        report=rejects.written,
    )


class KnownImport(NamedTuple):
    """An import in the record; `finished_at` is None while it runs, or if it was interrupted."""

    id: int
    started_at: datetime
    file_name: str
    lines_kept: int
    lines_rejected: int
    imported_by: str
    finished_at: datetime | None
    undone_at: datetime | None
    taken_on: date | None
    is_dated: bool
    complete_until: date | None


def list_imports(connection: Connection, most: int | None = None) -> Sequence[KnownImport]:
    """Return the imports, the last one first: all of them, or the last `most`."""
    columns = [getattr(Import, name) for name in KnownImport._fields]
    rows = connection.execute(select(*columns).order_by(Import.id.desc()).limit(most))
    return [KnownImport(*row) for row in rows]


def count_imports(connection: Connection) -> int:
    """Return the number of imports."""
    return connection.scalar(select(func.count()).select_from(Import)) or 0


@dataclass(frozen=True)
class UndoSummary:
    """The import that was undone: its file, the lists restored and removed, and the rows deleted with them."""

    import_id: int
    file_name: str
    restored: tuple[ListeKey, ...]
    removed: tuple[ListeKey, ...]
    natures: Mapping[str, int]
    """Number of deleted mouvements of each nature."""
    doubts: int
    """Number of deleted doubts, decided or open."""
    listes: tuple[ListeKey, ...]
    """All lists that the import had changed, including those of its mouvements."""

    @property
    def mouvements(self) -> int:
        """Number of deleted mouvements."""
        return sum(self.natures.values())


OnUndone = Callable[[Connection, UndoSummary], object]
"""Called in the transaction; an exception rolls everything back."""


def undo_import(
    engine: Engine,
    import_id: int | None = None,
    *,
    then: OnUndone = lambda *_: None,
    note: OnRemoved = lambda *_: None,
) -> UndoSummary:
    """Restore the lists that an import replaced, remove the lists that it added, and delete its mouvements.

    Without an id, undo the last import. The imports of a list are undone one after the other, the last one first, for
    `UNDO_DAYS` days. A bureau that the operator has changed since the import stays unchanged.

    Raises:
        ImportRefusedError: there is nothing to undo, it is too old, another import or a service has written the lists
            since. Nothing has changed.
    """
    with engine.connect() as connection, import_lock(connection):
        with connection.begin():
            lock_bureaux(connection)
            summary = _undo(connection, import_id)
            then(connection, summary)
        remove_obsolete(connection, note)
    return summary


class _Known(NamedTuple):
    id: int
    file_name: str
    bureaux_before: list[dict[str, Any]]
    is_undone: bool
    can_be_undone: bool


def _undo(connection: Connection, import_id: int | None) -> UndoSummary:
    known = _find(connection, import_id)
    query = select(ImportListe.code_commune, ImportListe.liste, ImportListe.version_before)
    rows = connection.execute(query.where(ImportListe.import_id == known.id))
    before = {ListeKey(commune, liste): version for commune, liste, version in rows}
    _refuse_followed(connection, known.id)
    current = current_versions(connection)
    if any(current.get(liste) != known.id for liste in before):
        raise ImportRefusedError(
            f"les listes ont été modifiées depuis l'import {known.id}, il ne peut plus être annulé",
            on_screen="les listes ont été modifiées depuis par un autre logiciel : cet export ne s'annule plus",
        )
    _refuse_removed(connection, known.id, before)
    point_to(connection, before)
    restore_bureaux(connection, known.bureaux_before)
    doubts = forget_doubts(connection, known.id)
    touched = select(MouvementRegistre.code_commune, MouvementRegistre.liste).distinct()
    rows = connection.execute(touched.where(MouvementRegistre.import_id == known.id))
    listes = {ListeKey(row.code_commune, row.liste) for row in rows} | before.keys()
    by_nature = select(MouvementRegistre.nature, func.count().label("number")).group_by(MouvementRegistre.nature)
    rows = connection.execute(by_nature.where(MouvementRegistre.import_id == known.id))
    natures = {row.nature: row.number for row in rows}
    connection.execute(delete(MouvementRegistre).where(MouvementRegistre.import_id == known.id))
    connection.execute(update(Import).where(Import.id == known.id).values(undone_at=utc_now()))
    return UndoSummary(
        import_id=known.id,
        file_name=known.file_name,
        restored=tuple(liste for liste in before if before[liste] is not None),
        removed=tuple(liste for liste in before if before[liste] is None),
        natures=natures,
        doubts=doubts,
        listes=tuple(sorted(listes)),
    )


def _find(connection: Connection, import_id: int | None) -> _Known:
    columns = Import.id, Import.file_name, Import.bureaux_before, Import.undone_at.is_not(None), can_be_undone()
    asked = select(*columns).where(Import.finished_at.is_not(None)).order_by(Import.id.desc()).limit(1)
    if import_id is not None:
        asked = asked.where(Import.id == import_id)
    row = connection.execute(asked).one_or_none()
    if row is None and import_id is None:
        raise ImportRefusedError("aucun import à annuler")
    if row is None:
        raise ImportRefusedError(
            f"aucun import terminé n'a le numéro {import_id} ; « imports » les montre",
            on_screen="cet export n'est plus dans le registre",
        )
    known = _Known(*row)
    if known.is_undone:
        raise ImportRefusedError(
            f"l'import {known.id} est déjà annulé ; « imports » montre ceux d'avant, qui s'annulent par leur numéro",
            on_screen="Cet export est déjà annulé",
        )
    if not known.can_be_undone:
        raise ImportRefusedError(
            f"l'import {known.id} a plus de {UNDO_DAYS} jours : ce qu'il a remplacé n'est plus gardé",
            on_screen=f"cet export a été repris il y a plus de {UNDO_DAYS} jours : il ne s'annule plus",
        )
    return known


def _refuse_followed(connection: Connection, import_id: int) -> None:
    """Check that no later import has replaced one of the lists: it was compared with this one."""
    mine = select(ImportListe.code_commune, ImportListe.liste).where(ImportListe.import_id == import_id).subquery()
    later = (
        select(Import.id, Import.file_name, ImportListe.code_commune, ImportListe.liste)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .join(mine, (mine.c.code_commune == ImportListe.code_commune) & (mine.c.liste == ImportListe.liste))
        .where(Import.id > import_id, stands())
        .order_by(Import.id.desc(), ImportListe.code_commune, ImportListe.liste)
        .limit(1)
    )
    if found := connection.execute(later).one_or_none():
        raise ImportRefusedError(
            f"l'import {found.id} ({found.file_name}) a remplacé ensuite la liste {found.liste} de "
            f"{found.code_commune} : annulez-le d'abord (imports --undo {found.id})",
            on_screen=f"un autre export ({found.file_name}) a repris ensuite la liste {found.liste} : "
            "annulez-le d'abord",
        )


def _refuse_removed(connection: Connection, import_id: int, before: Mapping[ListeKey, int | None]) -> None:
    """Check that the former electors are still stored: an earlier release kept only what the last import replaced."""
    counted = select(ImportListe.electeurs).where(
        ImportListe.import_id == bindparam("version"),
        ImportListe.code_commune == bindparam("code_commune"),
        ImportListe.liste == bindparam("liste"),
    )
    of_version = (
        Electeur.code_commune == bindparam("code_commune"),
        Electeur.liste == bindparam("liste"),
        Electeur.version == bindparam("version"),
    )
    for liste, version in before.items():
        key = {**liste._asdict(), "version": version}
        if version is None or connection.scalar(counted, key) == 0:
            continue
        if not connection.scalar(select(exists().where(*of_version)), key):
            raise ImportRefusedError(
                f"les électeurs que l'import {import_id} a remplacés ne sont plus gardés, il ne peut plus être annulé",
                on_screen="les électeurs que cet export a remplacés ne sont plus gardés : il ne s'annule plus",
            )
