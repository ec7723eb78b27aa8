"""What orders may be, which lots they close, what they cost: rule by rule, up to each bound."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import EXACT, exact_arithmetic, to_step
from marketprism_domain.trading.chinese_futures import (
    ClosingParts,
    MarginRate,
    closing_parts,
    forced_close_price,
    futures_margin,
    larger_side,
    risk_ratio,
)
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule, break_even, share_of_rates
from marketprism_domain.trading.margin_tiers import GrowingRate, TierRow, TierUnit, tiers_of
from marketprism_domain.trading.margins import CostRule, funding_payment, initial_margin, is_charged, order_cost
from marketprism_domain.trading.order_rules import OrderRules, check_order, round_price, round_quantity
from marketprism_domain.trading.price_limits import LimitRounding, PriceLimits, price_limits
from marketprism_domain.trading.sides import MarginMode, Offset, OrderType, PositionMode, Side
from marketprism_domain.trading.sizing import entry_away, max_quantity, position_size, stop_and_take
from marketprism_domain.trading.volume_sides import volume_sides

LINEAR, TEN, INVERSE = ContractTerms(), ContractTerms(D(10)), ContractTerms(D(100), inverse=True)


def test_words_are_those_of_the_contract() -> None:
    assert [*Side, *OrderType] == ["buy", "sell", "limit", "market", "post_only"]
    assert [*Offset] == ["open", "close", "close_today", "close_yesterday", "auto"]
    assert [*MarginMode, *PositionMode] == ["isolated", "cross", "one_way", "hedge"]
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert [*TierUnit] == ["value", "contracts"]
    assert [*CostRule] == ["open_loss_2024", "assumed_price_2026", "margin_only"]
    assert [*LimitRounding] == ["down", "outwards", "inwards"]


# -- what an order may be


@pytest.mark.parametrize(
    ("rules", "price", "quantity", "codes"),
    [
        (OrderRules(), "1", "1", []),
        (OrderRules(), None, "1", []),
        (OrderRules(), "0", "1", ["PRICE_NOT_POSITIVE"]),
        (OrderRules(), "-1", "0", ["QUANTITY_NOT_POSITIVE", "PRICE_NOT_POSITIVE"]),
        (OrderRules(signed_price=True), "-1", "1", []),
        (OrderRules(), "1", "-1", ["QUANTITY_NOT_POSITIVE"]),
        (OrderRules(tick=D("0.5")), "1.5", "1", []),
        (OrderRules(tick=D("0.5")), "1.4", "1", ["OFF_TICK"]),
        (OrderRules(step=D("0.1")), "1", "0.3", []),
        (OrderRules(step=D("0.1")), "1", "0.35", ["OFF_STEP"]),
        (OrderRules(min_quantity=D(2), max_quantity=D(4)), "1", "2", []),
        (OrderRules(min_quantity=D(2), max_quantity=D(4)), "1", "4", []),
        (OrderRules(min_quantity=D(2), max_quantity=D(4)), None, "1.9", ["MIN_QUANTITY"]),
        (OrderRules(min_quantity=D(2), max_quantity=D(4)), None, "4.1", ["MAX_QUANTITY"]),
        (OrderRules(min_notional=D(100)), "50", "2", []),
        (OrderRules(min_notional=D(100)), "49", "2", ["MIN_NOTIONAL"]),
        (OrderRules(min_notional=D(100), signed_price=True), "-50", "1", []),
        (OrderRules(percent_price=D("0.1")), "110", "1", []),
        (OrderRules(percent_price=D("0.1")), "90", "1", []),
        (OrderRules(percent_price=D("0.1")), "110.1", "1", ["PERCENT_PRICE"]),
        (OrderRules(percent_price=D("0.1")), "89.9", "1", ["PERCENT_PRICE"]),
    ],
)
def test_each_rule_that_an_order_breaks_is_named(
    rules: OrderRules, price: str | None, quantity: str, codes: list[str]
) -> None:
    found = check_order(rules, LINEAR, None if price is None else D(price), D(quantity), mark=D(100))
    assert [each.code for each in found] == codes
    assert [each.field for each in found] == ["price" if "PRICE" in c or "TICK" in c else "quantity" for c in codes]


def test_limits_and_values_of_an_order() -> None:
    limits = PriceLimits(D(110), D(90))
    codes = {
        price: [each.code for each in check_order(OrderRules(), TEN, D(price), D(1), limits=limits)]
        for price in ("89", "90", "110", "111")
    }
    assert codes == {"89": ["BELOW_LIMIT"], "90": [], "110": [], "111": ["ABOVE_LIMIT"]}
    for none in (PriceLimits(None, D(90)), PriceLimits(D(110), None)):
        assert check_order(OrderRules(), TEN, D(100), D(1), limits=none) == []
    few = OrderRules(min_notional=D(1_000))
    (found,) = check_order(few, TEN, D("99.9"), D(1))
    assert (found.value, found.expected) == ("999.0", "a value of 1000 or more")
    assert check_order(few, TEN, D(100), D(1)) == []
    assert [each.value for each in check_order(few, INVERSE, D(50_000), D(9))] == ["900"]
    assert check_order(OrderRules(percent_price=D("0.1")), LINEAR, D(999), D(1)) == []


def test_rounding_goes_towards_safety() -> None:
    assert [round_price(D("1.3"), side, D("0.5")) for side in Side] == [D("1.0"), D("1.5")]
    assert [round_price(D("1.3"), side, None) for side in Side] == [D("1.3")] * 2
    assert (round_quantity(D("1.39"), D("0.1")), round_quantity(D("1.39"), None)) == (D("1.3"), D("1.39"))
    assert price_limits(D(1_003), D("0.07"), D(5), LimitRounding.DOWN) == (1_070, 930)
    assert price_limits(D(1_003), D("0.07"), D(5), LimitRounding.OUTWARDS) == (1_075, 930)
    assert price_limits(D(1_003), D("0.07"), D(5), LimitRounding.INWARDS) == (1_070, 935)
    with exact_arithmetic() as context:
        assert context.prec == EXACT.prec == 60
        assert D(1) / D(3) == D("0." + "3" * 60)
        assert str(D("0.5").quantize(D(1))) == "0"  # half to even
        with pytest.raises(ArithmeticError):
            D(1) / D(0)
    assert to_step(D("1e30") + D("0.7"), D("0.5"), "ROUND_FLOOR") == D("1e30") + D("0.5")


# -- Chinese futures


@pytest.mark.parametrize(
    ("offset", "lots", "apart", "today_first", "parts"),
    [
        (Offset.CLOSE_TODAY, 3, True, False, (3, 0)),
        (Offset.CLOSE_YESTERDAY, 5, False, True, (0, 5)),
        (Offset.CLOSE, 5, True, True, (0, 5)),
        (Offset.CLOSE, 5, False, True, (3, 2)),
        (Offset.CLOSE, 5, False, False, (0, 5)),
        (Offset.CLOSE, 7, False, False, (2, 5)),
        (Offset.AUTO, 8, True, True, (3, 5)),
        (Offset.AUTO, 4, True, False, (0, 4)),
        (Offset.CLOSE_TODAY, 4, True, False, "at most 3 lots of today"),
        (Offset.CLOSE, 6, True, False, "at most 5 lots of yesterday"),
        (Offset.AUTO, 9, False, True, "at most 5 lots of yesterday"),
        (Offset.OPEN, 1, False, True, "one that closes"),
    ],
)
def test_an_order_closes_lots_of_the_day_that_its_offset_names(
    offset: Offset, lots: int, apart: bool, today_first: bool, parts: tuple[int, int] | str
) -> None:
    def closed() -> ClosingParts:
        return closing_parts(offset, D(lots), D(3), D(5), apart=apart, today_first=today_first)

    if isinstance(parts, str):
        with pytest.raises(InvalidValue, match=parts):
            closed()
    else:
        assert closed() == parts


def test_margins_of_futures_and_the_price_at_which_lots_are_closed_by_force() -> None:
    rate = MarginRate(D("0.1"), D(3))
    assert futures_margin(TEN, rate, D(2), D(4_000)) == 8_006
    assert larger_side([D(1), D(2)], [D(2)]) == larger_side([D(2)], [D(1), D(2)]) == 3
    assert (risk_ratio(D(50), D(100)), risk_ratio(D(50), D(0)), risk_ratio(D(50), D(-1))) == (D("0.5"), None, None)
    for sign in (1, -1):
        price = forced_close_price(TEN, rate, sign, D(2), D(4_000), D(20_000))
        assert price is not None
        equity = 20_000 + TEN.pnl(sign, D(2), D(4_000), price)
        assert abs(equity - futures_margin(TEN, rate, D(2), price)) < D("1e-15")
    assert forced_close_price(TEN, rate, 1, D(2), D(4_000), D(90_000)) is None
    assert forced_close_price(TEN, MarginRate(D(1)), 1, D(2), D(4_000), D(20_000)) is None
    assert forced_close_price(TEN, MarginRate(D(0)), 1, D(1), D(4_000), D(40_000)) is None  # at 0


@pytest.mark.parametrize(
    ("venue", "day", "sides"),
    [(venue, "20191231", 2) for venue in ("shfe", "ine", "dce", "czce")]
    + [("shfe", "20200102", 1), ("cffex", "20191231", 1), ("gfex", "20191231", 1)],
)
def test_volume_counts_both_sides_until_the_end_of_2019(venue: str, day: str, sides: int) -> None:
    assert volume_sides(venue, day) == sides


# -- fees, margins, sizes


def test_fees_by_offset_and_where_a_position_breaks_even() -> None:
    rule = FeeRule(FeeRate(D(1)), FeeRate(D(2)), FeeRate(D(3)))
    assert [rule.rate(offset).by_money for offset in Offset] == [1, 2, 3, 2, 1]
    maker, taker = share_of_rates(D("0.001"), D("0.002"))
    assert {maker.rate(offset) for offset in Offset} == {FeeRate(D("0.001"))}
    assert {taker.rate(offset) for offset in Offset} == {FeeRate(D("0.002"))}
    assert FeeRate(D("0.01"), D(2)).fee(TEN, D(3), D(100)) == 36
    opening, closing = FeeRate(D("0.001"), D(2)), FeeRate(D("0.002"), D(3))
    for terms, entry in ((TEN, D(4_000)), (ContractTerms(D(100), inverse=True), D(4))):
        for sign in (1, -1):
            with exact_arithmetic():
                price = break_even(
                    terms,
                    sign,
                    D(2),
                    entry,
                    *((FeeRate(D("0.001")), FeeRate(D("0.002"))) if terms.inverse else (opening, closing)),
                )
                assert price is not None
                fees = (FeeRate(D("0.001")), FeeRate(D("0.002"))) if terms.inverse else (opening, closing)
                paid = fees[0].fee(terms, D(2), entry) + fees[1].fee(terms, D(2), price)
                assert abs(terms.pnl(sign, D(2), entry, price) - paid) < D("1e-40")
    lots = break_even(INVERSE, 1, D(2), D(4), FeeRate(ZERO_FEE, D(2)), FeeRate(ZERO_FEE, D(3)))
    assert lots is not None
    assert abs(INVERSE.pnl(1, D(2), D(4), lots) - 10) < D("1e-20")
    assert break_even(LINEAR, 1, D(0), D(4), FeeRate(), FeeRate()) is None
    assert break_even(INVERSE, 1, D(1), D(4), FeeRate(D(1)), FeeRate()) is None
    assert break_even(LINEAR, 1, D(1), D(4), FeeRate(), FeeRate(D(1))) is None


ZERO_FEE = D(0)


def test_what_an_order_costs() -> None:
    def cost(rule: CostRule, sign: int, **more: D) -> tuple[D, D, D]:
        return tuple(order_cost(rule, LINEAR, sign, D(2), D(100), D(10), **more))  # type: ignore[arg-type, return-value]

    assert initial_margin(TEN, D(2), D(100), D(10)) == 200
    assert cost(CostRule.OPEN_LOSS_2024, 1, mark=D(90)) == (20, 20, 100)
    assert cost(CostRule.OPEN_LOSS_2024, 1, mark=D(110)) == (20, 0, 100)
    assert cost(CostRule.OPEN_LOSS_2024, -1, mark=D(110)) == (20, 20, 100)
    assert cost(CostRule.OPEN_LOSS_2024, 1) == cost(CostRule.OPEN_LOSS_2024, 1, mark=D(0)) == (20, 0, 100)
    assert cost(CostRule.MARGIN_ONLY, 1, mark=D(90)) == (20, 0, 100)
    assert cost(CostRule.ASSUMED_PRICE_2026, 1, mark=D(110), last=D(200)) == (20, 0, 100)
    assert cost(CostRule.ASSUMED_PRICE_2026, -1, mark=D(110), last=D(120)) == (D("24.036"), 0, D("120.18"))
    assert cost(CostRule.ASSUMED_PRICE_2026, -1, mark=D(110)) == (D("22.033"), 0, D("110.165"))
    assert cost(CostRule.ASSUMED_PRICE_2026, -1, mark=D(110), last=D(50)) == (22, 0, 110)
    assert cost(CostRule.ASSUMED_PRICE_2026, -1) == (20, 0, 100)
    assert order_cost(CostRule.OPEN_LOSS_2024, LINEAR, 1, D(2), D(100), D(10), mark=D(90)).total == 40


def test_funding_is_paid_by_longs_and_by_who_was_in_until_the_cutoff() -> None:
    assert [funding_payment(TEN, sign, D(2), D(100), D("0.01")) for sign in (1, -1)] == [-20, 20]
    assert [is_charged(at, 100) for at in (99, 100, 101)] == [True, True, False]
    late = 15 * 10**9
    assert [is_charged(100 + late + more, 100, D(15)) for more in (0, 1)] == [True, False]


def test_tiers_by_value_and_by_contracts() -> None:
    rows = [TierRow(D(100), D("0.01"), max_leverage=D(50)), TierRow(D(200), D("0.02")), TierRow(None, D("0.05"))]
    tiers = tiers_of(rows)
    assert [(t.number, t.floor, t.deduction) for t in tiers.tiers] == [(1, 0, 0), (2, 100, 1), (3, 200, 7)]
    assert [tiers.tier_of(D(amount)).number for amount in (100, 101, 200, 201, 10**9)] == [1, 2, 2, 3, 3]
    assert (tiers.maintenance(D(1), D(150)), tiers.amount(D(1), D(150))) == (2, 150)
    capped = tiers_of(rows[:2])
    assert capped.tier_of(D(10**9)).number == 2
    by_contracts = tiers_of(rows, TierUnit.CONTRACTS)
    assert ([t.deduction for t in by_contracts.tiers], by_contracts.amount(D(1), D(150))) == ([0, 0, 0], 1)
    assert (GrowingRate(D("0.01"), D("0.001")).rate(D(5)), GrowingRate(D("0.01"), D("0.001")).margin(D(5))) == (
        D("0.015"),
        D("0.075"),
    )


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], r"tiers: expected one tier or more"),
        (
            [TierRow(None, D("0.01")), TierRow(None, D("0.02"))],
            r"tiers\[2\]: expected no tier behind one without a cap",
        ),
        ([TierRow(D(0), D("0.01"))], r"tiers\[1\]\.cap: expected more than 0"),
        ([TierRow(D(9), D("0.01")), TierRow(D(9), D("0.02"))], r"tiers\[2\]\.cap: expected more than 9"),
        ([TierRow(D(9), D(1))], r"tiers\[1\]\.rate: expected at least 0 and below 1"),
        ([TierRow(D(9), D("0.02")), TierRow(None, D("0.01"))], r"tiers\[2\]\.rate: expected at least 0.02"),
        ([TierRow(D(9), D("0.02"), max_leverage=D("0.9"))], r"tiers\[1\]\.max_leverage: expected 1 or more"),
        ([TierRow(D(9), D("0.02")), TierRow(None, D("0.03"), deduction=D(5))], r"tiers\[2\]\.deduction: expected 0.09"),
    ],
)
def test_tiers_that_cannot_be_are_refused(rows: list[TierRow], problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        tiers_of(rows)


def test_tiers_up_to_their_bounds() -> None:
    rows = [TierRow(D(9), D(0), max_leverage=D(1)), TierRow(D(10), D(0)), TierRow(None, D("0.99"), deduction=D("9.9"))]
    assert [tier.rate for tier in tiers_of(rows).tiers] == [0, 0, D("0.99")]


def test_sizes_that_lose_what_may_be_lost() -> None:
    assert position_size(TEN, 1, D(1_000), D(100), D(90)) == 10
    assert position_size(TEN, -1, D(1_000), D(100), D(110)) == 10
    assert position_size(TEN, 1, D(1_000), D(100), D(90), D("0.01")) == D(1_000) / 119
    for sign, stop, side in ((1, 100, "below"), (1, 110, "below"), (-1, 90, "above")):
        with pytest.raises(InvalidValue, match=f"stop: expected a price {side} 100"):
            position_size(TEN, sign, D(1_000), D(100), D(stop))
    assert max_quantity(TEN, D(1_000), D(100), D(10)) == 10
    assert max_quantity(TEN, D(1_000), D(100), D(10), D("0.1")) == 5
    assert max_quantity(TEN, D(1_000), D(100), D(10), D("-0.1")) == 10
    assert [entry_away(sign, D(100), D("0.1")) for sign in (1, -1)] == [90, 110]


def test_exits_are_shares_of_the_entry_or_multiples_of_the_risk() -> None:
    share = D("0.1")
    assert stop_and_take(1, D(100), stop_share=share, take_share=D("0.2")) == (90, 120)
    assert stop_and_take(-1, D(100), stop_share=share, take_share=D("0.2")) == (110, 80)
    assert stop_and_take(1, D(100), stop_share=share, reward_risk=D(3)) == (90, 130)
    assert stop_and_take(-1, D(100), stop=D(105), stop_share=share, reward_risk=D(3)) == (105, 85)
    assert stop_and_take(1, D(100), reward_risk=D(3)) == (None, None)
    assert stop_and_take(1, D(100), stop=D(95)) == (95, None)
