"""What other rules would have decided: the raw log through two validators side by side, one for each set of rules.

Both begin with what the validator remembered at that place of the log, so the one with the rules in force decides what
was decided. What each remembers from there on follows from its own verdicts: a tick that only one of them accepts is
the tick before for that one alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.packed import Packed, decode_packed
from marketprism_application.validation.message_pass import MessagePass, ValidationOutput
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.registry import AbnormalPriceDetected, DataQualityDegraded
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.memory import StreamMemory
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Rejected

MOST_EXAMPLES = 50
MOST_INSTRUMENTS = 50
_EXAMPLES_OF_ONE = 5  # of an instrument, so that one does not take the place of all others
REJECTED, REDELIVERED = "rejected", "redelivered"
VERDICTS = ("valid", "warned", "stale", REJECTED)

Row = dict[str, object]


class TickVerdict(NamedTuple):
    """What became of a tick: valid, warned, stale, rejected or redelivered, its errors or warnings, its score."""

    verdict: str
    reasons: tuple[str, ...] = ()
    score: int = 0


_REPEATED = TickVerdict(REDELIVERED)
_FLAWLESS = TickVerdict("valid", (), 100)


class _JudgedPass(MessagePass):
    """Notes the verdict on each tick."""

    def __init__(self, *given: object, verdicts: list[TickVerdict]) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._verdicts = verdicts

    def tick(self, tick: Tick) -> None:
        before, accepted = len(self._verdicts), len(self.out.ticks)
        super().tick(tick)
        if len(self.out.ticks) > accepted:
            taken = self.out.ticks[-1]
            self._verdicts.append(TickVerdict(taken.verdict or "", taken.warnings, taken.quality_score or 0))
        elif len(self._verdicts) == before:
            self._verdicts.append(_REPEATED)

    def reject(self, verdict: Rejected, watched: StreamMemory, counts: dict[str, object]) -> None:
        super().reject(verdict, watched, counts)
        self._verdicts.append(TickVerdict(REJECTED, verdict.reasons, verdict.score))


class _JudgingValidator(ShardValidator):
    """A validator whose verdicts on the ticks of the last message can be read."""

    def __init__(self, calendar: MarketCalendar, rules: ValidationRules, name: str) -> None:
        super().__init__(calendar, rules, 0, name)
        self.verdicts: list[TickVerdict] = []

    def begin(self, packed: Packed, seq: int, ts_pub: int) -> MessagePass:
        self.verdicts = []
        return _JudgedPass(self.memory, packed, seq, ts_pub, verdicts=self.verdicts)


class RulesOutcome:
    """What one set of rules decided."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()  # by first reason, as a validator counts
        self.warnings: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()  # `kind.severity`
        self.gaps: Counter[str] = Counter()  # by cause
        self.degraded = 0
        self.scores = 0

    def add(self, found: TickVerdict, count: int = 1) -> None:
        """Count a tick, or several that were judged alike."""
        self.verdicts[found.verdict] += count
        self.scores += found.score * count
        if found.verdict == REJECTED:
            self.rejected[found.reasons[0]] += 1
        else:
            self.warnings.update(found.reasons)

    def add_output(self, out: ValidationOutput) -> None:
        """Count what a message amounts to beside its ticks."""
        self.gaps.update(gap.cause for _, gap in out.gaps)
        for event in out.events:
            if event.name == AbnormalPriceDetected.__name__:
                self.anomalies[f"{event.data['kind']}.{event.data['severity']}"] += 1
            elif event.name == DataQualityDegraded.__name__:
                self.degraded += 1

    def shown(self) -> Row:
        """As an answer has it; `accepted` are valid, warned and stale ones."""
        judged = sum(self.verdicts[name] for name in VERDICTS)
        return {
            "accepted": judged - self.verdicts[REJECTED],
            **{name: self.verdicts[name] for name in VERDICTS},
            "rejected_by_reason": dict(self.rejected.most_common()),
            "warned_by_reason": dict(self.warnings.most_common()),
            "anomalies": dict(self.anomalies.most_common()),
            "gaps": dict(self.gaps.most_common()),
            "degraded": self.degraded,
            "mean_score": round(self.scores / judged, 2) if judged else None,
        }


class _Instrument:
    """Of one instrument what both decided."""

    __slots__ = ("differing", "examples", "new", "now")

    def __init__(self) -> None:
        self.differing = self.examples = 0
        self.now: Counter[str] = Counter()
        self.new: Counter[str] = Counter()

    @property
    def ticks(self) -> int:
        """How many of it were judged."""
        return self.now.total()

    def shown(self, venue: str, symbol: str) -> Row:
        found: Row = {"venue": venue, "symbol": symbol, "ticks": self.ticks, "differing": self.differing}
        for side, counted in (("now", self.now), ("new", self.new)):
            found[side] = {name: counted[name] for name in VERDICTS}
        return found


class RulesTrial:
    """Both sets of rules over partitions of the raw log, one after the other."""

    def __init__(self, calendar: MarketCalendar, now: ValidationRules, new: ValidationRules) -> None:
        self._calendar = calendar
        self._rules = now, new
        self._now = RulesOutcome()
        self._new = RulesOutcome()
        self._instruments: dict[tuple[str, str], _Instrument] = {}
        self._both_valid: dict[tuple[str, str], int] = {}
        self._examples: list[Row] = []
        self._partition = 0
        self._is_counted = False
        self._pair: tuple[_JudgingValidator, _JudgingValidator] | None = None
        self._cold: list[int] = []
        self._other_rules = 0  # partitions whose window began under other rules than those in force
        self.messages = self.malformed = self.differing = 0
        self._ts_from = self._ts_to = 0

    def begin(self, partition: int, state: bytes | None, *, is_cut: bool = False) -> None:
        """The next partition, with the memory of its validator: empty where it had seen nothing, None where it is not
        known; `is_cut` where messages behind that are gone. What is no memory is as if it were not known."""
        now, _ = self._rules
        pair = [_JudgingValidator(self._calendar, now, str(partition)) for _ in self._rules]
        is_cold = state is None or is_cut
        if state:
            try:
                for each in pair:
                    each.restore(state)
            except (msgspec.MsgspecError, InvalidValue, TypeError, ValueError):  # of another version of the program
                self.begin(partition, None, is_cut=is_cut)
                return
            before = pair[0].rules
            self._other_rules += before.version != now.version or bool(before.differences(now))
        for each in pair:
            each.change_rules(now)
            if is_cut:
                each.truncated()
        if is_cold:
            self._cold.append(partition)
        self._partition, self._is_counted, self._pair = partition, False, (pair[0], pair[1])

    def feed(self, messages: Iterable[tuple[int, bytes]], counted_from: int) -> None:
        """Messages of the partition, (sequence, bytes); those from sequence `counted_from` on are counted and judged by
        both sets of rules, those before by the rules in force."""
        if self._pair is None:
            raise ValueError("feed: expected a partition that was begun")
        for seq, data in messages:
            if seq >= counted_from and not self._is_counted:
                self._is_counted = True
                self._pair[1].change_rules(self._rules[1])
            try:
                packed = decode_packed(data)
            except ContractError:
                self.malformed += self._is_counted
                continue
            out_now, out_new = (each.process(packed, seq, 0) for each in self._pair)
            if self._is_counted:
                self._count(packed, seq, out_now, out_new)

    def _count(self, packed: Packed, seq: int, out_now: ValidationOutput, out_new: ValidationOutput) -> None:
        assert self._pair is not None  # noqa: S101 (feed has looked)
        now, new = self._pair
        self.messages += 1
        self._now.add_output(out_now)
        self._new.add_output(out_new)
        if not now.verdicts:  # not taken at all: repeated, or out of chain; by no rule
            return
        for tick, first, second in zip(packed.ticks, now.verdicts, new.verdicts, strict=True):
            key = tick.venue, tick.symbol
            if first.verdict == second.verdict == "valid":  # nearly all of them: it has no reasons, and the full score
                self._both_valid[key] = self._both_valid.get(key, 0) + 1
                continue
            if first.verdict == REDELIVERED:
                continue
            self._now.add(first)
            self._new.add(second)
            found = self._instruments.setdefault(key, _Instrument())
            found.now[first.verdict] += 1
            found.new[second.verdict] += 1
            if first[:2] != second[:2]:
                self.differing += 1
                found.differing += 1
                self._add_example(tick, seq, first, second, found)
        received = [tick.ts_recv for tick in packed.ticks]
        self._ts_from = min(self._ts_from or received[0], *received)
        self._ts_to = max(self._ts_to, *received)

    def _merge(self) -> None:
        """Count those that both took without a word."""
        for key, count in self._both_valid.items():
            found = self._instruments.setdefault(key, _Instrument())
            for side, outcome in ((found.now, self._now), (found.new, self._new)):
                side["valid"] += count
                outcome.add(_FLAWLESS, count)
        self._both_valid = {}

    def _add_example(self, tick: Tick, seq: int, now: TickVerdict, new: TickVerdict, of: _Instrument) -> None:
        if len(self._examples) >= MOST_EXAMPLES or of.examples >= _EXAMPLES_OF_ONE:
            return
        of.examples += 1
        self._examples.append(
            {
                "partition": self._partition,
                "stream_seq": seq,
                "tick": tick_row(tick),
                "now": now._asdict(),
                "new": new._asdict(),
            }
        )

    def result(self) -> Row:
        """What both decided; instruments whose ticks differ most, examples in the order of the partitions."""
        self._merge()
        ranked = sorted(
            self._instruments.items(),
            key=lambda each: (-each[1].differing, -each[1].now[REJECTED], -each[1].ticks, each[0]),
        )
        return {
            "messages": self.messages,
            "ticks": sum(self._now.verdicts.values()),
            "malformed": self.malformed,
            "differing": self.differing,
            "instruments": len(self._instruments),
            "ts_from": self._ts_from or None,
            "ts_to": self._ts_to or None,
            "now": self._now.shown(),
            "new": self._new.shown(),
            "by_instrument": [found.shown(*key) for key, found in islice(ranked, MOST_INSTRUMENTS)],
            "examples": self._examples,
            "cold_partitions": self._cold,
            "is_as_decided": not self._other_rules and not self._cold,
        }


def tick_row(tick: Tick) -> Row:
    """The fields of a tick that are there, as JSON has them: exact numbers are texts."""
    return {name: _plain(value) for name, value in tick._asdict().items() if value not in (None, (), "")}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


__all__ = ["MOST_EXAMPLES", "MOST_INSTRUMENTS", "RulesOutcome", "RulesTrial", "TickVerdict", "tick_row"]
