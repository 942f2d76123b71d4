"""`python -m tests.golden.pdf write` makes the expected texts again; read the difference, and look at the pages."""

import sys

from tests.golden.pdf.cases import EXPECTED, FOLDERS, TAGS, extract, read_tags


def main(arguments: list[str]) -> int:
    """Write the files; 2 for a wrong usage."""
    if arguments != ["write"]:
        sys.stderr.write("usage: python -m tests.golden.pdf write\n")
        return 2
    for folder in FOLDERS:
        (folder / EXPECTED).write_text(extract(folder), encoding="utf-8", newline="\n")
        if (folder / TAGS).exists():
            (folder / TAGS).write_text(read_tags(folder), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
