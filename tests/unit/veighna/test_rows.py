"""Records as VeighNa has them: names, times, ticks and bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.queries.arrow_tables import table_of
from marketprism_client import Answer
from marketprism_domain.instruments.exchange_codes import CHINESE_VENUES
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import BookLevel
from tests.contract.test_codec import SAMPLES
from tests.support.vnpy_like import veighna

# ruff: noqa: PLC0415 (the package is loaded on vnpy's like)


def test_every_venue_has_a_name_there_and_comes_back_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import names  # type: ignore[import-not-found]

    assert set(names.CHINESE) == set(CHINESE_VENUES)
    for venue in (*CHINESE_VENUES, "cme", "binance", "okx", "deribit", "bybit"):
        symbol, exchange = names.names_of(venue, "BTC-USDT-PERP")
        assert names.instrument_of(symbol, exchange) == (venue, "BTC-USDT-PERP")
    assert names.names_of("shfe", "ru1901") == ("ru1901", names.Exchange.SHFE)
    assert names.names_of("binance", "BTC-USDT") == ("BTC-USDT_BINANCE", names.Exchange.GLOBAL)


@pytest.mark.parametrize(
    ("symbol", "exchange", "text"),
    [
        ("BTC-USDT", "GLOBAL", "symbol: expected one with its venue, like BTC-USDT_VENUE, was 'BTC-USDT'"),
        ("_OKX", "GLOBAL", "symbol: expected one with its venue"),
        ("IF1901", "CFE", "vt_symbol: expected a symbol of a venue, or of GLOBAL, was IF1901.CFE"),
        ("x", "LOCAL", "was x.LOCAL"),
    ],
)
def test_a_name_that_stands_for_nothing_here_is_refused(
    monkeypatch: pytest.MonkeyPatch, symbol: str, exchange: str, text: str
) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import names

    with pytest.raises(names.UnknownName, match=text):
        names.instrument_of(symbol, names.Exchange(exchange))
    with pytest.raises(names.UnknownName, match="interval: expected one of 1m, 1h, d, w, was 'tick'"):
        names.interval_of(names.Interval.TICK)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "UTC", "Australia/Lord_Howe"])
@pytest.mark.parametrize("days", [1, 50, 400])
def test_times_of_a_column_are_those_of_each_alone(monkeypatch: pytest.MonkeyPatch, zone: str, days: int) -> None:
    veighna(monkeypatch, zone)
    from vnpy_marketprism import times  # type: ignore[import-not-found]

    begin = int(datetime(2024, 3, 20, tzinfo=UTC).timestamp()) * 10**9
    column = np.linspace(begin + 7, begin + days * 86_400 * 10**9, 200).astype(np.int64)
    found = times.moments_of(column)
    assert found == [times.moment_of(ts) for ts in column.tolist()]
    assert [each.utcoffset() for each in found] == [times.moment_of(ts).utcoffset() for ts in column.tolist()]
    assert [times.nanoseconds_of(each) for each in found] == [ts // 1_000 * 1_000 for ts in column.tolist()]
    assert times.moments_of(column[:0]) == []
    bare = datetime(2024, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 (as VeighNa has them)
    assert times.nanoseconds_of(bare) == times.nanoseconds_of(bare.replace(tzinfo=times.DB_TZ))


@pytest.mark.parametrize(
    ("opened", "day"),
    [("2018-10-08T21:00", "2018-10-09"), ("2018-10-12T21:00", "2018-10-15"), ("2018-10-08T09:00", "2018-10-08")],
)
def test_an_evening_is_of_the_next_day_of_work(monkeypatch: pytest.MonkeyPatch, opened: str, day: str) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import times

    ts = times.nanoseconds_of(datetime.fromisoformat(opened))
    assert times.trading_day_opened(ts).isoformat() == f"{day}T00:00:00+08:00"


def tick(n: int, **values: Any) -> Tick:
    level = BookLevel(Decimal("12370.5"), Decimal(71 + n))
    made: Tick = SAMPLES["tick"]._replace(
        venue="shfe",
        symbol="ru1901",
        seq=n + 1,
        ts_event=1_538_960_400_000_000_000 + n * 500_000_000,
        trading_day="20181008",
        bids=(level,) * (n % 6),
        asks=(level,) * ((n + 1) % 6),
        **values,
    )
    return made


def stored(ticks: list[Tick], page: int) -> list[Any]:
    """What a question about the ticks gives VeighNa, in pages of so many."""
    from vnpy_marketprism import names
    from vnpy_marketprism.ticks import TICK_FIELDS, TickPages  # type: ignore[import-not-found]

    columns = dict.fromkeys(name for name in TICK_FIELDS if name in TICK.fields)
    pages, found = TickPages("ru1901", names.Exchange.SHFE, "DB"), []
    for first in range(0, len(ticks) + 1, page):  # the last one may be empty
        table = table_of(TICK, ticks[first : first + page]).select([*columns, "bids", "asks"])
        answer: Answer[object] = Answer(
            table, lambda row: row, time_field="ts_event", tz="Asia/Shanghai", fields=TICK_FIELDS
        )
        found += pages.ticks(answer.to_arrow(), answer.table)
    return found


@pytest.mark.parametrize("page", [1, 3, 8, 100])
@pytest.mark.parametrize("made_of_trades", [False, True])
def test_stored_ticks_are_those_that_come_live_and_those_of_the_constructor(
    monkeypatch: pytest.MonkeyPatch, made_of_trades: bool, page: int
) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import names
    from vnpy_marketprism.ticks import TickMaker

    if made_of_trades:
        parts = {"volume": None, "turnover": None, "traded": Decimal("0.5"), "traded_turnover": Decimal(100)}
    else:
        parts = {"volume": Decimal(7), "turnover": Decimal("86590.5"), "traded": None, "traded_turnover": None}
    ticks = [tick(n, **parts, limit_up=None, open=None if n < 3 else Decimal("0.1")) for n in range(12)]
    ticks[8:] = [each._replace(trading_day="20181009") for each in ticks[8:]]
    maker = TickMaker("ru1901", names.Exchange.SHFE, "DB")
    live, found = [maker.tick(each) for each in ticks], stored(ticks, page)
    for came, read, of_ours in zip(live, found, ticks, strict=True):
        assert came.extra == {**read.extra, "seq": of_ours.seq, "verdict": of_ours.verdict}
        came.extra = read.extra
        assert came == read
        constructed = type(read)(*(getattr(read, name) for name in type(read).names))
        constructed.extra = read.extra
        assert vars(constructed) == vars(read)
    assert found[0].limit_up == 0
    assert [found[n].bid_price_1 for n in (0, 1)] == [0, 12_370.5]
    assert found[5].ask_volume_1 == 0
    assert found[4].open_price == 0.1
    volumes = [0.5, 1.0, 4.0, 0.5] if made_of_trades else [7, 7, 7, 7]
    assert [found[n].volume for n in (0, 1, 7, 8)] == volumes
    assert found[1].datetime - found[0].datetime == timedelta(milliseconds=500)
    assert {each.extra["trading_day"] for each in found} == {"20181008", "20181009"}
    assert stored([], page) == []


@pytest.mark.parametrize("by_day", [False, True])
def test_bars_carry_their_gap_revision_and_trading_day(monkeypatch: pytest.MonkeyPatch, by_day: bool) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import names
    from vnpy_marketprism.bars import FIELDS_OF, FoundBars, bars_of  # type: ignore[import-not-found]

    bar = SAMPLES["bar"]._replace(
        ts_open=1_539_003_600_000_000_000, trading_day="20181009", gap=True, revision=2, open_interest=None
    )
    table = table_of(BAR, [bar, bar._replace(gap=False, revision=0)]).select(list(FIELDS_OF["bar"]))
    answer: Answer[object] = Answer(table, lambda row: row, time_field="ts_open", tz="UTC")
    found = FoundBars(answer.to_arrow(), table, by_day)
    first, second = bars_of(found, "ru1901", names.Exchange.SHFE, names.Interval.DAILY, gateway="DB")
    assert first.extra == {"gap": True, "revision": 2, "trading_day": "20181009"}
    assert second.extra == {"gap": False, "revision": 0, "trading_day": "20181009"}
    assert first.datetime.isoformat() == ("2018-10-09T00:00:00+08:00" if by_day else "2018-10-08T21:00:00+08:00")
    assert (first.vt_symbol, first.open_interest, first.gateway_name) == ("ru1901.SHFE", 0, "DB")
    assert [first.open_price, first.close_price, first.volume] == [float(bar.open), float(bar.close), float(bar.volume)]
    assert (
        bars_of(FoundBars(table[:0], table[:0], by_day), "x", names.Exchange.SHFE, names.Interval.DAILY, gateway="")
        == []
    )


def test_what_comes_twice_is_left_out_and_what_did_not_come_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism.sequence import Sequence  # type: ignore[import-not-found]

    sequence, ticks = Sequence(), [tick(n) for n in range(10)]
    assert [sequence.missed(ticks[n]) for n in (4, 5, 5, 4, 6, 9)] == [0, 0, None, None, 0, 2]
    assert sequence.missed(ticks[9]._replace(seq=1, ts_event=ticks[9].ts_event + 1)) == 0, "the store began anew"
    assert sequence.count == 5
