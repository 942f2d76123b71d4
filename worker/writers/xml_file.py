"""Writes the list as XML in constant memory: it reuses a block of `Electeur` elements, which lxml serialises.

The format is this project's own (« non officiel »): schemas/liste_electorale.xsd. Each finished file is validated
before it is published, against our XSD or the ministry's.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO, Any

from lxml import etree
from sqlalchemy import Connection, Select

from schemas.vocabulary import Liste
from worker.db.engine import STREAM
from worker.errors import SchemaMismatchError
from worker.writers import Progress, Sink
from worker.writers.columns import (
    ADRESSE,
    ENTETE_FIELDS,
    IDENTITE,
    READ_COLUMNS,
    AnyListe,
    ListeSpec,
    NotOurFileError,
    Values,
    select_electeurs,
)

_BLOCK = 200
_END = b"</ListeElectorale>\n"


def write_xml(connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool) -> int:
    """Write the whole document and return the number of `Electeur` elements; see `WriteListe`."""
    sink.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<ListeElectorale>\n')
    sink.write(b"".join(_header_elements(spec)))
    query = _select_electeurs(spec.liste, cleaning=cleaning)
    rows = iter(connection.execute(query, spec.parameters, execution_options=STREAM))
    block = _Block()
    written = 0
    while values := list(islice(rows, _BLOCK)):
        sink.write(block.to_bytes(values))
        written += len(values)
        progress(written)
    sink.write(_END)
    return written


@cache
def _select_electeurs(liste: Liste, *, cleaning: bool) -> Select[Any]:
    return select_electeurs(AnyListe(liste), IDENTITE + ADRESSE, cleaning=cleaning)


def _header_elements(spec: ListeSpec) -> Iterator[bytes]:
    for name, field in ENTETE_FIELDS.items():
        element = etree.Element(name)
        element.text = getattr(spec, field)
        element.tail = "\n"
        yield etree.tostring(element, encoding="UTF-8", xml_declaration=False, with_tail=True)


class _Block:
    """Up to _BLOCK `Electeur` elements, created once and filled again for each block of rows."""

    def __init__(self) -> None:
        self._root = etree.Element("block")
        self._fields = [self._add_electeur() for _ in range(_BLOCK)]

    def to_bytes(self, rows: list[Any]) -> bytes:
        for fields, row in zip(self._fields, rows, strict=False):
            for field, value in zip(fields, row, strict=True):
                field.text = value if value is None or value.__class__ is str else str(value)
        if len(rows) < _BLOCK:
            for element in list(self._root)[len(rows) :]:
                self._root.remove(element)
        document: bytes = etree.tostring(self._root, encoding="UTF-8", xml_declaration=False)
        return document[document.index(b">") + 1 : -len(b"</block>")]

    def _add_electeur(self) -> list[Any]:
        electeur = etree.SubElement(self._root, "Electeur")
        electeur.tail = "\n"
        fields = [etree.SubElement(electeur, column.name) for column in IDENTITE]
        adresse = etree.SubElement(electeur, "AdresseElecteur")
        return fields + [etree.SubElement(adresse, column.name) for column in ADRESSE]


def read_xml(stream: IO[bytes]) -> Iterator[Values]:
    """Yield the values of each elector, in the order of the file.

    Raises:
        NotOurFileError: an element differs from what `write_xml` writes.
    """
    electeurs = etree.iterparse(stream, tag="Electeur", resolve_entities=False, no_network=True, huge_tree=True)
    try:
        for _, electeur in electeurs:
            yield _values_of(electeur)
            _free(electeur)
    except etree.XMLSyntaxError:
        raise NotOurFileError("not well-formed") from None


def _values_of(electeur: etree._Element) -> Values:
    *identite, adresse = electeur
    values = [field.text or "" for field in (*identite, *adresse)]
    if len(values) != len(READ_COLUMNS):
        raise NotOurFileError("an elector has not all values")
    return values


def _free(electeur: etree._Element) -> None:
    """Remove this element and its earlier siblings from the tree, so that memory stays constant."""
    electeur.clear()
    parent = electeur.getparent()
    while parent is not None and electeur.getprevious() is not None:
        del parent[0]


OUR_XSD = Path(__file__).parents[2] / "schemas" / "liste_electorale.xsd"
_ELEMENT = re.compile(r"Element '([A-Za-z0-9]+)'")


class _Nothing:
    """A parser target that builds no tree, so that memory stays constant; it rejects a DOCTYPE, hence any entity."""

    def doctype(self, *_names: object) -> None:
        raise SchemaMismatchError("Le fichier XML contient un DOCTYPE : il n'est ni lu ni publié.")

    def close(self) -> None:
        pass


def validate_xml(path: Path, xsd: Path | None = None) -> None:
    """Validate a finished file in constant memory, without entities or network.

    Raises:
        SchemaMismatchError: names the element and the elector's rank in the file; never a value.
    """
    schema = load_schema(xsd or OUR_XSD)
    target: Any = _Nothing()
    parser = etree.XMLParser(schema=schema, target=target, resolve_entities=False, no_network=True, huge_tree=True)
    try:
        with path.open("rb") as stream:  # raises the precise OSError
            etree.parse(stream, parser)  # `feed` does not fill the error log
        faults = [fault.message for fault in parser.error_log]
    except etree.XMLSyntaxError as error:
        faults = [error.msg or ""]
    if faults:
        message = faults[0]
        raise SchemaMismatchError(
            f"Le fichier XML ne suit pas le schéma {(xsd or OUR_XSD).name}{_where(path, schema, message)}."
        )


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
        raise SchemaMismatchError(f"Schéma XSD illisible : {xsd} ({type(error).__name__}).") from None


def _where(path: Path, schema: etree.XMLSchema, message: str) -> str:
    """Return the text that names the invalid element and its elector's rank; slow, used for failures only."""
    found = _ELEMENT.search(message)
    if not found:
        return ""
    rank = None if found[1] in ENTETE_FIELDS else _find_electeur(path, schema)
    return f" : élément {found[1]}" + (f", électeur n° {rank} du fichier" if rank else "")


def _find_electeur(path: Path, schema: etree.XMLSchema) -> int | None:
    """Return the rank of the first elector who is invalid alone, after the header; each is one line of the file."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        with path.open("rb") as stream:
            header = b"".join(islice(stream, 2 + len(ENTETE_FIELDS)))
            for rank, electeur in enumerate(stream, 1):
                if not schema.validate(etree.fromstring(header + electeur + _END, parser)):
                    return rank
    except etree.XMLSyntaxError:  # the file has no elector that is one line
        return None
    return None
