"""Binance's instrument list (`exchangeInfo`)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from marketprism_adapters.venues.binance.symbols import Names
from marketprism_adapters.venues.kit.numbers import day_text
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_FOREVER_MS = 4_133_404_800_000  # how a perpetual's delivery date is written
_STATUS = {"TRADING": "trading", "BREAK": "halted", "HALT": "halted", "PENDING_TRADING": "pending"}


class Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: str = ""
    step_size: str = ""
    min_qty: str = ""
    max_qty: str = ""
    min_notional: str = ""
    notional: str = ""


class Pair(msgspec.Struct, rename="camel"):
    symbol: str
    base_asset: str
    quote_asset: str
    filters: list[Filter]
    status: str = ""
    contract_status: str = ""
    contract_type: str = ""
    contract_size: int | None = None
    margin_asset: str = ""
    delivery_date: int = 0
    onboard_date: int = 0


class Listing(msgspec.Struct):
    symbols: list[msgspec.Raw]


def record_of(pair: Pair, market: str, ts: int) -> InstrumentRecord:
    """Terms and filters of one instrument."""
    names = Names(market)
    delivery = "PERP" if "PERPETUAL" in pair.contract_type else pair.symbol.rpartition("_")[2]
    delivery = "" if market == "spot" else delivery
    filters = {each.filter_type: each for each in pair.filters}
    price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
    market_lot = filters.get("MARKET_LOT_SIZE")
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    status = pair.status or pair.contract_status
    symbol = names.compose(pair.base_asset, pair.quote_asset, delivery)
    return InstrumentRecord(
        "binance",
        symbol,
        "binance",
        0,
        0,
        ts,
        ts,
        0,
        f"{pair.base_asset}-{pair.quote_asset}",
        "spot" if market == "spot" else "swap" if delivery == "PERP" else "future",
        Decimal(pair.contract_size) if pair.contract_size else Decimal(1),
        _decimal(price.tick_size if price else ""),
        list_day=day_text(pair.onboard_date),
        expire_day="" if pair.delivery_date >= _FOREVER_MS else day_text(pair.delivery_date),
        min_limit_volume=_decimal(lot.min_qty if lot else ""),
        max_limit_volume=_decimal(lot.max_qty if lot else ""),
        min_market_volume=_decimal(market_lot.min_qty if market_lot else ""),
        max_market_volume=_decimal(market_lot.max_qty if market_lot else ""),
        native=pair.symbol,
        base=pair.base_asset,
        quote=pair.quote_asset,
        settle=pair.margin_asset or pair.quote_asset,
        inverse=market == "coinm",
        quantity_step=_decimal(lot.step_size if lot else ""),
        min_notional=_decimal((notional.min_notional or notional.notional) if notional else ""),
        status=_STATUS.get(status, status.lower()),
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
