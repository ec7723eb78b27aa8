"""Jobs of the data service under faults of the venue, its workers and planners killed at random instants: each row once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.killed_data_services import rounds

KILLS = int(os.environ.get("CHAOS_DATA_KILLS", "50"))
MINUTES = 100_000
pytestmark = pytest.mark.timeout(7200)


async def test_a_job_is_done_with_each_row_once_however_often_a_service_is_killed(tmp_path: Path) -> None:
    found = await rounds(tmp_path, MINUTES, KILLS, seed=11, longest_s=8.0)
    print(found)
    assert found.killed == KILLS
    assert found.leaders > KILLS // 10
