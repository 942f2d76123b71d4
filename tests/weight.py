"""The size of the repository: `python -m tests.weight` prints it beside that of the last release.

The figures inform, none fails a build. These rules keep worse code from lowering them:

- **Tokens** are those of Python's `tokenize`: names, operators, brackets, commas, numbers, strings. Comments,
  docstrings and layout are free. A docstring is any statement that is only a string, also one below a constant. An
  f-string is one token, as on Python 3.11; later releases split it.
- **A string that is no message** costs one more token for each five words. It has triple quotes, or begins with a
  keyword of SQL in capitals. Strings side by side are one string, and the first of them decides.
- **Code lines** are the lines of these tokens, as `ruff format` breaks them at 100 columns. An older tree has to be
  formatted with the rules of `pyproject.toml` before it is measured.
- **Public names** are the modules, and the classes, functions and methods without a leading underscore at the top of a
  module or of a public class. A property is a method. Python defines what `__eq__` does, so it needs no docstring here.
- **Any** is counted where it annotates an argument or a return value of a function, nested and private ones included.
- **Event types** and **kinds of notes** include what only the screen sends, which is not part of the contract.
"""

import ast
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from importlib import import_module
from io import StringIO
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import click

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".json")
PRODUCT = ("common", "schemas", "producers", "worker")
# The way of a request from its event to its notification. A path that is gone counts nothing, so
# that older and later trees can be measured.
CORE = (
    "worker/work",
    "worker/messaging",
    "worker/exports",
    "worker/handlers/requests",
    "worker/handlers/making/make_export.py",
    "worker/arrivals.py",
    "worker/deferred.py",
    "worker/housekeeping",
    "worker/notifier",
)
# The click group of each command line, by its module.
COMMAND_LINES = {"worker.cli.main": "cli", "producers.cli": "_group"}

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_WORDS_OF_A_TOKEN = 5
_NO_MESSAGE = re.compile(
    r"""[A-Za-z]*  # the prefix of the string
    (?: \"{3} | '{3}
      | ["']\s*(?:ALTER|CREATE|DELETE|DROP|GRANT|INSERT|REVOKE|SELECT|UPDATE|WITH)\b )""",
    re.VERBOSE,
)
_TABLE = re.compile(r"^ +__tablename__ = ", re.MULTILINE)
_EVENT_TYPE = re.compile(r'"fr\.openelec\.prefecture\.[\w.]+\.v\d+"')
_NOTE_KIND = re.compile(  # `act` in release 0.3.0
    r'^ +(?:kind|act): Literal\["\w+"\] = ', re.MULTILINE
)

Figures = dict[str, float]


class Size(NamedTuple):
    """The size of Python files."""

    tokens: int
    lines: int  # those that hold a token

    @property
    def density(self) -> float:
        """Tokens for each line."""
        return round(self.tokens / max(self.lines, 1), 1)


class Record(NamedTuple):
    """The figures of a release; those that take long to measure are added to the file by hand."""

    release: str
    figures: Figures


def measure(root: Path) -> Figures:
    """Measure the tracked files of a tree; its command lines are imported."""
    product = _read_files(root, *PRODUCT, ending=".py")
    product_size = measure_python(product)
    tests = measure_python(_read_files(root, "tests", ending=".py"))
    documented = [it for text in product for it in list_documented(text)]
    worker, schemas = (
        "\n".join(_read_files(root, room, ending=".py")) for room in ("worker", "schemas")
    )
    return {
        "tokens of the product": product_size.tokens,
        "tokens of the tests": tests.tokens,
        "tokens for each code line, product": product_size.density,
        "tokens for each code line, tests": tests.density,
        "tokens of the core": measure_python(_read_files(root, *CORE, ending=".py")).tokens,
        "of these, tokens of the notifier": measure_python(
            _read_files(root, "worker/notifier", ending=".py")
        ).tokens,
        "documented public names, %": round(100 * sum(documented) / len(documented), 1),
        "Any in signatures": sum(map(count_any, product)),
        "words of Markdown": sum(len(text.split()) for text in _read_files(root, "*.md")),
        "settings": len(_import_from(root, "common.settings").VARIABLES),
        "commands": sum(
            _count_commands(getattr(_import_from(root, module), name))
            for module, name in COMMAND_LINES.items()
        ),
        "tables": len(_TABLE.findall(worker)),
        "event types": len(set(_EVENT_TYPE.findall(schemas))),
        "kinds of notes": len(_NOTE_KIND.findall(schemas)),
        "lines of deploy/ and docker-compose.yml": _count_lines(
            _read_files(root, "deploy", "docker-compose.yml", ":(exclude)*.py")
        ),
    }


def measure_python(sources: Iterable[str]) -> Size:
    """Count the tokens of Python files and the lines that hold them."""
    tokens = lines = 0
    for source in sources:
        held = set[int]()
        for statement in _split_statements(source):
            if all(it.type == tokenize.STRING for it in statement):
                continue  # a docstring, or nothing
            tokens += len(statement) + _count_inside_strings(statement)
            held.update(line for it in statement for line in range(it.start[0], it.end[0] + 1))
        lines += len(held)
    return Size(tokens, lines)


def list_documented(source: str) -> list[bool]:
    """Say of each public name of a module, the module first, whether it has a docstring."""
    return [ast.get_docstring(it) is not None for it in _walk_public(ast.parse(source))]


def count_any(source: str) -> int:
    """Count `Any` in the annotations of arguments and return values."""
    annotations = [
        it.annotation if isinstance(it, ast.arg) else it.returns
        for it in ast.walk(ast.parse(source))
        if isinstance(it, ast.arg | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sum(
        isinstance(it, ast.Name) and it.id == "Any"
        for annotation in annotations
        if annotation
        for it in ast.walk(annotation)
    )


def read_record() -> Record:
    """Read the figures of the last release."""
    return Record(**json.loads(RECORD.read_text("utf-8")))


@click.command()
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT,
    help="Measure another tree: a work tree of an older release.",
)
@click.option("--json", "is_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--record", metavar="RELEASE", help="Record the figures as those of a release.")
def main(*, root: Path, is_json: bool, record: str | None) -> None:
    """Print the size of the repository beside that of the last release."""
    today = measure(root)
    if record:
        text = json.dumps(Record(record, today)._asdict(), indent=2, ensure_ascii=False)
        RECORD.write_text(text + "\n", "utf-8")
    release, recorded = read_record()
    if is_json:
        click.echo(json.dumps({"today": today, "release": release, "figures": recorded}, indent=2))
        return
    click.echo(f"{'':42}{'today':>10}{release:>10}")
    for name in today | recorded:
        click.echo(f"{name:42}{_show(today.get(name)):>10}{_show(recorded.get(name)):>10}")


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _read_files(root: Path, *paths: str, ending: str = "") -> list[str]:
    """Read the tracked files at these paths or below; a path that does not exist has none."""
    command = ["git", "ls-files", "-z", "--", *paths]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    files = (root / name for name in listed.stdout.split("\0") if name and name.endswith(ending))
    return [file.read_text("utf-8") for file in files if file.exists()]


def _count_lines(texts: Iterable[str]) -> int:
    return sum(text.count("\n") for text in texts)


def _split_statements(source: str) -> Iterator[list[tokenize.TokenInfo]]:
    """Yield the tokens that count, by statement."""
    statement: list[tokenize.TokenInfo] = []
    for token in _join_fstrings(source):
        if token.type == tokenize.NEWLINE:
            yield statement
            statement = []
        elif token.type not in _LAYOUT:
            statement.append(token)


def _join_fstrings(source: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of a file, each f-string as one token with its whole text."""
    lines = source.split("\n")
    opened: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(StringIO(source).readline):
        match tokenize.tok_name[token.type]:
            case "FSTRING_START":
                opened.append(token)
            case "FSTRING_END":
                start, end = opened.pop().start, token.end
                if not opened:
                    inside = [*lines[start[0] - 1 : end[0] - 1], lines[end[0] - 1][: end[1]]]
                    text = "\n".join(inside)[start[1] :]
                    yield tokenize.TokenInfo(tokenize.STRING, text, start, end, token.line)
            case _ if not opened:
                yield token


def _count_inside_strings(statement: Iterable[tokenize.TokenInfo]) -> int:
    """Count what the strings of a statement cost beyond the token that each of them is."""
    cost = 0
    for kind, neighbours in groupby(statement, lambda it: it.type):
        texts = [it.string for it in neighbours]
        if kind == tokenize.STRING and _NO_MESSAGE.match(texts[0]):
            cost += _count_as_table(" ".join(texts))
    return cost


def _count_as_table(text: str) -> int:
    return len(text.split()) // _WORDS_OF_A_TOKEN


_Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _walk_public(definition: _Definition) -> Iterator[_Definition]:
    yield definition
    if isinstance(definition, ast.Module | ast.ClassDef):
        for it in definition.body:
            if isinstance(it, _Definition) and not it.name.startswith("_"):
                yield from _walk_public(it)


def _import_from(root: Path, module: str) -> ModuleType:
    """Import a module of the tree; this one imports none of the product, so that none is loaded before."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return import_module(module)


def _count_commands(command: click.Command) -> int:
    """Count 1 for a command, and for a group its commands."""
    if not isinstance(command, click.Group):
        return 1
    context = click.Context(command)
    found = (command.get_command(context, name) for name in command.list_commands(context))
    return sum(_count_commands(it) for it in found if it)


if __name__ == "__main__":
    main()
