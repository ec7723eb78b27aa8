"""Last trading days whose hours differ from those of the day, by the contracts' own terms.

CFFEX: a treasury future ends at 11:30 on its last trading day, the second Friday of the delivery month; an index
future ended at 15:00 instead of 15:15 on its, the third Friday, until the hours of all days became those in 2016; a
Friday that is no trading day gives way to the next day that is one (contract terms of T, TF, TS, TL and IF, IH, IC:
最后交易日, 最后交易日交易时间, 遇国家法定假日顺延). Index options
and the commodity exchanges trade their whole day.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from marketprism_domain.instruments.names import month_of, product_of
from marketprism_domain.sessions.exchange_hours import BOND_LAST, INDEX_EARLY_LAST, INDEX_FROM, Template, Versions
from marketprism_domain.sessions.trading_days import TradingDays

_FRIDAY = 4


class LastDay(NamedTuple):
    """The last trading day of a contract, and its sections then."""

    day: date
    template: Template


_TERMS: dict[str, dict[str, tuple[int, Versions]]] = {
    "cffex": {
        **dict.fromkeys(["t", "tf", "ts", "tl"], (2, BOND_LAST)),
        **dict.fromkeys(["if", "ih", "ic"], (3, INDEX_EARLY_LAST)),
    }
}


def last_day_of(venue: str, symbol: str, days: TradingDays) -> LastDay | None:
    """The last trading day of a contract where its hours are not those of any other day; None for all others."""
    terms, digits = _TERMS.get(venue, {}).get(product_of(symbol).lower()), month_of(symbol)
    if terms is None or digits is None or len(digits) != 4 or not 1 <= int(digits[2:]) <= 12:
        return None
    week, versions = terms
    first = date(2000 + int(digits[:2]), int(digits[2:]), 1)
    day = first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 7 * (week - 1))
    if not days.is_trading_day(day):
        day = days.next(day)
    text = day.strftime("%Y%m%d")
    if versions is INDEX_EARLY_LAST and text >= INDEX_FROM:
        return None
    return LastDay(day, [template for start, template in versions if start <= text][-1])
