"""Adds the dates, categories and motifs that a comparison of two exports does not give to mouvements."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, or_, select, update

from common.french import short_date
from schemas.declarations import CompletedMotif
from schemas.vocabulary import CATEGORIES, Categorie, Liste, Nature
from worker.errors import RefusedError
from worker.registre.imports.chain import Interval, read_intervals
from worker.registre.models import MouvementRegistre

_TABLE = MouvementRegistre.__table__.c
_Intervals = Mapping[str, Mapping[int, Interval]]
"""Intervals by list, then by import: see `read_intervals`."""


class _WrongValue(Exception):
    """A value that a mouvement cannot have: the field of `CompletedMotif`, a code, and the reason in French."""

    def __init__(self, field: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.code = code


def _unknown() -> _WrongValue:
    reason = "ce mouvement n'est pas, ou plus, dans le registre de la commune"
    return _WrongValue("mouvement", "mouvement_inconnu", reason)


class IncompleteMouvement(NamedTuple):
    """An inscription or a radiation without a category or without a known day."""

    id: int
    liste: str
    nature: str
    nom_naissance: str
    prenoms: str
    date_naissance: str
    categorie: str
    jour: date | None
    interval: str
    """The days that `jour` may be; empty when it cannot change."""


def list_incomplete(connection: Connection, code_commune: str) -> list[IncompleteMouvement]:
    """Return the inscriptions and radiations of the commune that are incomplete, in the order of their numbers."""
    intervals = _read_intervals(connection, code_commune)
    columns = [_TABLE[name] for name in IncompleteMouvement._fields[:-2]]
    lacks_one = or_(_TABLE.categorie == Categorie.NON_PRECISEE, ~_TABLE.is_dated)
    is_incomplete = (_TABLE.code_commune == code_commune) & lacks_one & (_TABLE.nature != Nature.MODIFICATION)
    query = select(*columns, _TABLE.date_mouvement, _TABLE.is_dated, _TABLE.import_id).where(is_incomplete)
    return [
        IncompleteMouvement._make(
            (
                *row[: len(columns)],
                row.date_mouvement if row.is_dated else None,
                str(intervals[row.liste].get(row.import_id, "")),
            )
        )
        for row in connection.execute(query.order_by(_TABLE.id))
    ]


def note_motifs(connection: Connection, code_commune: str, completed: Sequence[CompletedMotif]) -> None:
    """Record the dates, categories and motifs of mouvements that are given by id.

    Raises:
        RefusedError: one of them cannot be recorded; the caller must not commit the transaction.
    """
    intervals = _read_intervals(connection, code_commune)
    for place, it in enumerate(completed):
        try:
            _note(connection, _find(connection, code_commune, it.mouvement), it, intervals)
        except _WrongValue as wrong:
            raise RefusedError(
                f"Mouvement n° {it.mouvement} : {wrong}.",
                code=wrong.code,
                field=f"data.note.motifs.{place}.{wrong.field}",
            ) from None


def _read_intervals(connection: Connection, code_commune: str) -> _Intervals:
    return {liste.value: read_intervals(connection, code_commune, liste) for liste in Liste}


def _find(connection: Connection, code_commune: str, number: int) -> Row[Any]:
    names = ("id", "liste", "nature", "nom_naissance", "prenoms", "import_id", "date_mouvement", "is_dated")
    is_it = (_TABLE.code_commune == code_commune) & (_TABLE.id == number)
    known = connection.execute(select(*(_TABLE[name] for name in names)).where(is_it)).first()
    if known is None:
        raise _unknown()
    return known


def _note(connection: Connection, known: Row[Any], completed: CompletedMotif, intervals: _Intervals) -> None:
    values: dict[str, object] = {}
    if completed.categorie is not None:
        if completed.categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[Nature(known.nature)]}:
            reason = f"cette catégorie n'est pas celle d'une {known.nature}"
            raise _WrongValue("categorie", "categorie_incoherente", reason)
        values["categorie"] = completed.categorie.value
    if completed.motif is not None:
        values["motif"] = completed.motif
    if completed.jour is not None and (completed.jour or None) != (known.date_mouvement if known.is_dated else None):
        values |= _date(known, completed.jour or None, intervals)
    if values:
        connection.execute(update(MouvementRegistre).where(_TABLE.id == known.id).values(values))


def _date(known: Row[Any], jour: date | None, intervals: _Intervals) -> dict[str, object]:
    """Return the columns of a mouvement of that day, or of an unknown day between its two exports."""
    interval = intervals[known.liste].get(known.import_id)
    if interval is None:
        raise _WrongValue("jour", "date_connue", "sa date vient d'un fichier ou d'un logiciel : corrigez-la là-bas")
    if jour is not None and not interval.has(jour):
        raise _WrongValue("jour", "date_hors_intervalle", f"le {short_date(jour)} n'est pas possible : {interval}")
    day = jour or interval.until
    return {"date_mouvement": day, "date_tableau": day, "is_dated": jour is not None}
