"""A live market of a venue as a source."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence

import structlog

from marketprism_adapters.venues.live.book_keeper import BookKeeper
from marketprism_adapters.venues.live.connection import Connection
from marketprism_adapters.venues.live.connection_pool import Shards
from marketprism_adapters.venues.live.frame_intake import FrameIntake
from marketprism_adapters.venues.live.instruments import Listed
from marketprism_adapters.venues.live.polls import Polls
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.trade_refill import TradeRefill
from marketprism_adapters.venues.live.wanted_streams import Wanted
from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.kinds import ORDERBOOK, TRADE
from marketprism_application.errors import SourceError
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_application.ports.scheduling import Scheduler
from marketprism_application.ports.sources import FrameTap, ResumePoint, SourceBatch, SourceTraits
from marketprism_application.venues.protocol import StreamKey, Venue
from marketprism_domain.events.registry import SubscriptionUpdated
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_sdk.resilience import Backoff, RateLimiter
from marketprism_sdk.service import PeriodicJobs

log = structlog.get_logger()

BACKOFF = Backoff(0.25, 30.0)  # between two attempts to connect
_IDLE_S = 0.05
_IN_VAIN_S = 6.0  # a connection that has stood and brought nothing for so long is cut when a book is asked for in vain


class VenueSource:
    """Fulfils `MarketSource` for one market. `connect` loads the instruments, `stream` connects and delivers."""

    # Not exclusive: anybody may listen; what is written is fenced.
    traits = SourceTraits(live=True, named=True, resumable=True, confirms_subscriptions=True, keeps_books=True)

    def __init__(
        self,
        venue: Venue,
        settings: VenueSettings,
        *,
        source: str = "",
        tap: FrameTap | None = None,
        scheduler: Scheduler | None = None,
        backoff: Backoff = BACKOFF,
        shared: RequestBudget | None = None,
    ) -> None:
        self.venue = venue
        self.source = source or venue.market
        self._settings = settings
        self._backoff = backoff
        self._scheduler: Scheduler = scheduler or PeriodicJobs()
        self.desk = FrameIntake(venue, self.source, settings, tap, settings.backlog, self._suspect)
        self.feed, self.health, self.parser = self.desk.feed, self.desk.health, self.desk.parser
        self.parser.kinds = frozenset(settings.kinds)
        self._rest = RestClient(venue.rest_url, venue.limits, shared)
        self._opened = contextlib.AsyncExitStack()  # what `connect` opened
        self.keeper = BookKeeper(
            venue, self.parser, self.feed.books, self._rest, self._book_again, audit_s=settings.audit_s
        )
        self.refill = TradeRefill(venue, self.feed, self._rest, self.desk.arrived, lambda: self.desk.merging)
        self._wanted = Wanted(settings.kinds, settings.intervals)
        self._shards = Shards(venue, settings.collectors, self._connection)
        self._connects = RateLimiter(venue.limits.connects_per_s, venue.limits.connects_at_once)
        self._polls = Polls(venue, self.feed, self._rest, self._scheduler, self.health, self.desk.arrived)
        self._changed: list[InstrumentRecord] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listed = Listed(venue, self.parser, self._rest, self.desk)
        self._symbols: tuple[str, ...] = settings.instruments

    def _suspect(self, symbols: Sequence[str]) -> None:
        self.keeper.suspect(symbols)

    # -- opening -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Load the instruments.

        Raises:
            SourceError: the venue is away (retryable), or knows none of the instruments that are wanted.
        """
        async with contextlib.AsyncExitStack() as opening:
            await opening.enter_async_context(self._rest)
            await self._listed.load()
            if not self._listed.fitting(self._symbols):
                raise SourceError(
                    f"source {self.venue.market}: expected instruments that the venue trades, "
                    f"was {', '.join(each + self._listed.hint(each) for each in self._symbols) or 'none'}"
                )
            self._opened = opening.pop_all()

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """Those that are subscribed."""
        return [self._listed.known[symbol] for symbol in self._fitting_now]

    @property
    def _fitting_now(self) -> list[str]:
        return [key for key in self._wanted.symbols if key in self._listed.known] or self._listed.fitting(self._symbols)

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        """Other instruments from now on; how many were added and removed."""
        self._symbols = tuple(patterns)
        if not self._listed.known or not self._tasks:
            return 0, 0
        added, removed = self._wanted.change(self._listed.fitting(self._symbols))
        await self._subscribe()
        self.health.forget(removed)
        left = {key.symbol for key in removed}
        self.feed.books.leave(left)
        new = {key.symbol for key in added}
        self.desk.events.append(SubscriptionUpdated(self.venue.market, len(new), len(left)))
        return len(new), len(left)

    async def _subscribe(self) -> None:
        """Streams and polls of what is wanted now."""
        keys = self._wanted.keys
        self.desk.symbols = self._wanted.symbols
        self.feed.books.welcome(self._wanted.symbols)
        await self._shards.change(keys)
        self.desk.connections = self._shards.connections
        self._polls.change(keys)

    # -- going on where somebody else left off -----------------------------------------------------------------------

    @property
    def venue_name(self) -> str:
        """The venue as subjects have it."""
        return self.venue.name

    @property
    def resumable(self) -> Sequence[str]:
        """The instruments that are going to be read."""
        return self._fitting_now

    def resume(self, resume_point: ResumePoint) -> None:
        """What is missing since then is fetched or named; what may not have been told as ticks is told."""
        kinds = self._settings.kinds
        self.desk.resume(resume_point, trades=TRADE.name in kinds, books=ORDERBOOK.name in kinds)

    # -- streaming ---------------------------------------------------------------------------------------------------

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:  # noqa: ARG002 (live)
        """What comes, until closed."""
        self._wanted.change(self._listed.fitting(self._symbols))
        await self._subscribe()
        self._tasks.append(asyncio.ensure_future(self.keeper.run()))
        self._tasks.append(asyncio.ensure_future(self.desk.watch()))
        self._tasks.append(asyncio.ensure_future(self.refill.run()))
        self._scheduler.every("instruments", self._settings.refresh_s, self._reload)
        clock, loop = time.monotonic(), asyncio.get_running_loop()
        while True:
            rest = loop.call_later(_IDLE_S, self.desk.arrived.set)
            await self.desk.arrived.wait()
            rest.cancel()
            self.desk.arrived.clear()
            now_ns = time.time_ns()
            if time.monotonic() - clock >= _IDLE_S:
                clock = time.monotonic()
                self.feed.on_clock(now_ns)
            collected = self.feed.collect()
            self.desk.waiting = 0
            events, self.desk.events = self.desk.events, []
            changed, self._changed = self._changed, []
            for task in (*self._tasks, *self._shards.tasks):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            yield SourceBatch(
                collected.ticks,
                now_ns,
                {self.source: now_ns},
                collected.gaps,
                events=events,
                messages=collected.messages,
                instruments=changed,
            )

    def _connection(self, url: str, streams: dict[str, StreamKey]) -> Connection:
        given = self._settings
        return Connection(
            self.venue,
            url,
            streams,
            self.desk,
            self._connects,
            backoff=self._backoff,
            lifetime_s=given.lifetime_s or None,
            silent_s=given.silent_s or None,
        )

    async def close(self) -> None:
        """Leave; `connect` and `stream` begin anew."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._shards.close()
        self._polls.left()
        await self._scheduler.close()
        await self._opened.aclose()
        self.desk.left()
        self._wanted = Wanted(self._settings.kinds, self._settings.intervals)

    @property
    def live_since(self) -> int:
        """When the first connection was there, nanoseconds UTC: nothing from before can be had again."""
        return self.desk.live_since

    @property
    def last_data_s(self) -> float:
        """When data of an instrument came last, by the monotonic clock."""
        return self.desk.last_data_s

    @property
    def skipped(self) -> dict[str, int]:
        """Frames that were no messages, by reason."""
        return self.desk.skipped

    @property
    def dropped(self) -> int:
        """Frames that nobody had room for."""
        return self.desk.dropped

    @property
    def deepest(self) -> int:
        """Most frames that ever waited."""
        return self.desk.deepest

    def book(self, venue: str, symbol: str, depth: int | None) -> BookView | None:
        """An instrument's book as it stands; `depth` None for every level that is known."""
        if venue != self.venue.name:
            return None
        return self.feed.books.show(symbol, depth)

    def figures(self) -> dict[str, float]:
        """Values of all metrics of the source by name."""
        rest = self._rest
        return {
            **self.desk.figures(),
            **self.keeper.figures(),
            **self.refill.figures(),
            "requests_total": float(rest.requests),
            "requests_refused_total": float(rest.refused),
            "requests_wait_seconds_total": rest.waits_s,
            "clock_skew_seconds": rest.skew_s,
            "instruments_read_seconds": self._listed.read_at,
        }

    def streams(self) -> list[dict[str, object]]:
        """Each stream in words: its state, and its quiet beside what it is used to."""
        return self.health.table()

    async def _book_again(self, symbol: str, *, in_vain: bool = False) -> None:
        for connection in self.desk.connections:
            names = [
                name for name, key in connection.streams.items() if (key.kind, key.symbol) == (ORDERBOOK.name, symbol)
            ]
            if not names:
                continue
            stood = connection.stood_s > _IN_VAIN_S  # after an outage everything was silent: it has to have its time
            if in_vain and stood and not self.health.flows(connection.streams.values(), _IN_VAIN_S):
                # Its answers and pongs keep it alive, and a book always begins with a snapshot.
                connection.cut("its subscriptions are answered and bring nothing")
            else:
                await connection.again(names)

    async def _reload(self) -> None:
        """The instrument list again: what was listed since, what trades no more, and what has other terms."""
        before = self._listed.known
        watched = set(self._wanted.symbols)
        await self._listed.load()
        added, removed = await self.subscribe(self._symbols)
        watched.update(self._wanted.symbols)
        changed = [
            terms
            for symbol, terms in self._listed.known.items()
            if symbol in watched and (symbol not in before or _terms(before[symbol]) != _terms(terms))
        ]
        self._changed += changed
        if added or removed or changed:
            log.info("instruments.changed", added=added, removed=removed, other_terms=len(changed))


def _terms(instrument: InstrumentRecord) -> InstrumentRecord:
    """What it says, without when it was said."""
    return instrument._replace(epoch=0, seq=0, ts_event=0, ts_recv=0, ts_pub=0)
