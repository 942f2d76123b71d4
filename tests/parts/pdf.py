"""Independent readers of our PDF files: poppler extracts text and tags, PDFBox checks PDF/A-1b, pdfua PDF/UA-1."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pikepdf

from tests.parts.packages import Files, Part, require

_JARS = "/usr/share/java"
_VALIDATOR = "org.apache.pdfbox.preflight.Validator_A1b"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_TEN_MM = 28.35
_PAGE_WIDTH, _PAGE_HEIGHT = 841.89, 595.28
_TOUCH = 0.6
"""Tolerances between boxes of words, in points: a box has the font's width, which letters may fill."""


POPPLER = Part("poppler", "poppler-utils", ("pdftotext", "pdffonts", "pdfinfo"))
JAVA = Part("Java", "default-jre-headless", ("java",))
PREFLIGHT = (
    Files(
        "PDFBox Preflight",
        "libpdfbox2-java",
        ("preflight.jar", "xmpbox.jar", "pdfbox2.jar", "fontbox2.jar", "commons-logging.jar"),
        (_JARS,),
    ),
    Files("JavaBeans Activation", "libactivation-java", ("javax.activation.jar",), (_JARS,)),
    Files("JAXB", "libjaxb-api-java", ("jaxb-api.jar",), (_JARS,)),
)
PARTS = (POPPLER, JAVA, *PREFLIGHT)


@dataclass(frozen=True)
class Word:
    """A word on a page, in points from the top left corner."""

    text: str
    page: int
    left: float
    top: float
    right: float
    bottom: float


def check_archive(*pdfs: Path) -> str:
    """PDFBox Preflight's findings in files that claim to be PDF/A-1b; empty when they all are."""
    for part in (JAVA, *PREFLIGHT):
        require(part)
    jars = ":".join(str(part.program(jar)) for part in PREFLIGHT for jar in part.programs)
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names"
        names.write_text("\n".join(map(str, pdfs)))
        done = subprocess.run(
            ["java", f"-Dpdfbox.fontcache={folder}", "-cp", jars, _VALIDATOR, "group", str(names)],
            capture_output=True,
            text=True,
            check=False,
        )
    are_valid = done.returncode == 0 and done.stdout.count("is a valid PDF/A-1b file") == len(pdfs)
    return "" if are_valid else done.stdout + done.stderr


def check_accessible(pdf: Path) -> list[str]:
    """The findings of pdfua in a file; it knows 16 of the 106 rules of PDF/UA-1."""
    from pdfua import validate

    return [f"{finding.rule_id} {finding.message}" for finding in validate(str(pdf)).findings]


def read_aloud(pdf: Path) -> str:
    """The tags in reading order, each with its text, as a screen reader gets them."""
    return _run("pdfinfo", "-struct-text", str(pdf))


def read_elements(pdf: Path) -> Iterator[tuple[str, list[str]]]:
    """Each title, paragraph and row of a table, by its tag, with its text or the text of each cell.

    The content of `read_aloud` in a thirtieth of its time, since poppler draws the page again for each tag.
    """
    with pikepdf.open(pdf) as document:
        texts: dict[Any, dict[int, str]] = {
            page.objgen: _texts_of_page(page) for page in document.pages
        }
        for element in _leaves(document.Root.StructTreeRoot):
            cells = _kids(element) if element.S == "/TR" else [element]
            said = [
                "".join(texts[it.Pg.objgen][mark] for mark in _kids(it)).rstrip() for it in cells
            ]
            yield str(element.S).removeprefix("/"), said


def _leaves(element: pikepdf.Object) -> Iterator[pikepdf.Object]:
    for kid in _kids(element):
        is_leaf = kid.S == "/TR" or isinstance(_kids(kid)[0], int)
        yield from [kid] if is_leaf else _leaves(kid)


def _kids(element: pikepdf.Object) -> list[Any]:
    return list(element.K) if isinstance(element.K, pikepdf.Array) else [element.K]


def _texts_of_page(page: pikepdf.Page) -> dict[int, str]:
    """The text of each marked part: our fonts have one byte per character."""
    fonts = {name: _characters(font) for name, font in page.Resources.Font.items()}
    texts: dict[int, str] = {}
    mark, font = -1, ""
    for step in pikepdf.parse_content_stream(page):
        operands = step.operands
        match str(step.operator):
            case "BDC" | "BMC":
                mark = int(operands[1].get("/MCID", -1)) if len(operands) > 1 else -1
                texts.setdefault(mark, "")
            case "EMC":
                mark = -1
            case "Tf":
                font = str(operands[0])
            case "Tj" | "TJ" if mark >= 0:
                shown = [operands[0]] if str(step.operator) == "Tj" else list(operands[0])
                strings = (bytes(it) for it in shown if isinstance(it, pikepdf.String))
                texts[mark] += "".join(fonts[font][code] for string in strings for code in string)
    return texts


def _characters(font: pikepdf.Object) -> dict[int, str]:
    """The character of each code of a font, by its `ToUnicode`."""
    pairs = re.findall(rb"<(\w\w)> <((?:\w{4})+)>", font.ToUnicode.read_bytes())
    return {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}


def read_text(pdf: Path) -> str:
    """The text as poppler extracts it, with form feeds between pages."""
    return _run("pdftotext", "-raw", str(pdf), "-")


def read_words(pdf: Path) -> list[Word]:
    document = ET.fromstring(_run("pdftotext", "-bbox", str(pdf), "-"))  # noqa: S314 — poppler's
    return [
        Word(
            word.text or "",
            number,
            *(float(word.attrib[edge]) for edge in ("xMin", "yMin", "xMax", "yMax")),
        )
        for number, page in enumerate(document.iter(f"{_XHTML}page"), start=1)
        for word in page.iter(f"{_XHTML}word")
    ]


def find_outside(
    words: list[Word], size: tuple[float, float] = (_PAGE_WIDTH, _PAGE_HEIGHT)
) -> list[Word]:
    """The words that a town hall's printer may not print: within 10 mm of an edge, by default of A4 landscape."""
    right, bottom = (edge - _TEN_MM for edge in size)
    return [
        word
        for word in words
        if min(word.left, word.top) < _TEN_MM or word.right > right or word.bottom > bottom
    ]


def find_overlaps(words: list[Word]) -> list[tuple[Word, Word]]:
    ordered = sorted(words, key=lambda word: (word.page, word.top))
    found = []
    for index, word in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.page != word.page or other.top >= word.bottom - _TOUCH:
                break
            if min(word.right, other.right) - max(word.left, other.left) > _TOUCH:
                found.append((word, other))
    return found


def _run(*arguments: str) -> str:
    require(POPPLER)
    return subprocess.run(arguments, capture_output=True, check=True).stdout.decode()
