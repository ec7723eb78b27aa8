"""The counter's instrument list as contract terms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import Symbol, Venue

# THOST_FTDC_PC_…: the API's own numbers, never vnpy's translated words.
_CLASSES = {"1": "future", "2": "option", "6": "option"}
_OPTION_TYPES = {"1": "call", "2": "put"}
_HUGE = 1e20


def terms_of(data: Mapping[str, Any], source: str, ts: int) -> InstrumentRecord | None:
    """Terms of one instrument; None for what is no single contract (combinations, spreads).

    Raises:
        InvalidValue: a field that is none; the text names it.
    """
    kind = str(data.get("ProductClass", "2" if data.get("OptionsType") else "1"))
    if kind not in _CLASSES:
        return None
    symbol, venue = Symbol(str(data.get("InstrumentID", ""))), Venue(str(data.get("ExchangeID", "")).lower())
    product = str(data.get("ProductID", ""))
    if not product:
        raise InvalidValue("ProductID", "a product", product)
    option = _CLASSES[kind] == "option"
    return InstrumentRecord(
        str(venue), str(symbol), source, 0, 0, ts, ts, 0, product, _CLASSES[kind],
        _number(data, "VolumeMultiple"), _number(data, "PriceTick"),
        str(data.get("UnderlyingInstrID") or "") if option else "",
        _number(data, "StrikePrice") if option else None,
        _OPTION_TYPES.get(str(data.get("OptionsType", "")), "") if option else "",
        str(data.get("OpenDate") or data.get("CreateDate") or ""), str(data.get("ExpireDate") or ""),
        str(data.get("InstrumentName") or ""),
        *(_number(data, f"{edge}{order}OrderVolume") for order in ("Limit", "Market") for edge in ("Min", "Max")),
    )  # fmt: skip


def _number(data: Mapping[str, Any], name: str) -> Decimal | None:
    value = data.get(name)
    if value in (None, ""):
        return None
    try:
        number = float(str(value))
    except ValueError:
        raise InvalidValue(name, "a number", value) from None
    if not -_HUGE < number < _HUGE:
        return None
    text = repr(number).removesuffix(".0")
    return Decimal(format(Decimal(text), "f") if "e" in text else text)
