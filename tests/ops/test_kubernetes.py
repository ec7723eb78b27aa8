"""`deploy/kubernetes` with what is too large for every change: checkov, older schemas, and pods that run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest

from marketprism_services.settings.services import SERVICES, Instances
from tests.ops.kubernetes_pods import Network, RunningPod, make_secrets
from tests.support.kubernetes import (
    KUBERNETES,
    OVERLAYS,
    Document,
    documents,
    is_ours,
    name_of,
    rendered,
    service_of,
    workloads,
)

pytestmark = [pytest.mark.ops, pytest.mark.timeout(1_200)]
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
CHECKOV = "3.3.30"
# Checks that are left out, with the reason.
SKIPPED = {
    "CKV_K8S_43": "images are named by version here; a release pins their digests with `kustomize edit set image`",
    "CKV_K8S_15": "a version is never made anew, so a node need not ask the registry for it at each start",
    "CKV_K8S_35": "ClickHouse takes secrets of its configuration from its environment alone; ours come as files",
}
STANDBYS = [row.name for row in SERVICES if row.instances is Instances.SINGLE_ACTIVE and row.name != "storage"]


@pytest.mark.parametrize("version", ["1.34", "1.35", "1.36", "1.37"])
@each_overlay
def test_older_apis_take_every_object(overlay: str, version: str) -> None:
    for document in documents(overlay):
        assert kubernetes_validate.validate(document, version, strict=True) == version


@pytest.fixture(scope="module")
def checkov() -> Path:
    """In an environment of its own: it wants older versions of much."""
    folder = Path.home() / f".cache/marketprism/checkov-{CHECKOV}"
    program = folder / "bin/checkov"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", f"checkov=={CHECKOV}"], check=True)
    return program


@each_overlay
def test_checkov_finds_nothing(overlay: str, checkov: Path, tmp_path: Path) -> None:
    """But what is left out, each for a reason that stands."""
    file = tmp_path / "all.yaml"
    file.write_text(rendered(KUBERNETES / "overlays" / overlay), encoding="utf-8")
    command = [str(checkov), "--file", str(file), "--framework", "kubernetes", "--output", "json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = json.loads(done.stdout)
    failed = {
        each["check_id"]: f"{each['resource']}: {each['check_name']}" for each in found["results"]["failed_checks"]
    }
    assert {check: where for check, where in failed.items() if check not in SKIPPED} == {}
    assert overlay != "production" or set(failed) == set(SKIPPED), "a check is left out for nothing"
    assert found["summary"]["passed"] > 1_000


def _workload(overlay: str, name: str) -> Document:
    return next(each for each in workloads(overlay) if name_of(each) == name)


@pytest.fixture
def ending() -> Iterator[list[RunningPod]]:
    """Pods that are ended whatever happens."""
    pods: list[RunningPod] = []
    yield pods
    for pod in pods:
        pod.kill()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path, {"nats": "127.80.1.1"})
    yield network
    network.close()


def test_everything_of_one_machine_runs_as_its_pods_say(
    tmp_path: Path, single: Network, ending: list[RunningPod]
) -> None:
    """Started in any order; alive and ready by their own probes, ticks through all of it; a standby is ready; without NATS nobody is
    taken for dead; each ends in the time that it is given."""
    secrets = make_secrets(tmp_path / "secrets")

    def pod(workload: Document, number: int, name: str) -> RunningPod:
        made = RunningPod("single", workload, secrets, tmp_path / name, single, f"127.80.2.{number}", name)
        ending.append(made)
        return made

    broker = RunningPod(
        "single", _workload("single", "nats"), secrets, tmp_path / "nats-0", single, "127.80.1.1", "nats-0"
    )
    ending.append(broker)
    ours = {service_of(each): each for each in workloads("single") if is_ours(each)}
    pods = {name: pod(each, number, name) for number, (name, each) in enumerate(ours.items(), 1)}
    for each in pods.values():  # before there is a broker
        each.start()
    broker.start()
    for each in (broker, *pods.values()):
        each.wait("startup")
        each.wait("readiness")
        each.wait("liveness")
    _until_ticks(pods["monitor"])

    second = {name: pod(ours[name], 100 + number, f"{name}-2") for number, name in enumerate(STANDBYS)}
    for each in second.values():
        each.start()
    for name, each in second.items():
        each.wait("readiness")
        status = json.loads(each.get("/status")[1])
        assert status["leads"] is False, name
        assert each.get("/health")[0] == 200, name

    broker.kill()
    for name, each in {**pods, **second}.items():
        _until_health(each, 503)
        assert each.probe("liveness") == 200, name
    broker.start()
    broker.wait("readiness")
    for each in (*pods.values(), *second.values()):
        each.wait("readiness")
        if each is not pods["monitor"]:  # its health is that of the pipeline, which has a hole to name
            _until_health(each, 200)

    codes = {name: each.end() for name, each in {**second, **pods}.items()}
    assert codes == dict.fromkeys(codes, 0)
    assert broker.end() in (0, 1)


def _until_ticks(monitor: RunningPod) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        lines = monitor.get("/metrics")[1].splitlines()
        if any(
            line.startswith("marketprism_pipeline_verified_ticks ") and float(line.split()[1]) > 0 for line in lines
        ):
            return
        time.sleep(1)
    raise AssertionError(monitor.logged())


def _until_health(pod: RunningPod, status: int) -> None:
    end = time.monotonic() + 90
    while pod.get("/health")[0] != status:
        assert time.monotonic() < end, f"{pod.get('/health')}\n{pod.logged()}"
        time.sleep(0.5)


def test_three_brokers_replicate_with_certificates_and_one_leaves_in_peace(
    tmp_path: Path, ending: list[RunningPod]
) -> None:
    """Each at the name that its certificate is of; a service is ready over them, and stays so while one is a lame duck."""
    secrets = make_secrets(tmp_path / "secrets")
    names = {f"nats-{number}": f"127.80.1.{number + 1}" for number in range(3)}
    network = Network(tmp_path, {f"{name}.nats": address for name, address in names.items()})
    try:
        nats = _workload("production", "nats")
        brokers = []
        for name, address in names.items():
            broker = RunningPod("production", nats, secrets, tmp_path / name, network, address, name)
            ending.append(broker)
            for file in ("/etc/nats/nats.conf", "/etc/nats/cluster.conf"):  # a pod has all addresses for itself
                broker.rewrite(file, "0.0.0.0:", f"{address}:")
            brokers.append(broker)
            broker.start()
        for broker in brokers:
            broker.wait("startup")
            broker.wait("readiness")
        service = RunningPod(
            "production", _workload("production", "validator"), secrets, tmp_path / "validator", network, "127.80.2.1"
        )
        ending.append(service)
        service.start()
        service.wait("readiness")
        made = json.loads(
            network.get(f"http://{brokers[0].address}:8222/jsz?streams=true&config=true&accounts=true")[1]
        )
        streams = [stream for account in made["account_details"] for stream in account.get("stream_detail", ())]
        assert streams
        assert {stream["config"]["num_replicas"] for stream in streams} == {3}
        assert brokers[2].end() == 0
        assert service.probe("readiness") == 200
        _until_health(service, 200)
        assert service.end() == 0
    finally:
        network.close()
