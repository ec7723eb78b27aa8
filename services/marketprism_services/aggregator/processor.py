"""The state machine of the aggregator as a stage runs it: bytes in, outputs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.codec import ContractError, NewerVersion, encode
from marketprism_application.contracts.kinds import BAR, GAP
from marketprism_application.contracts.packed import decode_for_bars
from marketprism_application.contracts.subjects import instrument_key, subject_of
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import NewerFormat
from marketprism_sdk.streams import InputCut, Output
from marketprism_services.aggregator.measures import AggregatorMeasures
from marketprism_services.stages.input_losses import InputLosses

log = structlog.get_logger()


class AggregatorProcessor:
    """Packed ticks of one partition to bars."""

    def __init__(
        self,
        partition: int,
        calendar: MarketCalendar,
        settings: BarSettings,
        latest: dict[str, bytes],
        measures: AggregatorMeasures,
        on_bars: Callable[[Sequence[Bar]], None],
        losses: InputLosses,
    ) -> None:
        self._partition = partition
        self._losses = losses
        self._cut: InputCut | None = None
        self._shard = ShardAggregator(calendar, settings, str(partition))
        self._latest = latest
        self._measures = measures
        self._on_bars = on_bars

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Bars that one packed message closes.

        Raises:
            NewerFormat: a newer validator wrote it; it is left for a newer aggregator.
        """
        try:
            packed = decode_for_bars(payload)
        except NewerVersion as error:
            raise NewerFormat(str(error)) from error
        except ContractError as error:
            log.warning("packed_message.malformed", seq=seq, error=str(error))
            self._measures.malformed()
            return ()
        bars = self._shard.process(packed)
        outputs = []
        for bar in bars:
            message = encode(BAR, bar)
            outputs.append(Output(subject_of(BAR, bar), message))
            self._latest[f"bar.{bar.interval}.{instrument_key(bar.venue, bar.symbol)}"] = message
        if bars:
            self._measures.closed(bars)
            self._on_bars(bars)
        holes = self._shard.holes
        for number, hole in enumerate(holes):
            gap = hole._replace(kind=BAR.name)  # the ticks are where they always were, and whoever read them has them
            outputs.append(Output(subject_of(GAP, gap), encode(GAP, gap), f"b{self._shard.name}-{seq}-{number}"))
        if holes:
            self._losses.gaps(self._partition, len(holes), self._cut)
            self._cut = None
        return outputs

    def truncated(self, cut: InputCut) -> None:
        """Go on behind a cut of the packed ticks: numbers show what is missing, places what comes again."""
        self._cut = cut
        if cut.log:
            self._shard.replaced(cut.log)

    def snapshot(self) -> bytes:
        """The complete state as MessagePack, from which `restore` goes on."""
        return self._shard.snapshot()

    def restore(self, state: bytes) -> None:
        """State of an earlier snapshot."""
        self._shard.restore(state)

    def stats(self) -> Any:
        """Bars by source and interval."""
        return self._shard.stats()
