"""Aggregator: validated ticks to bars, sharded."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_application.contracts.subjects import packed_subject
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import ServiceSettings
from marketprism_sdk.streams import Processor, StageSettings
from marketprism_services.aggregator.bar_events import BarEvents
from marketprism_services.aggregator.measures import AggregatorMeasures
from marketprism_services.aggregator.processor import AggregatorProcessor
from marketprism_services.stages.market_stage import MarketStageService


class AggregatorService(MarketStageService):
    """Reads `market.packed.<p>`, writes `market.bar.<interval>.<symbol>`."""

    def __init__(
        self,
        connection: NatsConnection,
        calendar: MarketCalendar,
        bars: BarSettings,
        *,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__(
            "aggregator",
            connection,
            StageSettings(streams.AGGREGATOR_STAGE, streams.TICKS, packed_subject, streams.BARS),
            shards_bucket=streams.AGGREGATOR_SHARDS,
            latest_bucket=streams.LATEST_BARS,
            lease=lease,
            version=version,
            settings=settings,
        )
        self._calendar = calendar
        self._bars = bars
        self._bar_events = BarEvents()
        self._measures = AggregatorMeasures(self.metrics)

    def processor(self, partition: int, epoch: int) -> Processor:
        """Aggregator of a partition; bars carry the epoch of their ticks, not of whoever aggregates."""
        del epoch
        return AggregatorProcessor(
            partition,
            self._calendar,
            self._bars,
            self.latest,
            self._measures,
            self._bar_events.closed,
            self.losses,
        )

    def take_events(self) -> list[object]:
        """With those of the bars that closed."""
        return [*super().take_events(), *self._bar_events.take()]
