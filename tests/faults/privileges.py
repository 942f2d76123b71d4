"""Root writes into a directory that forbids it: our processes run without that power, as in docker-compose.yml."""

import os
import shutil


def without_overrides() -> list[str]:
    """The beginning of a command that then respects the modes of files even as root."""
    if os.geteuid() != 0:
        return []
    return [shutil.which("setpriv") or "setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"]
