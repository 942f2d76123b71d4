"""Jobs that draw a tableau: ours, openElec's engine (FPDF), and the usual way to draw a long table with ReportLab.

Ours wraps every value, embeds a Unicode font, is tagged and a PDF/A-1b. FPDF with a core font and LongTable do none of
that; FPDF with an embedded font wraps too, in cp1252 since it knows no Unicode. Rows are the same.
"""

import resource
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Measure, Stopwatch
from bench.people import PRINCIPALE, count_bureaux, iter_liste, ville_of
from bench.registers import Task
from tests.parts.packages import Files, Part
from worker.demo.libreville import LIBREVILLE

FPDF = (
    Part("PHP", "php-cli", ("php",)),
    Files("FPDF", "php-fpdf", ("fpdf.php", "makefont/makefont.php"), ("/usr/share/php/fpdf",)),
)
"""The Debian packages of FPDF."""

_FONT = Path(__file__).parents[1] / "worker/pdf/fonts/DejaVuSansCondensed.ttf"
_TITRES = (
    "N°",
    "Nom de naissance",
    "Nom d’usage",
    "Prénoms",
    "Naissance",
    "Adresse",
    "Bureau",
    "Motif",
)
_WIDTHS = (34, 111, 89, 99, 125, 159, 54, 99)
_HEIGHT = 13.6
_CHUNK = 500
"""Rows of one LongTable: the time of one table grows with the square of its rows; few rows cost more tables."""


def _rows(count: int) -> Iterator[tuple[str, ...]]:
    ville = ville_of(*LIBREVILLE)
    for number, it in enumerate(iter_liste(ville, count_bureaux(count), PRINCIPALE, count), 1):
        yield (
            str(number),
            it.nom,
            it.nom_usage,
            it.prenoms.replace(" ", ", "),
            f"{it.date_naissance} à {it.commune_naissance} ({it.departement_naissance})",
            f"{it.numero_voie} {it.voie}, {it.code_postal} {it.ville}",
            it.bureau,
            "Inscription volontaire",
        )


def ours(task: Task) -> Measure:
    """Measure our drawing, with all lines in memory. The faces are read before, as in a worker; so is FPDF's font."""
    from worker.domain.tableau.model import Bilan, Ligne, Partie, Section, Tableau
    from worker.pdf.font import load_face
    from worker.pdf.render import render_tableau

    load_face("regular")
    load_face("bold")
    names = (
        "numero",
        "nom_naissance",
        "nom_usage",
        "prenoms",
        "naissance",
        "adresse",
        "bureau",
        "motif",
    )
    lignes = tuple(
        Ligne(nationalite="", **dict(zip(names, it, strict=True))) for it in _rows(task.size)
    )
    partie = Partie(
        "I. Additions (inscriptions)", lignes, f"Total des additions : {len(lignes)} électeurs"
    )
    section = Section(
        "", "Commune de LIBREVILLE", (partie,), Bilan(len(lignes), len(lignes), 0, 0, 0, 0)
    )
    tableau = Tableau(
        "vingt_jours", "commune", "Tableau des vingt jours", "Code électoral, art. R. 13", "LIBREVILLE", "13900",
        "Liste principale", "Scrutin du 11 avril 2027", "Édité le 25/11/2026 à 09:30",
        is_provisoire=False, sections=(section,), signatures=None,
    )  # fmt: skip
    with Stopwatch() as watch, (task.folder / "ours.pdf").open("wb") as sink:
        render_tableau(tableau, sink)
    return watch.measure(lines=task.size)


def long_table(task: Task) -> Measure:
    """Measure a LongTable: fixed heights, an embedded font, headings repeated, nothing wrapped."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import Flowable, LongTable, SimpleDocTemplate, TableStyle

    registerFont(TTFont("DejaVu", str(_FONT)))
    style = TableStyle(
        [
            ("FONT", (0, 0), (-1, -1), "DejaVu", 7.5),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#cccccc"),
        ]
    )
    content, path = list(_rows(task.size)), task.folder / "table.pdf"
    with Stopwatch() as watch:
        tables: list[Flowable] = [
            LongTable([_TITRES, *chunk], _WIDTHS, [_HEIGHT] * (len(chunk) + 1), style, repeatRows=1)
            for chunk in (
                content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)
            )
        ]
        SimpleDocTemplate(str(path), pagesize=landscape(A4), initialFontName="DejaVu").build(tables)
    return watch.measure(lines=task.size)


def fpdf(task: Task) -> Measure:
    """Measure PHP's drawing with a core font, nothing wrapped: its process, which starts in a hundredth of a second."""
    return _run_php(task, "baseline.php", task.folder / "fpdf.pdf")


def fpdf_wrapped(task: Task) -> Measure:
    """Measure PHP's drawing with the features of ours except tags and Unicode; the font is embedded as a subset."""
    script = FPDF[1].program("makefont/makefont.php")
    command = [str(FPDF[0].program("php")), str(script), str(_FONT), "cp1252", "true", "true"]
    subprocess.run(command, cwd=task.folder, check=True, capture_output=True)  # noqa: S603 — Debian's PHP and FPDF
    return _run_php(task, "baseline_wrapped.php", task.folder / "fpdf.pdf", task.folder)


def _run_php(task: Task, script: str, *arguments: Path) -> Measure:
    text = "".join("\t".join(values) + "\n" for values in _rows(task.size))
    command = [FPDF[0].program("php"), Path(__file__).with_name(script), *arguments]
    before = _cpu_of_children()
    with Stopwatch() as watch:
        subprocess.run(command, input=text.encode(), check=True)  # noqa: S603 — Debian's PHP, our script
    return replace(watch.measure(lines=task.size), cpu=_cpu_of_children() - before)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
