"""The state machine of the validator as a stage runs it: bytes in, outputs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from marketprism_application.contracts.codec import ContractError, NewerVersion, encode
from marketprism_application.contracts.kinds import EVENT, GAP, QUALITY, TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed, encode_packed
from marketprism_application.contracts.subjects import instrument_key, packed_subject, subject_of, tick_subject
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.gaps import TRUNCATED
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import NewerFormat
from marketprism_sdk.streams import InputCut, Output
from marketprism_services.stages.input_losses import InputLosses
from marketprism_services.validator.measures import ValidatorMeasures

log = structlog.get_logger()

Latest = dict[str, bytes]


class ValidatorProcessor:
    """Raw messages of one partition to public ticks, packed ticks, gaps, quality and events."""

    def __init__(
        self,
        partition: int,
        epoch: int,
        calendar: MarketCalendar,
        rules: ValidationRules,
        latest: Latest,
        reports: Latest,
        states: Latest,
        measures: ValidatorMeasures,
        losses: InputLosses,
    ) -> None:
        self._losses = losses
        self._measures = measures
        self._cut: InputCut | None = None  # that has not been seen to take anything, so far
        self._states = states
        self._partition = partition
        self._packed_subject = packed_subject(partition)
        self._shard = ShardValidator(calendar, rules, epoch, str(partition))
        self._epoch = epoch
        self._latest = latest
        self._reports = reports
        self.newest: Tick | None = None  # the last tick that the last message brought, None where none was accepted

    @property
    def shard(self) -> ShardValidator:
        return self._shard

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Outputs of one raw message; bytes that are no message are counted and passed over.

        Raises:
            NewerFormat: a newer gateway wrote it; it is left for a newer validator.
        """
        try:
            packed = decode_packed(payload)
        except NewerVersion as error:
            raise NewerFormat(str(error)) from error
        except ContractError as error:
            log.warning("raw_message.malformed", partition=self._partition, seq=seq, error=str(error))
            self._measures.malformed()
            return ()
        now = time.time_ns()
        before = self._shard.memory.out_of_chain
        out = self._shard.process(packed, seq, now)
        if self._shard.memory.out_of_chain != before:
            self._losses.out_of_chain(packed.source, len(packed.ticks))
        lost = sum(1 for _, gap in out.gaps if gap.cause == TRUNCATED)
        if lost:
            self._losses.gaps(self._partition, lost, self._cut)
            self._cut = None
        self.newest = out.ticks[-1] if out.ticks else None
        outputs: list[Output] = []
        for tick in out.ticks:
            message = encode(TICK, tick)
            outputs.append(Output(tick_subject(tick.symbol), message))
            self._latest[f"tick.{instrument_key(tick.venue, tick.symbol)}"] = message
        for tick in {(tick.venue, tick.symbol): tick for tick in out.ticks}.values():
            self._states[instrument_key(tick.venue, tick.symbol)] = _state_of(tick)
        if out.ticks or out.marks or out.gaps or out.changes:
            validated = Packed(
                PACKED_VERSION,
                packed.source,
                self._epoch,
                now,
                tuple(out.ticks),
                tuple(out.marks),
                tuple(out.gaps),
                changes=tuple(out.changes),
            )
            outputs.append(Output(self._packed_subject, encode_packed(validated)))
        prefix = f"{self._shard.memory.event_prefix}-{seq}"
        for number, (_, gap) in enumerate(out.gaps):
            outputs.append(Output(subject_of(GAP, gap), encode(GAP, gap), f"g{prefix}-{number}"))
        for number, report in enumerate(out.reports):
            message = encode(QUALITY, report)
            outputs.append(Output(subject_of(QUALITY, report), message, f"q{prefix}-{number}"))
            self._reports[instrument_key(report.venue, report.symbol)] = message
        outputs += [Output(subject_of(EVENT, event), encode(EVENT, event), event.event_id) for event in out.events]
        self._measures.message(packed, out, now, time.time_ns())
        return outputs

    def truncated(self, cut: InputCut) -> None:
        """Go on behind a cut of the raw log; what comes again is known by its place."""
        self._cut = cut
        if cut.log:
            self._shard.replaced(cut.log, cut.processed)
        else:
            self._shard.truncated(cut.processed)

    def snapshot(self) -> bytes:
        """The complete state as MessagePack, from which `restore` goes on."""
        return self._shard.snapshot()

    def restore(self, state: bytes) -> None:
        """State of an earlier snapshot, under the newer of its rules and those in force.

        Of one version with other values the settings have been changed since: those of now are in force.
        """
        rules = self._shard.rules
        self._shard.restore(state)
        if rules.version >= self._shard.rules.version:
            self._shard.change_rules(rules)

    def stats(self) -> Any:
        """Counts of ticks by source."""
        return self._shard.stats()


def _state_of(tick: Tick) -> bytes:
    """Where a stream stands, as KV `market_data_streams` shows it."""
    names = ("venue", "symbol", "seq", "ts_event", "trading_day", "volume", "turnover", "source")
    state = {name: getattr(tick, name) for name in names}
    return msgspec.msgpack.encode(state)
