"""Worked numbers of the Chinese exchanges, and of what every order has. F: of a recording."""

from __future__ import annotations

from decimal import Decimal as D

from marketprism_application.trading.selection_bias import deflated_sharpe
from marketprism_domain.trading.chinese_futures import (
    MarginRate,
    daily_profit,
    futures_margin,
    larger_side,
    risk_ratio,
)
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.option_sellers import (
    IndexOptionRates,
    OptionTerms,
    commodity_option_margin,
    fund_option_margin,
    index_option_margin,
)
from marketprism_domain.trading.price_limits import LimitRounding, price_limits
from marketprism_domain.trading.sides import Offset
from marketprism_domain.trading.sizing import entry_away, stop_and_take
from tests.unit.domain.trading.numbers_crypto import Number, n

RU, CU, IRON, M = (ContractTerms(D(size), settle="CNY") for size in (10, 5, 100, 10))
NOTHING = FeeRate()
SOY = FeeRule(FeeRate(D(0), D("1.5")), FeeRate(D(0), D("1.5")), NOTHING)
IRON_ORE = FeeRule(FeeRate(D("0.00006")), FeeRate(D("0.00006")), FeeRate(D("0.00003")))
GOLD = FeeRule(FeeRate(D(0), D(10)), FeeRate(D(0), D(10)), NOTHING)
OPEN, CLOSE, TODAY = Offset.OPEN, Offset.CLOSE, Offset.CLOSE_TODAY
LIMITS = [
    *(
        (LimitRounding.DOWN, "5", *each)
        for each in (
            ("12285", "0.09", "13390 11175"),
            ("12310", "0.07", "13170 11445"),
            ("12620", "0.07", "13500 11735"),
            ("12610", "0.07", "13490 11725"),
        )
    ),
    *(
        (LimitRounding.OUTWARDS, "1", before, "0.06", both)
        for before, both in (
            ("7233", "7667 6799"),
            ("7104", "7531 6677"),
            ("7159", "7589 6729"),
            ("7157", "7587 6727"),
            ("7081", "7506 6656"),
            ("7357", "7799 6915"),
            ("7231", "7665 6797"),
        )
    ),
    *(
        (LimitRounding.INWARDS, "0.2", before, "0.1", both)
        for before, both in (
            ("5216.2", "5737.8 4694.6"),
            ("5278.6", "5806.4 4750.8"),
        )
    ),
]


def fees(rule: FeeRule, terms: ContractTerms, lots: int, price: int, *offsets: Offset) -> tuple[D, ...]:
    return tuple(rule.rate(offset).fee(terms, D(lots), D(price)) for offset in offsets)


def limits(rounding: LimitRounding, tick: str, before: str, ratio: str) -> tuple[D, ...]:
    return tuple(each for each in price_limits(D(before), D(ratio), D(tick), rounding) if each is not None)


def fund(call: bool, premium: str, underlying: str, strike: str) -> D:
    return fund_option_margin(OptionTerms(call, D(strike), D(10000)), D(premium), D(underlying))


def index(call: bool, settlement: int, strike: int) -> D:
    rates = IndexOptionRates(D("0.12"), D("0.5"))
    return index_option_margin(OptionTerms(call, D(strike), D(100)), D(settlement), D(4000), rates)


def commodity(call: bool, premium: int, strike: int) -> D:
    return commodity_option_margin(OptionTerms(call, D(strike), D(10)), D(premium), D(3000), D("0.10"))


def bracket(sign: int) -> tuple[D, ...]:
    entry = entry_away(sign, D(10000), D("0.04"))
    exits = stop_and_take(sign, entry, stop_share=D("0.019"), take_share=D("0.04"))
    assert exits.stop is not None
    assert exits.take is not None
    return entry, exits.stop, exits.take


def deflated() -> tuple[D, ...]:
    found = deflated_sharpe(2.5 / 250**0.5, 1250, 100, 0.5 / 250, -3, 10)
    return tuple(D(str(each)) for each in found)


CHINA: list[Number] = [
    n(54, "margin ru1901 3 lots", "33237.00", lambda: futures_margin(RU, MarginRate(D("0.09")), D(3), D(12310))),
    n(55, "margin cu1905 2 lots", "39656.00", lambda: futures_margin(CU, MarginRate(D("0.08")), D(2), D(49570))),
    n(56, "fee ru (F)", "5.55525", lambda: FeeRate(D("0.000045")).fee(RU, D(1), D(12345)), "0.00001"),
    n(57, "fees m open, close, today (F)", "7.5 7.5 0", lambda: fees(SOY, M, 5, 3000, OPEN, CLOSE, TODAY)),
    n(58, "fees i open, today (F)", "10.20 5.10", lambda: fees(IRON_ORE, IRON, 2, 850, OPEN, TODAY)),
    n(59, "fees au open, today (F)", "40 0", lambda: fees(GOLD, ContractTerms(D(1000)), 4, 400, OPEN, TODAY)),
    n(60, "profit of lots of today", "900", lambda: daily_profit(RU, 1, D(2), D(12560), D(12605))),
    n(61, "profit of a lot of yesterday", "2950", lambda: daily_profit(RU, 1, D(1), D(12310), D(12605))),
    n(62, "daily mark of held lots", "-1800", lambda: daily_profit(RU, -1, D(3), D(12560), D(12620))),
    *(
        n(
            number,
            f"limits {rounding} {before} (F)",
            both,
            lambda r=rounding, t=tick, b=before, q=ratio: limits(r, t, b, q),
        )  # type: ignore[misc]
        for number, (rounding, tick, before, ratio, both) in enumerate(LIMITS, 63)
    ),
    n(76, "SSE short call", "4240.00", lambda: fund(True, "0.12", "2.95", "3")),
    n(77, "SSE short call far out: 7 %", "2115.00", lambda: fund(True, "0.005", "2.95", "3.5")),
    n(78, "SSE short put", "3940.00", lambda: fund(False, "0.09", "2.95", "2.9")),
    n(79, "SSE short put deep in: the strike", "30000.00", lambda: fund(False, "2.9", "0.2", "3")),
    n(80, "CFFEX short call", "44000.00", lambda: index(True, 60, 4100)),
    n(81, "CFFEX short call far out", "24500.00", lambda: index(True, 5, 4500)),
    n(82, "CFFEX short put", "46000.00", lambda: index(False, 80, 3900)),
    n(83, "commodity short call", "3300.00", lambda: commodity(True, 80, 3100)),
    n(84, "commodity short call far out", "1550.00", lambda: commodity(True, 5, 3600)),
    n(85, "commodity short put", "3350.00", lambda: commodity(False, 60, 2950)),
    n(86, "margin of the larger side", "15000", lambda: larger_side([D(15000)], [D(9000)])),
    n(87, "risk ratio in percent", "75.00", lambda: (risk_ratio(D(90000), D(120000)) or D(0)) * 100),
    n(88, "short +4 %, stop 1.9 %, take 4 %", "10400 10597.6 9984", lambda: bracket(-1), "0.00000001"),
    n(89, "long -4 %, stop 1.9 %, take 4 %", "9600 9417.6 9984", lambda: bracket(1), "0.00000001"),
    n(90, "deflated Sharpe ratio (P)", "0.1132 0.9004", deflated, "0.0001"),
]
