"""Gives an import the answers that agents noted on imports that were undone: days, motifs, decided doubts.

An answer is about one person, one kind of change and one list. At the undo, `keep_answers` keeps it on the mouvement
that it was noted on; the purge deletes it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, select, tuple_, update

from common.french import count_of
from schemas.profiles.platform import IDENTITY
from schemas.vocabulary import DoubtDecision, Liste, Nature
from worker.domain.identite import fold_identite
from worker.registre.comparaison.doubts import decide_doubt
from worker.registre.imports.chain import read_intervals
from worker.registre.models import UNDONE, Doubt, Electeur, MouvementRegistre


class Restored(NamedTuple):
    """Numbers of mouvements that got their day or motif back, and of doubts that are decided again."""

    mouvements: int
    doubts: int

    def describe(self) -> list[str]:
        """Return the note for the clerk, in French; none if nothing was given back."""
        words = (
            "réponse notée avant une annulation revient",
            "réponses notées avant une annulation reviennent",
        )
        return [f"{count_of(sum(self), *words)} : dates, motifs ou doutes"] if any(self) else []


def restore_answers(connection: Connection, import_id: int) -> Restored:
    """Give the mouvements and doubts of an import the answers to the same ones; delete the kept rows that served."""
    doubts = _restore_decisions(connection, import_id, list(_find_pairs(connection, import_id)))
    pairs = list(_find_pairs(connection, import_id))  # a decision may have added a change of bureau
    noted = sum(_restore_note(connection, former, new) for former, new in pairs)
    if pairs:
        gone = delete(MouvementRegistre).where(MouvementRegistre.id == bindparam("gone"))
        connection.execute(gone, [{"gone": former.id} for former, _ in pairs])
    return Restored(noted, doubts)


def _find_pairs(connection: Connection, import_id: int) -> Iterator[tuple[Row[Any], Row[Any]]]:
    """Yield the kept mouvement and the new one of each change.

    Answers of homonyms cannot be told apart: none if both have such a change, or if the list still has the other.
    """
    known = MouvementRegistre
    mine = known.import_id == import_id
    listes = select(known.code_commune, known.liste).where(mine)
    kept = select(known.__table__).where(
        known.doubt_id == UNDONE, tuple_(known.code_commune, known.liste).in_(listes)
    )
    formers = _group(connection.execute(kept.order_by(known.import_id)))
    births = {row.date_naissance for rows in formers.values() for row in rows}
    news = _group(
        connection.execute(select(known.__table__).where(mine, known.date_naissance.in_(births)))
    )
    of_list = select(Electeur.__table__).where(
        Electeur.version == import_id, Electeur.date_naissance.in_(births)
    )
    still = Counter((row.code_commune, row.liste, _who(row)) for row in connection.execute(of_list))
    about = {(row.code_commune, row.liste) for rows in formers.values() for row in rows}
    intervals = {it: read_intervals(connection, it[0], Liste(it[1]))[import_id] for it in about}
    for key in formers.keys() & news.keys():
        (new, *others), last = news[key], formers[key][-1]
        others += [it for it in formers[key] if it is not last and it.import_id == last.import_id]
        is_alone = still[new.code_commune, new.liste, _who(new)] == (new.nature != Nature.RADIATION)
        interval, day = intervals[new.code_commune, new.liste], last.date_mouvement
        # Without a noted day, the interval of the former mouvement ends after the start of this one.
        if (
            not others
            and is_alone
            and (interval.has(day) or (not last.is_dated and day > interval.after))
        ):
            yield last, new


def _group(rows: Iterable[Row[Any]]) -> dict[Hashable, list[Row[Any]]]:
    groups = defaultdict[Hashable, list[Row[Any]]](list)
    for row in rows:
        bureaux = (
            (row.ancien_bureau, row.nouveau_bureau) if row.nature == Nature.MODIFICATION else ()
        )
        groups[row.code_commune, row.liste, row.nature, _who(row), bureaux].append(row)
    return groups


def _who(row: Row[Any]) -> Hashable:
    return fold_identite(*(getattr(row, name) for name in IDENTITY))


def _restore_decisions(
    connection: Connection, import_id: int, pairs: Collection[tuple[Row[Any], Row[Any]]]
) -> int:
    closed, new_of = 0, {former.id: new.id for former, new in pairs}
    merged = set[int]()
    undone = select(Doubt.__table__).where(
        Doubt.import_id.in_({former.import_id for former, _ in pairs})
    )
    for kept in connection.execute(undone.order_by(Doubt.decision, Doubt.id)).all():
        sides = {kept.radiation_id, kept.inscription_id}
        if kept.decision == DoubtDecision.SAME_PERSON:
            merged |= sides
        elif merged & sides:  # « two persons » because one of them is another one's
            continue
        left, came = new_of.get(kept.radiation_id), new_of.get(kept.inscription_id)
        is_it = (
            Doubt.import_id == import_id,
            Doubt.radiation_id == left,
            Doubt.inscription_id == came,
        )
        number = connection.scalar(select(Doubt.id).where(*is_it, Doubt.decision == ""))
        if number is not None:
            again = decide_doubt(
                connection, number, DoubtDecision(kept.decision), by=kept.decided_by
            )
            closed += 1 + len(again.others)
    return closed


def _restore_note(connection: Connection, former: Row[Any], new: Row[Any]) -> bool:
    days = ("date_mouvement", "date_tableau", "is_dated") if former.is_dated else ()
    noted = {name: getattr(former, name) for name in ("categorie", "motif", *days)}
    if is_noted := any(getattr(new, name) != value for name, value in noted.items()):
        connection.execute(
            update(MouvementRegistre).where(MouvementRegistre.id == new.id).values(noted)
        )
    return is_noted
