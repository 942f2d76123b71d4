"""Ends `deploy/prefecture` before one of its commands, as a power cut or `kill` does."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

_RUN = """
set -o posix -o functrace
trap '
case $BASH_COMMAND in
"[ "* | "case "* | "for "*) ;;
*)
    read -r _step <"$STEPS"
    _step=$((_step + 1))
    echo "$_step" >"$STEPS"
    [ "$_step" != "$STOP_AT" ] || kill -"$SIGNAL" 0
    ;;
esac' DEBUG
. "$0"
"""
"""A shell that counts the commands of a script in a file, also those of its subshells, and ends all of them at one."""


@dataclass(frozen=True)
class Script:
    """The script of a checkout, with programs of the test before those of the system."""

    checkout: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, command: str, stop_at: int = 0, signal: Signals = SIGKILL
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the script, whole or until the signal comes before its step `stop_at`."""
        self._steps.write_text("0\n")
        environment = os.environ | self.environment
        environment["PATH"] = f"{self.checkout / 'bin'}:{os.environ['PATH']}"
        environment |= {
            "STEPS": str(self._steps),
            "STOP_AT": str(stop_at),
            "SIGNAL": str(int(signal)),
        }
        return subprocess.run(
            ["bash", "-c", _RUN, "deploy/prefecture", *command.split()],
            cwd=self.checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    @property
    def steps(self) -> int:
        """How many commands the last run began; two that run side by side may count as one."""
        return int(self._steps.read_text())

    @property
    def _steps(self) -> Path:
        return self.checkout / "steps"

    def write_program(self, name: str, text: str) -> None:
        """Put a program where the script finds it first."""
        program = self.checkout / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)


def each_step(steps: int, of: int = 1) -> Iterator[int]:
    """Yield every `of`-th step of a run of so many, and the last one."""
    yield from range(1, steps, of)
    yield steps
