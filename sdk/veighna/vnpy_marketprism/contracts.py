"""Contracts: what VeighNa has to know of an instrument before it subscribes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vnpy.trader.constant import Exchange, OptionType, Product
from vnpy.trader.object import ContractData

from marketprism_client import MarketClient, questions
from vnpy_marketprism.names import names_of
from vnpy_marketprism.times import day_of

_PRODUCTS = {
    "future": Product.FUTURES,
    "option": Product.OPTION,
    "combination": Product.SPREAD,
    "spot": Product.SPOT,
    "swap": Product.SWAP,
}
_OPTION_TYPES = {"call": OptionType.CALL, "put": OptionType.PUT}
# What is assumed of an instrument of which only data are known, not its terms.
_SIZE, _PRICE_TICK = 1.0, 0.01


async def contracts(market: MarketClient, gateway: str) -> tuple[list[ContractData], list[str]]:
    """A contract of each instrument that is known; and the vt_symbols of those without terms, whose size and tick are
    those of their product today, or else 1 and 0.01."""
    terms = await market.instruments()
    found = {(str(row["venue"]), str(row["symbol"])): _contract(row, gateway) for row in terms.to_pylist()}
    products = {(str(row["venue"]), str(row["product"]).lower()): row for row in (await market.products()).to_pylist()}
    assumed = []
    for row in (await market.ask(questions.Names())).to_pylist():
        key = (str(row["venue"]), str(row["symbol"]))
        if key not in found:
            found[key] = _assumed(*key, products, gateway)
            assumed.append(found[key].vt_symbol)
    return list(found.values()), assumed


def _contract(row: Mapping[str, object], gateway: str) -> ContractData:
    symbol, exchange = names_of(_text(row, "venue"), _text(row, "symbol"))
    class_, strike = _text(row, "class_"), _number(row, "strike")
    contract = ContractData(
        gateway_name=gateway,
        symbol=symbol,
        exchange=exchange,
        name=_text(row, "name") or symbol,
        product=_PRODUCTS.get(class_, Product.FUTURES),
        size=_number(row, "multiplier") or _SIZE,
        pricetick=_number(row, "price_tick") or _PRICE_TICK,
        min_volume=_number(row, "min_limit_volume") or _number(row, "quantity_step") or 1,
        max_volume=_number(row, "max_limit_volume") or None,
        history_data=True,
    )
    if _PRODUCTS.get(class_) is Product.OPTION:
        underlying, listed, expires = _text(row, "underlying"), _text(row, "list_day"), _text(row, "expire_day")
        contract.option_strike, contract.option_index = strike, str(strike)
        contract.option_type = _OPTION_TYPES.get(_text(row, "option_type"))
        contract.option_underlying = f"{underlying}.{exchange.value}" if underlying else ""
        contract.option_portfolio = _text(row, "product")
        contract.option_listed = day_of(listed) if listed else None
        contract.option_expiry = day_of(expires) if expires else None
    return contract


def _assumed(
    venue: str, symbol: str, products: Mapping[tuple[str, str], Mapping[str, object]], gateway: str
) -> ContractData:
    row = products.get((venue, "".join(_letters(symbol)).lower()), {})
    name, exchange = names_of(venue, symbol)
    return ContractData(
        gateway_name=gateway,
        symbol=name,
        exchange=exchange,
        name=name,
        product=Product.SPOT if exchange is Exchange.GLOBAL else Product.FUTURES,
        size=_number(row, "multiplier") or _SIZE,
        pricetick=_number(row, "price_tick") or _PRICE_TICK,
        history_data=True,
    )


def _text(row: Mapping[str, object], name: str) -> str:
    return str(row.get(name) or "")


def _number(row: Mapping[str, object], name: str) -> float:
    return float(str(row.get(name) or 0))


def _letters(symbol: Iterable[str]) -> Iterator[str]:
    """The letters that a symbol begins with."""
    for letter in symbol:
        if not letter.isalpha():
            return
        yield letter
