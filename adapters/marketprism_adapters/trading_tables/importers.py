"""Lists of venues' own as tables: what a venue answered, with the day on which it did.

USD-M `leverageBracket` (signed, so that its answer is a file of the user's), OKX `/public/position-tiers`, Bybit
`/v5/market/risk-limit`, and CTP's answers to `ReqQryInstrumentCommissionRate` and `ReqQryInstrumentMarginRate`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import msgspec

from marketprism_adapters.trading_tables.documents import (
    Document,
    FeesRow,
    RateRow,
    Row,
    Tier,
    TiersRow,
    check_numbers,
)
from marketprism_application.errors import DefinitionError
from marketprism_application.ports.trading_tables import LiquidationRule, TradingTables
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import product_of
from marketprism_domain.trading.margin_tiers import TierUnit

T = TypeVar("T")


class _Bracket(msgspec.Struct):
    bracket: int
    initialLeverage: Decimal  # noqa: N815
    notionalCap: Decimal  # noqa: N815
    maintMarginRatio: Decimal  # noqa: N815
    cum: Decimal | None = None


class _Brackets(msgspec.Struct):
    symbol: str
    brackets: tuple[_Bracket, ...]


class _Position(msgspec.Struct):
    mmr: Decimal
    maxLever: Decimal  # noqa: N815
    maxSz: str = ""  # noqa: N815
    uly: str = ""
    instFamily: str = ""  # noqa: N815
    tier: Decimal = Decimal(0)


class _Positions(msgspec.Struct):
    data: tuple[_Position, ...]


class _Risk(msgspec.Struct):
    symbol: str
    riskLimitValue: Decimal  # noqa: N815
    maintenanceMargin: Decimal  # noqa: N815
    maxLeverage: Decimal  # noqa: N815
    mmDeduction: str = ""  # noqa: N815


class _Risks(msgspec.Struct):
    list: tuple[_Risk, ...]


class _RiskAnswer(msgspec.Struct):
    result: _Risks


class _Commission(msgspec.Struct):
    InstrumentID: str
    OpenRatioByMoney: Decimal = Decimal(0)
    OpenRatioByVolume: Decimal = Decimal(0)
    CloseRatioByMoney: Decimal = Decimal(0)
    CloseRatioByVolume: Decimal = Decimal(0)
    CloseTodayRatioByMoney: Decimal = Decimal(0)
    CloseTodayRatioByVolume: Decimal = Decimal(0)


class _Margin(msgspec.Struct):
    InstrumentID: str
    LongMarginRatioByMoney: Decimal
    LongMarginRatioByVolume: Decimal = Decimal(0)


_LINEAR_OR_INVERSE = re.compile(r"([A-Z0-9]+?)(USDT|USDC|FDUSD|USD)(?:_PERP)?")


def symbol_of(native: str) -> str:
    """The platform's name of a perpetual: `BTC-USDT-PERP` of `BTCUSDT` or `BTC-USDT-SWAP`, `BTC-USD-PERP` of `BTCUSD`
    or `BTCUSD_PERP`; of anything else the name itself."""
    if native.endswith("-SWAP"):
        return f"{native.removesuffix('-SWAP')}-PERP"
    found = _LINEAR_OR_INVERSE.fullmatch(native)
    return native if found is None else f"{found[1]}-{found[2]}-PERP"


class Asked(NamedTuple):
    """What an import is for: the venue, the day of the answer, and how a native name becomes a symbol."""

    venue: str
    as_of: date
    symbol_of: Callable[[str], str] = symbol_of


def leverage_brackets(data: bytes, asked: Asked) -> Document:
    """Tiers of `[{"symbol", "brackets": [...]}]`. Raises DefinitionError, as all of these do."""
    found = _read(data, tuple[_Brackets, ...])
    return _checked(
        Document(
            venue=asked.venue,
            tiers=tuple(
                _tiers(
                    asked,
                    row.symbol,
                    "leverageBracket",
                    [
                        Tier(
                            cap=b.notionalCap, rate=b.maintMarginRatio, max_leverage=b.initialLeverage, deduction=b.cum
                        )
                        for b in sorted(row.brackets, key=lambda b: b.notionalCap)
                    ],
                )
                for row in found
            ),
        )
    )


def position_tiers(data: bytes, asked: Asked) -> Document:
    """Tiers by contracts of `{"data": [{"mmr", "maxLever", "maxSz", "instFamily"}]}`."""
    by_family: dict[str, list[_Position]] = {}
    for each in _read(data, _Positions).data:
        by_family.setdefault(each.instFamily or each.uly, []).append(each)
    return _checked(
        Document(
            venue=asked.venue,
            tiers=tuple(
                _tiers(
                    asked,
                    f"{family}-SWAP",
                    "position-tiers",
                    [
                        Tier(cap=_number(e.maxSz, "maxSz"), rate=e.mmr, max_leverage=e.maxLever)
                        for e in sorted(rows, key=lambda e: e.tier)
                    ],
                    TierUnit.CONTRACTS,
                )
                for family, rows in by_family.items()
            ),
        )
    )


def risk_limits(data: bytes, asked: Asked) -> Document:
    """Tiers of `{"result": {"list": [{"symbol", "riskLimitValue", "maintenanceMargin", "maxLeverage"}]}}`."""
    by_symbol: dict[str, list[_Risk]] = {}
    for each in _read(data, _RiskAnswer).result.list:
        by_symbol.setdefault(each.symbol, []).append(each)
    return _checked(
        Document(
            venue=asked.venue,
            tiers=tuple(
                _tiers(
                    asked,
                    symbol,
                    "risk-limit",
                    [
                        Tier(
                            cap=e.riskLimitValue,
                            rate=e.maintenanceMargin,
                            max_leverage=e.maxLeverage,
                            deduction=_number(e.mmDeduction, "mmDeduction"),
                        )
                        for e in sorted(rows, key=lambda e: e.riskLimitValue)
                    ],
                )
                for symbol, rows in by_symbol.items()
            ),
        )
    )


def commission_rates(rows: Iterable[Mapping[str, object]], asked: Asked) -> Document:
    """Fees of a counter's answers, by product or by contract as it answered."""
    found = [_convert(dict(row), _Commission) for row in rows]
    return _checked(
        Document(
            venue=asked.venue,
            fees=tuple(
                FeesRow(
                    symbols=_pattern(row.InstrumentID),
                    as_of=asked.as_of,
                    source="commission rates of the counter",
                    open_by_money=row.OpenRatioByMoney,
                    open_by_volume=row.OpenRatioByVolume,
                    close_by_money=row.CloseRatioByMoney,
                    close_by_volume=row.CloseRatioByVolume,
                    close_today_by_money=row.CloseTodayRatioByMoney,
                    close_today_by_volume=row.CloseTodayRatioByVolume,
                )
                for row in found
            ),
        )
    )


def margin_rates(rows: Iterable[Mapping[str, object]], asked: Asked) -> Document:
    """Margins of a counter's answers, of the long side (which is the short side's unless a broker says otherwise)."""
    found = [_convert(dict(row), _Margin) for row in rows]
    return _checked(
        Document(
            venue=asked.venue,
            rates=tuple(
                RateRow(
                    symbols=_pattern(row.InstrumentID),
                    as_of=asked.as_of,
                    source="margin rates of the counter",
                    by_money=row.LongMarginRatioByMoney,
                    by_volume=row.LongMarginRatioByVolume,
                )
                for row in found
            ),
        )
    )


def _of_rows(make: Callable[[Iterable[Mapping[str, object]], Asked], Document]) -> Callable[[bytes, Asked], Document]:
    return lambda data, asked: make(_read(data, tuple[dict[str, object], ...]), asked)


# By the name of the request that the venue answered.
IMPORTERS: Mapping[str, Callable[[bytes, Asked], Document]] = MappingProxyType(
    {
        "leverage-bracket": leverage_brackets,
        "position-tiers": position_tiers,
        "risk-limit": risk_limits,
        "commission-rate": _of_rows(commission_rates),
        "margin-rate": _of_rows(margin_rates),
    }
)


def import_document(kind: str, data: bytes, venue: str, as_of: date, tables: TradingTables) -> Document:
    """A venue's answer as a document, held against the rules of that venue.

    Raises:
        DefinitionError: it is no such answer, or none that the venue could have given; names what is wrong.
    """
    if venue not in tables.venues():
        raise DefinitionError(f"venue: expected one of {', '.join(tables.venues())}, was {venue[:60]!r}")
    document = IMPORTERS[kind](data, Asked(venue, as_of))
    tiers = [(symbol, row) for row in document.tiers for symbol in row.symbols]
    plain = [(symbol, row) for row in (*document.fees, *document.rates) for symbol in row.symbols]
    known = 0
    for symbol, row in (*tiers, *plain):
        market = tables.market(venue, symbol, as_of)
        if market is None:
            continue  # an instrument that this platform has no name for
        known += 1
        rule = market.value.liquidation
        if isinstance(row, TiersRow):
            fits = rule in _TIERED and (row.unit is TierUnit.CONTRACTS) == (rule is LiquidationRule.WITH_FEE)
        else:
            fits = rule is LiquidationRule.RISK_RATIO
        if not fits:
            raise DefinitionError(f"{row.source}: expected a list of {venue}, whose margin is of another kind")
    if not known:
        raise DefinitionError(f"{kind}: expected instruments of {venue}, was {len(tiers) + len(plain)} of others")
    return document


_TIERED = (LiquidationRule.ONE_PRICE, LiquidationRule.WITH_FEE, LiquidationRule.DISTANCE)


def _tiers(asked: Asked, native: str, source: str, tiers: list[Tier], unit: TierUnit = TierUnit.VALUE) -> TiersRow:
    symbols = (asked.symbol_of(native),)
    return TiersRow(symbols=symbols, as_of=asked.as_of, source=f"{source} of {native}", tiers=tuple(tiers), unit=unit)


def _pattern(instrument: str) -> tuple[str, ...]:
    """Of a product `ru` all of its contracts, of a contract itself."""
    return (f"{instrument}[0-9]*",) if product_of(instrument) == instrument else (instrument,)


def _read(data: bytes, kind: type[T]) -> T:
    """What a venue answered. Numbers without quotes are read by their text, not as doubles."""
    try:
        return _convert(json.loads(data, parse_float=str, parse_int=str), kind)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"file: expected the venue's answer as JSON: {error}"[:300]) from error


def _convert(value: object, kind: type[T]) -> T:
    try:
        found = msgspec.convert(value, kind, strict=False)
        check_numbers(found, "answer")
    except (msgspec.ValidationError, InvalidValue) as error:
        raise DefinitionError(f"file: expected the venue's answer, {error}"[:300]) from error
    return found


def _number(text: str, field: str) -> Decimal | None:
    """A number that a venue leaves empty where there is none. Raises DefinitionError: it is something else."""
    if not text:
        return None
    try:
        found = Decimal(text)
        check_numbers(found, field)
    except (InvalidOperation, InvalidValue) as error:
        raise DefinitionError(
            f"file: expected the venue's answer, {field}: expected a number, was {text[:40]!r}"
        ) from error
    return found


def _checked(document: Document) -> Document:
    """The document itself where each of its rows is a table. Raises DefinitionError: names the row."""
    rows: list[Row] = [*document.tiers, *document.fees, *document.rates]
    for row in rows:
        try:
            row.value()  # type: ignore[attr-defined]
        except InvalidValue as error:
            raise DefinitionError(f"{row.source}: {error}") from error
    return document
