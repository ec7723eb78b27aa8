"""Event files of hftbacktest: its record and flags, and an order that is right for both clocks."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from marketprism_adapters.exports import hftbacktest
from marketprism_adapters.exports.hftbacktest import BUY, CLEAR, DEPTH, EVENT, EXCH, LOCAL, SELL, SNAPSHOT, TRADE
from marketprism_application.errors import SourceError
from tests.unit.adapters.exports.export_rows import PERP, T0, books, rows, trades

FLAGS = 0xFF


def events(path: Path) -> np.ndarray:
    data = np.load(path)["data"]
    assert data.dtype == EVENT
    assert data.dtype.itemsize == 64
    return data


def in_order(data: np.ndarray) -> None:
    """What the reader asks of a file: each clock's events in its order."""
    exch, local = (data["ev"] & flag != 0 for flag in (EXCH, LOCAL))
    assert (np.diff(data["exch_ts"][exch]) >= 0).all()
    assert (np.diff(data["local_ts"][local]) >= 0).all()
    assert (exch | local).all()
    assert (data["local_ts"] >= data["exch_ts"]).all()


def test_a_snapshot_takes_out_what_is_there_and_an_update_changes_levels(tmp_path: Path) -> None:
    steps = books([("snapshot", 0, 1), ("update", 10, 12), ("invalid", 20, 21)])
    taken = trades([(5, 6), (11, 13)])
    done = hftbacktest.write(PERP, {"orderbook": [rows("orderbook", steps)], "trade": [rows("trade", taken)]}, tmp_path)
    assert done.files == (tmp_path / "btcusdt_20240101.npz",)
    data = events(done.files[0])
    in_order(data)
    assert dict(done.rows) == {"orderbook": 3, "trade": 2, "events": 12}
    kinds = [(int(each) & FLAGS, bool(int(each) & BUY)) for each in data["ev"]]
    assert kinds == [
        *[(CLEAR, True), (CLEAR, False), (SNAPSHOT, True), (SNAPSHOT, True), (SNAPSHOT, False)],
        (TRADE, True),
        *[(DEPTH, True), (DEPTH, True), (DEPTH, False)],
        (TRADE, False),
        *[(CLEAR, True), (CLEAR, False)],
    ]
    assert np.isnan(data["px"][:2]).all()
    assert data["px"][2:6].tolist() == [41999.0, 41998.0, 42001.0, 42000.5]
    assert data["qty"][2:6].tolist() == [2.0, 1.0, 3.0, 0.25]
    assert all(int(each) & EXCH and int(each) & LOCAL for each in data["ev"])
    assert (int(data["exch_ts"][5]), int(data["local_ts"][5])) == (T0 + 5 * 10**6, T0 + 6 * 10**6)


def test_a_row_that_overtakes_another_stands_once_for_each_clock(tmp_path: Path) -> None:
    taken = trades([(0, 10), (1, 30), (2, 20), (3, 25), (4, 40)])
    data = events(hftbacktest.write(PERP, {"trade": [rows("trade", taken)]}, tmp_path).files[0])
    in_order(data)
    assert len(data) == 7
    by_exchange = data[data["ev"] & EXCH != 0]
    by_local = data[data["ev"] & LOCAL != 0]
    assert ((by_exchange["exch_ts"] - T0) // 10**6).tolist() == [0, 1, 2, 3, 4]
    assert ((by_local["local_ts"] - T0) // 10**6).tolist() == [10, 20, 25, 30, 40]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_two_clocks_comes_out_right(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = np.zeros(200, dtype=EVENT)
    made["ev"] = TRADE | SELL
    made["exch_ts"] = random.integers(0, 100, len(made))
    made["local_ts"] = made["exch_ts"] + random.integers(0, 50, len(made))
    made["qty"] = np.arange(len(made))
    data = hftbacktest.in_both_orders(made.copy(), np.arange(len(made)))
    in_order(data)
    for flag in (EXCH, LOCAL):
        assert sorted(data["qty"][data["ev"] & flag != 0].tolist()) == list(range(len(made)))


def test_a_local_clock_that_is_behind_is_moved_and_that_is_said(tmp_path: Path) -> None:
    taken = trades([(10, 7), (20, 25)])
    done = hftbacktest.write(PERP, {"trade": [rows("trade", taken)]}, tmp_path)
    assert done.remarks == ("local times are moved by 3000000 ns, for some lay before the exchange's",)
    in_order(events(done.files[0]))
    with pytest.raises(SourceError, match="orderbook, trade: expected rows in the range"):
        hftbacktest.write(PERP, {"orderbook": [], "trade": []}, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("hftbacktest") is None, reason="hftbacktest is not installed")
def test_its_own_check_of_order_passes(tmp_path: Path) -> None:
    taken = trades([(0, 10), (1, 30), (2, 20), (3, 25), (4, 40)])
    steps = books([("snapshot", 0, 11), ("update", 2, 12)])
    done = hftbacktest.write(PERP, {"orderbook": [rows("orderbook", steps)], "trade": [rows("trade", taken)]}, tmp_path)
    data = events(done.files[0])
    assert importlib.import_module("hftbacktest.types").event_dtype == data.dtype
    importlib.import_module("hftbacktest.data").validate_event_order(data)
