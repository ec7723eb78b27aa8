"""The counter's instrument list as contract terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import Symbol, Venue

# THOST_FTDC_PC_… and THOST_FTDC_CP_…: the API's own numbers, never vnpy's translated words.
_CLASSES = {"1": "future", "2": "option", "6": "option", "4": "spot"}
_OPTION_TYPES = {"1": "call", "2": "put"}
# Options of the commodity exchanges and CFFEX say their terms in their names, should the counter not send them.
_OPTION = re.compile(r"([A-Za-z]+\d+)-?(?:MS-?)?([CP])-?(\d+(?:\.\d+)?)")
_HUGE = 1e20


def terms_of(data: Mapping[str, Any], source: str, ts: int) -> InstrumentRecord | None:
    """Terms of one instrument; None for what is no single contract (combinations, spreads).

    Raises:
        InvalidValue: a field that is none; the text names it.
    """
    class_ = _class_of(data)
    if class_ is None:
        return None
    symbol, venue = Symbol(_text(data, "InstrumentID")), Venue(_text(data, "ExchangeID").lower())
    product = _text(data, "ProductID")
    if not product:
        raise InvalidValue("ProductID", "a product", product)
    underlying, strike, option_type = "", None, ""
    if class_ == "option":
        named = _OPTION.fullmatch(symbol)
        underlying = _text(data, "UnderlyingInstrID") or (named[1] if named else "")
        strike = _number(data, "StrikePrice") or (Decimal(named[3]) if named else None)
        option_type = _OPTION_TYPES.get(_text(data, "OptionsType"), "")
        if named and not option_type:
            option_type = "call" if named[2] == "C" else "put"
    return InstrumentRecord(
        str(venue),
        str(symbol),
        source,
        0,
        0,
        ts,
        ts,
        0,
        product,
        class_,
        _number(data, "VolumeMultiple"),
        _number(data, "PriceTick"),
        underlying,
        strike,
        option_type,
        _text(data, "OpenDate") or _text(data, "CreateDate"),
        _text(data, "ExpireDate"),
        _text(data, "InstrumentName"),
        _number(data, "MinLimitOrderVolume"),
        _number(data, "MaxLimitOrderVolume"),
        _number(data, "MinMarketOrderVolume"),
        _number(data, "MaxMarketOrderVolume"),
    )


def _class_of(data: Mapping[str, Any]) -> str | None:
    """What it is; counters of stock options list funds and shares too, and none of them names every class."""
    if set(_text(data, "InstrumentID")) & set("& "):
        return None
    kind = _CLASSES.get(_text(data, "ProductClass"))
    if kind is None and _text(data, "OptionsType") in _OPTION_TYPES:
        return "option"
    return "spot" if kind is None and not _text(data, "ProductClass") else kind


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name) or "").strip()


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
