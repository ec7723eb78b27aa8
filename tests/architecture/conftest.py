"""Many rules look at the same files: one worker reads each of them once, and forgets them at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sources import nodes_of, tree_of

FOLDER = str(Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that read the code are one group of pytest-xdist."""
    if isinstance(item, pytest.Function) and {"nodes_of", "tree_of"} & vars(item.module).keys():
        item.add_marker(pytest.mark.xdist_group("architecture"))


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Forget the files behind the last of these tests."""
    if nextitem is None or not str(nextitem.path).startswith(FOLDER):
        nodes_of.cache_clear()
        tree_of.cache_clear()
