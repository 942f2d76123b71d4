"""The record of imports: one at a time for a commune, each file once, the last one of a list undone first."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError

from schemas.requests import UNDO_DAYS
from worker.db.engine import has_table
from worker.db.types import utc_now
from worker.errors import ImportBusyError, ImportRefusedError
from worker.registre.communes import lock_bureaux, restore_bureaux
from worker.registre.comparaison.doubts import forget_doubts, keep_answers
from worker.registre.imports.report import ImportSummary
from worker.registre.models import (
    UNDONE,
    Electeur,
    Import,
    ImportListe,
    ListeCommunale,
    MouvementRegistre,
)
from worker.registre.versions import (
    ListeKey,
    current_versions,
    is_shown,
    point_to,
    remove_obsolete,
    stands,
)

ADVISORY_KEY = 0x5245555F494D50
"""`REU_IMP` in ASCII: the key of the advisory lock of imports in a PostgreSQL database."""

_COMMUNE_SPACE = 0x52455549
"""`REUI` in ASCII: the space of the advisory locks of the imports of one commune."""

_STEP = 20_000
"""Electors that the PostgreSQL function removes in one transaction: about a second, while an import waits."""

_PATIENCE_SECONDS = 2
_TOO_LONG = "55P03"
"""PostgreSQL's code: the lock timeout expired."""

_BUSY = "un autre import est en cours ; recommencez quand il sera fini"


@contextmanager
def importing(engine: Engine, code_commune: str = "") -> Iterator[Connection]:
    """Hold the import lock on a connection outside the pool; its end releases the lock and drops temporary tables.

    With `code_commune`, the caller changes this commune only: on PostgreSQL, imports of other communes may run.
    The function waits for the lock as long as a step of `purge_versions` may hold it.

    Raises:
        ImportBusyError: another import holds the lock.
    """
    with engine.connect() as connection, _file_lock(engine, _PATIENCE_SECONDS):
        connection.detach()
        if engine.dialect.name == "postgresql":
            _lock_database(connection, code_commune)
        yield connection


def _lock_database(connection: Connection, code_commune: str) -> None:
    patience = {"patience": f"{_PATIENCE_SECONDS}s"}
    try:
        with connection.begin():
            connection.execute(text("SELECT set_config('lock_timeout', :patience, true)"), patience)
            if not code_commune:
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
                return
            one = {"space": _COMMUNE_SPACE, "commune": int(code_commune, 36)}
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:space, :commune)"), one):
                raise ImportBusyError(_BUSY)
            connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": ADVISORY_KEY})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
            raise
        raise ImportBusyError(_BUSY) from None


@contextmanager
def _file_lock(engine: Engine, patience: float) -> Iterator[None]:
    """SQLite: lock a file beside the database, because so long a transaction would block every worker."""
    if engine.dialect.name == "postgresql":
        yield
        return
    try:
        with FileLock(
            f"{engine.url.database}.import-lock", timeout=patience, fallback_to_soft=False
        ):
            yield
    except Timeout:
        raise ImportBusyError(_BUSY) from None


def purge_versions(engine: Engine, note: Callable[[Connection, int], object]) -> Iterator[int]:
    """Remove the electors that no undo can restore, step by step; imports can start between two steps.

    Each step and its `note`, which records the number of electors, are one transaction; while an import runs, nothing
    is removed. On PostgreSQL the account needs no right to read electors.
    """
    while True:
        try:
            with _file_lock(engine, 0), engine.begin() as connection:
                if connection.dialect.name == "sqlite":
                    number = remove_obsolete(connection)
                else:
                    number = int(
                        connection.execute(
                            text("SELECT purge_versions(:room)"), {"room": _STEP}
                        ).scalar_one()
                    )
                if not number:
                    return
                note(connection, number)
        except ImportBusyError:
            return
        yield number


def read_state(connection: Connection, code_commune: str) -> str:
    """Return a fingerprint of the register of a commune: its lists, their versions, electors and days.

    It changes with everything that an import is compared with. Electors are counted: a service may write them.
    """
    electeurs = (
        select(func.count(Electeur.id))
        .where(is_shown())
        .correlate(ListeCommunale)
        .scalar_subquery()
    )
    query = (
        select(
            ListeCommunale.liste,
            ListeCommunale.version,
            electeurs,
            Import.taken_on,
            Import.is_dated,
        )
        .join(Import, Import.id == ListeCommunale.version, isouter=True)
        .where(ListeCommunale.code_commune == code_commune)
        .order_by(ListeCommunale.liste)
    )
    said = json.dumps([list(row) for row in connection.execute(query)], default=str)
    return hashlib.sha256(said.encode()).hexdigest()


IS_SHOWN = exists().where(
    ListeCommunale.code_commune == ImportListe.code_commune,
    ListeCommunale.liste == ImportListe.liste,
    ListeCommunale.version == ImportListe.import_id,
)
"""Whether the register shows the list that an import wrote."""


def find_same(
    connection: Connection, sha256: str, said: Mapping[str, str] = MappingProxyType({})
) -> ImportSummary | None:
    """Return the import of the same bytes whose lists are all still in the register, or None.

    `said`: the commune and the list that were given for all lines. An import that rejected lines does not count: an
    unknown commune may have been added since.
    """
    is_replaced = exists().where(ImportListe.import_id == Import.id, ~IS_SHOWN)
    query = select(Import.__table__).where(
        _is_same(sha256, said), Import.lines_rejected == 0, ~is_replaced
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


def find_days(connection: Connection, sha256: str, said: Mapping[str, str]) -> list[date]:
    """Return the days of the imports of the same bytes that were not undone, replaced since or not."""
    days = connection.scalars(select(Import.taken_on).where(_is_same(sha256, said)))
    return [day for day in days if day]


def _is_same(sha256: str, said: Mapping[str, str]) -> ColumnElement[bool]:
    others = [getattr(ImportListe, name) != value for name, value in said.items()]
    is_other = exists().where(ImportListe.import_id == Import.id, or_(false(), *others))
    return and_(Import.sha256 == sha256, stands(), ~is_other)


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
    key = (
        ImportListe.import_id == version,
        ImportListe.code_commune == code_commune,
        ImportListe.liste == liste,
    )
    query = select(
        ImportListe.electeurs, ImportListe.parts, ImportListe.absorbed_into, Import.taken_on
    )
    absorbing = query.outerjoin(Import, and_(Import.id == ImportListe.absorbed_by, stands()))
    mine = connection.execute(absorbing.where(*key)).one_or_none()
    if mine is None:
        return None
    imports = {version, *(mine.parts or {}).values()}
    days = read_days(connection, imports)
    of_commune = select_links(Import.taken_on).where(ImportListe.code_commune == code_commune)
    last_on = [days[version], *connection.scalars(of_commune)][-1]
    absent_on = last_on if last_on > days[version] else None
    return Basis(
        imports, min(days.values()), mine.electeurs, absent_on, mine.absorbed_into, mine.taken_on
    )


def mark_absorbed(connection: Connection, import_id: int, absorbed: Mapping[str, str]) -> None:
    """Record on the shown lists of each commune that its electors have joined another one, by this import.

    Lists that the import itself holds, or from an export of a later day, are not marked.
    """
    day = select(Import.taken_on).where(Import.id == import_id).scalar_subquery()
    older = select(Import.id).where(Import.id != import_id, Import.taken_on <= day)
    for code_commune, into in absorbed.items():
        marked = update(ImportListe).where(ImportListe.code_commune == code_commune, IS_SHOWN)
        marked = marked.where(ImportListe.import_id.in_(older))
        connection.execute(marked.values(absorbed_by=import_id, absorbed_into=into))


def select_links(*columns: Any) -> Select[Any]:  # noqa: ANN401 — columns of Import and ImportListe
    """Select the exports that were not undone and their lists, ordered by import."""
    return select(*columns).join_from(ImportListe, Import).where(stands()).order_by(Import.id)


def select_neighbours(import_id: int, *columns: Any) -> Select[Any]:  # noqa: ANN401 — as select_links
    """Select the other exports that were not undone of the lists of an import, ordered by import."""
    mine = select(ImportListe.code_commune, ImportListe.liste).where(
        ImportListe.import_id == import_id
    )
    of_mine = tuple_(ImportListe.code_commune, ImportListe.liste).in_(mine)
    return select_links(*columns).where(of_mine, Import.id != import_id)


def read_days(connection: Connection, imports: Collection[int]) -> dict[int, date]:
    """Return the day that each of these exports was taken."""
    query = select(Import.id, Import.taken_on).where(Import.id.in_(imports))
    return {number: day for number, day in connection.execute(query) if day}


def list_imports(connection: Connection, most: int | None = None) -> Sequence[Row[Any]]:
    """Return the rows of the imports, the last one first: all of them, or the last `most`."""
    return connection.execute(select(Import.__table__).order_by(Import.id.desc()).limit(most)).all()


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


def undo_import(
    engine: Engine,
    import_id: int | None = None,
    *,
    only: str = "",
    then: Callable[[Connection, UndoSummary], object] = lambda *_: None,
) -> UndoSummary:
    """Restore the lists that an import replaced, remove the lists that it added, and delete its mouvements.

    What an agent noted on the mouvements and doubts of an export is kept for the same export, see `keep_answers`.

    Without an id, undo the last import. The imports of a list are undone one after the other, the last one first, for
    `UNDO_DAYS` days. A bureau that the operator has changed since the import stays unchanged.

    `only`: the commune of all lists of the import; empty: they may be of several communes. `then`: called in the
    transaction; an exception rolls everything back.

    Raises:
        ImportRefusedError: there is nothing to undo, it is too old, another import or a service has written the lists
            since. Nothing has changed.
    """
    with importing(engine, only) as connection, connection.begin():
        lock_bureaux(connection)
        summary = _undo(connection, import_id)
        then(connection, summary)
    return summary


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
    point_to(connection, before)
    restore_bureaux(connection, known.bureaux_before)
    doubts = forget_doubts(connection, known.id)
    touched = select(MouvementRegistre.code_commune, MouvementRegistre.liste).distinct()
    rows = connection.execute(touched.where(MouvementRegistre.import_id == known.id))
    listes = {ListeKey(row.code_commune, row.liste) for row in rows} | before.keys()
    by_nature = select(MouvementRegistre.nature, func.count().label("number")).group_by(
        MouvementRegistre.nature
    )
    counts = MouvementRegistre.import_id == known.id, MouvementRegistre.doubt_id.is_(None)
    rows = connection.execute(by_nature.where(*counts))
    natures = {row.nature: row.number for row in rows}
    if before:  # a file of mouvements states itself what is known of them
        keep_answers(connection, known.id)
    gone = (
        MouvementRegistre.import_id == known.id,
        MouvementRegistre.doubt_id.is_distinct_from(UNDONE),
    )
    connection.execute(delete(MouvementRegistre).where(*gone))
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


def _find(connection: Connection, import_id: int | None) -> Row[Any]:
    columns = Import.id, Import.file_name, Import.bureaux_before, Import.undone_at
    asked = (
        select(
            *columns, (Import.finished_at >= utc_now(-UNDO_DAYS * 86_400)).label("can_be_undone")
        )
        .where(Import.finished_at.is_not(None))
        .order_by(Import.id.desc())
        .limit(1)
    )
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
    known: Row[Any] = row
    if known.undone_at:
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
    columns = Import.id, Import.file_name, ImportListe.code_commune, ImportListe.liste
    later = select_neighbours(import_id, *columns).where(Import.id > import_id).order_by(None)
    if found := connection.execute(
        later.order_by(Import.id.desc(), *columns[2:]).limit(1)
    ).one_or_none():
        raise ImportRefusedError(
            f"l'import {found.id} ({found.file_name}) a remplacé ensuite la liste {found.liste} de "
            f"{found.code_commune} : annulez-le d'abord (imports --undo {found.id})",
            on_screen=f"un autre export ({found.file_name}) a repris ensuite la liste {found.liste} : "
            "annulez-le d'abord",
        )
