"""The glossary of French words lists only words that the code uses; a public type has one home."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PRODUCT = ("schemas", "common", "producers", "worker")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _glossary() -> set[str]:
    text = (REPOSITORY / "docs" / "glossaire.md").read_text("utf-8")
    return {word for word in re.findall(r"^\| (\S+) \|", text, re.MULTILINE) if word != "Word"}


def _words(name: str) -> Iterator[str]:
    yield from (word.lower() for word in WORD.findall(name))


def _singulars(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("x")}


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in PRODUCT:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield path.relative_to(REPOSITORY), ast.parse(path.read_text("utf-8"))


def _names(path: Path, module: ast.Module) -> Iterator[str]:
    """The names that a module defines: its own, its folders', classes, functions, arguments, attributes, constants."""
    yield from path.with_suffix("").parts
    yield from _assigned(module.body)
    for node in ast.walk(module):
        match node:
            case ast.ClassDef():
                yield node.name
                yield from _assigned(node.body)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))):
                yield table
            case ast.Assign(targets=targets):
                yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def _public_types(module: ast.Module) -> Iterator[str]:
    """Classes, and aliases that are spelled like classes."""
    for node in module.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (name for name in _assigned([node]) if re.fullmatch(r"[A-Z]+[a-z]\w*", name))


def test_a_public_type_has_one_home() -> None:
    homes: dict[str, list[Path]] = defaultdict(list)
    for path, module in _modules():
        for name in _public_types(module):
            homes[name].append(path)
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_every_word_of_the_glossary_is_used() -> None:
    used: set[str] = set()
    for path, module in _modules():
        names = {*_names(path, module)}
        for node in ast.walk(module):
            match node:
                case ast.Name(id=str(name)) | ast.keyword(arg=str(name)):
                    names.add(name)
                case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_0-9]+", text):
                    names.add(text)
        used.update(single for name in names for word in _words(name) for single in _singulars(word))
    assert _glossary() - used == set()
