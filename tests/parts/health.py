"""Asks `common/healthy.sh`, as a container's probe does."""

import os
import subprocess
from pathlib import Path

from tests.parts.town import ROOT


def ask_health(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the answer about the processes whose liveness files are in the folder."""
    assert folder.name == "health"
    done = subprocess.run(
        ["bash", ROOT / "common" / "healthy.sh", *arguments],
        env=os.environ | {"PREFECTURE_HOME": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip()
