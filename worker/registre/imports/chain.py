"""The chain of the exports of one list, as tableaux ask for it; and the day of a link, told afterwards."""

from datetime import date

from sqlalchemy import Connection, Engine, func, inspect, select, update

from common.clock import jour_a_paris
from schemas.vocabulary import Liste
from worker.domain.couverture import Chain, Link
from worker.errors import ImportRefusedError
from worker.registre.imports.history import import_lock
from worker.registre.models import Import, ImportListe, MouvementRegistre

REU = "reu"


def read_chain(connection: Connection, code_commune: str, liste: Liste) -> Chain:
    """The links of a list that were not undone, in their order, and the day a producer of mouvements vouches for.

    A register that another service keeps has no record of imports: nothing is known of what it was told.
    """
    if not inspect(connection).has_table(ImportListe.__tablename__):
        return Chain()
    brought = (
        select(func.count())
        .where(
            MouvementRegistre.import_id == Import.id,
            MouvementRegistre.code_commune == code_commune,
            MouvementRegistre.liste == liste.value,
        )
        .scalar_subquery()
    )
    columns = Import.taken_on, Import.started_at, Import.is_dated, ImportListe.is_compared, brought.label("mouvements")
    done = Import.finished_at.is_not(None), Import.undone_at.is_(None)
    query = (
        select(*columns)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .where(ImportListe.code_commune == code_commune, ImportListe.liste == liste.value, *done)
        .order_by(Import.id)
    )
    links = [
        Link(row.taken_on or jour_a_paris(row.started_at), row.is_dated, row.is_compared, row.mouvements)
        for row in connection.execute(query)
    ]
    of_commune = select(MouvementRegistre.import_id).where(MouvementRegistre.code_commune == code_commune)
    vouched = select(func.max(Import.complete_until)).where(Import.id.in_(of_commune), *done)
    return Chain(links, connection.scalar(vouched))


def set_taken_on(engine: Engine, import_id: int, day: date) -> int:
    """Say which day an export was taken, after its import: its mouvements follow; how many they are.

    Raises:
        ImportRefusedError: no such import of the REU, or the day does not stand between those of its neighbours.
    """
    with engine.connect() as connection, import_lock(connection), connection.begin():
        found = connection.execute(
            select(Import.kind, Import.undone_at).where(Import.id == import_id, Import.finished_at.is_not(None))
        ).one_or_none()
        if found is None or found.kind != REU or found.undone_at:
            raise ImportRefusedError(f"l'import {import_id} n'est pas celui d'un export du REU, ou il a été annulé")
        refuse_out_of_order(connection, import_id, day)
        connection.execute(update(Import).where(Import.id == import_id).values(taken_on=day, is_dated=True))
        moved = connection.execute(
            update(MouvementRegistre)
            .where(MouvementRegistre.import_id == import_id)
            .values(date_mouvement=day, date_tableau=day)
        )
        return moved.rowcount


def refuse_out_of_order(connection: Connection, import_id: int, day: date) -> None:
    """Go on only if an export of that day stands between its neighbours: those of the same lists, before and after.

    Raises:
        ImportRefusedError: it does not; a link cannot be added late, since what came after it was compared without it.
    """
    mine = select(ImportListe.code_commune, ImportListe.liste).where(ImportListe.import_id == import_id).subquery()
    neighbours = (
        select(Import.id, Import.taken_on)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .join(mine, (mine.c.code_commune == ImportListe.code_commune) & (mine.c.liste == ImportListe.liste))
        .where(Import.finished_at.is_not(None), Import.undone_at.is_(None), Import.id != import_id)
        .distinct()
    )
    for id_, taken_on in connection.execute(neighbours):
        if taken_on and (taken_on > day if id_ < import_id else taken_on < day):
            order = "avant" if id_ < import_id else "après"
            raise ImportRefusedError(
                f"un export du {taken_on:%d/%m/%Y} a été repris {order} celui-ci (import {id_}) : le {day:%d/%m/%Y} "
                "n'est pas possible. Un export ancien ne se reprend pas après coup : annulez d'abord les suivants."
            )
