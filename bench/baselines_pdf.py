"""The baselines of PDF files: openElec's engine (FPDF), and the usual way to draw a long table with ReportLab.

Ours wraps every value, embeds a Unicode font, is tagged and a PDF/A-1b. FPDF with a core font and LongTable do none of
that; FPDF with an embedded font wraps too, in cp1252 since it knows no Unicode. Rows are the same.
"""

import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.measure import MEGA, Measure, Stopwatch
from bench.registers import Task
from tests.parts.packages import Files, Part

FPDF = (
    Part("PHP", "php-cli", ("php",)),
    Files("FPDF", "php-fpdf", ("fpdf.php", "makefont/makefont.php"), ("/usr/share/php/fpdf",)),
)
"""The Debian packages of `draw_fpdf`."""

Values = tuple[str, ...]

_SCRIPT, _WRAPPED = Path(__file__).with_name("baseline.php"), Path(__file__).with_name("baseline_wrapped.php")
_FONT = Path(__file__).parents[1] / "worker/pdf/fonts/DejaVuSansCondensed.ttf"
_TITRES = ("N°", "Nom de naissance", "Nom d’usage", "Prénoms", "Naissance", "Adresse", "Bureau", "Motif")
_WIDTHS = (34, 111, 89, 99, 125, 159, 54, 99)
_HEIGHT = 13.6
_CHUNK = 500
"""Rows of one LongTable: the time of one table grows with the square of its rows; few rows cost more tables."""

_NOMS = ("MARTIN", "LEFÈVRE", "D'AUBIGNÉ", "DE LA ROCHEFOUCAULD", "BEN ABDALLAH", "LE GOFF", "ROUX")
_PRENOMS = ("Marie", "Zoé", "François-Xavier", "Anaïs", "Noël", "Chloé", "Théo", "Maëlys", "Hugo")
_VILLES = ("MARSEILLE (13)", "AIX-EN-PROVENCE (13)", "SAINT-ÉTIENNE (42)", "ORAN (Algérie)", "GAP (05)")
_VOIES = ("RUE DE LA RÉPUBLIQUE", "BOULEVARD DU GÉNÉRAL DE GAULLE", "IMPASSE DES LILAS", "ROUTE D'AUBAGNE")
_MOTIFS = ("Inscription volontaire", "Inscription d’office", "Changement de bureau", "Radiation : autre commune")
_RARE = 100


def rows(count: int) -> Iterator[Values]:
    """Yield invented lines: some addresses and places wrap, one name in a hundred is outside Latin-1."""
    r = random.Random(count)
    for number in range(1, count + 1):
        yield (
            str(number),
            "Šťastný" if number % _RARE == 0 else r.choice(_NOMS),
            r.choice(("", r.choice(_NOMS))),
            ", ".join(r.sample(_PRENOMS, r.choice((1, 1, 2, 3)))),
            f"{r.randint(1, 28):02d}/{r.randint(1, 12):02d}/{r.randint(1930, 2008)} à {r.choice(_VILLES)}",
            f"{r.randint(1, 150)} {r.choice(_VOIES)}, 13900 LIBREVILLE",
            f"{r.randint(1, 12):04d}",
            r.choice(_MOTIFS),
        )


def ours(task: Task) -> Measure:
    """Measure our drawing, with all lines in memory."""
    return _measure(draw_ours, task)


def long_table(task: Task) -> Measure:
    """Measure ReportLab's drawing of a LongTable."""
    return _measure(draw_long_table, task)


def fpdf(task: Task) -> Measure:
    """Measure PHP's drawing with a core font, nothing wrapped: its process, which starts in a hundredth of a second."""
    return _measure_child(draw_fpdf, task)


def fpdf_wrapped(task: Task) -> Measure:
    """Measure PHP's drawing with the features of ours except tags and Unicode."""
    make_font(Path(task.folder))
    return _measure_child(draw_fpdf_wrapped, task)


def draw_ours(lines: Iterable[Values], path: Path) -> Callable[[], None]:
    """Return the drawing of a tableau of one part. The faces are read before, as in a worker; so is FPDF's font."""
    from worker.domain.tableau.model import Bilan, Ligne, Partie, Section, Tableau
    from worker.pdf.font import load_face
    from worker.pdf.render import render_tableau

    load_face("regular")
    load_face("bold")
    names = ("numero", "nom_naissance", "nom_usage", "prenoms", "naissance", "adresse", "bureau", "motif")
    lignes = tuple(Ligne(nationalite="", **dict(zip(names, values, strict=True))) for values in lines)
    partie = Partie("I. Additions (inscriptions)", lignes, f"Total des additions : {len(lignes)} électeurs")
    section = Section("", "Commune de LIBREVILLE", (partie,), Bilan(len(lignes), len(lignes), 0, 0, 0, 0))
    tableau = Tableau(
        "vingt_jours", "commune", "Tableau des vingt jours", "Code électoral, art. R. 13", "LIBREVILLE", "13900",
        "Liste principale", "Scrutin du 11 avril 2027", "Édité le 25/11/2026 à 09:30",
        is_provisoire=False, sections=(section,), signatures=None,
    )  # fmt: skip

    def draw() -> None:
        with path.open("wb") as sink:
            render_tableau(tableau, sink)

    return draw


def draw_long_table(lines: Iterable[Values], path: Path) -> Callable[[], None]:
    """Return the drawing of a LongTable: fixed heights, an embedded font, headings repeated, nothing wrapped."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import Flowable, LongTable, SimpleDocTemplate, TableStyle

    registerFont(TTFont("DejaVu", str(_FONT)))
    style = TableStyle([("FONT", (0, 0), (-1, -1), "DejaVu", 7.5), ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#cccccc")])
    content = list(lines)

    def draw() -> None:
        tables: list[Flowable] = [
            LongTable([_TITRES, *chunk], _WIDTHS, [_HEIGHT] * (len(chunk) + 1), style, repeatRows=1)
            for chunk in (content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK))
        ]
        SimpleDocTemplate(str(path), pagesize=landscape(A4), initialFontName="DejaVu").build(tables)

    return draw


def draw_fpdf(lines: Iterable[Values], path: Path) -> None:
    """Draw with FPDF as openElec uses it."""
    _run_php(lines, _SCRIPT, path)


def draw_fpdf_wrapped(lines: Iterable[Values], path: Path) -> None:
    """Draw with FPDF and the font of `make_font` beside the file, each value wrapped in its column."""
    _run_php(lines, _WRAPPED, path, path.parent)


def make_font(folder: Path) -> None:
    """Convert our font for FPDF, embedded as a subset."""
    script = FPDF[1].program("makefont/makefont.php")
    command = [str(FPDF[0].program("php")), str(script), str(_FONT), "cp1252", "true", "true"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603 — Debian's PHP and FPDF


def _run_php(lines: Iterable[Values], script: Path, *arguments: Path) -> None:
    text = "".join("\t".join(values) + "\n" for values in lines)
    php = FPDF[0].program("php")
    subprocess.run([php, script, *arguments], input=text.encode(), check=True)  # noqa: S603 — Debian's PHP, our script


def _measure_child(draw: Callable[[Iterable[Values], Path], None], task: Task) -> Measure:
    path, before = _path(task), _cpu_of_children()
    begun = time.perf_counter()
    draw(rows(task.size), path)
    wall = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MEGA
    return Measure(wall, _cpu_of_children() - before, peak, _take_away(path), lines=task.size)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _measure(prepare: Callable[[Iterable[Values], Path], Callable[[], None]], task: Task) -> Measure:
    path = _path(task)
    draw = prepare(rows(task.size), path)
    with Stopwatch() as watch:
        draw()
    return watch.measure(size=_take_away(path), lines=task.size)


def _path(task: Task) -> Path:
    return Path(task.folder) / "tableau.pdf"


def _take_away(path: Path) -> int:
    """Remove a file and return its size."""
    size = path.stat().st_size
    path.unlink()
    return size
