"""The shipped compose file, run: what it starts is locked in, and containers that are killed lose and double nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ops.containers.engine import Engine

pytestmark = [pytest.mark.ops, pytest.mark.timeout(3_000)]
PROJECT = "drill"
KILLS = 3
DAY_ENDS = 1_740_985_140_000_000_000  # 14:59 of 3 March 2025 in China, the last minute of the simulated day
_DONE_S = 900.0


class Pipeline:
    """The profile `small` on a simulated day, with a standby for the market's process."""

    def __init__(self, engine: Engine, image: str, secrets: Path) -> None:
        self.engine = engine
        self.environment = {
            "MARKETPRISM_IMAGE": image,
            "MARKETPRISM_SECRETS": str(secrets),
            "MARKETPRISM_SOURCE": "sim:seed=7,days=1",
            "MARKETPRISM_SPEED": "300",
            "MARKETPRISM_NATS_GB": "4",
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        told = self.engine.compose(PROJECT, "--profile", "small", *arguments, check=check, **self.environment)
        return told.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each container of the pipeline, by name."""
        names = self.compose("ps", "-a", "--format", "{{.Name}}").split()
        return {name: self.engine.inspect(name) for name in names}

    def status(self) -> dict[str, Any]:
        """The product's own account of itself."""
        found: dict[str, Any] = json.loads(self.compose("run", "--rm", "-T", "cli", "status", "--json", check=False))
        return found

    def kill(self, container: str) -> None:
        """As by the kernel; then it is started again."""
        self.engine.run("kill", "-s", "KILL", container)
        time.sleep(5.0)
        self.engine.run("start", container)


@pytest.fixture(scope="module")
def pipeline(engine: Engine, build: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    image, secrets = build("full"), tmp_path_factory.mktemp("secrets")
    engine.script("deploy/compose/prepare.sh", image, str(secrets))
    found = Pipeline(engine, image, secrets)
    try:
        started = time.monotonic()
        found.compose("up", "-d", "--wait", "--scale", "market=2")
        print(f"healthy after {time.monotonic() - started:.0f} s")
        yield found
    finally:
        found.compose("down", "-v", "-t", "2", check=False)


def test_every_container_is_locked_in(pipeline: Pipeline) -> None:
    found = pipeline.containers()
    assert len(found) == 5
    for name, each in found.items():
        host = each["HostConfig"]
        assert each["State"]["Health"]["Status"] == "healthy", name
        assert each["Config"]["User"] == "10001:10001", name
        assert host["ReadonlyRootfs"], name
        assert (host["CapAdd"], host["CapDrop"], host["Privileged"]) == (None, ["ALL"], False), name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert host["PidsLimit"] > 0, name
        said = json.dumps(each["Config"]["Env"])
        secrets = [path for path in Path(pipeline.environment["MARKETPRISM_SECRETS"]).rglob("*") if path.is_file()]
        assert not [path for path in secrets if path.stat().st_size < 100 and path.read_text().strip() in said], name
    lines = pipeline.engine.run("exec", f"{PROJECT}-rows-1", "cat", "/proc/1/status").stdout.splitlines()
    inside = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Uid", "CapEff", "NoNewPrivs"))}
    assert inside == {"Uid": "10001", "CapEff": "0000000000000000", "NoNewPrivs": "1"}


def test_up_twice_changes_nothing(pipeline: Pipeline) -> None:
    before = {name: each["Id"] for name, each in pipeline.containers().items()}
    pipeline.compose("up", "-d", "--wait", "--scale", "market=2")
    assert {name: each["Id"] for name, each in pipeline.containers().items()} == before


def test_killed_containers_lose_and_double_nothing(pipeline: Pipeline) -> None:
    """Whoever leads the gateway, and the store, several times; at the end everything that was published is stored once."""
    for _ in range(KILLS):
        leader = pipeline.status()["leaders"]["gateway.default"]["holder"]
        pipeline.kill(leader.partition("-")[0])  # an instance is called by its host, which is its container
        pipeline.kill(f"{PROJECT}-rows-1")
    end = time.monotonic() + _DONE_S
    seen, still = 0, 0
    while still < 3:  # the day is over, and nothing comes any more
        assert time.monotonic() < end, seen
        time.sleep(10.0)
        status = pipeline.status()
        now = sum(each["ticks"] for each in status["stored"])
        last = max((each["ts_last"] for each in status["stored"]), default=0)
        still = still + 1 if now == seen and last >= DAY_ENDS else 0
        seen = now
    print("stored, once each:", seen)
    # The monitor has compared what was published with what is in the tables, range by range.
    assert (status["problems"], status["pipeline"]["problems"]) == ([], [])
    assert seen > 100_000
