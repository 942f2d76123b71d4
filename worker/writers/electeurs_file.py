"""List files as CSV: written, and any list file read back elector by elector in flat memory, hashed on the way.

Only files that the worker made are read; another one is refused, and what was read of it is worth nothing until the
digest is known. Its fingerprint is taken of the file as it is on the disk, whatever its format.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import psycopg
from lxml import etree
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.engine import Compiled
from sqlalchemy.exc import OperationalError

from common.calendrier import is_mineur
from common.files import open_regular
from schemas.vocabulary import Format, Liste
from worker.db.engine import STREAM
from worker.domain.fingerprint import Digests, Records
from worker.errors import ExportError
from worker.exports.storage import BUFFER
from worker.registre.models import Bureau, Electeur
from worker.writers import Progress, Sink
from worker.writers.columns import ADRESSE, COLUMNS, ENTETE, IDENTITE, AnyListe, ListeSpec, select_electeurs

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


HEADER = (";".join(column.name for column in COLUMNS) + "\n").encode()
_BLOCK = 500
_SHIFTED = "Une valeur contient un séparateur : l'export s'arrête avant de décaler une colonne."


def write_csv(
    connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool, separators: bool
) -> int:
    """Write the header and one line per elector of age.

    `cleaning`: some values must be cleaned on the way, which may make a `;` (the Greek question mark); `separators`:
    some hold `;` or `"`. Both are found beforehand, so that a clean register pays for neither.

    Returns:
        The number of data lines.

    Raises:
        ExportError: a value cannot be written without a quote.
    """
    sink.write(HEADER)
    query = _Query(spec.liste, cleaning, separators or cleaning)
    if connection.dialect.name == "postgresql":
        return _copy(connection, query, spec, sink, progress)
    rows = connection.execute(_select(query), spec.parameters, execution_options=STREAM)
    return _write_rows(rows, sink, progress)


class _Query(NamedTuple):
    liste: Liste
    cleaning: bool
    replace_separators: bool


@cache
def _select(query: _Query) -> Select[Any]:
    return select_electeurs(
        AnyListe(query.liste), COLUMNS, cleaning=query.cleaning, replace_separators=query.replace_separators
    )


@lru_cache(maxsize=16)
def _compile(query: _Query, dialect: Dialect) -> Compiled:
    return _select(query).compile(dialect=dialect, compile_kwargs={"render_postcompile": True})


def _copy(connection: Connection, query: _Query, spec: ListeSpec, sink: Sink, progress: Progress) -> int:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 — the dialect says so; tells mypy
    compiled = _compile(query, connection.dialect)
    statement = f"COPY ({compiled}) TO STDOUT WITH (FORMAT csv, DELIMITER ';')"
    parameters = {**compiled.params, **spec.parameters}
    written = 0
    try:
        with driver.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            rows = iter(copy.read, b"")
            while block := b"".join(islice(rows, _BLOCK)):
                if b'"' in block:
                    raise ExportError(_SHIFTED)
                written += block.count(b"\n")
                sink.write(block)
                progress(written)
    except psycopg.OperationalError as error:
        raise OperationalError("COPY", None, error) from error
    return written


def _write_rows(rows: Iterable[Any], sink: Sink, progress: Progress) -> int:
    written = 0
    iterator = iter(rows)
    while block := list(islice(iterator, _BLOCK)):
        text = io.StringIO(newline="")
        try:
            csv.writer(text, delimiter=";", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n").writerows(
                block
            )
        except csv.Error:
            raise ExportError(_SHIFTED) from None
        written += len(block)
        sink.write(text.getvalue().encode())
        progress(written)
    return written
