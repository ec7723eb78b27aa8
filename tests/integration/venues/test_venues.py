"""Live sources against simulated venues, over real sockets: faults, renewals, bad input."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import FAULTS, Fault, parse_faults, schedule
from marketprism_adapters.venues.simulator.session import Session
from marketprism_application.contracts.venue_messages import KIND_OF, BookTopMessage, LiquidationMessage
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.venues.protocol import Venue
from marketprism_domain.books.chain import BookChange, IdRange, Step
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.validation import TickValidationService
from marketprism_services.chaos.venues.audit import VenueAudit
from marketprism_services.chaos.venues.trial import TRIED, trial
from tests.integration.venues.venue_side import FAST, batches, batches_more, kinds_of, venue

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.long_on("coinm", "linear")
async def test_every_kind_that_a_market_has_comes_and_its_books_are_true(market: str) -> None:
    wanted = tuple(MARKETS[market].make("", "").coverage)
    async with venue(market, replace(FAST, kinds=wanted)) as (server, source):
        await source.connect()
        assert {each.symbol for each in await source.instruments()} == set(server.books)
        covered = {message for message, kind in KIND_OF.items() if kind.name in wanted} | {BookTopMessage}
        # No position is closed at the simulated Binance and Deribit.
        covered -= {LiquidationMessage} if market != "okx" else set()
        expected = {message.__name__.removesuffix("Message") for message in covered}
        seen = await batches(source, lambda found: expected <= kinds_of(found) and len(found) > 40, seconds=40)
        assert any(batch.ticks for batch in seen)
        assert all(source.feed.books.of(symbol).sync.valid for symbol in server.books)
        for symbol in server.books:
            assert source.book(source.venue.name, symbol, 5) is not None
        assert source.skipped == {}


@pytest.mark.parametrize("market", [name for name in MARKETS if "mark_price" in MARKETS[name].make("", "").coverage])
@pytest.mark.long_on("coinm")
async def test_mark_prices_come_only_to_those_who_ask_for_them(market: str) -> None:
    async with venue(market, VenueSettings(silent_s=5.0)) as (_, source):
        await source.connect()
        seen = await batches(source, lambda found: "Trade" in kinds_of(found) and len(found) > 20)
        assert "MarkPrice" not in kinds_of(seen)


# Each fault by itself on each market, and schedules of several by seed; `make chaos` runs a thousand.
@pytest.mark.parametrize(
    "market", [pytest.param(each, marks=() if each == "binance-usdm" else pytest.mark.long) for each in TRIED]
)
async def test_every_fault_by_itself(market: str) -> None:
    names = [name for name in FAULTS if name != "checksum" or market == "okx"]
    trials = [trial(n, market, [Fault(0.5, name, 3.0)]) for n, name in enumerate(names)]
    found = [each for first in range(0, len(trials), 6) for each in await asyncio.gather(*trials[first : first + 6])]
    assert {each.faults[0].name: each.wrong for each in found if each.wrong} == {}
    assert all(each.checked for each in found)


@pytest.mark.long
@pytest.mark.parametrize("market", TRIED)
async def test_faults_by_seed(market: str) -> None:
    # Four at once: a source that the machine does not keep up with takes every connection for a silent one.
    found = [
        each for first in (900, 904) for each in await asyncio.gather(*(trial(first + n, market) for n in range(4)))
    ]
    assert {each.seed: each.wrong for each in found if each.wrong} == {}


@pytest.mark.long
async def test_a_connection_that_answers_and_brings_nothing_is_made_again() -> None:
    """OKX answers each subscription and each ping: nothing else comes, and the books are asked for in vain."""
    async with venue("okx", replace(FAST, silent_s=30.0)) as (server, source):
        await source.connect()
        muted_after = 0

        def flows_again(found: list[SourceBatch]) -> bool:
            nonlocal muted_after
            flows = {"Trade", "OrderBook"} <= kinds_of(found[muted_after:])
            if flows and not muted_after:
                muted_after = len(found)
                server.do(Fault(0, "mute", 1.0))
                return False
            return flows and any(fault.name == "mute" for fault in server.injected) and losses() == 2

        def losses() -> int:
            return sum(connection.losses for connection in source.desk.connections)

        await batches(source, flows_again, seconds=40)
        assert all(connection.up for connection in source.desk.connections)


@pytest.mark.long
async def test_a_connection_after_an_outage_has_its_time_to_begin() -> None:
    """Everything was silent for long, and the venue begins late: what has just connected is not cut for that."""
    async with venue("okx", replace(FAST, silent_s=30.0)) as (server, source):
        await source.connect()
        before: set[Session] = set()
        late: Session | None = None
        back_at = 0.0

        def begun_again(found: list[SourceBatch]) -> bool:
            nonlocal late, back_at
            if not before and {"Trade", "OrderBook"} <= kinds_of(found):
                before.update(server.sessions)
                server.do(Fault(0, "maintenance", 7.0))
                server.do(Fault(0, "mute", 1.0))
            if before and late is None:
                late = next(iter(server.sessions - before), None)
                back_at = time.monotonic()
            if late is not None and time.monotonic() > back_at + 4.0:
                late.mute = False
            return late is not None and not late.mute and all(map(valid, server.books))

        def valid(symbol: str) -> bool:
            return source.feed.books.of(symbol).sync.valid

        await batches(source, begun_again, seconds=50)
        assert late is not None
        assert server.sessions == {late}


class Blind(IdRange):
    """Sees no hole."""

    def follows(self, change: BookChange, last_id: int) -> Step:
        return Step.NEXT


async def test_the_audit_of_the_trials_finds_a_book_that_is_wrong() -> None:
    """Without the rule, holes go unseen, and the trial has to say so."""

    def blind(ws_url: str, rest_url: str) -> Venue:
        made = MARKETS["binance"].make(ws_url, rest_url)
        made.rule = Blind()
        return made

    faults = [Fault(second / 10, "gap", 3.0) for second in range(5, 20, 3)]
    wrong: list[str] = []
    for seed in range(
        5
    ):  # a hole before a book stands does no harm, and where a machine is slow all of them may be that
        wrong += (await trial(seed, "binance", faults, blind)).wrong
        if any("differs from the truth" in text for text in wrong):
            return
    pytest.fail(f"nothing was found wrong but {wrong}")


def test_a_schedule_is_its_seed() -> None:
    assert schedule(7, 2.0) == schedule(7, 2.0)
    assert schedule(7, 2.0) != schedule(8, 2.0)
    assert parse_faults("gap@2:3, close") == [Fault(1.0, "close", 1.0), Fault(2.0, "gap", 3.0)]
    with pytest.raises(SourceError, match="expected some of gap, "):
        parse_faults("earthquake@1")


async def test_a_book_that_was_cut_off_is_refreshed_before_it_runs_out() -> None:
    async with venue("binance-usdm", levels=150) as (server, source):
        await source.connect()
        request = source.venue.snapshot_request
        source.venue.snapshot_request = lambda symbol, shallow=False: request(symbol)._replace(  # type: ignore[method-assign]
            parameters={**request(symbol).parameters, "limit": "60"}
        )
        symbol = next(iter(server.books))
        audit = VenueAudit(server)
        await batches(
            source,
            lambda _: source.book("binance", symbol, None) is not None and source.feed.books.of(symbol).sync.valid,
            audit,
        )
        book = source.feed.books.of(symbol).sync.book
        assert book.bid_floor is not None
        shown = source.book("binance", symbol, None)
        assert shown is not None
        assert len(shown.bids) <= 60 + 5


# -- bad input -----------------------------------------------------------------------------------------------------------


async def test_an_unknown_instrument_is_told_and_the_others_flow() -> None:
    settings = replace(FAST, instruments=("BTC-USDT", "NOPE-USDT"))
    async with venue("binance", settings) as (_, source):
        await source.connect()
        seen = await batches(source, lambda found: "Trade" in kinds_of(found))
        told = [event for batch in seen for event in batch.events if isinstance(event, SubscriptionFailed)]
        assert (told[0].symbol, told[0].reason) == ("NOPE-USDT", "the venue does not list it")


async def test_a_delisted_instrument_is_told() -> None:
    async with venue("deribit", replace(FAST, instruments=("BTC-USD-PERP", "ETH-USD-PERP"))) as (server, source):
        listed = server.dialect._listed  # type: ignore[attr-defined]
        server.dialect._listed = lambda pair: {**listed(pair), "is_active": pair.base == "BTC"}  # type: ignore[attr-defined]
        await source.connect()
        seen = await batches(source, lambda found: "Trade" in kinds_of(found))
        told = [event for batch in seen for event in batch.events if isinstance(event, SubscriptionFailed)]
        assert next((each.symbol, each.reason) for each in told) == ("ETH-USD-PERP", "it is delisted")


async def test_a_subscription_that_the_venue_refuses_is_told_and_not_repeated_for_ever() -> None:
    async with venue("okx") as (server, source):
        await source.connect()
        server.dialect.pairs = [pair for pair in server.dialect.pairs if pair.base == "BTC"]
        all_refused = lambda: source.health.counts()["refused"] == 6  # noqa: E731
        seen = await batches(source, lambda found: all_refused() and "Trade" in kinds_of(found) and len(found) > 20)
        told = {event.symbol for batch in seen for event in batch.events if isinstance(event, SubscriptionFailed)}
        assert told == {"ETH-USDT", "ETH-USDT-PERP"}
        assert all_refused()


async def test_a_venue_in_maintenance_is_waited_for() -> None:
    async with venue("binance") as (server, source):
        server.do(Fault(0, "maintenance", 1.0))
        with pytest.raises(SourceError, match="status 503") as caught:
            await source.connect()
        assert caught.value.retryable
        await asyncio.sleep(1.0)
        await source.connect()
        await batches(source, lambda found: "OrderBook" in kinds_of(found))


def _trades_of(batch: SourceBatch) -> list[Tick]:
    """Ticks of trades: the best prices of this venue come without a time of its own, and theirs is when they came."""
    return [tick for tick in batch.ticks if not tick.source.endswith(":quote")]


async def test_a_clock_that_is_wrong_is_measured_and_its_ticks_are_stale() -> None:
    async with venue("binance", skew_s=3_600.0) as (_, source):
        await source.connect()
        assert 3_590 < source.figures()["clock_skew_seconds"] < 3_610
        seen = await batches(source, lambda found: any(map(_trades_of, found)))
        tick = next(tick for batch in seen for tick in _trades_of(batch))
        assert TickValidationService(ValidationRules()).is_stale(tick)


@pytest.mark.parametrize(
    "frame",
    [
        '{"stream":"btcusdt@trade","data":"' + "x" * (10 << 20) + '"}',  # ten megabytes
        b"\xff\xfe\xfd",  # no UTF-8, in a binary message
        '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT","a":1,"p":"NaN","q":"1","f":1,"l":1,"T":1,"m":true}}',
        '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":"one","u":2,"b":[],"a":[]}}',
    ],
    ids=["10 MB", "no UTF-8", "NaN", "a text for a number"],
)
async def test_a_bad_frame_is_counted_or_ends_the_connection_and_the_rest_goes_on(frame: str | bytes) -> None:
    async with venue("binance") as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        await batches(source, lambda found: "Trade" in kinds_of(found), audit)
        for session in server.sessions:
            session.send(frame)
        losses = sum(connection.losses for connection in source.desk.connections)
        until = time.monotonic() + 10
        while not source.skipped and sum(connection.losses for connection in source.desk.connections) == losses:
            await batches_more(source, audit, 0.1)
            assert time.monotonic() < until
        await batches_more(source, audit, 1.0)
        assert audit.wrong == []
        assert not audit.invalid()


@pytest.mark.parametrize("market", ["binance", "bybit"])
async def test_what_nobody_takes_is_dropped_counted_and_told(market: str) -> None:
    async with venue(market, replace(FAST, backlog=50), rate=40.0) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        stream = source.stream({})
        stalled_at = 0.0
        async for batch in stream:
            audit.on_batch(batch)
            if not stalled_at and audit.checked > 20 and audit.trading_since(0.0):
                await asyncio.sleep(1.0)  # nobody takes what comes
                assert source.dropped > 0
                stalled_at = time.monotonic()
            if stalled_at and time.monotonic() > stalled_at + 1.5 and not source.feed.holes() and not audit.invalid():
                break
        await stream.aclose()  # type: ignore[attr-defined]
        audit.conclude()
        assert audit.wrong == []
        # Where trades can be had by their ids, none is missing.
        assert ("overflow" in audit.causes) is (market == "bybit")
        assert (source.refill.filled > 0) is (market == "binance")
