"""Reads the data of a tableau: mouvements, electors of each bureau, identities on the list.

And adds the dates, categories and motifs that a comparison of two exports does not give to mouvements.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Row,
    and_,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from common.calendrier import YOUNGEST, last_birth
from common.french import short_date
from common.texte import clean
from schemas.declarations import CompletedMotif, SeenMotif
from schemas.profiles.platform import IDENTITY
from schemas.tableaux import Repere
from schemas.vocabulary import CATEGORIES, Categorie, Liste, Nature
from worker.db.engine import STREAM
from worker.domain.identite import Effet, Etat, Identite, Mouvement, Personne, identite, identite_of
from worker.domain.tableau.composition import BureauElecteurs
from worker.domain.tableau.demande import Demande
from worker.errors import ExportError, RefusedError
from worker.registre.checks.facts import is_born_between, is_born_on, is_of_age
from worker.registre.communes import read_libelles
from worker.registre.comparaison.differences import ElecteurTable, adresse
from worker.registre.imports.chain import Interval, of_liste, read_intervals
from worker.registre.models import UNDONE, Electeur, MouvementRegistre
from worker.registre.protections import Protege, select_protections
from worker.registre.versions import is_on_liste

_PERSONNE = [it.name for it in fields(Personne) if it.name != "is_protegee"]

_TABLE = MouvementRegistre.__table__

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class MouvementSource:
    """The mouvements of one list for a tableau: read more than once, in one snapshot, without loading them all.

    `on_fetch` receives the number of printed mouvements that are read.
    """

    connection: Connection
    code_commune: str
    liste: Liste
    version: int
    """The version of the list, which selects its electors."""
    on_fetch: Callable[[int], None]
    conditions: tuple[ColumnElement[bool], ...] = ()
    """Conditions of the mouvements that `stream` yields."""
    export: "ListedExport | None" = None
    """The export of that version; None: the list shows every applied mouvement."""

    def stream(self) -> Iterator[Mouvement]:
        """Yield every mouvement of the list, ordered by id."""
        return select_mouvements(
            self.connection, self.code_commune, self.liste, *self.conditions, export=self.export
        )

    def narrow(self, after: date, born_after: str, *, waiting: bool = False) -> "MouvementSource":
        """Return a source with at least the mouvements after a day, of younger electors and, if asked, waiting."""
        known = MouvementRegistre
        born = known.date_naissance
        some = [known.date_mouvement > after, born > born_after, born < "0"]
        if waiting:
            some.append(known.etat == Etat.ACTIF.value)
            some += [known.date_mouvement > self.export.taken_on] if self.export else []
        return replace(self, conditions=(or_(*some),))

    def young(
        self, born_after: str, born_until: str, version: int | None = None
    ) -> Iterator[Mouvement]:
        """Yield the electors of the list born in between, each as an inscription with the elector's id, negated.

        `version`: another version of the list than that of this source.
        """
        on_liste = is_on_liste(
            self.code_commune, self.liste.value, self.version if version is None else version
        )
        born = is_born_between(born_after, born_until)
        return select_entries(
            self.connection, self.code_commune, on_liste, born, order=[Electeur.id]
        )

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Yield a few hundred mouvements at most, in the order asked."""
        self.on_fetch(len(ids))
        is_asked = _TABLE.c.id.in_(ids)
        found = {
            it.id: it
            for it in select_mouvements(self.connection, self.code_commune, self.liste, is_asked)
        }
        return (found[id_] for id_ in ids)


@dataclass(frozen=True)
class PeopleSource(MouvementSource):
    """The mouvements and the electors of the people born on some days: read once, for many tableaux."""

    births: Collection[str] = ()

    def stream(self) -> Iterator[Mouvement]:
        """Yield their mouvements, ordered by id."""
        return iter(self._mouvements)

    def young(
        self,
        born_after: str,
        born_until: str,
        version: int | None = None,  # noqa: ARG002
    ) -> Iterator[Mouvement]:
        """Yield those who were born in between and are on the list, in the version of this source only."""
        return (
            it for it in self._electeurs if born_after < it.personne.date_naissance <= born_until
        )

    @cached_property
    def _mouvements(self) -> Sequence[Mouvement]:
        born = MouvementRegistre.date_naissance.in_(self.births)
        return [*select_mouvements(self.connection, self.code_commune, self.liste, born)]

    @cached_property
    def _electeurs(self) -> Sequence[Mouvement]:
        on_liste = (
            is_on_liste(self.code_commune, self.liste.value, self.version),
            is_born_on(self.births),
        )
        return [*select_entries(self.connection, self.code_commune, *on_liste, order=[Electeur.id])]


class ListedExport(NamedTuple):
    """An export of a list, and the imports of all exports of that list."""

    import_id: int
    taken_on: date
    exports: frozenset[int]

    def has_seen(self, import_id: int | None, day: date) -> bool:
        """Return whether a mouvement is in the export: one of this or an earlier export, or one dated by its day.

        A mouvement of the day of the export from another source counts as in it.
        """
        is_of_export = import_id is not None and import_id in self.exports
        return (import_id or 0) <= self.import_id if is_of_export else day <= self.taken_on


def select_mouvements(
    connection: Connection,
    code_commune: str,
    liste: Liste,
    *conditions: ColumnElement[bool],
    export: ListedExport | None = None,
) -> Iterator[Mouvement]:
    """Yield the mouvements of a list, ordered by id; texts that a service wrote are cleaned.

    An elector is protected if the mouvement or the protections of the commune state it. `export`: see
    `MouvementSource`.

    Raises:
        ExportError: a value that no mouvement can have, where a service writes the table.
    """
    query = select(_TABLE).where(of_liste(code_commune, liste), *conditions).order_by(_TABLE.c.id)
    intervals = read_intervals(connection, code_commune, liste)
    with connection.execute(query, execution_options=STREAM) as rows:
        yield from _protect(
            connection, code_commune, (_to_mouvement(row, intervals, export) for row in rows)
        )


def select_entries(
    connection: Connection,
    code_commune: str,
    *conditions: ColumnElement[bool],
    order: Sequence[Any],
) -> Iterator[Mouvement]:
    """Yield electors of the lists of a commune, each as an inscription with the elector's id, negated.

    An elector is protected if a mouvement or the protections of the commune state it.
    """
    personne = (value.label(name) for name, value in describe_personne(Electeur).items())
    query = select(Electeur.id, Electeur.code_bureau, Electeur.numero_ordre, *personne).where(
        *conditions
    )
    with connection.execute(query.order_by(*order), execution_options=STREAM) as rows:
        yield from _protect(connection, code_commune, map(_to_entry, rows))


def select_bureaux(
    connection: Connection,
    code_commune: str,
    liste: Liste,
    version: int,
    counted_on: tuple[date, date],
    *,
    as_of: int | None = None,
) -> list[BureauElecteurs]:
    """Return the bureaux of the commune with their number of electors, ordered by code, including empty ones.

    It counts electors who are of age on the first of the days, as known on the second. `as_of`: see `read_libelles`.
    """
    age, seen_on = counted_on
    of_age = is_of_age(last_birth(age), last_birth(seen_on, YOUNGEST))
    on_liste = is_on_liste(code_commune, liste.value, version)
    counted = select(Electeur.code_bureau, func.count().label("number")).where(on_liste, of_age)
    rows = connection.execute(counted.group_by(Electeur.code_bureau))
    electeurs = {row.code_bureau: row.number for row in rows}
    libelles = read_libelles(connection, code_commune, as_of)
    codes = sorted({*electeurs, *libelles})
    return [
        BureauElecteurs(code, clean(libelles.get(code, "")), electeurs.get(code, 0))
        for code in codes
    ]


def identity_keys(
    connection: Connection, code_commune: str, liste: Liste, version: int
) -> set[Identite]:
    """Return the identities, on the list, of electors with mouvements to apply: `inscrits` of `check_tableau`."""
    known = MouvementRegistre
    is_waiting = known.etat == Etat.ACTIF.value
    waiting = select_mouvements(connection, code_commune, liste, is_waiting)
    waiting_keys = {identite_of(it.personne) for it in waiting}
    if not waiting_keys:
        return set()
    on_liste = is_on_liste(code_commune, liste.value, version)
    born = select(known.date_naissance).where(of_liste(code_commune, liste), is_waiting)
    who = [getattr(Electeur, name) for name in IDENTITY]
    query = select(*who).where(on_liste, Electeur.date_naissance.in_(born))
    return waiting_keys.intersection(
        identite(*row) for row in connection.execute(query, execution_options=STREAM)
    )


def has_mouvements(connection: Connection, code_commune: str, liste: Liste) -> bool:
    """Return whether the register holds a mouvement of the list."""
    return bool(connection.scalar(select(exists().where(of_liste(code_commune, liste)))))


def select_between(
    connection: Connection, code_commune: str, liste: Liste, after: date, until: date
) -> Iterator[Mouvement]:
    """Yield the applied inscriptions and radiations of a list, dated later than `after` and no later than `until`.

    A mouvement that is still actif has not changed the list.
    """
    known = MouvementRegistre
    between = known.date_mouvement > after, known.date_mouvement <= until
    is_applied = known.nature != Nature.MODIFICATION.value, known.etat == Etat.APPLIQUE.value
    return select_mouvements(connection, code_commune, liste, *is_applied, *between)


def _was_protected(electeur: ElecteurTable) -> ColumnElement[bool]:
    """Test whether a mouvement marks the elector as protected: a later file without the mark does not remove it."""
    known = MouvementRegistre
    return exists().where(
        and_(
            known.code_commune == electeur.code_commune,
            known.liste.in_([liste.value for liste in Liste]),
            known.nom_naissance == electeur.nom_naissance,
            known.prenoms == electeur.prenoms,
            known.date_naissance == electeur.date_naissance,
            known.is_protegee,
            known.doubt_id.is_distinct_from(UNDONE),
        )
    )


def describe_personne(electeur: ElecteurTable) -> dict[str, ColumnElement[Any]]:
    """Return the values of an elector as a mouvement has them, by their names."""
    values = {name: getattr(electeur, name) for name in _PERSONNE if name != "adresse"}
    return values | {"adresse": adresse(electeur), "is_protegee": _was_protected(electeur)}


def select_imports(
    connection: Connection, code_commune: str, liste: Liste, demande: Demande
) -> set[int]:
    """Return the imports that brought the mouvements of a tableau.

    For the yearly revision, whose balance counts back over all mouvements: the imports of the whole list.
    """
    known = MouvementRegistre
    query = (
        select(known.import_id)
        .where(of_liste(code_commune, liste), known.import_id.is_not(None))
        .distinct()
    )
    if not demande.type.is_repealed:
        after = demande.required(Repere.REUNION)
        query = query.where(known.date_mouvement > after, known.date_mouvement <= demande.last_day)
    return {number for number in connection.scalars(query) if number is not None}


def _protect(
    connection: Connection, code_commune: str, mouvements: Iterable[Mouvement]
) -> Iterator[Mouvement]:
    proteges = {it.folded() for it in select_protections(connection, code_commune)}
    for mouvement in mouvements:
        personne = mouvement.personne
        who = Protege(personne.nom_naissance, personne.prenoms, personne.date_naissance)
        is_protegee = bool(proteges) and who.folded() in proteges
        yield (
            replace(mouvement, personne=replace(personne, is_protegee=True))
            if is_protegee
            else mouvement
        )


def _find_after(row: Row[Any], intervals: Mapping[int, Interval]) -> date | None:
    """Return the day after which an undated mouvement happened; None if its day is known."""
    if row.is_dated:
        return None
    after = intervals[row.import_id].after if row.import_id in intervals else date.min
    return after if after < row.date_mouvement else None


def _to_entry(row: Row[Any]) -> Mouvement:
    return Mouvement(
        id=-row.id,
        nature=Nature.INSCRIPTION,
        effet=Effet.IMMEDIAT,
        etat=Etat.APPLIQUE,
        categorie=Categorie.NON_PRECISEE,
        motif="",
        date_tableau=date.min,
        date_mouvement=date.min,
        scrutin=None,
        ancien_bureau="",
        nouveau_bureau=clean(row.code_bureau),
        numero=row.numero_ordre or 0,
        personne=_to_personne(row),
    )


def _to_personne(row: Row[Any]) -> Personne:
    return Personne(
        **{name: clean(getattr(row, name)) for name in _PERSONNE}, is_protegee=row.is_protegee
    )


def _to_mouvement(
    row: Row[Any], intervals: Mapping[int, Interval], export: ListedExport | None
) -> Mouvement:
    return Mouvement(
        id=row.id,
        nature=_read(row, "nature", Nature),
        effet=_read(row, "effet", Effet),
        etat=_read(row, "etat", Etat),
        categorie=_read(row, "categorie", Categorie),
        motif=clean(row.motif),
        date_tableau=row.date_tableau,
        date_mouvement=row.date_mouvement,
        after=_find_after(row, intervals),
        scrutin=row.scrutin,
        ancien_bureau=clean(row.ancien_bureau),
        nouveau_bureau=clean(row.nouveau_bureau),
        numero=row.numero,
        personne=_to_personne(row),
        is_in_list=export is None or export.has_seen(row.import_id, row.date_mouvement),
    )


def _read(row: Row[Any], column: str, words: type[Word]) -> Word:
    try:
        return words(getattr(row, column))
    except ValueError:
        raise ExportError(
            f"mouvement n° {row.id} : valeur inconnue dans le registre (colonne {column})"
        ) from None


def list_incomplete(connection: Connection, code_commune: str) -> Sequence[Row[Any]]:
    """Return the rows of the view `mouvements_a_completer` of a commune, in the order of their numbers."""
    query = text(
        "SELECT * FROM mouvements_a_completer WHERE code_commune = :commune ORDER BY mouvement"
    )
    days = query.columns(jour=Date, since=Date, until=Date)
    return connection.execute(days, {"commune": code_commune}).all()


def note_motifs(
    connection: Connection, code_commune: str, completed: Sequence[CompletedMotif]
) -> None:
    """Record the dates, categories and motifs of mouvements that are given by id.

    Raises:
        RefusedError: one of them cannot be recorded; the caller must not commit the transaction.
    """
    intervals = {liste.value: read_intervals(connection, code_commune, liste) for liste in Liste}
    for place, it in enumerate(completed):
        _note(connection, code_commune, place, it, intervals)


def _find_unchanged(
    connection: Connection,
    code_commune: str,
    completed: CompletedMotif,
    refuse: Callable[[str, str, str], RefusedError],
) -> Row[Any]:
    """Return the mouvement; raise what `refuse` builds if there is none, or if it is not what the agent saw."""
    names = (
        *("id", "liste", "nature", "import_id", "date_mouvement", "is_dated"),
        *("categorie", "motif"),
    )
    is_it = (_TABLE.c.code_commune == code_commune) & (_TABLE.c.id == completed.mouvement)
    query = select(*(_TABLE.c[name] for name in names)).where(is_it, _TABLE.c.doubt_id.is_(None))
    known = connection.execute(query).first()
    if known is None:
        reason = "ce mouvement n'est pas, ou plus, dans le registre de la commune"
        raise refuse("mouvement", "mouvement_inconnu", reason)
    if _has_changed(completed.replaces, known):
        reason = (
            "sa date ou son motif a changé depuis que vous l'avez lu ; relisez-le, puis recommencez"
        )
        raise refuse("replaces", "note_changee", reason)
    return known


def _has_changed(seen: SeenMotif | None, known: Row[Any]) -> bool:
    """Whether a mouvement is no longer what the agent saw of it."""
    day = known.date_mouvement if known.is_dated else ""
    return seen is not None and (seen.categorie, seen.motif, seen.jour) != (
        known.categorie,
        known.motif,
        day,
    )


def _note(
    connection: Connection,
    code_commune: str,
    place: int,
    completed: CompletedMotif,
    intervals: Mapping[str, Mapping[int, Interval]],
) -> None:
    def refuse(field: str, code: str, reason: str) -> RefusedError:
        message = f"Mouvement n° {completed.mouvement} : {reason}."
        return RefusedError(message, code=code, field=f"data.note.motifs.{place}.{field}")

    known = _find_unchanged(connection, code_commune, completed, refuse)
    values: dict[str, object] = {}
    if completed.categorie is not None:
        if completed.categorie not in {Categorie.NON_PRECISEE, *CATEGORIES[Nature(known.nature)]}:
            reason = f"cette catégorie n'est pas celle d'une {known.nature}"
            raise refuse("categorie", "categorie_incoherente", reason)
        values["categorie"] = completed.categorie.value
    if completed.motif is not None:
        values["motif"] = completed.motif
    jour = completed.jour or None  # empty: the day is unknown
    if completed.jour is not None and jour != (known.date_mouvement if known.is_dated else None):
        interval = intervals[known.liste].get(known.import_id)
        if interval is None:
            raise refuse(
                "jour",
                "date_connue",
                "sa date vient d'un fichier ou d'un logiciel : corrigez-la là-bas",
            )
        if jour is not None and not interval.has(jour):
            raise refuse(
                "jour",
                "date_hors_intervalle",
                f"le {short_date(jour)} n'est pas possible : {interval}",
            )
        day = jour or interval.until
        values |= {"date_mouvement": day, "date_tableau": day, "is_dated": jour is not None}
    if values:
        connection.execute(update(MouvementRegistre).where(_TABLE.c.id == known.id).values(values))
