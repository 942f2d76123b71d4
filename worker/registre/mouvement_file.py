"""The bytes of a CSV file of mouvements: UTF-8, `;`."""

import csv
import hashlib
import os
from pathlib import Path

from worker.errors import ImportRefusedError
from worker.registre.mouvement_columns import match_mouvement_columns
from worker.registre.reu_file import MAX_LINE, UTF_8, ReuFile, unreadable

SEPARATOR = ";"


def open_mouvements(path: Path) -> ReuFile:
    """Read the header, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: it cannot be read, is empty, or is not a file of mouvements.
    """
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            state = os.fstat(stream.fileno())
            stream.seek(0)
            first_line = stream.readline(MAX_LINE)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        columns = match_mouvement_columns(_read_header(first_line))
    except ImportRefusedError as refusal:
        raise ImportRefusedError(f"{path.name} : {refusal}") from None
    return ReuFile(path, state.st_size, state.st_mtime_ns, sha256, UTF_8, SEPARATOR, columns)


def _read_header(line: bytes) -> list[str]:
    if not line.strip():
        raise ImportRefusedError("le fichier est vide")
    try:
        return next(csv.reader([line.decode(UTF_8).rstrip("\r\n")], delimiter=SEPARATOR))
    except (UnicodeDecodeError, csv.Error):
        raise ImportRefusedError("la première ligne n'est pas celle d'un fichier CSV en UTF-8") from None
