"""The manifests of `deploy/kubernetes`: rendered, held against the API's schemas and against rules of our own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from marketprism_adapters.sources.registry import SOURCES
from marketprism_services.settings.metrics import METRICS
from marketprism_services.settings.services import SERVICES, Instances
from marketprism_services.wiring.shared import VERSION
from marketprism_services.wiring.source_names import LIVE, VNPY
from tests.support.kubernetes import (
    GATEWAYS,
    IMAGE,
    KUBERNETES,
    OVERLAYS,
    Document,
    bytes_of,
    documents,
    gateways,
    is_ours,
    labels_of,
    name_of,
    of_kind,
    pod_of,
    selects,
    service_of,
    workloads,
)

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
# Resident memory in MiB after some minutes of `marketprism up --source sim --processes each --clickhouse server`, at its highest.
MEASURED_MIB = {
    "storage": 202,
    "query": 177,
    "api": 88,
    "aggregator": 89,
    "validator": 92,
    "gateway": 88,
    "monitor": 104,
    "scheduler": 89,
    "order": 89,
    "data": 179,
    "backtest": 139,
    "notifier": 89,
}


def test_every_object_is_one_of_the_newest_api() -> None:
    """Of what both overlays have the larger one's; `make ops` looks at all of both, and at older APIs."""
    there = {(each["kind"], name_of(each)) for each in documents("production")}
    more = [each for each in documents("single") if (each["kind"], name_of(each)) not in there]
    for document in (*documents("production"), *more):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_misspelt_field_is_found() -> None:
    (disruption, *_) = of_kind("single", "PodDisruptionBudget")
    wrong = {**disruption, "spec": {**disruption["spec"], "minAvailble": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="minAvailble"):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


@each_overlay
def test_nothing_needs_a_definition_of_its_own_or_rights_over_the_cluster(overlay: str) -> None:
    """No custom resource, no role: a namespace is all that is touched."""
    groups = {document["apiVersion"].rpartition("/")[0] for document in documents(overlay)}
    assert groups <= {"", "apps", "policy", "autoscaling", "networking.k8s.io"}
    outside = [d for d in documents(overlay) if d["kind"] != "Namespace" and d["metadata"].get("namespace") != IMAGE]
    assert outside == []


@each_overlay
def test_every_service_is_there_and_no_other(overlay: str) -> None:
    ran = [service_of(each) for each in workloads(overlay) if is_ours(each)]
    assert set(ran) == {row.name for row in SERVICES}
    assert sorted(each for each in ran if each != "gateway") == sorted({*ran} - {"gateway"})


def test_there_is_a_gateway_for_each_live_source() -> None:
    assert set(GATEWAYS) == {*LIVE, "sim"} - {VNPY}  # a gateway of VeighNa needs its package in an image of its own
    assert set(GATEWAYS) <= set(SOURCES)
    found = gateways()
    sources = {name_of(each): each["data"]["MARKETPRISM_SOURCE__SPEC"] for each in found if each["kind"] == "ConfigMap"}
    assert sorted(sources.values()) == sorted(GATEWAYS)
    for each in found:
        if each["kind"] == "Deployment":
            (given,) = pod_of(each)["containers"][0]["envFrom"]
            spec = sources[given["configMapRef"]["name"]]
            assert name_of(each) == f"gateway-{spec}"
            expected = {"app.kubernetes.io/name": "gateway", "marketprism.io/group": spec}
            assert each["spec"]["selector"]["matchLabels"] == expected


def _restricted(pod: Document, container: Document) -> dict[str, Any]:
    """What the Pod Security Standard `restricted` asks for, and more that we do."""
    whole, own = pod["securityContext"], container["securityContext"]
    return {
        "runAsNonRoot": whole["runAsNonRoot"],
        "runAsUser": whole["runAsUser"],
        "seccomp": whole["seccompProfile"]["type"],
        "drop": own["capabilities"]["drop"],
        "add": own["capabilities"].get("add", []),
        "escalation": own["allowPrivilegeEscalation"],
        "readOnly": own["readOnlyRootFilesystem"],
        "token": pod["automountServiceAccountToken"],
        "links": pod["enableServiceLinks"],
        "host": [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)],
        "hostPath": [each for each in pod["volumes"] if "hostPath" in each],
    }


@each_overlay
def test_pods_may_do_next_to_nothing(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in workloads(overlay):
        for container in pod_of(workload)["containers"]:
            assert _restricted(pod_of(workload), container) == {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccomp": "RuntimeDefault",
                "drop": ["ALL"],
                "add": [],
                "escalation": False,
                "readOnly": True,
                "token": False,
                "links": False,
                "host": [],
                "hostPath": [],
            }, name_of(workload)


@each_overlay
def test_nobody_has_a_token_and_each_an_account_of_its_own(overlay: str) -> None:
    accounts = {name_of(each): each["automountServiceAccountToken"] for each in of_kind(overlay, "ServiceAccount")}
    assert set(accounts.values()) == {False}
    used = [pod_of(each)["serviceAccountName"] for each in workloads(overlay)]
    assert set(used) == set(accounts)
    assert of_kind(overlay, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []


@each_overlay
def test_what_is_asked_for_is_what_was_measured(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in pod_of(workload)["containers"]:
            asked, most = container["resources"]["requests"], container["resources"]["limits"]
            assert set(asked) == set(most) == {"cpu", "memory"}, name_of(workload)
            assert bytes_of(asked["memory"]) <= bytes_of(most["memory"])
            if is_ours(workload):
                measured = MEASURED_MIB[service_of(workload)] * 2**20
                assert measured * 1.2 <= bytes_of(asked["memory"]), name_of(workload)
                assert measured * 3 <= bytes_of(most["memory"]), name_of(workload)


@each_overlay
def test_a_pod_is_alive_before_it_is_ready(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in pod_of(workload)["containers"]:
            start, live, ready = (container[f"{each}Probe"] for each in ("startup", "liveness", "readiness"))
            assert live != ready, name_of(workload)
            named = {port["name"] for port in container["ports"]}
            for probe in (start, live, ready):
                (kind,) = set(probe) & {"httpGet", "tcpSocket"}
                assert probe[kind]["port"] in named, name_of(workload)
            patience = live.get("periodSeconds", 10) * live.get("failureThreshold", 3)
            assert patience >= 60, "what is busy is not what is dead"
            if is_ours(workload):
                assert start["httpGet"]["path"] == live["httpGet"]["path"] == "/health/live"
                assert ready["httpGet"]["path"] == "/health/ready"


@each_overlay
def test_images_have_a_version_and_ours_is_this_one(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in pod_of(workload)["containers"]:
            name, _, tag = container["image"].rpartition(":")
            assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), container["image"]
            if name == IMAGE:  # the embedded store is in the larger one alone
                assert (name, tag) == (IMAGE, f"{VERSION}-{'full' if overlay == 'single' else 'slim'}")


@each_overlay
def test_what_a_pod_is_to_run_is_in_its_image(overlay: str) -> None:
    programs = {IMAGE: {"marketprism", "nats-server"}, "nats": {"nats-server"}, "clickhouse-server": {"clickhouse"}}
    for workload in workloads(overlay):
        for container in pod_of(workload)["containers"]:
            stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
            for command in filter(None, (container.get("command"), stop)):
                image = container["image"].partition(":")[0].rpartition("/")[2]
                assert command[0] in programs[image], f"{name_of(workload)} runs {command[0]} of {image}"


def _least_replicas(overlay: str, workload: Document) -> int:
    scaled = {
        (each["spec"]["scaleTargetRef"]["kind"], each["spec"]["scaleTargetRef"]["name"]): each["spec"]["minReplicas"]
        for each in of_kind(overlay, "HorizontalPodAutoscaler")
    }
    of_itself = workload["spec"].get("replicas", 1)
    return int(scaled.get((workload["kind"], name_of(workload)), of_itself))


@each_overlay
def test_of_what_is_there_twice_one_may_be_taken_away(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1, "a drain of a node with the only one of it would wait for ever"
    for workload in workloads(overlay):
        found = [each for each in budgets if selects(each["spec"]["selector"], labels_of(workload))]
        assert len(found) == 1 or (_least_replicas(overlay, workload) == 1 and not found), name_of(workload)


def test_in_production_everything_of_ours_is_there_twice_and_spread() -> None:
    for workload in workloads("production"):
        spread = [each["topologyKey"] for each in pod_of(workload).get("topologySpreadConstraints", ())]
        apart = pod_of(workload).get("affinity", {}).get("podAntiAffinity", {})
        if is_ours(workload):
            assert _least_replicas("production", workload) >= 2, name_of(workload)
            assert spread == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        elif _least_replicas("production", workload) > 1:
            terms = apart["requiredDuringSchedulingIgnoredDuringExecution"]
            assert [each["topologyKey"] for each in terms] == ["kubernetes.io/hostname"], name_of(workload)
            assert all(selects(each["labelSelector"], labels_of(workload)) for each in terms)


@each_overlay
def test_a_spread_is_over_pods_like_itself(overlay: str) -> None:
    """The API refuses a key that is in both, and counts other services where the labels do not fit."""
    for workload in workloads(overlay):
        for each in pod_of(workload).get("topologySpreadConstraints", ()):
            given = set(each["labelSelector"]["matchLabels"])
            assert not given & set(each.get("matchLabelKeys", ())), name_of(workload)
            assert selects(each["labelSelector"], labels_of(workload)), name_of(workload)


@each_overlay
def test_a_rolling_update_takes_nobody_away_first(overlay: str) -> None:
    for workload in of_kind(overlay, "Deployment"):
        strategy = workload["spec"]["strategy"]
        if (overlay, name_of(workload)) == ("single", "storage"):  # two could not open the embedded store
            assert strategy == {"type": "Recreate"}
            continue
        assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    for workload in of_kind(overlay, "StatefulSet"):
        if workload["spec"].get("replicas", 1) > 1:
            assert workload["spec"]["podManagementPolicy"] == "Parallel", "a quorum would wait for itself"


@each_overlay
def test_selectors_take_their_own_pods_alone(overlay: str) -> None:
    every = workloads(overlay)
    for workload in every:
        taken = [name_of(each) for each in every if selects(workload["spec"]["selector"], labels_of(each))]
        assert taken == [name_of(workload)]
    for service in of_kind(overlay, "Service"):
        taken = [each for each in every if selects({"matchLabels": service["spec"]["selector"]}, labels_of(each))]
        assert taken, name_of(service)
        for each in taken:
            named = {port["name"] for container in pod_of(each)["containers"] for port in container["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_autoscalers_go_by_metrics_that_there_are() -> None:
    known = {f"marketprism_{name}": set(family.labels) for name, family in METRICS.by_name().items()}
    served = yaml.safe_load((KUBERNETES / "components/monitoring/adapter.yaml").read_text())["rules"]["external"]
    targets = {(each["kind"], name_of(each)) for each in workloads("production")}
    for scaler in of_kind("production", "HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) in targets
        for metric in spec["metrics"]:
            if metric["type"] == "External":
                wanted = metric["external"]["metric"]
                assert wanted["name"] in known
                assert set(wanted["selector"]["matchLabels"]) <= known[wanted["name"]]
                assert wanted["selector"]["matchLabels"]["stage"] == name_of(scaler)
                (rule,) = (each for each in served if each["name"]["as"] == wanted["name"])
                assert rule["seriesQuery"].partition("{")[0] == wanted["name"]
                assert rule["metricsQuery"].startswith("max("), "every monitor tells it"


def test_only_what_shares_work_is_scaled() -> None:
    """More instances of what one of leads do nothing."""
    scaled = {name_of(each) for each in of_kind("production", "HorizontalPodAutoscaler")}
    leading = {row.name for row in SERVICES if row.instances is Instances.SINGLE_ACTIVE}
    assert not scaled & leading


@each_overlay
def test_secrets_are_referred_to_and_never_contained(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []
    for path in _texts(KUBERNETES):
        text = path.read_text(encoding="utf-8")
        assert "PRIVATE KEY" not in text, path
        assert not re.search(r"://[^/\s'\"$%]+:[^/\s'\"$%]+@", text), path


def _texts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
