"""The counter's instrument list as contract terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import legs_of, product_of
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import Symbol, Venue

# THOST_FTDC_PC_… and THOST_FTDC_CP_…: the API's own numbers, never vnpy's translated words. A trade at settlement is a
# future of a product of its own.
_CLASSES = {"1": "future", "2": "option", "3": "combination", "4": "spot", "6": "option", "7": "future"}
_OPTION_TYPES = {"1": "call", "2": "put"}
# Options of the commodity exchanges and CFFEX say their terms in their names, should the counter not send them.
_OPTION = re.compile(r"([A-Za-z]+\d+)-?(?:MS-?)?([CP])-?(\d+(?:\.\d+)?)")
_HUGE = 1e20
_NO_INTEGER = 2**31 - 1


def terms_of(data: Mapping[str, Any], source: str, ts: int) -> InstrumentRecord | None:
    """Terms of one instrument; None for what has no market of its own (exchanges of futures for physicals).

    A combination's product is that of its legs. A size or a step that is empty, 0, INT_MAX or DBL_MAX, as of a contract
    before its first day, is not known.

    Raises:
        InvalidValue: a field that is none; the text names it.
    """
    class_ = _class_of(data)
    if class_ is None:
        return None
    symbol, venue = Symbol(_text(data, "InstrumentID")), Venue(_text(data, "ExchangeID").lower())
    legs = legs_of(symbol)  # those of options on funds are numbers, and name no product
    product = product_of(symbol) if legs and legs[0][:1].isalpha() else _text(data, "ProductID")
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
        _size(data, "VolumeMultiple"),
        _size(data, "PriceTick"),
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
    if legs_of(_text(data, "InstrumentID")):
        return "combination"
    kind = _CLASSES.get(_text(data, "ProductClass"))
    if kind is None and _text(data, "OptionsType") in _OPTION_TYPES:
        return "option"
    return "spot" if kind is None and not _text(data, "ProductClass") else kind


def _size(data: Mapping[str, Any], name: str) -> Decimal | None:
    """A number above 0 that says something."""
    number = _number(data, name)
    return number if number is not None and number > 0 and number != _NO_INTEGER else None


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
