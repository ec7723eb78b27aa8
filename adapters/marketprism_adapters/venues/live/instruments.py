"""The instruments that a venue lists, and which of them are wanted."""

from __future__ import annotations

import fnmatch
import time
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from marketprism_adapters.venues.live.frame_intake import FrameIntake
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.contracts.nearest import nearest
from marketprism_application.errors import SourceError
from marketprism_application.venues.protocol import FrameParser, ParseRefused, RestRequest, Venue, read_answer
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_domain.instruments.written_names import is_pattern
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_ALIKE = 0.75  # names share their quote currency: what is less alike is another instrument


class Listed:
    """`known` holds their terms by symbol, as of the last `load`, which was at `read_at` (seconds since 1970)."""

    def __init__(self, venue: Venue, parser: FrameParser, rest: RestClient, desk: FrameIntake) -> None:
        self._venue = venue
        self._parser = parser
        self._rest = rest
        self._desk = desk
        self.known: dict[str, InstrumentRecord] = {}
        self.read_at = 0.0
        self._brought: dict[str, Sequence[InstrumentRecord]] = {}
        self._warned: dict[str, str] = {}

    async def load(self) -> None:
        """Ask the venue.

        A list of its own that another one names (the options of an underlying) is left out when it is refused; what it
        brought the time before stays. A page belongs to the list that it goes on with.

        Raises:
            SourceError: it is away or refuses (retryable), or its list cannot be read.
        """
        brought: dict[str, Sequence[InstrumentRecord]] = {}
        asked = deque((request, True) for request in self._venue.instrument_requests())
        while asked:
            request, needed = asked.popleft()
            name = _name(request)
            body = await self._rest.get(request)
            try:
                answer = read_answer(self._venue, request, body, time.time_ns(), self._parser)
            except ParseRefused as error:
                if needed or error.reason != "refused":
                    raise SourceError(str(error), retryable=error.reason == "refused") from error
                brought[name] = self._brought.get(name, ())
                self._desk.left_out([f"{name}: {error}"])
                continue
            brought[name] = answer.instruments
            self._desk.left_out(answer.refused)
            asked.extend((each, needed and each.path == request.path) for each in answer.more)
        self._brought = brought
        self.known = {each.symbol: each for found in brought.values() for each in found}
        self.read_at = time.time()

    def fitting(self, patterns: Sequence[str]) -> list[str]:
        """The instruments that are wanted and trade. One that is named and does not is told."""
        wanted: dict[str, None] = {}
        for pattern in patterns:
            if is_pattern(pattern):
                names = fnmatch.filter(self.known, pattern)
                wanted.update((name, None) for name in sorted(names) if self.known[name].status == "trading")
                continue
            terms = self.known.get(pattern)
            if terms is None:
                self._refused(pattern, "the venue does not list it", self.hint)
            elif terms.status != "trading":
                self._refused(pattern, f"it is {terms.status}")
            else:
                wanted[pattern] = None
        return list(wanted)

    def hint(self, name: str) -> str:
        """What may have been meant by a name that nobody has."""
        plain = _plain(name)
        same = [symbol for symbol, terms in self.known.items() if plain in (_plain(symbol), _plain(terms.native))]
        near = same or nearest(name, self.known, 1, _ALIKE)
        return f"; did you mean {near[0]}?" if near else ""

    def _refused(self, symbol: str, why: str, hint: Callable[[str], str] = lambda _: "") -> None:
        """Once, until the reason is another one. A hint looks through the whole list: only where it is told."""
        if self._warned.get(symbol) != why:
            self._warned[symbol] = why
            self._desk.events.append(SubscriptionFailed(self._venue.name, symbol, why + hint(symbol)))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).upper()


def _name(request: RestRequest) -> str:
    return f"{request.path}?{urlencode(request.parameters)}"
