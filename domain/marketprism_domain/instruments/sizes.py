"""Sizes of contracts and their least price steps, for every product of the six Chinese futures exchanges.

What a counter listed on 2025-08-13, what the exchanges' contract rules say of products listed since, and what changed
before: by the first delivery month (YYYYMM) that has it, as far as lists of 2020-06 and 2022-03 tell. The venue's own
list wins wherever there is one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.instruments.names import base_of, is_option, legs_of, month_of, product_of


class ContractSize(NamedTuple):
    """Units of the goods in one lot, and the least step of a price; the step is None where only the size is known."""

    multiplier: Decimal
    price_tick: Decimal | None


# Of each product size and step, then for each change the first delivery month and what holds from it on.
_FUTURES = {
    "shfe": """ad 10 5, ag 15 1, al 5 5, ao 20 1, au 1000 0.05 201912 1000 0.02, br 5 5, bu 10 2 202207 10 1, cu 5 10,
        fu 50 1 201901 10 1, hc 10 1, ni 1 10, op 40 2, pb 25 5 201401 5 5, rb 10 1, ru 5 5 201211 10 5, sn 1 10,
        sp 10 2, ss 5 5, wr 10 1, zn 5 5""",
    "ine": "bc 5 10, ec 50 0.1, lu 10 1, nr 10 5, sc 1000 0.1",
    "dce": """a 10 1, b 10 1, bb 500 0.05, bz 30 1, c 10 1, cs 10 1, eb 5 1, eg 10 1, fb 500 0.05 201912 10 0.5,
        i 100 0.5, j 100 0.5, jd 10 1, jm 60 0.5, l 5 5 202107 5 1, lg 90 0.5, lh 16 5, m 10 1, p 10 2, pg 20 1, pp 5 1,
        rr 10 1, v 5 5 202107 5 1, y 10 2""",
    "czce": """ap 10 1, cf 5 5, cj 5 5, cy 5 5, er 10 1, fg 20 1, gn 10 1, jr 20 1, lr 20 1, ma 10 1, me 50 1, oi 10 1,
        pf 5 2, pk 5 2, pl 20 1, pm 50 1, pr 15 2, px 5 2, ri 20 1, rm 10 1, ro 5 2, rs 10 1, sa 20 1, sf 5 2, sh 30 1,
        sm 5 2, sr 10 1, ta 5 2, tc 200 0.2, ur 20 1, wh 20 1, ws 10 1, wt 10 1, zc 100 0.2""",
    "gfex": "lc 1 20, pd 1000 0.05, ps 3 5, pt 1000 0.05, si 5 5",
    "cffex": """ic 200 0.2, if 300 0.2, ih 300 0.2, im 200 0.2, io 100 0.2, ho 100 0.2, mo 100 0.2, t 10000 0.005,
        tf 10000 0.005, tl 10000 0.01, ts 20000 0.005 202306 20000 0.002""",
}
# Options have the size of what they are on, and steps of their own.
_OPTION_STEPS = {
    "shfe": "ad 1, ag 0.5, al 1, ao 0.5, au 0.02, br 1, cu 2, ni 2, pb 1, rb 0.5, ru 1, sn 2, zn 1",
    "ine": "sc 0.05",
    "dce": """a 0.5, b 0.5, bz 0.5, c 0.5, cs 0.5, eb 0.5, eg 0.5, i 0.1, jd 0.5, l 0.5, lg 0.25, lh 2.5, m 0.5, p 0.5,
        pg 0.2, pp 0.5, v 0.5, y 0.5""",
    "czce": """ap 0.5, cf 1, cj 1, fg 0.5, ma 0.5, oi 0.5, pf 0.5, pk 0.5, pl 0.5, pr 0.5, px 0.5, rm 0.5, sa 0.5, sf 1,
        sh 0.5, sm 1, sr 0.5, ta 0.5, ur 0.5, zc 0.1""",
    "gfex": "lc 10, ps 1, si 1",
    "cffex": "io 0.2, ho 0.2, mo 0.2",
}


def _words(table: dict[str, str]) -> dict[tuple[str, str], list[str]]:
    """The words behind each product, by venue and product."""
    rows = ((venue, row.split()) for venue, rows in table.items() for row in rows.split(","))
    return {(venue, product): rest for venue, (product, *rest) in rows}


_SIZES, _STEPS = _words(_FUTURES), _words(_OPTION_STEPS)
_NOW = 209912


def size_of(venue: str, symbol: str) -> ContractSize | None:
    """Size and price step of an instrument or a product, None where they are not known: other venues, options on funds
    (whose sizes change with dividends), and combinations of products that differ in size.

    Zhengzhou's months have one digit of the year, and are those of this decade's contracts.
    """
    sizes = {_of_single(venue, leg) for leg in legs_of(symbol) or (symbol,)}
    if len(sizes) != 1:
        multipliers = {size.multiplier for size in sizes if size is not None}
        return ContractSize(multipliers.pop(), None) if None not in sizes and len(multipliers) == 1 else None
    return sizes.pop()


def _of_single(venue: str, symbol: str) -> ContractSize | None:
    product = base_of(product_of(symbol).lower())
    words = _SIZES.get((venue, product))
    if not words:
        return None
    digits = month_of(symbol)
    month = 200000 + int(digits) if digits is not None and len(digits) == 4 else _NOW
    size, step = words[:2]
    for first, later_size, later_step in zip(words[2::3], words[3::3], words[4::3], strict=True):
        if month >= int(first):
            size, step = later_size, later_step
    if is_option(symbol):
        own = _STEPS.get((venue, product))
        return ContractSize(Decimal(size), Decimal(own[0]) if own else None)
    return ContractSize(Decimal(size), Decimal(step))
