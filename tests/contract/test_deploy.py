"""The files of `deploy/` agree with the code, and contain no password; metrics, dashboard, alerts and pages agree."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.topology import MAX_EVENT_BYTES, QUEUE_REGISTRE
from tests.contract.test_compose import read_compose
from tests.parts.deployment import DEPLOY, TEMPLATE, VHOST, make_secrets, read_conf
from tests.parts.packages import AGE, ALERTMANAGER, PROMETHEUS, SHELLCHECK, require
from worker.db.migrate import GRANTS
from worker.messaging.broker import queue_arguments
from worker.messaging.middleware import IMPORT_LIMIT_MS, TIME_LIMIT_MS
from worker.monitoring.exporter import METRICS
from worker.registre.imports.history import ADVISORY_KEY
from worker.settings import Settings

REPOSITORY = DEPLOY.parent


@pytest.fixture
def definitions() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(TEMPLATE.read_text("utf-8"))
    return content


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return make_secrets(tmp_path)


def test_time_limits_are_in_order_and_a_full_queue_refuses_messages(
    definitions: dict[str, Any],
) -> None:
    assert definitions["vhosts"] == [{"name": VHOST}], "no other kind of queue by default"
    for queue in definitions["queues"]:
        own = {} if queue["name"].endswith(".XQ") else queue_arguments(queue["name"])
        assert queue["arguments"].items() >= own.items(), queue["name"]
        assert not own or queue["arguments"]["x-overflow"] == "reject-publish"
    for policy in definitions["policies"]:
        name, found = policy["name"], policy["definition"]
        assert found.keys() <= {"consumer-timeout", "max-length", "max-length-bytes", "overflow"}, (
            name
        )
        if name in ("listeners", "dead-letters"):
            assert found["overflow"] == "drop-head"
            assert {"max-length", "max-length-bytes"} < found.keys()
            continue
        assert found["consumer-timeout"] > 2 * (
            IMPORT_LIMIT_MS if name == QUEUE_REGISTRE else TIME_LIMIT_MS
        )
    assert (
        int(read_conf(DEPLOY / "broker" / "rabbitmq.conf")["max_message_size"]) == MAX_EVENT_BYTES
    )


def test_the_template_holds_names_where_hashes_will_be(definitions: dict[str, Any]) -> None:
    for user in definitions["users"]:
        assert "password" not in user
        assert user["password_hash"] == f"@{user['name']}@"
    placed = [
        it for kind in definitions if kind not in ("users", "vhosts") for it in definitions[kind]
    ]
    assert {it["vhost"] for it in placed} == {VHOST}


def test_an_account_without_a_password_stops_the_broker(secrets: Path) -> None:
    (secrets / "broker_workers_password").write_text("")
    script = ["sh", str(DEPLOY / "broker" / "definitions.sh"), str(TEMPLATE), str(secrets)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "broker_workers_password is empty" in done.stderr


def test_the_accounts_of_the_database_are_those_that_migrate_grants_to() -> None:
    made = set(
        re.findall(r"\('(\w+)', :'", (DEPLOY / "database" / "accounts.sql").read_text("utf-8"))
    )
    assert made == {"prefecture", *GRANTS}


def test_the_script_makes_every_secret_that_compose_wants(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = REPOSITORY / "docker-compose.yml", DEPLOY / "tls.yml"
    wanted = {
        it
        for path in files
        for it in re.findall(r"file: var/secrets/(\S+)", path.read_text("utf-8"))
    }
    made = {path.name for path in secrets.iterdir()}
    assert made == wanted
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o644}

    passwords = {path.name: path.read_text() for path in secrets.glob("*_password")}
    assert len(set(passwords.values())) == len(passwords) == 14
    assert {len(password) for password in passwords.values()} == {48}
    for path in secrets.glob("*_url"):
        assert (
            f":{passwords[path.name.replace('_tls_url', '_url').replace('_url', '_password')]}@"
            in path.read_text()
        )
    monkeypatch.setenv("PREFECTURE_DATABASE_URL", (secrets / "database_files_url").read_text())
    monkeypatch.setenv("PREFECTURE_AMQP_URL", (secrets / "broker_workers_url").read_text())
    assert "prefecture_files:" in Settings().database_url.get_secret_value()


def test_the_script_keeps_what_is_there_and_makes_what_is_missing(
    secrets: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    for path in secrets.glob("*_workers_*"):
        path.unlink()
    make_secrets(tmp_path)
    after = {path.name: path.read_text() for path in secrets.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if "_workers_" in name
    }


def _committed() -> Iterator[Path]:
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    for name in done.stdout.split("\0"):
        path = REPOSITORY / name
        if (
            path.is_file()
            and not name.startswith("tests/")
            and path.suffix not in {".lock", ".ttf", ".icc", ".pdf"}
        ):
            yield path


def test_no_password_is_committed() -> None:
    """Neither one that the script could have made, nor one in an address, except the words that documents use."""
    words = {"…", "...", "%s", "guest", "secret", "password", "mot-de-passe", "motdepasse"}
    found = {}
    committed = list(_committed())
    assert REPOSITORY / "docker-compose.yml" in committed
    for path in committed:
        text = path.read_text("utf-8", errors="replace")
        addresses = re.findall(r"(?:amqps?|postgresql\S*)://[^\s:/@{}]+:([^\s@{}]+)@", text)
        if strange := [
            *re.findall(r"\b[0-9a-f]{48}\b", text),
            *(word for word in addresses if word not in words),
        ]:
            found[path.name] = strange
    assert found == {}


_DOCKER = """#!/bin/sh
echo "$*" >> calls
case "$*" in
*' check') exit "${CHECK:-0}" ;;
*health=unhealthy*) echo 51ac ;;
inspect*Health.Log*) printf 'la base refuse le mot de passe du compte prefecture_files\n\n' ;;
ps*oneoff*.ID*) echo notifier 4d6f; echo web 77ab; echo worker-bulk 9c01 ;;
ps*oneoff*)
    for service in broker database notifier web; do echo "$service Up 5 seconds (healthy)"; done
    [ -z "${SICK:-}" ] || echo "worker-listes Up 5 minutes (unhealthy)"
    ;;
inspect*) echo healthy ;;
*version_num*) echo "$IS_TOO_NEW" ;;
*list_queues*) tail -n 1 events 2>/dev/null; sed -i '$d' events 2>/dev/null; cat queues 2>/dev/null || true ;;
*list_users*) printf 'ecran []\nlistes []\nworker []\nmairie-13055 []\n' ;;
*delete_queue*if-empty*) [ ! -e full ] ;;
*string_agg*) tail -n 1 counted; echo "liste $AFTER" >> counted ;;
*pg_locks*) [ ! -s imports ] || { tail -n 1 imports; sed -i '$d' imports; } ;;
*pg_dump*) echo PGDMP now ;;
*demandes*) cat known ;;
*logs*) cat notified ;;
*'--entrypoint sh'*) for script; do :; done; sh -c "$script" ;;
*verify*) exit "${VERIFY:-0}" ;;
*pg_restore*) cat > restored ;;
compose\\ ps*) echo prefecture:old ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with secrets, a backup and a `docker` that only notes its calls."""
    make_secrets(tmp_path)
    for name in ("pyproject.toml", "Dockerfile"):
        shutil.copy(REPOSITORY / name, tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(_DOCKER)
    docker.chmod(0o755)
    (tmp_path / "var" / "backups").mkdir()
    (tmp_path / "var" / "backups" / "before.dump").write_text("PGDMP of before")
    names = {"IMAGE": "prefecture:new", "IMAGE_BEFORE": "prefecture:old", "REVISION_BEFORE": "0044"}
    names["BACKUP_BEFORE"] = "var/backups/before.dump"
    (tmp_path / ".env").write_text(
        "".join(f"MODULE_{name}={value}\n" for name, value in names.items())
    )
    return tmp_path


def _run(checkout: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment["PATH"] = f"{checkout / 'bin'}:{os.environ['PATH']}"
    words = ["sh", "deploy/prefecture", *command.split()]
    return subprocess.run(
        words, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("option", ["", "--restore"])
@pytest.mark.parametrize("is_too_new", ["f", "t"])
def test_going_back_restores_the_backup_where_it_must_and_may(
    checkout: Path, is_too_new: str, option: str
) -> None:
    (checkout / "queues").write_text("requests\t0\nlistes\t3\n")
    done = _run(checkout, f"rollback {option}", IS_TOO_NEW=is_too_new)
    calls = (checkout / "calls").read_text().splitlines()
    steps = [
        word
        for call in calls
        for word in ("DROP DATABASE", "pg_restore", "up --detach")
        if word in call
    ]
    is_refused = is_too_new == "t" and not option
    assert done.returncode == is_refused, done.stderr
    assert ("MODULE_IMAGE=prefecture:old" in (checkout / ".env").read_text()) is not is_refused
    assert ("rollback --restore" in done.stderr) is is_refused
    if is_refused:
        assert not any("stop" in call or "DROP" in call or "delete" in call for call in calls)
    elif is_too_new == "t":
        assert steps == ["DROP DATABASE", "pg_restore", "up --detach", "up --detach"], (
            "the servers, then the rest"
        )
        assert any("delete_queue --vhost prefecture listes" in call for call in calls), (
            "the queues of this release have other arguments"
        )
        assert (checkout / "restored").read_text() == "PGDMP of before"
        (left,) = (checkout / "var" / "backups").glob("*-rollback.dump")
        assert (left.read_text(), left.stat().st_mode & 0o777) == ("PGDMP now\n", 0o600)
    else:
        assert steps == ["up --detach"] * 2
        assert not any("delete_queue" in call for call in calls)


@pytest.mark.parametrize("after", ["300", "299"])
def test_an_upgrade_that_counts_other_electors_fails_and_names_the_way_back(
    checkout: Path, after: str
) -> None:
    (checkout / "counted").write_text("liste 300\n")
    with (checkout / ".env").open("a") as env:
        env.write("CANARY=13055\n")
    done = _run(checkout, "upgrade", IS_TOO_NEW="1000", AFTER=after)
    is_other = after != "300"
    assert done.returncode == is_other, done.stderr
    assert ("sh deploy/prefecture rollback" in done.stderr) is is_other
    assert ("before: liste 300\nafter:  liste 299\n" in done.stderr) is is_other


def _write_queues(checkout: Path, *events: int) -> None:
    """The queues of release 0.3.0, and how many events `requests` has at each look."""
    (checkout / "events").write_text("".join(f"requests\t{it}\n" for it in reversed(events)))
    others = {"requests-bulk": 0, "requests.DQ": 0, "listes": 7, "listes-bulk.DQ": 3, "registre": 1}
    others |= {"requests.XQ": 2, "listes-bulk.XQ": 1, "listener.compta": 9}
    (checkout / "queues").write_text("".join(f"{name}\t{it}\n" for name, it in others.items()))
    (checkout / "counted").write_text("liste 300\n")


def test_an_upgrade_from_0_3_0_lets_its_workers_read_all_events_before_it_deletes_their_queues(
    checkout: Path,
) -> None:
    _write_queues(checkout, 2, 1, 0, 0)
    done = _run(checkout, "upgrade", IS_TOO_NEW="0044", AFTER="300")
    assert done.returncode == 0, done.stderr
    calls = (checkout / "calls").read_text()
    steps = "compose stop web|list_queues|stop 4d6f 9c01|delete_queue .*requests |up --detach|delete_user worker"
    found = [it[0].split(" --")[0] for it in re.finditer(steps, calls)]
    looks = ["list_queues"] * 3
    begin = ["compose stop web", *looks, "stop 4d6f 9c01", "list_queues"]
    assert found[: len(begin)] == begin, "the screen, the last event, the workers, the queues"
    deleted = re.findall(r"delete_queue --vhost prefecture (\S+)( --if-empty)?", calls)
    assert dict(deleted) == {
        **dict.fromkeys(("requests", "requests-bulk", "listes-bulk.XQ"), " --if-empty"),
        **dict.fromkeys(("requests.DQ", "listes", "listes-bulk.DQ", "registre"), ""),
    }, "dead letters and the queues of listeners stay"
    assert re.findall(r"delete_user (\S+)", calls) == ["listes", "worker"]
    assert (
        "the account listes of RabbitMQ, which no process uses any more, is dropped" in done.stdout
    )


def test_an_event_that_comes_at_the_last_moment_stops_an_upgrade_from_0_3_0(checkout: Path) -> None:
    _write_queues(checkout, 0, 0)
    (checkout / "full").touch()
    done = _run(checkout, "upgrade", IS_TOO_NEW="0044", AFTER="300")
    assert done.returncode == 1
    assert "a program has just published" in done.stderr
    assert "what was stopped runs again: nothing was changed" in done.stderr
    calls = (checkout / "calls").read_text()
    assert "start 4d6f 9c01 prefecture-web-1" in calls
    assert "up --detach" not in calls
    assert "delete_user" not in calls


def test_an_upgrade_from_another_release_keeps_the_screen_and_the_queues(checkout: Path) -> None:
    _write_queues(checkout, 2)
    done = _run(checkout, "upgrade", IS_TOO_NEW="1000", AFTER="300")
    assert done.returncode == 0, done.stderr
    calls = (checkout / "calls").read_text()
    assert "stop 4d6f 9c01" in calls, "also a service that this release does not have"
    assert not re.search("compose stop web|delete_queue|delete_user", calls)


def test_an_upgrade_waits_for_an_import_before_the_database_may_start_anew(checkout: Path) -> None:
    (checkout / "imports").write_text("0\n1\n1\n")
    (checkout / "counted").write_text("liste 300\n")
    done = _run(checkout, "upgrade", IS_TOO_NEW="1000", AFTER="300")
    assert done.stdout.count("is waited for, ten minutes at most") == 1
    calls = (checkout / "calls").read_text()
    stopped, *looked = (it.start() for it in re.finditer(f"stop 4d6f|= {ADVISORY_KEY}", calls))
    assert len(looked) == 3
    assert stopped < looked[0] <= looked[-1] < calls.index("up --detach")


def test_what_an_upgrade_dumps_is_encrypted_like_a_backup(checkout: Path) -> None:
    require(AGE)
    subprocess.run(
        [AGE.program("age-keygen"), "-o", checkout / "key.txt"], check=True, capture_output=True
    )
    public = (checkout / "key.txt").read_text().partition("public key: ")[2].split()[0]
    (checkout / "var" / "backup.recipient").write_text(public)
    (checkout / "counted").write_text("liste 300\n")
    assert "NOT ENCRYPTED" not in _run(checkout, "upgrade", IS_TOO_NEW="1000", AFTER="300").stderr
    [dump] = (checkout / "var" / "backups").glob("2*")
    assert (dump.suffixes[-2:], dump.read_bytes()[:18]) == (
        [".dump", ".age"],
        b"age-encryption.org",
    )
    (checkout / "calls").unlink()
    assert "is encrypted" in _run(checkout, "rollback --restore", IS_TOO_NEW="t").stderr
    assert "stop" not in (checkout / "calls").read_text()
    _run(checkout, "rollback --restore --identity key.txt", IS_TOO_NEW="t")
    assert (checkout / "restored").read_text() == "PGDMP now\n"


@pytest.mark.parametrize(
    ("program", "says", "told"),
    [
        ("awk", "2900", "has 2900 MiB of memory, 3500 are"),
        ("df", "\n/ 9 9 4096000", "has 4000 MiB free, 5000 are"),
    ],
)
def test_a_host_that_is_too_small_is_refused_first(
    checkout: Path, program: str, says: str, told: str
) -> None:
    (checkout / "bin" / program).write_text(f"#!/bin/sh\nprintf '{says}'\n")
    (checkout / "bin" / program).chmod(0o755)
    done = _run(checkout, "install")
    assert (done.returncode, f"{told} needed: nothing was changed" in done.stderr) == (1, True), (
        done.stderr
    )
    assert not any("up" in call for call in (checkout / "calls").read_text().splitlines())


@pytest.mark.parametrize("lost", [[], ["gone", 'lost"\\']])
def test_requests_that_were_notified_and_lost_are_named(checkout: Path, lost: list[str]) -> None:
    outcomes = {'known"\\': "accepted", "deleted": "refused"} | dict.fromkeys(lost, "accepted")
    for name, outcome in outcomes.items():
        line = json.dumps({"correlation_id": name, "event": "request_notified", "outcome": outcome})
        with (checkout / "notified").open("a") as notified:
            notified.write(f"notifier-1  | {line}\n")
    assert "is unknown" in _run(checkout, "lost").stderr, "the query fails"
    (checkout / "known").write_text('known"\\\n')
    done = _run(checkout, "lost")
    assert (done.returncode, done.stderr.splitlines()[1:]) == (bool(lost), lost), done.stdout


@pytest.mark.parametrize("ends", [0, 1, 2])
def test_a_backup_is_good_where_directories_change_and_keeps_the_database_where_files_fail(
    checkout: Path, ends: int
) -> None:
    """GNU tar ends with 1 for « file changed as we read it », with 2 where it could not read a file."""
    (checkout / "bin" / "tar").write_text(f"#!/bin/sh\necho files\nexit {ends}\n")
    (checkout / "bin" / "tar").chmod(0o755)
    done = _run(checkout, "backup")
    assert done.returncode == (ends == 2), done.stderr
    (kept,) = (checkout / "var" / "backups").glob("*Z*")
    assert (kept / "prefecture.dump").read_text() == "PGDMP now\n"
    assert (kept / "exports.tar").exists() is (ends < 2)
    assert (checkout / "var" / "metrics" / "backup.prom").exists() is (ends < 2)
    restored = _run(checkout, f"restore {kept} --yes")
    assert restored.returncode == 0, restored.stderr
    assert (checkout / "restored").exists()
    assert ("has no files" in restored.stdout) is (ends == 2)
    (kept / "SHA256SUMS").write_text("")
    assert "nothing was changed" in _run(checkout, f"restore {kept} --yes").stderr


@pytest.mark.parametrize("wrong", ["0", "1"])
def test_a_verification_notes_when_the_files_were_last_in_order(checkout: Path, wrong: str) -> None:
    done = _run(checkout, "verify", VERIFY=wrong)
    assert done.returncode == int(wrong), done.stderr
    assert ("verify: look above" in done.stderr) is bool(done.returncode)
    assert (checkout / "var" / "metrics" / "verify.prom").exists() is not bool(done.returncode)


def test_a_check_says_of_each_service_why_it_cannot_work(checkout: Path) -> None:
    assert _run(checkout, "check").returncode == 0
    assert _run(checkout, "check", CHECK="1").returncode == 1
    done = _run(checkout, "check", SICK="1")
    assert done.returncode == 1
    assert done.stdout == (
        "ÉCHEC  worker-listes : Up 5 minutes (unhealthy)\n"
        "       la base refuse le mot de passe du compte prefecture_files\n"
    )


def test_passwords_are_given_to_the_servers_before_the_services_start_again(checkout: Path) -> None:
    (checkout / "var" / "secrets" / "database_files_password").unlink()
    done = _run(checkout, "passwords")
    assert done.returncode == 0, done.stderr
    assert (checkout / "var" / "secrets" / "database_files_password").stat().st_size
    calls = (checkout / "calls").read_text()
    steps = "restart broker database|accounts.sql|restart\n|up --detach\n"
    assert re.findall(steps, calls) == [
        "restart broker database",
        "accounts.sql",
        "restart\n",
        "up --detach\n",
    ]


def test_timers_are_units_that_systemd_takes(checkout: Path) -> None:
    done = _run(checkout, "timers")
    made = {path.name: path.read_text() for path in (checkout / "var" / "systemd").iterdir()}
    for command in ("backup", "verify", "refresh", "drill"):
        assert (
            f"ExecStart=/bin/sh deploy/prefecture {command}\n"
            in made[f"prefecture-{command}.service"]
        )
        assert "Persistent=true" in made[f"prefecture-{command}.timer"]
        assert f"prefecture-{command}.timer" in done.stdout
    if shutil.which("systemd-analyze"):
        units = (checkout / "var" / "systemd").glob("*.timer")
        checked = subprocess.run(
            ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def test_the_script_has_no_fault_that_shellcheck_knows() -> None:
    require(SHELLCHECK)
    scripts = (
        DEPLOY / "prefecture",
        MONITORING / "alertmanager.sh",
        REPOSITORY / "common" / "healthy.sh",
    )
    subprocess.run([SHELLCHECK.program("shellcheck"), *scripts], check=True)


MONITORING = REPOSITORY / "deploy" / "monitoring"
REFERENCE = (REPOSITORY / "docs" / "reference.md").read_text("utf-8")
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text("utf-8")
ALERTS = (MONITORING / "alerts.yml").read_text("utf-8")
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
SERIES = re.compile(r"\bprefecture_\w+")


def _expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_every_metric_is_documented_as_it_is() -> None:
    documented = re.findall(
        r"^\| `(prefecture_\w+)` \| ([^|]*) ?\| ([^|]+) \|$", REFERENCE, re.MULTILINE
    )
    expected = [(m.name, ", ".join(f"`{label}`" for label in m.labels), m.meaning) for m in METRICS]
    assert [(name, labels.strip(), meaning) for name, labels, meaning in documented] == expected


def test_the_dashboard_and_the_alerts_use_metrics_that_exist() -> None:
    used = {name for text in (*_expressions(), ALERTS) for name in SERIES.findall(text)}
    written = {
        f"prefecture_{what}_success_timestamp_seconds" for what in ("backup", "verify", "drill")
    }
    assert used - {metric.name for metric in METRICS} == written, (
        "what deploy/prefecture writes into var/metrics"
    )


def test_every_metric_is_looked_at_by_the_dashboard() -> None:
    shown = {name for text in _expressions() for name in SERIES.findall(text)}
    assert {metric.name for metric in METRICS} - shown == set()


def test_figures_of_several_notifiers_are_never_added_up() -> None:
    sums = re.compile(r"\b(?:sum|avg|count)(?: by \([^)]*\))? ?\((?!max without \(instance\) )")
    assert [text for text in (*_expressions(), ALERTS) if sums.search(text)] == []


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert re.findall(r"^## (Prefecture\w+)$", RUNBOOK, re.MULTILINE) == NAMES
    assert re.findall(r"runbook_url: (\S+)", ALERTS) == [
        f"docs/runbook.md#{name.lower()}" for name in NAMES
    ]
    for page in RUNBOOK.split("\n## ")[1:]:
        assert [
            title for title in ("Clerks", "Look", "Do", "Over") if f"\n**{title}.** " not in page
        ] == [], page


def test_every_alert_is_seen_to_fire_by_its_test() -> None:
    text = (MONITORING / "alerts_test.yml").read_text("utf-8")
    fired = set(re.findall(r"- alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:", text))
    assert fired == set(NAMES)


def test_prometheus_in_a_container_asks_the_notifier_and_is_seen_from_this_host_only() -> None:
    services = read_compose("docker-compose.yml", "deploy/monitoring.yml")["services"]
    notifier, prometheus = services["notifier"], services["prometheus"]
    port = notifier["environment"]["PREFECTURE_METRICS_PORT"]
    assert f'targets: ["notifier:{port}"]' in (MONITORING / "prometheus.yml").read_text("utf-8")
    assert "ports" not in notifier
    assert [published["host_ip"] for published in prometheus["ports"]] == ["127.0.0.1"]
    assert notifier["networks"].keys() & prometheus["networks"].keys()
    assert [it["source"] for it in prometheus["volumes"] if it["type"] == "bind"] == [
        str(MONITORING),
        str(REPOSITORY / "var" / "metrics"),
    ]


def test_services_that_measure_may_only_read() -> None:
    services = read_compose("docker-compose.yml", "deploy/monitoring.yml")["services"]
    for name in ("prometheus", "node-exporter", "blackbox-exporter", "alertmanager"):
        it = services[name]
        assert (it["read_only"], it["cap_drop"], it["restart"]) == (
            True,
            ["ALL"],
            "unless-stopped",
        ), name
        assert "test" in it["healthcheck"], name
        assert [v["target"] for v in it["volumes"] if not v.get("read_only")] in (
            [],
            [f"/{name}"],
        ), name
    disks = {it["target"] for it in services["node-exporter"]["volumes"]}
    assert disks == {"/disks/broker", "/disks/database", "/disks/exports", "/disks/var"}


def test_a_sudden_trouble_is_named_within_three_minutes() -> None:
    """The longest scrape, the judgement, and the time that it must last. Slow troubles are not caused by boxes."""
    rules = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
    late = {rule["alert"] for rule in rules if _seconds(rule.get("for", "0s")) + 30 + 15 > 180}
    slow = {
        "FilesLate",
        "BatchStopped",
        "FilesFail",
        "NotificationsLate",
        "VolumeNearlyFull",
        "ClockNotSynchronised",
        "BrokerNearItsLimit",
    }
    assert late == {f"Prefecture{name}" for name in slow}
    caused = re.findall(
        r"alert: (\w+)", (REPOSITORY / "tests" / "boxes" / "troubles.yml").read_text("utf-8")
    )
    assert set(caused) <= set(NAMES) - late


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    require(PROMETHEUS)
    words = [str(PROMETHEUS.program("promtool")), *arguments]
    done = subprocess.run(words, cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("recipient", ["", "exploitation@mairie.example"])
def test_alertmanager_accepts_the_configuration_that_its_script_prints(
    tmp_path: Path, recipient: str
) -> None:
    require(ALERTMANAGER)
    (tmp_path / "server").write_text(
        "smtps://alertes%40mairie.example:l%27%C3%A9t%25@smtp.mairie.example"
    )
    script: list[str | Path] = ["sh", MONITORING / "alertmanager.sh", tmp_path / "server"]
    environment = {"PATH": os.environ["PATH"], "ALERTS_TO": recipient}
    made = subprocess.run(
        script, env=environment, capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "alertmanager.yml").write_text(made)
    check = [
        str(ALERTMANAGER.program("amtool")),
        "check-config",
        str(tmp_path / "alertmanager.yml"),
    ]
    subprocess.run(check, check=True, capture_output=True)
    found = yaml.safe_load(made)
    told = (
        found["global"]["smtp_smarthost"],
        found["global"]["smtp_auth_password"],
        found["route"]["receiver"],
    )
    assert told == ("smtp.mairie.example:465", "l'ét%", "operator" if recipient else "none")
