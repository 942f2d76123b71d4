"""`deploy/prefecture` ended before each of its commands: the same command again comes to the same end."""

import re
import shutil
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import pytest

from tests.parts.deployment import DEPLOY, make_secrets
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
        assert script.run("secrets", step).returncode != 0 or not script.is_stopped
        again = script.run("secrets")
        assert (again.returncode, again.stderr) == (0, ""), step
        _require_secrets(script, names)
        shutil.rmtree(script.checkout)


_DOCKER = """#!/bin/sh
# The containers of a project are files: image and state. `schema` is the revision of its database, or « none ».
cd "$(dirname "$0")/../containers"
image=${MODULE_IMAGE:-$(sed -n 's/^MODULE_IMAGE=//p' ../.env | tail -n 1)}
services='broker database notifier web worker-listes'
is_new=$([ "$image" = prefecture:old ] || echo yes)

put() { echo "$2 $3" >"$1"; }
list() { for service in *; do read -r of state <"$service"; echo "$service $of $state"; done; }
migrate() {
    schema=$(cat ../schema)
    [ -n "$is_new" ] || [ "$schema" = 0099 ] || { echo 'mise à jour par une version plus récente' >&2; exit 1; }
    [ "$schema" != none ] || exit 1
    [ -z "$is_new" ] || echo 1000 >../schema
}
need_database() { grep -q running database && [ "$(cat ../schema)" != none ] || exit 1; }

case "$*" in
*working_dir*) ;;
'ps --quiet'*migrate*) ;;
'ps --quiet'*) echo some ;;
'ps --all'*oneoff=False*.Status*) list | sed 's/ [^ ]* running$/ Up (healthy)/; s/ [^ ]* \\([a-z]*\\)$/ \\1/' ;;
'ps --all'*oneoff=False*) list | sed 's/^\\([^ ]*\\).*/\\1 \\1/' ;;
ps*oneoff=False*) list | sed -n 's/^\\([^ ]*\\).*running$/\\1 \\1/p' ;;
'compose ps'*) list | sed -n 's/^web \\([^ ]*\\).*/\\1/p' ;;
info*) echo / ;;
inspect*) echo healthy ;;
*pg_dump*) need_database; echo "PGDMP $(cat ../schema)" ;;
*pg_restore*--data-only*) sed 's/.* /COPY of\\n/' ;;
'compose down') for service in *; do rm "$service"; done ;;
*pg_restore*) read -r dump schema; echo "$schema" >../schema ;;
*'DROP DATABASE'*) grep -q running database || exit 1; echo none >../schema ;;
*'SELECT version_num FROM'*) need_database; cat ../schema ;;
*'version_num >'*) need_database; [ "$(cat ../schema)" = 0099 ] && echo f || echo t ;;
*pg_locks*) need_database; echo 0 ;;
*string_agg*) need_database; echo 'liste 300' ;;
*'--entrypoint python'*) need_database; grep -q running worker-listes ;;
*'migrate --check'*) need_database ;;
'compose run'*' migrate') need_database; migrate ;;
'compose create web') put web "$image" created ;;
'compose stop web') put web "$(cut -d ' ' -f 1 web)" exited ;;
'compose up'*--wait*) put database of running; put broker of running ;;
'compose up'*)
    migrate
    case $* in *--remove-orphans*) rm -f worker-former ;; esac
    for service in $services; do put "$service" "$image" running; done
    ;;
'stop '* | 'start '*)
    state=$([ "$1" = stop ] && echo exited || echo running)
    shift
    for name; do
        service=${name#prefecture-}
        service=${service%-1}
        put "$service" "$(cut -d ' ' -f 1 "$service")" "$state"
    done
    ;;
esac
"""

_GIT = """#!/bin/sh
echo "${REVISION:-abc}"
"""

CHANGES = r"docker |mv (?!\.new )|rm |gzip"
"""Commands of the script after which something is otherwise; before the others it is as before one of these."""


def _install(folder: Path) -> Script:
    """An installation of the release before, which has a service that this one lacks."""
    make_secrets(folder)
    script = Script(folder, {"REVISION": "abc"})
    for name in ("pyproject.toml", "Dockerfile"):
        shutil.copy(DEPLOY.parent / name, folder)
    for name, text in {"docker": _DOCKER, "git": _GIT}.items():
        script.write_program(name, text)
    (folder / "deploy" / "broker" / "definitions.sh").write_text("echo '{}'")
    migrations = folder / "worker" / "db" / "migrations" / "versions"
    migrations.mkdir(parents=True)
    (migrations / "1000_schema.py").touch()
    (folder / "schema").write_text("0099\n")
    (folder / "containers").mkdir()
    for service in ("broker", "database", "notifier", "web", "worker-listes", "worker-former"):
        (folder / "containers" / service).write_text("prefecture:old running\n")
    (folder / ".env").write_text("CANARY=13055\nMODULE_IMAGE=prefecture:old\n")
    return script


def _runs(script: Script, image: str, schema: str) -> bool:
    """Whether all services run, ours with the image, on a database of this revision."""
    containers = {it.name: it.read_text() for it in (script.checkout / "containers").iterdir()}
    ours = {name: containers[name] for name in ("notifier", "web", "worker-listes")}
    return (
        all(re.fullmatch(f"{image}.* running\n", it) for it in ours.values())
        and all(it.endswith(" running\n") for it in containers.values())
        and (script.checkout / "schema").read_text() == f"{schema}\n"
    )


def _runs_old(script: Script) -> bool:
    return _runs(script, "prefecture:old", "0099")


def _runs_new(script: Script) -> bool:
    return _runs(script, r"prefecture:\S+-abc", "1000")


def _read_env(script: Script) -> dict[str, str]:
    lines = (script.checkout / ".env").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _require_facts_of_before(script: Script) -> None:
    env = _read_env(script)
    assert env["MODULE_STEP"] == ""
    assert (env["MODULE_IMAGE_BEFORE"], env["MODULE_REVISION_BEFORE"]) == ("prefecture:old", "0099")
    assert (script.checkout / env["MODULE_BACKUP_BEFORE"]).read_text() == "PGDMP 0099\n"
    assert env["MODULE_COUNTED_BEFORE"] == "liste 300"
    assert not list((script.checkout / "var").rglob("*.part"))


class Interrupted:
    """Runs a command of an installation that ends before each of its changes, or before every seventh."""

    def __init__(self, whole: Script, command: str, folder: Path, *, is_each: bool) -> None:
        self._origin, self._folder, self._command = folder / "origin", folder / "tried", command
        shutil.copytree(whole.checkout, self._origin)
        done = whole.run(command)
        assert done.returncode == 0, done.stderr
        changes = whole.find_steps(CHANGES)
        assert len(changes) > 20
        self.steps = changes if is_each else changes[3::7]

    def stop(self, step: int, signal: Signals = SIGKILL) -> tuple[Script, str]:
        """The installation after the end, and what the command said."""
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._origin, self._folder)
        script = Script(self._folder, {"REVISION": "abc"})
        return script, script.run(self._command, step, signal).stderr


HOW_MANY = pytest.mark.parametrize(
    "is_each",
    [pytest.param(False, id="some"), pytest.param(True, id="each", marks=pytest.mark.slow)],
)


@HOW_MANY
def test_an_upgrade_that_is_killed_goes_on_by_the_same_command(
    tmp_path: Path, *, is_each: bool
) -> None:
    upgrade = Interrupted(_install(tmp_path / "whole"), "upgrade", tmp_path, is_each=is_each)
    for step in upgrade.steps:
        script, _ = upgrade.stop(step)
        again = script.run("upgrade")
        assert again.returncode == 0, f"{step}: {again.stderr}"
        assert _runs_new(script), step
        _require_facts_of_before(script)


@HOW_MANY
def test_an_upgrade_that_is_killed_goes_back_by_a_rollback(
    tmp_path: Path, *, is_each: bool
) -> None:
    upgrade = Interrupted(_install(tmp_path / "whole"), "upgrade", tmp_path, is_each=is_each)
    for step in upgrade.steps:
        script, _ = upgrade.stop(step)
        again = script.run("rollback --restore")
        is_begun = "MODULE_IMAGE_BEFORE" in _read_env(script)
        assert again.returncode == 0 or not is_begun, f"{step}: {again.stderr}"
        assert _runs_old(script), f"{step}: {again.stderr}"


@HOW_MANY
def test_a_rollback_that_is_killed_goes_on_by_the_same_command(
    tmp_path: Path, *, is_each: bool
) -> None:
    whole = _install(tmp_path / "whole")
    assert whole.run("upgrade").returncode == 0
    rollback = Interrupted(whole, "rollback --restore", tmp_path, is_each=is_each)
    for step in rollback.steps:
        script, _ = rollback.stop(step)
        again = script.run("rollback --restore")
        assert again.returncode == 0, f"{step}: {again.stderr}"
        assert _runs_old(script), step
        _require_facts_of_before(script)
        dumps = [it.read_text() for it in script.checkout.glob("var/backups/*-rollback.dump")]
        assert set(dumps) <= {"PGDMP 1000\n"}, "no dump of half a database"


@HOW_MANY
def test_a_restore_that_is_killed_goes_on_by_the_same_command(
    tmp_path: Path, *, is_each: bool
) -> None:
    whole = _install(tmp_path / "whole")
    assert whole.run("backup").returncode == 0
    assert whole.run("upgrade").returncode == 0
    (saved,) = whole.checkout.glob("var/backups/*Z")
    command = f"restore var/backups/{saved.name} --yes"
    restore = Interrupted(whole, command, tmp_path, is_each=is_each)
    for step in restore.steps:
        script, _ = restore.stop(step)
        if _read_env(script)["MODULE_STEP"]:
            assert "a restore is not finished" in script.run("upgrade").stderr
        again = script.run(command)
        assert again.returncode == 0, f"{step}: {again.stderr}"
        assert _runs_new(script), step
        assert _read_env(script)["MODULE_STEP"] == ""
        dumps = [it.read_text() for it in script.checkout.glob("var/backups/*-replaced.dump")]
        assert set(dumps) <= {"PGDMP 1000\n"}, "no dump of half a database"


@HOW_MANY
def test_an_upgrade_that_is_asked_to_end_says_how_to_go_on(
    tmp_path: Path, *, is_each: bool
) -> None:
    upgrade = Interrupted(_install(tmp_path / "whole"), "upgrade", tmp_path, is_each=is_each)
    for step in upgrade.steps:
        script, said = upgrade.stop(step, SIGTERM)
        is_half = bool(_read_env(script).get("MODULE_STEP"))
        assert is_half or _runs_old(script) or _runs_new(script), f"{step}: {said}"
        assert is_half is ("« sh deploy/prefecture upgrade » goes on" in said), said
        installed = script.run("install")
        assert ("an upgrade is not finished" in installed.stderr) is is_half
        assert not is_half or script.run("check").returncode == 1


def test_a_newer_checkout_ends_an_upgrade_and_keeps_the_backup_of_before(tmp_path: Path) -> None:
    script = _install(tmp_path / "whole")
    assert script.run("upgrade").returncode == 0
    migrates = script.find_steps("docker compose create web")[0]
    script = _install(tmp_path / "tried")
    script.run("upgrade", migrates)
    assert (script.checkout / "schema").read_text() == "1000\n"
    script.environment["REVISION"] = "def"
    again = script.run("upgrade")
    assert again.returncode == 0, again.stderr
    assert _read_env(script)["MODULE_IMAGE"].endswith("-def")
    _require_facts_of_before(script)


def test_logs_that_do_not_fit_stop_nothing(tmp_path: Path) -> None:
    script = _install(tmp_path)
    script.write_program("gzip", "#!/bin/sh\necho No space left on device >&2\nexit 1\n")
    done = script.run("upgrade")
    assert done.returncode == 1
    assert "do not fit into var/logs: make room there, then the same command again" in done.stderr
    assert _runs_old(script)
    assert _read_env(script)["MODULE_STEP"] == ""
