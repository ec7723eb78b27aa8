"""Fills at known rows of a recording: ru1901 on 2018-10-08, tick 5, size 10."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from marketprism_application.backtesting.columns import NO_PRICE, Selection
from marketprism_application.backtesting.settings import FillMode, Slippage
from tests.support.backtests import RU, filled, ns, rows_of, run, scripted, with_instrument

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

T = "09:10:0"


def quotes() -> Selection:
    return rows_of(RU[:1], FillMode.QUOTE, "", "0", "", "09:09:00", "09:11:00")


def minute_bars() -> Selection:
    return rows_of(RU, FillMode.BAR)


def by_quotes(when: str, quantity: int, **how: object) -> list[tuple[int, str, str]]:
    """Fills of one order as quantity, price and time behind 09:10."""
    settings = {name: how.pop(name) for name in ("latency_ns", "limit_size") if name in how}
    side = "buy" if quantity > 0 else "sell"
    strategy = scripted({ns(T + when): lambda ctx: getattr(ctx, side)("ru1901", abs(quantity), **how)})
    result = run(quotes(), strategy, fill=FillMode.QUOTE, **settings)
    base = ns("09:10:00")
    return [(lots, price, f"{(ts - base) / 1e9:.1f}") for lots, price, ts in filled(result)]


@pytest.mark.parametrize(
    ("when", "quantity", "how", "expected"),
    [
        ("0.000", 5, {}, [(5, "12370", "0.5")]),
        ("0.000", 40, {}, [(37, "12370", "0.5"), (3, "12365", "1.0")]),
        ("0.000", 40, {"limit_size": False}, [(40, "12370", "0.5")]),
        ("1.000", 5, {}, [(3, "12360", "1.5"), (1, "12355", "2.0"), (1, "12355", "2.5")]),
        ("0.000", 5, {"latency_ns": 600_000_000}, [(5, "12365", "1.0")]),
        ("0.000", -10, {"limit": 12365}, [(10, "12365", "0.5")]),
        ("0.000", 40, {"tif": "fak"}, [(37, "12370", "0.5")]),
        ("0.000", 40, {"tif": "fok"}, []),
        ("0.000", 37, {"tif": "fok"}, [(37, "12370", "0.5")]),
    ],
)
def test_quotes_fill_at_the_next_row_what_it_shows(
    when: str, quantity: int, how: dict[str, object], expected: list[tuple[int, str, str]]
) -> None:
    assert by_quotes(when, quantity, **how) == expected


def test_two_orders_do_not_take_the_same_size_twice() -> None:
    def twice(ctx: object) -> None:
        ctx.buy("ru1901", 30)  # type: ignore[attr-defined]
        ctx.buy("ru1901", 30)  # type: ignore[attr-defined]

    result = run(quotes(), scripted({ns("09:10:00"): twice}), fill=FillMode.QUOTE)
    at_first = [int(fill.quantity) for fill in result.fills if fill.price == 12370]
    assert at_first == [30, 7]


def test_a_queued_order_is_filled_where_the_price_passes_through() -> None:
    strategy = scripted({ns(T + "1.500"): lambda ctx: ctx.buy("ru1901", 10, limit=12355)})
    assert filled(run(quotes(), strategy, fill=FillMode.QUEUE)) == [(10, "12355", ns(T + "2.000"))]


@pytest.mark.parametrize(("sides", "ahead"), [(2, 71.0), (1, 50.0)])
def test_the_slices_lots_at_the_bid_move_the_queue_by_the_sides_that_volumes_count(sides: int, ahead: float) -> None:
    seen: list[float] = []
    orders: list[object] = []
    selection = with_instrument(quotes(), sides={"20181008": sides}) if sides == 1 else quotes()

    strategy = scripted(
        {
            ns(T + "2.000"): lambda ctx: orders.append(ctx.buy("ru1901", 10, limit=12350)),
            ns(T + "2.500"): lambda ctx: seen.append(round(orders[0].ahead, 6)),  # type: ignore[attr-defined]
        }
    )
    result = run(selection, strategy, fill=FillMode.QUEUE)
    assert seen == [ahead]
    assert [fill.ts for fill in result.fills if fill.ts <= ns(T + "2.500")] == []


def by_bars(when: str, act: object, **settings: object) -> list[tuple[int, str, str]]:
    result = run(minute_bars(), scripted({ns(when): act}), **settings)  # type: ignore[dict-item]
    return [(lots, price, f"{(ts - ns('00:00:00')) / 60e9:.0f}") for lots, price, ts in filled(result)]


def at(text: str) -> str:
    hours, minutes = text.split(":")
    return str(int(hours) * 60 + int(minutes))


@pytest.mark.long
@pytest.mark.parametrize(
    ("act", "settings", "expected"),
    [
        (lambda ctx: ctx.sell("ru1901", 1), {}, "12345"),
        (lambda ctx: ctx.buy("ru1901", 1, limit=12330, tif="fak"), {}, None),
        (lambda ctx: ctx.buy("ru1901", 1, limit=12330, tif="fak"), {"touch": True}, "12330"),
        (lambda ctx: ctx.buy("ru1901", 1, limit=12335), {}, "12335"),
        (lambda ctx: ctx.buy("ru1901", 1, limit=12350), {}, "12345"),
        (lambda ctx: ctx.buy("ru1901", 1, stop=12350), {}, "12350"),
        (lambda ctx: ctx.buy("ru1901", 1, stop=12350), {"slippage": Slippage("ticks", Decimal(1))}, "12355"),
    ],
)
def test_the_bar_of_half_past_nine_fills_orders_of_the_minute_before(
    act: object, settings: dict[str, object], expected: str | None
) -> None:
    found = by_bars("09:30:00", act, **settings)
    assert [(lots, price) for lots, price, _ in found] == ([] if expected is None else [(1, expected)])


def test_of_a_stop_and_a_target_in_one_bar_the_stop_is_filled() -> None:
    found = by_bars("09:30:00", lambda ctx: ctx.bracket("ru1901", 1, stop=12335, take=12350))
    assert [price for _, price, _ in found] == ["12345", "12335"]


def test_ticks_decide_between_a_stop_and_a_target_where_they_are_asked() -> None:
    selection = rows_of(RU[:1], FillMode.BAR, "1m", "0", "tick")
    strategy = scripted({ns("09:30:00"): lambda ctx: ctx.bracket("ru1901", 1, stop=12335, take=12350)})
    ticks = selection.instruments[0].ticks
    assert ticks is not None
    inside = ticks.last[(ticks.ts >= ns("09:30:00")) & (ticks.ts < ns("09:31:00"))] * 5
    first = next(int(price) for price in inside if price <= 12335 or price >= 12350)
    result = run(selection, strategy, detail="tick", touch=True)
    assert [int(fill.price) for fill in result.fills] == [12345, 12335 if first <= 12335 else 12350]
    assert result.counts["DETAIL_BY_TICKS"] > 0


def test_no_more_than_its_share_of_a_bar_is_filled() -> None:
    found = by_bars(
        "09:30:00", lambda ctx: ctx.buy("ru1901", 200), participation=Decimal("0.1"), capital=Decimal(10_000_000)
    )
    assert found[0] == (57, "12345", at("09:30"))
    assert [minute for _, _, minute in found] == [at(f"09:{each}") for each in range(30, 30 + len(found))]
    assert sum(lots for lots, _, _ in found) == 200


def test_a_break_is_waited_out_and_a_day_ends_orders() -> None:
    assert by_bars("10:15:00", lambda ctx: ctx.buy("ru1901", 1)) == [(1, "12250", at("10:30"))]
    result = run(minute_bars(), scripted({ns("15:00:00"): lambda ctx: ctx.buy("ru1901", 1)}))
    assert (result.fills, [order.state for order in result.orders]) == ([], ["expired"])
    auction = {(ns("2018-10-08T20:55:00"), "auction"): lambda ctx: ctx.buy("ru1901", 1)}
    assert [price for _, price, _ in filled(run(minute_bars(), scripted({}, auction)))] == ["12320"]


def test_a_target_of_the_evening_is_sent_when_the_market_opens() -> None:
    result = run(minute_bars(), scripted({ns("15:00:00"): lambda ctx: ctx.target("ru1901", 1)}))
    assert [price for _, price, _ in filled(result)] == ["12320"]
    assert len(result.orders) == 1


def test_at_the_limit_nobody_sells() -> None:
    data = quotes().instruments[0]
    assert data.ticks is not None
    nobody = np.full(len(data.ticks), NO_PRICE, dtype=np.int64)
    locked = replace(data.ticks, ask=nobody, ask_size=np.zeros(len(data.ticks), dtype=np.int64))
    selection = Selection((replace(data, ticks=locked),))
    orders: list[object] = []

    def act(ctx: object) -> None:
        upper, _ = ctx.limits("ru1901")  # type: ignore[attr-defined]
        orders.append(ctx.buy("ru1901", 1, limit=upper))  # type: ignore[attr-defined]
        orders.append(ctx.buy("ru1901", 1))  # type: ignore[attr-defined]
        orders.append(ctx.buy("ru1901", 1, limit=upper + 5))  # type: ignore[attr-defined]

    seen: list[str] = []
    look = {ns("09:10:05"): lambda ctx: seen.append(orders[0].state.value)}  # type: ignore[attr-defined]
    result = run(selection, scripted({ns("09:10:00"): act, **look}), fill=FillMode.QUOTE)
    assert result.fills == []
    assert seen == ["queued_at_limit"]
    assert [order.code for order in result.orders][1:] == ["NO_COUNTERPARTY", "ABOVE_LIMIT"]
