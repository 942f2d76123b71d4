"""`deploy/prefecture` ended before each of its commands: the same command again comes to the same end."""

import shutil
from pathlib import Path

import pytest

from tests.parts.deployment import DEPLOY
from tests.parts.interruption import Script, each_step

_OPENSSL = """#!/bin/sh
for word in "$@"; do
    case ${last:-} in
    -keyout) key=$word ;;
    -out) out=$word ;;
    -CA) authority=$word ;;
    -in) request=$word ;;
    esac
    last=$word
done
if [ "$1" = x509 ]; then
    cat "$authority" "$request" >"$out"
else
    od -An -N8 -tx1 /dev/urandom | tee "$key" >"$out"
fi
"""
"""An `openssl` that takes no time: a certificate is what its authority and its key are."""


def _check_out(folder: Path) -> Script:
    shutil.copytree(DEPLOY, folder / "deploy")
    script = Script(folder)
    script.write_program("openssl", _OPENSSL)
    return script


def _require_secrets(script: Script, names: set[str]) -> None:
    secrets = script.checkout / "var" / "secrets"
    assert {path.name for path in secrets.iterdir()} == names, "no key of an authority is left"
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o644}
    read = {path.name: path.read_text() for path in secrets.iterdir()}
    for name, content in read.items():
        assert not name.endswith("_password") or len(content) == 48, name
        if name.endswith("_url"):
            account = name.removesuffix("_url").removesuffix("_tls")
            assert f":{read[f'{account}_password']}@" in content
    for host in ("broker", "database"):
        assert read[f"{host}_certificate.pem"] == read["authority.pem"] + read[f"{host}_key.pem"]


@pytest.mark.parametrize(
    "of", [pytest.param(29, id="some"), pytest.param(1, id="each", marks=pytest.mark.slow)]
)
def test_secrets_that_were_interrupted_are_whole_after_the_same_command(
    tmp_path: Path, of: int
) -> None:
    whole = _check_out(tmp_path / "whole")
    assert whole.run("secrets").returncode == 0
    names = {path.name for path in (whole.checkout / "var" / "secrets").iterdir()}
    _require_secrets(whole, names)
    assert {"authority.pem", "broker_key.pem", "web_secret"} < names
    last = whole.steps
    for step in {*each_step(last, of), *range(last - 12, last)}:
        script = _check_out(tmp_path / str(step))
        assert script.run("secrets", step).returncode != 0 or script.steps < step
        again = script.run("secrets")
        assert (again.returncode, again.stderr) == (0, ""), step
        _require_secrets(script, names)
        shutil.rmtree(script.checkout)
