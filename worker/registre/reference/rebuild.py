"""Rebuild communes.csv and departements.csv: `python -m worker.registre.reference.rebuild package`.

Source: npm package @etalab/decoupage-administratif (6.0.0 today), whose data are under Licence Ouverte 2.0 (see
LICENCE.md): `npm pack @etalab/decoupage-administratif`, then unpack the archive. The same package gives the same bytes.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from worker.registre.reference import COMMUNES_CSV, DEPARTEMENTS_CSV, departement_of

KEPT_TYPES = frozenset({"commune-actuelle", "arrondissement-municipal"})


def rebuild(package: Path) -> None:
    """Reduce an unpacked package to the two files.

    Raises:
        ValueError: the package has an unknown form; nothing is written.
    """
    communes = [
        (row["code"], row["nom"], row["departement"])
        for row in _load_rows(package / "data" / "communes.json")
        if row["type"] in KEPT_TYPES
    ]
    departements = [(row["code"], row["nom"]) for row in _load_rows(package / "data" / "departements.json")]
    misplaced = [code for code, _, departement in communes if departement != departement_of(code)]
    if misplaced:
        raise ValueError(f"communes whose code does not begin with their département: {misplaced}")
    texts = _to_csv(("code", "nom", "departement"), communes), _to_csv(("code", "nom"), departements)
    for path, text in zip((COMMUNES_CSV, DEPARTEMENTS_CSV), texts, strict=True):
        path.write_text(text, encoding="utf-8", newline="\n")


def _load_rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _to_csv(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [";".join(row) for row in [header, *sorted(rows)]]
    codes = [line.partition(";")[0] for line in lines]
    if any(line.count(";") != len(header) - 1 or "\n" in line for line in lines) or len(set(codes)) != len(codes):
        raise ValueError("a name holds a separator, or a code comes twice")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]))
