"""The recorded days in a store, once for the module."""

from __future__ import annotations

import pytest

from tests.support.backtest_place import fill_store


@pytest.fixture(scope="module")
def stored(clickhouse_url: str) -> str:
    """A ClickHouse server with the ticks and minute bars of three days of ru1901."""
    fill_store(clickhouse_url)
    return clickhouse_url
