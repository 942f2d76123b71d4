"""The search for the files that cost most to read and clean, for each KB: seconds of the processor and MiB."""

import io
import tracemalloc
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings, target
from hypothesis import strategies as st

from common.apart import TooMuchWorkError, run_apart
from schemas.profiles.source import read_reu
from tests.parts.reading import measure
from tests.ruined.archives import SHEET, pack, rewrite, rows_of, workbook
from tests.unit.reu_sample import TITLES
from worker.registre.imports.file import budget
from worker.registre.imports.report import Rejection, RejectReport
from worker.registre.reu.guess import describe_matching
from worker.registre.reu.lines import MOST_UNKNOWN, open_reu

LEAST_BYTES = 16 << 10
"""A smaller file counts as one of this size: each file costs something."""

MOST = 200_000
"""Characters to which a piece of a file is repeated; twenty times more where the file is compressed."""

_TEXTS = [
    '"',
    'x";"',
    ";",
    ",",
    "\n",
    "\r",
    "\0",
    "e\u0301\u0316",
    '"\n',
    "\t",
    ";" * 26 + "\n",
    '"x\n";',
    'x";"\n',
]
_CELLS = [
    "<c/>",
    '<c r="XFD1"/>',
    "<c><v>1</v></c>",
    '<c t="s"><v>0</v></c>',
    '<c s="1"><v>44635</v></c>',
    "<c><f>A1</f><v>x</v></c>",
    '<c t="inlineStr"><is><r><t>x</t></r></is></c>',
]
_XMLS = [
    SHEET,
    "<a/>",
    "<a>",
    "x",
    "&amp;",
    "<si><t>x</t></si>",
    "<si/>",
    "<r><t/></r>",
    '<a b="c"/>',
    "<numFmt/>",
]
_PARTS = [
    ("xl/workbook.xml", "</workbook>"),
    ("xl/workbook.xml", "</sheets>"),
    ("xl/styles.xml", "</styleSheet>"),
    ("xl/sharedStrings.xml", "</sst>"),
    ("[Content_Types].xml", "</Types>"),
]
_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHARED = f'<sst xmlns="{_SPREADSHEET}"><si><t>\U0001f600{"x " * 50}</t></si></sst>'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_NAMED = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}"/></Types>'


def _book(rows: Iterable[Sequence[object]]) -> bytes:
    """A workbook of these rows that has a shared text too."""
    named = rewrite(workbook(rows), "[Content_Types].xml", "</Types>", _NAMED)
    with zipfile.ZipFile(io.BytesIO(named)) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    return pack(files | {"xl/sharedStrings.xml": _SHARED.encode()})


_TITLE_LINES = [
    ";".join(TITLES),
    "sexes;liste;vote;ville",
    ";".join(f"{it} {'e' * 90}" for it in range(100)),
]
_BOOK, _WIDE_BOOK = _book(rows_of(2)), _book([[f"colonne {it}" for it in range(100)]])


def _repeated(pieces: list[str], most: int) -> st.SearchStrategy[str]:
    """Some pieces in a row, repeated to at most so many characters; then some others."""

    def repeat(some: list[str], size: int) -> str:
        return "".join(some) * (size // len("".join(some)))

    some = st.lists(st.sampled_from(pieces), min_size=1, max_size=4)
    run = st.builds(repeat, some, st.sampled_from([most // 50, most // 4, most]))
    return st.lists(run, min_size=1, max_size=2).map("".join)


_CSV = st.builds("{}\n{}".format, st.sampled_from(_TITLE_LINES), _repeated(_TEXTS, MOST)).map(
    str.encode
)


@st.composite
def _zip(draw: st.DrawFn) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(
        into, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    ) as archive:
        archive.writestr("liste.csv", draw(_CSV) * draw(st.integers(1, 20)))
        for place in range(draw(st.integers(0, 250))):
            archive.writestr(f"{place}.txt", "x" * draw(st.sampled_from([0, MOST])))
    return into.getvalue()


@st.composite
def _xlsx(draw: st.DrawFn) -> bytes:
    cells = draw(st.sampled_from(_CELLS)) * draw(st.one_of(st.just(100), st.integers(1, 20_000)))
    row = draw(
        st.sampled_from(["<row>{}</row>", '<row r="1048576">{}</row>', "<row/>", "{}"])
    ).format(cells)
    rows = row * min(draw(st.integers(1, MOST)), 1 + 20 * MOST // len(row))
    book = draw(st.sampled_from([_BOOK, _WIDE_BOOK]))
    return rewrite(book, "xl/worksheets/sheet1.xml", "</sheetData>", f"{rows}</sheetData>")


@st.composite
def _xml(draw: st.DrawFn) -> bytes:
    part, end = draw(st.sampled_from(_PARTS))
    return rewrite(_BOOK, part, end, draw(_repeated(_XMLS, 20 * MOST)) + end)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "most_seconds", "most_mib"),
    [(_CSV, 0.1, 0.5), (_zip(), 0.1, 2), (_xlsx(), 0.6, 16), (_xml(), 1, 24)],
    ids=["CSV", "ZIP", "XLSX", "XML"],
)
def test_no_file_costs_more_for_each_kb(
    files: st.SearchStrategy[bytes], most_seconds: float, most_mib: float, tmp_path: Path
) -> None:
    worst = {"s": (0.0, 0), "MiB": (0.0, 0)}

    @settings(max_examples=25, deadline=None, phases=[Phase.generate, Phase.target], database=None)
    @given(files)
    def search(content: bytes) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)
        limits = budget(len(content), 1 << 20)
        with path.open("rb") as file:
            try:
                [(seconds, mib)] = run_apart(measure, [file], limits, len(TITLES))
            except TooMuchWorkError:
                seconds, mib = limits.cpu_seconds, limits.memory_bytes >> 20
        size = max(len(content), LEAST_BYTES) / 1024
        for unit, value in (("s", seconds / size), ("MiB", mib / size)):
            target(value, label=unit)
            worst[unit] = max(worst[unit], (value, len(content)))

    search()
    found = [
        f"{value:.4f} {unit} for each KB, by {size} bytes" for unit, (value, size) in worst.items()
    ]
    print(*found, sep="\n")  # noqa: T201 — the result of the search: pytest -s
    assert worst["s"][0] <= most_seconds
    assert worst["MiB"][0] <= most_mib


_SEXES = "\n".join([_TITLE_LINES[1], *(f"{it}{'x' * 5_000};;;" for it in range(300))])
_ROWS = f"<row>{_CELLS[3] * 100}</row>" * 10
_LONG_BOOK = rewrite(_WIDE_BOOK, "xl/sharedStrings.xml", "x x", "x " * 7_000)


@pytest.mark.parametrize(
    "content",
    [
        pack({"liste.csv": _SEXES.encode()}),
        rewrite(_LONG_BOOK, "xl/worksheets/sheet1.xml", "</sheetData>", f"{_ROWS}</sheetData>"),
    ],
    ids=["values", "cells"],
)
def test_to_fill_the_memory_by_questions_about_a_file(content: bytes, tmp_path: Path) -> None:
    """8 GiB of the worker by a workbook, and 18 MB of a page by a ZIP of 20 KB."""
    (path := tmp_path / "file").write_bytes(content)
    file = open_reu(path, read_reu(), {})
    tracemalloc.start()
    matching = describe_matching(file, read_reu(), {}).matching
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(matching.values) <= MOST_UNKNOWN
    assert len(matching.model_dump_json()) < 64 << 10
    assert max(map(len, matching.choices(matching.fields[0]).values())) < 70
    assert peak < 32 << 20


def test_to_fill_a_page_by_reasons_of_rejection() -> None:
    report = RejectReport(None)
    for number in range(1000):
        report.add(Rejection(number, "", f"{number} colonnes au lieu de 27"))
    assert len(report.reasons) < 200
    assert report.reasons.total() == 1000
