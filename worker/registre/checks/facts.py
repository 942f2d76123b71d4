"""What is wrong with electors is found once, when they are imported, and stands in their row: `electeur.facts`.

The rules are those of `rules.py`, looked at where a file looks too; only whom they may speak of on any coming day is
noted, never what they say. A file then looks at those electors again, and at nobody else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    type_coerce,
    update,
)

from common.calendrier import YOUNGEST, jour_a_paris, last_birth, now
from schemas.vocabulary import Liste, Severity
from worker.db.engine import STREAM
from worker.db.types import cleaned
from worker.registre.bureaux import COMMUNES_AT_ONCE
from worker.registre.checks.rules import HAS_LOST_ZEROS, RUINED_TEXTS, RULES, Day, Kind, is_readable
from worker.registre.checks.suspects import (
    FACTS_VERSION,
    Fact,
    deserves_look,
    group_doubles,
    has_double_numero,
    is_flagged,
    joined_texts,
    select_possible_doubles,
)
from worker.registre.models import Electeur, ImportListe, ListeCommunale
from worker.registre.versions import BATCH, TEMPORARY, ListeKey, reading_transaction, temporary_tables

DAYS_BEFORE = 366
"""A file may bear an earlier day than the import, when its request waited: facts hold for a year before it."""

_LAST_DAY = "9999-12-31"

_FOUND = Table(
    "found_fact",
    TEMPORARY,
    Column("fact", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
"""Electors with a fact that is not in their row yet."""


def facts_since(jour: date) -> date:
    """The first day of a file that the facts found on a day hold for."""
    return jour - timedelta(days=DAYS_BEFORE)


def find_facts(connection: Connection, version: int, listes: Iterable[ListeKey], jour: date) -> None:
    """Look at every elector of these lists in that version, whose facts are 0, and write what was found on that day.

    Whoever lets the version be known as looked at (`FACTS_VERSION`, `facts_since`) does so afterwards: until then facts
    count for nothing.
    """
    with temporary_tables(connection, _FOUND):
        with reading_transaction(connection):
            for liste, of_liste in groupby(sorted(listes, key=lambda it: it.liste), key=lambda it: it.liste):
                rest = (it.code_commune for it in of_liste)
                while communes := list(islice(rest, COMMUNES_AT_ONCE)):
                    _find(connection, version, communes, Liste(liste), facts_since(jour))
        for fact in (Fact.SUSPECT, Fact.DOUBLE, Fact.NUMERO):
            _write(connection, fact)


def count_without_zeros(connection: Connection, version: int) -> int:
    """Electors of an import with a code that lost its zero, once what is wrong with them was found."""
    query = select(func.count()).where(Electeur.version == version, is_flagged(), HAS_LOST_ZEROS)
    return connection.execute(query).scalar_one()


def count_mineurs(connection: Connection, version: int, jour: date) -> dict[ListeKey, int]:
    """By list, who of an import was entered in advance and is no elector on that day: each has a fact by then."""
    key = Electeur.code_commune, Electeur.liste
    is_mineur = not_(is_of_age(last_birth(jour), last_birth(jour, YOUNGEST)))
    query = select(*key, func.count()).where(Electeur.version == version, is_flagged(), is_mineur).group_by(*key)
    return {ListeKey(commune, liste): count for commune, liste, count in connection.execute(query)}


def _find(connection: Connection, version: int, communes: list[str], liste: Liste, since: date) -> None:
    among = {"communes": communes, "version": version}
    for statement in _find_statements(liste):
        connection.execute(statement, among | {"last_birth": last_birth(since)})
    with connection.execute(_doubles_query(liste), among, execution_options=STREAM) as rows:
        doubles = [row.id for same in group_doubles(rows) for row in same]
    for batch in range(0, len(doubles), BATCH):
        found = [{"fact": int(Fact.DOUBLE), "id": id_} for id_ in doubles[batch : batch + BATCH]]
        connection.execute(insert(_FOUND), found)


@cache
def _find_statements(liste: Liste) -> Sequence[Insert]:
    """What finds each fact but doubles; made once, since that takes longer than to look at a village."""
    among = _among(liste)
    since: BindParameter[str] = bindparam("last_birth", type_=Text)
    return [
        insert(_FOUND).from_select(["fact", "id"], select(literal(int(fact)), Electeur.id).where(has_it))
        for fact, has_it in (
            (Fact.SUSPECT, and_(among, _may_deserve_look(liste, since))),
            (Fact.NUMERO, has_double_numero(among)),
        )
    ]


@cache
def _doubles_query(liste: Liste) -> Select[Any]:
    return select_possible_doubles(_among(liste), Electeur.id)


def _among(liste: Liste) -> ColumnElement[bool]:
    communes: BindParameter[list[str]] = bindparam("communes", expanding=True)
    version: BindParameter[int] = bindparam("version", type_=BigInteger)
    return and_(Electeur.code_commune.in_(communes), Electeur.liste == liste.value, Electeur.version == version)


def _may_deserve_look(liste: Liste, since: str | BindParameter[str]) -> ColumnElement[bool]:
    """Something may be said of her in a file of a day or later, or she is a minor in it.

    A rule that moves speaks of a value until a day, or from a day on, or both: it speaks on the first or the last day.
    For the first day `since` is taken, on which a minor of then was not yet born, so that minors have the fact too.
    """
    first, last = Day(liste, since, since), Day(liste, _LAST_DAY, _LAST_DAY)
    moving = [late for rule in RULES if not (late := rule.condition(last)).compare(rule.condition(first))]
    return or_(deserves_look(first, separators=True), *moving, Electeur.numero_general.is_not(None))


def _write(connection: Connection, fact: Fact) -> None:
    """In short transactions: SQLite has one writer at a time."""
    for first, last in _ranges(connection, fact):
        found = select(_FOUND.c.id).where(_FOUND.c.fact == int(fact), _FOUND.c.id.between(first, last))
        with connection.begin():
            connection.execute(
                update(Electeur)
                .where(Electeur.id.in_(found))
                .values(facts=Electeur.facts.bitwise_or(int(fact)))
                .execution_options(synchronize_session=False)
            )


def _ranges(connection: Connection, fact: Fact) -> Iterator[tuple[int, int]]:
    query = select(_FOUND.c.id).where(_FOUND.c.fact == int(fact)).order_by(_FOUND.c.id).limit(BATCH)
    last = -1
    while True:
        with connection.begin():
            ids = connection.scalars(query.where(_FOUND.c.id > last)).all()
        if not ids:
            return
        last = ids[-1]
        yield ids[0], last


def count_blocking(connection: Connection, version: int, listes: Iterable[ListeKey], jour: date) -> dict[str, int]:
    """Electors of that version whom a list cannot be deposited with, by what a clerk is to do about each.

    Only those are looked at in whom `find_facts` has found something.
    """
    rules = [rule for rule in RULES if rule.severity is Severity.BLOCKING]
    kinds: list[Kind] = [*rules, *(kind for kind, _ in RUINED_TEXTS)]
    found: Counter[str] = Counter()
    with connection.begin():
        for code_commune, liste in listes:
            day = Day(Liste(liste), jour.isoformat(), last_birth(jour, YOUNGEST))
            conditions = [
                *(rule.condition(day) for rule in rules),
                *(is_it(joined_texts()) for _, is_it in RUINED_TEXTS),
            ]
            counts = [func.count().filter(it) for it in conditions]
            is_it = (Electeur.code_commune == code_commune, Electeur.liste == liste, Electeur.version == version)
            row = connection.execute(select(*counts).where(*is_it, is_flagged())).one()
            found.update({kind.message: count for kind, count in zip(kinds, row, strict=True) if count})
    return dict(found)


def look_again(engine: Engine) -> int:
    """Look at the lists that imports wrote and that other rules were looked at by; returns how many.

    The day in Paris is precise enough for every commune: facts hold for a year before it. A service may write
    meanwhile: an elector whom it changes after the first step counts as not looked at, see migration 0015.
    """
    jour = jour_a_paris(now())
    with engine.connect() as connection:
        with connection.begin():
            outdated = connection.execute(_select_outdated()).all()
        for version, rows in groupby(outdated, key=lambda row: row.version):
            listes = [ListeKey(row.code_commune, row.liste) for row in rows]
            _forget(connection, version, listes)
            find_facts(connection, version, listes, jour)
            _mark(connection, version, listes, facts_version=FACTS_VERSION, facts_since=facts_since(jour))
    return len(outdated)


def _select_outdated() -> Select[int, str, str]:
    is_it = and_(
        ImportListe.import_id == ListeCommunale.version,
        ImportListe.code_commune == ListeCommunale.code_commune,
        ImportListe.liste == ListeCommunale.liste,
    )
    key = ListeCommunale.version, ListeCommunale.code_commune, ListeCommunale.liste
    return select(*key).join(ImportListe, is_it).where(ImportListe.facts_version != FACTS_VERSION).order_by(*key)


def _forget(connection: Connection, version: int, listes: Sequence[ListeKey]) -> None:
    _mark(connection, version, listes, facts_version=0)
    for code_commune, liste in listes:
        with connection.begin():
            connection.execute(
                update(Electeur)
                .where(Electeur.code_commune == code_commune, Electeur.liste == liste, Electeur.version == version)
                .where(is_flagged())
                .values(facts=0)
                .execution_options(synchronize_session=False)
            )


def _mark(connection: Connection, version: int, listes: Iterable[ListeKey], **values: object) -> None:
    with connection.begin():
        for code_commune, liste in listes:
            connection.execute(
                update(ImportListe)
                .where(ImportListe.import_id == version)
                .where(ImportListe.code_commune == code_commune, ImportListe.liste == liste)
                .values(**values)
            )


BirthDate = str | ColumnElement[str]


def is_of_age(last_birth: BirthDate, youngest: BirthDate) -> ColumnElement[bool]:
    """No minor; a date that cannot be read, or is later than `youngest`, does not make a minor but an anomaly.

    `last_birth`: the latest date of birth of a person who is of age on the day that counts; `youngest`: that of a
    person who may be on a list at all.
    """
    born = Electeur.date_naissance
    as_written = _as_written()
    is_mineur = and_(is_readable(as_written), as_written > last_birth, as_written <= youngest)
    return or_(and_(born <= last_birth, born >= "0"), not_(is_mineur))


def is_born_between(after: str, until: str) -> ColumnElement[bool]:
    """Born later than `after`, and no later than `until`; the cheap look first, since few are."""
    born = Electeur.date_naissance
    as_written = _as_written()
    return and_(or_(born > after, born < "0"), is_readable(as_written), as_written > after, as_written <= until)


def _as_written() -> ColumnElement[str]:
    return cleaned(type_coerce(Electeur.date_naissance, Text))
