"""The whole loop in four languages, by the shipped examples: check, request, receive, download, verify."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pika
import pytest
from sqlalchemy import insert

from schemas.generate import ROOT as SCHEMAS
from schemas.topology import (
    EXCHANGE,
    LISTENER_PREFIX,
    REQUEST_LISTE_EXPORT,
    SCREEN_ACCOUNT,
    listener_key,
)
from schemas.vocabulary import Channel
from tests.parts.packages import Files, Part, require
from tests.parts.ports import LOOPBACK, free_port
from tests.parts.postgres import PostgresServer
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, ROOT, Town
from tests.parts.wait import wait_until
from tests.parts.web import Post, WebServer, serving
from worker.access.models import Recipient
from worker.notifier.channels.webhook import make_secret

EXAMPLES = ROOT / "producers" / "examples"
COMMUNE = "13900"
JAVA = Path("/usr/share/java")
CURL, JQ, OPENSSL = (Part(name, name, (name,)) for name in ("curl", "jq", "openssl"))
PARTS: dict[str, tuple[Part | Files, ...]] = {
    "client.sh": (CURL, JQ, OPENSSL),
    "client.php": (
        Part("PHP", "php-cli", ("php",)),
        Files("php-amqplib", "php-amqplib", ("autoload.php",), ("/usr/share/php/PhpAmqpLib",)),
    ),
    "client.mjs": (Part("Node.js", "nodejs", ("node",)), Part("npm", "npm", ("npm",))),
    "Client.java": (
        Part("Java", "default-jdk-headless", ("java", "javac")),
        Files("Java client", "librabbitmq-client-java", ("amqp-client.jar",), (str(JAVA),)),
        Files("slf4j", "libslf4j-java", ("slf4j-api.jar", "slf4j-nop.jar"), (str(JAVA),)),
    ),
}
JARS = ":".join(str(JAVA / name) for name in ("amqp-client.jar", "slf4j-api.jar", "slf4j-nop.jar"))
RUNNERS = {".sh": ["sh"], ".php": ["php"], ".mjs": ["node"], ".java": ["java", "-cp", JARS]}
NODE_PACKAGES = ("amqplib@2", "cloudevents@10", "standardwebhooks@1", "ajv@8", "ajv-formats@3")


def install_node(folder: Path, *packages: str) -> None:
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"npm cannot install them: {done.stderr[-500:]}"
        )


@dataclass(frozen=True)
class Installation:
    """A stranger gets the address of the broker, a queue, a token and a secret."""

    environment: dict[str, str]
    web: WebServer
    amqp_url: str

    def listen(self, name: str) -> str:
        """Declare a queue of its own, as an operator does."""
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            channel = connection.channel()
            channel.queue_declare(LISTENER_PREFIX + name, durable=True)
            channel.queue_bind(LISTENER_PREFIX + name, EXCHANGE, listener_key(commune=COMMUNE))
        return LISTENER_PREFIX + name

    def run(
        self, command: list[str], *arguments: str, said: bytes = b"", **more: str
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run the program; its output and exit code."""
        environment = {**os.environ, **self.environment, **more}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        return subprocess.run(
            [*command, *arguments],
            input=said,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def installation(
    rabbit_node: RabbitNode,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("strangers")
    rabbit_node.start()
    postgres_server.start()
    secret, port = make_secret(), free_port()
    url = f"http://{LOOPBACK}:{port}"
    with ExitStack() as ends:
        web = ends.enter_context(serving())
        vhost = rabbit_node.create_vhost()
        ends.callback(rabbit_node.delete_vhost, vhost)
        town = Town(
            postgres_server.create_database(LIBREVILLE_TEMPLATE), rabbit_node.url(vhost), folder
        )
        ends.callback(town.close)
        hook = {
            "id": "r1",
            "channel": Channel.WEBHOOK,
            "address": web.url(),
            "code_commune": COMMUNE,
            "secret": secret,
        }
        with town.engine.begin() as connection:
            connection.execute(insert(Recipient).values(hook))
        own = town.environment | {
            "PREFECTURE_STATE_URL": town.database_url,
            "PREFECTURE_PUBLIC_URL": url,
            "PREFECTURE_WEB_PORT": str(port),
            "PREFECTURE_HOME": str(folder),
        }
        run = partial(Process, env=own, folder=ROOT, log=folder / "screen.log")
        town.start_worker()
        town.start_notifier(PREFECTURE_PUBLIC_URL=url, PREFECTURE_WEBHOOK_HOSTS=LOOPBACK)
        rights = {"configure": "", "write": EXCHANGE, "read": ""}
        rabbit_node.management.request(
            "PUT", f"/users/{SCREEN_ACCOUNT}", {"password": "p", "tags": ""}
        )
        rabbit_node.management.request(
            "PUT", f"/permissions/{quote(vhost, safe='')}/{SCREEN_ACCOUNT}", rights
        )
        town.allow(SCREEN_ACCOUNT)
        run = partial(
            run, env=own | {"PREFECTURE_AMQP_URL": rabbit_node.url(vhost, SCREEN_ACCOUNT, "p")}
        )
        screen = run([sys.executable, "-m", "producers", "web"])
        ends.callback(screen.kill)
        add = [
            sys.executable,
            "-m",
            "worker",
            "accounts",
            "--kind",
            "jeton",
            "--add",
            "stranger",
            "--commune",
            COMMUNE,
        ]
        add += ["--act", "liste_export"]
        added = subprocess.run(add, env=own, cwd=ROOT, capture_output=True, text=True, check=True)
        schema = SCHEMAS / "json" / f"{REQUEST_LISTE_EXPORT}.json"
        told = {
            "URL": url,
            "PREFECTURE_AMQP_URL": town.amqp_url,
            "SCHEMA": str(schema),
            "SECRET": secret,
        }
        yield Installation(told | {"TOKEN": added.stdout.split()[-1]}, web, town.amqp_url)


VALIDATE = """
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import SwaggerParser from '@apidevtools/swagger-parser';
const [asyncapi, openapi] = process.argv.slice(2);
const found = await new Parser().validate(readFileSync(asyncapi, 'utf8'), { source: asyncapi });
console.log(JSON.stringify(found.map(it => `${it.path.join('.')}: ${it.message}`)));
await SwaggerParser.validate(openapi);
"""


@pytest.mark.slow
def test_tools_of_others_read_both_contracts(tmp_path: Path) -> None:
    for part in PARTS["client.mjs"]:
        require(part)
    install_node(tmp_path, "@asyncapi/parser@3", "@apidevtools/swagger-parser@13")
    program = tmp_path / "validate.mjs"
    program.write_text(VALIDATE, "utf-8")
    command = ["node", str(program), str(SCHEMAS / "asyncapi.json"), str(SCHEMAS / "openapi.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_a_stranger_asks_is_answered_takes_the_file_and_verifies_the_webhook(
    name: str, installation: Installation, tmp_path: Path
) -> None:
    program = EXAMPLES / name
    for part in PARTS[program.name]:
        require(part)
    if program.suffix == ".mjs":
        install_node(tmp_path, *NODE_PACKAGES)
        program = Path(shutil.copy(program, tmp_path))
    command = [*RUNNERS[program.suffix], str(program)]
    asked = installation.run(
        command, "ask", COMMUNE, QUEUE=installation.listen(name.partition(".")[2])
    )
    assert asked.returncode == 0, asked.stderr.decode()
    event_id, files, said, taken = asked.stdout.decode().split()
    assert files == "1"
    assert said == taken != sha256(b"").hexdigest()

    def find_post() -> Post | None:
        return next(
            (post for post in installation.web.posts if event_id.encode() in post.body), None
        )

    post = wait_until(find_post, message="the webhook")
    assert post
    signed = [post.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
    verified = installation.run(command, "verify", *signed, said=post.body)
    assert (verified.returncode, verified.stdout.strip()) == (0, b"1"), verified.stderr.decode()
    assert (
        installation.run(
            command, "verify", *signed, said=post.body.replace(b"13900", b"13901")
        ).returncode
        != 0
    )
