"""List files: the writer and reader of each format, and the fingerprint of a file in any format; in constant memory.

The XML is this project's own (« non officiel »): schemas/liste_electorale.xsd. Each finished file is validated before
it is published, against the XSD of its profile.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO, Any, NamedTuple, Protocol

import psycopg
from lxml import etree
from sqlalchemy import Compiled, Connection, Dialect, Select
from sqlalchemy.exc import OperationalError

from common.calendrier import is_mineur
from common.files import Sink, hash_file, open_regular
from schemas.profiles.platform import IDENTITY, FileForm, picker
from schemas.vocabulary import Format
from worker.db.engine import STREAM
from worker.domain.fingerprint import PARTS, Digests, sort_records
from worker.domain.identite import base_letters
from worker.errors import ExportError, SchemaMismatchError
from worker.exports.storage import BUFFER
from worker.registre.models import Bureau, Electeur
from worker.writers import Progress
from worker.writers.columns import (
    ADRESSE,
    ENTETE,
    IDENTITE,
    READ_COLUMNS,
    READ_VALUES,
    ListeSpec,
    NotOurFileError,
    Values,
    among,
    select_electeurs,
)

_BLOCK = 500
_ELEMENTS = 50
"""The elements of electors in memory: to create 500 takes as long as all else in the XML of a village."""
_SHIFTED = "Une valeur contient un séparateur : l'export s'arrête avant de décaler une colonne."


def write_csv(
    connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool
) -> int:
    """Write the header and one line per elector of age, and return the number of electors; see `WriteListe`.

    Cleaning can produce a `;` (from the Greek question mark), so a separator is replaced after it. See
    `encode` for a letter that the encoding lacks: the pre-check has reported it.

    Raises:
        ExportError: a value cannot be written without a quote.
    """
    form = spec.form
    sink.write(form.header)
    query = select_electeurs(
        among(form.values), cleaning=cleaning, separator=form.separator if cleaning else ""
    )
    if connection.dialect.name == "postgresql":
        return _copy(connection, query, spec, sink, progress)
    rows = connection.execute(query, spec.parameters, execution_options=STREAM)
    written = 0
    iterator = iter(rows)
    while block := list(islice(iterator, _BLOCK)):
        text = io.StringIO(newline="")
        try:
            writer = csv.writer(
                text,
                delimiter=form.separator,
                quoting=csv.QUOTE_NONE,
                quotechar=None,
                lineterminator="\n",
            )
            writer.writerows(block)
        except csv.Error:
            raise ExportError(_SHIFTED) from None
        written += len(block)
        sink.write(_encode(text.getvalue(), form))
        progress(written)
    return written


def _copy(
    connection: Connection, query: Select[Any], spec: ListeSpec, sink: Sink, progress: Progress
) -> int:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 — the dialect guarantees it; for mypy
    compiled = _compile(query, connection.dialect)
    form = spec.form
    statement = f"COPY ({compiled}) TO STDOUT WITH (FORMAT csv, DELIMITER '{form.separator}')"
    parameters = {**compiled.params, **spec.parameters}
    is_other = (form.encoding, form.line_end) != ("utf-8", "LF")
    written = 0
    try:
        with driver.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            rows = iter(copy.read, b"")
            while block := b"".join(islice(rows, _BLOCK)):
                if b'"' in block:
                    raise ExportError(_SHIFTED)
                written += block.count(b"\n")
                sink.write(_encode(block.decode(), form) if is_other else block)
                progress(written)
    except psycopg.OperationalError as error:
        raise OperationalError("COPY", None, error) from error
    return written


@lru_cache(maxsize=32)
def _compile(query: Select[Any], dialect: Dialect) -> Compiled:
    """Compile a query of `select_electeurs`; each takes as long as the file of a village."""
    return query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})


def _encode(lines: str, form: FileForm) -> bytes:
    return encode(lines.replace("\n", form.end), form.encoding)


def encode(text: str, encoding: str) -> bytes:
    """Encode a text; a letter that the encoding lacks loses its accent, or becomes `?`."""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b"".join(_encode_letter(letter, encoding) for letter in text)


@cache
def _encode_letter(letter: str, encoding: str) -> bytes:
    with suppress(UnicodeEncodeError):
        return letter.encode(encoding)
    base = base_letters(letter)
    return (base.lower() if letter.islower() else base).encode(encoding, "replace") or b"?"


def read_csv(stream: IO[bytes], form: FileForm) -> Iterator[Values]:
    """Yield the values of each elector, in the order of the file.

    Raises:
        NotOurFileError: a line differs from what `write_csv` writes.
    """
    if stream.readline() != form.header:
        raise NotOurFileError("the first line is not ours")
    pick = picker(form.values, READ_VALUES)
    for line in stream:
        try:
            values = form.split(line)
        except UnicodeDecodeError:
            raise NotOurFileError(f"not {form.encoding}") from None
        if len(values) != len(form.columns):
            raise NotOurFileError("a line has not all values")
        yield pick(values)


def write_xml(
    connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool
) -> int:
    """Write the whole document and return the number of `Electeur` elements; see `WriteListe`.

    Raises:
        ExportError: a title of the profile cannot name an element.
    """
    if title := spec.form.not_an_element:
        raise ExportError(
            f"« {title} » ne peut pas nommer un élément du XML : demandez cette liste en CSV."
        )
    sink.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<ListeElectorale>\n')
    form = spec.form
    for column in among(form.values, ENTETE):
        element = etree.Element(form.title(column.value))
        element.text, element.tail = str(spec.parameters[column.value]), "\n"
        sink.write(etree.tostring(element, encoding="UTF-8", xml_declaration=False))
    block = etree.Element("block")  # created once, and filled again for each block of rows
    fields = [_add_electeur(block, form) for _ in range(_ELEMENTS)]
    columns = among(form.values, IDENTITE) + among(form.values, ADRESSE)
    query = select_electeurs(columns, cleaning=cleaning)
    rows, written = iter(connection.execute(query, spec.parameters, execution_options=STREAM)), 0
    while values := list(islice(rows, _ELEMENTS)):
        for of_electeur, row in zip(fields, values, strict=False):
            for field_, value in zip(of_electeur, row, strict=True):
                field_.text = None if value is None else str(value)
        del block[len(values) :]
        document = etree.tostring(block, encoding="UTF-8", xml_declaration=False)
        sink.write(document[len(b"<block>") : -len(b"</block>")])
        written += len(values)
        progress(written)
    sink.write(b"</ListeElectorale>\n")
    return written


def _add_electeur(block: Any, form: FileForm) -> list[Any]:  # noqa: ANN401 — lxml's elements
    electeur = etree.SubElement(block, "Electeur")
    electeur.tail = "\n"
    identite = [
        etree.SubElement(electeur, form.title(it.value)) for it in among(form.values, IDENTITE)
    ]
    adresse = etree.SubElement(electeur, "AdresseElecteur")
    return identite + [
        etree.SubElement(adresse, form.title(it.value)) for it in among(form.values, ADRESSE)
    ]


def read_xml(stream: IO[bytes], form: FileForm) -> Iterator[Values]:
    """Yield the values of each elector, in the order of the file.

    Raises:
        NotOurFileError: an element differs from what `write_xml` writes.
    """
    columns = among(form.values, IDENTITE) + among(form.values, ADRESSE)
    pick = picker([column.value for column in columns], READ_VALUES)
    electeurs = etree.iterparse(
        stream, tag="Electeur", resolve_entities=False, no_network=True, huge_tree=True
    )
    try:
        for _, electeur in electeurs:
            yield pick(_texts_of(electeur, len(columns)))
            electeur.clear()  # with its earlier siblings, so that memory stays constant
            parent = electeur.getparent()
            while parent is not None and electeur.getprevious() is not None:
                del parent[0]
    except etree.XMLSyntaxError:
        raise NotOurFileError("not well-formed") from None


def _texts_of(electeur: etree._Element, expected: int) -> list[str]:
    *identite, adresse = electeur
    texts = [field.text or "" for field in (*identite, *adresse)]
    if len(texts) != expected:
        raise NotOurFileError("an elector has not all values")
    return texts


_ELEMENT = re.compile(r"Element '([\w.-]+)'")


class _Nothing:
    """A parser target that builds no tree, so that memory stays constant; it rejects a DOCTYPE, hence any entity."""

    def doctype(self, *_names: object) -> None:
        raise SchemaMismatchError("Le fichier XML contient un DOCTYPE : il n'est ni lu ni publié.")

    def close(self) -> None:
        pass


def validate_xml(path: Path, xsd: Path) -> None:
    """Validate a finished file in constant memory, without entities or network.

    Raises:
        SchemaMismatchError: names the element, never a value.
    """
    schema = load_schema(xsd)
    target: Any = _Nothing()
    parser = etree.XMLParser(
        schema=schema, target=target, resolve_entities=False, no_network=True, huge_tree=True
    )
    try:
        with path.open("rb") as stream:  # raises the precise OSError
            etree.parse(stream, parser)  # `feed` does not fill the error log
        faults = [fault.message for fault in parser.error_log]
    except etree.XMLSyntaxError as error:
        faults = [error.msg or ""]
    if faults:
        found = _ELEMENT.search(faults[0])
        element = f" : élément {found[1]}" if found else ""
        raise SchemaMismatchError(f"Le fichier XML ne suit pas le schéma {xsd.name}{element}.")


_NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_LOADING = Lock()
"""Without it, two threads that load a first schema at once both fail with XMLSchemaParseError (embedded mode)."""


@lru_cache(maxsize=2)
def load_schema(xsd: Path) -> etree.XMLSchema:
    """Read an XSD.

    Raises:
        SchemaMismatchError: the file is missing or is not an XSD.
        OSError: the file cannot be read now.
    """
    try:
        with _LOADING, xsd.open("rb") as stream:
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            return etree.XMLSchema(etree.parse(stream, parser, base_url=str(xsd)))
    except (*_NOT_THERE, etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise SchemaMismatchError(
            f"Schéma XSD illisible : {xsd} ({type(error).__name__})."
        ) from None


class WriteListe(Protocol):
    """Writes a list to a file and returns the number of electors; `cleaning`: see `Census.needs_cleaning`."""

    def __call__(
        self,
        connection: Connection,
        spec: ListeSpec,
        sink: Sink,
        progress: Progress,
        /,
        *,
        cleaning: bool,
    ) -> int:
        """Write the list."""


@dataclass(frozen=True)
class ListeFormat:
    """The writer, reader and validator of one format of lists."""

    write: WriteListe
    bytes_per_electeur: int
    """Estimated size, to check the free space before a file is started."""
    read: Callable[[IO[bytes], FileForm], Iterator[Values]]
    validate: Callable[[Path, Path], None] | None = None
    """Validates a finished file against the XSD of its profile."""
    electeur_end: bytes = b"\n"
    """The bytes that end each elector."""
    replaces_separators: bool = False
    """Whether the writer replaces the separator and `"` in a value, which is an anomaly."""


LISTE_FORMATS: dict[Format, ListeFormat] = {
    # A line of the arrêté's example is 200 bytes, an element 900.
    Format.CSV: ListeFormat(write_csv, 400, read_csv, replaces_separators=True),
    Format.XML: ListeFormat(write_xml, 1_400, read_xml, validate_xml, b"</Electeur>"),
}

_WHO, _BORN = [READ_VALUES.index(value) for value in IDENTITY], IDENTITY.index("date_naissance")

_MOVES_BY_ITSELF = {
    Electeur.numero_general,
    Bureau.libelle,
    Bureau.code_canton,
    Bureau.code_circonscription,
}
"""Columns that change without a change of the elector: numbers in each list, and data of a whole bureau."""

_CONTENTS = [
    place for place, column in enumerate(READ_COLUMNS) if column.source not in _MOVES_BY_ITSELF
]
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


def take_fingerprint(
    path: Path, format_: Format, form: FileForm, digests: Digests, days: FileDays | None = None
) -> TakenFingerprint:
    """Read a list file and return its fingerprint; `form` is the one in which the file was made.

    Raises:
        NotOurFileError: the worker did not make the file.
        OSError: the file is missing or cannot be read.
    """
    parts = [bytearray() for _ in range(PARTS)]
    of_age_since = set()
    with open_regular(path) as file, io.BufferedReader(file, BUFFER) as stream:
        _, sha256 = hash_file(stream)
        stream.seek(0)
        for values in LISTE_FORMATS[format_].read(stream, form):
            who = [values[place] for place in _WHO]
            who[_BORN] = born = _SLASHED.sub(r"\3-\2-\1", who[_BORN])  # in the register's form
            identity = digests.identity(*who)
            parts[identity[0]] += identity + digests.contents(
                [values[place] for place in _CONTENTS]
            )
            if days and is_mineur(born, days.before) and not is_mineur(born, days.after):
                of_age_since.add(identity)
    return TakenFingerprint(sort_records(parts), sha256, of_age_since)
