"""Diagnosis of an altered file: line by line comparison, reported in French sentences for clerks.

`examine_apart` and `compare_apart` read uploaded files in a child process.
"""

import codecs
import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from common.apart import Budget, run_apart
from common.file_kind import (
    START,
    FileKind,
    UnreadableArchiveError,
    list_files,
    open_archive,
    recognise,
)
from common.files import CHUNK
from common.french import count_of, format_number, format_size
from schemas.vocabulary import PIECES, SEPARATORS, FileFormat

_PIECES = {
    stem: extension for stem, _, extension in (it.suffix.rpartition(".") for it in PIECES.values())
}
_NAME = re.compile(
    r"(?P<file>[A-Za-z0-9_-]+\d{8}-\d{6})(?P<number>-[2-9]|-[1-9]\d{1,4})?"
    rf"(?P<piece>-(?:{'|'.join(FileFormat)})-(?:{'|'.join(_PIECES)}))?",
    re.ASCII,
)
_WORD_END = re.compile(r"[-_](?=.*\d{8}-)")


class UploadedFile(NamedTuple):
    """Properties of an uploaded file; `lines` counts line ends, and a last line without one."""

    name: str
    size: int
    sha256: str
    kind: str
    """The `FileKind` by its first bytes."""
    lines: int
    has_bom: bool
    has_crlf: bool
    has_lf: bool
    """Whether a line ends with LF alone."""
    is_utf8: bool
    is_ascii: bool
    separator: str
    """The most frequent separator in the first line; empty without any."""
    has_quotes: bool

    @property
    def extension(self) -> str:
        match = re.search(r"\.([A-Za-z0-9]{1,5})$", self.name)
        return match[1].lower() if match else ""

    @property
    def is_zip(self) -> bool:
        return self.kind == FileKind.ZIP

    @property
    def is_workbook(self) -> bool:
        """Whether it is a workbook, by its name or its first bytes."""
        return self.kind == FileKind.OLD_OFFICE or (
            self.is_zip and self.extension in {"xlsx", "xlsm", "ods"}
        )

    @property
    def likely_names(self) -> list[str]:
        """The possible original names, before a browser or a person added words or a number to the name."""
        match = _NAME.search(self.name)
        if not match:
            return []
        added = [0, *(it.end() for it in _WORD_END.finditer(match["file"]))][:12]
        if match["piece"]:
            return [f"{match[0][it:]}.{_PIECES[match['piece'].rpartition('-')[2]]}" for it in added]
        extensions = [*([self.extension] if self.extension in set(FileFormat) else []), *FileFormat]
        stems = dict.fromkeys(stem[it:] for it in added for stem in (match[0], match["file"]))
        return [f"{stem}.{extension}" for stem in stems for extension in dict.fromkeys(extensions)]


def examine(file: IO[bytes], name: str) -> UploadedFile:
    """Read a whole file, in pieces."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, ends, ends_crlf, is_utf8, is_ascii, has_quotes = 0, 0, 0, True, True, False
    starts = last = b""
    file.seek(0)
    while chunk := file.read(CHUNK):
        if size < CHUNK:
            starts += chunk[: CHUNK - size]
        digest.update(chunk)
        size += len(chunk)
        ends += chunk.count(b"\n")
        ends_crlf += (last + chunk).count(b"\r\n")
        is_ascii = is_ascii and chunk.isascii()
        has_quotes = has_quotes or b'"' in chunk
        try:
            decoder.decode(chunk)  # a letter that the end of the file cuts is no fault
        except UnicodeDecodeError:
            is_utf8 = False
        last = chunk[-1:]
    first_line = starts.partition(b"\n")[0]
    separators = {mark: first_line.count(mark.encode()) for mark in SEPARATORS}
    separator = max(separators, key=lambda mark: separators[mark])
    return UploadedFile(
        name=name.replace("\\", "/").rpartition("/")[2][:255],
        size=size,
        sha256=digest.hexdigest(),
        kind=recognise(starts[:START]),
        lines=ends + (1 if size and last != b"\n" else 0),
        has_bom=starts.startswith(codecs.BOM_UTF8),
        has_crlf=ends_crlf > 0,
        has_lf=ends > ends_crlf,
        is_utf8=is_utf8,
        is_ascii=is_ascii,
        separator=separator if separators[separator] else "",
        has_quotes=has_quotes,
    )


if TYPE_CHECKING:
    from producers.web.exports.query import AskedFile
    from schemas.profiles.platform import FileForm

BUDGET = Budget(cpu_seconds=30, memory_bytes=256 << 20, wait_seconds=120, most_bytes=1 << 20)

_LONGEST = 1 << 16
"""Maximum characters of a line; longer lines are read, and counted, as several lines."""


@dataclass
class CsvComparison:
    """The lines of both files, and how many after the titles have another value; line numbers start at 1."""

    made: int = 0
    found: int = 0
    changed: int = 0
    first: int | None = None
    has_same_titles: bool = True


def compare(
    made: IO[bytes], file: IO[bytes], uploaded: UploadedFile, encoding: str, separator: str
) -> CsvComparison:
    """Compare both files line by line, whatever the upload's encoding and separator; those given are of `made`."""
    result = CsvComparison()
    utf8 = "utf-8-sig"
    found = utf8 if uploaded.is_utf8 else "cp1252" if encoding == "utf-8" else encoding
    before = _records(made, utf8 if encoding == "utf-8" else encoding, separator, is_bare=True)
    after = _records(file, found, uploaded.separator or separator, is_bare=not uploaded.has_quotes)
    for number, (old, new) in enumerate(zip_longest(before, after), 1):
        result.made += old is not None
        result.found += new is not None
        if old is None:
            break  # the upload is longer: the rest is not compared
        if new is None or old == new:
            continue
        result.first = result.first or number
        if number == 1:
            result.has_same_titles = False
        else:
            result.changed += 1
    return result


def _records(
    file: IO[bytes], encoding: str, separator: str, *, is_bare: bool
) -> Iterator[list[str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    lines = iter(partial(text.readline, _LONGEST), "")
    try:
        yield from csv.reader(
            lines, delimiter=separator, quoting=csv.QUOTE_NONE if is_bare else csv.QUOTE_MINIMAL
        )
    except csv.Error:
        return
    finally:
        text.detach()


def explain(
    uploaded: UploadedFile,
    made: "AskedFile | None",
    comparison: CsvComparison | None,
    form: "FileForm",
) -> list[str]:
    """Return French sentences about an unrecognised file; `made` is the original, found by name, `form` that of it."""
    about = list(_about_form(uploaded, made, form))
    size = _size(uploaded, made, is_rewritten=bool(about))
    return [*about, *size, *(_content(comparison) if comparison else ())]


def _about_form(
    uploaded: UploadedFile, made: "AskedFile | None", form: "FileForm"
) -> Iterator[str]:
    if uploaded.is_workbook:
        yield "C'est un classeur de tableur, plus un fichier CSV : la plateforme ne le lirait pas."
        return
    if uploaded.size == 0:
        yield "Le fichier est vide : le téléchargement ou la copie s'est sans doute interrompu."
        return
    expected = {"xml": FileKind.XML, "pdf": FileKind.PDF}.get(uploaded.extension, FileKind.TEXT)
    if uploaded.kind not in {FileKind.TEXT, FileKind.ZIP, expected}:
        yield f"Par son contenu, c'est {uploaded.kind}."
        return
    if uploaded.extension == "pdf" or (made and made.is_tableau):
        return
    is_csv = uploaded.extension == "csv"
    yield from _about_bytes(uploaded, form if is_csv else form.model_copy(update=_XML))
    if is_csv and uploaded.separator not in ("", form.separator):
        found, wanted = SEPARATORS[uploaded.separator], SEPARATORS[form.separator]
        yield f"Le séparateur est {found}, et non {wanted} : les {len(form.columns)} colonnes ne se liraient plus."
    if is_csv and uploaded.has_quotes:
        yield "Des valeurs sont entre guillemets : le fichier du module n'en contient aucun."


_XML = {"encoding": "utf-8", "byte_order_mark": False, "line_end": "LF"}


def _about_bytes(uploaded: UploadedFile, form: "FileForm") -> Iterator[str]:
    is_utf8, has_mark, is_crlf = (
        form.encoding == "utf-8",
        form.byte_order_mark,
        form.line_end == "CRLF",
    )
    if is_utf8 and not uploaded.is_utf8:
        yield "Les accents sont écrits comme le fait un tableur (Windows-1252), et non en UTF-8."
    if not is_utf8 and uploaded.is_utf8 and not uploaded.is_ascii:
        yield f"Les accents sont écrits en UTF-8, et non comme la plateforme le veut ({form.encoding})."
    if uploaded.has_bom and not has_mark:
        yield "Une marque d'ordre des octets (BOM) a été ajoutée au début : un tableur le fait en enregistrant."
    if has_mark and not uploaded.has_bom:
        yield "La marque d'ordre des octets (BOM) du début a été ôtée."
    if uploaded.has_crlf and not is_crlf:
        yield "Les fins de ligne sont celles de Windows (CR LF), et non celles du module (LF)."
    if uploaded.has_lf and is_crlf:
        yield "Des fins de ligne sont celles d'un autre système (LF), et non celles du module (CR LF)."


def _size(uploaded: UploadedFile, made: "AskedFile | None", *, is_rewritten: bool) -> Iterator[str]:
    if made is None or made.size is None or uploaded.is_workbook:
        return
    if uploaded.size != made.size:
        found, expected = (
            f"{format_size(it)} ({format_number(it)} octets)" for it in (uploaded.size, made.size)
        )
        yield f"Taille : {found}, au lieu de {expected}."
        if uploaded.size < made.size and not is_rewritten:
            yield "Il est plus court : le téléchargement ou la copie s'est peut-être interrompu."
    if (
        uploaded.extension == "csv"
        and made.format == "csv"
        and uploaded.lines != made.lines_written + 1
    ):
        lines = count_of(uploaded.lines, "ligne", "lignes")
        yield f"Il compte {lines}, titres compris, au lieu de {format_number(made.lines_written + 1)}."


def _content(comparison: CsvComparison) -> Iterator[str]:
    if not comparison.has_same_titles:
        yield "La ligne des titres n'est plus la même : la plateforme exige les noms exacts des colonnes."
    if comparison.made != comparison.found:
        if comparison.first:
            yield f"La première ligne qui diffère est la ligne {format_number(comparison.first)}."
        return
    if comparison.changed and comparison.first:
        yield f"{count_of(comparison.changed, 'ligne a', 'lignes ont')} une valeur changée."
        yield f"La première est la ligne {format_number(comparison.first)}."
    if comparison.first is None:
        yield "Les valeurs sont toutes les mêmes : seule la façon de les écrire a changé."


def examine_apart(file: IO[bytes], name: str) -> tuple[UploadedFile, list[UploadedFile], str]:
    """Return the file, what an archive contains, and why it is unreadable, from a child process; see `run_apart`."""
    [(found, unreadable)] = run_apart(examine_all, [file], BUDGET, name)
    uploaded, *inside = (UploadedFile(*it) for it in found)
    return uploaded, inside, unreadable


def compare_apart(
    made: IO[bytes], file: IO[bytes], uploaded: UploadedFile, form: "FileForm"
) -> CsvComparison:
    """Run `compare` in a child process. Raises as `run_apart`."""
    [answer] = run_apart(compare_all, [made, file], BUDGET, uploaded, form.encoding, form.separator)
    return CsvComparison(**answer)


def compare_all(
    made: IO[bytes], file: IO[bytes], uploaded: list[Any], *form: str
) -> Iterator[object]:
    """Yield what `compare` finds; runs in the child process."""
    os.nice(10)
    yield vars(compare(made, file, UploadedFile(*uploaded), *form))


def examine_all(file: IO[bytes], name: str) -> Iterator[object]:
    """Yield the file with what an archive contains, and why an archive is unreadable; runs in the child process."""
    os.nice(10)
    uploaded, unreadable = examine(file, name), ""
    found = [uploaded]
    if uploaded.is_zip and not uploaded.is_workbook:
        try:
            with open_archive(file, 512 << 20) as archive:  # the limit of an upload
                for entry in list_files(archive):
                    with archive.open(entry) as content:
                        found.append(examine(content, entry.filename))
        except UnreadableArchiveError as error:
            unreadable = str(error)
    yield found, unreadable
