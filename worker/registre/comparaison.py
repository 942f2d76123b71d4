"""What an import changes in the lists that were there before it: who came, who left, who votes in another bureau.

Two versions of each list are compared inside the database, list after list; only differences leave the table of
electors. What is found waits in temporary tables and is recorded with the import, or not at all.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from worker.domain.mouvement import Nature
from worker.errors import ImportRefusedError
from worker.registre import differences
from worker.registre.comparaison_mouvements import count_natures, count_others, make_mouvements
from worker.registre.comparaison_report import findings, write_report
from worker.registre.difference_tables import DOUBTS, HAS_HOMONYM, IDENTITIES, PAIRS, TABLES
from worker.registre.matching import SPELLING, find_doubts, pair_candidates, pair_spellings
from worker.registre.mouvement_staging import STAGED, at_work, record_mouvements, work_tables
from worker.registre.summary import Comparison
from worker.registre.versions import Liste, current_versions

Record = Callable[[Connection, Mapping[Liste, int]], object]
"""Writes the mouvements inside the transaction that switches the versions, which it is given as they were."""


@contextmanager
def comparing(
    connection: Connection, version: int, listes: Mapping[Liste, int], jour: date, report: Path
) -> Iterator[tuple[Comparison, Record]]:
    """Compare the staged version of these lists with what they show now; the mouvements are of the day `jour`.

    A list that is not in the register yet is not compared: its first import makes no mouvement.

    Raises:
        ImportRefusedError: the report cannot be written; when recording, another service has changed a list since.
    """
    with work_tables(connection, STAGED, *TABLES):
        with at_work(connection):
            current = current_versions(connection)
            compared = {liste: current[liste] for liste in sorted(listes) if liste in current}
            _pair(connection, compared, version)
            make_mouvements(connection, jour)
            written = write_report(report, findings(connection))
            found = _summarise(connection, jour, len(compared), written)

        def record(connection: Connection, before: Mapping[Liste, int]) -> None:
            if any(before.get(liste) != known for liste, known in compared.items()):
                raise ImportRefusedError("les listes ont été modifiées pendant leur comparaison ; recommencez l'import")
            record_mouvements(connection, version)

        yield found, record


def _pair(connection: Connection, compared: Mapping[Liste, int], version: int) -> None:
    for liste, before in compared.items():
        differences.find_differences(connection, liste, before, version)
    differences.pair_singles(connection)
    for liste in differences.lists_with_homonyms(connection):
        differences.find_homonyms(connection, liste, compared[liste], version)
    pair_candidates(connection)
    differences.pair_rest(connection)
    pair_spellings(connection)
    find_doubts(connection)


def _summarise(connection: Connection, jour: date, compared: int, report: Path | None) -> Comparison:
    natures = count_natures(connection)
    is_spelling = PAIRS.c.look >= SPELLING
    return Comparison(
        jour=jour,
        listes=compared,
        inscriptions=natures.get(Nature.INSCRIPTION, 0),
        radiations=natures.get(Nature.RADIATION, 0),
        changements=natures.get(Nature.MODIFICATION, 0),
        others=count_others(connection),
        homonyms=_count(connection, IDENTITIES, HAS_HOMONYM),
        spellings=_count(connection, PAIRS, is_spelling),
        doubts=_count(connection, DOUBTS, true()),
        report=report,
    )


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
