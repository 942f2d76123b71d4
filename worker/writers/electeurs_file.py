"""Reading a list file back, elector by elector, in flat memory: its bytes are hashed on the way.

Only files that the worker made are read; another one is refused, and what was read of it is worth nothing until the
digest is known. Its fingerprint is taken of the file as it is on the disk, whatever its format.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any, NamedTuple

from lxml import etree

from common.calendrier import is_mineur
from common.files import open_regular
from schemas.vocabulary import Format
from worker.domain.fingerprint import Digests, Records
from worker.exports.storage import BUFFER
from worker.registre.models import Bureau, Electeur
from worker.writers.columns import ADRESSE, COLUMNS, ENTETE, IDENTITE
from worker.writers.csv_file import HEADER

READ_COLUMNS = IDENTITE + ADRESSE
"""The columns of what is read: all but those that are the same for each elector."""

Values = Sequence[str]
"""Of one elector, in the order of READ_COLUMNS; what is empty is an empty text."""

_PLACES = {column.source: place for place, column in enumerate(READ_COLUMNS)}
_WHO = (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance, Electeur.commune_naissance)
NOM, PRENOMS, DATE, COMMUNE, PAYS = (_PLACES[source] for source in (*_WHO, Electeur.pays_naissance))
"""Where it stands who she is."""
BUREAU = _PLACES[Electeur.code_bureau]


class NotOurFileError(Exception):
    """The file is not one that the worker made; the text says why, without a value of it."""


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
            NotOurFileError: a line or an element is not as we write them.
        """
        yield from _read_xml(self._stream) if self._format is Format.XML else _read_csv(self._stream)
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


def _read_csv(stream: IO[bytes]) -> Iterator[Values]:
    if stream.readline() != HEADER:
        raise NotOurFileError("the first line is not ours")
    for line in stream:
        try:
            values = line.decode().removesuffix("\n").split(";")
        except UnicodeDecodeError:
            raise NotOurFileError("not UTF-8") from None
        if len(values) != len(COLUMNS):
            raise NotOurFileError("a line has not 29 values")
        yield values[len(ENTETE) :]


def _read_xml(stream: IO[bytes]) -> Iterator[Values]:
    events = etree.iterparse(
        stream, events=("start", "end"), tag=("ListeElectorale", "Electeur"), resolve_entities=False, no_network=True,
        huge_tree=True,
    )  # fmt: skip
    try:
        for event, element in events:
            if event == "start":
                _refuse_doctype(element)
            elif element.tag == "Electeur":
                yield _values_of(element)
                _forget(element)
    except etree.XMLSyntaxError:
        raise NotOurFileError("not well-formed") from None


def _refuse_doctype(element: etree._Element) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise NotOurFileError("it has a DOCTYPE")


def _values_of(electeur: etree._Element) -> Values:
    *identite, adresse = electeur
    values = [field.text or "" for field in (*identite, *adresse)]
    if len(values) != len(READ_COLUMNS):
        raise NotOurFileError("an elector has not all her values")
    return values


def _forget(electeur: etree._Element) -> None:
    """Let the memory of an elector go, and of whatever stands before her."""
    electeur.clear()
    parent = electeur.getparent()
    while parent is not None and electeur.getprevious() is not None:
        del parent[0]


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
