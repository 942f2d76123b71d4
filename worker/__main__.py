"""`python -m worker`: the command line of the worker."""

from worker.cli.main import main
from worker.privacy import keep_files_private

if __name__ == "__main__":
    keep_files_private()
    raise SystemExit(main())
