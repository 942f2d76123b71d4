"""Our XSD follows the table of columns; an invalid file is refused without quoting any elector."""

import errno
import resource
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.profiles.platform import SHIPPED, read_shipped
from tests.golden.cases import FOLDER
from worker.errors import SchemaMismatchError
from worker.writers.electeurs_file import load_schema, validate_xml

OUR_XSD = (SHIPPED.parent / "../liste_electorale.xsd").resolve()
COLUMNS = list(read_shipped().form.columns)
ENTETE, IDENTITE, ADRESSE = COLUMNS[:6], COLUMNS[6:20], COLUMNS[20:]
XS = "{http://www.w3.org/2001/XMLSchema}"
VALID = (FOLDER / "commune_ordinaire" / "P.xml").read_text("utf-8")
MISMATCH = "Le fichier XML ne suit pas le schéma liste_electorale.xsd"
NAMES = ("LANTERNE", "Ursule", "TAMBOURIN", "Nathanaël", "1962")


def _elements(schema: ET.Element, path: str) -> list[str]:
    return [element.attrib["name"] for element in schema.findall(path.replace("xs:", XS))]


def _write(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "liste.xml"
    path.write_text(content, "utf-8")
    return path


def _refusal(path: Path, xsd: Path = OUR_XSD) -> str:
    with pytest.raises(SchemaMismatchError) as caught:
        validate_xml(path, xsd)
    message = str(caught.value)
    assert not any(name in message for name in NAMES)
    return message


def test_the_schema_has_the_columns_in_their_order() -> None:
    schema = ET.parse(OUR_XSD).getroot()  # noqa: S314 — our own file
    sequence = "xs:complexType/xs:sequence/xs:element"
    top = _elements(schema, f"xs:element[@name='ListeElectorale']/{sequence}")
    electeur, adresse = (
        _elements(schema, f"xs:complexType[@name='{name}']/xs:sequence/xs:element")
        for name in ("Electeur", "AdresseElecteur")
    )
    assert top == [*ENTETE, "Electeur"]
    assert electeur == [*IDENTITE, "AdresseElecteur"]
    assert adresse == ADRESSE


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("<Sexe>M</Sexe>", "", " : élément {IDENTITE[2]}"),
        ("<{ADRESSE[2]}/>", "<{ADRESSE[2]}/><Etage>2</Etage>", " : élément Etage"),
        ("Nathanaël</", "Nathanaël<b/></", " : élément {IDENTITE[4]}"),
        ("<AdresseElecteur>", "<AdresseElecteur langue='fr'>", " : élément AdresseElecteur"),
        ("{ADRESSE[1]}", "Batiment", " : élément Batiment"),
        ("{ADRESSE[0]}/><{ADRESSE[1]}/>", "{ADRESSE[0]}/>", " : élément {ADRESSE[2]}"),
        ("{ADRESSE[0]}/>", "{ADRESSE[0]}><i/></{ADRESSE[0]}>", " : élément {ADRESSE[0]}"),
        (">G<", "><", " : élément TypeListe"),
        (">G<", ">Liste<", " : élément TypeListe"),
        (">25/11/2026<", ">39/11/2026<", " : élément DateCreationListe"),
        (">25/11/2026<", ">25/19/2026<", " : élément DateCreationListe"),
        (">13900</CodeCommune>", ">1390</CodeCommune>", " : élément CodeCommune"),
        (">25/11/2026<", ">2026-11-25<", " : élément DateCreationListe"),
        ("<InfoListe>L</InfoListe>\n", "", " : élément DateCreationListe"),
        ("ListeElectorale>", "Liste>", " : élément Liste"),
    ],
)
def test_a_tampered_file_is_refused_and_the_place_is_told(
    tmp_path: Path, old: str, new: str, where: str
) -> None:
    names = {"IDENTITE": IDENTITE, "ADRESSE": ADRESSE}
    old, new, where = (text.format(**names) for text in (old, new, where))
    assert old in VALID
    assert _refusal(_write(tmp_path, VALID.replace(old, new))) == f"{MISMATCH}{where}."


_CUT = [VALID[:length] for length in (0, 1, 60, len(VALID) // 2, len(VALID) - 3)]
_NO_XML = [VALID.replace("LANTERNE", wrong) for wrong in ("\x0b", "&", "&nbsp;", "\ufffe")]


@pytest.mark.parametrize("text", [*_CUT, *_NO_XML], ids=range(9))
def test_what_is_truncated_or_not_xml_is_refused(tmp_path: Path, text: str) -> None:
    assert _refusal(_write(tmp_path, text)).startswith(MISMATCH)


_DEFINITIONS = (
    '"M" ',
    'SYSTEM "secret.txt" ',
    'SYSTEM "http://127.0.0.1:9/secret" ',
    '"&twice;&twice;"> <!ENTITY twice "M"',
)


@pytest.mark.parametrize(
    "dtd", ['SYSTEM "liste.dtd"', *(f"[<!ENTITY sexe {it}>]" for it in _DEFINITIONS)]
)
def test_an_entity_or_a_dtd_elsewhere_is_never_read(tmp_path: Path, dtd: str) -> None:
    (tmp_path / "secret.txt").write_text("M")
    (tmp_path / "liste.dtd").write_text('<!ENTITY sexe "M">')
    doctype = f"<!DOCTYPE ListeElectorale {dtd}>\n<ListeElectorale>"
    tampered = VALID.replace("<ListeElectorale>", doctype, 1).replace(
        "<Sexe>M</Sexe>", "<Sexe>&sexe;</Sexe>", 1
    )
    assert (
        _refusal(_write(tmp_path, tampered))
        == "Le fichier XML contient un DOCTYPE : il n'est ni lu ni publié."
    )


@pytest.mark.parametrize("content", [None, b"", b"<xs:schema", b"<html/>", b"\xff\xfe"])
def test_a_schema_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    xsd = tmp_path / "ministere.xsd"
    if content is not None:
        xsd.write_bytes(content)
    with pytest.raises(SchemaMismatchError, match=r"Schéma XSD illisible : .*ministere\.xsd"):
        load_schema(xsd)


def test_who_may_open_nothing_more_takes_neither_schema_nor_file_for_wrong(tmp_path: Path) -> None:
    """Before, a worker without descriptors failed valid XML files."""
    path = _write(tmp_path, VALID)
    for is_schema_known in (False, True):
        load_schema.cache_clear()
        if is_schema_known:
            load_schema(OUR_XSD)
        with _without_descriptors(), pytest.raises(OSError) as caught:  # noqa: PT011 — the code says which
            validate_xml(path, OUR_XSD)
        assert caught.value.errno == errno.EMFILE
    validate_xml(path, OUR_XSD)


@contextmanager
def _without_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_a_huge_file_is_checked_without_a_tree(tmp_path: Path) -> None:
    head, *electeurs, tail = VALID.splitlines(keepends=True)
    head += "".join(electeurs[:7])
    path = _write(tmp_path, head + "".join(electeurs[7:]) * 2_000 + tail)
    validate_xml(path, OUR_XSD)
    path.write_text(head + "".join(electeurs[7:]) * 2_000 + "<Electeur/>\n" + tail, "utf-8")
    assert _refusal(path) == f"{MISMATCH} : élément Electeur."
