"""The instruments that a venue lists, and which of them are wanted."""

from __future__ import annotations

import fnmatch
import time
from collections import deque
from collections.abc import Sequence

from marketprism_adapters.venues.live.reception import Reception
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.errors import SourceError
from marketprism_application.venue import FrameParser, ParseRefused, Venue
from marketprism_domain.events import SubscriptionFailed
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class Listed:
    """`known` holds their terms by symbol, as of the last `load`."""

    def __init__(self, venue: Venue, parser: FrameParser, rest: RestClient, desk: Reception) -> None:
        self._venue = venue
        self._parser = parser
        self._rest = rest
        self._desk = desk
        self.known: dict[str, InstrumentRecord] = {}

    async def load(self) -> None:
        """Ask the venue.

        Raises:
            SourceError: it is away or refuses (retryable), or its list cannot be read.
        """
        found: dict[str, InstrumentRecord] = {}
        requests = deque(self._venue.instrument_requests())
        while requests:
            request = requests.popleft()
            body = await self._rest.get(request)
            try:
                answer = self._venue.answer(request.path, request.parameters, body, time.time_ns(), self._parser)
            except ParseRefused as error:
                raise SourceError(str(error), retryable=error.reason == "refused") from error
            found.update((each.symbol, each) for each in answer.instruments)
            self._desk.left_out(answer.refused)
            requests.extend(answer.more)
        self.known = found

    def fitting(self, patterns: Sequence[str]) -> list[str]:
        """The instruments that are wanted and trade. One that is named and does not is told."""
        wanted: dict[str, None] = {}
        for pattern in patterns:
            if any(sign in pattern for sign in "*?["):
                names = fnmatch.filter(self.known, pattern)
                wanted.update((name, None) for name in sorted(names) if self.known[name].status == "trading")
                continue
            terms = self.known.get(pattern)
            if terms is None:
                self._refused(pattern, "the venue does not list it")
            elif terms.status != "trading":
                self._refused(pattern, f"it is {terms.status}")
            else:
                wanted[pattern] = None
        return list(wanted)

    def _refused(self, symbol: str, why: str) -> None:
        self._desk.events.append(SubscriptionFailed(self._venue.name, symbol, why))
