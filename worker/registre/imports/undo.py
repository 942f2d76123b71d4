"""Taking an import back: the last one of its lists first, as long as what it replaced is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, exists, func, select, update

from schemas.requests import UNDO_DAYS
from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.bureaux import lock_bureaux, restore_bureaux
from worker.registre.comparaison.doubts import forget_doubts
from worker.registre.imports.history import import_lock
from worker.registre.models import Electeur, Import, ImportListe, MouvementRegistre
from worker.registre.versions import (
    ListeKey,
    OnRemoved,
    can_be_undone,
    current_versions,
    point_to,
    remove_obsolete,
)


@dataclass(frozen=True)
class UndoSummary:
    """The import that was undone: its file, the lists put back, those it had brought, what was forgotten with them."""

    import_id: int
    file_name: str
    restored: tuple[ListeKey, ...]
    removed: tuple[ListeKey, ...]
    natures: Mapping[str, int]
    """How many mouvements of each nature were forgotten."""
    doubts: int
    """How many doubts with them, decided or not."""
    listes: tuple[ListeKey, ...]
    """All that it had touched: those of its mouvements too."""

    @property
    def mouvements(self) -> int:
        """How many were forgotten."""
        return sum(self.natures.values())


OnUndone = Callable[[Connection, UndoSummary], object]
"""Called within the transaction: what it raises undoes all."""


def undo_import(
    engine: Engine,
    import_id: int | None = None,
    *,
    then: OnUndone = lambda *_: None,
    note: OnRemoved = lambda *_: None,
) -> UndoSummary:
    """Put back the lists that an import replaced, take out those it brought, and forget its mouvements.

    Without a number, of the last import. The imports of a list are undone one after the other, the last one first, for
    `UNDO_DAYS` days. A bureau that the operator has changed since the import is left as it is.

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
    """Go on only if no later import has replaced one of the lists: what it changed was compared with this one."""
    mine = select(ImportListe.code_commune, ImportListe.liste).where(ImportListe.import_id == import_id).subquery()
    later = (
        select(Import.id, Import.file_name, ImportListe.code_commune, ImportListe.liste)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .join(mine, (mine.c.code_commune == ImportListe.code_commune) & (mine.c.liste == ImportListe.liste))
        .where(Import.id > import_id, Import.finished_at.is_not(None), Import.undone_at.is_(None))
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
    """Go on only if what comes back is there: an earlier release kept what the last import had replaced, no more."""
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
