"""Which streams are wanted, and of which stream an item is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketprism_application.contracts.kinds import KINDS, ORDERBOOK
from marketprism_application.contracts.venue_messages import KIND_OF
from marketprism_application.venues.protocol import Quote, StreamKey
from marketprism_domain.books.chain import BookChange

ITEM_KINDS: dict[Any, str] = {
    **{made: kind.name for made, kind in KIND_OF.items()},
    BookChange: ORDERBOOK.name,
    Quote: "quote",
}


class Wanted:
    """The streams of the instruments that are subscribed."""

    def __init__(self, kinds: Sequence[str], intervals: Sequence[str]) -> None:
        self._kinds = kinds
        self._intervals = intervals
        self.symbols: dict[str, None] = {}

    def change(self, symbols: Sequence[str]) -> tuple[list[StreamKey], list[StreamKey]]:
        """Take other instruments; the streams that are added and removed by it."""
        added = [symbol for symbol in symbols if symbol not in self.symbols]
        wanted = set(symbols)
        removed = [symbol for symbol in self.symbols if symbol not in wanted]
        self.symbols = dict.fromkeys(symbols)
        return self._keys(added), self._keys(removed)

    @property
    def keys(self) -> list[StreamKey]:
        """The streams of all of them."""
        return self._keys(list(self.symbols))

    def _keys(self, symbols: Sequence[str]) -> list[StreamKey]:
        keys = []
        for symbol in symbols:
            for name in self._kinds:
                kind = KINDS.get(name)  # none of a quote: it has a stream, but no table
                details = self._intervals if kind is not None and kind.has_interval else ("",)
                keys += [StreamKey(name, symbol, detail) for detail in details]
        return keys
