"""Halts of an instrument by what is stored of it: a counter's words about its product, or a venue's about itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import EVENT, INSTRUMENT
from marketprism_application.contracts.questions import MAX_LIMIT, Question, Records
from marketprism_application.queries.paging import all_pages
from marketprism_domain.events.sessions import (
    MarketHalted,
    MarketStatusReceived,
    TradingSessionOpened,
    TradingSessionResumed,
)
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.trading.halts import Halted, halts_of

Ask = Callable[[Question], Awaitable[pa.Table]]
_BEGINS: Final = MarketHalted.__name__
_ENDS: Final = (TradingSessionOpened.__name__, TradingSessionResumed.__name__)
_STATUS: Final = MarketStatusReceived.__name__
_OF_EVENTS = tuple(dict.fromkeys((*EVENT.page_key, "name", "ts_event", "data")))
_OF_TERMS = tuple(dict.fromkeys((*INSTRUMENT.page_key, "ts_event", "status")))


async def stored_halts(ask: Ask, venue: str, symbol: str, ts_from: int | None, ts_to: int | None) -> tuple[Halted, ...]:
    """When an instrument was halted, by the stored rows, nanoseconds UTC; a halt that began up to a day before
    `ts_from` is found too. Raises what `ask` raises."""
    words = _of_product if is_chinese(venue) else _of_itself
    return halts_of(await words(ask, venue, symbol, None if ts_from is None else ts_from - NANOS_PER_DAY, ts_to))


class _Of(msgspec.Struct, frozen=True):
    """What of an event's own fields says whose it is, and in which phase that is."""

    product: str = ""
    status: str = ""


async def _of_product(
    ask: Ask, venue: str, symbol: str, ts_from: int | None, ts_to: int | None
) -> list[tuple[int, bool]]:
    """A halt begins where a counter's phase is against the table of sessions, and ends with the next trading."""
    product, found = product_of(symbol).lower(), list[tuple[int, bool]]()
    # Events of a product are of no instrument: their symbol is empty.
    question = Records(EVENT.name, "", venue, ts_from, ts_to, limit=MAX_LIMIT, fields=_OF_EVENTS)
    async for page in all_pages(ask, question):
        for row in page.to_pylist():
            name = row["name"]
            if name not in (_BEGINS, _STATUS, *_ENDS):
                continue
            try:
                of = msgspec.json.decode(row["data"], type=_Of)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # an event of another version, which no halt can be read of
            if of.product.lower() != product or (name == _STATUS and of.status != "continuous"):
                continue
            found.append((row["ts_event"], name == _BEGINS))
    return found


async def _of_itself(
    ask: Ask, venue: str, symbol: str, ts_from: int | None, ts_to: int | None
) -> list[tuple[int, bool]]:
    """Terms of an instrument say its state from their time on."""
    question = Records(INSTRUMENT.name, symbol, venue, ts_from, ts_to, limit=MAX_LIMIT, fields=_OF_TERMS)
    found: list[tuple[int, bool]] = []
    async for page in all_pages(ask, question):
        found += [(row["ts_event"], row["status"] == "halted") for row in page.to_pylist()]
    return found


__all__ = ["stored_halts"]
