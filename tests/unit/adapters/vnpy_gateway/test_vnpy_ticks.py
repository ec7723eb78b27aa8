"""What gateways of VeighNa make of a tick, each quirk with its right value."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.vnpy_gateway.contracts import terms_of
from marketprism_adapters.vnpy_gateway.frames import encode_contract, terms_of_frame
from marketprism_adapters.vnpy_gateway.handover import Handover
from marketprism_adapters.vnpy_gateway.names import Named, Names, chosen, spelled
from marketprism_adapters.vnpy_gateway.registry import ROWS, UNKNOWN, GatewayRow, row_of
from marketprism_adapters.vnpy_gateway.tap import CONTRACT_FIELDS, TICK_FIELDS
from marketprism_adapters.vnpy_gateway.ticks import TickReader
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import BookLevel
from tests.support.vnpy_gateways import scripted_gateway

CHINA = timezone(timedelta(hours=8))
TEN = datetime(2025, 3, 4, 10, 0, 0, 500_000, tzinfo=CHINA)  # a Tuesday
LATER = TEN + timedelta(days=30)
DBL_MAX = 1.7976931348623157e308

Read = Callable[..., Tick]


def ns(when: datetime) -> int:
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


@pytest.fixture(scope="module")
def vnpy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with scripted_gateway(tmp_path_factory.mktemp("vnpy")) as module:
        yield module


@pytest.fixture
def read(vnpy: Any, calendar: MarketCalendar) -> Read:
    """A `TickData` of a row, received 80 ms after it or at `received`."""
    readers: dict[GatewayRow, TickReader] = {}

    def tick(
        row: GatewayRow = UNKNOWN,
        when: Any = TEN,
        symbol: str = "rb2505",
        exchange: str = "SHFE",
        *,
        received: datetime | None = None,
        **more: Any,
    ) -> Tick:
        reader = readers.setdefault(row, TickReader(row, calendar, "vnpy:test", Names()))
        data = vnpy.TickData(symbol=symbol, exchange=vnpy.Exchange(exchange), datetime=when, gateway_name="T", **more)
        at = received or (when if when.tzinfo else when.replace(tzinfo=CHINA)) + timedelta(milliseconds=80)
        return reader.tick([getattr(data, name) for name in TICK_FIELDS], 7, ns(at))

    return tick


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_a_double_is_its_shortest_decimal_and_what_is_no_price_is_none(read: Read) -> None:
    made = read(
        last_price=3712.3,
        volume=1234.0,
        turnover=45812345670.0,
        open_interest=1e6,
        limit_up=DBL_MAX,
        limit_down=1e20,
        open_price=0.0,
        high_price=math.inf,
        low_price=0.1 + 0.2,
        pre_close=1e-7,
    )
    assert (made.last, made.volume, made.turnover, made.open_interest) == (
        Decimal("3712.3"),
        Decimal(1234),
        Decimal("45812345670"),
        Decimal(1_000_000),
    )
    assert (made.limit_up, made.limit_down, made.open, made.high) == (None, None, None, None)
    assert (made.low, made.pre_close) == (Decimal("0.30000000000000004"), Decimal("0.0000001"))
    assert str(made.open_interest) == "1000000"
    assert (made.venue, made.symbol, made.source, made.source_seq) == ("shfe", "rb2505", "vnpy:test", 7)
    assert (made.settlement, made.pre_settlement, made.average_price, made.verdict) == (None, None, None, "")


@pytest.mark.parametrize("field", ["volume", "bid_volume_1", "ask_volume_5"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0, "many", None])
def test_a_size_that_is_none_is_refused_by_its_name(read: Read, field: str, wrong: object) -> None:
    with pytest.raises(InvalidValue, match=f"{field}: expected"):
        read(last_price=1.0, bid_price_1=1.0, **{field: wrong})


@pytest.mark.parametrize(
    ("field", "wrong"), [("last_price", math.nan), ("last_price", -3.0), ("bid_price_2", -3.0), ("pre_close", "x")]
)
def test_a_price_that_is_none_is_refused_by_its_name(read: Read, field: str, wrong: object) -> None:
    more = {"bid_price_1": 1.0, "bid_volume_1": 1, field: wrong}
    with pytest.raises(InvalidValue, match=f"{field}: expected"):
        read(**more)


def test_a_spread_may_cost_less_than_nothing(read: Read) -> None:
    made = read(symbol="SP a2509&a2511", exchange="DCE", last_price=-3.5, bid_price_1=-4.0, bid_volume_1=2)
    assert (made.last, made.bids) == (Decimal("-3.5"), (BookLevel(Decimal(-4), Decimal(2)),))


def test_five_levels_until_the_first_that_is_empty(read: Read) -> None:
    made = read(
        **{f"bid_price_{n}": 100.0 - n for n in (1, 2, 4)},
        **{f"bid_volume_{n}": n for n in range(1, 6)},
        **{f"ask_price_{n}": 100.0 + n for n in range(1, 6)},
        **{f"ask_volume_{n}": float(n) for n in (1, 2, 4, 5)},
    )
    assert made.bids == ((Decimal(99), Decimal(1)), (Decimal(98), Decimal(2)))
    assert made.asks == tuple((Decimal(100 + n), Decimal(n)) for n in (1, 2, 4, 5))
    nothing = read(bid_price_1=DBL_MAX, bid_volume_1=2**31 - 1, volume=2**31 - 1)
    assert (nothing.bids, nothing.volume) == ((), None)


@hypothesis.settings(max_examples=60)
@given(st.floats(min_value=1e-5, max_value=1e15))
def test_every_double_comes_back_as_the_same_double(vnpy: Any, calendar: MarketCalendar, number: float) -> None:
    reader = TickReader(UNKNOWN, calendar, "vnpy:test", Names())
    data = vnpy.TickData(symbol="x", exchange=vnpy.Exchange.GLOBAL, datetime=TEN, gateway_name="T", last_price=number)
    try:
        made = reader.tick([getattr(data, name) for name in TICK_FIELDS], 1, ns(TEN))
    except InvalidValue as error:
        assert "fraction digits" in str(error)  # noqa: PT017
        return
    assert made.last is not None
    assert float(made.last) == number


# -- volume ----------------------------------------------------------------------------------------------------------


def test_the_volume_is_that_of_the_day_or_of_one_tick_alone(read: Read) -> None:
    given_values = {"volume": 12.0, "last_volume": 340.0, "turnover": 99.0}
    day = read(**given_values)
    assert (day.volume, day.turnover, day.traded, day.traded_turnover) == (Decimal(12), Decimal(99), None, None)
    tora = read(ROWS["vnpy_tora.ToraStockGateway"], symbol="600000", exchange="SSE", **given_values)
    assert tora.volume == Decimal(340)
    alone = read(UNKNOWN._replace(volume="per_trade"), **given_values)
    assert (alone.volume, alone.turnover, alone.traded, alone.traded_turnover) == (None, None, Decimal(12), Decimal(99))


def test_what_a_gateway_does_not_fill_is_not_0(read: Read) -> None:
    femas = read(ROWS["vnpy_femas.FemasGateway"], volume=5.0)
    assert (femas.turnover, femas.open_interest) == (None, None)
    assert read(volume=5.0).turnover is None, "nothing is traded for nothing"
    begun = read(volume=0)
    assert (begun.volume, begun.turnover, begun.open_interest) == (Decimal(0), Decimal(0), Decimal(0))
    assert read(turnover=-DBL_MAX, open_interest=DBL_MAX)[12:14] == (None, None)


def test_minus_one_is_no_price_at_interactive_brokers(read: Read) -> None:
    made = read(ROWS["vnpy_ib.IbGateway"], symbol="SPY-USD-STK", exchange="SMART", last_price=-1.0, low_price=-1.0)
    assert (made.venue, made.symbol, made.last, made.low) == ("smart", "SPY-USD-STK", None, None)


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when",
    [
        TEN,
        TEN.astimezone(UTC),
        TEN.replace(tzinfo=None),
        TEN.replace(tzinfo=ZoneInfo("Asia/Shanghai")),
        TEN.replace(tzinfo=timezone(timedelta(hours=8, minutes=6))),  # what replace(tzinfo=pytz…) makes of Shanghai
    ],
    ids=["china", "utc", "naive", "zone", "of before 1901"],
)
def test_a_time_of_an_unknown_gateway_is_of_its_own_zone_and_without_one_of_chinas(read: Read, when: datetime) -> None:
    made = read(when=when, received=TEN)
    assert (made.ts_event, made.trading_day) == (ns(TEN), "20250304")


@pytest.mark.parametrize("wrong", [UTC, timezone(timedelta(hours=-5)), None])
def test_the_zone_of_a_row_stands_above_the_one_that_is_written(read: Read, wrong: Any) -> None:
    made = read(ROWS["vnpy_xtp.XtpGateway"], TEN.replace(tzinfo=wrong), "600000", "SSE", received=TEN)
    assert made.ts_event == ns(TEN)
    in_new_york = UNKNOWN._replace(zone="America/New_York")
    for day, offset in (("2025-03-07", 5), ("2025-03-10", 4)):  # the clocks are changed between
        made = read(in_new_york, datetime.fromisoformat(f"{day} 10:00"), "ES", "GLOBAL", received=LATER)
        assert made.ts_event == ns(datetime.fromisoformat(f"{day} 10:00+00:00") + timedelta(hours=offset))
    changed = read(in_new_york, datetime.fromisoformat("2025-03-09 12:00"), "ES", "GLOBAL", received=LATER)
    assert changed.ts_event == ns(datetime(2025, 3, 9, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("stamped", "received", "right", "day"),
    [
        # A night is stamped with the trading day (femas), Friday's with that of Monday.
        ("2025-03-05 21:00:00.5", "2025-03-04 21:00:00.6", "2025-03-04 21:00:00.5", "20250305"),
        ("2025-03-10 21:00:00", "2025-03-07 21:00:00.1", "2025-03-07 21:00:00", "20250310"),
        # The machine's date (mini): its clock is on the other side of midnight, or in another zone.
        ("2025-03-04 00:00:00", "2025-03-04 23:59:59.9", "2025-03-05 00:00:00", "20250305"),
        ("2025-03-05 23:59:59", "2025-03-05 00:00:00.1", "2025-03-04 23:59:59", "20250305"),
        ("2025-03-07 00:30:00", "2025-03-08 00:30:00.2", "2025-03-08 00:30:00", "20250310"),
        # A login brings the last snapshot there was: on Saturday Friday's, after a holiday the one before it.
        ("2025-03-08 14:59:59", "2025-03-08 15:30:00", "2025-03-07 14:59:59", "20250307"),
        ("2025-10-08 14:59:59", "2025-10-08 15:30:00", "2025-09-30 14:59:59", "20250930"),
        ("2025-03-10 14:59:59", "2025-03-10 08:45:00", "2025-03-07 14:59:59", "20250307"),
    ],
)
def test_where_the_date_says_nothing_the_time_of_day_and_the_calendar_do(
    read: Read, stamped: str, received: str, right: str, day: str
) -> None:
    at = {name: datetime.fromisoformat(text).replace(tzinfo=CHINA) for name, text in (("s", stamped), ("r", received))}
    made = read(ROWS["vnpy_rohon.RohonGateway"], at["s"], "ag2506", received=at["r"])
    assert made.ts_event == ns(datetime.fromisoformat(right).replace(tzinfo=CHINA))
    assert made.trading_day == day
    assert made.ts_recv == ns(at["r"])


def test_a_date_that_is_right_stays_unless_it_lies_in_the_future(read: Read) -> None:
    row = ROWS["vnpy_esunny.EsunnyGateway"]
    old = read(row, TEN - timedelta(days=3), "SR505", "CZCE", received=TEN)
    assert old.ts_event == ns(TEN - timedelta(days=3))
    ahead = read(row, TEN + timedelta(days=1), "SR505", "CZCE", received=TEN)
    assert ahead.ts_event == ns(TEN)


def test_the_time_of_the_last_trade_is_not_that_of_a_quote(read: Read) -> None:
    made = read(ROWS["vnpy_ib.IbGateway"], TEN - timedelta(hours=5), "ES", "GLOBAL", received=TEN)
    assert made.ts_event == made.ts_recv == ns(TEN)


@pytest.mark.parametrize(
    ("rule", "written", "right"),
    [("exact", 123_456, 123_456), ("tenths", 590_001, 500_000), ("seconds", 999_999, 0), ("unpadded", 930_000, 93_000)],
)
def test_no_more_of_the_second_is_believed_than_is_there(read: Read, rule: str, written: int, right: int) -> None:
    row = GatewayRow("t", millisecond=rule)  # type: ignore[arg-type]
    made = read(row, TEN.replace(microsecond=written), "m2505", "DCE", received=TEN.replace(microsecond=0))
    assert made.ts_event == ns(TEN.replace(microsecond=right))


@hypothesis.settings(max_examples=40)
@given(st.lists(st.integers(0, 5_000), min_size=2, max_size=20).map(sorted))
def test_unpadded_milliseconds_are_never_late_and_never_go_back(
    vnpy: Any, calendar: MarketCalendar, milliseconds: list[int]
) -> None:
    """CTP's gateway prints 93 ms as .93, which reads as 930: the tick after it would be before it."""
    reader = TickReader(ROWS["vnpy_ctp.CtpGateway"], calendar, "vnpy:ctp", Names())
    begin, last = TEN.replace(microsecond=0), 0
    for number, after in enumerate(milliseconds):
        second, ms = divmod(after, 1_000)
        text = f"{begin + timedelta(seconds=second):%Y%m%d %H:%M:%S}.{ms}"
        when = datetime.strptime(text, "%Y%m%d %H:%M:%S.%f").replace(tzinfo=CHINA)
        true = ns(begin + timedelta(milliseconds=after))
        values = {"symbol": "m2505", "exchange": "DCE", "datetime": when}
        ts = reader.tick([values.get(name, 0) for name in TICK_FIELDS], number, true).ts_event
        assert last <= ts <= true
        assert ts // 10**9 == true // 10**9
        last = ts


def test_a_venue_that_counts_in_hundreds_has_its_halves(read: Read) -> None:
    row = ROWS["vnpy_ctp.CtpGateway"]
    assert read(row, TEN, "rb2505").ts_event == ns(TEN)


def test_what_is_no_time_is_refused(read: Read) -> None:
    with pytest.raises(InvalidValue, match="datetime: expected a time, was 'None'"):
        read(when=None, received=TEN)


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "exchange", "ours"),
    [
        ("RB2505", "SHFE", ("shfe", "rb2505")),  # as Esunny writes them
        ("sr505", "CZCE", ("czce", "SR505")),
        ("IF2506", "CFFEX", ("cffex", "IF2506")),
        ("m2505-C-3000", "DCE", ("dce", "m2505-C-3000")),
        ("600000", "SSE", ("sse", "600000")),
        ("FDAX2506", "EUX", ("eux", "FDAX2506")),
        ("BTCUSDT", "GLOBAL", ("binance", "BTCUSDT")),
    ],
)
def test_a_name_is_ours_and_is_asked_for_in_the_gateways_own_letters(
    symbol: str, exchange: str, ours: tuple[str, str]
) -> None:
    names = Names("binance")
    assert names.named(symbol, exchange) == ours
    assert names.native(Named(*ours)) == (symbol, exchange)
    assert Names("binance").native(Named(*ours)) == (ours[1], exchange), "nobody has listed it"


@pytest.mark.parametrize(("symbol", "exchange"), [("", "SHFE"), (None, "SHFE"), ("x" * 65, "SHFE"), ("a", "tick")])
def test_what_is_no_name_is_refused(symbol: Any, exchange: str) -> None:
    with pytest.raises(InvalidValue):
        Names().named(symbol, exchange)


def test_names_and_patterns_choose_of_a_list() -> None:
    listed = {Named("shfe", "rb2505"): 1, Named("sse", "600000"): 1, Named("szse", "000001"): 1}
    assert chosen(("rb*", "sse.600000", "000001.SZSE"), listed)[0] == sorted(listed)
    assert chosen(("rb2505.DCE", "*.SSE"), listed) == ([Named("sse", "600000")], ["rb2505.DCE"])
    assert spelled("SPY-USD-STK.SMART") == ("smart", "SPY-USD-STK")
    assert (spelled("rb2505"), spelled("rb*.SHFE")) == (None, None)


def test_terms_of_a_contract_are_exact_and_free_of_the_machines_language(vnpy: Any) -> None:
    option = {
        "symbol": "m2505-C-3000",
        "exchange": vnpy.Exchange.DCE,
        "name": "豆粕2505看涨3000",
        "product": vnpy.Product.OPTION,
        "size": 10,
        "pricetick": 0.5,
        "option_strike": 3000.0,
        "option_type": vnpy.OptionType.CALL,
        "option_underlying": "m2505",
        "option_expiry": datetime.fromisoformat("2025-04-08"),
        "min_volume": 1,
    }
    made = terms_of([option.get(name) for name in CONTRACT_FIELDS], Names(), "vnpy:test", 5)
    frame = encode_contract("", [option.get(name) for name in CONTRACT_FIELDS])
    assert terms_of_frame(frame, "vnpy:test", 5) == made
    assert (made.venue, made.symbol, made.product, made.class_, made.option_type) == (
        "dce",
        "m2505-C-3000",
        "m",
        "option",
        "call",
    )
    assert (made.multiplier, made.price_tick, made.strike) == (Decimal(10), Decimal("0.5"), Decimal(3000))
    assert (made.underlying, made.expire_day, made.min_limit_volume, made.max_limit_volume) == (
        "m2505",
        "20250408",
        Decimal(1),
        None,
    )
    share = {"symbol": "600000", "exchange": "SSE", "product": vnpy.Product.EQUITY, "size": 1, "pricetick": math.nan}
    found = terms_of([share.get(name) for name in CONTRACT_FIELDS], Names(), "s", 5)
    assert (found.class_, found.product, found.price_tick, found.name) == ("spot", "600000", None, "")


def test_a_gateway_is_known_by_its_package_and_class() -> None:
    assert row_of("vnpy_xtp.gateway.XtpGateway") is ROWS["vnpy_xtp.XtpGateway"]
    assert row_of("vnpy_xtp.Other") == UNKNOWN._replace(name="vnpy_xtp_Other")
    assert len({row.name for row in ROWS.values()}) == len(ROWS)


async def test_a_full_queue_drops_ticks_alone_and_says_since_when() -> None:
    handover = Handover(asyncio.get_running_loop(), 2)
    for number in range(4):
        handover.put("tick", ("rb2505", "SHFE", number))
    handover.put("log", ("text",))
    assert (handover.dropped, handover.deepest, list(handover.lost)) == (2, 3, [("rb2505", "SHFE")])
    assert [each.kind for each in await handover.take()] == ["tick", "tick", "log"]
    assert await handover.take(timeout_s=0.001) == []
    handover.close()
    handover.put("tick", ("rb2505", "SHFE", 9))
    assert await handover.take(timeout_s=0.001) == []
