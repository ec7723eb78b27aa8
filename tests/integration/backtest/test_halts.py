"""While a venue halts an instrument nothing is filled and nothing is taken, and what rests waits or ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketprism_application.backtesting.causality import prove_causality
from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.latency import Latency
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.halts import HALT_RULES, Halted, halt_rule, halts_of
from marketprism_domain.trading.margin_tiers import TierRow, tiers_of
from marketprism_services.cli.backtest_data import with_halts
from marketprism_services.cli.backtest_options import BacktestOptions
from tests.support.backtests import IGNORE, RU, Act, bars, calendar, filled, ns, rows_of, run, scripted

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

START = int(datetime(2024, 1, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
MINUTE = 60_000_000_000
SYMBOL = "BTC-USDT-PERP"
FALLING = [(100, 100, 100, 100)] * 2 + [(95, 96, 89, 95)] * 3 + [(92, 93, 88, 92)] * 3


def at(minute: int) -> int:
    return START + minute * MINUTE


def halted(*halts: Halted, rows: list[tuple[int, int, int, int]] = FALLING, **terms: object) -> Selection:
    """Bars of a minute from 12:00 on; those of 12:02 to 12:04 trade at 89 to 96, those after at 88 to 93."""
    data = bars(rows, start=START)
    instrument = replace(data.instrument, **terms)  # type: ignore[arg-type]
    return Selection((replace(data, halts=halts, instrument=instrument),))


def script(acts: dict[int, Act]) -> type[Strategy]:
    """Acts at the ends of bars, in minutes, and logs what the market says."""

    class Listens(scripted({at(minute): act for minute, act in acts.items()})):  # type: ignore[misc]
        def on_session(self, ctx: Context, symbol: str, phase: str) -> None:
            ctx.log(f"{symbol} {phase}")

    return Listens


def ends(result: RunResult) -> list[tuple[str, str]]:
    return [(order.state, order.code) for order in result.orders]


def limit(price: int) -> Act:
    return lambda ctx: ctx.buy(SYMBOL, 1, limit=price, tif="gtc")


def test_a_resting_order_is_not_filled_in_a_halt_and_is_behind_it() -> None:
    acts = script({1: limit(90)})
    assert filled(run(halted(), acts)) == [(1, "90", at(3) - 1)]
    result = run(halted(Halted(at(2), at(5))), acts)
    assert filled(result) == [(1, "90", at(6) - 1)]
    assert result.halted == {f"binance.{SYMBOL}": 180.0}
    assert result.summary()["halted_s"] == {f"binance.{SYMBOL}": 180.0}
    assert result.logs[1:] == [(at(2), f"{SYMBOL} halt"), (at(5), f"{SYMBOL} continuous")]


def test_the_bar_that_ends_as_a_halt_begins_was_traded_before_it() -> None:
    assert filled(run(halted(Halted(at(3), at(5))), script({1: limit(90)}))) == [(1, "90", at(3) - 1)]


def test_a_halt_whose_notice_says_so_cancels_what_rests() -> None:
    result = run(halted(Halted(at(2), at(5), "cancelled")), script({1: limit(90)}))
    assert (filled(result), ends(result)) == ([], [("cancelled", "HALTED")])
    assert result.orders[0].ts_done == at(2)


def test_an_order_that_is_sent_in_a_halt_is_rejected_and_one_after_it_is_not() -> None:
    result = run(halted(Halted(at(2), at(5))), script({3: limit(95), 6: limit(95)}))
    assert ends(result) == [("rejected", "HALTED"), ("filled", "")]
    assert result.counts["HALTED"] == 1
    assert filled(result) == [(1, "92", at(6))]


def test_an_order_on_its_way_as_a_halt_begins_is_rejected_when_it_is_there() -> None:
    result = run(halted(Halted(at(2), at(5))), script({1: limit(90)}), latency=Latency.parse("90s"))
    assert ends(result) == [("rejected", "HALTED")]
    assert result.orders[0].ts_done == at(1) + 90 * 1_000_000_000
    late = run(halted(Halted(at(2), at(2) + 1_000_000_000)), script({1: limit(90)}), latency=Latency.parse("90s"))
    assert filled(late) == [(1, "90", at(4) - 1)]


def test_a_target_of_a_halt_is_sent_when_it_is_over() -> None:
    result = run(halted(Halted(at(2), at(5))), script({3: lambda ctx: ctx.target(SYMBOL, 2)}))
    assert filled(result) == [(2, "92", at(5))]
    assert ends(result) == [("filled", "")]


def test_an_order_can_be_cancelled_in_a_halt_and_is_seen_in_it() -> None:
    def cancel(ctx: Context) -> None:
        ctx.log(f"{ctx.phase(SYMBOL)} {len(ctx.orders)}")
        ctx.cancel(ctx.orders[0])

    result = run(halted(Halted(at(2), at(5))), script({1: limit(90), 3: cancel}))
    assert ends(result) == [("cancelled", "CANCELLED")]
    assert (at(3), "halt 1") in result.logs


def test_nobody_is_liquidated_in_a_halt_and_at_the_first_price_behind_it() -> None:
    tiers = tiers_of([TierRow(None, Decimal("0.004"))])
    none = FeeRule(FeeRate(), FeeRate(), FeeRate())
    rows = [(1_000,) * 4] * 2 + [(1_000, 1_000, 850, 1_000)] * 2 + [(1_000,) * 4] + [(890, 890, 880, 890)] * 2
    terms = {"margin": tiers, "leverage": Decimal(10), "taker": none, "maker": none}
    acts = script({1: lambda ctx: ctx.buy(SYMBOL, 1)})
    free = run(halted(rows=rows, **terms), acts, capital=Decimal(100))
    assert [(fill.tag, fill.ts) for fill in free.fills] == [("", at(1)), ("liquidation", at(2))]
    kept = run(halted(Halted(at(2), at(4)), rows=rows, **terms), acts, capital=Decimal(100))
    assert [(fill.tag, fill.ts) for fill in kept.fills] == [("", at(1)), ("liquidation", at(5))]


def test_a_halt_from_before_the_run_and_one_without_an_end() -> None:
    result = run(halted(Halted(at(-60), at(2)), Halted(at(4))), script({1: limit(95), 3: limit(88), 5: limit(95)}))
    assert ends(result) == [("rejected", "HALTED"), ("working", ""), ("rejected", "HALTED")]
    assert result.halted == {f"binance.{SYMBOL}": 120.0 + 240.0}


def test_halts_that_meet_are_one_and_are_counted_once() -> None:
    result = run(halted(Halted(at(2), at(4)), Halted(at(3), at(5))), script({}))
    assert [text for _, text in result.logs[1:]] == [f"{SYMBOL} halt", f"{SYMBOL} continuous"]
    assert result.halted == {f"binance.{SYMBOL}": 180.0}


def test_another_halt_is_another_run_and_none_is_the_run_without() -> None:
    acts = script({})
    ids = {run(halted(*each), acts).run_id for each in ((), (Halted(at(2), at(5)),), (Halted(at(2), at(6)),))}
    assert len(ids) == 3


@pytest.mark.parametrize("fill", [FillMode.QUOTE, FillMode.QUEUE, FillMode.TRADE])
@pytest.mark.long_on("queue", "trade")
def test_snapshots_of_a_halt_fill_nothing_in_every_mode(fill: FillMode) -> None:
    rows = rows_of(RU, fill)
    ts = ns("09:10:00.500")
    acts = scripted({ts: lambda ctx: ctx.buy("ru1901", 1, limit=13_000)})
    soon = run(rows, acts, fill=fill)
    assert soon.fills[0].ts < ns("09:11:00")
    data = replace(rows.instruments[0], halts=(Halted(ts + 1, ns("09:40:00")),))
    late = run(Selection((data,)), acts, fill=fill)
    assert ns("09:40:00") <= late.fills[0].ts < ns("09:41:00")
    over_break = replace(data, halts=(Halted(ts + 1, ns("10:20:00")),))
    behind = run(Selection((over_break,)), acts, fill=fill)
    assert ns("10:30:00") <= behind.fills[0].ts < ns("10:31:00")


def test_no_decision_depends_on_a_halt_that_is_not_there_yet() -> None:
    class Looks(Strategy):
        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if ctx.phase(SYMBOL) == "continuous":
                ctx.target(SYMBOL, int(bar.close) % 7)

        def on_session(self, ctx: Context, symbol: str, phase: str) -> None:
            ctx.target(SYMBOL, 1 if phase == "halt" else 3)

    rows = [(100 + n % 5, 106, 95, 100 + n * 7 % 5) for n in range(60)]
    selection = halted(Halted(at(10), at(15)), Halted(at(30), at(45)), rows=rows)
    spec = RunSpec(Looks, Looks.Params(), RunSettings(gap_policy=IGNORE, funding="ignore"))
    trials = prove_causality(selection, calendar(), spec, points=12)
    assert [each.difference for each in trials] == [""] * 24


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ()),
        ([(5, False)], ()),
        ([(5, True), (9, False)], (Halted(5, 9),)),
        ([(9, False), (5, True), (7, True), (12, False)], (Halted(5, 9),)),
        ([(5, True), (9, False), (11, True)], (Halted(5, 9), Halted(11))),
        ([(5, True), (5, False)], ()),
    ],
)
def test_halts_out_of_what_was_heard(words: list[tuple[int, bool]], found: tuple[Halted, ...]) -> None:
    assert halts_of(words) == found


def test_the_table_has_a_source_for_every_venue_and_the_rule_of_the_day() -> None:
    assert all(rule.source and rule.resting in ("kept", "cancelled") for rule in HALT_RULES)
    assert "2016-01-07" in halt_rule("cffex", "20160107").source
    assert halt_rule("cffex", "20151231").source.startswith("assumed")
    assert halt_rule("nowhere", "20240102").resting == "kept"


def test_halts_are_given_with_files_by_symbol_or_for_all() -> None:
    halts = "ru1901=2018-10-08 09:10/2018-10-08 09:40/cancelled, 2018-10-09 10:00/"
    asked = BacktestOptions("x:Y", (), halts=halts).asked(RU[:1])
    first, second = Halted(ns("09:10:00"), ns("09:40:00"), "cancelled"), Halted(ns("2018-10-09T10:00:00"))
    assert asked.halts == (("ru1901", first), ("", second))
    (data,) = with_halts(halted(Halted(1, 2)).instruments, (("", first), (SYMBOL, second)))
    assert data.halts == (Halted(1, 2), first, second)
    with pytest.raises(BacktestError, match="halts: expected one of BTC-USDT-PERP, was 'BTC-USDT'"):
        with_halts([data], (("BTC-USDT", first),))


@pytest.mark.parametrize("text", ["=2018-10-08/2018-10-09", "2018-10-09/2018-10-08", "2018-10-08/2018-10-09/gone"])
def test_a_text_that_is_no_halt_is_refused(text: str) -> None:
    with pytest.raises(BacktestError, match="halts: expected SYMBOL=BEGIN/END"):
        BacktestOptions("x:Y", (), halts=text).asked(RU[:1])
