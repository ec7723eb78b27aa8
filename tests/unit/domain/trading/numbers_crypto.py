"""Worked numbers of the crypto venues: label, what it is, what the domain makes of it. P: published by the venue."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import NamedTuple

from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate
from marketprism_domain.trading.liquidation import (
    Leg,
    bankruptcy_price,
    liquidation_price,
    margin_ratio,
    price_at_rates,
)
from marketprism_domain.trading.liquidation_by_distance import InverseRule, distance_liquidation_price
from marketprism_domain.trading.margin_tiers import GrowingRate, MarginTiers, TierRow, TierUnit, tiers_of
from marketprism_domain.trading.margins import CostRule, funding_payment, initial_margin, order_cost
from marketprism_domain.trading.option_sellers import OptionTerms, coin_option_margin

LINEAR = ContractTerms(settle="USDT")
COINM = ContractTerms(D(100), inverse=True, settle="BTC")
DOLLARS = ContractTerms(D(1), inverse=True, settle="BTC")
OKX = ContractTerms(D("0.01"), settle="USDT")
CAPS = (
    *("50000", "600000", "3000000", "12000000", "70000000", "100000000", "230000000"),
    *("480000000", "600000000", "800000000", "1200000000", "1800000000"),
)
RATES = ("0.004", "0.005", "0.0065", "0.01", "0.02", "0.025", "0.05", "0.1", "0.125", "0.15", "0.25", "0.5")
BTCUSDT = tiers_of(TierRow(D(cap), D(rate)) for cap, rate in zip(CAPS, RATES, strict=True))
WALLET = D("1535443.01")
ETH, BTC = Leg(1, D("3683.979"), D("1456.84")), Leg(1, D("109.488"), D("32481.98"))
ETH_RATE, BTC_RATE = (D("0.10"), D("135365")), (D("0.025"), D("16300"))
ETH_MARK, BTC_MARK = D("1335.18"), D("31967.27")


class Number(NamedTuple):
    """A worked number: `places` that it is rounded to, half up, and what must come out."""

    number: int
    label: str
    expected: tuple[str, ...]
    places: str
    make: Callable[[], tuple[D, ...]]


def n(number: int, label: str, expected: str, make: Callable[[], D | tuple[D, ...]], places: str = "0.01") -> Number:
    def tupled() -> tuple[D, ...]:
        found = make()
        return found if isinstance(found, tuple) else (found,)

    return Number(number, label, tuple(expected.split()), places, tupled)


def one_tier(rate: str, deduction: str = "0", unit: TierUnit = TierUnit.VALUE) -> MarginTiers:
    return tiers_of([TierRow(None, D(rate), None, D(deduction))], unit)


def mm(leg: Leg, mark: D, rate: tuple[D, D]) -> D:
    return one_tier(str(rate[0]), str(rate[1])).maintenance(leg.quantity, LINEAR.value(leg.quantity, mark))


def upnl(leg: Leg, mark: D) -> D:
    return LINEAR.pnl(leg.sign, leg.quantity, leg.entry, mark)


def at(terms: ContractTerms, wallet: D, leg: Leg, rate: tuple[D, D]) -> D:
    found = price_at_rates(terms, wallet, (leg,), (rate,))
    assert found is not None
    return found


def lp(terms: ContractTerms, wallet: D, legs: tuple[Leg, ...], tiers: MarginTiers, fee: str = "0") -> D:
    found = liquidation_price(terms, wallet, legs, tiers, fee_rate=D(fee))
    assert found is not None
    return found.price


def usdm(sign: int, leverage: int, quantity: int = 1, entry: int = 60000) -> D:
    return lp(LINEAR, D(entry) * quantity / leverage, (Leg(sign, D(quantity), D(entry)),), BTCUSDT)


def cost(rule: CostRule, sign: int) -> D:
    prices = {"mark": D("9259.84"), "last": D("9258.99")}
    return order_cost(rule, LINEAR, sign, D(1), D("9253.30"), D(20), **prices).total


def assumed() -> tuple[D, ...]:
    found = order_cost(
        CostRule.ASSUMED_PRICE_2026, LINEAR, -1, D(1), D("9253.30"), D(20), mark=D("9259.84"), last=D("9258.99")
    )
    return found.price, found.total


def okx_lp(sign: int) -> D:
    return lp(OKX, D(6000), (Leg(sign, D(100), D(60000)),), one_tier("0.004", unit=TierUnit.CONTRACTS), "0.0005")


def okx_coin_lp(sign: int) -> D:
    wallet = initial_margin(COINM, D(100), D(60000), D(10))
    return lp(COINM, wallet, (Leg(sign, D(100), D(60000)),), one_tier("0.004", unit=TierUnit.CONTRACTS), "0.0005")


def bybit(terms: ContractTerms, sign: int, quantity: int, entry: int, leverage: int, rule: InverseRule) -> D:
    leg = Leg(sign, D(quantity), D(entry))
    found = distance_liquidation_price(terms, leg, D(leverage), one_tier("0.005"), inverse_rule=rule)
    assert found is not None
    return found


def option(call: bool, strike: int, mark: str, underlying: int) -> tuple[D, ...]:
    return tuple(coin_option_margin(OptionTerms(call, D(strike), D(1)), D(mark), D(underlying)))


def bankrupt() -> D:
    found = bankruptcy_price(DOLLARS, D("0.5"), Leg(1, D(10000), D(8000)), D("0.00075"))
    assert found is not None
    return found


HEDGED = (Leg(1, D(2), D(60000)), Leg(-1, D(1), D(60000)))
EIGHT, BTC_IM, BTC_MM, SOL_IM = (
    "0.00000001",
    GrowingRate(D("0.02"), D("0.00005")),
    GrowingRate(D("0.01"), D("0.00005")),
    GrowingRate(D("0.04"), D("0.000005")),
)
RULE_24, RULE_26 = InverseRule.DISTANCE_2024, InverseRule.RATE_2026
CUMS = "0 50 950 11450 131450 481450 2981450 14481450 26481450 41481450 121481450 421481450"

CRYPTO = [
    n(1, "USDM maintenance BTC (P)", "71200.81144", lambda: mm(BTC, BTC_MARK, BTC_RATE), "0.00001"),
    n(2, "USDM maintenance ETH (P)", "356512.50812", lambda: mm(ETH, ETH_MARK, ETH_RATE), "0.00001"),
    n(3, "USDM profit BTC (P)", "-56354.56848", lambda: upnl(BTC, BTC_MARK), "0.00001"),
    n(4, "USDM profit ETH (P)", "-448192.88514", lambda: upnl(ETH, ETH_MARK), "0.00001"),
    n(
        5,
        "USDM liquidation ETH cross, BTC beside (P)",
        "1153.26",
        lambda: at(LINEAR, WALLET - mm(BTC, BTC_MARK, BTC_RATE) + upnl(BTC, BTC_MARK), ETH, ETH_RATE),
    ),
    n(
        6,
        "USDM liquidation BTC cross, ETH beside (P)",
        "26316.89",
        lambda: at(LINEAR, WALLET - mm(ETH, ETH_MARK, ETH_RATE) + upnl(ETH, ETH_MARK), BTC, BTC_RATE),
    ),
    n(7, "USDM liquidation ETH isolated (P)", "1114.78", lambda: at(LINEAR, WALLET, ETH, ETH_RATE)),
    n(8, "USDM liquidation BTC isolated (P)", "18778.73", lambda: at(LINEAR, WALLET, BTC, BTC_RATE)),
    n(9, "USDM amounts of 12 tiers", CUMS, lambda: tuple(tier.deduction for tier in BTCUSDT.tiers), "1"),
    n(10, "USDM maintenance 1 BTC @ 60000", "250.00", lambda: BTCUSDT.maintenance(D(1), D(60000))),
    n(11, "USDM maintenance 100 BTC @ 60000", "48550.00", lambda: BTCUSDT.maintenance(D(100), D(6000000))),
    n(12, "USDM liquidation long 10x", "54221.11", lambda: usdm(1, 10)),
    n(13, "USDM liquidation short 10x", "65721.39", lambda: usdm(-1, 10)),
    n(14, "USDM liquidation long 50x", "59045.23", lambda: usdm(1, 50)),
    n(15, "USDM liquidation short 50x", "60945.27", lambda: usdm(-1, 50)),
    n(16, "USDM short 8 BTC: tier at the liquidation price", "78806.51", lambda: usdm(-1, 10, 8, 72000)),
    n(17, "USDM hedge, cross, long 2 and short 1", "50659.90", lambda: lp(LINEAR, D(10000), HEDGED, BTCUSDT)),
    n(18, "USDM cost long, rule to 2024 (P)", "462.665", lambda: cost(CostRule.OPEN_LOSS_2024, 1), "0.001"),
    n(19, "USDM cost short, rule to 2024 (P)", "469.205", lambda: cost(CostRule.OPEN_LOSS_2024, -1), "0.001"),
    n(20, "USDM cost short, rule of 2026 (P)", "9272.8785 463.6439", assumed, "0.0001"),
    n(21, "USDM profit", "617.25", lambda: LINEAR.pnl(1, D("0.5"), D(60000), D("61234.5"))),
    n(
        22,
        "USDM fees taker, maker",
        "15.00 6.00",
        lambda: tuple(FeeRate(D(rate)).fee(LINEAR, D("0.5"), D(60000)) for rate in ("0.0005", "0.0002")),
    ),
    n(23, "USDM funding long", "-3.00", lambda: funding_payment(LINEAR, 1, D("0.5"), D(60000), D("0.0001"))),
    n(24, "USDM funding short", "-7.50", lambda: funding_payment(LINEAR, -1, D("0.5"), D(60000), D("-0.00025"))),
    n(
        25,
        "COINM maintenance (P)",
        "0.0016",
        lambda: one_tier("0.004").maintenance(D(100), COINM.value(D(100), D(25000))),
        "0.0001",
    ),
    n(
        26,
        "COINM liquidation (venue's calculator: 33599.40)",
        "33599.42",
        lambda: at(COINM, D(101), Leg(1, D(100000), D(45000)), (D("0.125"), D("11.605"))),
    ),
    n(27, "COINM profit long", "0.18181818", lambda: COINM.pnl(1, D(1000), D(50000), D(55000)), EIGHT),
    n(28, "COINM profit short", "-0.18181818", lambda: COINM.pnl(-1, D(1000), D(50000), D(55000)), EIGHT),
    n(29, "COINM initial margin", "0.10000000", lambda: initial_margin(COINM, D(1000), D(50000), D(20)), EIGHT),
    n(
        30,
        "COINM funding long",
        "-0.00020000",
        lambda: funding_payment(COINM, 1, D(1000), D(50000), D("0.0001")),
        EIGHT,
    ),
    n(
        31,
        "COINM liquidation short",
        "55277.78",
        lambda: lp(COINM, D("0.2"), (Leg(-1, D(1000), D(50000)),), one_tier("0.005")),
    ),
    n(32, "OKX initial margin (P)", "1000.00", lambda: initial_margin(OKX, D(100), D(10000), D(10))),
    n(33, "OKX coin initial margin (P)", "0.1000", lambda: initial_margin(COINM, D(100), D(10000), D(10)), "0.0001"),
    n(34, "OKX liquidation long", "54244.10", lambda: okx_lp(1)),
    n(35, "OKX liquidation short", "65704.33", lambda: okx_lp(-1)),
    n(36, "OKX coin liquidation long", "54790.91", lambda: okx_coin_lp(1)),
    n(37, "OKX coin liquidation short", "66366.67", lambda: okx_coin_lp(-1)),
    n(
        38,
        "OKX margin ratio in percent",
        "1169.59",
        lambda: (margin_ratio(D(6000 - 3000), OKX.value(D(100), D(57000)) * D("0.0045")) or D(0)) * 100,
    ),
    n(39, "OKX coin profit", "0.01515152", lambda: COINM.pnl(1, D(100), D(60000), D(66000)), EIGHT),
    n(40, "OKX fee taker (P)", "5.00", lambda: FeeRate(D("0.0005")).fee(OKX, D(100), D(10000))),
    n(
        41,
        "DERIBIT initial margin 25 BTC, USDC (P)",
        "0.53125 53125",
        lambda: (BTC_IM.margin(D(25)), BTC_IM.margin(D(25)) * 100000),
        "0.00001",
    ),
    n(
        42,
        "DERIBIT initial margin 350 BTC, USDC (P)",
        "13.125 1312500",
        lambda: (BTC_IM.margin(D(350)), BTC_IM.margin(D(350)) * 100000),
        "0.00001",
    ),
    n(
        43,
        "DERIBIT maintenance 25 BTC, USDC (P)",
        "0.28125 28125",
        lambda: (BTC_MM.margin(D(25)), BTC_MM.margin(D(25)) * 100000),
        "0.00001",
    ),
    n(
        44,
        "DERIBIT SOL initial margin 25, 6000 (P)",
        "200.625 84000",
        lambda: (SOL_IM.margin(D(25)) * 200, SOL_IM.margin(D(6000)) * 200),
        "0.001",
    ),
    n(45, "DERIBIT short call", "0.13000 0.09500", lambda: option(True, 104000, "0.02", 100000), "0.00001"),
    n(46, "DERIBIT short call far out", "0.10400 0.07900", lambda: option(True, 120000, "0.004", 100000), "0.00001"),
    n(47, "DERIBIT short put", "0.15500 0.10000", lambda: option(False, 98000, "0.025", 100000), "0.00001"),
    n(48, "DERIBIT short put deep in", "1.55000 1.50500", lambda: option(False, 120000, "1.4", 50000), "0.00001"),
    n(49, "DERIBIT profit", "0.00769231", lambda: DOLLARS.pnl(1, D(10000), D(50000), D(52000)), EIGHT),
    n(50, "BYBIT liquidation long (P)", "19700.00", lambda: bybit(LINEAR, 1, 1, 20000, 50, RULE_26)),
    n(51, "BYBIT liquidation short (P)", "8160.00", lambda: bybit(LINEAR, -1, 1, 8000, 40, RULE_26)),
    n(
        52,
        "BYBIT inverse liquidation, rules of 2024 and 2026",
        "45662.10 45681.82",
        lambda: tuple(bybit(DOLLARS, 1, 60000, 50000, 10, rule) for rule in (RULE_24, RULE_26)),
    ),
    n(53, "BYBIT inverse bankruptcy (P)", "5718.57", bankrupt),
]
