"""Undoing the last import: lists and bureaux become what they were."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select, update

from worker.db.types import utc_now
from worker.errors import ImportRefusedError
from worker.registre.bureaux import lock_bureaux, restore_bureaux
from worker.registre.lock import import_lock
from worker.registre.models import Import, ImportListe
from worker.registre.mouvement_models import MouvementRegistre
from worker.registre.versions import Liste, current_versions, last_import, point_to, remove_obsolete


@dataclass(frozen=True)
class UndoSummary:
    """The import that was undone: its file, the lists put back, those it had brought, its mouvements removed."""

    import_id: int
    file_name: str
    restored: tuple[Liste, ...]
    removed: tuple[Liste, ...]
    mouvements: int


def undo_last_import(engine: Engine) -> UndoSummary:
    """Put back the lists that the last import replaced, take out those it brought; only the last one can be undone.

    A bureau that the operator has changed since the import is left as it is.

    Raises:
        ImportRefusedError: there is nothing to undo, or a service has written the lists since. Nothing has changed.
    """
    with engine.connect() as connection, import_lock(connection):
        with connection.begin():
            lock_bureaux(connection)
            summary = _undo(connection)
        remove_obsolete(connection)
    return summary


def _undo(connection: Connection) -> UndoSummary:
    last = last_import(connection)
    if last is None:
        raise ImportRefusedError("aucun import à annuler")
    if last.is_undone:
        raise ImportRefusedError("le dernier import est déjà annulé ; on ne peut annuler que le dernier")
    file_name, changes = connection.execute(
        select(Import.file_name, Import.bureaux_before).where(Import.id == last.id)
    ).one()
    query = select(ImportListe.code_commune, ImportListe.liste, ImportListe.version_before)
    rows = connection.execute(query.where(ImportListe.import_id == last.id))
    before = {Liste(commune, liste): version for commune, liste, version in rows}
    current = current_versions(connection)
    if any(current.get(liste) != last.id for liste in before):
        raise ImportRefusedError("les listes ont été modifiées depuis le dernier import, il ne peut plus être annulé")
    point_to(connection, before)
    restore_bureaux(connection, changes)
    forgotten = connection.execute(delete(MouvementRegistre).where(MouvementRegistre.import_id == last.id))
    connection.execute(update(Import).where(Import.id == last.id).values(undone_at=utc_now()))
    return UndoSummary(
        import_id=last.id,
        file_name=file_name,
        restored=tuple(liste for liste in before if before[liste] is not None),
        removed=tuple(liste for liste in before if before[liste] is None),
        mouvements=forgotten.rowcount,
    )
