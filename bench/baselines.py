"""The baseline of XML files: the simplest way to write a large file with lxml."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lxml import etree
from sqlalchemy import Connection, select

from worker.db.engine import STREAM
from worker.writers.columns import ADRESSE, ENTETE, IDENTITE, Column, ListeSpec, select_electeurs


def write_naive_xml(connection: Connection, spec: ListeSpec, path: Path) -> int:
    """Write the list with `xmlfile` and one `SubElement` per value; flat memory, no validation, no hash.

    Returns:
        The number of electors.
    """
    header = connection.execute(select(*(column.expression(spec) for column in ENTETE))).one()
    rows = connection.execute(select_electeurs(spec, IDENTITE + ADRESSE), execution_options=STREAM)
    written = 0
    with etree.xmlfile(str(path), encoding="UTF-8") as file:
        file.write_declaration()
        with file.element("ListeElectorale"):
            for column, value in zip(ENTETE, header, strict=True):
                element = etree.Element(column.name)
                element.text = value
                file.write(element)
            for row in rows:
                file.write(_electeur(row))
                written += 1
    return written


def _electeur(row: Sequence[Any]) -> etree._Element:
    electeur = etree.Element("Electeur")
    _add(electeur, IDENTITE, row[: len(IDENTITE)])
    _add(etree.SubElement(electeur, "AdresseElecteur"), ADRESSE, row[len(IDENTITE) :])
    return electeur


def _add(parent: etree._Element, columns: Iterable[Column], values: Iterable[Any]) -> None:
    for column, value in zip(columns, values, strict=True):
        field = etree.SubElement(parent, column.name)
        if value is not None:
            field.text = str(value)
