"""The manifests of ``deploy/kubernetes``: restricted, probed, and in all that matters the same as compose."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
Document = dict[str, Any]


def _load(path: str) -> Document:
    return dict(yaml.safe_load((DEPLOY / path).read_text("utf-8")))


@pytest.fixture(scope="module")
def manifests() -> dict[str, Document]:
    """Every manifest, by kind."""
    found = [_load(f"kubernetes/{path.name}") for path in (DEPLOY / "kubernetes").glob("*.yaml")]
    return {document["kind"]: document for document in found}


def _pod(manifest: Document) -> Document:
    spec = manifest["spec"]
    template = spec["jobTemplate"]["spec"]["template"] if manifest["kind"] == "CronJob" else spec["template"]
    return dict(template["spec"])


def test_kinds(manifests: dict[str, Document]) -> None:
    """There is one of each kind, all in one namespace, which admits restricted pods only."""
    kinds = {"Namespace", "ConfigMap", "Secret", "Deployment", "CronJob", "Service", "PodDisruptionBudget"}
    assert set(manifests) == kinds | {"NetworkPolicy"}
    for kind, manifest in manifests.items():
        assert kind == "Namespace" or manifest["metadata"]["namespace"] == "archiver"
    assert manifests["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_pods_are_restricted(manifests: dict[str, Document], kind: str) -> None:
    """S7: a numeric user, no privilege, no capability, root read-only, no token of the cluster."""
    pod = _pod(manifests[kind])
    (container,) = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] > 30
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("kind", "service"), [("Deployment", "archiver"), ("CronJob", "backfill")])
def test_same_as_compose(manifests: dict[str, Document], kind: str, service: str) -> None:
    """Command, user, environment, secrets and mounts are those of compose."""
    theirs = _load("container/compose.yaml")["services"][service]
    pod = _pod(manifests[kind])
    (container,) = pod["containers"]
    user = pod["securityContext"]
    assert container["args"] == theirs["command"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == theirs["user"]
    assert {one["name"]: one["value"] for one in container["env"]} == theirs["environment"]
    assert set(manifests["Secret"]["stringData"]) == set(theirs["secrets"])
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume.split(":")[1] for volume in theirs["volumes"]}
    assert mounted == volumes | {"/run/secrets", theirs["tmpfs"][0].split(":")[0]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_same_configuration(manifests: dict[str, Document]) -> None:
    """The configuration is that of compose, but for the comment above it."""
    ours = manifests["ConfigMap"]["data"]["config.toml"]
    theirs = (DEPLOY / "container" / "config.toml").read_text("utf-8")
    assert ours.partition("\n\n")[2] == theirs.partition("\n\n")[2]


def test_probes(manifests: dict[str, Document]) -> None:
    """T4: alive decides over a restart, fresh over being ready; both are asked inside, where the token is."""
    (container,) = _pod(manifests["Deployment"])["containers"]
    assert container["livenessProbe"]["exec"]["command"] == ["archiver-probe", "/healthz"]
    assert container["startupProbe"]["exec"]["command"] == ["archiver-probe", "/healthz"]
    assert container["readinessProbe"]["exec"]["command"] == ["archiver-probe", "/readyz"]
    assert container["livenessProbe"]["timeoutSeconds"] > 4


def test_several_hold_together(manifests: dict[str, Document]) -> None:
    """Several replicas, of which one stays through a disruption; service and budget select the daemon's pods."""
    deployment = manifests["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["replicas"] > manifests["PodDisruptionBudget"]["spec"]["minAvailable"] >= 1
    assert deployment["selector"]["matchLabels"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["Service"]["spec"]["publishNotReadyAddresses"] is True


def test_the_secret_is_a_template(manifests: dict[str, Document]) -> None:
    """S5: no secret stands in the manifests."""
    assert all("CHANGE-ME" in value for value in manifests["Secret"]["stringData"].values())
