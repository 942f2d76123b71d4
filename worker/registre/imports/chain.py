"""The chain of the exports of one list, as tableaux ask for it; and the day of a link, told afterwards."""

from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, inspect, select, update

from common.clock import jour_a_paris
from schemas.vocabulary import Liste
from worker.domain.couverture import Chain, Link
from worker.errors import ImportRefusedError
from worker.registre.imports.history import import_lock
from worker.registre.models import Import, ImportListe, MouvementRegistre
from worker.registre.versions import ListeKey

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
    day = Import.taken_on, Import.started_at, Import.is_dated
    columns = *day, ImportListe.is_compared, brought.label("mouvements"), Import.id
    done = Import.finished_at.is_not(None), Import.undone_at.is_(None)
    query = (
        select(*columns)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .where(ImportListe.code_commune == code_commune, ImportListe.liste == liste.value, *done)
        .order_by(Import.id)
    )
    links = [
        Link(row.taken_on or jour_a_paris(row.started_at), row.is_dated, row.is_compared, row.mouvements, row.id)
        for row in connection.execute(query)
    ]
    of_commune = select(MouvementRegistre.import_id).where(MouvementRegistre.code_commune == code_commune)
    vouched = (
        select(Import.complete_until, Import.id)
        .where(Import.id.in_(of_commune), Import.complete_until.is_not(None), *done)
        .order_by(Import.complete_until.desc(), Import.id)
        .limit(1)
    )
    until, vouched_by = connection.execute(vouched).one_or_none() or (None, None)
    return Chain(links, until, vouched_by)


def read_rests_on(connection: Connection, imports: Collection[int]) -> list[dict[str, Any]]:
    """What is recorded of a file that rests on these imports: their numbers, and the day that each export was taken.

    Numbers of a register that another service keeps are nobody's.
    """
    if not imports or not inspect(connection).has_table(Import.__tablename__):
        return []
    query = select(Import.id, Import.taken_on).where(Import.id.in_(imports)).order_by(Import.id)
    return [
        {"import_id": row.id, "taken_on": row.taken_on and row.taken_on.isoformat()}
        for row in connection.execute(query)
    ]


class Redating(NamedTuple):
    """An export whose day was told afterwards."""

    import_id: int
    before: date | None
    after: date
    listes: Sequence[ListeKey]
    mouvements: int
    """How many follow it."""


OnRedated = Callable[[Connection, Redating], object]
"""Called within the transaction: what it raises undoes all."""


def set_taken_on(engine: Engine, import_id: int, day: date, *, then: OnRedated = lambda *_: None) -> Redating:
    """Say which day an export was taken, after its import: its mouvements follow.

    Raises:
        ImportRefusedError: no such import of the REU, or the day does not stand between those of its neighbours.
    """
    with engine.connect() as connection, import_lock(connection), connection.begin():
        found = connection.execute(
            select(Import.kind, Import.undone_at, Import.taken_on).where(
                Import.id == import_id, Import.finished_at.is_not(None)
            )
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
        mine = select(ImportListe.code_commune, ImportListe.liste).where(ImportListe.import_id == import_id)
        listes = [ListeKey(*row) for row in connection.execute(mine)]
        redating = Redating(import_id, found.taken_on, day, listes, moved.rowcount)
        then(connection, redating)
    return redating


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
