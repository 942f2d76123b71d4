"""What the PDF is compared with: openElec's engine (FPDF), and the way one draws a long table with ReportLab.

`python -m bench.baselines_pdf [LINES]` prints seconds of CPU, ratios and peaks; each measure has a process of its own.
Ours wraps every value, embeds a Unicode font and is a PDF/A-1b; the others do none of that. Rows are the same.
"""

import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.measure import Stopwatch, peak_of_this_process

Values = tuple[str, ...]

_FPDF = Path(__file__).with_name("baseline.php")
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
_TIMES = 5


def rows(count: int) -> Iterator[Values]:
    """Made-up lines: some addresses and places wrap, one name in a hundred is outside Latin-1."""
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


def write_ours(count: int, path: Path) -> None:
    """The tableau, all its lines in memory."""
    from worker.domain.tableau import Bilan, Ligne, Partie, Section, Tableau
    from worker.pdf.render import render_tableau

    names = ("numero", "nom_naissance", "nom_usage", "prenoms", "naissance", "adresse", "bureau", "motif")
    lignes = tuple(Ligne(nationalite="", **dict(zip(names, values, strict=True))) for values in rows(count))
    partie = Partie("I. Additions (inscriptions)", lignes, f"Total des additions : {count} électeurs")
    section = Section("", "Commune de LIBREVILLE", (partie,), Bilan(count, count, 0, 0, 0, 0))
    tableau = Tableau(
        "vingt_jours", "commune", "Tableau des vingt jours", "Code électoral, art. R. 13", "LIBREVILLE", "13900",
        "Liste principale", "Scrutin du 11 avril 2027", "Édité le 25/11/2026 à 09:30",
        is_provisoire=False, sections=(section,), signatures=None,
    )  # fmt: skip
    with path.open("wb") as sink, Stopwatch() as watch:
        render_tableau(tableau, sink)
    print(watch.cpu, peak_of_this_process())


def write_long_table(count: int, path: Path) -> None:
    """LongTable with fixed heights, an embedded font, headings repeated, nothing wrapped."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import Flowable, LongTable, SimpleDocTemplate, TableStyle

    registerFont(TTFont("DejaVu", str(Path(__file__).parents[1] / "worker/pdf/fonts/DejaVuSansCondensed.ttf")))
    style = TableStyle([("FONT", (0, 0), (-1, -1), "DejaVu", 7.5), ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#cccccc")])
    content = list(rows(count))
    with Stopwatch() as watch:
        tables: list[Flowable] = [
            LongTable([_TITRES, *chunk], _WIDTHS, [_HEIGHT] * (len(chunk) + 1), style, repeatRows=1)
            for chunk in (content[start : start + _CHUNK] for start in range(0, count, _CHUNK))
        ]
        SimpleDocTemplate(str(path), pagesize=landscape(A4), initialFontName="DejaVu").build(tables)
    print(watch.cpu, peak_of_this_process())


def write_fpdf(count: int, path: Path) -> None:
    """FPDF as openElec uses it; the time of PHP's process, which begins in a hundredth of a second."""
    text = "".join("\t".join(values) + "\n" for values in rows(count))
    subprocess.run(["php", _FPDF, path], input=text.encode(), check=True)  # noqa: S603, S607 — Debian's PHP
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


_WRITERS: dict[str, Callable[[int, Path], None]] = {
    "ours": write_ours,
    "fpdf": write_fpdf,
    "long_table": write_long_table,
}


def _measure(name: str, count: int) -> tuple[float, float]:
    done = subprocess.run(  # noqa: S603 — ourselves
        [sys.executable, "-m", "bench.baselines_pdf", name, str(count)], capture_output=True, text=True, check=True
    )
    cpu, peak = map(float, done.stdout.split())
    return cpu, peak


def main(arguments: list[str]) -> None:
    """Be one measure, or make them in turn."""
    if arguments and arguments[0] in _WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            _WRITERS[arguments[0]](int(arguments[1]), Path(folder) / "tableau.pdf")
        return
    count = int(arguments[0]) if arguments else 100_000
    samples = [{name: _measure(name, count) for name in _WRITERS} for _ in range(_TIMES)]
    for name in _WRITERS:
        cpu, peak = (median(sample[name][index] for sample in samples) for index in (0, 1))
        ratios = sorted(sample["ours"][0] / sample[name][0] for sample in samples)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"{name:10}  {cpu:6.2f} s cpu  {peak:5.0f} MB  ours / it: {median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main(sys.argv[1:])
