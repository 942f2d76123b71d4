"""The record of imports: what is the same file, what each import replaced."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from sqlalchemy import Connection, and_, exists, func, insert, select, update

from worker.db.types import utc_now
from worker.registre.bureaux import COMMUNES_AT_ONCE, lock_bureaux, merge_bureaux
from worker.registre.models import Electeur, Import, ImportListe, ListeCommunale
from worker.registre.reading import Reading
from worker.registre.summary import ImportSummary
from worker.registre.versions import Liste, current_versions, point_to


def find_same(connection: Connection, sha256: str) -> ImportSummary | None:
    """The import of the same bytes whose lists are all still in the register.

    One that rejected lines does not count: a commune that was unknown then may have been added.
    """
    is_shown = exists().where(
        ListeCommunale.code_commune == ImportListe.code_commune,
        ListeCommunale.liste == ImportListe.liste,
        ListeCommunale.version == ImportListe.import_id,
    )
    is_replaced = exists().where(ImportListe.import_id == Import.id, ~is_shown)
    query = select(Import.id, Import.file_name, Import.lines_read, Import.lines_kept, Import.values_cleaned).where(
        Import.sha256 == sha256,
        Import.finished_at.is_not(None),
        Import.undone_at.is_(None),
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
    )


def count_current(connection: Connection, communes: Iterable[str]) -> dict[Liste, int]:
    """The electors that each list of these communes shows."""
    of_liste = and_(
        Electeur.code_commune == ListeCommunale.code_commune,
        Electeur.liste == ListeCommunale.liste,
        Electeur.version == ListeCommunale.version,
    )
    key = ListeCommunale.code_commune, ListeCommunale.liste
    query = select(*key, func.count(Electeur.id)).outerjoin(Electeur, of_liste).group_by(*key)
    counts: dict[Liste, int] = {}
    codes = iter(sorted(communes))
    while batch := list(islice(codes, COMMUNES_AT_ONCE)):
        rows = connection.execute(query.where(ListeCommunale.code_commune.in_(batch)))
        counts |= {Liste(commune, liste): count for commune, liste, count in rows}
    return counts


def record(
    connection: Connection,
    version: int,
    reading: Reading,
    also: Callable[[Connection, Mapping[Liste, int]], object] | None = None,
) -> int:
    """Let the lists of the file show their new version, in one transaction; returns how many bureaux changed.

    `also` is called within the transaction, with the versions that the lists of the register showed until then.
    """
    with connection.begin():
        lock_bureaux(connection)
        changes = merge_bureaux(connection, reading.bureaux)
        before = current_versions(connection)
        if also:
            also(connection, before)
        point_to(connection, dict.fromkeys(reading.listes, version))
        replaced = [
            {"import_id": version, **liste._asdict(), "electeurs": count, "version_before": before.get(liste)}
            for liste, count in reading.listes.items()
        ]
        connection.execute(insert(ImportListe), replaced)
        done = {
            "finished_at": utc_now(),
            "lines_read": reading.lines_read,
            "lines_kept": reading.lines_kept,
            "lines_rejected": reading.lines_read - reading.lines_kept,
            "values_cleaned": reading.values_cleaned,
            "bureaux_before": changes,
        }
        connection.execute(update(Import).where(Import.id == version).values(done))
    return len(changes)
