"""A download of 100 000 minutes under all faults, killed at random instants: the bytes of an undisturbed one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.killed_downloads import rounds

KILLS = int(os.environ.get("CHAOS_DOWNLOAD_KILLS", "50"))
MINUTES = 100_000
pytestmark = pytest.mark.timeout(3600)


async def test_a_download_that_is_killed_again_and_again_has_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    found = await rounds(tmp_path, MINUTES, KILLS, seed=11)
    print(found)
    assert found.killed == KILLS
    assert found.in_the_middle > KILLS // 5
