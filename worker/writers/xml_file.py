"""Writes the list as XML in constant memory: it reuses a block of `Electeur` elements, which lxml serialises.

The format is this project's own (« non officiel »): schemas/liste_electorale.xsd. Each finished file is validated
before it is published, against the XSD of its profile.
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

from common.files import Sink
from schemas.profiles.platform import FileForm, picker
from worker.db.engine import STREAM
from worker.errors import ExportError, SchemaMismatchError
from worker.writers import Progress
from worker.writers.columns import (
    ADRESSE,
    ENTETE,
    IDENTITE,
    READ_VALUES,
    Column,
    ListeSpec,
    NotOurFileError,
    Values,
    among,
    select_electeurs,
)

_BLOCK = 200


def write_xml(connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool) -> int:
    """Write the whole document and return the number of `Electeur` elements; see `WriteListe`.

    Raises:
        ExportError: a title of the profile cannot name an element.
    """
    if title := spec.form.not_an_element:
        raise ExportError(f"« {title} » ne peut pas nommer un élément du XML : demandez cette liste en CSV.")
    sink.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<ListeElectorale>\n')
    sink.write(b"".join(_header_elements(spec)))
    query = _select_electeurs(spec.form.values, cleaning=cleaning)
    rows = iter(connection.execute(query, spec.parameters, execution_options=STREAM))
    block = _Block(spec.form)
    written = 0
    while values := list(islice(rows, _BLOCK)):
        sink.write(block.to_bytes(values))
        written += len(values)
        progress(written)
    sink.write(b"</ListeElectorale>\n")
    return written


@cache
def _select_electeurs(values: tuple[str, ...], *, cleaning: bool) -> Select[Any]:
    columns = among(values, IDENTITE) + among(values, ADRESSE)
    return select_electeurs(columns, cleaning=cleaning)


def _header_elements(spec: ListeSpec) -> Iterator[bytes]:
    for column in among(spec.form.values, ENTETE):
        element = etree.Element(spec.form.title(column.value))
        element.text = str(spec.parameters[column.value])
        element.tail = "\n"
        yield etree.tostring(element, encoding="UTF-8", xml_declaration=False, with_tail=True)


class _Block:
    """Up to _BLOCK `Electeur` elements, created once and filled again for each block of rows."""

    def __init__(self, form: FileForm) -> None:
        self._form = form
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
        fields = self._add_fields(electeur, IDENTITE)
        adresse = etree.SubElement(electeur, "AdresseElecteur")
        return fields + self._add_fields(adresse, ADRESSE)

    def _add_fields(self, parent: Any, columns: tuple[Column, ...]) -> list[Any]:  # noqa: ANN401 — lxml's element
        form = self._form
        return [etree.SubElement(parent, form.title(column.value)) for column in among(form.values, columns)]


def read_xml(stream: IO[bytes], form: FileForm) -> Iterator[Values]:
    """Yield the values of each elector, in the order of the file.

    Raises:
        NotOurFileError: an element differs from what `write_xml` writes.
    """
    columns = among(form.values, IDENTITE) + among(form.values, ADRESSE)
    pick = picker([column.value for column in columns], READ_VALUES)
    electeurs = etree.iterparse(stream, tag="Electeur", resolve_entities=False, no_network=True, huge_tree=True)
    try:
        for _, electeur in electeurs:
            yield pick(_texts_of(electeur, len(columns)))
            _free(electeur)
    except etree.XMLSyntaxError:
        raise NotOurFileError("not well-formed") from None


def _texts_of(electeur: etree._Element, expected: int) -> list[str]:
    *identite, adresse = electeur
    texts = [field.text or "" for field in (*identite, *adresse)]
    if len(texts) != expected:
        raise NotOurFileError("an elector has not all values")
    return texts


def _free(electeur: etree._Element) -> None:
    """Remove this element and its earlier siblings from the tree, so that memory stays constant."""
    electeur.clear()
    parent = electeur.getparent()
    while parent is not None and electeur.getprevious() is not None:
        del parent[0]


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
    parser = etree.XMLParser(schema=schema, target=target, resolve_entities=False, no_network=True, huge_tree=True)
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
        raise SchemaMismatchError(f"Schéma XSD illisible : {xsd} ({type(error).__name__}).") from None
