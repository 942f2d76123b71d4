"""Ends `deploy/prefecture` before one of its commands, as a power cut or `kill` does."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

_RUN = """
shopt -s inherit_errexit
set -o functrace
trap '
case $BASH_COMMAND in
"[ "* | "case "* | "for "*) ;;
*)
    echo "${BASH_COMMAND%%
*}" >>"$STEPS"
    mapfile -t _steps <"$STEPS"
    if [ "${#_steps[@]}" -ge "$STOP_AT" ] && [ ! -e "$STEPS.end" ]; then
        : >"$STEPS.end"
        kill -"$SIGNAL" 0
    fi
    ;;
esac' DEBUG
. "$0"
"""
"""A shell that notes the commands of a script, also those of its subshells, and ends all of them before one."""

_NEVER = 1_000_000


@dataclass(frozen=True)
class Script:
    """The script of a checkout, with programs of the test before those of the system."""

    checkout: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, command: str, stop_at: int = _NEVER, signal: Signals = SIGKILL
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the script, whole or until the signal comes before its step `stop_at`."""
        self._steps.write_text("")
        self._end.unlink(missing_ok=True)
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
        """How many commands the last run began."""
        return len(self._steps.read_text().splitlines())

    @property
    def is_stopped(self) -> bool:
        """Whether the signal came before the end of the last run."""
        return self._end.exists()

    def find_steps(self, pattern: str) -> list[int]:
        """The steps of the last run whose command matches."""
        commands = self._steps.read_text().splitlines()
        return [
            step for step, command in enumerate(commands, start=1) if re.match(pattern, command)
        ]

    @property
    def _steps(self) -> Path:
        return self.checkout / "steps"

    @property
    def _end(self) -> Path:
        return self.checkout / "steps.end"

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
