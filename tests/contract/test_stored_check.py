"""A check of a stored series over every StoreReader: in parts as in one piece, and with what the store knows beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, KLINE, TRADE
from marketprism_application.contracts.questions import Question
from marketprism_application.errors import UnknownSymbolError
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.stored_check import StoredCheck, StoredSeries
from marketprism_application.ports.storage import StreamPlace
from marketprism_application.queries.answering import answer_question
from marketprism_domain.integrity.report import IntegrityReport
from tests.contract.stores import Pair, covered
from tests.contract.test_codec import SAMPLES
from tests.support.bar_series import CALENDAR, LATER, changed, clean, codes, expected, without

WEEK = expected()
ROWS = clean(WEEK)
SERIES = StoredSeries("bar", "shfe", "cu1905", "1m")


async def fill(pair: Pair, kind: Any, records: list[Any], first: int = 1) -> None:
    places = [StreamPlace(first + n, 0) for n in range(len(records))]
    await pair.store.insert(kind, records, places, covered(first, first + len(records) - 1), 1)


def bars(rows: BarRows, kind: Any = BAR, *, gaps: frozenset[int] = frozenset()) -> list[Any]:
    sample = SAMPLES[kind.name]
    out = []
    for n in range(len(rows)):
        prices = {name: getattr(rows, name).decimal(n) for name in ("open", "high", "low", "close", "volume")}
        ts = int(rows.ts[n])
        own = {"gap": n in gaps, "open_interest": Decimal(5)} if kind is BAR else {"closed": True, "trades": 3}
        day = CALENDAR.schedule("shfe", "cu1905").trading_day_of(ts)
        if kind is BAR:
            own["trading_day"] = day
        money = prices["close"] * prices["volume"] * 5
        out.append(
            sample._replace(
                venue="shfe",
                symbol="cu1905",
                interval="1m",
                seq=n + 1,
                ts_open=ts,
                ts_close=ts + 60 * 10**9,
                ts_event=ts + 60 * 10**9,
                turnover=money,
                **prices,
                **own,
            )
        )
    return out


async def report(
    pair: Pair, series: StoredSeries = SERIES, *witnesses: str, parts: int = 10**6, **asked: Any
) -> IntegrityReport:
    async def ask(question: Question) -> Any:
        return await answer_question(pair.reader, question)

    return await StoredCheck(ask, series, CALENDAR, CheckAsked(LATER, **asked), witnesses, parts).report()


async def test_parts_find_what_the_whole_has(pair: Pair) -> None:
    damaged = changed(
        ROWS, [700, 1_500], **{name: lambda units: units * 2 for name in ("open", "high", "low", "close")}
    )
    damaged = changed(damaged, [363, 364, 365], high=lambda units: units * 0 + 10)
    damaged = without(damaged, np.r_[0:111, 460:470, 900, 2_000:2_325])
    await fill(pair, BAR, bars(damaged))
    whole = await report(pair, dense=True)
    assert codes(whole) == {"missing_range": 111 + 10 + 325, "missing_bar": 1, "jump": 2, "ohlc": 3, "vwap_outside": 3}
    for size in (300, 465, 1_000):
        parts = await report(pair, dense=True, parts=size)
        assert (parts.defects, parts.notices, parts.coverage) == (whole.defects, whole.notices, whole.coverage)
        assert (parts.expected, parts.present, parts.missing, parts.rows) == (
            whole.expected,
            whole.present,
            whole.missing,
            whole.rows,
        )
    assert (await report(pair)).missing == 0  # sparse: no other source is asked


async def test_the_gap_ledger_terms_and_days_of_the_store_are_used(pair: Pair) -> None:
    begin, end = int(ROWS.ts[100]), int(ROWS.ts[104])
    gap = SAMPLES["gap"]._replace(venue="shfe", symbol="cu1905", ts_from=begin, ts_to=end, kind="")
    terms = SAMPLES["instrument"]._replace(
        venue="shfe",
        symbol="cu1905",
        ts_event=int(ROWS.ts[0]) - 1,
        price_tick=Decimal(20),
        multiplier=Decimal(5),
        quantity_step=None,
        list_day="20190301",
        expire_day="20190515",
        inverse=False,
    )
    await fill(pair, BAR, bars(ROWS, gaps=frozenset({100, 101, 102, 103})))
    await fill(pair, GAP, [gap], 5_000)
    await fill(pair, INSTRUMENT, [terms], 6_000)
    found = await report(pair)
    assert set(codes(found)) == {"off_tick", "gap_overlap"}
    assert codes(found)["gap_overlap"] == 1  # the bar in which the gap ends
    ran = {check.group for check in found.checks if check.ran}
    assert {"step", "gaps", "vwap", "open_interest"} <= ran


async def test_the_venues_own_bars_are_dense_and_a_witness(pair: Pair) -> None:
    theirs = without(ROWS, [50])
    await fill(pair, KLINE, bars(theirs, KLINE))
    await fill(pair, BAR, bars(without(changed(ROWS, [60], volume=lambda units: units + 1), [70, 50])), 10_000)
    klines = await report(pair, StoredSeries("kline", "shfe", "cu1905", "1m"))
    assert codes(klines) == {"missing_bar": 1}
    held = await report(pair, SERIES, "kline", parts=400)
    assert codes(held) == {"kline_mismatch": 1, "missing_bar": 1}
    assert (held.missing, held.empty) == (1, 1)


@pytest.mark.parametrize(("source", "missing"), [("history:1m", 0), ("history", 0), ("anybody", 0), ("history:1h", 5)])
async def test_a_hole_of_the_venue_is_known_for_the_interval_that_it_is_entered_for(
    pair: Pair, source: str, missing: int
) -> None:
    await fill(pair, KLINE, bars(without(ROWS, list(range(200, 205))), KLINE))
    begin, end = int(ROWS.ts[200]), int(ROWS.ts[205])
    values = {"venue": "shfe", "symbol": "cu1905", "cause": "venue_missing", "kind": "kline", "source": source}
    await fill(pair, GAP, [SAMPLES["gap"]._replace(ts_from=begin, ts_to=end, **values)], 5_000)
    found = await report(pair, StoredSeries("kline", "shfe", "cu1905", "1m"))
    assert found.missing == missing
    assert ("known_hole" in {each.code for each in found.notices}) is not bool(missing)


async def test_a_stored_tape_is_checked_by_its_numbers(pair: Pair) -> None:
    sample = SAMPLES["trade"]
    tape = [
        sample._replace(
            venue="okx", symbol="BTC-USDT", seq=n, ts_event=10**18 + n, trade_id=str(n), first_id=None, last_id=None
        )
        for n in (1, 2, 3, 7, 8)
    ]
    await fill(pair, TRADE, tape)
    found = await report(pair, StoredSeries("trade", "okx", "BTC-USDT"))
    assert codes(found) == {"missing_trades": 3}
    assert (found.expected, found.present, found.missing) == (8, 5, 3)


async def test_a_range_without_rows(pair: Pair) -> None:
    with pytest.raises(UnknownSymbolError, match="expected 1m bars in the range"):
        await report(pair)
    empty = await report(pair, dense=True, ts_from=WEEK.dataset.ts_from, ts_to=WEEK.dataset.ts_to)
    assert (empty.expected, empty.missing, empty.present) == (WEEK.count, WEEK.count, 0)
