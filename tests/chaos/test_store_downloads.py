"""A download of 150 000 minutes into a store under faults of the venue, its worker killed at random instants: the rows
of an undisturbed one, each once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.killed_store_downloads import rounds

KILLS = int(os.environ.get("CHAOS_STORE_DOWNLOAD_KILLS", "20"))
MINUTES = 150_000
pytestmark = pytest.mark.timeout(3600)


async def test_a_store_has_each_row_once_however_often_its_worker_is_killed(tmp_path: Path) -> None:
    found = await rounds(tmp_path, MINUTES, KILLS, seed=5, longest_s=4.0)
    print(found)
    assert found.killed == KILLS
    assert found.in_the_middle > KILLS // 10
