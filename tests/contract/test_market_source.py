"""MarketSource and the narrow ports that its traits promise: one suite over every adapter."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.sources.registry import SOURCES, make_source, parse_source
from marketprism_adapters.venues.live.source import VenueSettings
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import (
    BookSource,
    CountingSource,
    LiveSource,
    MarketSource,
    NamedSource,
    ResumableSource,
    ResumePoint,
    SourceBatch,
    SourceTraits,
    book_source,
    counting_source,
    live_source,
    named_source,
    resumable_source,
)
from marketprism_application.replay.pace import PacedSource, paced_source
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.market_sources import CASES, Case, Workplace, counter, counter_recordings, venue_recording

pytestmark = pytest.mark.timeout(60)

ENOUGH = 40  # ticks of a source that never ends
SLOW = 1e-6  # of the recorded speed: whoever waits for a second tick waits for ever
LIVE = ("counter", "live venue", "vnpy gateway")
RECORDINGS = ("recordings", "captured frames", "venue recordings")
NARROW = {
    "named": (NamedSource, named_source),
    "live": (LiveSource, live_source),
    "resumable": (ResumableSource, resumable_source),
    "counts_rows": (CountingSource, counting_source),
    "paced": (PacedSource, paced_source),
    "keeps_books": (BookSource, book_source),
}


@pytest.fixture
def at(request: pytest.FixtureRequest, tmp_path: Path, calendar: MarketCalendar) -> Workplace:
    return Workplace(tmp_path, lambda: request.getfixturevalue("fixtures"), calendar)


@pytest.fixture(params=CASES, ids=lambda name: str(name).replace(" ", "_"))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(name: str) -> Case:
    return CASES[name]


def having(trait: str) -> pytest.MarkDecorator:
    """The adapters with a trait, or without it where `no ` stands before its name."""
    wanted, name_of_trait = not trait.startswith("no "), trait.removeprefix("no ")
    found = {name: case for name, case in CASES.items() if getattr(case.adapter.traits, name_of_trait) is wanted}
    assert found, trait
    return pytest.mark.parametrize("case", found.values(), ids=[name.replace(" ", "_") for name in found])


async def read(source: MarketSource, after: dict[str, int] | None = None) -> list[SourceBatch]:
    """Every batch of one call, or of a source that never ends those with `ENOUGH` ticks."""
    found: list[SourceBatch] = []
    stream = source.stream(after or {})
    async for batch in stream:
        found.append(batch)
        if source.traits.live and len(ticks_of(found)) >= ENOUGH:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


def ticks_of(batches: Sequence[SourceBatch]) -> list[Tick]:
    return [tick for batch in batches for tick in batch.ticks]


def key_of(tick: Tick) -> tuple[str, str, str, int]:
    return tick.source, tick.venue, tick.symbol, tick.source_seq


def members_of(port: type[Any]) -> set[str]:
    """What a protocol asks for, what it inherits included."""
    protocols = [each for each in port.__mro__ if getattr(each, "_is_protocol", False)]
    found = {name for each in protocols for name in (*vars(each), *vars(each).get("__annotations__", {}))}
    return {name for name in found if not name.startswith("_")}


# -- traits ----------------------------------------------------------------------------------------------------------


def test_a_live_source_is_no_recording_and_a_recording_is_not_live(name: str, case: Case) -> None:
    traits = case.adapter.traits
    assert isinstance(traits, SourceTraits)
    assert (traits.live, traits.recording) == (name in LIVE, name in RECORDINGS)


def test_no_port_of_a_source_is_found_by_its_attributes() -> None:
    """A run-time protocol fits whatever has its names: a live source passed for a recording."""
    ports = [MarketSource, *(port for port, _ in NARROW.values())]
    assert not [port for port in ports if getattr(port, "_is_runtime_protocol", False)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"live": True, "named": True, "recording": True},
        {"live": True},
        {"exclusive": True},
        {"named": True, "resumable": True},
        {"recording": True, "confirms_subscriptions": True},
    ],
)
def test_traits_that_contradict_one_another_are_refused(wrong: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="source traits: expected"):
        SourceTraits(**wrong)
    with pytest.raises(dataclasses.FrozenInstanceError):
        SourceTraits().live = True  # type: ignore[misc]


async def test_the_traits_promise_what_the_source_offers(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        for trait, (port, narrowed) in NARROW.items():
            found = narrowed(source)
            assert (found is source) is getattr(source.traits, trait), trait
            if found is not None:
                assert {each for each in members_of(port) if not hasattr(source, each)} == set()


async def test_every_row_of_the_registry_is_in_this_suite(at: Workplace) -> None:
    async with CASES["captured frames"].opened(at):
        arguments = {
            "capture": str(at.folder / "capture"),
            "replay": ",".join(map(str, await asyncio.to_thread(counter_recordings, at))),
            "sim": "days=1",
            "ctp": "",
            "sopt": "",
            "vnpy": "vnpy_xtp.XtpGateway",
        }
    specs = [f"{row}:{arguments.get(row, 'BTC-USDT')}".removesuffix(":") for row in SOURCES]
    specs.append(f"replay:{await asyncio.to_thread(venue_recording, at)}")

    def made(spec: str) -> MarketSource:
        return make_source(
            parse_source(spec),
            at.calendar,
            speed=None,
            venue=VenueSettings(),
            counter=lambda venue: counter(venue, at.folder, "sim:none.csv"),
        )

    assert {type(await asyncio.to_thread(made, spec)) for spec in specs} == {case.adapter for case in CASES.values()}


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_after_connect_the_instruments_are_known(name: str, case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.connect()
        instruments = await source.instruments()
        assert all(isinstance(each, InstrumentRecord) for each in instruments)
        listed = {(each.venue, each.symbol) for each in instruments}
        assert len(listed) == len(instruments)
        if name == "venue recordings":
            assert not listed, "this one holds no list of instruments"
            return
        assert {(tick.venue, tick.symbol) for tick in ticks_of(await read(source))} == listed
        await source.close()


async def test_ticks_of_an_instrument_come_in_arrival_order_and_none_twice(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.connect()
        ticks = ticks_of(await read(source))
        await source.close()
    assert len(ticks) >= ENOUGH
    assert len({key_of(tick) for tick in ticks}) == len(ticks)
    of_instrument: dict[tuple[str, str], list[Tick]] = {}
    of_source: dict[tuple[str, ...], list[Tick]] = {}
    for tick in ticks:
        of_instrument.setdefault((tick.venue, tick.symbol), []).append(tick)
        of_source.setdefault(key_of(tick)[:3], []).append(tick)
    for found in of_instrument.values():
        assert all(one.ts_recv <= two.ts_recv for one, two in itertools.pairwise(found))
    for found in of_source.values():
        assert all(one.source_seq < two.source_seq for one, two in itertools.pairwise(found))


async def test_clock_and_positions_never_go_back_and_a_named_source_signs_its_ticks(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.connect()
        batches = await read(source)
        named = named_source(source)
        await source.close()
    for one, two in itertools.pairwise(batches):
        assert one.ts_clock <= two.ts_clock
        assert all(two.positions.get(name, 0) >= position for name, position in one.positions.items())
    if named is not None:
        assert {tick.source.split(":quote")[0] for tick in ticks_of(batches)} == {named.source}
        assert set(batches[-1].positions) == {named.source}


@having("no live")
async def test_what_is_not_live_ends_with_one_finished_batch_and_is_the_same_again(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.connect()
        batches = await read(source)
        assert [batch.finished for batch in batches] == [False] * (len(batches) - 1) + [True]
        end = batches[-1]
        assert not end.ticks
        assert end.ts_clock >= max(tick.ts_event for tick in ticks_of(batches))
        assert set(end.positions) == {tick.source for tick in ticks_of(batches)}
        assert ticks_of(await read(source)) == ticks_of(batches)
        await source.close()


async def test_what_lies_at_or_before_the_positions_is_skipped_by_a_source_that_can_go_back(
    case: Case, at: Workplace
) -> None:
    async with case.opened(at) as source:
        await source.connect()
        if source.traits.live:
            ticks = ticks_of(await read(source, {"somebody else": 1}))
            assert len(ticks) >= ENOUGH, "a source that cannot go back ignores positions"
            return
        batches = await read(source)
        ticks = ticks_of(batches)
        half = ticks[len(ticks) // 2]
        again = await read(source, {half.source: half.source_seq})
        skipped = (half.source, half.source_seq) if case.seeks else ("", 0)
        assert ticks_of(again) == [
            tick for tick in ticks if not (tick.source == skipped[0] and tick.source_seq <= skipped[1])
        ]
        assert again[-1].finished
        if case.seeks:
            assert ticks_of(await read(source, batches[-1].positions)) == []
        await source.close()


async def test_close_may_come_before_connect_and_twice_and_connect_opens_again(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.close()
        for _ in range(2):
            await source.connect()
            assert len(ticks_of(await read(source))) >= ENOUGH
            await source.close()
            await source.close()


async def test_an_input_that_is_missing_is_an_error_and_only_what_is_away_is_tried_again(
    name: str, case: Case, at: Workplace
) -> None:
    with pytest.raises(SourceError, match="expected") as caught:
        async with case.without_input(at) as source:
            await source.connect()
    assert caught.value.retryable is (name == "live venue")


# -- what the traits promise -----------------------------------------------------------------------------------------


@having("live")
async def test_a_live_source_knows_since_when_and_counts_what_it_subscribes(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        live = live_source(source)
        assert live is not None
        assert (live.live_since, live.last_data_s) == (0, 0.0)
        assert await live.subscribe(("nothing of the kind",)) == (0, 0), "nothing is subscribed before it is open"
    async with case.opened(at) as source:
        live = live_source(source)
        assert live is not None
        await source.connect()
        before = time.monotonic()
        listed = [each.symbol for each in await source.instruments()]
        counts: list[tuple[int, int]] = []
        stream = source.stream({})
        async for batch in stream:
            if batch.ticks:
                assert live.live_since > 0
                assert before < live.last_data_s <= time.monotonic()
                counts = [await live.subscribe(symbols) for symbols in (listed[:1], listed, listed)]
                break
        await stream.aclose()  # type: ignore[attr-defined]
        assert counts == [(0, len(listed) - 1), (len(listed) - 1, 0), (0, 0)]
        assert (live.dropped, dict(live.skipped)) == (0, {})
        assert live.deepest >= 0
        await source.close()


@having("resumable")
async def test_a_resumable_source_names_what_it_reads_and_goes_on(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        resumed = resumable_source(source)
        assert resumed is not None
        await source.connect()
        instruments = await source.instruments()
        assert {resumed.venue_name} == {each.venue for each in instruments}
        assert sorted(resumed.resumable) == sorted(each.symbol for each in instruments)
        resumed.resume(ResumePoint())
        assert len(ticks_of(await read(source))) >= ENOUGH
        await source.close()


@having("counts_rows")
async def test_counts_are_those_of_the_ticks_and_of_a_recording_known_before_them(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        counting = counting_source(source)
        assert counting is not None
        await source.connect()
        known = dict(counting.rows)
        delivered: dict[str, int] = {}
        async for batch in source.stream({}):
            for tick in batch.ticks:
                delivered[tick.source] = delivered.get(tick.source, 0) + 1
        assert dict(counting.rows) == delivered
        assert known == (delivered if source.traits.recording else {})
        assert dict(counting.skipped) == {}
        await source.close()


@having("paced")
async def test_a_paced_source_waits_for_nothing_that_another_reader_has_handed_on(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        await source.connect()
        batches = await read(source)
    async with case.opened(at._replace(speed=SLOW)) as source:
        paced = paced_source(source)
        assert paced is not None
        await source.connect()
        paced.read_over(batches[-1].positions)
        async with asyncio.timeout(30):
            assert ticks_of(await read(source)) == ticks_of(batches)


@having("keeps_books")
async def test_books_are_those_of_the_source_and_none_of_another_venue(case: Case, at: Workplace) -> None:
    async with case.opened(at) as source:
        books = book_source(source)
        assert books is not None
        await source.connect()
        tick = ticks_of(await read(source))[-1]
        found = books.book(tick.venue, tick.symbol, 5)
        assert found is not None
        assert found.symbol == tick.symbol
        assert 1 <= len(found.bids) <= 5
        assert books.book(tick.venue, "NO-SUCH", 5) is None
        assert books.book("elsewhere", tick.symbol, None) is None
        assert all(isinstance(count, float) for count in books.figures().values())
        assert all(isinstance(each, dict) for each in books.streams())
        await source.close()
