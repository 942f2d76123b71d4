"""deploy/kubernetes, built by kustomize: valid for Kubernetes and its operators; docker-compose.yml's processes."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.contract.test_compose import read_compose
from tests.parts.packages import KUSTOMIZE, require
from worker.work.queue import QUEUE_OF

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "deploy" / "kubernetes"
REFERENCE = (REPOSITORY / "docs" / "reference.md").read_text("utf-8")
CRDS = Path(__file__).parent / "crds"
Manifest = dict[str, Any]
CONNECTIONS_OF_A_PROCESS, CONNECTIONS_OF_A_NOTIFIER = 2, 6
"""Maximum: one for the work and one for the lease of a long file; five for the loops and one that wakes them.

`tests/integration/test_health.py` counts them.
"""


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return _build(FOLDER)


def _build(folder: Path) -> list[Manifest]:
    require(KUSTOMIZE)
    done = subprocess.run(
        [KUSTOMIZE.program("kustomize"), "build", folder], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr
    return list(yaml.safe_load_all(done.stdout))


def _of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {it["metadata"]["name"]: it for it in manifests if it["kind"] == kind}


def _closed(schema: Any) -> Any:  # noqa: ANN401 — a piece of a schema
    """The schema with no undeclared properties in its objects, so that a misspelt property is found."""
    if isinstance(schema, list):
        return [_closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


def test_every_object_is_valid(manifests: list[Manifest]) -> None:
    defined = {}
    for path in CRDS.glob("*.yaml"):
        definition = yaml.safe_load(path.read_text("utf-8"))
        [version] = definition["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"]["properties"] = {
            "name": {"type": "string"},
            "namespace": {},
            "labels": {},
        }
        defined[definition["spec"]["names"]["kind"]] = _closed(schema)
    for manifest in [*manifests, *_build(FOLDER / "monitoring")]:
        if schema := defined.get(manifest["kind"]):
            Draft202012Validator(schema).validate(manifest)
        else:
            kubernetes_validate.validate(
                manifest, kubernetes_validate.latest_version(), strict=True
            )


@pytest.mark.parametrize("tag", ["0.3.0-abcdef0", "0.4.0-1234567"])
def test_the_overlay_of_the_document_gives_each_tag_a_job_of_its_own(
    tmp_path: Path, tag: str
) -> None:
    """`kubectl apply` cannot change a Job that exists."""
    document = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    (written,) = re.findall(r"```yaml\n(resources:.+?)```", document, re.DOTALL)
    overlay = yaml.safe_load(written.replace("0.3.0-abcdef0", tag))
    (tmp_path / "prefecture" / "deploy").mkdir(parents=True)
    shutil.copytree(FOLDER, tmp_path / "prefecture" / "deploy" / "kubernetes")
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    built = _build(tmp_path / "overlay")
    (job,) = _of_kind(built, "Job").values()
    assert job["metadata"]["name"] == f"migrate-{tag}"
    assert job["metadata"]["labels"]["app.kubernetes.io/name"] == "migrate"
    images = {it["image"] for it in _pod(job)["containers"]}
    assert images == {f"registre.exemple/prefecture:{tag}"}
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    services: dict[str, Any] = read_compose("docker-compose.yml")["services"]
    return {name: it for name, it in services.items() if name not in {"broker", "database"}}


def _pod(manifest: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


LANE = "PREFECTURE_WORKER_LANE"


def test_the_processes_are_those_of_compose(
    manifests: list[Manifest], compose: dict[str, Any]
) -> None:
    ours = {**_of_kind(manifests, "Deployment"), **_of_kind(manifests, "Job")}
    assert set(ours) == set(compose)
    del ours["command"]  # runs no command until `kubectl exec`
    for name, it in ours.items():
        [process] = _pod(it)["containers"]
        assert process["args"] == compose[name]["command"], name
        lane = {variable["name"]: variable["value"] for variable in process.get("env", ())}.get(
            LANE
        )
        assert lane == compose[name]["environment"].get(LANE), name
    graces = {
        name: _pod(it).get("terminationGracePeriodSeconds")
        for name, it in ours.items()
        if "worker" in name
    }
    assert graces == {name: 1920 if name == "worker-registre" else 660 for name in graces}


def test_each_process_gets_the_secrets_that_it_has_under_compose(
    manifests: list[Manifest], compose: dict[str, Any]
) -> None:
    said = REFERENCE.partition("## Secrets of Kubernetes")[2]
    rows = dict(re.findall(r"^\| `(prefecture-\w+)` \| (.+) \|$", said, re.MULTILINE))
    for name, manifest in {
        **_of_kind(manifests, "Deployment"),
        **_of_kind(manifests, "Job"),
    }.items():
        [secret] = [
            it["secret"]["secretName"]
            for it in _pod(manifest)["volumes"]
            if it["name"] == "secrets"
        ]
        keys = set(re.findall(r"`(\w+)`", rows[secret]))
        assert {it["target"] for it in compose[name].get("secrets", ())} <= keys, name


def test_nothing_runs_with_rights(manifests: list[Manifest]) -> None:
    for name, manifest in {
        **_of_kind(manifests, "Deployment"),
        **_of_kind(manifests, "Job"),
    }.items():
        pod = _pod(manifest)
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert "memory" in container["resources"]["limits"], name


def test_workers_scale_by_the_works_that_they_claim(manifests: list[Manifest]) -> None:
    deployments = _of_kind(manifests, "Deployment")
    scaled = _of_kind(manifests, "ScaledObject")
    assert {*scaled, "worker-requests"} == {
        name for name in deployments if name.startswith("worker-")
    }
    for name, it in scaled.items():
        assert it["spec"]["scaleTargetRef"]["name"] == name
        arguments = _pod(deployments[name])["containers"][0]["args"]
        claimed = {kind for kind, queue in QUEUE_OF.items() if queue in arguments}
        counts, *ages = [trigger["metadata"]["query"] for trigger in it["spec"]["triggers"]]
        assert {*re.findall(r"'(\w+)'", counts.split("AND")[0])} == claimed, name
        for query in (counts, *ages):
            assert ("lane = 0" in query) is (name == "worker-people")


def test_the_database_has_connections_for_every_worker_that_keda_starts(
    manifests: list[Manifest],
) -> None:
    script = (REPOSITORY / "deploy" / "database" / "accounts.sql").read_text("utf-8")
    limits = {
        name: int(most)
        for name, most in re.findall(r"\('prefecture_(\w+)', :'\w+', (\d+),", script)
    }
    deployments = _of_kind(manifests, "Deployment")
    taken = Counter[str]()
    for name, scaled in _of_kind(manifests, "ScaledObject").items():
        arguments = _pod(deployments[name])["containers"][0]["args"]
        processes = int(arguments[arguments.index("--processes") + 1])
        account = "registre" if name == "worker-registre" else "files"
        taken[account] += scaled["spec"]["maxReplicaCount"] * processes * CONNECTIONS_OF_A_PROCESS
    for account, most in taken.items():
        assert most < limits[account], account
    queries = [
        it
        for scaled in _of_kind(manifests, "ScaledObject").values()
        for it in scaled["spec"]["triggers"]
    ]
    assert len(queries) < limits["lecture"] - 4, "a connection each; others for commands"
    assert limits["notifier"] >= 2 * CONNECTIONS_OF_A_NOTIFIER, "one follows the other"
    (most,) = re.findall(r"max_connections = (\d+)", script)
    assert sum(limits.values()) + 10 < int(most) - 3, (
        "the owner's, and three that the server keeps for its superuser"
    )


def test_connections_that_no_policy_names_are_closed(manifests: list[Manifest]) -> None:
    policies = _of_kind(manifests, "NetworkPolicy")
    ours = {"matchLabels": {"app.kubernetes.io/part-of": "prefecture"}}
    assert policies["nothing"]["spec"] == {
        "podSelector": ours,
        "policyTypes": ["Ingress", "Egress"],
    }
    assert set(_of_kind(manifests, "Namespace")) == {"prefecture"}
    for name, it in policies.items():
        selected = it["spec"]["podSelector"]["matchLabels"]
        assert any(label.startswith("app.kubernetes.io/") for label in selected), (
            f"{name} closes a broker beside us"
        )
    egress = policies["broker-and-database"]["spec"]["egress"]
    assert {5432, 5671, 5672} <= {
        port["port"] for it in egress if "to" not in it for port in it["ports"]
    }


def test_no_probe_kills_a_process_that_waits_for_a_service(manifests: list[Manifest]) -> None:
    """A worker in the middle of a file waits for its database; Kubernetes restarts a process that has died only."""
    for name, it in _of_kind(manifests, "Deployment").items():
        for container in it["spec"]["template"]["spec"]["containers"]:
            if (probe := container.get("livenessProbe")) is None:
                assert name == "command", name
            elif "exec" in probe:
                assert probe["exec"]["command"][-1] == "--alive", name
                ready = container["readinessProbe"]["exec"]["command"]
                assert [*ready, "--alive"] == probe["exec"]["command"], name
            else:
                assert (name, probe["httpGet"]["path"]) == ("web", "/sante/vie")


def test_a_process_that_runs_on_the_database_waits_for_the_migration(
    manifests: list[Manifest],
) -> None:
    for name, it in _of_kind(manifests, "Deployment").items():
        waits = [each for each in _pod(it).get("initContainers", ()) if "migrate" in each["args"]]
        assert bool(waits) is (name not in {"command", "web"}), name
        for each in waits:
            assert each["args"] == ["python", "-m", "worker", "migrate", "--wait"]
            [process] = _pod(it)["containers"]
            assert (each["image"], each["securityContext"]) == (
                process["image"],
                process["securityContext"],
            ), name
            assert {"secrets", "tmp"} == {mount["name"] for mount in each["volumeMounts"]}


def test_keda_reads_the_database_by_a_documented_secret(manifests: list[Manifest]) -> None:
    [scaler] = _of_kind(manifests, "TriggerAuthentication").values()
    keys = {it["parameter"]: it["key"] for it in scaler["spec"]["secretTargetRef"]}
    assert keys == {"connection": "database_url"}
    documented = re.search(r"^\| `prefecture-scaler` \| (.+) \|$", REFERENCE, re.MULTILINE)
    assert documented
    assert set(keys.values()) <= set(re.findall(r"`(\w+)`", documented[1]))


def test_a_cluster_has_the_alerts_of_compose_and_reads_the_notifier(
    manifests: list[Manifest],
) -> None:
    monitoring = _build(FOLDER / "monitoring")
    rules = yaml.safe_load((REPOSITORY / "deploy" / "monitoring" / "alerts.yml").read_text("utf-8"))
    assert _of_kind(monitoring, "PrometheusRule")["alerts"]["spec"] == rules, "make schemas"
    monitor = _of_kind(monitoring, "PodMonitor")["notifier"]["spec"]
    notifier = _of_kind(manifests, "Deployment")["notifier"]
    labels = notifier["spec"]["template"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    [endpoint] = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in [port["name"] for port in _pod(notifier)["containers"][0]["ports"]]
    entry = _of_kind(manifests, "NetworkPolicy")["notifier"]["spec"]["ingress"]
    assert [port["port"] for it in entry for port in it["ports"]] == [endpoint["port"]]
