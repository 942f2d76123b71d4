"""`python -m worker`: the command line of the worker."""

from common.files import keep_files_private
from worker.cli.main import main

if __name__ == "__main__":
    keep_files_private()
    raise SystemExit(main())
