"""What the streams of the pipeline take, message by message: each must be the one that follows from what came before.

What the raw log took says what the validator must put out, and that what the aggregator must; how it is told is the
product's, what it is said of is counted here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.kinds import BAR, GAP, TICK
from marketprism_application.contracts.packed import Packed, decode_packed
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.election._lease import LeaseRecord
from marketprism_sdk.partitions import OwnerRecord
from marketprism_sdk.streams import FenceRecord
from marketprism_sdk.streams._stage_types import Checkpoint, is_checkpoint
from tests.simulation.services import PARTITIONS
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import World

_CALENDAR = chinese_calendar_of_markets()
Hole = tuple[str, int, int, str]  # symbol, from, to, cause


def place_of(venue: str, symbol: str) -> int:
    """The partition of an instrument: FNV-1a of 32 bits, written down once more."""
    value = 2_166_136_261
    for byte in f"{venue}.{symbol}".encode():
        value = (value ^ byte) * 16_777_619 % 2**32
    return value % PARTITIONS


def same(tick: Tick) -> tuple[object, ...]:
    """What of a tick nobody on its way may change."""
    return (tick.symbol, tick.source_seq, tick.ts_event, tick.ts_recv, tick.last, tick.volume, tick.traded)


class Part:
    """One partition, as far as its messages have come."""

    def __init__(self, number: int, settings: BarSettings) -> None:
        self.chains: dict[str, int] = {}
        self.joined: list[int] = []  # since when each session of a live source was there
        self.seen: dict[str, int] = defaultdict(int)  # the last place of each symbol that the raw log has
        self.ticks: list[Tick] = []  # that follow from the raw log
        self.packed = 0  # how many of them were put out
        self.bars: list[bytes] = []  # that follow from the packed ticks
        self.shown = 0
        self.aggregator = ShardAggregator(_CALENDAR, settings, str(number))


class Passing:
    """Compares at each message; `violate` is called with what is wrong."""

    def __init__(self, world: World, settings: BarSettings) -> None:
        self._world = world
        self.parts = [Part(number, settings) for number in range(PARTITIONS)]
        self.wanted: dict[str, list[Tick]] = defaultdict(list)  # by symbol: ticks that follow from the raw log
        self.public: dict[str, int] = defaultdict(int)
        self.ticks: dict[str, list[Tick]] = defaultdict(list)  # by symbol, as the validator put them out
        self.gaps: dict[str, list[Gap]] = defaultdict(list)  # by symbol, as it named them
        self.told: dict[Hole, int] = defaultdict(int)  # in the stream of events
        self.bars: dict[tuple[str, str, int], list[Bar]] = defaultdict(list)
        self.fence = FenceRecord("", 0)
        self.raw = 0
        self._checkpoints: dict[str, Checkpoint] = {}
        self._epochs: dict[str, tuple[int, str]] = {}
        self._takers: list[tuple[str, Callable[[str, bytes], None]]] = [
            ("market.tick.", self._tick),
            ("market.bar.", self._bar),
            ("market.packed.", self._packed),
            ("market.raw.", self._raw),
            ("market.gap.", self._gap),
            ("fence.gateway.", self._fence),
            ("stage.", self._of_stage),
            ("$KV.shards_", self._owner),
            ("$KV.service_leaders.", self._lease),
        ]

    def stored(self, stream: Stream, message: Stored) -> None:
        """A stream has taken a message."""
        del stream
        subject = message.subject
        for prefix, take in self._takers:
            if subject.startswith(prefix):
                take(subject, message.data)
                return

    def _wrong(self, text: str) -> None:
        self._world.violate(text)

    # -- the raw log -----------------------------------------------------------------------------------------------

    def _fence(self, subject: str, data: bytes) -> None:
        new, old = msgspec.msgpack.decode(data, type=FenceRecord), self.fence
        if new.epoch < old.epoch or (new.epoch == old.epoch and new.holder != old.holder):
            self._wrong(f"{subject}: {new} behind {old}")
        self.fence = new

    def _raw(self, subject: str, data: bytes) -> None:
        number, packed = int(subject.rpartition(".")[2]), decode_packed(data)
        if packed.epoch != self.fence.epoch:
            self._wrong(f"{subject}: a message of epoch {packed.epoch} behind the fence of {self.fence}")
        part, before = self.parts[number], self.parts[number].chains.get(packed.session, -1)
        if packed.chain != before + 1:
            return  # a hole before it, or once more: its session ends here
        part.chains[packed.session] = packed.chain
        if packed.resumed and not packed.chain:
            part.joined.append(packed.resumed)
        for tick in packed.ticks:
            if place_of(tick.venue, tick.symbol) != number:
                self._wrong(f"{subject}: {tick.venue}.{tick.symbol} is of {place_of(tick.venue, tick.symbol)}")
            if tick.source_seq > part.seen[tick.symbol]:
                part.seen[tick.symbol] = tick.source_seq
                part.ticks.append(tick)
                self.wanted[tick.symbol].append(tick)
                self.raw += 1

    # -- what the validator makes of it ----------------------------------------------------------------------------

    def _tick(self, subject: str, data: bytes) -> None:
        tick = decode(TICK, data)
        place, wanted = self.public[tick.symbol], self.wanted[tick.symbol]
        if place >= len(wanted) or same(wanted[place]) != same(tick) or tick.seq != place + 1:
            right = f"{wanted[place].source_seq} as number {place + 1}" if place < len(wanted) else "none"
            self._wrong(f"{subject}: expected {right}, was {tick.source_seq} as number {tick.seq}")
        self.public[tick.symbol] = place + 1

    def _packed(self, subject: str, data: bytes) -> None:
        part, packed = self.parts[int(subject.rpartition(".")[2])], decode_packed(data)
        for tick in packed.ticks:
            wanted = part.ticks[part.packed] if part.packed < len(part.ticks) else None
            if wanted is None or same(wanted) != same(tick):
                right = "nothing" if wanted is None else f"{wanted.symbol} {wanted.source_seq}"
                self._wrong(f"{subject}: expected {right}, was {tick.symbol} {tick.source_seq}")
            part.packed += 1
            self.ticks[tick.symbol].append(tick)
        for _, gap in packed.gaps:
            self.gaps[gap.symbol].append(gap)
        self._aggregate(part, packed)

    def _gap(self, subject: str, data: bytes) -> None:
        gap = decode(GAP, data)
        if gap.kind == BAR.name:
            self._wrong(f"{subject}: the aggregator misses ticks that the stream has: {gap}")
        self.told[gap.symbol, gap.ts_from, gap.ts_to, gap.cause] += 1

    # -- what the aggregator makes of that -------------------------------------------------------------------------

    def _aggregate(self, part: Part, packed: Packed) -> None:
        part.bars += [encode(BAR, bar) for bar in part.aggregator.process(packed)]

    def _bar(self, subject: str, data: bytes) -> None:
        bar: Bar = decode(BAR, data)
        part = self.parts[place_of(bar.venue, bar.symbol)]
        if part.shown >= len(part.bars) or part.bars[part.shown] != data:
            right = decode(BAR, part.bars[part.shown]) if part.shown < len(part.bars) else "none"
            self._wrong(f"{subject}: expected {right}, was {bar}")
        part.shown += 1
        before = self.bars[bar.symbol, bar.interval, bar.ts_open]
        if bar.revision != len(before):
            self._wrong(f"{subject}: expected revision {len(before)} of {bar.ts_open}, was {bar.revision}")
        if before and _is_less(bar, before[-1]):
            self._wrong(f"{subject}: a revision takes something back: {before[-1]}, {bar}")
        before.append(bar)

    # -- who does it -----------------------------------------------------------------------------------------------

    def _of_stage(self, subject: str, data: bytes) -> None:
        if subject.endswith(".dead"):
            self._wrong(f"{subject}: a message was set aside: {data[:300]!r}")
        if not subject.endswith(".ck"):
            return
        if not is_checkpoint(data):
            self._wrong(f"{subject}: expected a checkpoint, was {data!r}")
            return
        new = msgspec.msgpack.decode(data, type=Checkpoint)
        old = self._checkpoints.get(subject)
        self._checkpoints[subject] = new
        if old is None:
            return
        if (new.epoch, new.in_seq) < (old.epoch, old.in_seq) or new.in_seq < old.in_seq:
            self._wrong(
                f"{subject}: a checkpoint went back from {old.epoch}, {old.in_seq} to {new.epoch}, {new.in_seq}"
            )
        if new.in_seq == old.in_seq and new.partial < old.partial:
            self._wrong(f"{subject}: a checkpoint went back from {old.partial} outputs to {new.partial}")
        if new.epoch == old.epoch and new.holder != old.holder:
            self._wrong(f"{subject}: epoch {new.epoch} is of {old.holder} and of {new.holder}")

    def _owner(self, subject: str, data: bytes) -> None:
        if ".own." in subject and data:
            self._record(subject, msgspec.msgpack.decode(data, type=OwnerRecord))

    def _lease(self, subject: str, data: bytes) -> None:
        if data:
            self._record(subject, msgspec.msgpack.decode(data, type=LeaseRecord))

    def _record(self, subject: str, new: OwnerRecord | LeaseRecord) -> None:
        epoch, holder = self._epochs.get(subject, (0, ""))
        if new.epoch < epoch or (new.epoch == epoch and new.holder != holder):
            self._wrong(f"{subject}: epoch {new.epoch} of {new.holder} behind epoch {epoch} of {holder}")
        self._epochs[subject] = (new.epoch, new.holder)

    def sessions_of(self, symbol: str) -> list[int]:
        """Since when each session of a live source was there, that an instrument's partition has."""
        return next((part.joined for part in self.parts if symbol in part.seen), [])

    # -- at the end ------------------------------------------------------------------------------------------------

    def missing(self) -> str:
        """What is still to be put out, in words."""
        for number, part in enumerate(self.parts):
            if part.packed < len(part.ticks):
                return f"partition {number}: {part.packed} of {len(part.ticks)} ticks are validated"
            if part.shown < len(part.bars):
                return f"partition {number}: {part.shown} of {len(part.bars)} bars are published"
        for symbol, wanted in self.wanted.items():
            if self.public[symbol] < len(wanted):
                return f"{symbol}: {self.public[symbol]} of {len(wanted)} ticks are public"
        return ""


def _is_less(bar: Bar, before: Bar) -> bool:
    more = (bar.ticks, bar.volume, bar.turnover, bar.high, -bar.low, bar.gap)
    less = (before.ticks, before.volume, before.turnover, before.high, -before.low, before.gap)
    return bar.open != before.open or any(a < b for a, b in zip(more, less, strict=True))
