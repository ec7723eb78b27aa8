"""A simulated venue that plays recordings: what the venue sent then is sent to whoever subscribes it now."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedPair
from marketprism_adapters.venues.recordings.line_formats import ANSWER, FRAME, Recorded
from marketprism_adapters.venues.recordings.recording import VenueRecording, in_order
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.recorded_streams import is_book, is_trade, retold, stream_of, topic_of
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import BOOKS, SimulatedVenueServer
from marketprism_adapters.venues.simulator.session import Session
from marketprism_application.contracts.kinds import VENUE_KINDS
from marketprism_application.errors import SourceError
from marketprism_application.venues.protocol import ParseRefused, RestRequest, StreamKey, read_answer, read_frame

_SIZES = ("limit", "sz", "depth")
_SIDES = frozenset({"bids", "asks", "a", "b"})
# What is answered without a recording of it: lists of the instruments that it has, clocks, and that no more trades are
# known. Anything else would be made up.
_MADE = frozenset(
    {
        "exchangeInfo",
        "fundingInfo",
        "instruments",
        "underlying",
        "get_instruments",
        "instruments-info",
        "ping",
        "time",
        "aggTrades",
        "history-trades",
        "get_last_trades_by_instrument",
    }
)
_BY_NOTHING = ("assumed", "name")  # what tells the market of a recording that may as well be of another
_LOOKED_AT = 20_000
_LONGEST_S = 1.0  # silences of a recording are not waited for longer than so
_SETTLED_S = 1.0  # a client subscribes with several messages, and on several connections
_INTERVALS = ("1m", "5m", "1h", "1d")
_WITH_INTERVAL = frozenset(kind.name for kind in VENUE_KINDS if kind.has_interval)


class _Frame(NamedTuple):
    ts_recv: int
    stream: str
    payload: bytes


class PlayedVenueServer(SimulatedVenueServer):
    """Plays once, when the first subscriptions have come. Requests are answered with what was answered then.

    A stream that was recorded at one pace is sent to whoever subscribes it at another, under that name.

    Raises:
        SourceError: a recording is of another market, or holds nothing.
    """

    def __init__(
        self, market: str, paths: Sequence[Path], *, speed: float = 1.0, faults: Iterable[Fault] = (), port: int = 0
    ) -> None:
        recordings = [_opened(path, market) for path in paths]
        rows = [row for recording, row in in_order(recordings) if (row.market or recording.market) == market]
        named = [_Frame(row.ts_recv, stream_of(row.payload), row.payload) for row in rows if row.what == FRAME]
        self._frames = [frame for frame in named if frame.stream]
        self._unnamed = len(named) - len(self._frames)
        self._answers = [row for row in rows if row.what == ANSWER]
        names = ", ".join(str(path) for path in paths)
        if not self._frames:
            raise SourceError(f"recording {names}: expected frames of {market}, found none")
        dialect = DIALECTS[market](())
        dialect.pairs = _pairs_of(market, rows)
        if not dialect.pairs:
            raise SourceError(f"recording {names}: expected frames of {market}, found none that can be read")
        super().__init__(dialect, faults=faults, port=port, levels=5)
        self._of_market = market
        self._speed = speed
        self._counts = Counter(frame.stream for frame in self._frames)
        self._of_topic: dict[str, str] = {}
        for stream, _ in self._counts.most_common():
            self._of_topic.setdefault(topic_of(stream), stream)
        self._asked: dict[str, dict[str, None]] = {}  # recorded stream: the streams that it is sent as
        self._asked_at = 0.0
        self._now = 0
        self.played = 0

    def recorded_for(self, stream: str) -> str:
        """The recorded stream that a subscription is served from, empty when there is none."""
        return stream if stream in self._counts else self._of_topic.get(topic_of(stream), "")

    def _unseen(self) -> Mapping[str, str]:
        as_it_was = "a recording is played as it is"
        return {"checksum": as_it_was, "stale_snapshot": as_it_was}

    # -- playing -----------------------------------------------------------------------------------------------------

    def _subscribe(self, session: Session, added: Sequence[str]) -> None:
        super()._subscribe(session, added)
        if added:
            self._asked_at = time.monotonic()
        for stream in added:
            source = self.recorded_for(stream)
            if source:
                self._asked.setdefault(source, {})[stream] = None

    def _begin(self, session: Session, stream: str) -> None:
        """With what was recorded."""

    async def _market(self) -> None:
        while not self._asked_at or time.monotonic() < self._asked_at + _SETTLED_S:  # noqa: ASYNC110 (no event for it)
            await asyncio.sleep(0.02)
        first, began = self._frames[0].ts_recv, time.monotonic()
        for frame in self._frames:
            due = began + (frame.ts_recv - first) / 1e9 / self._speed
            wait_s = due - time.monotonic()
            if wait_s > _LONGEST_S:
                began -= wait_s - _LONGEST_S
                wait_s = _LONGEST_S
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._now = frame.ts_recv
            for stream in self._asked.get(frame.stream, ()):
                self._push(stream, frame.payload)
            self.played += 1

    def _push(self, stream: str, payload: bytes) -> None:
        if not self._is_wanted(stream):
            return
        if is_book(stream):
            self._book(stream, retold(payload, stream))
        elif not (is_trade(stream) and self._armed.take("trade_gap")):
            self._send(stream, retold(payload, stream))

    # -- requests ----------------------------------------------------------------------------------------------------

    def _answered(self, path: str, query: Mapping[str, str], *, old: bool) -> Reply:  # noqa: ARG002 (there is no other)
        """The newest answer to the same question; a book from the moment that is being played."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        same = [
            row
            for row in self._answers
            if row.path.rsplit("/", 1)[-1] == name
            and all(query.get(key) == value for key, value in row.parameters.items() if key not in _SIZES)
        ]
        if not same:
            if name in _MADE:
                return self.dialect.get(path, query, self.books, old=False)
            return Reply(404, {"code": 404, "msg": f"{path}: the recording has no answer to this"})
        row = next((row for row in reversed(same) if row.ts_recv <= self._now), same[0])
        asked = next((query[key] for key in _SIZES if key in query), "")
        if not asked or not path.endswith(BOOKS):
            return Reply(200, msgspec.Raw(row.payload))
        return Reply(200, _cut(json.loads(row.payload), int(asked)))

    # -- in words ----------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """Frames that it plays."""
        return len(self._frames)

    def description(self) -> list[str]:
        """What the recording holds, and which kinds a gateway can have of it."""
        natives = {pair.native for pair in self.dialect.pairs}
        forms = Counter[str]()
        for stream, count in self._counts.items():
            forms[_form(stream, natives)] += count
        held = ", ".join(f"{form} {count:,}" for form, count in forms.most_common())
        more = f"; {self._unnamed:,} frames of no stream are left out" if self._unnamed else ""
        lines = [f"the recording holds {held}{more}"]
        served, missing = self._kinds(natives)
        lines.append(f"it serves {', '.join(served) or 'no kind'}")
        if missing:
            lines.append(f"it has nothing for {', '.join(missing)}")
        depths = [_levels(json.loads(row.payload)) for row in self._answers if row.path.endswith(BOOKS)]
        if depths:
            deep = f"{min(depths):,} to {max(depths):,}" if min(depths) < max(depths) else f"{depths[0]:,}"
            lines.append(f"it answers {len(depths):,} requests for a book, with {deep} levels")
        return lines

    def _kinds(self, natives: set[str]) -> tuple[list[str], list[str]]:
        """Kinds that it has streams for, and those that it has not, with the streams that they would need."""
        venue = MARKETS[self._of_market].make("", "")
        served, missing = [], []
        for kind, coverage in venue.coverage.items():
            if coverage.how == "poll":
                continue
            details = _INTERVALS if kind in _WITH_INTERVAL else ("",)
            keys = [StreamKey(kind, symbol, detail) for symbol in self.books for detail in details]
            names = [name for group in venue.groups(keys) for name in group.streams]
            if any(self.recorded_for(name) for name in names):
                served.append(kind)
            elif names:
                missing.append(f"{kind} ({_form(names[0], natives)})")
        return served, missing


def _opened(path: Path, market: str) -> VenueRecording:
    recording = VenueRecording(path)
    if market in recording.markets:
        return recording
    venue = market.partition("-")[0]
    if recording.market_by in _BY_NOTHING and recording.market.partition("-")[0] == venue:
        return VenueRecording(path, market)  # its frames have no sign of their own
    raise SourceError(f"recording {path}: expected frames of {market}, found those of {recording.market}")


def _pairs_of(market: str, rows: Sequence[Recorded]) -> list[SimulatedPair]:
    """The instruments of a recording, with as many decimals as their prices have."""
    venue = MARKETS[market].make("", "")
    parser = venue.parser("played")
    decimals: dict[str, int] = {}
    for row in rows[:_LOOKED_AT]:
        with contextlib.suppress(ParseRefused):
            if row.what == ANSWER:
                read_answer(venue, RestRequest(row.path, row.parameters), row.payload, row.ts_recv, parser)
            elif row.what == FRAME:
                for item in read_frame(parser, row.payload, row.ts_recv):
                    symbol = getattr(item, "symbol", "")
                    if symbol:
                        decimals[symbol] = max(decimals.get(symbol, 0), _decimals(item))
    made = []
    for symbol, places in decimals.items():
        base, _, rest = symbol.partition("-")
        native = next(iter(venue.snapshot_request(symbol).parameters.values()))
        made.append(SimulatedPair(symbol, native, base, rest.partition("-")[0], decimals=places))
    return made


def _decimals(item: object) -> int:
    """Of the prices in an item, zeros at their ends left out."""
    levels = [*(getattr(item, "bids", None) or ()), *(getattr(item, "asks", None) or ())]
    prices = [level[0] for level in levels] + [getattr(item, name, None) for name in ("price", "bid", "ask")]
    return max((len(str(price).partition(".")[2].rstrip("0")) for price in prices if price), default=0)


def _cut(held: Any, levels: int) -> Any:
    """An answer with a book in it, of so many levels at most."""
    if isinstance(held, list):
        return [_cut(each, levels) for each in held]
    if not isinstance(held, dict):
        return held
    return {
        key: value[: max(levels, 0)] if key in _SIDES and isinstance(value, list) else _cut(value, levels)
        for key, value in held.items()
    }


def _levels(held: Any) -> int:
    """Of the longer side of a book in an answer."""
    if isinstance(held, list):
        return max(map(_levels, held), default=0)
    if not isinstance(held, dict):
        return 0
    sides = [len(value) for key, value in held.items() if key in _SIDES and isinstance(value, list)]
    return max(sides, default=max(map(_levels, held.values()), default=0))


def _form(stream: str, natives: set[str]) -> str:
    """A stream without its instrument."""
    name, joined, kind = stream.partition("@")
    if joined:
        return f"{name}@{kind}" if name.startswith("!") else kind
    return ".".join(part for part in stream.partition(":")[0].split(".") if part not in natives)
