"""Diagnosis of an altered file: line by line comparison, reported in French sentences for clerks.

Uploaded files are read in a child process with limited processor time and memory, and without secrets: `python -m
producers.web.verifier.diagnosis`, called by `examine_apart` and `compare_apart`.
"""

import codecs
import csv
import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from common.file_kind import START, FileKind, UnreadableArchiveError, list_files, open_archive, recognise
from common.files import CHUNK
from common.french import count_of, format_number, format_size
from schemas.vocabulary import PIECES, FileFormat, Labelled

ARCHIVE_BYTES = 512 << 20
"""Maximum extracted size of an archive: the limit of an upload."""

COLUMNS = 29
"""Columns of the CSV of a list. Source: arrêté du 12 novembre 2013, art. 2."""

_PIECES = {stem: extension for stem, _, extension in (it.suffix.rpartition(".") for it in PIECES.values())}
_NAME = re.compile(
    r"(?P<file>(?:liste|tableau)-[A-Za-z0-9_-]+-\d{8}-\d{6})(?P<number>-[2-9]|-[1-9]\d{1,4})?"
    rf"(?P<piece>-(?:{'|'.join(FileFormat)})-(?:{'|'.join(_PIECES)}))?",
    re.ASCII,
)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$", re.ASCII)


@dataclass(frozen=True)
class UploadedFile:
    """Properties of an uploaded file; `lines` counts line ends, and a last line without one."""

    name: str
    size: int
    sha256: str
    kind: FileKind
    """The kind by its first bytes."""
    lines: int
    has_bom: bool
    has_crlf: bool
    is_utf8: bool
    separator: str
    """The most frequent of `;`, `,` and tab in the first line; empty without any."""
    has_quotes: bool

    @property
    def extension(self) -> str:
        match = _EXTENSION.search(self.name)
        return match[1].lower() if match else ""

    @property
    def is_zip(self) -> bool:
        return self.kind is FileKind.ZIP

    @property
    def is_workbook(self) -> bool:
        """Whether it is a workbook, by its name or its first bytes."""
        return self.kind is FileKind.OLD_OFFICE or (self.is_zip and self.extension in {"xlsx", "xlsm", "ods"})

    @property
    def likely_names(self) -> list[str]:
        """The possible original names, before a browser or a person changed the name."""
        match = _NAME.search(self.name)
        if not match:
            return []
        if match["piece"]:
            return [f"{match[0]}.{_PIECES[match['piece'].rpartition('-')[2]]}"]
        extensions = [*([self.extension] if self.extension in set(FileFormat) else []), *FileFormat]
        stems = dict.fromkeys((match[0], match["file"]))  # a browser may have added the number
        return [f"{stem}.{extension}" for stem in stems for extension in dict.fromkeys(extensions)]


class Examined(NamedTuple):
    file: UploadedFile
    entries: list[UploadedFile]
    unreadable: str


def examine(file: IO[bytes], name: str) -> UploadedFile:
    """Read a whole file, in pieces."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, ends, is_utf8, has_crlf, has_quotes = 0, 0, True, False, False
    starts = last = b""
    file.seek(0)
    while chunk := file.read(CHUNK):
        if size < CHUNK:
            starts += chunk[: CHUNK - size]
        digest.update(chunk)
        size += len(chunk)
        ends += chunk.count(b"\n")
        has_crlf = has_crlf or b"\r\n" in last + chunk
        has_quotes = has_quotes or b'"' in chunk
        if is_utf8:
            is_utf8 = _decodes(decoder, chunk)
        last = chunk[-1:]
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    return UploadedFile(
        name=name.replace("\\", "/").rpartition("/")[2][:255],
        size=size,
        sha256=digest.hexdigest(),
        kind=recognise(starts[:START]),
        lines=ends + (1 if size and last != b"\n" else 0),
        has_bom=starts.startswith(codecs.BOM_UTF8),
        has_crlf=has_crlf,
        is_utf8=is_utf8,
        separator=_separator(starts.partition(b"\n")[0]),
        has_quotes=has_quotes,
    )


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _separator(line: bytes) -> str:
    counts = {mark: line.count(mark) for mark in (b";", b",", b"\t")}
    best = max(counts, key=lambda mark: counts[mark])
    return best.decode() if counts[best] else ""


def examine_archive(file: IO[bytes]) -> Iterator[UploadedFile]:
    """Yield the properties of each file of an archive; the name is the whole path.

    Raises:
        UnreadableArchiveError: damaged, protected by a password, too many files or too large once extracted.
    """
    with open_archive(file, ARCHIVE_BYTES) as archive:
        for entry in list_files(archive):
            with archive.open(entry) as content:
                yield examine(content, entry.filename)


if TYPE_CHECKING:
    from producers.web.exports.query import AskedFile

CPU_SECONDS, MEMORY_BYTES, PATIENCE_SECONDS = 30, 768 << 20, 120
"""Limits per file: processor time in seconds, address space in bytes, total time in seconds."""

_ROOT = Path(__file__).parents[3]

_LONGEST = 1 << 16
"""Maximum characters of a line; longer lines are read, and counted, as several lines."""

_DATE = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}", re.ASCII)


class ValueChange(Labelled):
    """How a spreadsheet or a person changed a value; the label follows `a` or `ont`."""

    ZEROS = "zeros", "perdu ou gagné des zéros au début d'un nombre (code postal, bureau, département)"
    DATE = "date", "une date écrite autrement"
    LETTERS = "letters", "perdu des lettres accentuées"
    SPACES = "spaces", "des espaces en plus ou en moins"
    OTHER = "other", "une valeur changée"


@dataclass
class CsvComparison:
    """The lines of both files, and how many have a value changed in each way; line numbers start at 1."""

    made: int = 0
    found: int = 0
    changed: int = 0
    first: int | None = None
    has_same_titles: bool = True
    changes: Counter[ValueChange] = field(default_factory=Counter)


def compare(made: IO[bytes], file: IO[bytes], uploaded: UploadedFile) -> CsvComparison:
    """Compare both files line by line, whatever the upload's encoding and separator."""
    result = CsvComparison()
    encoding = "utf-8-sig" if uploaded.is_utf8 else "cp1252"
    before = _records(made, "utf-8", ";", is_bare=True)
    after = _records(file, encoding, uploaded.separator or ";", is_bare=not uploaded.has_quotes)
    for number, (old, new) in enumerate(zip_longest(before, after), 1):
        result.made += old is not None
        result.found += new is not None
        if old is None:
            break  # the upload is longer: the rest is not compared
        if new is None or old == new:
            continue
        result.changed += 1
        result.first = result.first or number
        if number == 1:
            result.has_same_titles = False
        else:
            pairs = zip_longest(old, new, fillvalue="")
            result.changes.update({_classify(was, now) for was, now in pairs if was != now})
    return result


def _records(file: IO[bytes], encoding: str, separator: str, *, is_bare: bool) -> Iterator[list[str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    lines = iter(partial(text.readline, _LONGEST), "")
    try:
        if is_bare:
            yield from csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
        else:
            yield from csv.reader(lines, delimiter=separator)
    except csv.Error:
        return
    finally:
        text.detach()


def _classify(old: str, new: str) -> ValueChange:
    if old.strip() == new.strip():
        return ValueChange.SPACES
    if old.isdigit() and new.isdigit() and old.lstrip("0") == new.lstrip("0"):
        return ValueChange.ZEROS
    if _DATE.fullmatch(old) and new:
        return ValueChange.DATE
    if len(old) == len(new) and all(a == b or not a.isascii() for a, b in zip(old, new, strict=True)):
        return ValueChange.LETTERS
    return ValueChange.OTHER


def explain(uploaded: UploadedFile, made: "AskedFile | None", comparison: CsvComparison | None) -> list[str]:
    """Return French sentences about an unrecognised file; `made` is the original, found by name."""
    return [*_form(uploaded, made), *_size(uploaded, made), *(_content(comparison) if comparison else ())]


def _is_of_another_kind(uploaded: UploadedFile) -> bool:
    """Whether the module makes no file of this kind, or the name has another extension."""
    return uploaded.kind.value != uploaded.extension and uploaded.kind not in {FileKind.TEXT, FileKind.ZIP}


def _form(uploaded: UploadedFile, made: "AskedFile | None") -> Iterator[str]:
    if uploaded.is_workbook:
        yield "C'est un classeur de tableur, plus un fichier CSV : la plateforme ne le lirait pas."
        return
    if uploaded.size == 0:
        yield "Le fichier est vide : le téléchargement ou la copie s'est sans doute interrompu."
        return
    if _is_of_another_kind(uploaded):
        yield f"Par son contenu, c'est {uploaded.kind.label}."
        return
    if uploaded.extension == "pdf" or (made and made.is_tableau):
        return
    if not uploaded.is_utf8:
        yield "Les accents sont écrits comme le fait un tableur (Windows-1252), et non en UTF-8."
    if uploaded.has_bom:
        yield "Une marque d'ordre des octets (BOM) a été ajoutée au début : un tableur le fait en enregistrant."
    if uploaded.has_crlf:
        yield "Les fins de ligne sont celles de Windows (CR LF), et non celles du module (LF)."
    if uploaded.extension == "csv" and uploaded.separator not in ("", ";"):
        mark = "la tabulation" if uploaded.separator == "\t" else "la virgule"
        yield f"Le séparateur est {mark}, et non le point-virgule : les {COLUMNS} colonnes ne se liraient plus."
    if uploaded.extension == "csv" and uploaded.has_quotes:
        yield "Des valeurs sont entre guillemets : le fichier du module n'en contient aucun."


def _size(uploaded: UploadedFile, made: "AskedFile | None") -> Iterator[str]:
    if made is None or made.size is None or uploaded.is_workbook:
        return
    if uploaded.size != made.size:
        found, expected = (f"{format_size(it)} ({format_number(it)} octets)" for it in (uploaded.size, made.size))
        yield f"Taille : {found}, au lieu de {expected}."
        if uploaded.size < made.size and not (uploaded.has_crlf or uploaded.has_bom) and uploaded.is_utf8:
            yield "Il est plus court : le téléchargement ou la copie s'est peut-être interrompu."
    if uploaded.extension == "csv" and made.format == "csv" and uploaded.lines != made.lines_written + 1:
        lines = count_of(uploaded.lines, "ligne", "lignes")
        yield f"Il compte {lines}, titres compris, au lieu de {format_number(made.lines_written + 1)}."


def _content(comparison: CsvComparison) -> Iterator[str]:
    if not comparison.has_same_titles:
        yield "La ligne des titres n'est plus la même : la plateforme exige les noms exacts des colonnes."
    if comparison.made != comparison.found:
        if comparison.first:
            yield f"La première ligne qui diffère est la ligne {format_number(comparison.first)}."
        return
    for change, number in comparison.changes.most_common():
        yield f"{count_of(number, 'ligne a', 'lignes ont')} {change.label}."
    if comparison.changes and comparison.first:
        yield f"La première est la ligne {format_number(comparison.first)}."
    if not comparison.changed:
        yield "Les valeurs sont toutes les mêmes : seule la façon de les écrire a changé."


class TooMuchWorkError(Exception):
    """Reading the file exceeds the limits, which lists and tableaux never do."""


def examine_apart(file: IO[bytes], name: str) -> Examined:
    """Examine a file, and what an archive contains, in a child process. Raises `TooMuchWorkError`."""
    answer = _run("examine", {"name": name}, file)
    inside = [_read_examined(it) for it in answer.get("entries", ())]
    return Examined(_read_examined(answer["file"]), inside, answer.get("unreadable", ""))


def compare_apart(made: IO[bytes], file: IO[bytes], uploaded: UploadedFile) -> CsvComparison:
    """Run `compare` in a child process. Raises `TooMuchWorkError` if it exceeds the limits."""
    answer = _run("compare", asdict(uploaded), file, made)
    return CsvComparison(
        **answer | {"changes": Counter({ValueChange(it): number for it, number in answer["changes"].items()})}
    )


def _read_examined(fields: dict[str, Any]) -> UploadedFile:
    return UploadedFile(**fields | {"kind": FileKind(fields["kind"])})


def _run(task: Literal["compare", "examine"], about: dict[str, Any], *files: IO[bytes]) -> Any:  # noqa: ANN401 — JSON
    """Return the output of the child, which inherits the open files but no environment variables."""
    for file in files:
        file.flush()
    descriptors = [file.fileno() for file in files]
    budget = str(CPU_SECONDS), str(MEMORY_BYTES)
    command = [sys.executable, "-m", "producers.web.verifier.diagnosis", *budget, task, json.dumps(about)]
    try:
        done = subprocess.run(  # noqa: S603 — this module
            [*command, *map(str, descriptors)],
            cwd=_ROOT,
            env={"LC_ALL": "C.UTF-8"},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise TooMuchWorkError from None


def _be_the_child(cpu_seconds: str, memory_bytes: str, task: str, about: str, *descriptors: str) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds)))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(10)
    fields = json.loads(about)
    files = [open(int(descriptor), "rb") for descriptor in descriptors]  # noqa: PTH123, SIM115 — until the end
    if task == "examine":
        answer = _examine_all(files[0], fields["name"])
    else:
        found = compare(files[1], files[0], _read_examined(fields))
        answer = vars(found) | {"changes": dict(found.changes)}
    sys.stdout.write(json.dumps(answer))


def _examine_all(file: IO[bytes], name: str) -> dict[str, Any]:
    uploaded = examine(file, name)
    answer: dict[str, Any] = {"file": asdict(uploaded)}
    if uploaded.is_zip and not uploaded.is_workbook:
        try:
            answer["entries"] = [asdict(it) for it in examine_archive(file)]
        except UnreadableArchiveError as error:
            answer["unreadable"] = str(error)
    return answer


if __name__ == "__main__":
    _be_the_child(*sys.argv[1:])
