"""`python -m schemas`: `write` makes the generated files, `check` says whether they are fresh, `validate` reads events.

`validate` says what a worker would refuse of an event's form and data, in the words of its refusal; it needs no
broker, no database and no network.
"""

import sys
from pathlib import Path

from schemas.checking import find_faults
from schemas.generate import ROOT, generated_files

USAGE = "usage: python -m schemas write | check | validate FILE… (- : standard input)\n"


def main(arguments: list[str]) -> int:
    """Run one of the commands; 0 done, fresh or valid, 1 stale or invalid, 2 wrong usage or no such file."""
    match arguments:
        case ["write"]:
            for path, text in generated_files():
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return 0
        case ["check"]:
            expected = dict(generated_files())
            kept = {path for folder in ("json", "examples") for path in (ROOT / folder).glob("*.json")}
            stale = [p for p, text in expected.items() if not p.exists() or p.read_text("utf-8") != text]
            stale += kept - expected.keys()
            for path in sorted(stale):
                sys.stderr.write(f"stale: {path.relative_to(ROOT.parent)} (python -m schemas write)\n")
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
        place = f"{fault.field} : " if fault.field else ""
        sys.stdout.write(f"{name} : {place}{fault.message} [{fault.code}]\n")
    if not faults:
        sys.stdout.write(f"{name} : valide\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
