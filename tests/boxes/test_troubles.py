"""Each trouble of troubles.yml is named by its alert within three minutes, and by no other; a healthy day has none."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from tests.boxes.engine import Engine, require_engine
from tests.boxes.test_operations import BLOCK, DOCUMENT, LETTERS, ROOT, Installation, _check_out, make_standins
from tests.unit.reu_sample import electeurs, write_reu

pytestmark = pytest.mark.slow

SECONDS = 180
CLOCK = "PrefectureClockNotSynchronised"
"""The clock is that of this machine, which may have nothing that sets it."""

SETTINGS = "COMPOSE_FILE=docker-compose.yml:deploy/tls.yml:deploy/monitoring.yml\nWORKER_BULK_REPLICAS=0\n"
Alert = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation by the block of the document, without a worker for batches."""
    require_engine()
    folder = tmp_path_factory.mktemp("troubles")
    with Engine(folder / "engine") as engine:
        make_standins(engine, ROOT / "var" / "boxes", [ROOT / "requirements.lock"], folder)
        made = Installation(engine, folder / "prefecture")
        _check_out(made.folder)
        (made.folder / ".env").write_text(SETTINGS)
        (made.folder / "letters.py").write_text(LETTERS)
        write_reu(made.folder / "liste.csv", [*electeurs(300)])
        made.run(next(it["commands"] for it in BLOCK.finditer(DOCUMENT) if "accounts --add ecran" in it["commands"]))
        for what in ("backup", "verify"):
            made.run(f"echo prefecture_{what}_success_timestamp_seconds $(date +%s) > var/metrics/{what}.prom")
        made.healthy()
        yield made


def _read_firing(installation: Installation) -> set[Alert]:
    told = json.loads(installation.run("curl --silent --fail http://127.0.0.1:9090/api/v1/alerts"))
    firing = [it["labels"] for it in told["data"]["alerts"] if it["state"] == "firing"]
    return {(it.pop("alertname"), frozenset(it.items() - {("severity", it["severity"])})) for it in firing}


def test_each_trouble_is_named_within_three_minutes_and_a_healthy_day_has_none(installation: Installation) -> None:
    time.sleep(45)  # what is absent or has no reader would be pending for long enough
    assert {name for name, _ in _read_firing(installation)} <= {CLOCK}
    known = set[Alert]()
    for troubles in yaml.safe_load(Path(__file__).with_name("troubles.yml").read_text("utf-8")):
        waited = dict[Alert, float]()
        for it in troubles:
            installation.run(it["cause"])
            waited[it["alert"], frozenset(it.get("labels", {}).items())] = time.monotonic()
        known |= waited.keys()
        while waited:
            firing = {it for it in _read_firing(installation) if it[0] != CLOCK}
            assert firing <= known, "two alerts for one cause"
            for alert in waited.keys() & firing:
                click.echo(f"{time.monotonic() - waited.pop(alert):6.1f} s  {alert[0]} {dict(alert[1])}")
            late = [alert for alert, since in waited.items() if time.monotonic() - since > SECONDS]
            assert not late, f"not named: {late}; but {firing}"
            time.sleep(2)
        for it in troubles:
            installation.run(it["mend"])
        installation.healthy()
