"""Redo communes.csv and departements.csv: `python -m worker.registre.reference.rebuild [--from DIR]`.

Source: npm package @etalab/decoupage-administratif, whose data are under Licence Ouverte 2.0 (see LICENCE.md).
The same package gives the same bytes. For the package of another year, change VERSION and INTEGRITY.
"""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from worker.registre.reference import COMMUNES_CSV, DEPARTEMENTS_CSV, departement_of

PACKAGE = "@etalab/decoupage-administratif"
VERSION = "6.0.0"
INTEGRITY = "XavYsFlbcM/prKr8hNHPKER94IHw/dsxNM4nxjWMYk6PLFACpEedvn/7wK8Baozm0dCYhWWcf+7bcWpA5pmCaQ=="
KEPT_TYPES = frozenset({"commune-actuelle", "arrondissement-municipal"})


class RebuildError(Exception):
    """The package cannot be had, or is not what this script knows how to reduce."""


def download(directory: Path) -> Path:
    """Fetch the exact version by npm into the directory, check its SHA-512, and unpack it."""
    npm = shutil.which("npm")
    if npm is None:
        raise RebuildError("npm is not installed: unpack the package yourself and pass --from DIR")
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=directory, capture_output=True, text=True, check=False
    )
    archives = list(directory.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise RebuildError(f"npm pack failed: {done.stderr.strip()}")
    if base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode() != INTEGRITY:
        raise RebuildError(f"{archives[0].name} is not the archive that npm published as {VERSION}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(directory, filter="data")
    return directory / "package"


def rebuild(package: Path, communes_csv: Path = COMMUNES_CSV, departements_csv: Path = DEPARTEMENTS_CSV) -> None:
    """Reduce an unpacked package to the two files. Raises RebuildError and writes nothing when something is amiss."""
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    if version != VERSION:
        raise RebuildError(f"expected {PACKAGE} {VERSION}, found {version}")
    communes = [
        (row["code"], row["nom"], row["departement"])
        for row in _load_rows(package / "data" / "communes.json")
        if row["type"] in KEPT_TYPES
    ]
    departements = [(row["code"], row["nom"]) for row in _load_rows(package / "data" / "departements.json")]
    misplaced = [code for code, _, departement in communes if departement != departement_of(code)]
    if misplaced:
        raise RebuildError(f"communes whose code does not begin with their département: {misplaced}")
    texts = _to_csv(("code", "nom", "departement"), communes), _to_csv(("code", "nom"), departements)
    for path, text in zip((communes_csv, departements_csv), texts, strict=True):
        path.write_text(text, encoding="utf-8", newline="\n")


def _load_rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _to_csv(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [";".join(row) for row in [header, *sorted(rows)]]
    codes = [line.partition(";")[0] for line in lines]
    if any(line.count(";") != len(header) - 1 or "\n" in line for line in lines) or len(set(codes)) != len(codes):
        raise RebuildError("a name holds a separator, or a code comes twice")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit code is 1 when the files were not redone."""
    parser = argparse.ArgumentParser(description="Redo the reference data of communes and départements.")
    parser.add_argument("--from", dest="package", type=Path, metavar="DIR", help="the unpacked npm package")
    package: Path | None = parser.parse_args(arguments).package
    try:
        with tempfile.TemporaryDirectory() as directory:
            rebuild(package or download(Path(directory)))
    except (RebuildError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
