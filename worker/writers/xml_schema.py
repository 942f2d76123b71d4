"""Every XML file is validated whole before it is published, against our XSD or the ministry's."""

import copy
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from lxml import etree

from worker.errors import SchemaMismatchError

OUR_XSD = Path(__file__).parents[2] / "schemas" / "liste_electorale.xsd"
_ELEMENT = re.compile(r"Element '([A-Za-z0-9]+)'")


class _Nothing:
    """A parser target that keeps no tree: memory stays flat. A DOCTYPE, hence any entity, is refused as it begins."""

    def doctype(self, *_names: object) -> None:
        """No file of ours has one."""
        raise SchemaMismatchError("Le fichier XML contient un DOCTYPE : il n'est ni lu ni publié.")

    def close(self) -> None:
        """End of document."""


def validate_xml(path: Path, xsd: Path | None = None) -> None:
    """Check a finished file, in flat memory, without entities or network.

    Raises:
        SchemaMismatchError: names the element, and the elector by her rank in the file; never a value.
    """
    schema = load_schema(xsd or OUR_XSD)
    target: Any = _Nothing()
    parser = etree.XMLParser(schema=schema, target=target, resolve_entities=False, no_network=True, huge_tree=True)
    try:
        etree.parse(path, parser)  # `feed` would not fill the error log
        faults = [fault.message for fault in parser.error_log]
    except etree.XMLSyntaxError as error:
        faults = [error.msg or ""]
    if faults:
        message = faults[0]
        raise SchemaMismatchError(
            f"Le fichier XML ne suit pas le schéma {(xsd or OUR_XSD).name}{_where(path, schema, message)}."
        )


@lru_cache(maxsize=2)
def load_schema(xsd: Path) -> etree.XMLSchema:
    """Read an XSD.

    Raises:
        SchemaMismatchError: it cannot be read, or is not an XSD.
    """
    try:
        return etree.XMLSchema(etree.parse(xsd, etree.XMLParser(resolve_entities=False, no_network=True)))
    except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise SchemaMismatchError(f"Schéma XSD illisible : {xsd} ({type(error).__name__}).") from None


def _where(path: Path, schema: etree.XMLSchema, message: str) -> str:
    """The element at fault, and the elector when it is one of hers; slow, for failures only."""
    found = _ELEMENT.search(message)
    if not found:
        return ""
    with path.open("rb") as stream:
        rank = _find_electeur(stream, schema, found[1])
    return f" : élément {found[1]}" + (f", électeur n° {rank} du fichier" if rank else "")


def _find_electeur(stream: BinaryIO, schema: etree.XMLSchema, element: str) -> int | None:
    """The rank of the first elector who alone does not follow the schema; None when the fault is above the electors."""
    header: list[etree._Element] = []
    rank = 0
    try:
        for _, node in etree.iterparse(stream, resolve_entities=False, no_network=True, huge_tree=True):
            parent = node.getparent()
            if parent is None or parent.getparent() is not None:
                continue
            if node.tag != "Electeur":
                header.append(node)
                continue
            rank += 1
            if element in {parent.tag, *(part.tag for part in header)}:
                return None
            alone = etree.Element(parent.tag)
            alone.extend([copy.deepcopy(part) for part in (*header, node)])
            if not schema.validate(alone):
                return rank
            parent.remove(node)
    except etree.XMLSyntaxError:
        return None
    return None
