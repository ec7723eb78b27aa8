"""Halts, and the prices at which positions end: each by the equation that defines it."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.halts import CANCELLED, HALT_RULES, KEPT, NO_END, Halted, halt_rule, halts_of
from marketprism_domain.trading.liquidation import (
    Leg,
    bankruptcy_price,
    growing_liquidation_price,
    liquidation_price,
    margin_ratio,
)
from marketprism_domain.trading.liquidation_by_distance import InverseRule, distance_liquidation_price
from marketprism_domain.trading.margin_tiers import GrowingRate, TierRow, TierUnit, tiers_of
from marketprism_domain.trading.money import Money

LINEAR, INVERSE = ContractTerms(D(10)), ContractTerms(D(100), inverse=True)
CLOSE = D("1e-30")


def test_halts_are_from_a_word_that_says_so_to_the_one_that_ends_them() -> None:
    words = [(30, False), (10, True), (20, True), (40, False), (50, True), (50, False), (60, True)]
    assert halts_of(words) == (Halted(10, 30), Halted(60))
    assert halts_of([(5, False)]) == halts_of([]) == ()
    assert halts_of([(1, True), (2, False), (3, True), (4, False)]) == (Halted(1, 2), Halted(3, 4))
    assert (Halted(1).ts_to, Halted(1).resting, NO_END) == (2**62, "", 2**62)


def test_every_venue_has_a_rule_of_halts_with_its_source() -> None:
    assert (KEPT, CANCELLED) == ("kept", "cancelled")
    venues = {"cffex", "czce", "dce", "gfex", "ine", "shfe", "binance", "deribit", "okx"}
    assert {rule.venue for rule in HALT_RULES} == venues
    assert all(rule.resting == KEPT and rule.source for rule in HALT_RULES)
    assert halt_rule("cffex", "20160101").since == "20160101"
    assert halt_rule("cffex", "20251231").since == "20160101"
    assert halt_rule("cffex", "20151231").since == ""
    assert {halt_rule(venue, "20200101").venue for venue in venues} == venues
    assert halt_rule("elsewhere", "20200101").venue == ""


def test_money_of_one_currency_has_a_sum() -> None:
    assert Money(D(2), "USDT").plus(Money(D(3), "USDT")) == Money(D(5), "USDT")
    with pytest.raises(InvalidValue, match="currency: expected USDT, was"):
        Money(D(2), "USDT").plus(Money(D(3), "BTC"))


# -- liquidation: at its price, equity is the margin that must be there


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("terms", "entry", "wallet"), [(LINEAR, D(100), D(300)), (INVERSE, D(100), D("0.3"))])
def test_at_the_price_of_liquidation_the_margin_of_its_tier_is_left(
    terms: ContractTerms, entry: D, wallet: D, sign: int
) -> None:
    unit = D(1) if not terms.inverse else D("0.001")
    tiers = tiers_of([TierRow(2_500 * unit, D("0.01")), TierRow(3_200 * unit, D("0.05")), TierRow(None, D("0.1"))])
    leg, fee = Leg(sign, D(3), entry), D("0.001")
    with exact_arithmetic():
        found = liquidation_price(terms, wallet, [leg], tiers, fee_rate=fee)
        assert found is not None
        value = terms.value(leg.quantity, found.price)
        equity = wallet + terms.pnl(sign, leg.quantity, entry, found.price)
        assert abs(equity - tiers.maintenance(leg.quantity, value) - value * fee) < CLOSE
        assert (found.price < entry) == (sign > 0)
        bankrupt = bankruptcy_price(terms, wallet, leg, fee)
        assert bankrupt is not None
        left = wallet + terms.pnl(sign, leg.quantity, entry, bankrupt) - terms.value(leg.quantity, bankrupt) * fee
        assert abs(left) < CLOSE


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("step", ["0", "0.0005"])
@pytest.mark.parametrize("terms", [ContractTerms(), INVERSE])
def test_a_rate_that_grows_with_the_size_too(terms: ContractTerms, step: str, sign: int) -> None:
    rate, entry = GrowingRate(D("0.01"), D(step)), D(100)
    quantity = D(3)
    wallet = D(60) if not terms.inverse else D("0.4")
    leg = Leg(sign, quantity, entry)
    with exact_arithmetic():
        price = growing_liquidation_price(terms, wallet, leg, rate)
        assert price is not None
        equity = wallet + terms.pnl(sign, quantity, entry, price)
        coins = quantity if not terms.inverse else terms.value(quantity, price)
        margin = rate.margin(coins) * (1 if terms.inverse else price)
        assert abs(equity - margin) < D("1e-25")
        assert (price < entry) == (sign > 0)
    assert growing_liquidation_price(terms, D(10**9), Leg(1, quantity, entry), rate) is None or terms.inverse


@pytest.mark.parametrize("sign", [1, -1])
def test_a_liquidation_by_distance_is_as_its_formulas_say(sign: int) -> None:
    tiers = tiers_of([TierRow(D(100), D("0.01")), TierRow(None, D("0.05"))])
    leg, leverage, extra, fee = Leg(sign, D(3), D(100)), D(10), D(7), D("0.001")
    with exact_arithmetic():
        value, rate, deduction = D(3_000), D("0.05"), D(4)
        room = value / leverage - (value * rate - deduction) + extra
        assert distance_liquidation_price(LINEAR, leg, leverage, tiers, extra=extra) == 100 - sign * room / 30
        by_contracts = tiers_of([TierRow(D(1), D("0.01")), TierRow(None, D("0.05"))], TierUnit.CONTRACTS)
        coins, size = D(3), D(300)
        less = D("0.2")
        room = coins / leverage - coins * rate + less
        found = distance_liquidation_price(
            INVERSE, leg, leverage, by_contracts, extra=less, inverse_rule=InverseRule.DISTANCE_2024
        )
        assert found == size / (coins + sign * room)
        found = distance_liquidation_price(INVERSE, leg, leverage, by_contracts, extra=less, fee_rate=fee)
        assert found == size * (1 + sign * rate) / (coins + sign * (coins / leverage + less / (1 + sign * fee)))
    assert distance_liquidation_price(LINEAR, Leg(1, D(3), D(100)), D(1), tiers, extra=D(9_999)) is None
    for rule in InverseRule:
        assert (
            distance_liquidation_price(INVERSE, Leg(-1, D(3), D(100)), D(1), tiers, extra=D(9), inverse_rule=rule)
            is None
        )


def test_a_ratio_is_of_what_must_be_there() -> None:
    assert (margin_ratio(D(3), D(4)), margin_ratio(D(3), D(0)), margin_ratio(D(3), D(-1))) == (D("0.75"), None, None)
