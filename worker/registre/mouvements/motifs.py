"""Adds the dates, categories and motifs that a comparison of two exports does not give to mouvements."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection, Date, Row, select, text, update

from common.french import short_date
from schemas.declarations import CompletedMotif
from schemas.vocabulary import CATEGORIES, Categorie, Liste, Nature
from worker.errors import RefusedError
from worker.registre.imports.chain import Interval, read_intervals
from worker.registre.models import MouvementRegistre

_TABLE = MouvementRegistre.__table__.c
_Intervals = Mapping[str, Mapping[int, Interval]]
"""Intervals by list, then by import: see `read_intervals`."""
_Refuse = Callable[[str, str, str], RefusedError]
"""Builds the refusal from the field of `CompletedMotif`, a code, and the reason in French."""


def list_incomplete(connection: Connection, code_commune: str) -> Sequence[Row[Any]]:
    """Return the rows of the view `mouvements_a_completer` of a commune, in the order of their numbers."""
    query = text("SELECT * FROM mouvements_a_completer WHERE code_commune = :commune ORDER BY mouvement")
    days = query.columns(jour=Date, since=Date, until=Date)
    return connection.execute(days, {"commune": code_commune}).all()


def note_motifs(connection: Connection, code_commune: str, completed: Sequence[CompletedMotif]) -> None:
    """Record the dates, categories and motifs of mouvements that are given by id.

    Raises:
        RefusedError: one of them cannot be recorded; the caller must not commit the transaction.
    """
    intervals = {liste.value: read_intervals(connection, code_commune, liste) for liste in Liste}
    for place, it in enumerate(completed):
        _note(connection, code_commune, it, intervals, partial(_refuse, it, place))


def _refuse(completed: CompletedMotif, place: int, field: str, code: str, reason: str) -> RefusedError:
    message = f"Mouvement n° {completed.mouvement} : {reason}."
    return RefusedError(message, code=code, field=f"data.note.motifs.{place}.{field}")


def _note(
    connection: Connection, code_commune: str, completed: CompletedMotif, intervals: _Intervals, refuse: _Refuse
) -> None:
    names = ("id", "liste", "nature", "import_id", "date_mouvement", "is_dated")
    is_it = (_TABLE.code_commune == code_commune) & (_TABLE.id == completed.mouvement)
    known = connection.execute(select(*(_TABLE[name] for name in names)).where(is_it)).first()
    if known is None:
        reason = "ce mouvement n'est pas, ou plus, dans le registre de la commune"
        raise refuse("mouvement", "mouvement_inconnu", reason)
    values: dict[str, object] = {}
    if completed.categorie is not None:
        if completed.categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[Nature(known.nature)]}:
            reason = f"cette catégorie n'est pas celle d'une {known.nature}"
            raise refuse("categorie", "categorie_incoherente", reason)
        values["categorie"] = completed.categorie.value
    if completed.motif is not None:
        values["motif"] = completed.motif
    if completed.jour is not None and (completed.jour or None) != (known.date_mouvement if known.is_dated else None):
        values |= _date(known, completed.jour or None, intervals, refuse)
    if values:
        connection.execute(update(MouvementRegistre).where(_TABLE.id == known.id).values(values))


def _date(known: Row[Any], jour: date | None, intervals: _Intervals, refuse: _Refuse) -> dict[str, object]:
    """Return the columns of a mouvement of that day, or of an unknown day between its two exports."""
    interval = intervals[known.liste].get(known.import_id)
    if interval is None:
        raise refuse("jour", "date_connue", "sa date vient d'un fichier ou d'un logiciel : corrigez-la là-bas")
    if jour is not None and not interval.has(jour):
        raise refuse("jour", "date_hors_intervalle", f"le {short_date(jour)} n'est pas possible : {interval}")
    day = jour or interval.until
    return {"date_mouvement": day, "date_tableau": day, "is_dated": jour is not None}
