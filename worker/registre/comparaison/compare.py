"""Finds what an import changes in the existing lists: electors who arrive, leave or change bureau.

The database compares two versions of each list, list after list; only differences leave the table of electors. The
results stay in temporary tables until they are recorded with the import, or discarded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Table,
    case,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)

from schemas.vocabulary import Categorie, Nature
from worker.domain.mouvement import Effet, Etat
from worker.errors import ImportRefusedError
from worker.registre.comparaison.differences import (
    BEFORE,
    HAS_HOMONYM,
    IDENTITIES,
    PAIRS,
    SHOWN,
    TABLES,
    adresse,
    find_differences,
    find_homonyms,
    lists_with_homonyms,
    pair_rest,
    pair_singles,
    paired,
)
from worker.registre.comparaison.doubts import (
    CHANGEMENT,
    DOUBTS,
    PORTRAITS,
    find_doubts,
    pair_corrections,
    record_doubts,
)
from worker.registre.comparaison.matching import (
    SPELLING,
    findings,
    pair_candidates,
    pair_spellings,
    record_guesses,
    write_report,
)
from worker.registre.comparaison.questions import find_questions, read_changes
from worker.registre.imports.report import Comparison, ListeCount, Question
from worker.registre.mouvements.queries import was_protected
from worker.registre.versions import (
    FIELDS,
    STAGED,
    ListeKey,
    current_versions,
    reading_transaction,
    record_mouvements,
    temporary_tables,
)

_AS_THEY_ARE = (
    *("nom_naissance", "nom_usage", "prenoms", "date_naissance", "commune_naissance", "departement_naissance"),
    *("pays_naissance", "nationalite"),
)

RecordMouvements = Callable[[Connection, Mapping[ListeKey, int]], object]
"""Writes the mouvements in the transaction that switches the versions; receives the versions before the switch."""

Ask = Callable[[Sequence[Question]], None]
"""Receives the questions that an agent must confirm; raises ImportRefusedError if they are not confirmed."""


@contextmanager
def comparing(
    connection: Connection, version: int, counts: Sequence[ListeCount], jour: date, *, report: Path | None, ask: Ask
) -> Iterator[tuple[Comparison, RecordMouvements]]:
    """Compare the staged version of these lists with the current one; the mouvements have the date `jour`.

    A list that is not in the register yet is not compared: its first import makes no mouvement. `ask` receives the
    questions before anything is written.

    Raises:
        ImportRefusedError: `ask` raised it, or the report cannot be written; when recording, another service has
            changed a list since.
    """
    with temporary_tables(connection, STAGED, *TABLES, PORTRAITS, DOUBTS):
        with reading_transaction(connection):
            current = current_versions(connection)
            listes = sorted(ListeKey(it.code_commune, it.liste) for it in counts)
            compared = {liste: current[liste] for liste in listes if liste in current}
            _pair(connection, compared, version)
            changes = read_changes(connection, compared, counts)
            ask(find_questions(connection, compared, version, counts, changes))
            make_mouvements(connection, jour)
            written = write_report(report, findings(connection)) if report else None
            others = sum(it.others for it in changes.values())
            comparison = _summarise(connection, jour, len(compared), others, written)

        def record(connection: Connection, before: Mapping[ListeKey, int]) -> None:
            if any(before.get(liste) != known for liste, known in compared.items()):
                raise ImportRefusedError("les listes ont été modifiées pendant leur comparaison ; recommencez l'import")
            record_mouvements(connection, version)
            record_doubts(connection, version)
            record_guesses(connection, version)

        yield comparison, record


def _pair(connection: Connection, compared: Mapping[ListeKey, int], version: int) -> None:
    for liste, before in compared.items():
        find_differences(connection, liste, before, version)
    pair_singles(connection)
    for liste in lists_with_homonyms(connection):
        find_homonyms(connection, liste, compared[liste], version)
    pair_candidates(connection)
    pair_rest(connection)
    pair_spellings(connection)
    find_doubts(connection)
    pair_corrections(connection)


def _summarise(connection: Connection, jour: date, compared: int, others: int, report: Path | None) -> Comparison:
    natures = count_natures(connection)
    is_spelling = PAIRS.c.look >= SPELLING
    return Comparison(
        jour=jour,
        listes=compared,
        inscriptions=natures.get(Nature.INSCRIPTION, 0),
        radiations=natures.get(Nature.RADIATION, 0),
        changements=natures.get(Nature.MODIFICATION, 0),
        others=others,
        homonyms=_count(connection, IDENTITIES, HAS_HOMONYM),
        spellings=_count(connection, PAIRS, is_spelling),
        doubts=_count(connection, DOUBTS, DOUBTS.c.is_sure == 0),
        report=report,
    )


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one()


def make_mouvements(connection: Connection, jour: date) -> None:
    """Insert into STAGED one mouvement for each elector who arrived, left or changed bureau."""
    is_mouvement = or_(PAIRS.c.before.is_(None), PAIRS.c.after.is_(None), BEFORE.code_bureau != SHOWN.code_bureau)
    names, values = zip(*_values(jour).items(), strict=True)
    connection.execute(insert(STAGED).from_select(list(names), paired(*values).where(is_mouvement)))


def count_natures(connection: Connection) -> dict[str, int]:
    """Count the staged mouvements by nature."""
    query = select(STAGED.c.nature, func.count().label("number")).group_by(STAGED.c.nature)
    return {row.nature: row.number for row in connection.execute(query)}


def _values(jour: date) -> dict[str, Any]:
    e = SHOWN
    came, left = PAIRS.c.before.is_(None), PAIRS.c.after.is_(None)
    order = [e.code_commune, e.liste, e.nom_naissance, e.prenoms, e.date_naissance, e.id]
    values = {
        "rank": func.row_number().over(order_by=order),
        "code_commune": e.code_commune,
        "liste": e.liste,
        "nature": case(
            (came, Nature.INSCRIPTION.value), (left, Nature.RADIATION.value), else_=Nature.MODIFICATION.value
        ),
        "effet": literal(Effet.IMMEDIAT.value),
        "etat": literal(Etat.APPLIQUE.value),
        "categorie": case((or_(came, left), Categorie.NON_PRECISEE.value), else_=Categorie.CHANGEMENT_BUREAU.value),
        "motif": case((or_(came, left), ""), else_=CHANGEMENT),
        "date_tableau": literal(jour, Date),
        "date_mouvement": literal(jour, Date),
        "is_dated": false(),
        "scrutin": null(),
        "ancien_bureau": case((came, ""), else_=BEFORE.code_bureau),
        "nouveau_bureau": case((left, ""), else_=e.code_bureau),
        "numero": func.coalesce(e.numero_ordre, 0),
        **{name: getattr(e, name) for name in _AS_THEY_ARE},
        "adresse": adresse(e),
        "is_protegee": was_protected(e),
    }
    return {"electeur": e.id} | {name: values[name] for name in ("rank", *FIELDS)}
