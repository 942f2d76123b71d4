"""What options of several commands mean: words, days, codes, what somebody is told of; and who runs the command."""

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

import click

from common.cli import ParsedType
from schemas.requests import check_code_commune
from schemas.vocabulary import parse_jour, parse_liste
from worker.notifier.kinds import EVERY_WISH, Wish, join_wishes, split_wishes


def whole_number(least: int) -> ParsedType[int]:
    """A whole number, `least` or more."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and int(text) >= least:
            return int(text)
        raise ValueError(f"un nombre entier est attendu, {least} au moins")

    return ParsedType("nombre", parse)


def one_of(words: Iterable[str]) -> ParsedType[str]:
    """One of a few words."""
    known = [str(word) for word in words]

    def parse(text: str) -> str:
        if text in known:
            return text
        raise ValueError(f"les valeurs possibles sont {', '.join(known)}")

    return ParsedType("mot", parse)


class _FileOrInput(click.Path):
    """A file, or `-`: what comes by standard input, kept in TMPDIR while the command runs, since it is read twice.

    Reports go beside a file; here `--report`, processed first, must say where.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """The file to read."""
        if str(value) != "-" or ctx is None:
            return super().convert(value, param, ctx)
        if not isinstance(ctx.params.get("report"), Path):
            raise click.UsageError("avec « - », --report dit où écrire les lignes qui seraient rejetées", ctx)
        path = Path(ctx.with_resource(TemporaryDirectory(prefix="import-"))) / STANDARD_INPUT
        with path.open("xb") as kept:
            copyfileobj(sys.stdin.buffer, kept)
        return path


STANDARD_INPUT = "entrée standard"
"""The name under which such a file is recorded."""
FILE_OR_INPUT = _FileOrInput()
CODE_COMMUNE = ParsedType("code", lambda text: check_code_commune(text.upper()))
JOUR = ParsedType("date", parse_jour)
"""`2026-11-25` or `25/11/2026`."""

LISTE = ParsedType("liste", parse_liste)
"""Under any of its names: `CE`, `LCE`, `02`."""

NOTHING = "rien"

prevenir_option = click.option(
    "--prevenir",
    multiple=True,
    type=one_of([*EVERY_WISH, NOTHING]),
    metavar="QUOI",
    help="pret, echec (refus et annulations compris), echeance, ou rien ; plusieurs fois ; tout par défaut.",
)


def read_wishes(given: Iterable[str]) -> str | None:
    """As the tables keep them; None when nothing was said."""
    words = set(given)
    if not words:
        return None
    if NOTHING in words and len(words) > 1:
        raise click.UsageError("--prevenir rien est seul")
    return join_wishes(words)


def describe_wishes(kinds: str) -> str:
    """As an operator reads them."""
    wishes = split_wishes(kinds)
    if wishes == set(Wish):
        return "tout"
    return ", ".join(wish.label for wish in Wish if wish in wishes) or NOTHING


def system_user() -> str:
    """The account of the system, whatever the environment pretends; `uid 10001` when it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in some containers
        return f"uid {os.getuid()}"
