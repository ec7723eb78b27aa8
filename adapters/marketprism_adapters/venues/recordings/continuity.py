"""Recordings that continue one another, apart from those that do not: what a feed may read as one stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import TradeMessage
from marketprism_application.venues.protocol import ParseRefused, Venue, read_frame
from marketprism_domain.books.chain import BookChange, ChainRule, Step

_CLOSE_NS = 60_000_000_000
_MOST_STREAMS = 5_000
_BOOK = "orderbook"


class Run(NamedTuple):
    """Recordings of one market, in the order of their beginnings. `venue` is shared by all runs of the market."""

    venue: Venue
    recordings: list[VenueRecording]


class _Ends:
    """How the streams of one recording begin and end: by instrument and stream, the first and the last item."""

    def __init__(self, recording: VenueRecording, market: str) -> None:
        self.first, self.last = recording.held.first, recording.held.last
        self.frames = recording.held.frames
        self.dense = MARKETS[market].make("", "").dense_trades
        self.items: dict[tuple[str, str], tuple[Any, Any]] = {}  # changes of a book, or trades
        parser = MARKETS[market].make("", "").parser("ends")
        for name, (first, last) in list(recording.held.edges.items())[:_MOST_STREAMS]:
            found: list[Any] = []
            for row in (first, last):
                try:
                    found += read_frame(parser, row.payload, row.ts_recv)
                except ParseRefused:
                    continue
            ours = [each for each in found if isinstance(each, BookChange | TradeMessage)]
            for symbol in {each.symbol for each in ours}:
                of_symbol = [each for each in ours if each.symbol == symbol]
                kind = _BOOK if isinstance(of_symbol[0], BookChange) else "aggTrade" if b"aggTrade" in name else "trade"
                self.items[symbol, kind] = of_symbol[0], of_symbol[-1]

    def numbering(self) -> Mapping[str, set[str]]:
        """By instrument, the streams that its trades come from."""
        found: dict[str, set[str]] = {}
        for symbol, kind in self.items:
            if kind != _BOOK:
                found.setdefault(symbol, set()).add(kind)
        return found


def runs_of(recordings: Iterable[VenueRecording]) -> list[Run]:
    """The recordings of each market, in runs.

    Recordings make one run when they were made at one time, or when one goes on where the other ended: by the ids of
    a book or of trades, or, where they share no stream, within a minute.
    """
    by_market: dict[str, list[VenueRecording]] = {}
    for recording in recordings:
        for market in sorted(recording.markets):
            by_market.setdefault(market, []).append(recording)
    made: list[Run] = []
    for market, several in by_market.items():
        venue = MARKETS[market].make("", "")
        if len(several) == 1:
            made.append(Run(venue, several))
            continue
        ends = {id(recording): _Ends(recording, market) for recording in several}
        groups = _grouped(sorted(several, key=lambda each: each.held.first), ends, venue.rule)
        made += [Run(venue, sorted(group, key=lambda each: each.held.first)) for group in groups]
    return made


def _grouped(
    recordings: Sequence[VenueRecording], ends: Mapping[int, _Ends], rule: ChainRule
) -> list[list[VenueRecording]]:
    groups: list[list[VenueRecording]] = []
    # What holds only answers says nothing of what it joins: it goes with what was recorded then, or right behind it.
    lone = [each for each in recordings if not ends[id(each)].frames]
    for recording in (each for each in recordings if ends[id(each)].frames):
        mine = ends[id(recording)]
        fitting = [
            group
            for group in groups
            if any(_joins(ends[id(each)], mine, rule) for each in group)
            and not any(_contradicts(ends[id(each)], mine, rule) for each in group)
        ]
        if fitting:
            fitting[-1].append(recording)
        else:
            groups.append([recording])
    framed = list(groups)
    for recording in lone:
        mine = ends[id(recording)]
        near = [group for group in framed if any(_distance(ends[id(each)], mine) <= _CLOSE_NS for each in group)]
        if near and mine.first:
            near[-1].append(recording)
        else:
            groups.append([recording])
    return groups


def _distance(one: _Ends, other: _Ends) -> int:
    """Nanoseconds between two recordings, 0 where they overlap; far apart where one has no times."""
    if not (one.first and other.first):
        return 10 * _CLOSE_NS
    return max(0, one.first - other.last, other.first - one.last)


def _joins(before: _Ends, after: _Ends, rule: ChainRule) -> bool:
    return _distance(before, after) <= _CLOSE_NS or any(_continued(before, after, rule))


def _contradicts(before: _Ends, after: _Ends, rule: ChainRule) -> bool:
    """Whether the later one shares streams with the earlier, and goes on with none of them."""
    if not _distance(before, after) and before.last > after.first:
        return False
    numbered, theirs = before.numbering(), after.numbering()
    if any(not numbered[symbol] & theirs[symbol] for symbol in numbered.keys() & theirs.keys()):
        return True  # its trades are counted in other numbers
    shared = _continued(before, after, rule)
    return bool(shared) and not any(shared)


def _continued(before: _Ends, after: _Ends, rule: ChainRule) -> list[bool]:
    """For each stream that both hold and that has ids: whether the later one goes on where the earlier ended."""
    continued: list[bool] = []
    for key in before.items.keys() & after.items.keys():
        last, first = before.items[key][1], after.items[key][0]
        if isinstance(last, BookChange):
            if first.last_id and last.last_id:
                continued.append(not first.snapshot and rule.follows(first, last.last_id) is Step.NEXT)
        elif before.dense:
            begins = first.first_id if first.last_id == first.seq and first.first_id is not None else first.seq
            continued.append(begins == last.seq + 1)
    return continued
