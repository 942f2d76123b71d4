"""List files: the writer and reader of each format, and the fingerprint of a file in any format.

The file is hashed, then read elector by elector in constant memory.
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
    """Writes a list to a file and returns the number of electors; `cleaning`: see `Census.needs_cleaning`."""

    def __call__(
        self, connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, /, *, cleaning: bool
    ) -> int:
        """Write the list."""


@dataclass(frozen=True)
class ListeFormat:
    """The writer, reader and validator of one format of lists."""

    write: WriteListe
    bytes_per_electeur: int
    """Estimated size, to check the free space before a file is started."""
    read: Callable[[IO[bytes]], Iterator[Values]] | None = None
    """None for a format that agents never submit: the worker does not compare its files."""
    validate: Callable[[Path, Path | None], None] | None = None
    """Validates a finished file against the given XSD, or against ours by default."""
    electeur_end: bytes = b"\n"
    """The bytes that end each elector."""
    replaces_separators: bool = False
    """Whether the writer replaces `;` and `"` in a value, which is an anomaly."""


LISTE_FORMATS: dict[Format, ListeFormat] = {
    # A line of the arrêté's example is 200 bytes, an element 900.
    Format.CSV: ListeFormat(write_csv, 400, read_csv, replaces_separators=True),
    Format.XML: ListeFormat(write_xml, 1_400, read_xml, validate_xml, b"</Electeur>"),
}

_PLACES = {column.source: place for place, column in enumerate(READ_COLUMNS)}
_WHO = (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance, Electeur.commune_naissance)
NOM, PRENOMS, DATE, COMMUNE, PAYS = (_PLACES[source] for source in (*_WHO, Electeur.pays_naissance))
"""The indexes in READ_COLUMNS of the values that identify an elector."""

_MOVES_BY_ITSELF = {Electeur.numero_general, Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription}
"""Columns that change without a change of the elector: numbers in each list, and data of a whole bureau."""

_CONTENTS = [place for place, column in enumerate(READ_COLUMNS) if column.source not in _MOVES_BY_ITSELF]
_SLASHED = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)


class FileDays(NamedTuple):
    """The days of two files, to find the electors who came of age between them."""

    before: date
    after: date


@dataclass(frozen=True)
class TakenFingerprint:
    """The fingerprint, the SHA-256 of the file, and the identities of the electors who came of age between its days."""

    fingerprint: bytes
    sha256: str
    of_age_since: set[bytes] = field(default_factory=set)


def take_fingerprint(path: Path, format_: Format, digests: Digests, days: FileDays | None = None) -> TakenFingerprint:
    """Read a list file and return its fingerprint.

    Raises:
        NotOurFileError: the worker did not make the file, or the format has no reader.
        OSError: the file is missing or cannot be read.
    """
    if (read := LISTE_FORMATS[format_].read) is None:
        raise NotOurFileError("this format is not read back")
    records = Records()
    of_age_since = set()
    with open_regular(path) as file, io.BufferedReader(file, BUFFER) as stream:
        _, sha256 = hash_file(stream)
        stream.seek(0)
        for values in read(stream):
            born = _SLASHED.sub(r"\3-\2-\1", values[DATE])  # in the register's form
            identity = digests.identity(values[NOM], values[PRENOMS], born, values[COMMUNE], values[PAYS])
            records.add(identity, digests.contents([values[place] for place in _CONTENTS]))
            if days and is_mineur(born, days.before) and not is_mineur(born, days.after):
                of_age_since.add(identity)
    return TakenFingerprint(records.take(), sha256, of_age_since)
