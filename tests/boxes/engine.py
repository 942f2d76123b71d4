"""A private Docker engine, in network and mount namespaces of its own: it changes nothing on the host."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Self

import pytest

from tests.parts.packages import Part, require
from tests.parts.process import Process
from tests.parts.wait import wait_until

ENGINE = Part("Docker Engine", "docker.io", ("dockerd",), ("/usr/sbin",))
PARTS = (
    ENGINE,
    Part("Docker's client", "docker-cli", ("docker",)),
    Part("Docker Compose", "docker-compose", ("docker-compose",)),
    Part(
        "Docker Buildx", "docker-buildx", ("docker-buildx",), ("/usr/libexec/docker/cli-plugins",)
    ),
    Part("iptables", "iptables", ("iptables",), ("/usr/sbin",)),
    Part("mmdebstrap", "mmdebstrap", ("mmdebstrap",)),
    Part("Python 3.13", "python3.13-venv python3-pip", ("python3.13",), ("/usr/bin",)),
)
_START = 'ip link set lo up; mount --make-rprivate /; exec "$@"'


def require_engine() -> None:
    """Install the missing parts; else skip the test, or fail it in CI."""
    if os.geteuid() != 0:
        pytest.skip("boxes: not tried: the engine wants root")
    if subprocess.run(
        ["unshare", "--net", "--mount", "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("boxes: not tried: this system gives no namespaces")
    for part in PARTS:
        require(part)


class Engine:
    """A context manager: the engine and its containers run until the end of the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "docker.sock"
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "docker.pid"}
        options = [f"{option}={self._folder / name}" for option, name in places.items()]
        dockerd = [ENGINE.program("dockerd"), *options, f"--host=unix://{self._socket}"]
        self._process = Process(
            ["unshare", "--net", "--mount", "sh", "-c", _START, "dockerd", *map(str, dockerd)],
            env={"PATH": os.environ["PATH"]},
            folder=self._folder,
            log=self._folder / "dockerd.log",
        )
        wait_until(
            lambda: self.run("docker info", check=False).returncode == 0,
            message="an engine that answers",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("docker ps --quiet | xargs --no-run-if-empty docker kill", check=False)
        if self._process:
            self._process.end(SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process whose network and mount namespaces are the host of the containers."""
        assert self._process
        return self._process.pid

    def join(self, other: "Engine", ours: str, theirs: str) -> None:
        """Connect the host of another engine: `cable` is a pair of virtual interfaces with these two addresses."""
        self.run(f"ip link add cable type veth peer name cable netns {other.pid}")
        for engine, address in ((self, ours), (other, theirs)):
            engine.run(f"ip address add {address}/24 dev cable; ip link set cable up")

    def run(
        self,
        script: str,
        *,
        folder: Path | None = None,
        stdin: str = "",
        check: bool = True,
        seconds: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script (bash -e, -u, pipefail) in the engine's namespaces, as an operator would at a terminal.

        Raises:
            AssertionError: it failed; with its output. Not when `check` is false.
        """
        environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "DOCKER_HOST": f"unix://{self._socket}",
            "BUILDKIT_PROGRESS": "plain",
            "COMPOSE_ANSI": "never",
        }
        done = subprocess.run(
            [
                "nsenter",
                f"--net=/proc/{self.pid}/ns/net",
                "bash",
                "-eu",
                "-o",
                "pipefail",
                "-c",
                script,
            ],
            cwd=folder or self._folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{script}\n{done.stdout[-20000:]}\n{done.stderr[-4000:]}"
        return done
