"""The strategies that come with the product: each shows on recordings, or rows made for it, what it is an example of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from examples.breakout import Breakout
from examples.grid_maker import GridMaker
from examples.portfolio import Portfolio
from examples.range_break import RangeBreak
from examples.top_gainer import TopGainer

from marketprism_application.backtesting.causality import prove_causality
from marketprism_application.backtesting.columns import BarColumns, InstrumentData, Selection
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_domain.trading.contracts import ContractTerms
from tests.support.backtests import IGNORE, RU, calendar, ns, rows_of

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

ROOT = Path(__file__).parents[3]
DAY, HOUR = 86_400_000_000_000, 3_600_000_000_000
FIRST = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
COINS = ("ADA-USDT-PERP", "BTC-USDT-PERP", "DOGE-USDT-PERP")


def ran(selection: Selection, strategy: type[Strategy], params: Parameters, **settings: object) -> RunResult:
    chosen = RunSettings(**{"gap_policy": IGNORE, **settings})  # type: ignore[arg-type]
    result = run_backtest(selection, calendar(), RunSpec(strategy, params, chosen))
    assert result.failed is None
    assert sum(trip.profit - trip.fees for trip in result.trips) == pytest.approx(result.net, abs=Decimal("1e-20"))
    return result


def net(result: RunResult) -> str:
    return format(result.net.normalize(), "f")


def made(
    symbol: str, interval: str, opens: list[int], closes: list[int], volume: list[int], start: int
) -> InstrumentData:
    """Bars of a coin whose prices are these, in hundredths."""
    step = DAY if interval == "1d" else HOUR
    ts = start + np.arange(len(opens), dtype=np.int64) * step
    first, last = (np.array(each, dtype=np.int64) for each in (opens, closes))
    day = np.array([int(datetime.fromtimestamp(each / 1e9, UTC).strftime("%Y%m%d")) for each in ts], dtype=np.int64)
    columns = BarColumns(
        interval,
        ts,
        ts + step,
        day,
        first,
        np.maximum(first, last),
        np.minimum(first, last),
        last,
        np.array(volume, dtype=np.int64),
        np.zeros(len(ts), dtype=np.bool_),
    )
    terms = ContractTerms(Decimal(1), settle="USDT")
    instrument = Instrument("binance", symbol, terms, Decimal("0.01"), step=Decimal("0.001"))
    return InstrumentData(instrument, Decimal("0.01"), Decimal("0.001"), {interval: columns})


# Intraday range break


@pytest.mark.long
def test_a_range_break_enters_once_a_day_and_is_flat_over_night() -> None:
    result = ran(rows_of(RU, FillMode.BAR, "1m", "0.000045"), RangeBreak, RangeBreak.Params())
    assert (result.sent, int(result.lots), net(result)) == (11, 7, "3710.58225")
    by_day: dict[str, list[str]] = {}
    for fill in result.fills:
        by_day.setdefault(fill.trading_day, []).append(fill.tag)
    assert by_day == {
        "20181008": ["below", "target"],
        "20181009": ["above", "target"],
        "20181010": ["below", "target"],
        "20181011": ["below"],  # the recordings end in that night
    }
    assert all(day.held == 0 for day in result.days[:-1])
    flat = [fill for fill in result.fills if fill.tag == "target"]
    assert [fill.ts for fill in flat] == [ns("14:55", f"2018-10-{day}") for day in ("08", "09", "10")]
    above, below = result.orders[:2]
    assert above.stop is not None
    assert below.stop is not None
    assert result.fills[0].price <= below.stop < above.stop


@pytest.mark.long
def test_the_other_end_of_the_range_is_the_stop() -> None:
    result = ran(rows_of(RU, FillMode.BAR, "1m", "0.000045"), RangeBreak, RangeBreak.Params(minutes=3))
    stopped = [trip for trip in result.trips if trip.ts_exit and (trip.ts_exit - trip.ts_entry) < 3 * HOUR]
    assert stopped
    assert {fill.tag for fill in result.fills} == {"above", "below", "target"}
    assert all(abs(fill.held) <= 1 for fill in result.fills)


# Grid maker


@pytest.mark.long
def test_a_grid_rests_is_filled_as_a_maker_and_never_holds_too_much() -> None:
    selection = rows_of(RU[:1], FillMode.QUEUE, "", "0.000045")
    result = ran(selection, GridMaker, GridMaker.Params(step=Decimal(10), levels=3, most=5), fill=FillMode.QUEUE)
    assert (result.sent, int(result.lots), net(result)) == (45, 34, "-2540.30725")
    assert not any(fill.taker for fill in result.fills)
    assert 3 <= max(abs(fill.held) for fill in result.fills) <= 5
    assert {order.kind for order in result.orders} == {"limit"}
    limits = {order.number: order.limit for order in result.orders}
    assert all(fill.price == limits[fill.order] for fill in result.fills)


# A break of closes


@pytest.mark.long
def test_a_break_is_followed_until_the_next_one() -> None:
    result = ran(rows_of(RU[:1], FillMode.BAR, "1m", "0.000045"), Breakout, Breakout.Params(bars=20))
    assert (result.sent, int(result.lots), net(result)) == (7, 13, "3227.8785")
    sides = [fill.side for fill in result.fills]
    assert all(before != after for before, after in pairwise(sides))
    assert {abs(fill.held) for fill in result.fills} == {1}


# A portfolio


def contracts() -> Selection:
    """Fourteen coins: turnover rises with the number but for the last two, of which one ends and one begins."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(14):
        count, start = 30, FIRST
        if number == 12:  # delisted after the tenth day
            count = 10
        if number == 13:  # listed on the sixteenth
            count, start = 15, FIRST + 15 * DAY
        walk = 10_000 + np.cumsum(rng.integers(-300, 301, count)) + np.arange(count) * (number - 6) * 10
        opens = np.r_[10_000, walk[:-1]]
        volume = [1_000 * (number + 1)] * count
        if number >= 12:
            volume = [50_000] * count
        found.append(made(f"C{number:02}-USDT", "1d", opens.tolist(), walk.tolist(), volume, start))
    return Selection(tuple(found))


def test_a_portfolio_holds_ten_of_what_was_traded_most_by_then() -> None:
    selection = contracts()
    result = ran(selection, Portfolio, Portfolio.Params(days=3), capital=Decimal(100_000))
    universes = [set(text.split()) for _, name, text in result.series if name == "universe"]
    assert all(len(each) == 10 for each in universes)
    assert "C12-USDT" in universes[8]  # listed and traded most
    assert "C12-USDT" not in universes[10]  # no longer listed
    assert "C13-USDT" not in universes[14]
    assert "C13-USDT" in universes[15]  # from the end of its first day on
    times = [ts for ts, name, _ in result.series if name == "universe"]
    assert times == [FIRST + number * DAY for number in range(1, 31)]
    held = {fill.symbol for fill in result.fills}
    assert len(held) > 10
    assert min(fill.ts for fill in result.fills if fill.symbol == "C13-USDT") >= FIRST + 19 * DAY
    # Equal weights, long and short alike: what is held is worth the equity, at most.
    last = {fill.symbol: fill.held for fill in result.fills if fill.symbol != "C12-USDT"}
    assert sum(each > 0 for each in last.values()) == sum(each < 0 for each in last.values()) == 5
    assert (result.sent, net(result)) == (235, "4539.41")


def test_a_universe_knows_nothing_of_the_days_to_come() -> None:
    selection = contracts()
    spec = RunSpec(Portfolio, Portfolio.Params(days=3), RunSettings(gap_policy=IGNORE, capital=Decimal(100_000)))
    trials = prove_causality(selection, calendar(), spec, points=6)
    assert [trial for trial in trials if trial.difference] == []
    assert max(trial.decisions for trial in trials) > 100


class Wrong(Strategy):
    def on_universe(self, ctx: object, days: object) -> list[str]:
        return ["C1-USDT"]


def test_a_universe_of_what_is_not_there_fails_the_run() -> None:
    result = run_backtest(contracts(), calendar(), RunSpec(Wrong, Wrong.Params(), RunSettings(gap_policy=IGNORE)))
    assert result.failed is not None
    assert "universe: expected symbols of the run, was 'C1-USDT'; did you mean" in result.failed.text


# Short the day's top gainer


def coins(second_day: list[int], hours: int = 24) -> Selection:
    """Three coins of which DOGE rises by 30 % in the first whole day; then it goes by these prices, an hour each."""
    found = []
    for symbol in COINS:
        day = [10_000] * 24
        if symbol.startswith("DOGE"):
            day += [10_000 + 125 * hour for hour in range(1, 25)] + second_day
        elif symbol.startswith("ADA"):
            day += [10_000 + 50 * hour for hour in range(1, 25)] + [11_200] * len(second_day)
        else:
            day += [10_000] * (24 + len(second_day))
        found.append(made(symbol, "1h", [day[0], *day[:-1]], day, [10_000] * len(day), FIRST))
    return Selection(tuple(found))


def gainer(second_day: list[int], **params: object) -> RunResult:
    # One more price, so that the last order finds a bar.
    return ran(
        coins([*second_day, second_day[-1]]),
        TopGainer,
        TopGainer.Params.model_validate(params),
        capital=Decimal(10_000),
    )


def tags(result: RunResult) -> list[tuple[str, str, str]]:
    return [(fill.side, format(fill.price, "f"), fill.tag) for fill in result.fills]


def test_the_top_gainer_is_sold_when_its_day_is_over_and_taken_at_the_target() -> None:
    result = gainer([12_500, 11_900, 11_600, 11_500], trail_from="0.5")
    assert tags(result) == [("sell", "130", "short"), ("buy", "117", "short")]
    assert {fill.symbol for fill in result.fills} == {"DOGE-USDT-PERP"}
    entry, leaving = result.fills
    assert entry.ts == FIRST + 2 * DAY  # at the first price of the day after
    assert entry.quantity == Decimal("7.692")  # a tenth of 10 000 at 130
    assert not leaving.taker
    assert net(result) == "99.996"
    stop = next(order for order in result.orders if order.kind == "stop")
    assert (stop.state, stop.code) == ("cancelled", "RIVAL_FILLED")


def test_it_is_sold_again_on_the_way_up_and_exits_follow_the_average() -> None:
    result = gainer([13_400, 13_400, 13_900, 13_900, 13_900, 14_900, 14_900], adds=2)
    assert tags(result) == [
        ("sell", "130", "short"),
        ("sell", "134", "add"),
        ("sell", "139", "add"),
        ("buy", "147.64", "stop"),
    ]
    stops = [order for order in result.orders if order.kind == "stop"]
    assert [order.state for order in stops] == ["cancelled", "cancelled", "filled"]
    average = sum(fill.quantity * fill.price for fill in result.fills[:3]) / sum(
        fill.quantity for fill in result.fills[:3]
    )
    assert stops[-1].stop == round(average * Decimal("1.1") + Decimal("0.005"), 2)
    assert result.fills[-1].held == 0
    assert not [order for order in result.orders if order.state == "working"]


def test_the_trailing_stop_takes_the_place_of_the_stop_and_moves() -> None:
    result = gainer([12_400, 12_100, 11_900, 12_500, 12_500], take="0.5")
    assert tags(result)[0] == ("sell", "130", "short")
    side, price, tag = tags(result)[1]
    assert (side, tag) == ("buy", "trailing")
    # Two hundredths of the average above the lowest price that was seen, not above that at which it was sent.
    assert Decimal(price) == Decimal("119.00") + Decimal("2.60")
    bracket = next(order for order in result.orders if order.kind == "stop" and order.tag == "short")
    assert bracket.state == "cancelled"


def test_it_is_closed_when_its_time_is_over() -> None:
    result = gainer([13_000] * 6, hours=5)
    assert tags(result) == [("sell", "130", "short"), ("buy", "130", "time")]
    assert result.fills[1].ts == FIRST + 2 * DAY + 5 * HOUR
    assert not [order for order in result.orders if order.state == "working"]


def test_a_day_without_a_riser_sends_nothing() -> None:
    assert gainer([13_000] * 4, rise="0.5").orders == []


# All of them


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    if "(Strategy)" in text and path.stem != "double_average":
        assert f"marketprism backtest examples.{path.stem}:" in text.split('"""')[1]


def test_values_of_a_lot_are_those_of_its_terms() -> None:
    selection = rows_of(RU[:1], FillMode.BAR, "1m")
    seen: list[tuple[Decimal | None, int | None]] = []

    class Looks(Strategy):
        def on_start(self, ctx: object) -> None:
            seen.append((ctx.value("ru1901"), ctx.day_end("ru1901")))  # type: ignore[attr-defined]

        def on_bar(self, ctx: object, bar: object) -> None:
            if len(seen) == 1:
                seen.append((ctx.value("ru1901"), ctx.day_end("ru1901")))  # type: ignore[attr-defined]

    bar = next(iter(selection.instruments[0].bars.values()))
    ran(replace(selection), Looks, Looks.Params())
    assert seen == [(None, ns("15:00")), (Decimal(int(bar.close[0])) * selection.instruments[0].unit * 10, ns("15:00"))]
