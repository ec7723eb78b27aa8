"""A few rounds of tests/chaos/test_downloads.py and test_store_downloads.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.killed_downloads import rounds
from tests.support.killed_store_downloads import rounds as store_rounds

pytestmark = pytest.mark.long


async def test_a_download_that_is_killed_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    found = await rounds(tmp_path, 20_000, 2, seed=3, longest_s=1.5)
    assert found.killed == 2


async def test_a_download_into_a_store_whose_worker_is_killed_stores_each_row_once(tmp_path: Path) -> None:
    found = await store_rounds(tmp_path, 20_000, 2, seed=3, longest_s=1.0)
    assert found.killed == 2
