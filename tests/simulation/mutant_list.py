"""The faults that are put in: where, and what becomes of the product's own text."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Mutant:
    """In a module, `old` becomes `new`; `scenario` is where that should be seen."""

    name: str
    module: str
    old: str
    new: str
    scenario: str
    faults: str = ""


MUTANTS = (
    Mutant(
        "a fence not raised",
        "marketprism_sdk.streams._fence_record",
        "            if await self._write(seen, attempt):\n",
        "            if last is not None:\n                self._seq = last.seq\n                return\n"
        "            if await self._write(0, attempt):\n",
        "stages",
    ),
    Mutant(
        "a checkpoint before its output",
        "marketprism_sdk.streams._stage_types",
        "        in_seq = max(self.in_seq, self.done_seq)\n",
        "        in_seq = max(self.in_seq, self.done_seq, self.consumer.next_seq - 1 if self.consumer else 0)\n",
        "stages",
    ),
    Mutant(
        "an off-by-one in hand-over",
        "marketprism_sdk.streams._stage",
        "        if message.seq <= part.done_seq:\n",
        "        if message.seq < part.done_seq:\n",
        "stages",
    ),
    Mutant(
        "a lost wake-up",
        "marketprism_sdk.nats.publisher",
        "        self._changed.set()\n        if b'\"error\"' not in message.data and message.data:\n",
        "        if b'\"error\"' not in message.data and message.data:\n",
        "stages",
    ),
    Mutant(
        "a doubled insert after a retry",
        "marketprism_application.storage.writer",
        "        if bounds.first > first or not found or found[-1].seq < last:\n",
        "        if True:\n",
        "storing",
    ),
    Mutant(
        "a stale view after a revision",
        "marketprism_sdk.partitions._owners",
        "        if seen is None or entry.revision > seen[0]:\n            self._see(partition, entry)\n",
        "        if seen is None:\n            self._see(partition, entry)\n",
        "stages",
    ),
    Mutant(
        "a member without a leader believed",
        "marketprism_sdk.nats.jetstream",
        "        if not is_of_leader(info):\n",
        "        if False:\n",
        "storing",
    ),
    Mutant(
        "a consumer that is behind believed",
        "marketprism_adapters.nats.stream_ranges",
        "            if unread is not None and unread <= last:\n",
        "            if False:\n",
        "storing",
        "lagging,kill",
    ),
    Mutant(
        "a gap not named",
        "marketprism_application.storage.writer",
        "        if bounds.first > begin.watermark + 1:\n",
        "        if bounds.first > begin.watermark + 1 and begin.watermark == 0:\n",
        "storing",
    ),
    Mutant(
        "a clock going back",
        "marketprism_sdk.clock",
        "        return time.clock_gettime(self._clock)\n",
        "        return time.time()\n",
        "electing",
        "clock,freeze,kill",
    ),
    Mutant(
        "a partition computed by another hash",
        "marketprism_sdk.partitions._hashing",
        "        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF\n",
        "        value = ((value * 0x01000193) ^ byte) & 0xFFFFFFFF\n",
        "stages",
    ),
    Mutant(
        "a message accepted from an old epoch",
        "marketprism_sdk.streams._stage_types",
        "    if old.epoch > epoch or (old.epoch == epoch and old.holder != holder):\n",
        "    if old.epoch == epoch and old.holder != holder:\n",
        "stages",
    ),
)

_ELSEWHERE = {each.name: each for each in MUTANTS}


def _in_the_pipeline(name: str) -> Mutant:
    """A fault of above, where validator and aggregator do the work."""
    return replace(_ELSEWHERE[name], name=f"{name}, in the pipeline", scenario="pipeline")


MUTANTS_OF_THE_PIPELINE = (
    Mutant(
        "a checkpoint ahead of its output",
        "marketprism_sdk.streams._stage_types",
        "        in_seq = max(self.in_seq, self.done_seq)\n",
        "        in_seq = max(self.in_seq, self.done_seq) + 1\n",
        "pipeline",
    ),
    _in_the_pipeline("a partition computed by another hash"),
    _in_the_pipeline("a fence not raised"),
    Mutant(
        "a state older than its place",
        "marketprism_sdk.streams._stage_takeover",
        "        part.in_seq = part.snap_in_seq\n",
        "        part.in_seq = part.done_seq\n",
        "pipeline",
    ),
    Mutant(
        "places of the source left out of a snapshot",
        "marketprism_domain.ticks.stream",
        "        return StreamState(self._seq, self.last, self.positions, self._holes)\n",
        "        return StreamState(self._seq, self.last, {}, self._holes)\n",
        "pipeline",
    ),
    Mutant(
        "a position saved ahead of its ticks",
        "marketprism_application.gateway.session",
        "        await self._positions.save(positions)\n        self._failures",
        "        await self._positions.save({name: at + 60 for name, at in positions.items()})\n        self._failures",
        "pipeline",
    ),
    Mutant(
        "a gap of a live source not named",
        "marketprism_application.validation.message_pass",
        "        if bounds is not None:\n",
        "        if bounds is not None and tick.traded is not None:\n",
        "pipeline",
    ),
    Mutant(
        "a session that does not say since when it is there",
        "marketprism_adapters.nats.raw_log",
        "resumed=0 if chain else resumed\n",
        "resumed=0\n",
        "pipeline",
    ),
    Mutant(
        "a bar closed twice",
        "marketprism_domain.bars.builder",
        "    def _close_minute(self, current: OpenMinute, out: list[Bar]) -> None:\n        self._current = None\n",
        "    def _close_minute(self, current: OpenMinute, out: list[Bar]) -> None:\n",
        "pipeline",
    ),
    Mutant(
        "a late tick's revision dropped",
        "marketprism_domain.bars.builder",
        "            totals.remember(tick)\n        self._revise(minute, revised, out)\n",
        "            totals.remember(tick)\n",
        "pipeline",
    ),
    Mutant(
        "a revision that longer bars do not hear of",
        "marketprism_domain.bars.cascade",
        "                out.append((name, revised))\n",
        "                pass\n",
        "pipeline",
    ),
    Mutant(
        "a section's last tick counted behind it",
        "marketprism_domain.bars.builder",
        "    return session.ts_close - NANOS_PER_MINUTE\n",
        "    return session.ts_close\n",
        "pipeline",
    ),
)
