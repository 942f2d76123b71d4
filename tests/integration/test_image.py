"""The Dockerfile without an engine: its own steps, run in an empty folder that stands for the root of the image."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
PLACES = ("/build", "/opt/venv", "/app", "/var/lib/prefecture", "/tmp/health")  # noqa: S108 — of the image


class Step(NamedTuple):
    """One instruction of the Dockerfile."""

    word: str
    rest: str


def _steps() -> Iterator[Step]:
    text = re.sub(r"^\s*#.*\n", "", (REPOSITORY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield Step(word, " ".join(rest.split()))


class Image:
    """What the steps have made; absolute paths of the image are under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(root)}
        self._workdir = "/"
        self.command: list[str] = []

    def build(self) -> None:
        """Run every step that needs neither the base image nor root."""
        for step in _steps():
            match step:
                case Step("WORKDIR", place):
                    self._workdir = place
                    self._path(place).mkdir(parents=True, exist_ok=True)
                case Step("COPY", rest) if not rest.startswith("--from="):  # both stages are one folder
                    self._copy(*rest.split())
                case Step("RUN", rest) if not rest.startswith("groupadd"):
                    self._run(rest)
                case Step("ARG", rest) if "=" in rest and "_IMAGE=" not in rest:
                    name, _, default = rest.partition("=")
                    self.environment[name] = default
                case Step("ENV", rest):
                    for name, value in re.findall(r"(\w+)=(\S+)", rest):
                        self.environment[name] = self._inside(value).replace("$PATH", self.environment["PATH"])

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of a container, from its working directory."""
        return self._call(["env", *command], environment)

    def _run(self, script: str) -> None:
        done = self._call(["sh", "-euc", self._inside(script)], {})
        assert done.returncode == 0, done.stdout + done.stderr

    def _call(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._path(self._workdir),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def _copy(self, source: str, target: str) -> None:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        place = self._path(target) if target != "." else self._path(self._workdir) / source
        place.parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / source).is_dir():
            shutil.copytree(REPOSITORY / source, place, ignore=ignored)
        else:
            shutil.copy(REPOSITORY / source, place)

    def _path(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def _inside(self, text: str) -> str:
        for place in PLACES:
            text = re.sub(rf"(?<![\w/]){re.escape(place)}\b", str(self._path(place)), text)
        return text


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    image = Image(tmp_path_factory.mktemp("image"))
    image.build()
    return image


def test_only_what_the_lock_names_is_installed(image: Image) -> None:
    listing = "import importlib.metadata as m; print(*{d.name.lower().replace('_', '-') for d in m.distributions()})"
    installed = set(image.run("python", "-c", listing).stdout.split())
    locked = set(re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE))
    assert {"dramatiq", "psycopg-binary", "reportlab"} <= installed <= locked
    assert not (image.root / "opt" / "venv" / "bin" / "pip").exists()


def test_the_image_holds_all_that_the_commands_read(image: Image, tmp_path: Path) -> None:
    for module in ("worker", "producers"):
        helped = image.run("python", "-m", module, "--help")
        assert (helped.returncode, helped.stderr) == (0, "")
    asked = ("--commune", "13900", "--type", "premier_rectificatif", "--date-tableau", "10/01/2018")
    for command in (("demo",), ("render-tableaux", *asked)):
        made = image.run("python", "-m", "worker.solo", *command, PREFECTURE_HOME=str(tmp_path))
        assert made.returncode == 0, made.stderr
    volume = image.root / "var" / "lib" / "prefecture"
    assert {path.suffix for path in (volume / "exports").rglob("*-*")} == {".csv", ".json", ".pdf", ".xml"}
    assert list((volume / "mails").rglob("*.eml"))


def test_modules_are_compiled_and_leave_the_root_as_it_is(image: Image) -> None:
    compiled = [path for path in (image.root / "app").rglob("*.pyc") if "opt-" not in path.name]
    sources = list((image.root / "app").rglob("*.py"))
    assert len(compiled) == len(sources) > 200


def test_without_workers_the_health_check_says_so(image: Image) -> None:
    (check,) = [step.rest for step in _steps() if step.word == "HEALTHCHECK"]
    command = re.findall(r'"([^"]+)"', check.partition(" CMD ")[2])
    checked = image.run(*command, PREFECTURE_DATABASE_URL="sqlite://")
    assert checked.returncode == 1
    assert "aucun processus « worker »" in checked.stderr
