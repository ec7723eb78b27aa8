"""What the pods of `deploy/kubernetes` are given: settings that the product reads, secrets that `make-secrets.sh` makes, servers' files."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.nats.stream_layout import HISTORY, StreamLayout
from marketprism_services.cli.app import app
from marketprism_services.platform.catalogue import names
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.settings import Settings, validated
from tests.support.kubernetes import (
    BIN,
    KUBERNETES,
    OVERLAYS,
    Pod,
    bytes_of,
    is_ours,
    made,
    name_of,
    of_kind,
    pod_of,
    service_of,
    workloads,
)

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
MARGIN_S = 5.0
WITH_PROGRAMS = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of every Secret, as the script makes them."""
    folder = tmp_path_factory.mktemp("secrets")
    counter = folder / "ctp"
    counter.mkdir()
    (counter / "password").write_text("of the broker", encoding="utf-8")
    (counter / "auth-code").write_text("of the terminal", encoding="utf-8")
    done = made_in(folder)
    assert done.returncode == 0, done.stderr
    return folder / "secrets.yaml"


def made_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """The script, with this environment's programs."""
    command = ["sh", str(KUBERNETES / "make-secrets.sh"), str(folder)]
    return subprocess.run(command, env=WITH_PROGRAMS, capture_output=True, text=True, check=False)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MARKETPRISM_"):
            monkeypatch.delenv(name)


def _settings_text(overlay: str) -> str:
    (config,) = (each for each in of_kind(overlay, "ConfigMap") if name_of(each).startswith("settings-"))
    return str(config["data"]["marketprism.toml"])


def _settings(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As the process of a pod reads them: its file below its variables."""
    for name, value in pod.environment.items():
        monkeypatch.setenv(name, value)
    arguments = pod.arguments
    return Layers.read(Path(arguments[arguments.index("--config") + 1])).settings()


@each_overlay
@pytest.mark.usefixtures("no_settings")
@pytest.mark.long_on("single")
def test_each_pod_has_settings_that_its_service_can_run_with(overlay: str, secrets: Path, tmp_path: Path) -> None:
    for number, workload in enumerate(filter(is_ours, workloads(overlay))):
        with pytest.MonkeyPatch.context() as patch:
            pod = Pod(overlay, workload, secrets, tmp_path / str(number), address="10.1.2.3")
            settings, service = _settings(pod, patch), service_of(workload)
            assert settings.http.host == "10.1.2.3"
            assert pod.moved("/var/lib/marketprism") == str(settings.data_dir)
            access = settings.nats.access(service)
            assert access.user == service
            assert access.password_file is not None
            assert access.password_file.read_text(encoding="utf-8").strip(), "another user's password is not there"
            assert [path.name for path in access.password_file.parent.iterdir()] == [service]
            assert settings.nats.ca is not None
            assert settings.nats.ca.is_file()
            assert settings.api.auth == "on"
            if service == "gateway":
                assert settings.source.spec != "none"


@each_overlay
@pytest.mark.usefixtures("no_settings")
def test_rows_of_backtests_fit_into_the_volume_of_their_pods(
    overlay: str, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that fills it is evicted: a set of rows is written beside those that may stay."""
    (workload,) = (each for each in workloads(overlay) if is_ours(each) and service_of(each) == "backtest")
    settings = _settings(Pod(overlay, workload, secrets, tmp_path), monkeypatch)
    (data,) = (each for each in pod_of(workload)["volumes"] if each["name"] == "data")
    assert 1.5 * settings.backtest.rows_mb * 1e6 < bytes_of(data["emptyDir"]["sizeLimit"])


@each_overlay
@pytest.mark.usefixtures("no_settings")
def test_programs_behind_one_address_share_what_a_venue_allows(overlay: str, secrets: Path, tmp_path: Path) -> None:
    known = set()
    for number, workload in enumerate(filter(is_ours, workloads(overlay))):
        if service_of(workload) in ("data", "gateway"):
            with pytest.MonkeyPatch.context() as patch:
                known.add(_settings(Pod(overlay, workload, secrets, tmp_path / str(number)), patch).data.address)
    assert len(known) == 1
    assert known != {""}, "the name of a pod is known to nobody else"


@pytest.mark.usefixtures("no_settings")
def test_the_password_of_the_store_is_known_to_those_who_ask_it(secrets: Path, tmp_path: Path) -> None:
    users: dict[str, str] = {}
    for workload in filter(is_ours, workloads("production")):
        with pytest.MonkeyPatch.context() as patch:
            settings = _settings(Pod("production", workload, secrets, tmp_path / name_of(workload)), patch)
            users[name_of(workload)] = (
                settings.store.url.reveal().partition("://")[2].rpartition("@")[0].partition(":")[0]
            )
    assert {name: user for name, user in users.items() if user} == {
        "storage": "market_writer",
        "query": "market_reader",
    }


@each_overlay
def test_a_command_line_is_one_that_there_is(overlay: str) -> None:
    runner = CliRunner()
    for workload in filter(is_ours, workloads(overlay)):
        for container in pod_of(workload)["containers"]:
            assert "command" not in container, "the entry point of the image is marketprism"
            assert service_of(workload) in names()
            done = runner.invoke(app, [*container["args"], "--help"])
            assert done.exit_code == 0, done.output
            assert "--config" in done.output


def _needed(value: Any) -> Iterator[tuple[str, str]]:
    """(secret, key) of every reference; the key is empty where all of it is mounted."""
    if isinstance(value, list):
        for each in value:
            yield from _needed(each)
    elif isinstance(value, dict):
        if "secretKeyRef" in value:
            yield value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
        if "secret" in value:
            name = value["secret"].get("secretName") or value["secret"]["name"]
            yield from ((name, item["key"]) for item in value["secret"].get("items", ({"key": ""},)))
        for each in value.values():
            yield from _needed(each)


@each_overlay
def test_the_script_makes_every_secret_that_is_referred_to(overlay: str, secrets: Path) -> None:
    for workload in workloads(overlay):
        for name, key in _needed(pod_of(workload)):
            assert name in made(secrets), name_of(workload)
            assert not key or made(secrets)[name][key], name_of(workload)


def test_secrets_are_for_their_owner_and_stay_as_they_are(secrets: Path) -> None:
    before = secrets.read_text()
    again = made_in(secrets.parent)
    assert again.returncode == 0
    assert secrets.read_text() == before
    assert {
        path.stat().st_mode & 0o077
        for path in secrets.parent.iterdir()
        if path.is_file() and path.parent == secrets.parent
    } == {0}


@each_overlay
def test_a_pod_has_longer_to_end_than_it_takes(overlay: str) -> None:
    settings = validated(tomllib.loads(_settings_text(overlay)))
    for workload in filter(is_ours, workloads(overlay)):
        pod = pod_of(workload)
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert settings.drain_s >= settings.api.stream.drain_s
        assert pod["terminationGracePeriodSeconds"] >= before + settings.drain_s + MARGIN_S, name_of(workload)
    (nats,) = (each for each in workloads(overlay) if name_of(each) == "nats")
    text = (KUBERNETES / "nats/nats.conf").read_text()
    lame = [int(each) for each in re.findall(r'^lame_duck_\w+: "(\d+)s"', text, re.MULTILINE)]
    assert len(lame) == 2
    assert pod_of(nats)["terminationGracePeriodSeconds"] >= sum(lame) + MARGIN_S


@each_overlay
def test_the_volume_of_a_broker_holds_what_its_streams_may(overlay: str) -> None:
    """The sum of the streams and the reserve below what JetStream may keep, and that below nine tenths of the volume."""
    settings = validated(tomllib.loads(_settings_text(overlay)))
    layout = StreamLayout(settings.nats.replicas, int(settings.nats.max_store_gb * 1e9), settings.streams)
    streams = sum(layout.max_bytes(name, layout.store_bytes) for name in settings.streams.limits if name != HISTORY)
    (nats,) = (each for each in workloads(overlay) if name_of(each) == "nats")
    (limit,) = re.findall(r"max_file_store: (\S+)", (KUBERNETES / "nats/nats.conf").read_text())
    (claim,) = nats["spec"]["volumeClaimTemplates"]
    assert streams + settings.streams.reserve * layout.store_bytes <= layout.store_bytes * (1 + 1e-9)
    assert layout.store_bytes <= bytes_of(limit)
    assert bytes_of(limit) <= 0.9 * bytes_of(claim["spec"]["resources"]["requests"]["storage"])
    assert settings.nats.replicas == nats["spec"]["replicas"]


@each_overlay
def test_nats_takes_its_configuration(overlay: str, secrets: Path, tmp_path: Path) -> None:
    """With the certificates and the users of the script, by the server's own check."""
    (nats,) = (each for each in workloads(overlay) if name_of(each) == "nats")
    pod = Pod(overlay, nats, secrets, tmp_path)
    environment = {**WITH_PROGRAMS, "POD_NAME": "nats-0"}
    (config,) = re.findall(r"--config[ =](\S+)", " ".join(pod.arguments))
    command = ["nats-server", "-t", "--config", config]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    signal = pod.container["lifecycle"]["preStop"]["exec"]["command"]
    (pid,) = re.findall(r'pid_file: "(\S+)"', (KUBERNETES / "nats/nats.conf").read_text())
    assert signal == ["nats-server", f"--signal=ldm={pid}"]


def test_each_server_of_nats_watches_its_disk_while_all_are_there() -> None:
    (nats,) = (each for each in workloads("production") if name_of(each) == "nats")
    (container,) = nats["spec"]["template"]["spec"]["containers"]
    names = [f"nats-{number}.nats" for number in range(nats["spec"]["replicas"])]
    assert container["command"][:3] == ["marketprism", "nats", "serve"]
    assert [each for each in container["command"] if "--peer" in each] == [f"--peer={name}:6223" for name in names]
    (store,) = re.findall(r'store_dir: "(\S+)"', (KUBERNETES / "nats/nats.conf").read_text())
    assert f"--store={store}" in container["command"]


def test_the_servers_of_the_store_are_those_that_the_settings_name() -> None:
    store = tomllib.loads(_settings_text("production"))["store"]
    tree = ElementTree.parse(KUBERNETES / "clickhouse/config.d/cluster.xml").getroot()
    shards = tree.findall(f"remote_servers/{Topology(cluster=store['cluster']).cluster}/shard")
    named = sorted(str(each.text).partition(".")[0] for shard in shards for each in shard.findall("replica/host"))
    servers = [each for each in workloads("production") if name_of(each).startswith("clickhouse-")]
    assert named == sorted(f"{name_of(each)}-{n}" for each in servers for n in range(each["spec"]["replicas"]))
    assert all(shard.findtext("internal_replication") == "true" for shard in shards)
    keepers = sorted(str(each.text).partition(".")[0] for each in tree.findall("zookeeper/node/host"))
    (keeper,) = (each for each in workloads("production") if name_of(each) == "keeper")
    first = keeper["spec"]["ordinals"]["start"]
    assert keepers == [f"keeper-{n}" for n in range(first, first + keeper["spec"]["replicas"])]
    raft = ElementTree.parse(KUBERNETES / "clickhouse/keeper.xml").getroot()
    known = {str(each.findtext("id")): str(each.findtext("hostname")) for each in raft.iter("server")}
    assert known == {str(n): f"keeper-{n}.keeper" for n in range(first, first + keeper["spec"]["replicas"])}


@each_overlay
def test_certificates_are_of_the_names_by_which_servers_are_asked(overlay: str, secrets: Path) -> None:
    """By OpenSSL's own comparison, which takes no `*.nats`."""
    config = tomllib.loads(_settings_text(overlay))
    asked = {("nats.crt", str(urlsplit(url).hostname)) for url in config["nats"]["url"].split(",")}
    if overlay == "production":
        routes = re.findall(r"nats-route://([^:]+):", (KUBERNETES / "components/nats-cluster/cluster.conf").read_text())
        tree = ElementTree.parse(KUBERNETES / "clickhouse/config.d/cluster.xml").getroot()
        hosts = [str(each.text) for each in tree.findall(".//replica/host")]
        store = urlsplit((secrets.parent / "url").read_text()).hostname
        assert len(routes) == 3
        assert len(hosts) == 4
        asked |= {("nats.crt", name) for name in routes} | {("clickhouse.crt", str(name)) for name in (*hosts, store)}
    for file, name in asked:
        command = ["openssl", "x509", "-noout", "-checkhost", name, "-in", str(secrets.parent / file)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "does match certificate" in said, f"{file}: {name}"


@pytest.mark.parametrize(
    "file", ["keeper.xml", "config.d/marketprism.xml", "config.d/cluster.xml", "users.d/marketprism.xml"]
)
def test_a_file_of_the_store_takes_what_its_pods_give(file: str) -> None:
    """Each variable that it names is one of the pod's."""
    tree = ElementTree.parse(KUBERNETES / "clickhouse" / file).getroot()
    taken = {name for each in tree.iter() if (name := each.get("from_env"))}
    wanted = "keeper" if file.startswith("keeper") else "clickhouse-"
    for workload in (each for each in workloads("production") if name_of(each).startswith(wanted)):
        assert taken <= {each["name"] for each in pod_of(workload)["containers"][0]["env"]}
