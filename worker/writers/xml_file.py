"""The list as XML, streamed: a block of `Electeur` elements is reused, so memory stays flat and lxml keeps it legal.

The profile is ours (« non officiel »): schemas/liste_electorale.xsd.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from lxml import etree
from sqlalchemy import Connection, Select, select

from schemas.vocabulary import Liste
from worker.db.engine import STREAM
from worker.writers.columns import ADRESSE, ENTETE, IDENTITE, select_electeurs
from worker.writers.liste import AnyListe, ListeSpec
from worker.writers.sink import Progress, Sink

_BLOCK = 200
_ADRESSE_AT = len(IDENTITE)


def write_xml(connection: Connection, spec: ListeSpec, sink: Sink, progress: Progress, *, tidy: bool) -> int:
    """Write the whole document; `tidy`: some values must be cleaned on the way.

    Returns:
        The number of `Electeur` elements.
    """
    sink.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<ListeElectorale>\n')
    sink.write(b"".join(_header_elements(connection, spec)))
    query = _select_electeurs(spec.liste, tidy=tidy)
    rows = iter(connection.execute(query, spec.parameters, execution_options=STREAM))
    block = _Block()
    written = 0
    while values := list(islice(rows, _BLOCK)):
        sink.write(block.to_bytes(values))
        written += len(values)
        progress(written)
    sink.write(b"</ListeElectorale>\n")
    return written


@cache
def _select_electeurs(liste: Liste, *, tidy: bool) -> Select[Any]:
    return select_electeurs(AnyListe(liste), IDENTITE + ADRESSE, tidy=tidy)


@cache
def _select_header(liste: Liste) -> Select[Any]:
    return select(*(column.expression(AnyListe(liste)) for column in ENTETE))


def _header_elements(connection: Connection, spec: ListeSpec) -> Iterator[bytes]:
    values = connection.execute(_select_header(spec.liste), spec.parameters).one()
    for column, value in zip(ENTETE, values, strict=True):
        element = etree.Element(column.name)
        element.text = value
        element.tail = "\n"
        yield etree.tostring(element, encoding="UTF-8", xml_declaration=False, with_tail=True)


class _Block:
    """Up to _BLOCK electors, whose elements are made once and filled again and again."""

    def __init__(self) -> None:
        self._root = etree.Element("block")
        self._fields = [self._add_electeur() for _ in range(_BLOCK)]

    def to_bytes(self, rows: list[Any]) -> bytes:
        """The electors of `rows`, one line each."""
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
