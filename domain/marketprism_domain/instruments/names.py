"""What the code of a Chinese instrument says: its product, whether it is one contract or several, and of what kind.

Forms: a future `rb2505`, `SR505`; an option `m2505-C-3000`, `SR505C6000`; a combination of several, `SPD SR509&SR511`
and `IPS SM509&SF509` at Zhengzhou, `SP a2509&a2511` and `SPC a2509&m2509` at Dalian and Guangzhou; a month-average
future `l2602F` (Dalian, since 2025-10-28; products `l_f v_f pp_f`); a trade at settlement `sc2509TAS` (INE, since
2020-10-12; product `sc_tas`, as the counters list it); an option on a fund `10008000`, or by the code it is traded
under, `510050C2512M03000`, whose letter tells the standard contract M from those with terms of before a dividend, A, B;
a fund or a share `510050`. A series that others keep of a product, `rb888`, `IF9999`, is no contract.
"""

from __future__ import annotations

import re

_LETTERS = re.compile(r"[A-Za-z]+")
_FUTURE = re.compile(r"([A-Za-z]+)(\d{1,2}(?:0[1-9]|1[0-2]))(F|TAS)?")
_OWN_PRODUCT = re.compile(r"([A-Za-z]+)_(f|tas)", re.IGNORECASE)
# m2505-C-3000, SR505C6000, SR511MSC6300, IO2501-P-4000, and digits of an ETF option
_OF_FUND = re.compile(r"(\d{6})[CP]\d{4}[A-Z]\d{5,6}")
_OPTION = re.compile(r"[A-Za-z]+\d+F?-?(?:MS-?)?[CP]-?\d+(?:\.\d+)?|\d{8}|" + _OF_FUND.pattern)
_FUND = re.compile(r"\d{6}")
_STRATEGY = re.compile(r"[A-Za-z]+ ")


def legs_of(symbol: str) -> tuple[str, ...]:
    """Codes of the contracts that a combination is made of, in its order; empty for a single contract."""
    if "&" not in symbol:
        return ()
    return tuple(leg.strip() for leg in _STRATEGY.sub("", symbol, count=1).split("&"))


def is_option(symbol: str) -> bool:
    """Whether a symbol of a Chinese venue names an option."""
    return _OPTION.fullmatch(symbol) is not None


def is_future(symbol: str) -> bool:
    """Whether a symbol of a Chinese venue names one future: no option, no combination, and no product."""
    return _FUTURE.fullmatch(symbol) is not None


def class_of(symbol: str) -> str:
    """`combination`, `option`, `spot` (a fund or a share) or `future`, by the form of the code."""
    if "&" in symbol:
        return "combination"
    if is_option(symbol):
        return "option"
    return "spot" if _FUND.fullmatch(symbol) else "future"


def has_signed_price(symbol: str) -> bool:
    """Whether zero and less are prices of the instrument: a difference of others, or of a settlement to come."""
    return "&" in symbol or symbol.endswith("TAS")


def product_of(symbol: str) -> str:
    """Product code of a symbol, as written: `ru` of `ru1901`, `SR` of `SR505C6000`, `l_f` of `l2602F`, `sc_tas` of
    `sc2509TAS`, the fund of `510050C2512M03000`; of a combination that of its first leg, and of a product itself."""
    for leg in legs_of(symbol)[:1]:
        return product_of(leg)
    future = _FUTURE.fullmatch(symbol)
    if future is not None and future[3]:
        return f"{future[1]}_{future[3].lower()}"
    if _OWN_PRODUCT.fullmatch(symbol):
        return symbol
    letters, of_fund = _LETTERS.match(symbol), _OF_FUND.fullmatch(symbol)
    return letters[0] if letters else of_fund[1] if of_fund else symbol


def base_of(product: str) -> str:
    """The product whose contracts a product's are derived from: `l` of `l_f`, `sc` of `sc_tas`; else the product."""
    return product.partition("_")[0] if _OWN_PRODUCT.fullmatch(product) else product


def month_of(symbol: str) -> str | None:
    """The digits of a future's delivery month as written, `2505` or `505`; None for what is no future."""
    future = _FUTURE.fullmatch(symbol)
    return future[2] if future else None
