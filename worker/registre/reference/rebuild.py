"""Rebuild communes.csv and departements.csv: `python -m worker.registre.reference.rebuild package`.

Source: npm package @etalab/decoupage-administratif (6.0.0 today), whose data are under Licence Ouverte 2.0 (see
LICENCE.md): `npm pack @etalab/decoupage-administratif`, then unpack the archive. The same package gives the same bytes.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from worker.registre.reference import COMMUNES_CSV, DEPARTEMENTS_CSV

KEPT_TYPES = frozenset({"commune-actuelle", "arrondissement-municipal"})


def rebuild(package: Path) -> None:
    """Reduce an unpacked package to the two files; tests/unit/test_law.py checks them."""
    communes = [
        (row["code"], row["nom"], row["departement"])
        for row in _load_rows(package / "data" / "communes.json")
        if row["type"] in KEPT_TYPES
    ]
    departements = [(row["code"], row["nom"]) for row in _load_rows(package / "data" / "departements.json")]
    _write(COMMUNES_CSV, ("code", "nom", "departement"), communes)
    _write(DEPARTEMENTS_CSV, ("code", "nom"), departements)


def _load_rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = [";".join(row) for row in [header, *sorted(rows)]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]))
