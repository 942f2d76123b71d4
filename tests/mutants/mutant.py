"""A safeguard of the product, and the mutant that one gets by replacing some of its tokens.

A safeguard is named by its file, by the function, class or constant that holds it, and by the tokens that are replaced
inside. Tokens are compared without layout, comments and trailing commas: how the code is formatted changes no mutant.
`safeguards.py` lists them.
"""

import ast
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_CLOSING = (")", "]", "}")


class MisplacedError(Exception):
    """The place of a safeguard does not exist, or its tokens are not there exactly once."""


class Safeguard(NamedTuple):
    """A place of the product, and what takes its safeguard away."""

    file: str
    name: str
    """The qualified name of the function, class or constant: `Storage.path`."""
    before: str
    after: str
    tests: str
    """The test file that must fail without the safeguard."""

    def __str__(self) -> str:
        return f"{self.file} {self.name} - {self.before}"

    def mutate(self, source: str) -> str:
        """Return the source of the file without the safeguard.

        Raises:
            MisplacedError: nothing has the name, or the tokens are not exactly once inside.
        """
        first, last = self._find_lines(source)
        tokens = [it for it in _read_tokens(source) if first <= it.start[0] <= last]
        words = [it.string for it in _read_tokens(self.before)]
        starts = [
            index
            for index in range(len(tokens) - len(words) + 1)
            if [it.string for it in tokens[index : index + len(words)]] == words
        ]
        if len(starts) != 1:
            raise MisplacedError(f"{self}: it is there {len(starts)} times")
        lines = source.splitlines(keepends=True)
        begin = _offset(lines, tokens[starts[0]].start)
        end = _offset(lines, tokens[starts[0] + len(words) - 1].end)
        return source[:begin] + self.after + source[end:]

    def _find_lines(self, source: str) -> tuple[int, int]:
        """Return the first and the last line of what has the name; decorators belong to it."""
        nodes: Sequence[ast.AST] = [ast.parse(source)]
        for part in self.name.split("."):
            nodes = [
                child for node in nodes for child in ast.walk(node) if part in _names_of(child)
            ]
        if not nodes:
            raise MisplacedError(f"{self}: {self.file} has nothing of this name")
        decorated = [it.lineno for node in nodes for it in getattr(node, "decorator_list", [])]
        lines = [getattr(node, "lineno", 1) for node in nodes] + decorated
        return min(lines), max(getattr(node, "end_lineno", None) or 1 for node in nodes)


def _names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [it.id for target in targets for it in ast.walk(target) if isinstance(it, ast.Name)]
    return []


@cache
def _read_tokens(source: str) -> list[tokenize.TokenInfo]:
    found: list[tokenize.TokenInfo] = []
    for token in _tokenize(source):
        if token.string in _CLOSING and found and found[-1].string == ",":
            found.pop()
        found.append(token)
    return found


def _tokenize(source: str) -> Iterator[tokenize.TokenInfo]:
    try:
        for token in tokenize.generate_tokens(StringIO(source).readline):
            if token.type not in _LAYOUT:
                yield token
    except tokenize.TokenError:  # the words of a safeguard may leave a bracket open
        return


def _offset(lines: Sequence[str], place: tuple[int, int]) -> int:
    row, column = place
    return sum(map(len, lines[: row - 1])) + column
