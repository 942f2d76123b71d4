"""Each trouble of troubles.yml is named by its alert within three minutes, and by no other; a healthy day has none."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.boxes.engine import Engine, require_engine
from tests.boxes.test_operations import (
    BLOCK,
    DOCUMENT,
    NO_EVENT,
    ROOT,
    Installation,
    _check_out,
    make_standins,
)
from tests.parts.process import Process
from tests.parts.wait import wait_until
from tests.unit.reu_sample import electeurs, write_reu

pytestmark = pytest.mark.slow

SECONDS = 180
CLOCK = "PrefectureClockNotSynchronised"
"""The clock is that of this machine, which may have nothing that sets it."""

SETTINGS = """COMPOSE_FILE=docker-compose.yml:deploy/tls.yml:deploy/monitoring.yml
WORKER_PEOPLE_REPLICAS=0
ALERTS_TO=exploitation@mairie.example
ALERTS_SMTP_FILE=var/secrets/alerts_smtp_server
"""
POSTMAN = """
import time
from tests.parts.mail import Mailbox
mailbox = Mailbox()
mailbox.host, mailbox.port = "0.0.0.0", 2526
mailbox.refuse("inconnu@mairie.example")
mailbox.refuse("plus-tard@mairie.example", 452)
mailbox.on_mail = lambda: open("mails", "ab").write(bytes(mailbox.mails[-1].message))
mailbox.start()
time.sleep(7200)
"""
"""A mail server on the host of the containers, which appends mails to a file."""

A_DAY = """
docker compose run --rm -T command import-reu - --report /import/rejets.csv < liste.csv
docker compose run --rm --entrypoint "python -m producers" command export-liste --commune 13055 --wait
docker compose restart worker-listes
sh deploy/prefecture backup
sh deploy/prefecture verify
"""
Alert = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation by the block of the document, with one service for each queue of files."""
    require_engine()
    folder = tmp_path_factory.mktemp("troubles")
    with Engine(folder / "engine") as engine:
        make_standins(engine, ROOT / "var" / "boxes", [ROOT / "requirements.lock"], folder)
        made = Installation(engine, folder / "prefecture")
        _check_out(made.folder)
        (made.folder / ".env").write_text(SETTINGS)
        (made.folder / "no_event.py").write_text(NO_EVENT)
        write_reu(made.folder / "liste.csv", [*electeurs(300)])
        made.run(
            "mkdir -p var/metrics var/secrets; echo smtp://10.213.57.1:2526 > var/secrets/alerts_smtp_server"
        )
        for what in ("backup", "verify", "drill"):
            made.run(
                f"echo prefecture_{what}_success_timestamp_seconds $(date +%s) > var/metrics/{what}.prom"
            )
        postman = ["nsenter", f"--net=/proc/{engine.pid}/ns/net", sys.executable, "-c", POSTMAN]
        Process(
            postman, env={"PYTHONPATH": str(ROOT)}, folder=made.folder, log=folder / "postman.log"
        )
        made.run(
            next(
                it["commands"]
                for it in BLOCK.finditer(DOCUMENT)
                if "accounts --add ecran" in it["commands"]
            )
        )
        made.healthy()
        yield made


def _ask_prometheus(installation: Installation, path: str) -> Any:  # noqa: ANN401 — JSON
    return json.loads(
        installation.run(f"curl --silent --fail --globoff 'http://127.0.0.1:9090/api/v1/{path}'")
    )["data"]


def _read_firing(installation: Installation) -> set[Alert]:
    alerts = _ask_prometheus(installation, "alerts")["alerts"]
    firing = [
        it["labels"]
        for it in alerts
        if it["state"] == "firing" and it["labels"]["alertname"] != CLOCK
    ]
    return {
        (it.pop("alertname"), frozenset(it.items() - {("severity", it["severity"])}))
        for it in firing
    }


def test_a_healthy_day_has_no_alert(installation: Installation) -> None:
    """An import, files, a worker that starts anew, a backup, a check; longer than each alert of this list waits."""
    since = time.monotonic()
    installation.run(A_DAY)
    time.sleep(max(0, SECONDS - (time.monotonic() - since)))
    alerts = f'ALERTS{{alertstate="firing",alertname!="{CLOCK}"}}[{time.monotonic() - since:.0f}s]'
    assert _ask_prometheus(installation, f"query?query=count_over_time({alerts})")["result"] == []


def _wait_for_the_end(installation: Installation, alerts: set[Alert]) -> None:
    wait_until(
        lambda: not alerts & _read_firing(installation),
        timeout=SECONDS,
        message=f"the end of {alerts}",
    )


def test_each_trouble_is_named_within_three_minutes(installation: Installation) -> None:
    known = set[Alert]()
    for troubles in yaml.safe_load(Path(__file__).with_name("troubles.yml").read_text("utf-8")):
        alerts = [(it["alert"], frozenset(it.get("labels", {}).items())) for it in troubles]
        _wait_for_the_end(installation, set(alerts))
        known |= set(alerts)
        waited = dict[Alert, float]()
        for it, alert in zip(troubles, alerts, strict=True):
            installation.run(it["cause"])
            waited[alert] = time.monotonic()
        while waited:
            firing = _read_firing(installation)
            assert firing <= known, f"two alerts for one cause: {firing - known}"
            for alert in waited.keys() & firing:
                click.echo(
                    f"{time.monotonic() - waited.pop(alert):6.1f} s  {alert[0]} {dict(alert[1])}"
                )
            late = [alert for alert, since in waited.items() if time.monotonic() - since > SECONDS]
            assert not late, f"not named: {late}; but {firing}"
            time.sleep(2)
        for it in troubles:
            installation.run(it.get("mend", ""))
        installation.healthy()
    mails = (installation.folder / "mails").read_text()
    for subject in (
        "critical: PrefectureScreenAway",
        "over: PrefectureScreenAway",
        "warning: PrefectureVerifyOld",
    ):
        assert f"Subject: [Prefecture] {subject}" in mails
    assert "To: exploitation@mairie.example" in mails
