"""`python -m producers`."""

import sys

from producers.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
