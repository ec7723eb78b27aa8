"""What the read side answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.listing_cache import KnownInstruments
from marketprism_application.queries.symbol_names import NameIndex


class Reading(NamedTuple):
    """What there is to answer with: a store, what is known beside it, the names of what is stored, and the list of the
    instruments that are searched."""

    store: StoreReader
    rules: ReadRules | None
    names: Callable[[], Awaitable[NameIndex]]
    listing: Callable[[], Awaitable[KnownInstruments]]
