"""What Prometheus, Alertmanager and Grafana of `deploy/kubernetes` are given is where they look for it."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import yaml

from marketprism_services.monitoring.dashboards import DASHBOARDS
from tests.support.kubernetes import Document, name_of, of_kind, pod_of, workloads

MOST_APPLIED = 262_144  # of all annotations of an object; `kubectl apply` keeps the whole object in one


def _workload(name: str) -> Document:
    (found,) = (each for each in workloads("production") if name_of(each) == name)
    return found


def _given(name: str) -> dict[str, dict[str, str]]:
    """The files of a workload's ConfigMaps, by the folder in which they are."""
    pod = pod_of(_workload(name))
    maps = {each["name"]: each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each}
    data = {name_of(each): each["data"] for each in of_kind("production", "ConfigMap")}
    mounts = pod["containers"][0]["volumeMounts"]
    return {each["mountPath"]: data[maps[each["name"]]] for each in mounts if each["name"] in maps}


def test_grafana_finds_its_data_source_and_every_dashboard() -> None:
    given = _given("grafana")
    (sources,) = (yaml.safe_load(text) for text in given["/etc/grafana/provisioning/datasources"].values())
    (source,) = sources["datasources"]
    services = {name_of(each): each["spec"]["ports"][0]["port"] for each in of_kind("production", "Service")}
    assert source["url"] == f"http://prometheus:{services['prometheus']}"
    (providers,) = (yaml.safe_load(text) for text in given["/etc/grafana/provisioning/dashboards"].values())
    (provider,) = providers["providers"]
    dashboards: list[dict[str, Any]] = [json.loads(text) for text in given[provider["options"]["path"]].values()]
    assert len(dashboards) == len(DASHBOARDS)
    kinds = {
        each["query"] for board in dashboards for each in board["templating"]["list"] if each["type"] == "datasource"
    }
    assert kinds == {source["type"]}


def test_grafana_writes_below_its_claim_alone_and_reads_its_password_from_a_file() -> None:
    (container,) = pod_of(_workload("grafana"))["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert not any("password" in name.lower() and not name.endswith("__FILE") for name in given)
    assert given["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith(mounts["secrets"]["mountPath"] + "/")
    written = [given[f"GF_PATHS_{each}"] for each in ("DATA", "LOGS", "PLUGINS")]
    assert all(f"{path}/".startswith(mounts["data"]["mountPath"] + "/") for path in written)
    assert {name for name, each in mounts.items() if not each.get("readOnly")} == {"data", "tmp"}


def test_every_object_is_small_enough_to_be_applied() -> None:
    sizes = {name_of(each): len(json.dumps(each)) for each in of_kind("production", "ConfigMap")}
    assert {name: size for name, size in sizes.items() if size > 0.9 * MOST_APPLIED} == {}


def test_prometheus_and_alertmanager_find_what_their_configuration_names() -> None:
    for name in ("prometheus", "alertmanager"):
        arguments = pod_of(_workload(name))["containers"][0]["args"]
        (path,) = (each.partition("=")[2] for each in arguments if each.startswith("--config.file="))
        assert path in _given(name)
    given = _given("prometheus")
    (pattern,) = yaml.safe_load(given["/etc/prometheus/prometheus.yml"]["prometheus.yml"])["rule_files"]
    assert all(fnmatch(f"rules/{name}", pattern) for name in given["/etc/prometheus/rules"])
