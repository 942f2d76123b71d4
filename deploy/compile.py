"""Compile the libraries of a folder without their docstrings: each process holds them, and nobody reads them here.

As `python -OO` would, but asserts stay, and so do the words of our own commands, which are not compiled here. Sources
are not looked at again when they are imported (PEP 552, unchecked hash).
"""

import ast
import marshal
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

_UNCHECKED_HASH = (0b01).to_bytes(4, "little")
_SOME = "."
"""Libraries that add words to a docstring want one."""
_NEVER_LOADED = "apprise/plugins"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def compile_file(path: Path) -> None:
    """Write the bytecode of a source beside it, where an import looks for it."""
    source = path.read_bytes()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.copy_location(ast.Expr(ast.Constant(_SOME)), node.body[0])
    ast.fix_missing_locations(tree)
    code = compile(tree, path, "exec", dont_inherit=True)
    compiled = Path(cache_from_source(path))
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(MAGIC_NUMBER + _UNCHECKED_HASH + source_hash(source) + marshal.dumps(code))


if __name__ == "__main__":
    for library in sorted(Path(sys.argv[1]).rglob("*.py")):
        if _NEVER_LOADED not in library.as_posix():
            compile_file(library)
