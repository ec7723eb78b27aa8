"""Rows of a host as files: everything that a run reads comes back as it was, and days are cut out of all of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.continuous_view import with_view
from marketprism_application.backtesting.identity import data_digests
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_services.backtest.child_walk import rows_of_days
from marketprism_services.backtest.row_files import read_rows, write_rows
from tests.integration.backtest.test_books import START, STILL, data
from tests.integration.backtest.test_rolls_and_expiry import two_days
from tests.support.backtest_rows import DAY, MIDNIGHT, SECOND


def with_everything() -> InstrumentData:
    found = data([START, STILL, START, STILL], [(0, 100, 1, -1), (2, 100, 1, 1)])
    marks = MarkColumns(np.array([MIDNIGHT, MIDNIGHT + SECOND]), np.array([DAY, DAY + 1]), np.array([100, 101]))
    books, trades = found.books, found.trades
    assert books is not None
    assert trades is not None
    days = np.array([DAY, DAY, DAY + 1, DAY + 1])
    return replace(
        found,
        books=replace(books, day=days),
        trades=replace(trades, day=days[::2].copy()),
        marks=marks,
        settlements={str(DAY): Decimal("100.5")},
    )


def test_books_marks_and_settlements_come_back_as_they_were(tmp_path: Path) -> None:
    selection = Selection((with_everything(),))
    write_rows(selection, tmp_path / "rows")
    found = read_rows(tmp_path / "rows")
    assert data_digests(found) == data_digests(selection)
    assert found.instruments[0].settlements == selection.instruments[0].settlements


def test_days_are_cut_out_of_every_series() -> None:
    cut = rows_of_days(Selection((with_everything(),)), [str(DAY + 1)]).instruments[0]
    assert cut.books is not None
    assert cut.trades is not None
    assert cut.marks is not None
    assert (len(cut.books), len(cut.trades), len(cut.marks)) == (2, 1, 1)
    whole = with_everything().books
    assert whole is not None
    half = len(whole.prices) // 2
    assert cut.books.prices.tolist() == whole.prices[half:].tolist()
    assert cut.books.bids.tolist() == (whole.bids[2:] - whole.bids[2]).tolist()
    assert cut.books.asks.tolist() == (whole.asks[2:] - whole.bids[2]).tolist()


def test_a_view_has_the_contracts_of_its_days() -> None:
    contracts, rolls = two_days()
    early = contracts[0].bars["1m"]
    first_day = early.day == 20231219
    names = [name for name in early.__dataclass_fields__ if name != "interval"]
    contracts[0] = replace(
        contracts[0], bars={"1m": replace(early, **{name: getattr(early, name)[first_day] for name in names})}
    )
    cut = rows_of_days(with_view("rb", contracts, rolls, "difference"), ["20231220"])
    assert [each.instrument.symbol for each in cut.instruments] == ["rb2405", "continuous:rb"]
    assert [lead.symbol for lead in cut.instruments[-1].leads] == ["rb2405"]
    assert cut.rolls == ()
