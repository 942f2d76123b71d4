"""The examples in other languages, each run against a real RabbitMQ."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest

from schemas.envelope import CloudEvent
from schemas.generate import ROOT
from schemas.requests import ListeExportRequested
from schemas.topology import CONTENT_TYPE, REQUEST_LISTE_EXPORT, request_key
from tests.integration.requests_queue import RequestsQueue
from tests.parts.packages import Files, Part, require

pytestmark = pytest.mark.slow

EXAMPLES = ROOT.parent / "producers" / "examples"
SCHEMA = json.loads((ROOT / "json" / f"{REQUEST_LISTE_EXPORT}.json").read_text("utf-8"))
JARS = [Path("/usr/share/java") / name for name in ("amqp-client.jar", "slf4j-api.jar", "slf4j-nop.jar")]


AMQP_TOOLS = Part("amqp-tools", "amqp-tools", ("amqp-publish",))
PHP = Part("PHP", "php-cli", ("php",))
PHP_AMQPLIB = Files("php-amqplib", "php-amqplib", ("autoload.php",), ("/usr/share/php/PhpAmqpLib",))
NODE = Part("Node.js", "nodejs", ("node",))
NPM = Part("npm", "npm", ("npm",))
CURL, JQ, OPENSSL = (Part(name, name, (name,)) for name in ("curl", "jq", "openssl"))
JAVA = Part("Java", "default-jdk-headless", ("java", "javac"))
JAVA_CLIENT = Files("Java client", "librabbitmq-client-java", ("amqp-client.jar",), ("/usr/share/java",))
SLF4J = Files("slf4j", "libslf4j-java", ("slf4j-api.jar", "slf4j-nop.jar"), ("/usr/share/java",))


PARTS = {
    "shell": (AMQP_TOOLS, CURL, JQ, OPENSSL),
    "python": (),
    "php": (PHP, PHP_AMQPLIB),
    "node": (NODE, NPM),
    "java": (JAVA, JAVA_CLIENT, SLF4J),
}
SUFFIXES = {"shell": "sh", "python": "py", "php": "php", "node": "mjs"}
RUNNERS = {
    "shell": ["sh"],
    "python": [sys.executable],
    "php": ["php"],
    "node": ["node"],
    "java": ["java", "-cp", ":".join(map(str, JARS))],
}
NODE_PACKAGES = ("amqplib@2", "cloudevents@10", "standardwebhooks@1", "ajv@8", "ajv-formats@3")


def command_of(language: str, program: Path, folder: Path) -> list[str]:
    """The command for a program of that language, once its packages are installed; Node's packages go to a folder."""
    for part in PARTS[language]:
        require(part)
    if language == "node":
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *NODE_PACKAGES]
        done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"npm cannot install them: {done.stderr[-500:]}")
        program = Path(shutil.copy(program, folder))
    return [*RUNNERS[language], str(program)]


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", params=list(RUNNERS))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def command(language: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    name = "RequestExport.java" if language == "java" else f"request_export.{SUFFIXES[language]}"
    return command_of(language, EXAMPLES / name, tmp_path_factory.mktemp(language))


@pytest.fixture
def run(command: list[str], amqp_url: str) -> Run:
    def start(url: str = amqp_url) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PREFECTURE_AMQP_URL": url}
        return subprocess.run(
            [*command, "13900"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return start


def test_it_publishes_an_event_of_the_contract_and_prints_its_id(run: Run, amqp_url: str, language: str) -> None:
    with RequestsQueue(amqp_url) as queue:
        done = run()
        assert done.returncode == 0, done.stderr
        routing_key, properties, body = queue.take()
    event = CloudEvent.from_bytes(body)
    jsonschema.validate(json.loads(body), SCHEMA)
    assert done.stdout.strip() == event.id
    assert event.source == f"/examples/{language}"
    assert routing_key == request_key(queue.account, event.type)
    assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
    assert properties.user_id == (None if language == "shell" else urlsplit(amqp_url).username)
    assert ListeExportRequested.model_validate(event.data).commune == "13900"
    assert len(ListeExportRequested.model_validate(event.data).parts()) == 3


def test_it_fails_when_the_exchange_is_missing(run: Run) -> None:
    done = run()
    assert done.returncode not in {0, 2}
    assert "NOT_FOUND" in done.stderr


def test_it_fails_when_the_broker_does_not_take_the_event(run: Run, amqp_url: str, language: str) -> None:
    """The queue is full, or does not exist."""
    if language == "shell":
        pytest.skip("amqp-publish asks for no confirmation")
    with RequestsQueue(amqp_url, max_length=1) as queue:
        assert run().returncode == 0
        # RabbitMQ checks the length at intervals: it may accept one message more.
        assert any(run().returncode not in {0, 2} for _ in range(5))
        queue.channel.queue_delete(queue.single)
        assert run().returncode not in {0, 2}


def test_it_fails_when_the_broker_is_away(run: Run) -> None:
    assert run("amqp://guest:guest@127.0.0.1:1/%2F").returncode not in {0, 2}
