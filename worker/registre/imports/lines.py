"""Code that the parsers of imported files share: columns found by title, clean fields, values in the register's form.

Nothing is corrected: a line is kept unchanged, or rejected with its reason.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Generic, TypeVar

from common.french import count_of, format_number
from common.texte import clean, is_normal
from schemas.profiles.source import LONGEST_VALUE, Shape, fold
from worker.errors import ImportRefusedError
from worker.registre.imports.file import ImportedFile, open_stream
from worker.registre.imports.report import ImportSummary, Rejection, RejectReport, describe_reasons
from worker.registre.imports.sources import Broken, Columns
from worker.registre.reference import commune_of, is_code_commune

MAX_NUMERO = 2**31 - 1
_SERIAL_DIGITS = 5

_OTHER_FILES = (
    ({"typeliste", "nomdenaissance"}, ", mais une liste faite pour e-listelec", ""),
    ({"nature", "effet", "etat"}, ", mais un fichier de mouvements", " (import-mouvements)"),
    ({"code ugle", "libelle type liste"}, ", mais un export du REU", " (import-reu)"),
    ({"ligne", "colonne", "motif"}, ", mais le rapport des lignes rejetées par un import", ""),
)
"""Files that agents confuse with the expected one: some of their titles, folded, their French name, and the command
that reads them."""
_UNREADABLE = "octets illisibles dans l'encodage du fichier"
_BAD_BYTES = re.compile("[\udc80-\udcff]")
_PARTIAL = r"(?:(?:(?P<d>\d{1,2})? ?%s ?)?(?P<m>\d{1,2})? ?%s ?)?(?P<y>\d{4})"
_YEAR = r"(?P<y>(?:18|19|20)\d\d)"
"""In a date without separators, the years of living people tell the year from the day and month."""
_PATTERNS = {
    Shape.DAY_FIRST: _PARTIAL.replace("%s", "/"),
    Shape.WITH_DOTS: _PARTIAL.replace("%s", r"\."),
    Shape.WITH_HYPHENS: _PARTIAL.replace("%s", "-"),
    Shape.YEAR_FIRST: r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})",
    Shape.MONTH_FIRST: r"(?:(?P<m>\d{1,2})/(?:(?P<d>\d{1,2})/)?)?(?P<y>\d{4})",
    Shape.DIGITS: rf"(?P<d>\d\d)(?P<m>\d\d){_YEAR}",
    Shape.YEAR_DIGITS: rf"{_YEAR}(?P<m>\d\d)(?P<d>\d\d)",
}
_DATES = {shape: re.compile(pattern, re.ASCII) for shape, pattern in _PATTERNS.items()}

_CORRECT_OR_ACCEPT = "Corrigez le fichier, ou acceptez de perdre ces lignes avec --accept-rejects."
_CORRECT = "Corrigez-les dans le REU, ou téléchargez de nouveau l'export"
_DOWNLOAD = "Téléchargez de nouveau l'export d'ELIRE, et déposez-le sans l'ouvrir dans un tableur"
_NOTHING_KEPT = "Aucune ligne ne peut être gardée."
_NEW_COMMUNE = " Une commune nouvelle s'ajoute par « communes --add CODE NOM »."
_IS_UNKNOWN = "commune inconnue"

Parsed = TypeVar("Parsed")


def is_of_spreadsheet(reasons: Iterable[str]) -> bool:
    """Whether one of these French reasons says that a spreadsheet has changed values, which are right in the REU."""
    return any("tableur" in reason for reason in reasons)


class LineError(Exception):
    """A line cannot be read; holds the column at fault and the reason, in French."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class LineReader(Generic[Parsed]):
    """One pass over a file: yields parsed lines, reports rejected lines, and counts lines and cleaned values."""

    def __init__(
        self, file: ImportedFile, parse: Callable[[list[str], int], Parsed], rejects: RejectReport
    ) -> None:
        """`parse` receives the cleaned fields and the number of values cleaned; it raises LineError to reject."""
        self.lines_read = self.lines_kept = self.values_cleaned = 0
        self._file = file
        self._parse = parse
        self._rejects = rejects
        self._stream: BinaryIO | None = None

    @property
    def share(self) -> float:
        """The share of the file that was read, 0 to 1."""
        if self._stream is None:
            return 0
        return 1 if self._stream.closed else self._stream.tell() / self._file.size

    def read(self, check: Callable[[], object] = int) -> Iterator[tuple[int, Parsed]]:
        """Yield the lines that are kept, each with its number; `check`: see `run_apart`.

        Raises:
            ImportRefusedError: the file cannot be read to its end, or changes while it is read.
        """
        with open_stream(self._file.path) as self._stream:
            for line, fields in self._file.iter_records(self._stream, check):
                self.lines_read += 1
                try:
                    cleaned, count = clean_line(self._file.columns, fields)
                    parsed = self._parse(cleaned, count)
                except LineError as error:
                    self._rejects.add(Rejection(line, error.column, error.reason))
                else:
                    self.lines_kept += 1
                    self.values_cleaned += count
                    yield line, parsed
        if self._file.has_changed():
            raise ImportRefusedError(
                f"{self._file.name} a changé pendant sa lecture ; recommencez l'import"
            )

    def refuse_rejects(self, *, accept: bool) -> None:
        """Check that no line was rejected, or that the rejected lines are accepted and some are kept."""
        if not self._rejects.reasons or (accept and self.lines_kept):
            return
        rejected = (
            f"{count_of(self._rejects.reasons.total(), 'ligne rejetée')} sur {format_number(self.lines_read)} : "
            f"{describe_reasons(self._rejects.reasons)}"
        )
        advice = _CORRECT_OR_ACCEPT
        if not self.lines_kept:
            is_new = any(_IS_UNKNOWN in reason for reason in self._rejects.reasons)
            advice = f"{_NOTHING_KEPT}{_NEW_COMMUNE if is_new else ''}"
        raise ImportRefusedError(
            f"{rejected}. Le détail est dans {self._rejects.path}. {advice}",
            on_screen=f"{rejected}. {_DOWNLOAD if is_of_spreadsheet(self._rejects.reasons) else _CORRECT}",
        )

    def counts(self) -> dict[str, Any]:
        """Return the columns of the table `import` that count lines."""
        return {
            "lines_read": self.lines_read,
            "lines_kept": self.lines_kept,
            "lines_rejected": self.lines_read - self.lines_kept,
            "values_cleaned": self.values_cleaned,
        }

    def summarise(self, import_id: int) -> ImportSummary:
        """Build the part of the summary that all imports share."""
        return ImportSummary(
            import_id=import_id,
            file_name=self._file.name,
            sha256=self._file.sha256,
            unchanged=False,
            **self.counts(),
            notes=self._file.notes,
            reasons=self._rejects.reasons,
            report=self._rejects.written,
        )


def name_other_file(header: Sequence[str], known: Collection[str]) -> tuple[str, str]:
    """Return the French name of a file that agents confuse with the expected one, and the command that reads it.

    `known`: the folded titles of the expected file. Both are empty for an unknown file.
    """
    folded = {*map(fold, header)}
    others = (
        (name, by) for some, name, by in _OTHER_FILES if some <= folded and not some <= {*known}
    )
    return next(others, ("", ""))


def clean_line(columns: Columns, fields: list[str] | Broken) -> tuple[list[str], int]:
    """Clean the fields of a line, append the values that the file lacks, and count the values cleaned.

    The list may be changed.
    """
    if isinstance(fields, Broken):
        raise LineError("", fields.value)
    if len(fields) != columns.width:
        raise LineError("", f"{len(fields)} colonnes au lieu de {columns.width}")
    try:
        cleaned, count = clean_fields(fields)
    except ValueError:
        raise LineError("", _UNREADABLE) from None
    cleaned.extend(("", *columns.constants.values()))
    for derived in columns.derived:
        try:
            cleaned.extend(derived.compute(cleaned))
        except ValueError:
            raise LineError(derived.title, "valeur d'une autre forme que les autres") from None
    if max(map(len, cleaned)) > LONGEST_VALUE:  # a column that is not read may be longer
        titles = (
            *columns.titles,
            "",
            *columns.constants,
            *(it.title for it in columns.derived for _ in it.fields),
        )
        for place in (*columns.positions.values(), *range(columns.width, len(cleaned))):
            if len(cleaned[place]) > LONGEST_VALUE:
                raise LineError(titles[place], f"valeur de plus de {LONGEST_VALUE} caractères")
    return cleaned, count


def parse_commune(text: str) -> str:
    """Return the INSEE code of the commune: `13055` of `com13055`, and of its arrondissement `13201`."""
    return commune_of(text.upper().removeprefix("COM"))


def parse_arrondissement(text: str) -> str:
    """Return the INSEE code of an arrondissement municipal, `13201`; empty for a whole commune."""
    code = text.upper().removeprefix("COM")
    return code if commune_of(code) != code else ""


def unknown_commune(column: str, code: str) -> LineError:
    """Build the error for an unknown commune; a text that is no code may be a person's name, and is not quoted."""
    if is_code_commune(f"0{code}"):
        return LineError(column, "code de commune qui a perdu son zéro : un tableur l'a retiré")
    return LineError(column, f"{_IS_UNKNOWN} : {code}" if is_code_commune(code) else _IS_UNKNOWN)


def clean_fields(fields: list[str]) -> tuple[list[str], int]:
    """Clean the fields for the register, see common.texte, and count the values cleaned."""
    line = ";".join(fields)
    is_spaced = "  " in line or "; " in line or " ;" in line or line[:1] == " " or line[-1:] == " "
    # most lines need no regular expression: printable text has no control character, and plain spaces
    if line.isprintable() and not is_spaced and is_normal(line):
        return fields, 0
    if _BAD_BYTES.search(line):
        raise ValueError("bytes that the encoding does not know")
    cleaned = [clean(field) for field in fields]
    return cleaned, sum(before != after for before, after in zip(fields, cleaned, strict=True))


def read_date(text: str, shapes: Iterable[Shape]) -> str:
    """Read a date in one of these shapes as `AAAA-MM-JJ`.

    Unknown parts become zeros: `00/08/1955`, `/1961` and `1961` occur. A day that its month does not have (31/02) is
    kept, like in the REU; a date of zeros only becomes empty.
    """
    if not text:
        return ""
    for shape in shapes:
        if match := _DATES[shape].fullmatch(text):
            year, month, day = ((match[part] or "").zfill(2) for part in "ymd")
            if month <= "12" and day <= "31":
                date = f"{year}-{month}-{day}"
                return "" if date == "0000-00-00" else date
    raise ValueError(text)


def explain_date(text: str) -> str:
    """Explain why `read_date` fails: a spreadsheet counts days since 1900, and may write their number."""
    if text.isdigit() and len(text) == _SERIAL_DIGITS:
        return "date de naissance en nombre de jours, comme un tableur la compte"
    return "date de naissance illisible"


def parse_numero(text: str) -> int | None:
    """Parse an order number; None if the elector has none. Raises ValueError if it is no number or too large."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or (numero := int(text)) > MAX_NUMERO:
        raise ValueError(text)
    return numero


def parse_bureau(text: str) -> str:
    """Return the code of a bureau: four digits since 2023 (`1` is `0001`); a code that is no number is unchanged."""
    if text.isascii() and text.isdigit():
        return text.lstrip("0").zfill(4)
    return text
