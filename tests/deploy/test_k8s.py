"""The manifests for Kubernetes, as kubectl renders them; no cluster is asked."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import REPOSITORY

FOLDER = REPOSITORY / "deploy/k8s"
VALIDATE = REPOSITORY / ".venv-release/bin/kubernetes-validate"
OVERLAYS = ("staging", "production")
KUBECTL = shutil.which("kubectl")


def _renders() -> bool:
    """Whether there is a kubectl with kustomize 5; Debian 12 has one with kustomize 2."""
    if KUBECTL is None:
        return False
    asked = [KUBECTL, "version", "--client", "--output", "json"]
    found = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    return str(found.get("kustomizeVersion", "")).startswith("v5.")


NEEDS_KUBECTL = pytest.mark.skipif(
    not _renders(), reason="no kubectl 1.27 or newer on PATH, which renders the overlays"
)
NEEDS_SCHEMAS = pytest.mark.skipif(
    not VALIDATE.exists(), reason="no kubernetes-validate in .venv-release: make release-setup"
)


def rendered(overlay: str) -> str:
    command = [str(KUBECTL), "kustomize", str(FOLDER / "overlays" / overlay)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def resources(overlay: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = [each for each in yaml.safe_load_all(rendered(overlay)) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def base() -> Iterator[dict[str, Any]]:
    """What is in the base, without kubectl."""
    for file in sorted((FOLDER / "base").glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def pod(resource: dict[str, Any]) -> dict[str, Any]:
    spec = resource["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
    return found


PODS = [each for each in base() if each["kind"] in {"Deployment", "CronJob"}]


@NEEDS_KUBECTL
@NEEDS_SCHEMAS
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_would_accept_each_field(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(rendered(overlay))
    checked = subprocess.run([VALIDATE, "--strict", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stderr.count(" passed ") + checked.stdout.count(" passed ") == len(resources(overlay))


@NEEDS_KUBECTL
@NEEDS_SCHEMAS
def test_the_check_sees_a_misspelt_field(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(rendered("staging").replace("terminationGracePeriodSeconds", "terminationGraceSeconds"))
    checked = subprocess.run([VALIDATE, "--strict", file], capture_output=True, text=True, check=False)
    assert checked.returncode != 0
    assert "terminationGraceSeconds" in checked.stdout + checked.stderr


@NEEDS_KUBECTL
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_images_are_named_by_digest_and_everything_is_in_the_namespace(overlay: str) -> None:
    found = resources(overlay)
    images = [container["image"] for each in PODS for container in _containers(found, each)]
    assert len(images) == 2
    for image in images:
        assert re.fullmatch(r"[^:@]+@sha256:[0-9a-f]{64}", image), image
    namespace = found["Namespace", f"sales-forecast-{overlay}"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [each for (kind, _), each in found.items() if kind != "Namespace"]
    assert {each["metadata"]["namespace"] for each in others} == {f"sales-forecast-{overlay}"}


def _containers(found: dict[tuple[str, str], dict[str, Any]], like: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = pod(found[like["kind"], like["metadata"]["name"]])["containers"]
    return containers


@NEEDS_KUBECTL
def test_production_is_never_served_by_one_process() -> None:
    for overlay, least in (("staging", 1), ("production", 2)):
        found = resources(overlay)
        scaled = found["HorizontalPodAutoscaler", "api"]["spec"]
        assert scaled["minReplicas"] == least
        assert scaled["maxReplicas"] > least
        assert "replicas" not in found["Deployment", "api"]["spec"], "each apply would undo the autoscaler"
        assert found["PodDisruptionBudget", "api"]["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("resource", PODS, ids=lambda each: each["metadata"]["name"])
def test_no_process_can_do_more_than_it_needs(resource: dict[str, Any]) -> None:
    spec = pod(resource)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        for name, path in (("tmp", "/tmp"), ("logs", "/app/logs")):
            assert {"name": name, "mountPath": path} in container["volumeMounts"]


@pytest.mark.parametrize("resource", PODS, ids=lambda each: each["metadata"]["name"])
def test_secrets_are_files_and_not_variables(resource: dict[str, Any]) -> None:
    spec = pod(resource)
    (container,) = spec["containers"]
    assert {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True} in container["volumeMounts"]
    (secrets,) = [volume["secret"] for volume in spec["volumes"] if volume["name"] == "secrets"]
    salt = ["SALES_FORECAST_AB_SALT"] if resource["kind"] == "Deployment" else []
    wanted = ["SALES_FORECAST_DATABASE_URL", "SALES_FORECAST_SIGNING_KEY", *salt]
    assert [item["path"] for item in secrets["items"]] == wanted
    configuration = "".join(file.read_text() for file in (REPOSITORY / "conf").rglob("*.yml"))
    assert all(f"${{secret:{item['path']}" in configuration for item in secrets["items"])
    proxies = ["SALES_FORECAST_TRUSTED_PROXIES"] if resource["kind"] == "Deployment" else []
    assert [each["name"] for each in container["env"]] == ["MLFLOW_TRACKING_URI", *proxies]
    assert "secretKeyRef" not in str(container["env"])
    kinds = {each["kind"] for each in base()}
    assert "Secret" not in kinds, "no secret is in the repository"


def test_the_service_is_asked_whether_it_runs_and_whether_it_can_answer() -> None:
    (deployment,) = [each for each in PODS if each["kind"] == "Deployment"]
    (container,) = pod(deployment)["containers"]
    paths = {
        probe: container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/startup", "livenessProbe": "/health", "readinessProbe": "/ready"}
    settings = yaml.safe_load((REPOSITORY / "conf/base/service.yml").read_text())
    assert pod(deployment)["terminationGracePeriodSeconds"] > settings["max_seconds"] + 5
    assert container["ports"][0]["containerPort"] == settings["port"]


def test_the_week_is_refreshed_once_at_a_time() -> None:
    (job,) = [each for each in PODS if each["kind"] == "CronJob"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
    (container,) = pod(job)["containers"]
    assert container["command"] == ["kedro", "run", "--env", "postgres", "--pipelines", "refresh"]
    assert {"name": "data", "mountPath": "/app/data"} in container["volumeMounts"]


@NEEDS_KUBECTL
def test_nothing_may_call_or_be_called_unless_a_rule_says_so() -> None:
    policies = {
        name: each["spec"]
        for (kind, name), each in resources("production").items()
        if kind == "NetworkPolicy"
    }
    closed = [each for each in policies.values() if not each.get("ingress") and not each.get("egress")]
    assert closed == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    (calls,) = policies["calls"]["ingress"]
    assert calls["from"], "an empty list would let everybody in"
    assert policies["calls"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "api"}
