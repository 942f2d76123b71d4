"""docker-compose.yml and the Dockerfile, read as Docker Compose reads them: no engine is needed."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dramatiq.cli import make_argument_parser

from common.settings import PREFIX, VARIABLES, unknown_variables
from producers.cli import COMMANDS as PRODUCER_COMMANDS
from producers.web.settings import WebSettings
from tests.parts.packages import COMPOSE, require
from worker.cli.main import COMMANDS
from worker.messaging.middleware import IMPORT_LIMIT_MS, TIME_LIMIT_MS
from worker.messaging.reading import ACTORS, INGEST_ACTORS
from worker.settings import Settings
from worker.work.queue import QUEUE_OF, WorkKind

REPOSITORY = Path(__file__).parents[2]
PARTS = {"broker", "database"}
ONCE = {"migrate", "command"}
USER = "10001:10001"


def read_compose(*files: str) -> dict[str, Any]:
    """The merged files, with anchors and defaults resolved, and the services of every profile."""
    require(COMPOSE)
    named = [option for file in files for option in ("--file", file)]
    done = subprocess.run(
        [COMPOSE.program("docker-compose"), *named, "--profile", "*", "config", "--format", "json"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


_WORKERS = ["python", "-m", "worker.main"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read_compose("docker-compose.yml")


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in compose["services"].items() if name not in PARTS}


def _dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text("utf-8")


def _workers(ours: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in ours.items() if service["command"][:3] == _WORKERS}


def _options(service: dict[str, Any]) -> Any:  # noqa: ANN401 — argparse's
    return make_argument_parser().parse_args(service["command"][2:])  # type: ignore[no-untyped-call]


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert found, text
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def _secrets(service: dict[str, Any]) -> dict[str, str]:
    """The path of each secret in the container, with its name."""
    return {secret["target"]: secret["source"] for secret in service["secrets"]}


def _lane(service: dict[str, Any]) -> str:
    """The lane of the works that the processes of a service claim."""
    return service["environment"].get("PREFECTURE_WORKER_LANE", "all")  # type: ignore[no-any-return]


def test_every_queue_has_workers_that_scale_alone(ours: dict[str, Any]) -> None:
    workers = _workers(ours)
    consumed = [set(_options(it).queues) for it in workers.values() if _lane(it) == "all"]
    assert sorted(queue for queues in consumed for queue in queues) == sorted(ACTORS)
    assert set(INGEST_ACTORS) in consumed, (
        "a process that also made files would read no event meanwhile"
    )
    assert {_options(service).threads for service in workers.values()} == {1}
    fixed = [name for name, it in workers.items() if {"container_name", "hostname"} & it.keys()]
    assert fixed == []


def test_a_batch_never_holds_all_processes_that_make_files_of_people(ours: dict[str, Any]) -> None:
    (people,) = (it for it in _workers(ours).values() if _lane(it) == "people")
    of_files = {QUEUE_OF[kind] for kind in (WorkKind.LISTE, WorkKind.TABLEAU)}
    assert set(_options(people).queues) == of_files
    assert people["scale"] >= 1


def test_a_second_process_stands_by_for_each_queue_of_events(ours: dict[str, Any]) -> None:
    assert ours["worker-requests"]["scale"] == 2
    assert _options(ours["worker-requests"]).processes == 1


def test_a_job_may_end_before_its_container_is_killed(ours: dict[str, Any]) -> None:
    for name, service in _workers(ours).items():
        limit = IMPORT_LIMIT_MS if name == "worker-registre" else TIME_LIMIT_MS
        shutdown = _options(service).worker_shutdown_timeout
        assert limit < shutdown < _seconds(service["stop_grace_period"]) * 1000


def test_the_commands_exist(ours: dict[str, Any]) -> None:
    for service in ours.values():
        words = [*(service.get("entrypoint") or []), *service["command"]]
        if words[0] == "python" and words[:3] != _WORKERS:
            assert words[1] == "-m"
            assert words[3] in {"worker": COMMANDS, "producers": PRODUCER_COMMANDS}[words[2]]


def test_a_command_finds_the_requests_of_an_earlier_one(ours: dict[str, Any]) -> None:
    """The source of requests contains the host's name by default, which differs in each container."""
    assert ours["command"]["hostname"] == "command"


def test_each_service_that_stays_has_a_health_check(
    compose: dict[str, Any], ours: dict[str, Any]
) -> None:
    assert {
        name for name, it in compose["services"].items() if it["healthcheck"].get("disable")
    } == ONCE
    for name in ours.keys() - ONCE:
        role = "worker" if name in _workers(ours) else name
        assert ours[name]["healthcheck"]["test"] == ["CMD", "bash", "common/healthy.sh", role]
    assert re.search(
        r'^HEALTHCHECK .*\\\n +CMD \["bash", "common/healthy.sh", "worker"\]$',
        _dockerfile(),
        re.MULTILINE,
    )


def test_nothing_may_write_outside_of_its_volumes(
    compose: dict[str, Any], ours: dict[str, Any]
) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
    assert {name: compose["services"][name]["user"] for name in PARTS} == {
        "broker": "rabbitmq",
        "database": "postgres",
    }
    assert [name for name, service in ours.items() if "user" in service] == []  # the image's
    assert re.findall(r"^USER (.+)$", _dockerfile(), re.MULTILINE) == [USER]


def test_a_process_that_dies_is_restarted_and_logs_do_not_fill_the_disk(
    compose: dict[str, Any],
) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys(), name


def test_workers_wait_for_the_migration_the_broker_and_the_database(ours: dict[str, Any]) -> None:
    for name, service in ours.items():
        waits = {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        parts = {"broker": "service_healthy", "database": "service_healthy"}
        if name == "migrate":
            assert waits == {"database": "service_healthy"}
        elif name == "command":
            assert waits == {}, (
                "`check` reports a part that is away, so that it must start without that part"
            )
        else:
            assert waits == parts | {"migrate": "service_completed_successfully"}


def test_each_postgresql_keeps_its_data_in_the_volume(compose: dict[str, Any]) -> None:
    """The image of PostgreSQL 18 has its data elsewhere unless PGDATA says where."""
    database = compose["services"]["database"]
    (volume,) = (it for it in database["volumes"] if it["source"] == "database")
    assert database["environment"]["PGDATA"] == volume["target"]


def test_the_broker_and_the_screen_are_reached_from_outside_and_only_from_this_host(
    compose: dict[str, Any],
) -> None:
    published = {
        name: port for name, it in compose["services"].items() for port in it.get("ports", [])
    }
    assert published.keys() == {"broker", "web"}
    assert {
        port["host_ip"] for it in compose["services"].values() for port in it.get("ports", [])
    } == {"127.0.0.1"}
    assert compose["networks"]["back"]["internal"]
    outside = {
        name for name, service in compose["services"].items() if "front" in service["networks"]
    }
    assert outside == {"broker", "command", "notifier", "web"}


def test_the_screen_reads_files_and_writes_none(ours: dict[str, Any]) -> None:
    volumes = {Path(volume["source"]).name: volume for volume in ours["web"]["volumes"]}
    assert volumes.keys() == {"arrivals", "exports", "profiles", "spool"}
    assert volumes["exports"]["read_only"]
    assert volumes["profiles"]["read_only"]
    assert volumes["exports"]["target"] == "/var/lib/prefecture/exports"
    spool = volumes["spool"]["target"]
    assert f"PREFECTURE_HOME={Path(spool).parent} " in _dockerfile()
    assert ours["web"]["environment"]["TMPDIR"] == spool
    assert [
        name
        for name, it in ours.items()
        if name != "web"
        for v in it.get("volumes", [])
        if v["source"] == "spool"
    ] == []


def test_exports_of_the_reu_go_from_the_screen_to_the_one_worker_that_imports(
    ours: dict[str, Any],
) -> None:
    places = {
        name: {
            volume["target"] for volume in it.get("volumes", []) if volume["source"] == "arrivals"
        }
        for name, it in ours.items()
    }
    assert {name for name, targets in places.items() if targets} == {
        "command",
        "notifier",
        "web",
        "worker-registre",
    }
    (place,) = set().union(*places.values())
    assert place == "/var/lib/prefecture/arrivals"
    volumes = {Path(volume["source"]).name for volume in ours["worker-registre"]["volumes"]}
    assert volumes == {"arrivals", "profiles"}, "it makes no file"


def test_in_a_container_the_screen_is_closed_until_a_setting_admits_agents(
    ours: dict[str, Any],
) -> None:
    assert "PREFECTURE_WEB_AUTH=proxy" in _dockerfile()
    named = {name for name in ours["web"]["environment"] if name.startswith(f"{PREFIX}WEB_")}
    assert named == {"PREFECTURE_WEB_HOST"}, "a value here would win over var/prefecture.env"


def test_tls_between_the_parts_is_one_line(compose: dict[str, Any], ours: dict[str, Any]) -> None:
    """Every server address checks the certificate, by a certification authority that the service is given."""
    with_tls = read_compose("docker-compose.yml", "deploy/tls.yml")
    assert with_tls["services"].keys() == compose["services"].keys()
    addresses = {
        name: Path(it["file"]).name
        for name, it in with_tls["secrets"].items()
        if name.endswith("_url")
    }
    assert addresses == {name: f"{name.removesuffix('_url')}_tls_url" for name in addresses}
    for name in ours:
        before, after = (
            {(it["source"], it["target"]) for it in services[name]["secrets"]}
            for services in (compose["services"], with_tls["services"])
        )
        assert after - before == {("authority", "/run/secrets/authority")}
        assert before <= after
    (port,) = (port for port in with_tls["services"]["broker"]["ports"] if port["target"] == 5671)
    assert port["host_ip"] == "127.0.0.1", "it is opened to other hosts by a line of its own"
    places = [Path(it["file"]) for it in with_tls["configs"].values()]
    assert [place for place in places if not place.is_file()] == []


def test_settings_are_known_and_no_secret_is_written_here(ours: dict[str, Any]) -> None:
    for service in ours.values():
        assert unknown_variables(service["environment"]) == {}
    text = (REPOSITORY / "docker-compose.yml").read_text("utf-8") + _dockerfile()
    assert unknown_variables(re.findall(rf"{PREFIX}[A-Z_]+", text)) == {}
    fields = Settings.model_fields | WebSettings.model_fields
    secret = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
    named = {name for name in VARIABLES if f"{PREFIX}{name}" in text}
    assert named & {name.upper() for name in secret} == set()


def test_each_process_is_given_its_own_accounts_only(ours: dict[str, Any]) -> None:
    accounts = {
        "worker-requests": ("requests", "requests"),
        "worker-registre": ("registre", "workers"),
    }
    for name in _workers(ours):
        database, broker = accounts.get(name, ("files", "workers"))
        assert _secrets(ours[name]) == {
            "prefecture_database_url": f"database_{database}_url",
            "prefecture_amqp_url": f"broker_{broker}_url",
        }
    assert set(_secrets(ours["notifier"]).values()) == {
        "database_notifier_url",
        "broker_notifier_url",
        "smtp_server",
    }
    assert _secrets(ours["migrate"]) == {"prefecture_database_url": "database_owner_url"}
    assert _secrets(ours["web"]) == {
        "prefecture_state_url": "database_ecran_url",
        "prefecture_amqp_url": "broker_ecran_url",
        "prefecture_web_secret": "web_secret",
        "prefecture_web_proxy_secret": "web_proxy_secret",
        "prefecture_web_oidc_client_secret": "web_oidc_client_secret",
    }
    known = {f"prefecture_{name}" for kind in (Settings, WebSettings) for name in kind.model_fields}
    for service in ours.values():
        assert _secrets(service).keys() <= known


def test_secrets_and_data_stay_out_of_git_and_of_the_image(compose: dict[str, Any]) -> None:
    places = {
        Path(secret["file"]).relative_to(REPOSITORY).parts[0]
        for secret in compose["secrets"].values()
    }
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
    assert set(re.findall(r"^FROM (\S+)", _dockerfile(), re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+-slim-[a-z]+$", _dockerfile(), re.MULTILINE)


def test_one_image_is_built_once_and_every_process_runs_it(ours: dict[str, Any]) -> None:
    assert [name for name, service in ours.items() if "build" in service] == ["migrate"]
    assert len({service["image"] for service in ours.values()}) == 1
