"""The report of a comparison: homonyms, corrected spellings and doubts, by bureau and number, without any name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Table, func, select
from sqlalchemy.orm import aliased

from worker.db.engine import STREAM
from worker.registre.comparaison.differences import PAIRS
from worker.registre.comparaison.doubts import DOUBTS, describe_differing
from worker.registre.comparaison.matching import MATCHING_RULES, SPELLING
from worker.registre.imports.report import ReportFile, ReportKind
from worker.registre.models import Electeur

COMPARISON = ReportKind(
    (
        *("Commune", "Liste", "Groupe"),
        *("Bureau avant", "Numéro avant", "Bureau après", "Numéro après", "Constat"),
    ),
    "le rapport de comparaison",
    "n'est pas un rapport de comparaison ; déplacez-le",
    "choisissez un autre dossier avec --report",
)


class Finding(NamedTuple):
    """One line: an elector before and after, and what the comparison made of the two."""

    code_commune: str
    liste: str
    group: str
    """Lines of one group are about the same identity; the number holds within the report."""
    bureau_before: str
    numero_before: str
    bureau_after: str
    numero_after: str
    text: str


def comparison_report(path: Path, rejects: Path | None) -> Path:
    """Where the report goes: beside that of the rejected lines when one was named, else beside the file."""
    return (rejects or path).with_name(f"{path.stem}-comparaison.csv")


def findings(connection: Connection) -> Iterator[Finding]:
    """Every homonym and corrected spelling, group after group, then the doubts."""
    groups, last = 0, None
    with connection.execute(_homonyms(), execution_options=STREAM) as rows:
        for row in rows:
            groups += row.group_key != last
            last = row.group_key
            yield _finding(row, groups, _describe_pair(row))
    with connection.execute(_places(DOUBTS).add_columns(DOUBTS.c.differs), execution_options=STREAM) as rows:
        for number, row in enumerate(rows, groups + 1):
            differs = describe_differing(row.differs.split())
            yield _finding(row, number, f"doute, à trancher par « doutes » : même électeur ? Diffère : {differs}")


def write_report(path: Path, lines: Iterable[Finding]) -> Path | None:
    """Write the report and return its path; None, and no file, when there is nothing to say.

    Raises:
        ImportRefusedError: it cannot be written, or the path is that of another file.
    """
    with ReportFile(path, COMPARISON) as report:
        for line in lines:
            report.write(line)
    return report.written


def _homonyms() -> Select[Any]:
    is_homonym = PAIRS.c.group_key.is_not(None)
    return _places(PAIRS).add_columns(PAIRS.c.before, PAIRS.c.after, PAIRS.c.group_key, PAIRS.c.look).where(is_homonym)


def _places(pairs: Table) -> Select[Any]:
    before, after = aliased(Electeur), aliased(Electeur)
    columns: list[Any] = [
        func.coalesce(after.code_commune, before.code_commune).label("code_commune"),
        func.coalesce(after.liste, before.liste).label("liste"),
        before.code_bureau,
        before.numero_ordre,
        after.code_bureau,
        after.numero_ordre,
    ]
    order: list[Any] = (
        [pairs.c.group_key, func.coalesce(pairs.c.look, len(MATCHING_RULES))] if "group_key" in pairs.c else []
    )
    for side in (before, after):
        order += [func.coalesce(side.code_bureau, ""), func.coalesce(side.numero_ordre, -1), func.coalesce(side.id, -1)]
    places: Select[Any] = (
        select(*columns)
        .join_from(pairs, before, before.id == pairs.c.before, isouter=True)
        .join(after, after.id == pairs.c.after, isouter=True)
        .order_by(columns[0], columns[1], *order)
    )
    return places


def _describe_pair(row: Row[Any]) -> str:
    if row.before is None:
        return "homonyme : sans correspondant avant, compté en inscription"
    if row.after is None:
        return "homonyme : sans correspondant après, compté en radiation"
    if row.look >= SPELLING:
        return f"orthographe changée, même électeur : {MATCHING_RULES[row.look - SPELLING].finding}"
    return f"homonyme : {MATCHING_RULES[row.look].finding}"


def _finding(row: Row[Any], group: int, text: str) -> Finding:
    places: tuple[Any, ...] = tuple(row[2:6])
    texts = ["" if value is None else str(value) for value in places]
    return Finding._make([row.code_commune, row.liste, str(group), *texts, text])
