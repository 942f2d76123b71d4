"""Writes the list as XML, and reads and validates it, in constant memory.

The format is this project's own (« non officiel »): schemas/liste_electorale.xsd. Each finished file is validated
before it is published, against the XSD of its profile.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import IO, Any
from xml.sax.saxutils import escape

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
    ListeSpec,
    NotOurFileError,
    Values,
    among,
    select_electeurs,
)


def write_xml(connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, cleaning: bool) -> int:
    """Write the whole document and return the number of `Electeur` elements; see `WriteListe`.

    Raises:
        ExportError: a title of the profile cannot name an element.
    """
    if title := spec.form.not_an_element:
        raise ExportError(f"« {title} » ne peut pas nommer un élément du XML : demandez cette liste en CSV.")
    sink.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<ListeElectorale>\n')
    form = spec.form
    header = (_element(form.title(it.value), spec.parameters[it.value]) for it in among(form.values, ENTETE))
    sink.write("".join(f"{element}\n" for element in header).encode())
    query = _select_electeurs(form.values, cleaning=cleaning)
    identite, adresse = ([form.title(it.value) for it in among(form.values, of)] for of in (IDENTITE, ADRESSE))
    titles, before_adresse = identite + adresse, len(identite)
    written = 0
    for rows in connection.execute(query, spec.parameters, execution_options=STREAM).partitions():
        electeurs = []
        for row in rows:
            elements = [*map(_element, titles, row)]
            who, where = "".join(elements[:before_adresse]), "".join(elements[before_adresse:])
            electeurs.append(f"<Electeur>{who}<AdresseElecteur>{where}</AdresseElecteur></Electeur>\n")
        sink.write("".join(electeurs).encode())
        written += len(rows)
        progress(written)
    sink.write(b"</ListeElectorale>\n")
    return written


@cache
def _select_electeurs(values: tuple[str, ...], *, cleaning: bool) -> Select[Any]:
    columns = among(values, IDENTITE) + among(values, ADRESSE)
    return select_electeurs(columns, cleaning=cleaning)


def _element(title: str, value: Any) -> str:  # noqa: ANN401 — a text, a number or NULL
    return f"<{title}/>" if value is None else f"<{title}>{escape(str(value))}</{title}>"


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
