"""List files: how each format is written and read back, and the fingerprint of a file, whatever its format.

A file is hashed, then read elector by elector in flat memory.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from sqlalchemy import Connection

from common.calendrier import is_mineur
from common.files import hash_file, open_regular
from schemas.vocabulary import Format
from worker.domain.fingerprint import Digests, Records
from worker.exports.storage import BUFFER
from worker.registre.models import Bureau, Electeur
from worker.writers import Progress, Sink
from worker.writers.columns import READ_COLUMNS, ListeSpec, NotOurFileError, Values
from worker.writers.csv_file import read_csv, write_csv
from worker.writers.xml_file import read_xml, validate_xml, write_xml


class WriteListe(Protocol):
    """Writes a list to a file and returns the number of electors.

    `cleaning`: some values must be cleaned on the way; `separators`: some hold `;` or `"`.
    """

    def __call__(
        self,
        connection: Connection,
        spec: ListeSpec,
        sink: Sink,
        progress: Progress,
        /,
        *,
        cleaning: bool,
        separators: bool,
    ) -> int:
        """Write."""


@dataclass(frozen=True)
class ListeFormat:
    """How lists are written in a format, and read back."""

    write: WriteListe
    bytes_per_electeur: int
    """Room asked for before a file is begun."""
    read: Callable[[IO[bytes]], Iterator[Values]] | None = None
    """None of a format that is never deposited: nothing is compared with its files."""
    validate: Callable[[Path, Path | None], None] | None = None
    """Checks a finished file against an XSD, or against ours."""
    electeur_end: bytes = b"\n"
    """The bytes after each elector."""
    replaces_separators: bool = False
    """Whether `;` and `"` in a value are replaced, which is an anomaly."""


LISTE_FORMATS: dict[Format, ListeFormat] = {
    # A line of the arrêté's example is 200 bytes, an element 900.
    Format.CSV: ListeFormat(write_csv, 400, read_csv, replaces_separators=True),
    Format.XML: ListeFormat(write_xml, 1_400, read_xml, validate_xml, b"</Electeur>"),
}

_PLACES = {column.source: place for place, column in enumerate(READ_COLUMNS)}
_WHO = (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance, Electeur.commune_naissance)
NOM, PRENOMS, DATE, COMMUNE, PAYS = (_PLACES[source] for source in (*_WHO, Electeur.pays_naissance))
"""The places of the values that identify an elector."""

_MOVES_BY_ITSELF = {Electeur.numero_general, Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription}
"""Columns whose change is not one of the elector: numbers of each list, and facts of a whole bureau."""

_CONTENTS = [place for place, column in enumerate(READ_COLUMNS) if column.source not in _MOVES_BY_ITSELF]
_SLASHED = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)


class FileDays(NamedTuple):
    """The days of two files: who came of age from one to the other is noted."""

    before: date
    after: date


@dataclass(frozen=True)
class TakenFingerprint:
    """The fingerprint, the SHA-256 of the bytes it was taken of, and the identities of those who came of age."""

    fingerprint: bytes
    sha256: str
    of_age_since: set[bytes] = field(default_factory=set)


def take_fingerprint(path: Path, format_: Format, digests: Digests, days: FileDays | None = None) -> TakenFingerprint:
    """Read a list file whole.

    Raises:
        NotOurFileError: it is not one that the worker made, or the format is not read back.
        OSError: it is not there, or cannot be read.
    """
    if (read := LISTE_FORMATS[format_].read) is None:
        raise NotOurFileError("this format is not read back")
    records = Records()
    of_age_since = set()
    with open_regular(path) as file, io.BufferedReader(file, BUFFER) as stream:
        _, sha256 = hash_file(stream)
        stream.seek(0)
        for values in read(stream):
            born = _SLASHED.sub(r"\3-\2-\1", values[DATE])  # as the register has it
            identity = digests.identity(values[NOM], values[PRENOMS], born, values[COMMUNE], values[PAYS])
            records.add(identity, digests.contents([values[place] for place in _CONTENTS]))
            if days and is_mineur(born, days.before) and not is_mineur(born, days.after):
                of_age_since.add(identity)
    return TakenFingerprint(records.take(), sha256, of_age_since)
