"""Files that may hold electors: nothing that our processes write is readable by everybody."""

import os


def keep_files_private() -> None:
    """Set the process's umask: files for the owner and the group only; each entry point calls it first."""
    os.umask(0o027)
