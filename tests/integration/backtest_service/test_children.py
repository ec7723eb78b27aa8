"""Children of workers: forks and fresh processes alike, and nothing of one is there for the next."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from marketprism_services.backtest.child_messages import Check, End, Found, Frame, Job, Limits, Refused, Step
from marketprism_services.backtest.child_process import Child, ChildDied
from marketprism_services.backtest.children import Children, ForkServerLost
from tests.support.backtest_place import fork_servers

pytestmark = pytest.mark.timeout(180)

# What its code says is what its description says: a child answers with a digest of the one, and fails by the other.
SEES = """
import os, random, sys
import numpy as np
from marketprism_backtest import Field, Parameters, Strategy

seen = "left_behind" in sys.modules, "LEFT_BEHIND" in os.environ, len(os.listdir("/proc/self/fd")), len(sys.argv)
sys.modules["left_behind"] = sys
os.environ["LEFT_BEHIND"] = "1"
sys.path.append("/left/behind")
raise ValueError(f"{seen} {random.random()} {np.random.random()} {hash('a')} {open(0).read()!r}")
"""
FINE = """
from marketprism_backtest import Strategy

class Fine(Strategy):
    pass
"""
STRATEGY = "marketprism_backtest:Strategy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sees.py").write_text(SEES)
    return tmp_path


@pytest.fixture(params=[True, False], ids=["forks", "fresh"])
async def children(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Children]:
    found = Children(folder, forks=request.param)
    yield found
    await found.close()


async def answers(
    children: Children, folder: Path, strategy: str = "sees.py:Any", *, fresh: bool = False
) -> list[Frame]:
    job = Job(Check({}), Limits(400, 60.0, 5.0), strategy, file=str(folder))
    async with Child(job, children, fresh=fresh) as child:
        return [frame async for frame in child.frames() if not isinstance(frame, Step)]  # of a child that takes long


async def seen(children: Children, folder: Path, *, fresh: bool = False) -> list[str]:
    """What a child has found when it was begun: what was there, two numbers of chance, a hash, and its input."""
    refused = (await answers(children, folder, fresh=fresh))[0]
    assert isinstance(refused, Refused)
    return refused.text.partition("ValueError: (")[2].replace(")", "").split()


async def test_nothing_of_a_strategy_is_there_for_the_next(children: Children, folder: Path) -> None:
    one, other = await seen(children, folder), await seen(children, folder)
    assert one[:4] == other[:4]
    assert one[:2] == ["False,", "False,"]  # neither modules nor variables
    assert one[3] == "1"  # no argument
    assert one[4] != other[4]
    assert one[5] != other[5]  # chance begins anew
    assert one[7] == other[7] == "''"  # the job was all that there was to read


async def test_a_file_that_has_come_since_is_found(children: Children, folder: Path) -> None:
    assert isinstance((await answers(children, folder, "fine.py:Fine"))[0], Refused)
    (folder / "fine.py").write_text(FINE)
    found, end = await answers(children, folder, "fine.py:Fine")
    assert isinstance(found, Found)
    assert isinstance(end, End)


async def test_a_child_that_dies_says_by_what_and_the_next_one_begins(children: Children, folder: Path) -> None:
    (folder / "exits.py").write_text("import os\nos._exit(3)\n")
    with pytest.raises(ChildDied, match="exit code 3"):
        await answers(children, folder, "exits.py:Any")
    assert len(await seen(children, folder)) == 9


async def test_a_fresh_child_has_a_seed_of_hashes_of_its_own(folder: Path) -> None:
    children = Children(folder)
    forks = {(await seen(children, folder))[6] for _ in range(2)}
    fresh = (await seen(children, folder, fresh=True))[6]
    await children.close()
    assert len(forks | {fresh}) == 2


async def test_a_worker_of_many_connections_has_children_too(children: Children, folder: Path) -> None:
    """What a child is started with gets descriptors of high numbers, which not every way to wait takes."""
    with ExitStack() as held:
        for _ in range(1_100):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert len(await seen(children, folder)) == 9


async def test_what_children_are_forks_of_may_die_which_is_no_fault_of_theirs(folder: Path) -> None:
    (folder / "waits.py").write_text("import time\ntime.sleep(60)\n")
    others = fork_servers()
    children = Children(folder)
    job = Job(Check({}), Limits(400, 60.0, 60.0), "waits.py:Any", file=str(folder))
    async with Child(job, children) as child:
        (server,) = set(fork_servers()).difference(others)
        os.kill(server, signal.SIGKILL)
        with pytest.raises(ForkServerLost):
            assert [frame async for frame in child.frames() if not isinstance(frame, Step)] == []
    assert len(await seen(children, folder)) == 9  # of another one
    await children.close()
    assert set(fork_servers()) <= set(others)
