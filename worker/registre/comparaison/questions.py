"""The questions that an agent must confirm before an import, each with its figures and its likely cause.

The questions concern the pairs of the comparison, not totals: known electors who vanish, bureaux that lose all their
electors, fields that change for many. Only electors who differ are read, and the end of a list from which some vanish.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    false,
    func,
    intersect,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from common.french import count_of, format_number
from schemas.vocabulary import ImportQuestion, Liste
from worker.domain.identite import base_letters
from worker.registre.checks.rules import FRANCAIS
from worker.registre.comparaison.differences import (
    BEFORE,
    PAIRS,
    SHOWN,
    ElecteurTable,
    adresse,
    details,
    identite_columns,
    paired,
)
from worker.registre.imports.history import IS_SHOWN
from worker.registre.imports.report import ListeCount, Question, name_some
from worker.registre.models import Electeur, ImportListe
from worker.registre.reference import departement_of
from worker.registre.versions import ListeKey, current_versions, is_on_liste

MANY = 20
"""Per cent of the known electors of a list: a larger change is not the ordinary life of a list."""

LEAST = 5
"""Electors: fewer may leave or change together by chance, like a family, and raise no question if others arrive."""


_FEW, _LONG = 2, 50
"""Electors who are together the end of a list of so many by chance once in three hundred imports."""


_NAMESAKES, _UNLIKE = 40, 15
"""Electors with the first name of another one: of fewer, the sexes tell nothing. And how many per cent are too many."""

_DIFFERENT, _SHORTEST_CUT, _AT_ONCE = 200, 10, 5
"""Of so many different names or more, this per cent cannot all be the longest, with so many characters at least."""

_CUTTABLE = {Electeur.nom_naissance: "noms de naissance", Electeur.prenoms: "prénoms"}


class _Field(NamedTuple):
    """A field to check: its French name, its values, and the likely cause if it changes for many electors."""

    name: str
    values: Callable[[ElecteurTable], Sequence[Any]]
    cause: str


_SHIFTED = "Colonne décalée, ou fichier modifié dans un tableur ?"
_FIELDS = (
    _Field("le sexe", lambda it: [it.sexe], _SHIFTED),
    _Field(
        "le bureau", lambda it: [it.code_bureau], "Changement de découpage, ou colonne décalée ?"
    ),
    _Field("la nationalité", lambda it: [it.nationalite], _SHIFTED),
    _Field(
        "le lieu de naissance",
        lambda it: [
            it.code_commune_naissance,
            it.commune_naissance,
            it.departement_naissance,
            it.pays_naissance,
        ],
        _SHIFTED,
    ),
    _Field(
        "l'adresse",
        lambda it: [adresse(it)],
        "Adresses réécrites par la commune, ou colonne décalée ?",
    ),
    _Field("le nom d'usage", lambda it: [it.nom_usage], _SHIFTED),
)
"""Order numbers are not checked, because the REU reassigns them at times."""

_BUREAU = 1
"""The index of the bureau in _FIELDS."""


class Part(NamedTuple):
    """The part of a list that one export holds: the whole list, or an arrondissement."""

    code_commune: str
    liste: str
    arrondissement: str

    @property
    def key(self) -> ListeKey:
        """The list that contains this part."""
        return ListeKey(self.code_commune, self.liste)


_OF_PART = (
    SHOWN.code_commune,
    SHOWN.liste,
    func.coalesce(BEFORE.arrondissement, SHOWN.arrondissement).label("arrondissement"),
)
_VANISHED = and_(PAIRS.c.before.is_not(None), PAIRS.c.after.is_(None))


class Changes(NamedTuple):
    """The changes that the comparison found in one list, as numbers of electors."""

    before: int
    vanished: int
    came: int
    others: int
    """Electors who stay in their bureau with another address, name of use or other value."""
    fields: Sequence[int]
    """Electors who stay and whose field changes, in the order of _FIELDS."""

    @property
    def stayed(self) -> int:
        """The number of known electors who stay."""
        return self.before - self.vanished

    @property
    def is_other_population(self) -> bool:
        """Whether fewer than half of the known electors stay, and more electors arrive than stay."""
        return self.vanished >= LEAST and self.stayed * 2 < self.before and self.came > self.stayed

    @property
    def is_loss(self) -> bool:
        """Whether more than MANY per cent of the known electors vanish."""
        is_grave = self.vanished >= LEAST or self.came < self.vanished
        return is_grave and self.vanished * 100 > self.before * MANY


def find_questions(
    connection: Connection,
    compared: Mapping[ListeKey, int],
    version: int,
    counts: Sequence[ListeCount],
    changes: Mapping[Part, Changes],
) -> list[Question]:
    """Return the questions about the lists of a file after the pairing; `changes`: the result of `read_changes`.

    `compared`: the current version of each list of the register; `version`: the staged one. `counts`: the electors of
    each list of the file, before and now. A complementary list that is emptied on purpose raises no question.
    """
    sizes = {it.key: it for it in counts}
    questions: list[Question] = []
    came = Counter({key: size.electeurs for key, size in sizes.items() if key not in compared})
    left: set[ListeKey] = set()
    for part, found in changes.items():
        came[part.key] += found.came
        if sizes[part.key].electeurs or part.liste == Liste.PRINCIPALE:
            questions += _judge(connection, part, compared[part.key], version, found)
            if not found.is_other_population and found.vanished + found.fields[
                _BUREAU
            ] >= _least_bureau(part.liste):
                left.add(part.key)
    for key in sorted(left):
        questions += _find_lost_bureaux(connection, key, compared[key], version)
    for key, number in sorted(came.items()):
        if number >= LEAST:
            is_new = key not in compared
            if is_new:
                questions += _find_implausible(connection, key, version)
            questions += _find_absorbed(connection, key, version, number, sizes, is_new=is_new)
            questions += _find_other_liste(connection, key, version, number, sizes, is_new=is_new)
    return questions


def read_changes(
    connection: Connection, compared: Mapping[ListeKey, int], counts: Sequence[ListeCount]
) -> dict[Part, Changes]:
    """Return the changes of each list, in the order of the lists; a list without differences is left out."""
    sizes = {it.key: it.before or 0 for it in counts}
    sides = (func.count().filter(_VANISHED), func.count().filter(PAIRS.c.before.is_(None)))
    described = ([*identite_columns(it), details(it)] for it in (BEFORE, SHOWN))
    is_other = and_(BEFORE.code_bureau == SHOWN.code_bureau, _differ(*described))
    changed = (is_other, *(_differ(it.values(BEFORE), it.values(SHOWN)) for it in _FIELDS))
    numbers = (func.sum(case((it, 1), else_=0)) for it in changed)
    grouped = paired(*_OF_PART, *sides, *numbers).group_by(*_OF_PART).order_by(*_OF_PART)
    changes: dict[Part, Changes] = {}
    for commune, liste, arrondissement, vanished, came, *rest in connection.execute(grouped).all():
        part = Part(commune, liste, arrondissement)
        before = sizes[part.key]
        if arrondissement:
            before = (
                connection.scalar(select(func.count()).where(*_is_of(part, compared[part.key])))
                or 0
            )
        others, *fields = map(int, rest)
        changes[part] = Changes(before, vanished, came, others, fields)
    return changes


def _differ(before: Sequence[Any], after: Sequence[Any]) -> ColumnElement[bool]:
    """NULL for an elector who arrives; an elector who left is compared with their own row."""
    return or_(*(one != other for one, other in zip(before, after, strict=True)))


def _is_of(part: Part, version: int) -> Sequence[ColumnElement[bool]]:
    return [
        *(getattr(Electeur, name) == value for name, value in part._asdict().items()),
        Electeur.version == version,
    ]


def _judge(
    connection: Connection, part: Part, former: int, version: int, changes: Changes
) -> Iterator[Question]:
    """Yield the questions about one list; another population explains all other changes, so it is the only question."""
    liste, name = part.key, f"la {_name(part.liste)} de {part.arrondissement or part.code_commune}"
    before, vanished = format_number(changes.before), format_number(changes.vanished)
    is_grave = changes.is_other_population or changes.is_loss
    if is_grave and (ruined := _find_ruined_column(connection, part, version, changes.vanished)):
        yield ruined
        return
    if changes.is_other_population:
        yield Question(
            ImportQuestion.OTHER_POPULATION,
            *liste,
            f"{name} garderait {count_of(changes.stayed, 'électeur connu', 'électeurs connus')} sur {before} : "
            f"{vanished} partiraient, {format_number(changes.came)} arriveraient",
            "Ce fichier est peut-être celui d'une autre commune ou d'une autre liste.",
        )
        return
    tail = (
        _count_tail(connection, part, former, version)
        if changes.vanished >= _FEW and changes.stayed
        else 0
    )
    is_all = (
        tail == changes.vanished and changes.before >= _LONG and _are_of_two_homes(connection, part)
    )
    if is_all or (tail >= LEAST and tail * 2 >= changes.vanished):
        yield Question(
            ImportQuestion.CUT_END,
            *liste,
            f"{name} perdrait {vanished} électeurs connus sur {before}, dont ses {format_number(tail)} derniers",
            "Le téléchargement a peut-être été coupé.",
        )
    elif changes.is_loss:
        yield Question(
            ImportQuestion.LOSSES,
            *liste,
            f"{name} perdrait {count_of(changes.vanished, 'électeur connu', 'électeurs connus')} sur {before}",
            "Le téléchargement est peut-être incomplet."
            if changes.stayed
            else "Le fichier est vide, ou une option vide la liste.",
        )
    for field, number in zip(_FIELDS, changes.fields, strict=True):
        if number >= LEAST and number * 100 > changes.stayed * MANY:
            yield Question(
                ImportQuestion.CHANGED_FIELD,
                *liste,
                f"{field.name} changerait pour {format_number(number)} électeurs connus sur "
                f"{format_number(changes.stayed)} de {name}",
                field.cause,
            )


def _find_implausible(connection: Connection, liste: ListeKey, version: int) -> Iterator[Question]:
    """Yield a question for each column of a new list that looks unlike those of other lists."""
    of_liste = is_on_liste(*liste, version)
    said = f"de la {_name(liste.liste)} de {liste.code_commune}"
    namesakes, unlike = _count_unlike(connection, of_liste)
    if namesakes >= _NAMESAKES and unlike * 100 > namesakes * _UNLIKE:
        yield Question(
            ImportQuestion.IMPLAUSIBLE,
            *liste,
            f"{format_number(unlike)} électeurs {said} n'ont pas le sexe des autres porteurs de leur premier prénom",
            "La colonne « sexe » ou « prénoms » a peut-être été triée ou collée seule dans un tableur.",
        )
    for column, words in _CUTTABLE.items():
        of_length = select(func.length(column).label("size"), func.count(column.distinct()))
        grouped = of_length.where(of_liste).group_by("size").order_by(func.length(column).desc())
        numbers = [*map(tuple, connection.execute(grouped))]
        (longest, spike), total = numbers[0], sum(number for _, number in numbers)
        is_peak = dict(numbers).get(longest - 1, 0) * 3 <= spike * 2
        is_cut = longest >= _SHORTEST_CUT and is_peak and spike * 100 > total * _AT_ONCE
        if total >= _DIFFERENT and is_cut:
            yield Question(
                ImportQuestion.IMPLAUSIBLE,
                *liste,
                f"{format_number(spike)} {words} {said} ont {longest} caractères, et aucun n'est plus long",
                f"Ils ont peut-être été coupés au {longest}e caractère.",
            )


def _count_unlike(connection: Connection, of_liste: ColumnElement[bool]) -> tuple[int, int]:
    """Count the electors who share their first first name, and those of them of the rarer sex of that name.

    In a sound list the latter are a few per cent, as some names are borne by both. Where one of the two columns was
    mixed, they are a quarter to a half.
    """
    query = select(Electeur.prenoms, Electeur.sexe, func.count()).where(of_liste)
    of_sex = query.where(Electeur.sexe.in_(["F", "M"])).group_by(Electeur.prenoms, Electeur.sexe)
    by_name = defaultdict[str, Counter[str]](Counter)
    for prenoms, sexe, number in connection.execute(of_sex):
        by_name[base_letters(prenoms).partition(" ")[0]][sexe] += number
    shared = [it for name, it in by_name.items() if name and it.total() > 1]
    return sum(it.total() for it in shared), sum(it.total() - max(it.values()) for it in shared)


_IDENTITE_WORDS = "nom de naissance", "prénoms", "date de naissance", "lieu de naissance"
"""The columns of the identity key, as a title of the file names them."""


def _find_ruined_column(
    connection: Connection, part: Part, version: int, vanished: int
) -> Question | None:
    """Return the question about a column whose values belong to other electors than before, as one sorted alone.

    More than half of those who vanish, LEAST at least, are like one who arrives in all columns of the identity key
    but this one.
    """
    gone, came = aliased(Electeur), aliased(Electeur)
    is_gone = gone.id.in_(select(PAIRS.c.before).where(_VANISHED))
    is_new = came.id.in_(select(PAIRS.c.after).where(PAIRS.c.before.is_(None)))
    of_part = [
        (getattr(gone, name) == value, getattr(came, name) == value)
        for name, value in part._asdict().items()
    ]
    was, stands = zip((is_gone, is_new), *of_part, strict=True)
    for place, words in enumerate(_IDENTITE_WORDS):
        others, their_own = (
            [it for at, it in enumerate(identite_columns(one)) if at != place]
            for one in (gone, came)
        )
        kept = select(*others).where(*was)
        alike = intersect(kept, select(*their_own).where(*stands)).subquery()
        number = connection.scalar(select(func.count()).select_from(alike)) or 0
        if number < LEAST or number * 2 <= vanished:
            continue
        first = select(func.min(came.id)).where(*stands, tuple_(*their_own).in_(kept))
        until_first = Electeur.version == version, Electeur.id <= first.scalar_subquery()
        rank = connection.scalar(select(func.count()).where(*until_first)) or 0
        return Question(
            ImportQuestion.CHANGED_FIELD,
            *part.key,
            f"la colonne « {words} » changerait seule pour {format_number(number)} électeurs connus de "
            f"la {_name(part.liste)} de {part.arrondissement or part.code_commune}, à partir de "
            f"l'électeur n° {format_number(rank)} du fichier",
            "Elle a peut-être été triée ou collée seule dans un tableur : reprenez l'export tel qu'il vient d'ELIRE.",
        )
    return None


def _name(liste: str) -> str:
    return Liste(liste).short_label.lower()


def _count_tail(connection: Connection, part: Part, former: int, version: int) -> int:
    """Count the vanished electors after the last one who stays, in the order of the former file or of the bureaux.

    Or, for a new file in the order of names, after its last line. A few who stay may be after it too: a file may sort É
    as E.
    """
    mine = _is_of(part, former)
    vanished = Electeur.id.in_(select(PAIRS.c.before).where(_VANISHED))
    orders = ([Electeur.id], [Electeur.code_bureau, func.coalesce(Electeur.numero_ordre, -1)])
    tails = []
    for order in orders:
        staying = (
            select(*order).where(*mine, ~vanished).order_by(*(it.desc() for it in order)).limit(1)
        )
        last = tuple(connection.execute(staying).one())
        behind = select(func.count()).where(*mine, vanished, tuple_(*order) > last)
        tails.append(connection.scalar(behind) or 0)
    names = [Electeur.nom_naissance, Electeur.prenoms]
    for by_name in (names, [Electeur.code_bureau, *names]):
        last_line = (
            select(*by_name).where(*_is_of(part, version)).order_by(Electeur.id.desc()).limit(1)
        )
        is_behind = tuple_(*by_name) > tuple(connection.execute(last_line).one())
        numbers = select(func.count().filter(vanished), func.count().filter(~vanished)).where(
            *mine, is_behind
        )
        gone, staying_behind = connection.execute(numbers).one()
        tails.append(gone if gone > 2 * staying_behind else 0)
    return max(tails)


def _are_of_two_homes(connection: Connection, part: Part) -> bool:
    """Return whether those who vanish have two addresses or more: a family of one name may leave together."""
    mine = [getattr(Electeur, name) == value for name, value in part._asdict().items()]
    vanished = Electeur.id.in_(select(PAIRS.c.before).where(_VANISHED))
    homes = select(func.count(adresse(Electeur).distinct())).where(*mine, vanished)
    return (connection.scalar(homes) or 0) > 1


def _least_bureau(liste: str) -> int:
    """Return the smallest bureau that may be lost: any of the principal list, where no bureau is empty."""
    return 1 if liste == Liste.PRINCIPALE else LEAST


def _find_lost_bureaux(
    connection: Connection, liste: ListeKey, before: int, version: int
) -> Iterator[Question]:
    one, later = Electeur, aliased(Electeur)
    of_later = (
        later.version == version,
        later.code_commune == liste.code_commune,
        later.liste == liste.liste,
    )
    still = exists().where(*of_later, later.code_bureau == one.code_bureau)
    of_liste = is_on_liste(*liste, before)
    filled = (
        select(one.code_bureau, func.count())
        .where(of_liste, one.code_bureau != "")
        .group_by(one.code_bureau)
    )
    lost = filled.having(func.count() >= _least_bureau(liste.liste), ~still).order_by(
        one.code_bureau
    )
    found = connection.execute(lost).all()
    if found:
        named = name_some(f"{code} ({count_of(number, 'électeur')})" for code, number in found)
        some = (
            f"le bureau {named} n'aurait" if len(found) == 1 else f"les bureaux {named} n'auraient"
        )
        yield Question(
            ImportQuestion.LOST_BUREAU,
            *liste,
            f"{some} plus d'électeur sur la {_name(liste.liste)} de {liste.code_commune}",
            "Regroupement de bureaux, ou fichier incomplet ?",
        )


def _find_absorbed(
    connection: Connection,
    liste: ListeKey,
    version: int,
    came: int,
    in_file: Mapping[ListeKey, object],
    *,
    is_new: bool,
) -> Iterator[Question]:
    """Yield a question for each list of the département most of whose electors arrive on this one.

    Lists larger than twice the number of arrivals, and lists that the file replaces, are skipped.
    """
    columns = (
        ImportListe.code_commune,
        ImportListe.liste,
        ImportListe.import_id,
        ImportListe.electeurs,
    )
    departement = ImportListe.code_commune.startswith(departement_of(liste.code_commune))
    is_small = ImportListe.electeurs.between(LEAST, came * 2)
    others = select(*columns).where(
        IS_SHOWN, ImportListe.liste == liste.liste, departement, is_small
    )
    theirs, mine = aliased(Electeur), aliased(Electeur)
    same = [
        one == other
        for one, other in zip(identite_columns(theirs), identite_columns(mine), strict=True)
    ]
    is_mine = _is_newcomer(mine, liste, version, is_new=is_new)
    for other in connection.execute(others.order_by(ImportListe.code_commune)).all():
        if ListeKey(other.code_commune, other.liste) in in_file:
            continue
        is_theirs = theirs.code_commune == other.code_commune, theirs.liste == other.liste
        known = select(func.count(theirs.id.distinct())).join(mine, and_(is_mine, *same))
        number = connection.scalar(known.where(*is_theirs, theirs.version == other.import_id)) or 0
        if number >= LEAST and number * 2 > other.electeurs:
            yield Question(
                ImportQuestion.ABSORBED,
                *liste,
                f"{format_number(number)} électeurs sur {format_number(other.electeurs)} de la {_name(other.liste)} de "
                f"{other.code_commune} arriveraient sur celle de {liste.code_commune}",
                "Cette commune en a peut-être absorbé une autre. Après votre oui, aucune liste de "
                f"{other.code_commune} n'est prête tant qu'elle n'est ni vidée ni reprise d'un nouvel export.",
                other.code_commune,
            )


def _is_newcomer(
    mine: ElecteurTable, liste: ListeKey, version: int, *, is_new: bool
) -> ColumnElement[bool]:
    """Select the electors who arrive on a list: all of a list that the register does not have yet."""
    newcomers = select(PAIRS.c.after).where(PAIRS.c.before.is_(None))
    is_newcomer = mine.version == version if is_new else mine.id.in_(newcomers)
    return and_(
        mine.code_commune == liste.code_commune,
        mine.liste == liste.liste,
        mine.version == version,
        is_newcomer,
    )


def _find_other_liste(
    connection: Connection,
    liste: ListeKey,
    version: int,
    came: int,
    in_file: Collection[ListeKey],
    *,
    is_new: bool,
) -> Iterator[Question]:
    """Yield a question if most of those who arrive on a list contradict its kind, by their nationality.

    Or by another list: they are there already, with the same nationality, on a list of the other kind.
    """
    is_principale = liste.liste == Liste.PRINCIPALE
    is_mine = _is_newcomer(Electeur, liste, version, is_new=is_new)
    nationalite = Electeur.nationalite
    french, foreign = connection.execute(
        select(
            func.count().filter(nationalite.in_(FRANCAIS)),
            func.count().filter(nationalite.not_in(["", *FRANCAIS])),
        ).where(is_mine)
    ).one()
    right, number = (french, foreign) if is_principale else (foreign, french)
    said = "d'une autre nationalité" if is_principale else "de nationalité française"
    if max(right, number) * 2 <= came:  # the nationalities tell nothing: compare whole lists
        shown = current_versions(connection) | dict.fromkeys(in_file, version)
        others = [
            is_on_liste(*key, its_version)
            for key, its_version in shown.items()
            if key.code_commune == liste.code_commune
            and (key.liste == Liste.PRINCIPALE) is not is_principale
        ]
        who = select(*identite_columns(), nationalite)
        twice = intersect(who.where(is_mine), who.where(or_(false(), *others))).subquery()
        number = connection.scalar(select(func.count()).select_from(twice)) or 0
        said = "aussi sur une liste complémentaire" if is_principale else "aussi sur la principale"
    if number >= LEAST and number * 2 > came:
        yield Question(
            ImportQuestion.OTHER_LISTE,
            *liste,
            f"{format_number(number)} électeurs sur {format_number(came)} qui arrivent sur la {_name(liste.liste)} de "
            f"{liste.code_commune} sont {said}",
            "Ce fichier est peut-être celui d'une autre liste.",
        )
