"""`python -m schemas`: `write` generates files, `check` compares them with the models, `validate` checks events.

`validate` prints the faults that a worker would find in the form and data of an event. It needs no broker, database
or network.
"""

import sys
from pathlib import Path

from schemas.checking import find_faults
from schemas.faults import join_faults
from schemas.generate import ROOT, generated_files

USAGE = "usage: python -m schemas write | check | validate FILE… (- : standard input)\n"


def main(arguments: list[str]) -> int:
    """Run one command; return 0 done, up to date or valid, 1 stale or invalid, 2 wrong usage or missing file."""
    match arguments:
        case ["write"]:
            for path, text in generated_files():
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return 0
        case ["check"]:
            expected = dict(generated_files())
            stale = [
                p for p, text in expected.items() if not p.exists() or p.read_text("utf-8") != text
            ]
            stale += set((ROOT / "json").glob("*.json")) - expected.keys()
            for path in sorted(stale):
                sys.stderr.write(
                    f"stale: {path.relative_to(ROOT.parent)} (python -m schemas write)\n"
                )
            return 1 if stale else 0
        case ["validate", *names] if names:
            return max(map(_validate, names))
        case _:
            sys.stderr.write(USAGE)
            return 2


def _validate(name: str) -> int:
    try:
        body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        sys.stderr.write(f"{name} : {error.strerror}\n")
        return 2
    faults = find_faults(body)
    for fault in faults:
        sys.stdout.write(f"{name} : {join_faults([fault])} [{fault.code}]\n")
    if not faults:
        sys.stdout.write(f"{name} : valide\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
