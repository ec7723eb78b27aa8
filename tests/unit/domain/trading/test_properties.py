"""What holds of every order, whatever its numbers are."""

from __future__ import annotations

from decimal import Decimal as D

from hypothesis import assume, given
from hypothesis import strategies as st

from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, break_even
from marketprism_domain.trading.liquidation import Leg, bankruptcy_price, growing_liquidation_price, liquidation_price
from marketprism_domain.trading.margin_tiers import GrowingRate, MarginTiers, TierRow, tiers_of
from marketprism_domain.trading.margins import CostRule, initial_margin, order_cost
from marketprism_domain.trading.order_rules import round_price, round_quantity
from marketprism_domain.trading.sides import Side
from marketprism_domain.trading.sizing import max_quantity, position_size
from tests.unit.domain.trading.numbers_crypto import BTCUSDT, COINM, LINEAR


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[D]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


PRICES, QUANTITIES = decimals("0.01", "1000000", 2), decimals("0.001", "5000", 3)
LEVERAGES, SIGNS = st.integers(2, 125).map(D), st.sampled_from((1, -1))
STEPS = st.sampled_from([D(text) for text in ("0.00001", "0.01", "0.05", "0.2", "0.5", "1", "5", "100")])


@st.composite
def tables(draw: st.DrawFn) -> MarginTiers:
    caps = sorted(draw(st.sets(st.integers(1, 10**9), min_size=1, max_size=12)))
    rates = sorted(draw(st.lists(decimals("0.001", "0.4", 4), min_size=len(caps), max_size=len(caps))))
    return tiers_of(TierRow(D(cap), rate) for cap, rate in zip(caps, rates, strict=True))


@given(tables(), PRICES, QUANTITIES, LEVERAGES, SIGNS, st.booleans())
def test_at_the_price_of_liquidation_equity_is_the_maintenance_margin_of_the_tier_there(
    tiers: MarginTiers, entry: D, quantity: D, leverage: D, sign: int, inverse: bool
) -> None:
    terms, leg = (COINM if inverse else LINEAR), Leg(sign, quantity, entry)
    with exact_arithmetic():
        wallet = initial_margin(terms, quantity, entry, leverage)
        found = liquidation_price(terms, wallet, (leg,), tiers)
        assume(found is not None)
        assert found is not None
        value = terms.value(quantity, found.price)
        equity = wallet + terms.pnl(sign, quantity, entry, found.price)
        assert abs(equity - tiers.maintenance(quantity, value)) <= D("1e-9") * max(D(1), value)
        near = D("0.0003")  # at a cap the tiers of both sides give the same margin
        there = {tiers.tier_of(value * share) for share in (1 - near, D(1), 1 + near)}
        assert found.tiers[0] in there


def test_of_narrow_tiers_it_is_the_one_that_the_price_lies_in() -> None:
    caps, rates = ("1", "9480358", "9480361", "99999999"), ("0.001", "0.06", "0.0755", "0.08")
    tiers = tiers_of(TierRow(D(cap), D(rate)) for cap, rate in zip(caps, rates, strict=True))
    for entry in range(80_000, 90_000, 7):
        wallet = D(entry) * 100 / 9
        found = liquidation_price(LINEAR, wallet, (Leg(-1, D(100), D(entry)),), tiers)
        assert found is not None
        assert found.tiers == (tiers.tier_of(found.price * 100),)


def test_of_two_prices_of_a_hedged_position_it_is_the_one_that_is_nearer() -> None:
    """A long of 2 and a short of 1: falling prices end the one, the tiers of rising ones the other."""
    tiers = tiers_of([TierRow(D(100), D("0.01")), TierRow(D(400), D("0.2")), TierRow(None, D("0.5"))])
    legs, wallet = (Leg(1, D(2), D(100)), Leg(-1, D(1), D(100))), D(50)
    found = [liquidation_price(LINEAR, wallet, legs, tiers, near=D(near)) for near in (50, 200, 300, 500)]
    assert [each is not None and int(each.price) for each in found] == [52, 52, 456, 456]


def test_a_deduction_that_was_rounded_leaves_no_position_without_a_price() -> None:
    tiers = tiers_of([TierRow(D(50000), D("0.004")), TierRow(None, D("0.005"), None, D("52"))])
    for wallet in range(9_900_00, 10_300_00, 5):
        leg = Leg(1, D(1), D(60000))
        assert liquidation_price(LINEAR, D(wallet) / 100, (leg,), tiers) is not None


@given(PRICES, QUANTITIES, PRICES, QUANTITIES, decimals("1", "100000000", 2))
def test_the_two_legs_of_a_hedged_position_share_one_price(
    long_at: D, long: D, short_at: D, short: D, wallet: D
) -> None:
    legs = (Leg(1, long, long_at), Leg(-1, short, short_at))
    with exact_arithmetic():
        found = liquidation_price(LINEAR, wallet, legs, BTCUSDT)
        if found is None:
            return
        equity = wallet + sum(LINEAR.pnl(leg.sign, leg.quantity, leg.entry, found.price) for leg in legs)
        needed = sum(BTCUSDT.maintenance(leg.quantity, leg.quantity * found.price) for leg in legs)
        assert abs(equity - needed) <= D("1e-9") * max(D(1), abs(equity))


@given(PRICES, QUANTITIES, LEVERAGES, SIGNS, st.booleans())
def test_more_leverage_brings_the_price_of_liquidation_nearer(
    entry: D, quantity: D, leverage: D, sign: int, inverse: bool
) -> None:
    terms, leg = (COINM if inverse else LINEAR), Leg(sign, quantity, entry)
    with exact_arithmetic():
        less = liquidation_price(terms, initial_margin(terms, quantity, entry, leverage), (leg,), BTCUSDT)
        more = liquidation_price(terms, initial_margin(terms, quantity, entry, leverage + 1), (leg,), BTCUSDT)
        assume(less is not None and more is not None)
        assert less is not None
        assert more is not None
        assert (more.price - less.price) * sign > 0


@given(PRICES, QUANTITIES, LEVERAGES, decimals("0", "0.02", 4))
def test_a_short_mirrors_a_long(entry: D, quantity: D, leverage: D, fee: D) -> None:
    with exact_arithmetic():
        margin = initial_margin(LINEAR, quantity, entry, leverage)
        long, short = (bankruptcy_price(LINEAR, margin, Leg(sign, quantity, entry)) for sign in (1, -1))
        assert long is not None
        assert short is not None
        assert abs((entry - long) - (short - entry)) < D("1e-30") * entry
        assert LINEAR.pnl(1, quantity, entry, short) == -LINEAR.pnl(-1, quantity, entry, short)
        rate = FeeRate(fee)
        up, down = (break_even(LINEAR, sign, quantity, entry, rate, rate) for sign in (1, -1))
        assert up is not None
        assert down is not None
        assert down <= entry <= up


@given(tables())
def test_maintenance_margin_does_not_jump_at_a_cap(tiers: MarginTiers) -> None:
    with exact_arithmetic():
        for lower, upper in zip(tiers.tiers, tiers.tiers[1:], strict=False):
            assert lower.cap is not None
            assert lower.cap * lower.rate - lower.deduction == lower.cap * upper.rate - upper.deduction


@given(PRICES, STEPS, QUANTITIES)
def test_rounding_never_worsens_a_price_and_never_asks_for_more(price: D, tick: D, quantity: D) -> None:
    bought, sold = round_price(price, Side.BUY, tick), round_price(price, Side.SELL, tick)
    assert price - tick < bought <= price <= sold < price + tick
    assert bought % tick == sold % tick == 0
    assert round_price(bought, Side.SELL, tick) == bought
    assert quantity - tick < round_quantity(quantity, tick) <= quantity


@given(PRICES, QUANTITIES, decimals("-0.01", "0.01", 5), decimals("0", "100", 2), st.booleans())
def test_a_fee_is_below_zero_only_for_a_rebate(price: D, quantity: D, share: D, by_lot: D, inverse: bool) -> None:
    terms = COINM if inverse else LINEAR
    fee = FeeRate(share, by_lot if share >= 0 else D(0)).fee(terms, quantity, price)
    assert (fee < 0) == (share < 0)


@given(PRICES, QUANTITIES, decimals("0", "0.01", 5), decimals("0", "0.01", 5), SIGNS, st.booleans())
def test_at_the_break_even_both_fees_are_paid(
    entry: D, quantity: D, opened: D, closed: D, sign: int, inverse: bool
) -> None:
    terms = COINM if inverse else LINEAR
    with exact_arithmetic():
        price = break_even(terms, sign, quantity, entry, FeeRate(opened), FeeRate(closed))
        assert price is not None
        paid = terms.value(quantity, entry) * opened + terms.value(quantity, price) * closed
        assert abs(terms.pnl(sign, quantity, entry, price) - paid) < D("1e-20") * max(D(1), paid)


@given(decimals("100", "200000", 1), decimals("10", "100000000", 0), LEVERAGES, SIGNS, st.booleans())
def test_with_a_growing_rate_equity_is_the_margin_there(
    entry: D, size: D, leverage: D, sign: int, inverse: bool
) -> None:
    terms = ContractTerms(D(1), inverse=inverse)
    rate, quantity = GrowingRate(D("0.01"), D("0.00005")), size if inverse else size / 100_000
    leg = Leg(sign, quantity, entry)
    with exact_arithmetic():
        wallet = initial_margin(terms, quantity, entry, leverage)
        price = growing_liquidation_price(terms, wallet, leg, rate)
        if price is None:
            return
        needed = rate.margin(quantity / price) if inverse else rate.margin(quantity) * price
        equity = wallet + terms.pnl(sign, quantity, entry, price)
        assert abs(equity - needed) <= D("1e-9") * max(D(1), abs(equity))


@given(PRICES, decimals("1", "1000000", 2), LEVERAGES, decimals("0", "0.01", 5), st.booleans())
def test_a_budget_buys_what_its_margin_and_fee_take(price: D, budget: D, leverage: D, fee: D, inverse: bool) -> None:
    terms = COINM if inverse else LINEAR
    with exact_arithmetic():
        quantity = max_quantity(terms, budget, price, leverage, fee)
        value = terms.value(quantity, price)
        assert abs(value / leverage + value * fee - budget) < D("1e-30") * budget


@given(PRICES, decimals("0.001", "0.5", 3), decimals("1", "100000", 2), SIGNS)
def test_a_stopped_position_loses_what_may_be_lost(entry: D, share: D, risk: D, sign: int) -> None:
    stop = entry * (1 - sign * share)
    with exact_arithmetic():
        quantity = position_size(LINEAR, sign, risk, entry, stop)
        assert abs(-LINEAR.pnl(sign, quantity, entry, stop) - risk) < D("1e-30") * risk


@given(PRICES, QUANTITIES, LEVERAGES, SIGNS, PRICES, PRICES, st.sampled_from(CostRule))
def test_an_order_costs_its_margin_at_least(
    price: D, quantity: D, leverage: D, sign: int, mark: D, last: D, rule: CostRule
) -> None:
    cost = order_cost(rule, LINEAR, sign, quantity, price, leverage, mark=mark, last=last)
    assert cost.total >= initial_margin(LINEAR, quantity, price, leverage)
    assert cost.open_loss >= 0
