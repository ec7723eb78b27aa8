"""`ContractData` as contract terms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from marketprism_adapters.vnpy_gateway.names import Names
from marketprism_adapters.vnpy_gateway.tap import CONTRACT_FIELDS
from marketprism_domain.instruments.names import legs_of, product_of
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import fits

# Names of vnpy.trader.constant.Product and OptionType: their values are words in the language of the machine.
_CLASSES = {"FUTURES": "future", "OPTION": "option", "WARRANT": "option", "SPREAD": "combination", "SWAP": "swap"}
_CLASSES |= {"CFD": "swap"}
_SIDES = {"CALL": "call", "PUT": "put"}
_HUGE = 1e20
_FUTURE_LIKE = frozenset(("future", "option", "combination"))


def terms_of(values: Sequence[object], names: Names, source: str, ts: int) -> InstrumentRecord:
    """Terms of values in the order of `CONTRACT_FIELDS`. A size that is 0 or no number is not known.

    Raises:
        InvalidValue: the symbol or the exchange is none.
    """
    given = dict(zip(CONTRACT_FIELDS, values, strict=True))
    venue, symbol = names.named(given["symbol"], given["exchange"])
    class_ = _CLASSES.get(str(getattr(given["product"], "name", given["product"])), "spot")
    if legs_of(symbol):
        class_ = "combination"
    legs = legs_of(symbol)
    product = product_of(symbol) if class_ in _FUTURE_LIKE and (not legs or legs[0][:1].isalpha()) else symbol
    return InstrumentRecord(
        venue,
        symbol,
        source,
        0,
        0,
        ts,
        ts,
        0,
        product,
        class_,
        _size(given["size"]),
        _size(given["pricetick"]),
        str(given["option_underlying"] or ""),
        _size(given["option_strike"]),
        _SIDES.get(str(getattr(given["option_type"], "name", given["option_type"])), ""),
        _day(given["option_listed"]),
        _day(given["option_expiry"]),
        str(given["name"] or ""),
        _size(given["min_volume"]),
        _size(given["max_volume"]),
    )


def _size(value: object) -> Decimal | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if not 0 < number < _HUGE:
        return None
    found = Decimal(repr(number).removesuffix(".0"))
    return Decimal(format(found, "f")) if fits(found) else None


def _day(value: object) -> str:
    return value.strftime("%Y%m%d") if isinstance(value, datetime) else ""


__all__ = ["terms_of"]
