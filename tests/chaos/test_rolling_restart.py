"""Two of each service under a load, restarted one after the other, also from one version to the other and back:
nothing is lost or doubled, and somebody answers.

`ROLLING_ROUNDS` rounds (20 for a release), `ROLLING_RATE` ticks a second, `ROLLING_SERVICES` with commas between;
`MARKETPRISM_PREVIOUS` is the tree of the version before, without which one is taken out of git.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.topology import OLDEST_MIGRATION
from marketprism_services.platform.catalogue import names
from tests.conftest import FIXTURES
from tests.support import released_formats
from tests.support.clickhouse import serve_clickhouse
from tests.support.nats_server import running_nats
from tests.support.rolling_system import ROOT, RollingSystem, Tree

ROUNDS = int(os.environ.get("ROLLING_ROUNDS", "3"))
SIDE_ROUNDS = int(os.environ.get("ROLLING_SIDE_ROUNDS", "1"))
RATE = float(os.environ.get("ROLLING_RATE", "5000"))
INSTRUMENTS = int(os.environ.get("ROLLING_INSTRUMENTS", "384"))
PAUSE_S = float(os.environ.get("ROLLING_PAUSE_S", "1"))
NO_ANSWER_S = 1.0
SERVICES = tuple(os.environ.get("ROLLING_SERVICES", ",".join(names())).split(","))
RECORDING = FIXTURES / "ctp/ticks/ru1901_20181009.csv.gz"
GIVEN = os.environ.pop("MARKETPRISM_PREVIOUS", "")  # it is no setting of the services, which would refuse it
PREVIOUS = json.loads(released_formats.GOLDEN.read_text())["commit"]
THIS = Tree("this", ROOT)

pytestmark = pytest.mark.timeout(14_400)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A NATS server and a ClickHouse server of its own."""
    with running_nats(tmp_path / "nats") as nats, serve_clickhouse(tmp_path / "clickhouse") as (url, _):
        yield nats, {"engine": "clickhouse", "url": url}


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the version before."""
    if GIVEN:
        assert (Path(GIVEN) / "services").is_dir(), f"MARKETPRISM_PREVIOUS: expected a tree of the product, was {GIVEN}"
        return Path(GIVEN)
    folder = tmp_path_factory.mktemp("previous")
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", PREVIOUS], check=False, capture_output=True)
    if packed.returncode:
        pytest.skip(f"{PREVIOUS} is not in this clone: name a tree in MARKETPRISM_PREVIOUS")
    subprocess.run(["tar", "x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


async def _drill(folder: Path, place: tuple[str, dict[str, str]], trees: list[Tree]) -> None:
    """The first of `trees` runs, and every service is replaced by one of the next tree, and of the next."""
    nats, store = place
    system = RollingSystem(folder, nats, store, SERVICES, trees[0])
    system.load(RECORDING, INSTRUMENTS, RATE)
    try:
        await system.start()
        for before, tree in pairwise(trees):
            places = range(len(system.services))
            back = tree.name != THIS.name and before.name == THIS.name
            for at in reversed(places) if back else places:  # forward readers come first, and back they go last
                await system.restart(at, tree)
                await asyncio.sleep(PAUSE_S)
        found = await system.finish()
    finally:
        await system.close()
    print("\n" + json.dumps(found))
    assert (found["lost"], found["doubled"], found["rejected"]) == (0, 0, {})
    assert found["not_ended_with_0"] == []
    assert "api" not in SERVICES or found["no_answer_for_s"] <= NO_ANSWER_S, found


async def test_a_rolling_restart_loses_and_doubles_nothing(tmp_path: Path, place: tuple[str, dict[str, str]]) -> None:
    await _drill(tmp_path, place, [THIS] * (1 + ROUNDS))


async def test_the_version_before_is_replaced_and_comes_back_under_load(
    tmp_path: Path, place: tuple[str, dict[str, str]], previous: Path
) -> None:
    """The way back is open as long as migrations that the version before does not know are held back."""
    held = len(list((previous / "adapters/marketprism_adapters/clickhouse/migrations").glob("*.sql")))
    assert held >= OLDEST_MIGRATION, "this version writes to no schema that the version before knows"
    new = Tree(THIS.name, ROOT, {"MARKETPRISM_STORE__SCHEMA_AT_MOST": str(held)})
    await _drill(tmp_path, place, [Tree("before", previous), *[new, Tree("before", previous)] * SIDE_ROUNDS])


def test_each_version_reads_what_the_other_one_writes(tmp_path: Path, previous: Path) -> None:
    released_formats.run_in(previous, "write", str(tmp_path / "before.json"))
    released_formats.run_in(ROOT, "write", str(tmp_path / "this.json"))
    assert json.loads(released_formats.run_in(ROOT, "read", str(tmp_path / "before.json"))) == {}
    assert json.loads(released_formats.run_in(previous, "read", str(tmp_path / "this.json"))) == {}
