"""The session of a gateway with its source, on logs, positions and events in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from marketprism_adapters.memory.gateway import MemoryEventLog, MemoryLogs, MemoryObserver, MemoryPositions, StaleEpoch
from marketprism_application.errors import SourceError
from marketprism_application.gateway.connection_schedule import ConnectionSchedule
from marketprism_application.gateway.orders import SubscriptionOrder
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.gateway.session import GatewaySession, SessionPorts
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.events.registry import AllInstrumentsSubscribed, HeartbeatReceived, SubscriptionFailed
from marketprism_domain.gateway import Gateway, GatewayState, RetryPolicy
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import tick

OPENED = [
    "GatewayInitialized",
    "MarketSourceConnected",
    "GatewayAuthenticationSucceeded",
    "ContractDataRequested",
    "ContractDataReceived",
    "InstrumentsLoaded",
    "SubscriptionRequested",
]
SUBSCRIBED = ["AllInstrumentsSubscribed", "MarketOpeningSequenceCompleted"]


class Recording:
    """A source that is read from its beginning, and fails where an error lies among its batches."""

    traits = SourceTraits(recording=True, counts_rows=True)

    def __init__(self, *batches: SourceBatch | Exception) -> None:
        self.batches = batches
        self.refuses: Exception | None = None
        self.rows = {"test": 3}
        self.skipped = {"header": 1}
        self.calls: list[str] = []

    async def connect(self) -> None:
        self.calls.append("connect")
        if self.refuses is not None:
            raise self.refuses

    async def instruments(self) -> Sequence[InstrumentRecord]:
        return ()

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        assert not after
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    async def close(self) -> None:
        self.calls.append("close")


class Live(Recording):
    """A source that nothing can be had from again."""

    traits = SourceTraits(live=True, named=True, exclusive=True, confirms_subscriptions=True)
    source = "test"
    dropped = deepest = 0
    live_since = 7
    last_data_s = 0.0

    def __init__(self, *batches: SourceBatch | Exception) -> None:
        super().__init__(*batches)
        self.subscribed: list[tuple[str, ...]] = []

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        self.subscribed.append(tuple(patterns))
        return len(patterns), 0


def batch(*seqs: int, finished: bool = False, events: Sequence[Any] = ()) -> SourceBatch:
    ticks = [tick(f"2025-03-03 09:00:0{seq}", seq=seq) for seq in seqs]
    positions = {"test": max(seqs)} if seqs else {}
    return SourceBatch(ticks, ticks[-1].ts_recv if ticks else 0, positions, finished=finished, events=events)


class StreamPlace:
    """A session and everything around it."""

    def __init__(self, source: Recording, calendar: MarketCalendar, limit: int = 0) -> None:
        self.logs, self.positions = MemoryLogs(), MemoryPositions()
        self.events, self.observer = MemoryEventLog(), MemoryObserver()
        self.schedule = ConnectionSchedule()
        self.now_s = 0.0
        self.read_over: list[dict[str, int]] = []
        self._beside: set[asyncio.Task[None]] = set()
        self.session = GatewaySession(
            Gateway("ctp", RetryPolicy(0.001, 0.002, limit)),
            source,
            self.schedule,
            calendar,
            lambda: TickPacker(calendar, lambda _: 0),
            SessionPorts(self.logs.open, self.positions, self.events, self.observer, self.observer),
            beside=self.beside,
            read_over=lambda known: self.read_over.append(dict(known)),
            now_s=self.later,
        )

    def later(self) -> float:
        self.now_s += 0.6
        return self.now_s

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._beside.add(task := asyncio.create_task(work))
        task.add_done_callback(self._beside.discard)

    def seqs(self) -> list[int]:
        return [each.source_seq for _, packed in self.logs.raw for each in packed.ticks]


async def test_a_recording_is_read_to_its_end_and_everything_of_it_is_in_the_log(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2, 3, finished=True)), calendar)
    assert await place.session.read(4)
    assert place.seqs() == [1, 2, 3]
    assert {(packed.epoch, packed.resumed) for _, packed in place.logs.raw} == {(4, 0)}
    assert place.positions.ended == {"test": (3, {"header": 1})}
    assert place.events.names[: len(OPENED) + 2] == OPENED + SUBSCRIBED
    assert place.session.ticks == 3
    assert place.observer.counts == {"messages": 0, "ticks": 3, "refused header": 1}
    assert place.observer.seen == [("finished", 3)]
    assert place.logs.opened == place.logs.closed == 1


async def test_what_is_in_the_log_already_is_read_over_and_not_sent(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2), batch(3), batch(4, finished=True)), calendar)
    place.positions.positions = {"test": 2}
    assert await place.session.read(1)
    assert place.seqs() == [3, 4]
    await asyncio.sleep(0)
    assert place.read_over[0] == {"test": 2}


async def test_positions_that_were_saved_last_are_asked_for_besides(calendar: MarketCalendar) -> None:
    """What a replica has may be older, and is known at once."""
    place = StreamPlace(Recording(batch(1), batch(2), batch(3, finished=True)), calendar)
    place.positions.positions, place.positions.last = {"test": 1}, {"test": 2}
    assert await place.session.read(1)
    assert place.read_over == [{"test": 1}, {"test": 2}]
    assert place.seqs() == [2, 3], "what comes again in the log is known there"
    assert place.positions.asked_within == [0.0, 30.0]


async def test_who_does_not_read_any_more_asks_for_no_positions(calendar: MarketCalendar) -> None:
    """Asking writes how the source is: somebody else may lead by then."""
    place = StreamPlace(Recording(batch(1), ValueError("broken")), calendar)
    place.positions.answers.clear()
    with pytest.raises(ValueError, match="broken"):
        await place.session.read(1)
    place.positions.answers.set()
    await asyncio.sleep(0.01)
    assert place.read_over == [{}]


async def test_positions_are_saved_only_behind_what_is_in_the_log(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2), batch(3), ValueError("broken")), calendar)
    place.session.trouble = "of before"
    with pytest.raises(ValueError, match="broken"):
        await place.session.read(1)
    assert place.positions.positions == {"test": 2}
    assert place.session.trouble == "", "reading has gone well since"
    assert place.logs.closed == 1


async def test_ticks_do_not_wait_for_the_positions(calendar: MarketCalendar) -> None:
    """A position that nobody takes now holds up its own save, the end of the recording, and nothing else."""
    place = StreamPlace(Recording(*(batch(seq) for seq in range(1, 6)), batch(6, finished=True)), calendar)
    place.positions.answers.clear()
    reading = asyncio.create_task(place.session.read(1))
    while place.session.ticks < 6:
        await asyncio.sleep(0)
    assert not reading.done()
    assert place.positions.positions == {}
    place.positions.answers.set()
    assert await reading
    assert place.positions.saved == [{"test": 2}], "one save at a time"
    assert place.seqs() == [1, 2, 3, 4, 5, 6]


async def test_a_position_that_cannot_be_saved_ends_the_reading(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(*(batch(seq) for seq in range(1, 6))), calendar)
    place.positions.broken = StaleEpoch("positions")
    with pytest.raises(StaleEpoch, match="positions"):
        await place.session.read(1)
    assert place.logs.closed == 1


async def test_only_a_live_source_says_how_long_its_ticks_took(calendar: MarketCalendar) -> None:
    batches = (batch(1), batch(2, finished=True))
    for source, times in ((Recording(*batches), 0), (Live(*batches), 2)):
        place = StreamPlace(source, calendar)
        assert await place.session.read(1)
        assert len(place.observer.took_s) == times


async def test_a_connection_that_is_not_wanted_any_more_is_left_with_everything_flushed(
    calendar: MarketCalendar,
) -> None:
    place = StreamPlace(source := Recording(batch(1), batch(2), batch(3)), calendar)
    place.schedule.follow(SubscriptionOrder(connected=False))
    assert not await place.session.read(1)
    assert place.seqs() == [1]
    waiting = asyncio.create_task(place.session.wait(1))
    while ("waiting", 1, None) not in place.observer.seen:
        await asyncio.sleep(0)
    assert place.events.names[-2:] == ["MarketClosingSequenceCompleted", "MarketSourceDisconnected"]
    assert source.calls == ["connect", "close"]
    place.schedule.follow(SubscriptionOrder(connected=True))
    await waiting
    assert place.observer.seen[-1] == ("wanted", 1)


async def test_a_live_source_tells_itself_when_it_is_subscribed_and_follows_the_order(
    calendar: MarketCalendar,
) -> None:
    events = (AllInstrumentsSubscribed("x", 5), HeartbeatReceived("x"), SubscriptionFailed("shfe", "rb9", "no such"))
    source = Live(batch(1, events=events), batch(2, finished=True))
    place = StreamPlace(source, calendar)
    place.schedule.follow(SubscriptionOrder(instruments=("rb*",)))
    assert await place.session.read(1)
    assert source.subscribed == [("rb*",)]
    assert place.observer.seen == [("subscribed", 1, 0), ("finished", 2)]
    assert place.events.names[: len(OPENED) + 3] == [*OPENED, *SUBSCRIBED, "HeartbeatReceived"]
    assert place.session.gateway.state == GatewayState.SUBSCRIBED
    assert place.positions.refused == {"rb9": "no such"}
    assert [packed.resumed for _, packed in place.logs.raw] == [7, 0], "the first of a chain says since when it is live"


async def test_events_that_cannot_be_published_do_not_stop_the_ticks(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2, finished=True)), calendar)

    class Breaking(Recording):
        async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
            place.events.broken = ValueError("not published")
            async for each in super().stream(after):
                yield each

    place = StreamPlace(Breaking(batch(1, events=(HeartbeatReceived("x"),)), batch(2, finished=True)), calendar)
    assert await place.session.read(1)
    assert place.seqs() == [1, 2]
    assert place.observer.seen == [("events_lost", "not published", "HeartbeatReceived"), ("finished", 2)]


async def test_a_leader_of_before_writes_nothing_more(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2, finished=True)), calendar)
    await place.logs.open(9)
    with pytest.raises(StaleEpoch):
        await place.session.read(8)
    assert not place.logs.raw


async def test_a_source_that_is_away_is_tried_again_up_to_its_limit(calendar: MarketCalendar) -> None:
    place = StreamPlace(source := Recording(), calendar, limit=2)
    source.refuses = error = SourceError("away", retryable=True)
    for left in (True, True, False):
        with pytest.raises(SourceError):
            await place.session.read(1)
        assert await place.session.retry(error, 1) is left
        assert not place.positions.failed
        assert place.positions.error == place.session.error == "away"
    assert place.observer.seen == [("retrying", "away", 0.001), ("retrying", "away", 0.002), ("retrying", "away", None)]
    assert place.events.names.count("ConnectionRetryScheduled") == 2
    assert place.events.names[-1] == "ConnectionRetryExhausted"
    await place.session.fail(error, 1)
    assert not place.session.healthy
    source.refuses = None
    await place.session.read(1)
    assert place.session.healthy


@pytest.mark.parametrize(
    ("refused", "event"), [(True, "GatewayAuthenticationFailed"), (False, "GatewayInitializationFailed")]
)
async def test_a_source_that_cannot_go_on_is_told_and_logged_out(
    calendar: MarketCalendar, refused: bool, event: str
) -> None:
    place = StreamPlace(source := Recording(), calendar)
    source.refuses = error = SourceError("wrong password", refused=refused)
    with pytest.raises(SourceError):
        await place.session.read(1)
    await place.session.fail(error, 1)
    assert place.events.names == ["GatewayInitialized", event, "MarketSourceDisconnected"]
    assert (place.positions.failed, place.positions.group) == (True, "ctp")
    assert source.calls == ["connect", "close"]
    assert place.observer.seen == [("failed", "wrong password")]


async def test_what_nobody_has_foreseen_is_trouble_until_reading_goes_well(calendar: MarketCalendar) -> None:
    place = StreamPlace(Recording(batch(1), batch(2), batch(3, finished=True)), calendar)
    delays: list[float] = []

    def seen(delay_s: float) -> None:
        delays.append(delay_s)
        failing.cancel()  # the pause is not waited for

    for _ in range(2):
        failing = asyncio.create_task(place.session.unforeseen("KeyError: 'T'", 1, seen))
        await asyncio.gather(failing, return_exceptions=True)
    assert delays == [1.0, 2.0]
    assert place.session.error == "KeyError: 'T'"
    assert not place.session.healthy
    assert await place.session.read(1)
    assert place.session.healthy
