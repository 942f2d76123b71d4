"""Other people's eyes on our PDF files: poppler reads them, PDFBox says whether they are PDF/A-1b."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.parts.packages import Part, require

_JARS = "/usr/share/java"
_VALIDATOR = "org.apache.pdfbox.preflight.Validator_A1b"
_XHTML = "{http://www.w3.org/1999/xhtml}"


class Jars(Part):
    """A Java library: its files are read, not run."""

    def find(self, program: str) -> Path | None:
        """The library's file."""
        for place in self.places:
            if os.access(found := Path(place) / program, os.R_OK):
                return found
        return None


POPPLER = Part("poppler", "poppler-utils", ("pdftotext", "pdffonts"))
JAVA = Part("Java", "default-jre-headless", ("java",))
PREFLIGHT = (
    Jars(
        "PDFBox Preflight",
        "libpdfbox2-java",
        ("preflight.jar", "xmpbox.jar", "pdfbox2.jar", "fontbox2.jar", "commons-logging.jar"),
        (_JARS,),
    ),
    Jars("JavaBeans Activation", "libactivation-java", ("javax.activation.jar",), (_JARS,)),
    Jars("JAXB", "libjaxb-api-java", ("jaxb-api.jar",), (_JARS,)),
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


def check_archive(pdf: Path) -> str:
    """What PDFBox Preflight finds wrong in a file that says it is a PDF/A-1b; empty when it is one."""
    for part in (JAVA, *PREFLIGHT):
        require(part)
    jars = ":".join(str(part.program(jar)) for part in PREFLIGHT for jar in part.programs)
    done = subprocess.run(
        ["java", f"-Dpdfbox.fontcache={pdf.parent}", "-cp", jars, _VALIDATOR, str(pdf)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if "is a valid PDF/A-1b file" in done.stdout and done.returncode == 0 else done.stdout + done.stderr


def read_text(pdf: Path) -> str:
    """The text as poppler extracts it, pages apart by form feeds."""
    return _run("pdftotext", "-raw", str(pdf), "-")


def read_words(pdf: Path) -> list[Word]:
    """Each word with its place."""
    document = ET.fromstring(_run("pdftotext", "-bbox", str(pdf), "-"))  # noqa: S314 — poppler's
    return [
        Word(word.text or "", number, *(float(word.attrib[edge]) for edge in ("xMin", "yMin", "xMax", "yMax")))
        for number, page in enumerate(document.iter(f"{_XHTML}page"), start=1)
        for word in page.iter(f"{_XHTML}word")
    ]


def read_fonts(pdf: Path) -> dict[str, tuple[bool, bool, bool]]:
    """Each font: whether it is embedded, a subset, and says which characters its codes are."""
    lines = _run("pdffonts", str(pdf)).splitlines()[2:]
    found = (re.match(r"(\S+) .* (yes|no) +(yes|no) +(yes|no) +\d+ +\d+$", line) for line in lines)
    return {match[1]: (match[2] == "yes", match[3] == "yes", match[4] == "yes") for match in found if match}


def _run(*arguments: str) -> str:
    require(POPPLER)
    return subprocess.run(arguments, capture_output=True, check=True).stdout.decode()
