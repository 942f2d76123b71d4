"""Options of several commands, the account that runs a command, and the databases of commands."""

import json
import os
import pwd
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import Engine

from common.calendrier import PARIS
from common.cli import ParsedType, one_of
from common.french import count_of
from common.texte import without_controls
from schemas.requests import check_code_commune
from schemas.vocabulary import EVERYTHING, Wish, join_wishes, parse_jour, parse_liste, split_wishes
from worker.audit import Actor
from worker.db.engine import build_engine
from worker.errors import RefusedError
from worker.registre.imports.report import name_some
from worker.settings import Settings, load_settings


class _FileOrInput(click.Path):
    """A file, or `-`: a copy of the standard input in TMPDIR, because a command reads it twice.

    Reports are written beside a file; for the standard input `--report`, processed first, must name theirs.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Return the path to read."""
        if str(value) != "-" or ctx is None:
            return super().convert(value, param, ctx)
        if not isinstance(ctx.params.get("report"), Path):
            raise click.UsageError(
                "avec « - », --report dit où écrire les lignes qui seraient rejetées", ctx
            )
        path = Path(ctx.with_resource(TemporaryDirectory(prefix="import-"))) / STANDARD_INPUT
        with path.open("xb") as kept:
            copyfileobj(sys.stdin.buffer, kept)
        return path


STANDARD_INPUT = "entrée standard"
"""The name under which an import of the standard input is recorded."""
FILE_OR_INPUT = _FileOrInput()
CODE_COMMUNE = ParsedType("code", lambda text: check_code_commune(text.upper()))
JOUR = ParsedType("date", parse_jour)
"""`2026-11-25` or `25/11/2026`."""

LISTE = ParsedType("liste", parse_liste)
"""Any name of a list: `CE`, `LCE`, `02`."""

NOTHING = "rien"

prevenir_option = click.option(
    "--prevenir",
    multiple=True,
    type=one_of([*Wish, NOTHING]),
    metavar="QUOI",
    help="pret, echec (refus et annulations compris), echeance, ou rien ; plusieurs fois ; tout par défaut. "
    "resume : un seul courriel par jour.",
)


def read_wishes(given: Iterable[str]) -> str | None:
    """Return the subscription in the form of the tables; None when the option is absent."""
    words = set(given)
    if not words:
        return None
    if NOTHING in words and len(words) > 1:
        raise click.UsageError("--prevenir rien est seul")
    return join_wishes(words)


def describe_wishes(kinds: str) -> str:
    """Return the kinds of messages, in French."""
    if kinds == EVERYTHING:
        return "tout"
    wishes = split_wishes(kinds)
    return ", ".join(wish.label for wish in Wish if wish in wishes) or NOTHING


reason_option = click.option(
    "--reason",
    metavar="TEXTE",
    default="",
    help="Pourquoi, quand un fichier déposé ou affiché est à refaire.",
)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print a table without cutting any value, or the text `empty` when there are no rows.

    A terminal folds long values, any other output has long lines.
    """
    if not rows:
        click.echo(empty)
        return
    table = Table(*(Column(it, overflow="fold") for it in titles))
    for row in rows:
        table.add_row(*map(without_controls, row))
    Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else 10_000).print(table)


def print_json(document: object) -> None:
    """Print a document for a program, in one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def start_of(day: date) -> datetime:
    """Return the first instant of a day in Paris."""
    return datetime.combine(day, time(), PARIS)


def print_recalled(labels: Sequence[str]) -> None:
    """Print the labels of the recalled files, if there are any."""
    if labels:
        click.echo(f"À refaire : {count_of(len(labels), 'fichier')}, {name_some(labels)}.")


def system_user() -> str:
    """Return the account of the system, not of an environment variable; `uid 10001` when it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in some containers
        return f"uid {os.getuid()}"


def operator() -> Actor:
    """Return the actor of a command for the audit trail."""
    return Actor(system_user())


@contextmanager
def worker_database(settings: Settings | None = None, *, hurries: bool = False) -> Iterator[Engine]:
    """Yield the engine of the worker's database: requests, files, agents, and the register unless it has its own.

    With `hurries`, no statement takes longer than a few seconds.
    """
    url = (settings or load_settings()).database_url.get_secret_value()
    engine = build_engine(url, hurries=hurries)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def register_database() -> Iterator[Engine]:
    """Yield the engine of the register's database, for writing.

    Raises:
        RefusedError: another software keeps the register.
    """
    settings = load_settings()
    if settings.registre_url is not None and settings.registre_url != settings.database_url:
        raise RefusedError(
            "le registre est tenu par un autre logiciel (PREFECTURE_REGISTRE_URL) : c'est lui qu'il faut mettre à jour"
        )
    with worker_database(settings) as engine:
        yield engine
