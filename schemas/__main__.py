"""`python -m schemas write` makes the generated files, `python -m schemas check` tells whether they are fresh."""

import sys

from schemas.generate import ROOT, generated_files


def main(arguments: list[str]) -> int:
    """Run one of the two commands; 0 done or fresh, 1 stale, 2 wrong usage."""
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
        case _:
            sys.stderr.write("usage: python -m schemas write|check\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
