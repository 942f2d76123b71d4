"""docker-compose.yml and the Dockerfile, read as Docker Compose reads them: no engine is needed."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dramatiq.cli import make_argument_parser

from producers.settings import ProducerSettings
from schemas.environment import PREFIX, VARIABLES, unknown_variables
from tests.parts.packages import Part, require
from worker.cli.main import COMMANDS
from worker.messaging.encoder import ACTOR_QUEUES
from worker.messaging.middleware import TIME_LIMIT_MS
from worker.settings import Settings

REPOSITORY = Path(__file__).parents[2]
COMPOSE = Part("Docker Compose", "docker-compose", ("docker-compose",))
OTHERS = {"broker", "database"}
USER = "10001:10001"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, its anchors and defaults resolved, with the services of every profile."""
    require(COMPOSE)
    done = subprocess.run(
        [COMPOSE.program("docker-compose"), "--profile", "*", "config", "--format", "json"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in compose["services"].items() if name not in OTHERS}


def _dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text("utf-8")


def _workers(ours: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in ours.items() if service["command"][:2] == ["dramatiq", "worker.main"]}


def _options(service: dict[str, Any]) -> Any:  # noqa: ANN401 — argparse's
    return make_argument_parser().parse_args(service["command"][1:])  # type: ignore[no-untyped-call]


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert found, text
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def test_every_queue_has_workers_that_scale_alone(ours: dict[str, Any]) -> None:
    consumed = [_options(service).queues for service in _workers(ours).values()]
    assert sorted(queues[0] for queues in consumed) == sorted(ACTOR_QUEUES.values())
    assert {len(queues) for queues in consumed} == {1}
    assert {_options(service).threads for service in _workers(ours).values()} == {1}


def test_a_job_may_end_before_its_container_is_killed(ours: dict[str, Any]) -> None:
    for service in _workers(ours).values():
        shutdown = _options(service).worker_shutdown_timeout
        assert TIME_LIMIT_MS < shutdown < _seconds(service["stop_grace_period"]) * 1000


def test_the_commands_exist(ours: dict[str, Any]) -> None:
    for service in ours.values():
        words = [*(service.get("entrypoint") or []), *service["command"]]
        if words[0] == "python":
            assert words[:3] == ["python", "-m", "worker"]
            assert words[3] in COMMANDS


def test_nothing_of_ours_may_write_outside_of_its_volumes(ours: dict[str, Any]) -> None:
    for name, service in ours.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "user" not in service, name  # the image's
        assert not service.get("ports"), name
    assert re.findall(r"^USER (.+)$", _dockerfile(), re.MULTILINE) == [USER]


def test_what_dies_is_started_again_and_logs_do_not_fill_the_disk(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        once = name in {"migrate", "command"}
        assert service["restart"] == ("no" if once else "unless-stopped"), name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name


def test_workers_wait_for_the_migration_and_for_what_they_need(ours: dict[str, Any]) -> None:
    for name, service in ours.items():
        waits = {other: how["condition"] for other, how in service["depends_on"].items()}
        if name == "migrate":
            assert waits == {"database": "service_healthy"}
        else:
            assert waits == {
                "broker": "service_healthy",
                "database": "service_healthy",
                "migrate": "service_completed_successfully",
            }


def test_only_the_broker_is_reached_from_outside_and_only_from_this_host(compose: dict[str, Any]) -> None:
    published = {name: port for name, it in compose["services"].items() for port in it.get("ports", [])}
    assert published.keys() == {"broker"}
    assert {port["host_ip"] for it in compose["services"].values() for port in it.get("ports", [])} == {"127.0.0.1"}
    assert compose["networks"]["back"]["internal"]
    outside = {name for name, service in compose["services"].items() if "front" in service["networks"]}
    assert outside == {"broker", "notifier"}


def test_settings_are_known_and_no_secret_is_written_here(ours: dict[str, Any]) -> None:
    for service in ours.values():
        assert unknown_variables(service["environment"]) == {}
    text = (REPOSITORY / "docker-compose.yml").read_text("utf-8") + _dockerfile()
    assert unknown_variables(re.findall(rf"{PREFIX}[A-Z_]+", text)) == {}
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    named = {variable.name for variable in VARIABLES if f"{PREFIX}{variable.name}" in text}
    assert named & {name.upper() for name in secret} == set()


def test_each_process_is_given_only_the_secrets_that_it_reads(ours: dict[str, Any]) -> None:
    known = {f"prefecture_{name}" for kind in (Settings, ProducerSettings) for name in kind.model_fields}
    for service in ours.values():
        assert {secret["source"] for secret in service["secrets"]} <= known
    assert {secret["source"] for secret in ours["migrate"]["secrets"]} == {"prefecture_database_url"}


def test_the_commands_that_make_the_secrets_make_those_that_compose_wants(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    text = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    script = text.partition("test_compose.py runs this -->\n```sh\n")[2].partition("\n```\n")[0]
    subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, check=True)
    folder = tmp_path / "var" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    made = {path.name for path in folder.iterdir()}
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} <= made
    assert {(folder / name).stat().st_mode & 0o777 for name in made} == {0o444}

    settings = Settings(_secrets_dir=folder)
    password = (folder / "database_password").read_text()
    assert settings.database_url.get_secret_value() == f"postgresql+psycopg://prefecture:{password}@database/prefecture"
    assert settings.amqp_url.get_secret_value().startswith("amqp://worker:")
    definitions = json.loads((folder / "broker_definitions").read_text())
    assert {user["name"] for user in definitions["users"]} == {"admin", "worker", "mairie"}
    (worker,) = [it for it in definitions["permissions"] if it["user"] == "worker"]
    for queue in ACTOR_QUEUES.values():
        for name in (queue, f"{queue}.DQ", f"{queue}.XQ", "prefecture"):
            assert all(re.search(worker[right], name) for right in ("configure", "write", "read"))
    assert not re.search(worker["configure"], "elsewhere")


def test_secrets_and_data_stay_out_of_git_and_of_the_image(compose: dict[str, Any]) -> None:
    places = {Path(secret["file"]).relative_to(REPOSITORY).parts[0] for secret in compose["secrets"].values()}
    assert places == {"var"}
    assert "/var/" in (REPOSITORY / ".gitignore").read_text().splitlines()
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", _dockerfile(), re.MULTILINE)
    assert "*" in ignore
    assert {f"!{path}" for path in copied} <= set(ignore)


def test_the_image_is_built_from_the_lock_with_hashes_and_without_a_compiler() -> None:
    build, _, final = _dockerfile().rpartition("\nFROM ")
    assert "--require-hashes" in build
    assert "--only-binary=:all:" in build
    assert "requirements.lock" in build
    assert not re.search(r"\bpip\b", final)
    assert "apt-get" not in _dockerfile()
    assert "PYTHONDONTWRITEBYTECODE=1" in final
