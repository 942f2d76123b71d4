"""Reads the chain of exports of one list for tableaux, and changes the day of an export after its import."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from common.calendrier import civil_day, last_birth, now
from common.french import short_date
from common.law import REPERTOIRE_UNIQUE_DEPUIS
from common.texte import JOINT
from schemas.vocabulary import Liste, Nature
from worker.db.engine import has_table
from worker.domain.identite import Etat
from worker.domain.tableau.couverture import Chain, CompleteUntil, Link, contradictions
from worker.errors import ImportRefusedError
from worker.registre.checks.facts import count_changed
from worker.registre.imports.history import importing, read_days, select_links, select_neighbours
from worker.registre.imports.report import Gap
from worker.registre.models import (
    Doubt,
    Electeur,
    Import,
    ImportListe,
    ListeCommunale,
    MouvementRegistre,
)
from worker.registre.protections import Protege
from worker.registre.versions import ListeKey, is_shown, stands

REU = "reu"
_GROWTH = {Nature.INSCRIPTION.value: 1, Nature.RADIATION.value: -1}


def read_chain(connection: Connection, code_commune: str, liste: Liste) -> Chain:
    """Return the exports of a list that were not undone, in order, and what producers of mouvements vouch for.

    A register that another service writes has no record of imports: its chain is empty.
    """
    if not has_table(connection, ImportListe):
        return Chain()
    counts = _Counts(connection, code_commune, liste)
    is_listed = Electeur.code_commune == code_commune, Electeur.liste == liste.value
    versions = (
        select(Electeur.version, func.count().label("number"))
        .where(*is_listed)
        .group_by(Electeur.version)
    )
    held = Counter({row.version: row.number for row in connection.execute(versions)})
    changed = count_changed(connection, code_commune, liste.value)
    of_list = ImportListe.code_commune == code_commune, ImportListe.liste == liste.value
    columns = Import.id, Import.taken_on, Import.is_dated
    query = select_links(
        *columns, ImportListe.is_compared, ImportListe.electeurs, ImportListe.parts
    ).where(*of_list)
    rows = connection.execute(query).all()
    partial = _find_partial(connection, rows)
    links: list[Link] = []
    parts: Mapping[str, int] = {}
    for group in _group_whole(rows, partial):
        has_new_part = bool(links) and not (group[-1].parts or {}).keys() <= parts.keys()
        link = _join_links(group, counts, held, has_new_part=has_new_part)
        links.append(replace(link, changed=changed[link.import_id]))
        parts = group[-1].parts or {}
    last = max((row.id for row in rows if row.id not in partial), default=0)
    of_commune = select(MouvementRegistre.import_id).where(
        MouvementRegistre.code_commune == code_commune
    )
    vouched = (
        select(Import.complete_until, Import.id)
        .where(Import.id.in_(of_commune), Import.complete_until.is_not(None), stands())
        .order_by(Import.id)
    )
    words = [CompleteUntil(until, number) for until, number in connection.execute(vouched) if until]
    if words:
        links[1:] = [
            replace(
                link, unexplained=_count_unexplained(connection, code_commune, liste, before, link)
            )
            for before, link in pairwise(links)
        ]
    key = ListeCommunale.code_commune == code_commune, ListeCommunale.liste == liste.value
    version = connection.scalar(select(ListeCommunale.version).where(*key))
    is_of_service = version is not None and not connection.scalar(select(exists().where(*of_list)))
    return Chain(
        links,
        words,
        counts.daily,
        counts.late,
        read_births(connection, code_commune, liste, links[0].taken_on)
        if links and (words or counts.daily)
        else (),
        {} if is_of_service else counts.waiting,
        0 if version is None else held[version],
        [_join_links([row], counts, held) for row in rows if row.id > last],
    )


class _Counts:
    def __init__(self, connection: Connection, code_commune: str, liste: Liste) -> None:
        self.undated, self.growth = Counter[int](), Counter[int]()
        """By import: inscriptions and radiations without a known day, and electors that its mouvements add to the list.

        R. 13 asks for no day of a change of bureau: an unknown one keeps no tableau from being complete.
        """
        self.daily = defaultdict[date, Counter[str]](Counter)
        """By day, then by nature: applied mouvements that come from no export."""
        self.late: Counter[tuple[int, date]] = Counter()
        """By import and day: mouvements of a file."""
        self.waiting: Counter[date] = Counter()
        """By day: mouvements of a file to apply; those of closed revisions do not count."""
        known = MouvementRegistre
        has_moved = known.ancien_bureau != known.nouveau_bureau
        columns = (
            known.import_id,
            known.date_mouvement,
            known.nature,
            known.etat,
            known.is_dated,
            has_moved,
        )
        query = select(Import.kind, *columns, func.count()).select_from(known)
        query = query.outerjoin(Import, Import.id == known.import_id).where(
            of_liste(code_commune, liste)
        )
        rows = connection.execute(query.group_by(Import.kind, *columns))
        for kind, import_id, day, nature, etat, is_dated, is_moved, number in rows:
            if import_id is not None:
                if not is_dated and nature != Nature.MODIFICATION:
                    self.undated[import_id] += number
                self.growth[import_id] += number * _GROWTH.get(nature, 0)
                if kind != REU:
                    self.late[import_id, day] += number
                is_listed = nature != Nature.MODIFICATION or is_moved
                if etat == Etat.ACTIF and is_listed and day >= REPERTOIRE_UNIQUE_DEPUIS:
                    self.waiting[day] += number
            if kind != REU and etat == Etat.APPLIQUE:
                self.daily[day][nature] += number


def _count_unexplained(
    connection: Connection, code_commune: str, liste: Liste, before: Link, link: Link
) -> int:
    """Count the electors who came or left between two exports that were not compared, without their mouvement.

    Those who were minors on the day of the first export may be on the lists, and in no file of mouvements.
    """
    if link.is_compared or link.has_new_part or not (before.is_kept and link.is_kept):
        return 0
    known = MouvementRegistre

    def who(table: type[Electeur | MouvementRegistre]) -> Select[str, str, str]:
        return select(table.nom_naissance, table.prenoms, table.date_naissance).where(
            table.code_commune == code_commune,
            table.liste == liste.value,
            table.date_naissance <= last_birth(before.taken_on),
        )

    def fold(query: Select[str, str, str] | CompoundSelect[str, str, str]) -> set[Protege]:
        return {Protege(*row).folded() for row in connection.execute(query)}

    had, has = (who(Electeur).where(Electeur.version == it.import_id) for it in (before, link))
    left, came = fold(had.except_(has)), fold(has.except_(had))
    noted = who(known).where(
        known.etat == Etat.APPLIQUE.value,
        known.date_mouvement.between(before.taken_on, link.taken_on),
    )
    inscriptions, radiations = (
        fold(noted.where(known.nature == nature.value))
        for nature in (Nature.INSCRIPTION, Nature.RADIATION)
    )
    return len(came - left - inscriptions) + len(left - came - radiations)


_AS_FOUND = (
    *("nature", "ancien_bureau", "nouveau_bureau", "nom_naissance", "nom_usage", "prenoms"),
    *("date_naissance", "commune_naissance", "departement_naissance", "pays_naissance"),
    *("nationalite", "adresse"),
)
"""The columns of a mouvement that no agent notes: they stay what the comparison found."""


def digest_mouvements(
    connection: Connection, imports: Collection[int]
) -> defaultdict[tuple[int, ListeKey], str]:
    """Return a digest of the mouvements that each import of an export found, by list, as a set.

    The change of bureau that an agent's decision of a doubt adds does not count.
    """
    known = MouvementRegistre
    decided = select(Doubt.modification_id).where(
        Doubt.import_id.in_(imports), Doubt.modification_id.is_not(None)
    )
    columns = [getattr(known, name) for name in _AS_FOUND]
    query = select(known.import_id, known.code_commune, known.liste, *columns)
    rows = connection.execute(query.where(known.import_id.in_(imports), known.id.not_in(decided)))
    found = defaultdict[tuple[int, ListeKey], list[str]](list)
    for number, commune, liste, *values in rows:
        found[number, ListeKey(commune, liste)].append(JOINT.join(values))
    digests = defaultdict[tuple[int, ListeKey], str](lambda: _digest([]))
    digests.update((key, _digest(lines)) for key, lines in found.items())
    return digests


def _digest(lines: Iterable[str]) -> str:
    text = "\n".join(sorted(lines))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def record_digests(connection: Connection, imports: Collection[int]) -> None:
    """Store the digests of the mouvements of these imports again, some of which the product has masked."""
    key = ImportListe.import_id, ImportListe.code_commune, ImportListe.liste
    found = digest_mouvements(connection, imports)
    known = select(*key).where(key[0].in_(imports), ImportListe.mouvements_digest != "")
    for number, commune, liste in connection.execute(known).all():
        is_it = key[0] == number, key[1] == commune, key[2] == liste
        digest = found[number, ListeKey(commune, liste)]
        connection.execute(update(ImportListe).where(*is_it).values(mouvements_digest=digest))


def find_altered(
    connection: Connection, code_commune: str, liste: Liste, first: int, last: int
) -> list[date]:
    """Return the days of the exports of a list, after import `first`, whose mouvements another service has changed."""
    query = select_links(Import.id, Import.taken_on, ImportListe.mouvements_digest).where(
        ImportListe.code_commune == code_commune,
        ImportListe.liste == liste.value,
        Import.id > first,
        Import.id <= last,
        ImportListe.mouvements_digest != "",
    )
    rows = connection.execute(query).all()
    found = digest_mouvements(connection, [row.id for row in rows])
    key = ListeKey(code_commune, liste.value)
    return [row.taken_on for row in rows if found[row.id, key] != row.mouvements_digest]


def _find_partial(connection: Connection, rows: Sequence[Any]) -> set[int]:
    """Return the imports after which the arrondissements of a list have different days: no day has such a list."""
    days = read_days(connection, {number for row in rows for number in (row.parts or {}).values()})
    return {
        row.id for row in rows if len({days[number] for number in (row.parts or {}).values()}) > 1
    }


def _group_whole(rows: Iterable[Row[Any]], partial: Container[int]) -> Iterator[list[Row[Any]]]:
    """Group each import that leaves a whole list with the partial ones before it; drop partial ones at the end."""
    group: list[Row[Any]] = []
    for row in rows:
        group.append(row)
        if row.id not in partial:
            yield group
            group = []


def find_import_by(connection: Connection, code_commune: str, day: date) -> int | None:
    """Return the last import of any list of a commune whose export was taken by a day; 0 if there is none.

    None: another service writes the register, which has no record of imports.
    """
    if not has_table(connection, ImportListe):
        return None
    query = select_links(Import.id).where(
        ImportListe.code_commune == code_commune, Import.taken_on <= day
    )
    return max(connection.scalars(query), default=0)


def _join_links(
    group: Sequence[Row[Any]], counts: _Counts, held: Counter[int], *, has_new_part: bool = False
) -> Link:
    last = group[-1]
    return Link(
        last.taken_on,
        last.is_dated,
        all(row.is_compared for row in group),
        sum(counts.undated[row.id] for row in group),
        last.id,
        last.electeurs,
        sum(counts.growth[row.id] for row in group),
        held[last.id] == last.electeurs,
        has_new_part=has_new_part,
    )


class Interval(NamedTuple):
    """The possible days of a mouvement between two exports: later than `after`, no later than `until`."""

    after: date
    until: date

    def has(self, day: date) -> bool:
        """Return whether the mouvement may have happened on that day; of two exports of one day, on that day only."""
        return self.after < day <= self.until or self.after == day == self.until

    def __str__(self) -> str:
        until = f"au plus tard le {short_date(self.until)}"
        return until if self.after == date.min else f"après le {short_date(self.after)}, {until}"


def read_intervals(connection: Connection, code_commune: str, liste: Liste) -> dict[int, Interval]:
    """Return, by import, the days between which the mouvements of the exports of a list happened.

    `after` is the day of the last whole list, `date.min` for the first export. A register that another service writes
    has no exports.
    """
    if not has_table(connection, ImportListe):
        return {}
    query = select_links(Import.id, Import.taken_on, ImportListe.parts).where(
        ImportListe.code_commune == code_commune, ImportListe.liste == liste.value
    )
    rows = connection.execute(query).all()
    partial = _find_partial(connection, rows)
    intervals, after = {}, date.min
    for row in rows:
        intervals[row.id] = Interval(after, row.taken_on)
        after = after if row.id in partial else row.taken_on
    return intervals


def of_liste(code_commune: str, liste: Liste) -> ColumnElement[bool]:
    """Select the mouvements of a list, without those of a doubt that is decided as one person."""
    known = MouvementRegistre
    return and_(
        known.code_commune == code_commune, known.liste == liste.value, known.doubt_id.is_(None)
    )


def read_births(
    connection: Connection, code_commune: str, liste: Liste, since: date, version: int | None = None
) -> Sequence[str]:
    """Return the dates of birth of the electors of a list who were minors on that day.

    `version`: the import that wrote the list; None: the current list.
    """
    of_version = Electeur.version == version if version is not None else exists().where(is_shown())
    query = (
        select(Electeur.date_naissance)
        .where(Electeur.code_commune == code_commune, Electeur.liste == liste.value, of_version)
        .where(Electeur.date_naissance > last_birth(since))
    )
    return connection.scalars(query).all()


def find_contradictions(connection: Connection, import_id: int) -> Iterator[str]:
    """Yield the contradictions between exports and an import of mouvements: each in French, with its list."""
    mine = select(MouvementRegistre.code_commune, MouvementRegistre.liste).distinct()
    touched = connection.execute(
        mine.where(MouvementRegistre.import_id == import_id).order_by(*mine.selected_columns)
    )
    for code_commune, liste in touched.all():
        chain = read_chain(connection, code_commune, Liste(liste))
        for said in contradictions(chain, pairwise(chain.links)):
            yield f"liste {liste} de {code_commune}. {said}"


def list_gaps(connection: Connection, imports: Collection[int]) -> list[Gap]:
    """Return the gaps of these imports, none of which is undone: exports not compared with the one before.

    The first export of a list leaves no gap.
    """
    columns = ImportListe.import_id, ImportListe.code_commune, ImportListe.liste
    before = (
        func.lag(Import.taken_on, type_=Import.taken_on.type)
        .over(partition_by=columns[1:], order_by=ImportListe.import_id)
        .label("since")
    )
    links = (
        select_links(*columns, before, Import.taken_on, ImportListe.is_compared)
        .order_by(None)
        .subquery()
    )
    query = select(
        *[links.c[name] for name in ("import_id", "code_commune", "liste", "since", "taken_on")]
    ).where(links.c.import_id.in_(imports), ~links.c.is_compared, links.c.since.is_not(None))
    return [
        Gap(*row)
        for row in connection.execute(query.order_by(*(links.c[column.key] for column in columns)))
    ]


def read_rests_on(connection: Connection, imports: Collection[int]) -> list[dict[str, Any]]:
    """Return the record of the imports that a file rests on: their ids, and the day that each export was taken.

    Ids of a register that another service writes mean nothing: the list is empty.
    """
    if not imports or not has_table(connection, Import):
        return []
    query = select(Import.id, Import.taken_on).where(Import.id.in_(imports)).order_by(Import.id)
    return [
        {"import_id": row.id, "taken_on": row.taken_on and row.taken_on.isoformat()}
        for row in connection.execute(query)
    ]


def find_link(connection: Connection, import_id: int) -> tuple[Row[Any] | None, set[str]]:
    """Return the row of the import of an export, undone or not, or None, and the communes of its lists."""
    is_it = Import.id == import_id, Import.finished_at.is_not(None), Import.kind == REU
    row = connection.execute(select(Import.__table__).where(*is_it)).one_or_none()
    query = select(ImportListe.code_commune).where(ImportListe.import_id == import_id)
    return row, set(connection.scalars(query))


class Redating(NamedTuple):
    """A change of the day of an export after its import."""

    import_id: int
    before: date | None
    after: date
    listes: Sequence[ListeKey]
    mouvements: int
    """Number of mouvements whose date changes too."""


OnRedated = Callable[[Connection, Redating], object]
"""Called in the transaction; an exception rolls everything back."""


def set_taken_on(
    engine: Engine, import_id: int, day: date, *, only: str = "", then: OnRedated = lambda *_: None
) -> Redating:
    """Set the day an export was taken, after its import; its undated mouvements get the same day.

    `only`: see `undo_import`.

    Raises:
        ImportRefusedError: no such import of the REU, the day has not come, is not between those of its neighbours, or
            a mouvement that was dated would not lie between its two exports any more.
    """
    with importing(engine, only) as connection, connection.begin():
        found, communes = find_link(connection, import_id)
        if found is None or found.undone_at:
            raise ImportRefusedError(
                f"l'import {import_id} n'est pas celui d'un export du REU, ou il a été annulé",
                on_screen="cet export n'est plus dans le registre, ou il a été annulé",
            )
        refuse_out_of_order(connection, import_id, day)
        _refuse_dated(connection, import_id, day)
        connection.execute(
            update(Import).where(Import.id == import_id).values(taken_on=day, is_dated=True)
        )
        moved = connection.execute(
            update(MouvementRegistre)
            .where(MouvementRegistre.import_id == import_id, ~MouvementRegistre.is_dated)
            .values(date_mouvement=day, date_tableau=day)
        )
        mine = select(ImportListe.code_commune, ImportListe.liste).where(
            ImportListe.import_id == import_id
        )
        listes = [ListeKey(*row) for row in connection.execute(mine)]
        refuse_future(day, communes)
        redating = Redating(import_id, found.taken_on, day, listes, moved.rowcount)
        then(connection, redating)
    return redating


def refuse_future(day: date, communes: Iterable[str]) -> None:
    """Check that the day has come in each of these communes."""
    instant = now()
    if any(day > civil_day(instant, code) for code in communes):
        raise ImportRefusedError(f"le {short_date(day)} n'est pas encore venu : vérifiez la date")


def _refuse_dated(connection: Connection, import_id: int, day: date) -> None:
    """Check that the recorded dates of mouvements are still possible with an export of that day."""
    known = MouvementRegistre
    mine = select(ImportListe.code_commune, ImportListe.liste).where(
        ImportListe.import_id == import_id
    )
    later = (
        select_neighbours(import_id, func.min(Import.id))
        .where(Import.id > import_id)
        .order_by(None)
    )
    followers = later.group_by(ImportListe.code_commune, ImportListe.liste)
    is_too_late = and_(known.import_id == import_id, known.date_mouvement > day)
    is_too_early = and_(
        known.import_id.in_(followers),
        tuple_(known.code_commune, known.liste).in_(mine),
        known.date_mouvement <= day,
    )
    found = connection.scalar(
        select(known.id)
        .where(known.is_dated, or_(is_too_late, is_too_early))
        .order_by(known.id)
        .limit(1)
    )
    if found is not None:
        raise ImportRefusedError(
            f"le mouvement n° {found} a une date notée que ce jour contredit : un mouvement a lieu entre deux exports. "
            "Corrigez d'abord sa date, parmi les motifs notés."
        )


def refuse_out_of_order(connection: Connection, import_id: int, day: date) -> None:
    """Check that the day is between the days of the exports of the same lists before and after this one.

    A link cannot be added late, because later exports were compared without it.
    """
    for id_, taken_on in connection.execute(
        select_neighbours(import_id, Import.id, Import.taken_on)
    ):
        if taken_on and (taken_on > day if id_ < import_id else taken_on < day):
            order = "avant" if id_ < import_id else "après"
            raise ImportRefusedError(
                f"un export du {taken_on:%d/%m/%Y} a été repris {order} celui-ci (import {id_}) : le {day:%d/%m/%Y} "
                "n'est pas possible. Un export ancien ne se reprend pas après coup : annulez d'abord les suivants."
            )
