"""List files: how each format is written and read back, and the fingerprint of a file, whatever its format.

A file is read elector by elector in flat memory, and hashed on the way: what was read is worth nothing until the digest
is known to be that of the record.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from sqlalchemy import Connection

from common.calendrier import is_mineur
from common.files import open_regular
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
"""Where it stands who she is."""
BUREAU = _PLACES[Electeur.code_bureau]


class ElecteursFile:
    """An open list file; `sha256` is that of its bytes, once all its electors were read."""

    def __init__(self, stream: IO[bytes], format_: Format) -> None:
        self._hash = hashlib.sha256()
        self._stream = io.BufferedReader(_Hashed(stream, self._hash.update), BUFFER)
        self._format = format_

    @property
    def sha256(self) -> str:
        """In hexadecimal digits, of what was read so far."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[Values]:
        """The electors, in the order of the file.

        Raises:
            NotOurFileError: a line or an element is not as we write them, or the format is not read back.
        """
        if (read := LISTE_FORMATS[self._format].read) is None:
            raise NotOurFileError("this format is not read back")
        yield from read(self._stream)
        while self._stream.read(BUFFER):
            pass


@contextmanager
def open_electeurs(path: Path, format_: Format) -> Iterator[ElecteursFile]:
    """Open a list file to read it once.

    Raises:
        OSError: it is not there, cannot be read, or is no regular file.
    """
    with open_regular(path) as stream:
        yield ElecteursFile(stream, format_)


class _Hashed(io.RawIOBase):
    """Shows each piece that is read to the hash."""

    def __init__(self, stream: IO[bytes], update: Callable[[bytes], object]) -> None:
        self._stream, self._update = stream, update

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 — as the standard library has it
        """Read a piece."""
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._update(piece)
        return len(piece)


_MOVES_BY_ITSELF = {Electeur.numero_general, Bureau.libelle, Bureau.code_canton, Bureau.code_circonscription}
"""What is no change of the elector: numbers that each list gives anew, and what is said of her whole bureau."""

_CONTENTS = [place for place, column in enumerate(READ_COLUMNS) if column.source not in _MOVES_BY_ITSELF]
_SLASHED = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)


def identity_of(values: Values, digests: Digests) -> bytes:
    """Who she is, as `Digests.identity` has it; her date of birth in the register's form."""
    return digests.identity(values[NOM], values[PRENOMS], birth_of(values), values[COMMUNE], values[PAYS])


def birth_of(values: Values) -> str:
    """Her date of birth in the register's form."""
    return _SLASHED.sub(r"\3-\2-\1", values[DATE])


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
        NotOurFileError: it is not one that the worker made.
        OSError: it is not there, or cannot be read.
    """
    records = Records()
    of_age_since = set()
    with open_electeurs(path, format_) as electeurs:
        for values in electeurs:
            born, identity = birth_of(values), identity_of(values, digests)
            records.add(identity, digests.contents([values[place] for place in _CONTENTS]))
            if days and is_mineur(born, days.before) and not is_mineur(born, days.after):
                of_age_since.add(identity)
    return TakenFingerprint(records.take(), electeurs.sha256, of_age_since)
