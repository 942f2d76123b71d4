"""Doubts: a radiation and an inscription of one comparison that may be one person; found, stored, listed, decided.

A corrected date of birth, an added first name or a corrected birth name changes the identity key: the comparison sees
one elector leave and another one arrive. It makes no guess. It stores the pair with its mouvements, and a tableau that
shows one of them is not ready while the doubt is open (ADR 0008). If only the place of birth differs, the pair is one
person: it is stored as decided.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    CompoundSelect,
    Connection,
    Date,
    Integer,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from common.calendrier import now
from schemas.profiles.platform import IDENTITY
from schemas.vocabulary import Categorie, DoubtDecision, Liste, Nature
from worker.db.engine import has_table
from worker.db.types import Id, Texte, utc_now
from worker.domain.identite import (
    BLOCKS,
    Identite,
    Portrait,
    base_letters,
    differing,
    identite,
    is_perhaps_one,
    is_surely_one,
)
from worker.errors import RefusedError
from worker.registre.comparaison.differences import (
    BEFORE,
    BY_INE,
    IDENTITE,
    IS_UNMATCHED,
    PAIRS,
    identite_columns,
    unmatched,
)
from worker.registre.models import (
    UNDONE,
    Doubt,
    Electeur,
    Homonym,
    Import,
    MouvementRegistre,
    Protection,
)
from worker.registre.protections import Protege, add_protection, extend_protection
from worker.registre.versions import BATCH, STAGED, TEMPORARY, insert_all

DOUBTS = Table(
    "compare_doubt",
    TEMPORARY,
    *(Column(name, Id, nullable=False, index=False) for name in ("before", "after")),
    Column("differs", Texte, nullable=False),
    Column("is_sure", Integer, nullable=False, index=False),
    prefixes=["TEMPORARY"],
)
"""An elector who left and one who arrived, the fields that differ, and 1 if they are surely one person."""

_KEYS = [f"key_{number}" for number in range(len(BLOCKS))]

PORTRAITS = Table(
    "compare_portrait",
    TEMPORARY,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("is_after", Integer, nullable=False),
    *(
        Column(name, Integer if name == "numero" else Texte, nullable=False)
        for name in Portrait._fields
    ),
    *(Column(name, BigInteger, index=False) for name in _KEYS),
    prefixes=["TEMPORARY"],
)
"""Electors who left or arrived, in the lists that have both.

A key is a digest of the list and the fields of one block, NULL if one of these fields is unknown.
"""

TOGETHER = 25
"""Size of the groups in which electors who share the fields of a block are compared: larger blocks are garbage."""

LABELS = {
    "nom": "nom de naissance",
    "prenoms": "prénoms",
    "date_naissance": "date de naissance",
    "lieu_naissance": "lieu de naissance",
    "adresse": "adresse",
    "code_bureau": "bureau",
}
"""The agent's names of the fields that may differ."""

CHANGEMENT = "Changement de bureau constaté dans l'export du REU"
"""The motif of a change of bureau."""


def describe_differing(differs: Iterable[str]) -> str:
    """Return the French names of the fields: « date de naissance, adresse »."""
    return ", ".join(LABELS[name] for name in differs)


def find_doubts(connection: Connection) -> None:
    """Insert into DOUBTS the electors who left and arrived and may be one person; reads PAIRS, not the lists."""
    with connection.execute(unmatched(), execution_options={"yield_per": BATCH}) as rows:
        insert_all(connection, PORTRAITS, map(_draw, rows))
    with connection.execute(_alike(), execution_options={"yield_per": BATCH}) as pairs:
        insert_all(connection, DOUBTS, _select_doubts(pairs))
    _find_protected(connection)


def _find_protected(connection: Connection) -> None:
    """Insert a doubt about each protected elector who left, with those who came and were born on the same day.

    Their name, first names and bureau may all have changed: nothing else tells whose address must stay hidden (L. 37).
    """
    protections = select(
        *(getattr(Protection, name) for name in ("code_commune", *Protege._fields))
    )
    proteges = {
        (commune, Protege(*who).folded()) for commune, *who in connection.execute(protections)
    }
    if not proteges:
        return
    births = sorted({who.date_naissance for _, who in proteges})
    near = unmatched("date_naissance").subquery()
    left, came = (
        defaultdict[Hashable, list[Row[Any]]](list),
        defaultdict[Hashable, list[Row[Any]]](list),
    )
    for row in connection.execute(select(near).where(near.c.date_naissance.in_(births))):
        key = row.code_commune, row.liste, row.date_naissance
        who = Protege(row.nom_naissance, row.prenoms, row.date_naissance).folded()
        if row.is_after:
            came[key].append(row)
        elif (row.code_commune, who) in proteges:
            left[key].append(row)
    known = {tuple(row) for row in connection.execute(select(DOUBTS.c.before, DOUBTS.c.after))}
    pairs = ((gone, new) for key, rows in left.items() for gone in rows for new in came[key])
    found = [
        {
            "before": gone.id,
            "after": new.id,
            "differs": " ".join(differing(_portrait_of(gone), _portrait_of(new))),
            "is_sure": 0,
        }
        for gone, new in pairs
        if (gone.id, new.id) not in known
    ]
    insert_all(connection, DOUBTS, found)


def pair_corrections(connection: Connection) -> None:
    """Pair two electors who are surely one person; keep the doubt open if one of them has several matches."""
    sure = connection.execute(
        select(DOUBTS.c.before, DOUBTS.c.after).where(DOUBTS.c.is_sure == 1)
    ).all()
    several = {
        id_
        for side in zip(*sure, strict=True)
        for id_, number in Counter(side).items()
        if number > 1
    }
    asked: list[dict[str, int]] = []
    pairs: list[dict[str, int]] = []
    for before, after in sure:
        (asked if {before, after} & several else pairs).append({"left": before, "came": after})
    left: BindParameter[int] = bindparam("left")
    came: BindParameter[int] = bindparam("came")
    is_it = DOUBTS.c.before == left
    if asked:
        statement = update(DOUBTS).where(is_it, DOUBTS.c.after == came).values(is_sure=0)
        connection.execute(statement, asked)
    if pairs:
        connection.execute(
            delete(PAIRS).where(or_(PAIRS.c.before == left, PAIRS.c.after == came), IS_UNMATCHED),
            pairs,
        )
        connection.execute(
            insert(PAIRS), [{"before": it["left"], "after": it["came"]} for it in pairs]
        )
        others = delete(DOUBTS).where(or_(is_it, DOUBTS.c.after == came), DOUBTS.c.is_sure == 0)
        connection.execute(others, pairs)


def note_corrections(connection: Connection) -> None:
    """Insert into DOUBTS, as sure, the electors of one national number whose name or birth was corrected."""
    after = aliased(Electeur)
    sides = [
        (before, it)
        for before, it in zip(identite_columns(BEFORE), identite_columns(after), strict=True)
    ]
    differs = [
        case((before != it, literal(name)), else_="")
        for name, (before, it) in zip(Portrait._fields, sides, strict=False)
    ]
    corrected = (
        select(PAIRS.c.before, PAIRS.c.after, *differs)
        .join_from(PAIRS, BEFORE, BEFORE.id == PAIRS.c.before)
        .join(after, after.id == PAIRS.c.after)
        .where(PAIRS.c.look == BY_INE, or_(*(before != it for before, it in sides)))
    )
    found = (
        {"before": left, "after": came, "differs": " ".join(filter(None, names)), "is_sure": 1}
        for left, came, *names in connection.execute(corrected).all()
    )
    insert_all(connection, DOUBTS, found)


def record_doubts(connection: Connection, import_id: int) -> None:
    """Store the doubts after the mouvements of STAGED, whose order links each mouvement to its elector."""
    both = union_all(select(DOUBTS.c.before), select(DOUBTS.c.after))
    ranked = select(STAGED.c.rank, STAGED.c.electeur).where(STAGED.c.electeur.in_(both))
    electeurs = {row.rank: row.electeur for row in connection.execute(ranked)}
    recorded = select(MouvementRegistre.id).where(MouvementRegistre.import_id == import_id)
    ids = enumerate(connection.scalars(recorded.order_by(MouvementRegistre.id)), 1)
    mouvements = (
        {electeurs[rank]: id_ for rank, id_ in ids if rank in electeurs} if electeurs else {}
    )
    names_before = [getattr(BEFORE, name).label(f"{name}_before") for name in IDENTITE[:-1]]
    about = (
        Electeur.code_commune,
        Electeur.liste,
        *(getattr(Electeur, name) for name in IDENTITE[:-1]),
    )
    found = select(DOUBTS, *about, *names_before).join(Electeur, Electeur.id == DOUBTS.c.after)
    found = found.join(BEFORE, BEFORE.id == DOUBTS.c.before).order_by(
        DOUBTS.c.before, DOUBTS.c.after
    )
    rows = connection.execute(found).all()
    insert_all(connection, Doubt, (_to_doubt(import_id, row, mouvements) for row in rows))
    for row in rows:
        former = Protege(row.nom_naissance_before, row.prenoms_before, row.date_naissance_before)
        corrected = Protege(row.nom_naissance, row.prenoms, row.date_naissance)
        if row.is_sure and former.folded() != corrected.folded():
            extend_protection(connection, row.code_commune, former, corrected)


def _to_doubt(import_id: int, row: Row[Any], mouvements: Mapping[int, int]) -> dict[str, Any]:
    return {
        "import_id": import_id,
        "code_commune": row.code_commune,
        "liste": row.liste,
        "radiation_id": None if row.is_sure else mouvements[row.before],
        "inscription_id": None if row.is_sure else mouvements[row.after],
        "differs": row.differs,
        "decision": DoubtDecision.SAME_PERSON.value if row.is_sure else "",
        "decided_by": "comparaison" if row.is_sure else "",
        "decided_at": now() if row.is_sure else None,
        "born_before": row.date_naissance_before if row.is_sure else "",
        "born_after": row.date_naissance if row.is_sure else "",
    }


def forget_doubts(connection: Connection, import_id: int) -> int:
    """Delete the guesses and the open doubts of an import to undo; return the number of all its doubts."""
    mine = Doubt.import_id == import_id
    number = connection.scalar(select(func.count()).where(mine)) or 0
    connection.execute(
        delete(Doubt).where(mine, or_(Doubt.decision == "", Doubt.radiation_id.is_(None)))
    )
    connection.execute(delete(Homonym).where(Homonym.import_id == import_id))
    return number


def keep_answers(connection: Connection, import_id: int) -> None:
    """Mark the mouvements of an import to undo that an agent has answered, and those of their homonyms.

    `restore_answers` gives the answers to the mouvements of a later import; the purge deletes them.
    """
    known, noted = MouvementRegistre, aliased(MouvementRegistre)
    is_answered = or_(
        noted.is_dated,
        noted.categorie.not_in(["", Categorie.CHANGEMENT_BUREAU.value]),
        noted.motif.not_in(["", CHANGEMENT]),
        exists().where(
            Doubt.import_id == import_id, noted.id.in_([Doubt.radiation_id, Doubt.inscription_id])
        ),
    )
    names = "code_commune", "liste", "nature", "nom_naissance", "prenoms", "date_naissance"
    answered = select(*(getattr(noted, name) for name in names)).where(
        noted.import_id == import_id, is_answered
    )
    is_one = tuple_(*(getattr(known, name) for name in names)).in_(answered)
    connection.execute(
        update(known).where(known.import_id == import_id, is_one).values(doubt_id=UNDONE)
    )


def list_doubts(connection: Connection, code_commune: str = "") -> Sequence[Row[Any]]:
    """Return the open rows of the view `doutes`, of one commune or of all, by commune and by number."""
    is_open = "decision = '' AND :commune IN ('', code_commune)"
    query = text(f"SELECT * FROM doutes WHERE {is_open} ORDER BY code_commune, doute")  # noqa: S608 — our own words
    return connection.execute(query.columns(jour=Date), {"commune": code_commune}).all()


def open_pairs(connection: Connection, code_commune: str, liste: Liste) -> list[tuple[int, int]]:
    """Return the ids of the radiation and the inscription of each open doubt of a list.

    A register that another service writes has no doubts, because it has no comparisons.
    """
    if not has_table(connection, Doubt):
        return []
    radiation, inscription = aliased(MouvementRegistre), aliased(MouvementRegistre)
    query = (
        select(radiation.id, inscription.id)
        .join_from(Doubt, radiation, radiation.id == Doubt.radiation_id)
        .join(inscription, inscription.id == Doubt.inscription_id)
        .where(Doubt.code_commune == code_commune, Doubt.liste == liste.value, Doubt.decision == "")
    )
    return [(left, came) for left, came in connection.execute(query)]


def list_corrections(
    connection: Connection,
    code_commune: str,
    liste: Liste,
    after: date,
    until: date | None = None,
    *,
    as_of: int | None = None,
) -> list[tuple[str, str]]:
    """Return the corrections of exports taken after `after`, and no later than `until`.

    A correction is the dates of birth, before and after, of an elector who was decided to be one person.
    A tableau that shows an open doubt is not ready, so a tableau that is ready includes the decisions. `as_of`: the id
    of an import; corrections of later imports are left out.
    """
    if not has_table(connection, Doubt):
        return []
    query = (
        select(Doubt.born_before, Doubt.born_after)
        .join(Import, Import.id == Doubt.import_id)
        .where(Doubt.code_commune == code_commune, Doubt.liste == liste.value)
        .where(Doubt.decision == DoubtDecision.SAME_PERSON.value, Import.taken_on > after)
        .where(Import.undone_at.is_(None))
        .order_by(Doubt.id)
    )
    if until is not None:
        query = query.where(Import.taken_on <= until)
    if as_of is not None:
        query = query.where(Doubt.import_id <= as_of)
    return [(before, after) for before, after in connection.execute(query)]


def list_guesses(
    connection: Connection, code_commune: str, liste: Liste, after: date, until: date
) -> list[Row[Any]]:
    """Return the `Homonym` rows of exports taken after `after`, no later than `until`, with that day as `taken_on`."""
    if not has_table(connection, Homonym):
        return []
    query = (
        select(Homonym.__table__, Import.taken_on)
        .join(Import, Import.id == Homonym.import_id)
        .where(Homonym.code_commune == code_commune, Homonym.liste == liste.value)
        .where(Import.taken_on > after, Import.taken_on <= until)
        .order_by(Homonym.id)
    )
    return list(connection.execute(query))


class Decided(NamedTuple):
    """The doubt that a decision closed, and the other doubts that it answers."""

    liste: str
    differs: Sequence[str]
    others: Sequence[int]
    """Doubts about one of the two electors, closed as two persons because that elector is now matched."""


def find_people(connection: Connection, doubt_id: int) -> dict[Identite, str]:
    """Return the identities of the electors of a doubt that was decided, with their dates of birth; none if it is open.

    Tableaux that print them may change with another decision.
    """
    known = MouvementRegistre
    query = select(*(getattr(known, name) for name in IDENTITY))
    query = query.join(Doubt, known.id.in_((Doubt.radiation_id, Doubt.inscription_id)))
    rows = connection.execute(query.where(Doubt.id == doubt_id, Doubt.decision != ""))
    return {identite(*row): row.date_naissance for row in rows}


def decide_doubt(
    connection: Connection,
    doubt_id: int,
    decision: DoubtDecision,
    *,
    by: str,
    code_commune: str | None = None,
    replaces: str | None = None,
) -> Decided:
    """Record or change the decision of a doubt; `code_commune`: the commune that the doubt must belong to.

    `replaces`: the decision that the agent saw, empty without any; None: not compared.

    One person: the two mouvements count for nothing, or become one change of bureau, and a protection also covers the
    corrected name. Two persons: the mouvements stay, or count again.

    Raises:
        RefusedError: the doubt does not exist, has that decision, has another one than the agent saw, or its
            mouvements are gone; nothing changes.
    """
    query = select(Doubt.__table__).join(Import, Import.id == Doubt.import_id)
    found = connection.execute(
        query.where(Doubt.id == doubt_id, Import.undone_at.is_(None))
    ).one_or_none()
    if found is None or (code_commune is not None and found.code_commune != code_commune):
        raise RefusedError(f"Doute n° {doubt_id} inconnu : rechargez la page.")
    if replaces is not None and found.decision not in {replaces, decision}:
        now = DoubtDecision(found.decision).label if found.decision else "aucune"
        raise RefusedError(
            f"Le doute n° {doubt_id} a changé depuis que vous l'avez lu, sa réponse est : {now}. La vôtre n'est pas "
            "notée : relisez-le, puis répondez de nouveau.",
            code="note_changee",
            field="data.note.replaces",
        )
    said = {"decision": decision.value, "decided_by": by, "decided_at": utc_now()}
    is_it = Doubt.id == doubt_id, Doubt.decision == found.decision
    if (
        found.decision == decision
        or not connection.execute(update(Doubt).where(*is_it).values(said)).rowcount
    ):
        raise RefusedError(f"Le doute n° {doubt_id} a déjà cette réponse : {decision.label}.")
    others: Sequence[int] = ()
    if decision is DoubtDecision.SAME_PERSON:
        shares_one = or_(
            Doubt.radiation_id == found.radiation_id, Doubt.inscription_id == found.inscription_id
        )
        said |= {"decision": DoubtDecision.TWO_PERSONS.value}
        closed = (
            update(Doubt).where(shares_one, Doubt.decision == "").values(said).returning(Doubt.id)
        )
        others = sorted(connection.scalars(closed))
        _merge(connection, found)
    elif found.decision:
        # the two mouvements count again, and the change of bureau that replaced them is deleted
        known = MouvementRegistre
        if not connection.execute(
            update(known).where(known.doubt_id == found.id).values(doubt_id=None)
        ).rowcount:
            raise RefusedError(
                f"Les mouvements du doute n° {found.id} ne sont pas gardés : pour changer sa réponse, annulez l'import "
                "et reprenez-le."
            )
        connection.execute(delete(known).where(known.id == found.modification_id))
        nothing = {"born_before": "", "born_after": "", "modification_id": None}
        connection.execute(update(Doubt).where(Doubt.id == found.id).values(nothing))
    return Decided(found.liste, found.differs.split(), others)


def _merge(connection: Connection, found: Row[Any]) -> None:
    """Keep the two mouvements of one person apart, and replace them with a change of bureau if the person moved.

    The corrected name of a protected elector (L. 37) is protected too.
    """
    known = MouvementRegistre
    both = known.id.in_([found.radiation_id, found.inscription_id])
    rows = connection.execute(select(known.__table__).where(both)).all()
    by_nature = {row.nature: row for row in rows}
    left, came = by_nature.get(Nature.RADIATION), by_nature.get(Nature.INSCRIPTION)
    if left is None or came is None:
        raise RefusedError(
            f"Les mouvements du doute n° {found.id} ne sont plus dans le registre : rien n'est à trancher."
        )
    if other := left.doubt_id or came.doubt_id:
        raise RefusedError(
            f"Le doute n° {other} réunit déjà un de ces électeurs : changez d'abord sa réponse."
        )
    former, corrected = (
        Protege(it.nom_naissance, it.prenoms, it.date_naissance) for it in (left, came)
    )
    is_protegee = left.is_protegee or came.is_protegee
    if is_protegee:
        add_protection(connection, left.code_commune, corrected)
    else:
        is_protegee = extend_protection(connection, left.code_commune, former, corrected)
    connection.execute(update(known).where(both).values(doubt_id=found.id))
    values = {
        "born_before": left.date_naissance,
        "born_after": came.date_naissance,
        "modification_id": None,
    }
    if left.ancien_bureau != came.nouveau_bureau:
        change = {name: value for name, value in came._mapping.items() if name != "id"} | {  # noqa: SLF001 — its public name
            "nature": Nature.MODIFICATION.value,
            "categorie": Categorie.CHANGEMENT_BUREAU.value,
            "motif": CHANGEMENT,
            "ancien_bureau": left.ancien_bureau,
            "is_protegee": is_protegee,
        }
        values["modification_id"] = connection.scalar(
            insert(known).values(change).returning(known.id)
        )
    connection.execute(update(Doubt).where(Doubt.id == found.id).values(values))


def _portrait_of(row: Row[Any]) -> Portrait:
    nom, prenoms, born, lieu = (getattr(row, name) for name in IDENTITE)
    return Portrait(
        nom=base_letters(nom),
        prenoms=base_letters(prenoms),
        date_naissance=born,
        lieu_naissance=base_letters(lieu),
        adresse=base_letters(row.adresse),
        code_bureau=row.code_bureau,
        numero=max(row.numero_ordre, 0),
    )


def _draw(row: Row[Any]) -> dict[str, Any]:
    portrait, liste = _portrait_of(row), (row.code_commune, row.liste)
    return {
        "id": row.id,
        "is_after": row.is_after,
        **portrait._asdict(),
        **{
            name: _digest(liste, portrait, block) for name, block in zip(_KEYS, BLOCKS, strict=True)
        },
    }


def _digest(liste: tuple[str, str], portrait: Portrait, block: Sequence[str]) -> int | None:
    """Digests may collide by chance, once in 2^64: `is_perhaps_one` compares the fields again."""
    values = [getattr(portrait, name) for name in block]
    return hash((*liste, *values)) if all(values) else None


def _alike() -> Select[Any]:
    """Select the pairs of portraits of the two sides that share the key of a block, each pair once."""
    pairs: CompoundSelect[Any] = union(*(_of_block(PORTRAITS.c[name]) for name in _KEYS))
    found = pairs.subquery()
    before, after = PORTRAITS.alias(), PORTRAITS.alias()
    columns = [side.c[name] for side in (before, after) for name in ("id", *Portrait._fields)]
    return (
        select(*columns)
        .join_from(found, before, before.c.id == found.c.before)
        .join(after, after.c.id == found.c.after)
        .order_by(before.c.id, after.c.id)
    )


def _of_block(key: Column[int]) -> Select[Any]:
    columns = PORTRAITS.c
    rank = func.row_number().over(partition_by=[columns.is_after, key], order_by=columns.id)
    ranked = select(
        columns.id, columns.is_after, key.label("key"), ((rank - 1) // TOGETHER).label("bunch")
    )
    before, after = (
        ranked.where(key.is_not(None), columns.is_after == side).subquery() for side in (0, 1)
    )
    same = and_(before.c.key == after.c.key, before.c.bunch == after.c.bunch)
    return select(before.c.id.label("before"), after.c.id.label("after")).join_from(
        before, after, same
    )


def _select_doubts(pairs: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 — rows of _alike
    width = 1 + len(Portrait._fields)
    for row in pairs:
        before, after = Portrait(*row[1:width]), Portrait(*row[width + 1 :])
        if is_perhaps_one(before, after):
            differs, is_sure = " ".join(differing(before, after)), int(is_surely_one(before, after))
            yield {"before": row[0], "after": row[width], "differs": differs, "is_sure": is_sure}
