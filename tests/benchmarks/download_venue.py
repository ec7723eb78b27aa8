"""A simulated spot market of Binance as a process of its own, for programs that download klines from it.

Its clock stands still at the end of the range, since some of them cannot be given an end. A fault strikes pages of
klines only: what a program does with a list of instruments that it did not get, is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from marketprism_adapters.venues.binance.simulate_past import BinancePast
from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_past import LISTED_MS, PastPage
from marketprism_adapters.venues.simulator.history_server import SimulatedHistoryServer
from marketprism_sdk.service import die_with_parent

MINUTE_MS = 60_000
_SHARE = 0.2
_WAIT_S = 1.0


@dataclass(frozen=True)
class Range:
    """So many minutes from the listing on, of instruments quoted in USDT by their bases. `hole`: minutes that the venue
    does not have, (from, before), counted from the listing."""

    minutes: int
    bases: tuple[str, ...]
    hole: tuple[int, int] | None = None

    @property
    def begin_ms(self) -> int:
        """The first minute."""
        return LISTED_MS

    @property
    def end_ms(self) -> int:
        """After the last minute."""
        return LISTED_MS + self.minutes * MINUTE_MS

    def past(self) -> BinancePast:
        """What the venue has."""
        past = BinancePast("spot", self.bases)
        for each in past.pasts.values():
            each.now_ms = lambda: self.end_ms
            if self.hole is not None:
                begin, end = (LISTED_MS + minute * MINUTE_MS for minute in self.hole)
                each.holes = ((begin, end),)
        return past

    def rows(self, base: str) -> dict[int, tuple[float, ...]]:
        """Open, high, low, close and volume of each minute that the venue has, by its time in milliseconds."""
        bars = self.past().pasts[f"{base}USDT"].bars(MINUTE_MS, self.begin_ms, self.end_ms - 1)
        return {
            bar.opened_ms: tuple(float(each) for each in (bar.open, bar.high, bar.low, bar.close, bar.volume))
            for bar in bars
        }


class _Past:
    """What the venue has, and its time, which one of the programs asks for."""

    def __init__(self, past: BinancePast) -> None:
        self._past = past
        self.market, self.pasts = past.market, past.pasts

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """As `BinancePast`, and `time`."""
        if path.endswith("/time"):
            return Reply(200, {"serverTime": next(iter(self.pasts.values())).now_ms()})
        return self._past.answer(path, query)


class _Venue(SimulatedHistoryServer):
    def _fault(self, question: str) -> str:
        return super()._fault(question) if "/klines" in question else ""


@contextmanager
def venue_of(wanted: Range, faults: Sequence[str] = (), latency_s: float = 0.0) -> Iterator[str]:
    """The URL of a venue with a range; a fifth of its pages have one of the faults, one question twice at most."""
    code = f"import asyncio\nfrom {__name__} import serve\nasyncio.run(serve({json.dumps(asdict(wanted))!r}, "
    code += f"{list(faults)!r}, {latency_s!r}))"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call)
    )
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait()


async def serve(wanted: str, faults: Sequence[str], latency_s: float) -> None:
    """The venue, until it is ended; its URL is its first line."""
    given = json.loads(wanted)
    hole = tuple(given["hole"]) if given["hole"] else None
    past = _Past(Range(given["minutes"], tuple(given["bases"]), hole).past())
    share = _SHARE if faults else 0.0
    async with _Venue(past, share=share, faults=faults, wait_s=_WAIT_S, latency_s=latency_s) as venue:
        print(venue.rest_url, flush=True)
        await asyncio.Event().wait()
