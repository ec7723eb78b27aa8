"""What is known of an instrument where they are searched, and their order where a text fits them alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from string import ascii_letters
from typing import NamedTuple

from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import class_of, month_of, product_of
from marketprism_domain.instruments.product_names import chinese_name, english_name

_QUOTES = {"": 0, "USDT": 0, "USD": 1, "USDC": 1}
_DERIVED = {"option": 1, "combination": 2}
_DAY = re.compile("[0-9]{8}")


class ListedInstrument(NamedTuple):
    """What is known of an instrument: `arrow_tables.LISTING`. Times are nanoseconds UTC."""

    symbol: str
    venue: str
    stored: bool = True
    ts_last: int | None = None
    open_interest: Decimal | None = None
    product: str = ""
    class_: str = ""
    underlying: str = ""
    option_type: str = ""
    expire_day: str = ""
    name: str = ""
    native: str = ""
    quote: str = ""

    def with_terms(self) -> ListedInstrument:
        """With what its code says where no terms are known: product, class and, of an option, its side."""
        symbol, chinese = self.symbol, is_chinese(self.venue)
        pair = symbol.split("-")
        product = self.product or (product_of(symbol) if chinese else "-".join(pair[:2]))
        class_ = self.class_ or (class_of(symbol) if chinese else _CLASS_OF.get(pair[-1], ""))
        side = self.option_type or (_side_of(symbol) if class_ == "option" else "")
        quote = self.quote or (pair[1] if not chinese and len(pair) in (2, 3) else "")
        return self._replace(product=product, class_=class_, option_type=side, quote=quote)

    @property
    def shown_name(self) -> str:
        """The venue's name; at a Chinese exchange that of its product where the venue writes nothing but a code."""
        if self.name and (not is_chinese(self.venue) or not self.name.isascii()):
            return self.name
        return chinese_name(self.venue, self.symbol) or ("" if self.name == self.symbol else self.name)

    @property
    def english(self) -> str:
        """The product's English name, empty where nobody knows it."""
        return english_name(self.venue, self.symbol)


_CLASS_OF = {"PERP": "swap", "C": "option", "P": "option"}


def _side_of(symbol: str) -> str:
    letters = "".join(char for char in symbol if char in "CP")[-1:]
    return {"C": "call", "P": "put"}.get(letters, "")


def month_number(symbol: str, today: str) -> str:
    """The delivery month of a Chinese future or option as YYYYMM, empty where its code names none. One digit of a year
    is that of the decade in which the month is at most three years ahead of `today` (YYYYMMDD)."""
    digits = month_of(symbol[: month_end(symbol)])
    if digits is None:
        return ""
    if len(digits) == 4:
        return f"20{digits}"
    year = int(today[:3] + digits[0])
    return f"{year - 10 if year > int(today[:4]) + 3 else year}{digits[1:]}"


def month_end(symbol: str) -> int:
    """Where the letters and the month of a code end: behind them an option has its side."""
    end = len(symbol) - len(symbol.lstrip(ascii_letters))
    while end < len(symbol) and symbol[end].isdecimal():
        end += 1
    return end


def in_order(instruments: Iterable[ListedInstrument], today: str) -> list[ListedInstrument]:
    """The instruments, those before that are likelier meant."""
    placed = []
    most: dict[tuple[str, str], Decimal] = {}
    for each in instruments:
        month = month_number(each.symbol, today) if is_chinese(each.venue) else ""
        day = each.expire_day or (f"{month}31" if month else "")
        expired = day != "" and day < today
        placed.append((each, day, expired))
        if each.stored and not expired and each.class_ == "future" and each.open_interest is not None:
            key = (each.venue, each.product)
            most[key] = max(most.get(key, Decimal(0)), each.open_interest)

    def place(entry: tuple[ListedInstrument, str, bool]) -> tuple[object, ...]:
        each, day, expired = entry
        main = not expired and each.class_ == "future" and each.open_interest == most.get((each.venue, each.product))
        nearest = int(day) if _DAY.fullmatch(day) else 0
        return (
            not each.stored,
            expired,
            _DERIVED.get(each.class_, 0),
            each.open_interest is None or not main,
            -nearest if expired else nearest,
            _QUOTES.get(each.quote, 2),
            each.symbol,
            each.venue,
        )

    return [each for each, _, _ in sorted(placed, key=place)]
