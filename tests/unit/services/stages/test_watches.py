"""What is told of losses and of clocks, and for how long health shows it."""

from __future__ import annotations

from marketprism_domain.events.pipeline import ClockOff, StreamReplaced, StreamTruncated
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.state import ClockState
from marketprism_sdk.observability import Metrics
from marketprism_sdk.streams import InputCut
from marketprism_services.stages.input_losses import OUT_OF_CHAIN_S, TRUNCATED_S, InputLosses
from marketprism_services.validator.clock_watch import ClockWatch

SECOND = 10**9


class Now:
    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


async def test_a_cut_is_news_once_it_is_seen_to_have_taken_something() -> None:
    now, metrics = Now(), Metrics("validator")
    losses = InputLosses("validator", "MARKET_RAW", metrics, now)
    cut = InputCut(5, 90)
    losses.cut(3, cut)
    assert not losses.events
    assert await losses.health() == "healthy"
    losses.gaps(3, 2, cut)
    losses.gaps(3, 1, None)
    assert losses.events == [StreamTruncated("MARKET_RAW", "validator.3", 5, 90)]
    assert metrics.total("truncated_gaps_total") == 3
    assert metrics.total("stream_truncated_total") == 1
    assert await losses.health() == "degraded"
    now.s += TRUNCATED_S + 1
    assert await losses.health() == "healthy"


async def test_a_stream_that_was_made_anew_is_news_at_once() -> None:
    losses = InputLosses("aggregator", "MARKET_TICKS", Metrics("aggregator"))
    losses.cut(1, InputCut(50, 1, 0, "0badcafe", "the stream was made anew"))
    assert losses.events == [StreamReplaced("MARKET_TICKS", "aggregator.1", 50, 1, "the stream was made anew")]
    assert await losses.health() == "degraded"


async def test_messages_out_of_chain_are_counted_and_degrade() -> None:
    now, metrics = Now(), Metrics("validator")
    losses = InputLosses("validator", "MARKET_RAW", metrics, now)
    losses.out_of_chain("ctp", 7)
    losses.out_of_chain("ctp", 2)
    assert metrics.total("out_of_chain_messages_total") == 2
    assert metrics.total("out_of_chain_ticks_total") == 9
    assert await losses.health() == "degraded"
    now.s += OUT_OF_CHAIN_S + 1
    assert await losses.health() == "healthy"


def clock(offset_s: float, ts_recv: int, samples: int = 10) -> VenueClock:
    offset = int(offset_s * SECOND)
    return VenueClock(ClockState(offset, [offset] * samples, ts_recv, ts_recv))


async def test_a_clock_is_told_when_it_is_off_and_again_when_it_is_right() -> None:
    now, metrics = Now(), Metrics("validator")
    watch = ClockWatch(metrics, now)
    told: list[ClockOff] = []
    for n, offset in enumerate((0.1, 2.9, -30.0, -30.1, -2.0, -1.4, 0.0)):
        now.s += 1
        key = ("okx", "okx")
        told += watch.look([(0, {key: clock(offset, n)}), (5, {key: clock(offset, n)})], 3.0)
        assert watch.status() == {"okx": {"okx": offset}}
        wrong = (
            f"degraded: receive clock against the venue's: okx by okx {offset:.3g} s" if n in (2, 3, 4) else "healthy"
        )
        assert await watch.health() == wrong
    assert told == [ClockOff("okx", "okx", -30.0), ClockOff("okx", "okx", -1.4, settled=True)]
    assert b"clock_offset_seconds{" in metrics.text()


async def test_a_source_that_is_quiet_and_an_estimate_of_a_moment_say_nothing() -> None:
    now = Now()
    watch = ClockWatch(Metrics("validator"), now)
    key = ("okx", "okx")
    assert not watch.look([(0, {key: clock(-30, 1, samples=2)})], 3.0)
    assert watch.look([(0, {key: clock(-30, 2)})], 3.0)
    now.s += 600
    watch.look([(0, {key: clock(-30, 2)})], 3.0)
    assert not watch.offsets
    assert await watch.health() == "healthy"
