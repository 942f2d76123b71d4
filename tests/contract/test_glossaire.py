"""The glossary of French words lists only words that the code uses; retired words do not come back."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PRODUCT = ("schemas", "common", "producers", "worker")
RETIRED = {
    *("alone", "bell", "bells", "board", "book", "dirty", "door", "doors", "earlier", "frames", "ledger"),
    *("news", "outage", "peers", "plain", "present", "remembered", "rights", "ring", "rings", "rung", "strays"),
    *("tell", "teller", "telling", "tells", "told", "trial", "untold", "visit", "watch", "watched"),
}
"""What the field has better words for: doorbell, enqueue, notify, request report, authorization, orphans …"""
COLUMNS = {"rung_at"}
"""Columns are the contract of operators' queries, and keep their names."""
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
    """Those that a module gives: its own, of its folders, of classes, functions, arguments, attributes, constants."""
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


def _is_ours(name: str) -> bool:
    """Neither Python's own, nor a private constant, which may be named for the French text that it holds."""
    return not re.fullmatch(r"__\w+__|_[A-Z0-9_]+", name)


def test_no_name_has_a_word_that_was_retired() -> None:
    found = {
        f"{path}: {name}"
        for path, module in _modules()
        for name in filter(_is_ours, _names(path, module))
        if name not in COLUMNS and RETIRED & {*_words(name)}
    }
    assert found == set()


def _public_types(module: ast.Module) -> Iterator[str]:
    """Classes, and aliases that are spelled like one."""
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


def test_the_glossary_is_in_order_singular_and_without_accents() -> None:
    words = _glossary()
    assert len(words) > 30
    assert [word for word in words if not re.fullmatch(r"[a-z]+", word)] == []
    text = (REPOSITORY / "docs" / "glossaire.md").read_text("utf-8")
    for section in text.split("\n## "):
        listed = [word for word in re.findall(r"^\| (\S+) \|", section, re.MULTILINE) if word != "Word"]
        assert listed == sorted(listed)
        assert [word for word in listed if any(word != other and other in listed for other in _singulars(word))] == []


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
