"""What a gateway says of its list of instruments."""

from __future__ import annotations

from collections.abc import Callable

from marketprism_application.contracts.instrument_list import INSTRUMENT_LIST, InstrumentList
from marketprism_application.ports.sources import MarketSource, book_source
from marketprism_sdk.service import rpc


class InstrumentAnswers:
    """Answers for the instruments of a source; `opened_at` is when the source was opened and asked for them."""

    def __init__(self, source: MarketSource, opened_at: Callable[[], float]) -> None:
        self._source = source
        self._opened_at = opened_at

    @rpc(INSTRUMENT_LIST)
    async def instrument_list(self, _: None) -> InstrumentList:
        """When the list was read last: by a source that reads it again by itself, else when it was opened."""
        keeper = book_source(self._source)
        again = keeper.figures().get("instruments_read_seconds", 0.0) if keeper is not None else 0.0
        return InstrumentList(self._source.traits.live, max(again, self._opened_at()))


__all__ = ["InstrumentAnswers"]
