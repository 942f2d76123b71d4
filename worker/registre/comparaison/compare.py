"""Finds what an import changes in the existing lists: electors who arrive, leave or change bureau.

The database compares two versions of each list, list after list; only differences leave the table of electors. The
results stay in temporary tables until they are recorded with the import.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    Connection,
    Date,
    Row,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from common.texte import JOINT
from schemas.vocabulary import Categorie, Nature
from worker.domain.identite import Effet, Etat, fold_identite
from worker.registre.comparaison.differences import (
    BEFORE,
    CANDIDATES,
    IDENTITE,
    IDENTITIES,
    IS_UNMATCHED,
    PAIRS,
    SHOWN,
    find_differences,
    pair_by_ine,
    pair_rest,
    pair_singles,
    paired,
    unmatched,
)
from worker.registre.comparaison.doubts import (
    CHANGEMENT,
    DOUBTS,
    PORTRAITS,
    find_doubts,
    note_corrections,
    pair_corrections,
    record_doubts,
)
from worker.registre.comparaison.questions import find_questions, read_changes
from worker.registre.imports.report import Comparison, ListeCount, Question
from worker.registre.models import Electeur, Homonym
from worker.registre.mouvements.queries import describe_personne
from worker.registre.versions import (
    BATCH,
    STAGED,
    ListeKey,
    create_temporary,
    current_versions,
    insert_all,
    reading_transaction,
    record_mouvements,
)


def compare(
    connection: Connection, version: int, counts: Sequence[ListeCount], jour: date
) -> tuple[Mapping[ListeKey, int], Comparison, list[Question]]:
    """Compare the staged version of these lists with the current one; the mouvements have the date `jour`.

    A list that is not in the register yet is not compared: its first import makes no mouvement. Return the version that
    each list was compared with, the counts, and the questions that an agent must confirm. The mouvements are in
    temporary tables, for `record_comparison`.
    """
    create_temporary(connection, STAGED, IDENTITIES, CANDIDATES, PAIRS, PORTRAITS, DOUBTS)
    with reading_transaction(connection):
        current = current_versions(connection)
        compared = {it.key: current[it.key] for it in counts if it.key in current}
        by_name = [
            liste
            for liste, before in compared.items()
            if not pair_by_ine(connection, liste, before, version)
        ]
        for liste in by_name:
            find_differences(connection, liste, compared[liste], version)
        pair_singles(connection)
        pair_candidates(connection)
        pair_rest(connection)
        pair_spellings(connection)
        find_doubts(connection)
        pair_corrections(connection)
        note_corrections(connection)
        changes = read_changes(connection, compared, counts)
        questions = find_questions(connection, compared, version, counts, changes)
        make_mouvements(connection, jour)
        by_nature = select(STAGED.c.nature, func.count().label("number")).group_by(STAGED.c.nature)
        natures = {row.nature: row.number for row in connection.execute(by_nature)}
        comparison = Comparison(
            jour=jour,
            listes=len(compared),
            inscriptions=natures.get(Nature.INSCRIPTION, 0),
            radiations=natures.get(Nature.RADIATION, 0),
            changements=natures.get(Nature.MODIFICATION, 0),
            others=sum(it.others for it in changes.values()),
            doubts=connection.scalar(
                select(func.count()).select_from(DOUBTS).where(DOUBTS.c.is_sure == 0)
            )
            or 0,
        )
        return compared, comparison, questions


def record_comparison(connection: Connection, version: int) -> None:
    """Write the mouvements, the doubts and the guesses, in the transaction that switches the versions."""
    record_mouvements(connection, version)
    record_doubts(connection, version)
    record_guesses(connection, version)


def make_mouvements(connection: Connection, jour: date) -> None:
    """Insert into STAGED one mouvement for each elector who arrived, left or changed bureau."""
    is_mouvement = or_(
        PAIRS.c.before.is_(None), PAIRS.c.after.is_(None), BEFORE.code_bureau != SHOWN.code_bureau
    )
    names, values = zip(*_values(jour).items(), strict=True)
    connection.execute(insert(STAGED).from_select(list(names), paired(*values).where(is_mouvement)))


def _values(jour: date) -> dict[str, Any]:
    e = SHOWN
    came, left = PAIRS.c.before.is_(None), PAIRS.c.after.is_(None)
    order = [e.code_commune, e.liste, e.nom_naissance, e.prenoms, e.date_naissance, e.id]
    return {
        "electeur": e.id,
        "rank": func.row_number().over(order_by=order),
        "code_commune": e.code_commune,
        "liste": e.liste,
        "nature": case(
            (came, Nature.INSCRIPTION.value),
            (left, Nature.RADIATION.value),
            else_=Nature.MODIFICATION.value,
        ),
        "effet": literal(Effet.IMMEDIAT.value),
        "etat": literal(Etat.APPLIQUE.value),
        "categorie": case(
            (or_(came, left), Categorie.NON_PRECISEE.value), else_=Categorie.CHANGEMENT_BUREAU.value
        ),
        "motif": case((or_(came, left), ""), else_=CHANGEMENT),
        "date_tableau": literal(jour, Date),
        "date_mouvement": literal(jour, Date),
        "is_dated": false(),
        "scrutin": null(),
        "ancien_bureau": case((came, ""), else_=BEFORE.code_bureau),
        "nouveau_bureau": case((left, ""), else_=e.code_bureau),
        "numero": func.coalesce(e.numero_ordre, 0),
        **describe_personne(e),
    }


MATCHING_RULES = (
    ("adresse", "code_bureau", "numero_ordre"),
    ("adresse", "code_bureau"),
    ("adresse",),
    ("code_bureau", "numero_ordre"),
    (),
)
"""By rule, the values that must be equal. The most reliable rule first."""

GUESS = len(MATCHING_RULES) - 1
"""The rule for homonyms with nothing in common but their identity: they are paired in their order.

It applies only if as many are left on each side. Otherwise it is unknown who left or arrived: they become doubts.
"""

SPELLING = 10
"""Added to the `look` of electors whose name is spelled differently than before."""


def pair_candidates(connection: Connection, first: int = 0) -> None:
    """Pair the candidates of each `group_key` rule after rule; candidates without a match stay.

    Candidates with equal values are paired by their rank among them.
    """
    order = [CANDIDATES.c[name] for name in ("numero_ordre", "code_bureau", "adresse", "id")]
    for number, rule in enumerate(MATCHING_RULES, first):
        same = ("group_key", *rule)
        among: dict[str, Any] = {"partition_by": [CANDIDATES.c[name] for name in same]}
        rank, size = func.row_number().over(**among, order_by=order), func.count().over(**among)
        ranked = select(CANDIDATES, rank.label("rank"), size.label("size"))
        before, after = (
            ranked.where(CANDIDATES.c.is_after == side).cte(f"side_{side}") for side in (0, 1)
        )
        equal = (*same, "rank") if rule else (*same, "rank", "size")
        is_pair = and_(*(before.c[name] == after.c[name] for name in equal))
        pairs = select(before.c.id, after.c.id, literal(number), before.c.group_key).join_from(
            before, after, is_pair
        )
        connection.execute(
            insert(PAIRS).from_select(["before", "after", "look", "group_key"], pairs)
        )
        done = [
            select(side).where(PAIRS.c.look == number) for side in (PAIRS.c.before, PAIRS.c.after)
        ]
        connection.execute(delete(CANDIDATES).where(CANDIDATES.c.id.in_(union_all(*done))))


def pair_spellings(connection: Connection) -> None:
    """Pair electors of whom only accents, hyphens or capitals were corrected."""
    connection.execute(delete(CANDIDATES))
    with connection.execute(
        unmatched("date_naissance"), execution_options={"yield_per": BATCH}
    ) as rows:
        insert_all(connection, CANDIDATES, map(_fold, rows))
    pair_candidates(connection, SPELLING)
    found = PAIRS.alias()
    for side in ("before", "after"):
        again = select(found.c[side]).where(found.c.look >= SPELLING)
        connection.execute(delete(PAIRS).where(PAIRS.c[side].in_(again), IS_UNMATCHED))


def record_guesses(connection: Connection, import_id: int) -> None:
    """Store the pairs of homonyms that were matched by a guess.

    A corrected spelling is a guess if another elector has the same letters. Call it before the candidates are deleted.
    """
    before, after, other = aliased(Electeur), aliased(Electeur), PAIRS.alias()
    has_other = or_(
        exists().where(other.c.group_key == PAIRS.c.group_key, other.c.after != PAIRS.c.after),
        exists().where(CANDIDATES.c.group_key == PAIRS.c.group_key),
    )
    values: dict[str, Any] = {
        "import_id": literal(import_id),
        **{name: getattr(after, name) for name in ("code_commune", "liste", *IDENTITE[:-1])},
        "bureau_before": before.code_bureau,
        "bureau_after": after.code_bureau,
        "numero_before": before.numero_ordre,
        "numero_after": after.numero_ordre,
    }
    guessed = (
        select(*values.values())
        .join_from(PAIRS, before, before.id == PAIRS.c.before)
        .join(after, after.id == PAIRS.c.after)
        .where(
            PAIRS.c.look.in_((GUESS, SPELLING + GUESS))
        )  # first, so that a NULL skips the subqueries
        .where(or_(PAIRS.c.look == GUESS, has_other))
        .order_by(after.id)
    )
    connection.execute(insert(Homonym).from_select(list(values), guessed))


def _fold(row: Row[Any]) -> dict[str, Any]:
    nom, prenoms, born, lieu = (getattr(row, name) for name in IDENTITE)
    group_key = row.code_commune, row.liste, *fold_identite(nom, prenoms, born, lieu, "")
    return {
        "id": row.id,
        "is_after": row.is_after,
        "group_key": JOINT.join(group_key),
        "adresse": row.adresse,
        "code_bureau": row.code_bureau,
        "numero_ordre": row.numero_ordre,
    }
