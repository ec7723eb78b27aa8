"""A simulated venue that plays recordings: what the venue sent then is sent to whoever subscribes now."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.venues.recorded import ANSWER, Recorded, VenueRecording
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.dialect import Reply
from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.market import SimulatedPair
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.errors import SourceError
from marketprism_application.venue import ParseRefused

_SIZES = ("limit", "sz", "depth")
_LOOKED_AT = 20_000
_LONGEST_S = 1.0  # silences of a recording are not waited for longer than so


class _Stream(msgspec.Struct):
    stream: str = ""
    arg: dict[str, Any] | None = None
    params: dict[str, Any] | None = None


class PlayedVenueServer(SimulatedVenueServer):
    """Plays once, from the first subscription on. Requests are answered with what was answered then.

    Raises:
        SourceError: a recording is of another market, or holds nothing.
    """

    def __init__(
        self, market: str, paths: Sequence[Path], *, speed: float = 1.0, faults: Sequence[Fault] = (), port: int = 0
    ) -> None:
        recordings = [VenueRecording(path, market) for path in paths]
        rows = [row for recording in recordings for row in recording.rows()]
        dialect = MARKETS[market].simulate(())
        dialect.pairs = _pairs_of(market, rows)
        super().__init__(dialect, faults=faults, port=port)
        self._speed = speed
        self._rows = [row for row in rows if row.what != ANSWER]
        self._answers = [row for row in rows if row.what == ANSWER]
        if not self._rows:
            raise SourceError(f"recording {paths[0]}: expected frames, found none")
        self.played = 0

    async def _market(self) -> None:
        while not any(session.streams for session in self.sessions):  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.02)
        first, began = self._rows[0].ts_recv, time.monotonic()
        for row in self._rows:
            due = began + (row.ts_recv - first) / 1e9 / self._speed
            wait_s = due - time.monotonic()
            if wait_s > _LONGEST_S:
                began -= wait_s - _LONGEST_S
                wait_s = _LONGEST_S
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            stream = stream_of(row)
            if stream:
                self._book(stream, row.payload.decode())
            self.played += 1

    def _answered(self, path: str, query: Mapping[str, str], *, old: bool) -> Reply:  # noqa: ARG002 (there is no other)
        """The newest answer to the same question; a book from the moment that is being played."""
        name = path.rsplit("/", 1)[-1]
        same = [
            row for row in self._answers
            if row.path.rsplit("/", 1)[-1] == name
            and all(query.get(key) == value for key, value in row.parameters.items() if key not in _SIZES)
        ]  # fmt: skip
        if not same:
            return self.dialect.get(path, query, self.books, old=False)  # the instrument list, where none was recorded
        return Reply(200, msgspec.Raw(same[0].payload))


def _pairs_of(market: str, rows: Sequence[Recorded]) -> list[SimulatedPair]:
    """The instruments of a recording."""
    venue = MARKETS[market].make("", "")
    parser = venue.parser("played")
    symbols: dict[str, None] = {}
    for row in rows[:_LOOKED_AT]:
        with contextlib.suppress(ParseRefused):
            if row.what == ANSWER:
                venue.answer(row.path, row.parameters, row.payload, row.ts_recv, parser)
                continue
            for item in parser.parse(row.payload, row.ts_recv):
                symbol = getattr(item, "symbol", "")
                if symbol:
                    symbols[symbol] = None
    made = []
    for symbol in symbols:
        base, _, rest = symbol.partition("-")
        native = next(iter(venue.snapshot_request(symbol).parameters.values()))
        made.append(SimulatedPair(symbol, native, base, rest.partition("-")[0]))
    return made


def stream_of(row: Recorded) -> str:
    """The stream that a frame was pushed on, as clients subscribe it; empty for answers."""
    try:
        head = msgspec.json.decode(row.payload, type=_Stream)
    except msgspec.MsgspecError:
        return ""
    if head.stream:
        return head.stream
    if head.arg is not None and head.arg.get("channel"):
        return f"{head.arg['channel']}:{head.arg.get('instId') or head.arg.get('instType', '')}"
    return str((head.params or {}).get("channel", ""))
