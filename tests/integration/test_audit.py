"""`make audit` and `make sbom`: what they say, and that they say what nobody answered."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.audit import audit
from tests.parts.town import ROOT

pytestmark = pytest.mark.integration


def test_what_is_known_and_what_nobody_answered_are_told_apart() -> None:
    report = {
        "dependencies": [
            {"name": "lxml", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]},
            {"name": "pika", "version": "1.4.4", "vulns": []},
            {"name": "rich", "skip_reason": "not found"},
        ]
    }
    assert audit(json.dumps(report)) == (["lxml 1.0 : PYSEC-2026-1, corrigé en 1.1"], 2, 1)


@pytest.mark.slow
def test_the_inventory_names_everything_that_is_locked_with_its_hash(tmp_path: Path) -> None:
    done = subprocess.run(["make", "sbom"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    components = json.loads((ROOT / "var" / "sbom.json").read_text("utf-8"))["components"]
    locked = [
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines() if "==" in line
    ]
    assert {it["name"].lower() for it in components} == {name.split("[")[0].lower() for name in locked}
    assert all(reference.get("hashes") for it in components for reference in it["externalReferences"])


@pytest.mark.slow
def test_the_history_holds_no_secret() -> None:
    done = subprocess.run(["make", "audit"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "History: no secret." in done.stdout
    assert "packages asked about" in done.stdout
