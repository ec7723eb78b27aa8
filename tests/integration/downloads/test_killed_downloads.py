"""A few rounds of tests/chaos/test_downloads.py."""

from __future__ import annotations

from pathlib import Path

from tests.support.killed_downloads import rounds


async def test_a_download_that_is_killed_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    found = await rounds(tmp_path, 40_000, 4, seed=3, longest_s=1.5)
    assert found.killed == 4
