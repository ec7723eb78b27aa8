"""Network policies of `deploy/kubernetes`: each connection that the code makes is let through at both ends, and no other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import StreamKey
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings, validated
from tests.support.kubernetes import (
    KUBERNETES,
    OVERLAYS,
    Document,
    gateways,
    is_ours,
    labels_of,
    name_of,
    of_kind,
    pod_of,
    ports_of,
    selects,
    service_of,
    workloads,
)

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
PORTS = {row.name: row.port for row in SERVICES}
OUTSIDE = "outside"
# For the kubelet alone, whose probes no policy keeps out.
PROBED = {"nats": {8222}, "keeper": {9182}}


def _settings(overlay: str) -> Settings:
    (found,) = (each for each in of_kind(overlay, "ConfigMap") if name_of(each).startswith("settings-"))
    return validated(tomllib.loads(found["data"]["marketprism.toml"]))


def _nats_ports(overlay: str) -> dict[str, int]:
    (found,) = (each for each in of_kind(overlay, "ConfigMap") if name_of(each).startswith("nats-"))
    text = "\n".join(found["data"].values())
    ports = {
        "client": r'^listen: "0.0.0.0:(\d+)"',
        "http": r'^http: "0.0.0.0:(\d+)"',
        "cluster": r'^  listen: "0.0.0.0:(\d+)"',
    }
    matches = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in ports.items()}
    return {name: int(match[1]) for name, match in matches.items() if match}


def _guard_ports(workload: Document, option: str) -> set[int]:
    """Of the guard that a server of a cluster has."""
    command = pod_of(workload)["containers"][0]["command"]
    return {int(each.rpartition(":")[2]) for each in command if each.startswith(f"{option}=")}


def _tree(file: str) -> ElementTree.Element:
    return ElementTree.parse(KUBERNETES / "clickhouse" / file).getroot()


def _number(tree: ElementTree.Element, path: str) -> int:
    return int(str(tree.findtext(path)))


def _opened(overlay: str, workload: Document) -> set[int]:
    """The ports at which its process listens, by its settings."""
    name = labels_of(workload)["app.kubernetes.io/name"]
    if is_ours(workload):
        return {_settings(overlay).http.port_of(service_of(workload))}
    if name == "nats":
        return set(_nats_ports(overlay).values()) | _guard_ports(workload, "--listen")
    if name == "clickhouse":
        tree = _tree("config.d/marketprism.xml")
        removed = {each.tag for each in tree if each.get("remove")}
        assert {"http_port", "tcp_port", "interserver_http_port", "mysql_port", "postgresql_port"} <= removed
        return {_number(tree, each.tag) for each in tree if each.tag.endswith(("_port", "_port_secure")) and each.text}
    if name == "keeper":
        tree = _tree("keeper.xml")
        raft = {_number(each, "port") for each in tree.iter("server")}
        return {_number(tree, "keeper_server/tcp_port"), _number(tree, "keeper_server/http_control/port"), *raft}
    if name == "grafana":
        given = {each["name"]: each["value"] for each in pod_of(workload)["containers"][0]["env"]}
        return {int(given["GF_SERVER_HTTP_PORT"])}
    arguments = pod_of(workload)["containers"][0]["args"]
    return {int(each.rpartition(":")[2]) for each in arguments if each.startswith("--web.listen-address")}


def _wanted(overlay: str, workload: Document) -> set[tuple[str, int]]:
    """(to whom, port) of the connections that its process opens, by its settings and its code."""
    name, settings = labels_of(workload)["app.kubernetes.io/name"], _settings(overlay)
    if is_ours(workload):
        return set(_wanted_by_us(workload, settings))
    if name == "nats":
        cluster = _nats_ports(overlay).get("cluster")
        return {("nats", port) for port in {cluster, *_guard_ports(workload, "--peer")} if port}
    if name == "clickhouse":
        tree = _tree("config.d/cluster.xml")
        own, _ = _tree("config.d/marketprism.xml"), None
        keepers = {("keeper", _number(each, "port")) for each in tree.iter("node")}
        others = {
            ("clickhouse", _number(each, "port")) for each in tree.iter("replica") if each.find("port") is not None
        }
        return keepers | others | {("clickhouse", _number(own, "interserver_https_port"))}
    if name == "keeper":
        return {("keeper", _number(each, "port")) for each in _tree("keeper.xml").iter("server")}
    folder = KUBERNETES / "components/monitoring"
    if name == "alertmanager":
        told = yaml.safe_load((folder / "alertmanager.yml").read_text())["receivers"][0]["webhook_configs"][0]["url"]
        return {(str(urlsplit(told).hostname), int(urlsplit(told).port or 80))}
    if name == "grafana":
        (source,) = yaml.safe_load((folder / "grafana-source.yml").read_text())["datasources"]
        return {(str(urlsplit(source["url"]).hostname), int(urlsplit(source["url"]).port or 80))}
    assert name == "prometheus"
    (alerting,) = yaml.safe_load((folder / "prometheus.yml").read_text())["alerting"]["alertmanagers"]
    (told,) = alerting["static_configs"][0]["targets"]
    host, _, port = told.partition(":")
    return {(host, int(port)), *PORTS.items()}


def _wanted_by_us(workload: Document, settings: Settings) -> Iterator[tuple[str, int]]:
    service = service_of(workload)
    assert settings.nats.url is not None
    yield from (("nats", int(urlsplit(url).port or 0)) for url in settings.nats.url.reveal().split(","))
    (row,) = (row for row in SERVICES if row.name == service)
    if "store" in row.sections and settings.store.engine == "clickhouse":
        yield "clickhouse", int(urlsplit(settings.store.url.reveal()).port or 0)
    if service in ("api", "data", "notifier"):  # a provider of logins, histories of venues, channels: over HTTPS
        yield OUTSIDE, 443
    if service == "gateway":
        yield from ((OUTSIDE, port) for port in _ports_of_source(workload))


def _ports_of_source(workload: Document) -> set[int]:
    """Of the venue's own addresses, or of the fronts that are given."""
    (given,) = pod_of(workload)["containers"][0]["envFrom"]
    every = [each for overlay in OVERLAYS for each in of_kind(overlay, "ConfigMap")] + list(gateways())
    data = next(each["data"] for each in every if name_of(each) == given["configMapRef"]["name"])
    spec = data["MARKETPRISM_SOURCE__SPEC"]
    if spec in MARKETS:
        venue = MARKETS[spec].make("", "")
        first = data["MARKETPRISM_VENUE__INSTRUMENTS"].split(",")[0]
        keys = [StreamKey(kind, first) for kind in ("trade", "orderbook", "quote", "ticker")]
        urls = [venue.rest_url, *(group.url for group in venue.groups(keys))]
        assert len(urls) > 1
        return {urlsplit(url).port or 443 for url in urls}
    fronts = [text for name, text in data.items() if name.endswith("_FRONTS")]
    return {int(urlsplit(front).port or 0) for text in fronts for front in text.split(",")}


def _rules(policies: list[Document], labels: dict[str, str], way: str) -> Iterator[tuple[list[Document], int]]:
    """(peers, port) of what policies let a pod with these labels do."""
    for policy in policies:
        if selects(policy["spec"]["podSelector"], labels) and way in policy["spec"]["policyTypes"]:
            for rule in policy["spec"].get(way.lower(), ()):
                peers = rule["from" if way == "Ingress" else "to"]
                assert peers, "nobody in particular is everybody"
                assert rule["ports"], "no port in particular is every port"
                yield from ((peers, port["port"]) for port in rule["ports"])


def _lets(peers: list[Document], labels: dict[str, str]) -> bool:
    """Whether a pod of this namespace is among them."""
    return any(
        "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], labels)
        for peer in peers
    )


@each_overlay
def test_nothing_is_let_through_that_no_rule_names(overlay: str) -> None:
    (deny,) = (each for each in of_kind(overlay, "NetworkPolicy") if name_of(each) == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@each_overlay
def test_a_container_names_each_port_at_which_its_process_listens(overlay: str) -> None:
    for workload in workloads(overlay):
        assert set(ports_of(workload).values()) == _opened(overlay, workload), name_of(workload)


@each_overlay
def test_a_pod_may_open_the_connections_that_it_opens_and_no_other(overlay: str) -> None:
    policies, every = of_kind(overlay, "NetworkPolicy"), workloads(overlay)
    for workload in every:
        allowed: set[tuple[str, int]] = set()
        for peers, port in _rules(policies, labels_of(workload), "Egress"):
            if port == 53:
                continue
            if any("ipBlock" in peer for peer in peers):
                allowed.add((OUTSIDE, port))
            allowed |= {
                (labels_of(each)["app.kubernetes.io/name"], port)
                for each in every
                if _lets(peers, labels_of(each)) and port in _opened(overlay, each)
            }
        assert allowed == _wanted(overlay, workload), name_of(workload)


@each_overlay
def test_who_is_asked_lets_them_in_and_nobody_else(overlay: str) -> None:
    policies, every = of_kind(overlay, "NetworkPolicy"), workloads(overlay)
    for asked in every:
        name, probed = (
            labels_of(asked)["app.kubernetes.io/name"],
            PROBED.get(labels_of(asked)["app.kubernetes.io/name"], set()),
        )
        rules = list(_rules(policies, labels_of(asked), "Ingress"))
        assert {port for _, port in rules} == _opened(overlay, asked) - probed, name
        for asking in every:
            wanted = {port for to, port in _wanted(overlay, asking) if to == name}
            let = {port for peers, port in rules if _lets(peers, labels_of(asking))}
            assert let == wanted, f"{name_of(asking)} at {name_of(asked)}"


def test_every_gateway_reaches_its_source_and_no_other_port() -> None:
    found = gateways()
    policies = [each for each in found if each["kind"] == "NetworkPolicy"]
    for workload in (each for each in found if each["kind"] == "Deployment"):
        let = {port for _, port in _rules(policies, labels_of(workload), "Egress")}
        assert let == _ports_of_source(workload), name_of(workload)


def test_other_namespaces_come_in_by_a_label_alone() -> None:
    """Without one a selector of namespaces takes all of them."""
    for policy in of_kind("production", "NetworkPolicy"):
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            for peer in (*rule.get("from", ()), *rule.get("to", ())):
                taken: dict[str, Any] = peer.get("namespaceSelector", {"matchLabels": {"of": "this one"}})
                assert taken.get("matchLabels"), name_of(policy)
