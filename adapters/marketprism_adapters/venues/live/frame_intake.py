"""What the connections of a source say: frames, losses, answers, silences."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from marketprism_adapters.venues.live.connection import Connection
from marketprism_adapters.venues.live.delays import Delays
from marketprism_adapters.venues.live.stream_health import StreamHealth
from marketprism_adapters.venues.live.wanted_streams import ITEM_KINDS
from marketprism_application.contracts.kinds import ORDERBOOK, TRADE, VENUE_KINDS
from marketprism_application.ports.sources import Channel, FrameTap, ResumePoint
from marketprism_application.venues.feed import FeedSettings, VenueFeed
from marketprism_application.venues.protocol import Control, ParseRefused, StreamKey, Venue
from marketprism_domain.books.sync import ANSWER_NS
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.events.registry import (
    AllInstrumentsSubscribed,
    MarketStatusReceived,
    StaleDataDetected,
    SubscriptionFailed,
)
from marketprism_domain.marketdata.orderbook import SNAPSHOT

log = structlog.get_logger()

_CHECK_S = 1.0
_NOTHING_S = 20.0
# Their numbers tell what is missing; quotes are made of books and trades.
_NUMBERED = frozenset({"quote", *(kind.name for kind in VENUE_KINDS if kind.numbered)})
_AGAIN_NS = 60_000_000_000  # an event of the same refusals no sooner than so
_EARLIER_NS = 10_000_000_000
_HEAD = 400  # bytes of a frame in which its stream is named
_SHOWN = 120
_ANSWERS = ("subscribed", "unsubscribed", "refused")


class FrameIntake:
    """Fulfils `ConnectionEvents`. What comes goes into `feed`; what happened is in `events` until somebody takes it.

    `suspect` hears of instruments whose book's stream has gone quiet.
    Frames that come while `backlog` messages wait to be taken are dropped, counted (`dropped`), and told as a gap.
    """

    def __init__(
        self,
        venue: Venue,
        source: str,
        settings: FeedSettings,
        tap: FrameTap | None,
        backlog: int,
        suspect: Callable[[Sequence[str]], None],
    ) -> None:
        self._venue = venue
        self._suspect = suspect
        self._tap = tap
        self._backlog = backlog
        self._channel = Channel(venue.market, f"venue.{venue.market}")
        self.feed = VenueFeed(
            venue, source, settings=settings, on_control=self._control, on_refused=self._refused, on_seen=self._seen
        )
        self.parser = self.feed.parser
        self.health = StreamHealth(venue.cadence_s)
        self.connections: list[Connection] = []
        self._wanted: dict[str, None] = {}
        self.events: list[object] = []
        self.arrived = asyncio.Event()
        self.skipped: dict[str, int] = {}
        self.waiting = self.dropped = self.deepest = 0
        self.live_since = 0
        self.last_data_s = 0.0
        self._overflow_from = 0
        self._down_at: dict[int, int] = {}
        self.delays = Delays()
        self._unread: dict[tuple[str, str], int] = {}  # instruments and kinds of which a frame was refused: since when
        self._reported: dict[str, tuple[int, int]] = {}  # refusals by reason: when an event told of them, and how many
        self._announced_all = False
        self._resume_point = ResumePoint()

    def left(self) -> None:
        """Every connection was closed: the next ones begin anew."""
        self.connections = []
        self.live_since = 0
        self._announced_all = False
        self.feed.books.lose_all("disconnected")

    def resume(self, resume_point: ResumePoint, *, trades: bool, books: bool) -> None:
        """Go on behind what somebody else published."""
        self._resume_point = resume_point if trades else ResumePoint()
        if trades:
            for trade in resume_point.recent:
                self.feed.tell_again(trade)
            if self._venue.dense_trades:
                for trade in resume_point.trades.values():
                    self.feed.resume_after(trade)
        if books:
            steps: Mapping[str, Any] = resume_point.books
            for symbol, step in steps.items():
                # A snapshot without a time of the venue has ours, which is later than the book.
                unstamped = step.form == SNAPSHOT and step.ts_event == step.ts_recv
                self.feed.books.resume_after(symbol, step.ts_event - (ANSWER_NS if unstamped else 0), step.seq)

    def _interrupted(self, now: int) -> None:
        """Holes that no number tells: of instruments without a last trade, and where numbers prove nothing."""
        resume_point, self._resume_point = self._resume_point, ResumePoint()
        for symbol in self.symbols:
            last = resume_point.trades.get(symbol)
            if last is not None and self._venue.dense_trades:
                continue
            since = resume_point.since if last is None else last.ts_event
            if 0 < since < now:
                self.feed.on_gap(symbol, since, now, now, "interrupted")
        if 0 < resume_point.since < now:
            self._name_uncounted(self.connections, resume_point.since, now, "interrupted")

    def _name_uncounted(self, connections: Iterable[Connection], since: int, now: int, cause: str) -> None:
        """A hole of the kinds that have no numbers to tell it by."""
        streams = {
            name: key
            for connection in connections
            for name, key in connection.streams.items()
            if key.kind not in _NUMBERED
        }
        affected = {(symbol, key.kind) for name, key in streams.items() for symbol in self._served(name, key)}
        for symbol, kind in sorted(affected):
            self._name(symbol, since, now, cause, kind)

    def _name(self, symbol: str, since: int, now: int, cause: str, kind: str = TRADE.name) -> None:
        """A hole between two receive times, by the venue's clock."""
        self.feed.on_gap(symbol, self.delays.earliest(since), self.delays.latest(now), now, cause, kind)

    def _served(self, name: str, key: StreamKey) -> Sequence[str]:
        """The instruments of a stream: its own, or all that have the same one."""
        if key.symbol in self._wanted:
            return (key.symbol,)
        groups = self._venue.groups
        return [
            symbol
            for symbol in self.symbols
            if any(name in group.streams for group in groups([key._replace(symbol=symbol)]))
        ]

    def _name_trades(self, symbols: Iterable[str], since: int, now: int, cause: str) -> None:
        """A hole of tapes whose numbers do not tell it: some are left out, or none was ever heard."""
        for symbol in symbols:
            if not self._venue.dense_trades or not self.feed.tape(symbol).last:
                self._name(symbol, since, now, cause)

    @property
    def symbols(self) -> Sequence[str]:
        """The instruments that are subscribed."""
        return list(self._wanted)

    @symbols.setter
    def symbols(self, wanted: Iterable[str]) -> None:
        self._wanted = dict.fromkeys(wanted)
        self.feed.only = {*(self.feed.only or ()), *self._wanted}  # what was left may still be on its way

    # -- connections -------------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, path: str) -> None:
        """A frame of a connection."""
        now = time.time_ns()
        if self._tap is not None:
            self._tap.frame(self._channel, frame, now)
        self.waiting += 1
        if self.waiting > self._backlog:
            self._overflow(now)
            return
        if self._overflow_from:
            self._resume(now)
        self.deepest = max(self.deepest, self.waiting)
        self.feed.on_frame(frame, now, path)
        self.arrived.set()

    def _overflow(self, now: int) -> None:
        """Nobody takes what comes: it is dropped and counted until there is room."""
        self.dropped += 1
        if not self._overflow_from:
            self._overflow_from = now
            self.parser.lost()
            self.feed.books.lose_all("overflow")

    def _resume(self, now: int) -> None:
        since, self._overflow_from = self._overflow_from, 0
        log.error("frames.dropped", dropped=self.dropped, reason="the pipeline is too slow")
        if TRADE.name in {key.kind for connection in self.connections for key in connection.streams.values()}:
            self._name_trades(self.symbols, since, now, "overflow")
        self._name_uncounted(self.connections, since, now, "overflow")

    def on_up(self, connection: Connection) -> None:
        """A connection stands: what it missed while it was down becomes gaps, unless another carried it."""
        now = time.time_ns()
        if not self.live_since:
            self.live_since = now
            self._interrupted(now)
        since = self._down_at.pop(id(connection), 0)
        if since and not self._others(connection):
            traded = sorted({key.symbol for key in connection.streams.values() if key.kind == TRADE.name})
            self._name_trades(traded, since, now, "disconnected")
            self._name_uncounted([connection], since, now, "disconnected")

    def on_down(self, connection: Connection, reason: str, retry_s: float) -> None:
        """A connection is lost."""
        log.warning("connection.lost", url=connection.url, reason=reason, retry_s=round(retry_s, 2))
        if connection.alive_ns:  # it was up at least once: what came before nobody waited for
            self._down_at.setdefault(id(connection), connection.alive_ns)
        if self._others(connection):
            return
        for key in connection.streams.values():
            if key.kind == ORDERBOOK.name and self.feed.books.find(key.symbol) is not None:
                self.feed.books.lose(key.symbol, "disconnected", time.time_ns(), unheard=True)
        self.arrived.set()

    def _others(self, connection: Connection) -> bool:
        """Whether another connection carries the same streams, and is up."""
        return any(
            each is not connection and each.up and each.streams == connection.streams for each in self.connections
        )

    @property
    def merging(self) -> bool:
        """Whether several connections bring the same streams: collectors, or one that is being renewed."""
        return any(connection.renewing or self._others(connection) for connection in self.connections)

    def on_closed(self, path: str) -> None:
        """A socket has ended."""
        self.feed.on_closed(path)

    def on_asked(self, keys: Iterable[StreamKey]) -> None:
        """Subscriptions are on their way."""
        self.health.asked(keys)

    def left_out(self, refused: Sequence[str]) -> None:
        """Instruments of the venue's list that cannot be read."""
        if refused:
            self.skipped["instrument"] = self.skipped.get("instrument", 0) + len(refused)
            log.warning("instruments.skipped", count=len(refused), first=list(refused[:3]))

    def figures(self) -> dict[str, float]:
        """Values of the metrics of connections, streams and frames by name."""
        connections = self.connections
        return {
            "connections_up": float(sum(connection.up for connection in connections)),
            "connections": float(len(connections)),
            "connects_total": float(sum(connection.connects for connection in connections)),
            "renewals_total": float(sum(connection.renewals for connection in connections)),
            "losses_total": float(sum(connection.losses for connection in connections)),
            **{f"streams_{state}": float(count) for state, count in self.health.counts().items()},
            "repeats_total": float(self.feed.repeats),
            "frames_total": float(self.feed.frames),
            "event_delay_shortest_seconds": self.delays.shortest / 1e9,
            "event_delay_longest_seconds": self.delays.longest / 1e9,
        }

    # -- what the frames say -----------------------------------------------------------------------------------------

    def _seen(self, item: object, _: str) -> None:
        kind = ITEM_KINDS.get(type(item))
        if kind is not None:
            seen: Any = item
            self.last_data_s = time.monotonic()
            interval = getattr(item, "interval", "")
            self.health.seen(StreamKey(kind, seen.symbol, interval), self.last_data_s, seen.ts_event)
            if kind in _NUMBERED:
                self.delays.add(seen.ts_event, seen.ts_recv)

    def _control(self, control: Control, path: str) -> None:
        if control.unknown:
            self.skipped["unknown"] = self.skipped.get("unknown", 0) + 1
            self._touched(b"", path, time.time_ns())
        if control.reply is not None:
            for connection in self.connections:
                connection.reply(path, control.reply)
        if control.what in _ANSWERS:
            for connection in self.connections:
                connection.answered(path)
        if control.what == "subscribed":
            self._confirmed(control, path)
        elif control.what == "refused":
            self._turned_down(control, path)
        elif control.what == "closing":
            log.warning("connection.closing", text=control.text)
            self.events.append(MarketStatusReceived(self._venue.name, "", control.text[:200]))
            for connection in self.connections:
                connection.renew_soon(path)

    def _keys_of(self, control: Control, path: str) -> list[StreamKey]:
        """Streams of an answer: by the number of the connection's own request, or by the stream's name."""
        connections = [connection for connection in self.connections if connection.carries(path)]
        keys = [key for connection in connections for key in connection.asked_in(control.stream)]
        return keys or [
            connection.streams[control.stream] for connection in connections if control.stream in connection.streams
        ]

    def _confirmed(self, control: Control, path: str) -> None:
        self.health.confirmed(self._keys_of(control, path))
        if not self._announced_all and not self.health.counts()["pending"]:
            self._announced_all = True
            self.events.append(AllInstrumentsSubscribed(self._venue.market, len(self.symbols)))

    def _turned_down(self, control: Control, path: str) -> None:
        self.skipped["refused"] = self.skipped.get("refused", 0) + 1
        keys = self._keys_of(control, path)
        log.warning("subscription.refused", text=control.text, streams=[str(key) for key in keys][:5])
        for key in keys:
            self.health.refused(key, control.text)
        for symbol in {key.symbol for key in keys}:
            self.events.append(SubscriptionFailed(self._venue.name, symbol, control.text[:200]))

    def _refused(self, error: ParseRefused, path: str) -> None:
        self.skipped[error.reason] = self.skipped.get(error.reason, 0) + 1
        count, now = self.skipped[error.reason], time.time_ns()
        if count in (1, 10, 100) or count % 1000 == 0:
            log.warning(
                "frame.refused",
                reason=error.reason,
                count=count,
                error=str(error)[:300],
                path=path,
                begins=repr(error.frame[:_SHOWN]),
                bytes=len(error.frame),
            )
        reported_at, reported = self._reported.get(error.reason, (0, 0))
        if now - reported_at > _AGAIN_NS:
            self._reported[error.reason] = now, count
            self.events.append(FrameRefused(self._venue.market, error.reason, str(error)[:300], count - reported))
        self._touched(error.frame, path, now)

    def _touched(self, frame: bytes, path: str, now: int) -> None:
        """What a frame may have carried that could not be read counts as missing: of the stream that it names, else of
        all streams of its connection. Books of those show by their numbers whether anything is missing."""
        carried = {
            name: key
            for connection in self.connections
            if connection.carries(path)
            for name, key in connection.streams.items()
        }
        head = frame[:_HEAD]
        named = {name: key for name, key in carried.items() if _is_named(name, head)}
        since = self.delays.earliest(now) - _EARLIER_NS
        for name, key in (named or carried).items():
            until = self.health.known_until(key)
            for symbol in self._served(name, key):
                if key.kind != ORDERBOOK.name:
                    self._unread.setdefault((symbol, key.kind), max(since, until))
                elif named:
                    self.feed.missing(symbol, key.kind, since, now, "malformed")
        self.arrived.set()

    def _name_unread(self) -> None:
        now = time.time_ns()
        unread, self._unread = self._unread, {}
        for (symbol, kind), since in unread.items():
            self.feed.missing(symbol, kind, since, max(self.delays.latest(now), since + 1), "malformed")

    async def watch(self) -> None:
        """Streams that went quiet are subscribed anew; a connection most of whose streams did is cut."""
        while True:
            await asyncio.sleep(_CHECK_S)
            if self._unread:
                self._name_unread()
            stale = self.health.stale()
            if not stale:
                continue
            keys = {key for key, _ in stale}
            for key, silence in stale:
                self.events.append(StaleDataDetected(self._venue.name, key.symbol, round(silence, 3)))
            self._suspect([key.symbol for key in keys if key.kind == ORDERBOOK.name])
            if not self._venue.rule.by_request:  # whoever keeps the books subscribes those anew
                keys = {key for key in keys if key.kind != ORDERBOOK.name}
            for connection in self.connections:
                names = [name for name, key in connection.streams.items() if key in keys]
                if len(names) * 2 > len(connection.streams) and not self.health.flows(
                    connection.streams.values(), _NOTHING_S
                ):
                    connection.cut("most of its streams are silent")
                elif names:
                    await connection.again(names)


def _is_named(stream: str, head: bytes) -> bool:
    """Whether the beginning of a frame names a stream: all parts of its name, each as a text of its own."""
    return all(f'"{part}"'.encode() in head for part in stream.split(":"))
