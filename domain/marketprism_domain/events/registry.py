"""Domain events: what happened, in the past tense, and their published form.

Events of a single tick (`PER_TICK`) are the data path itself: counted, and published in sampled form only.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from marketprism_domain.events.gateway import (
    AllInstrumentsSubscribed,
    ConnectionRetryExhausted,
    ConnectionRetryScheduled,
    ContractDataReceived,
    ContractDataRequested,
    GatewayAuthenticationFailed,
    GatewayAuthenticationSucceeded,
    GatewayInitializationFailed,
    GatewayInitialized,
    HeartbeatReceived,
    InstrumentsLoaded,
    InstrumentSubscribed,
    MarketSourceConnected,
    MarketSourceDisconnected,
    MarketTickReceived,
    SubscriptionFailed,
    SubscriptionRequested,
    SubscriptionUpdated,
)
from marketprism_domain.events.pipeline import (
    PIPELINE_EVENTS,
    BarDataAggregated,
    BarsStoredToClickHouse,
    DisasterRecoveryActivated,
    MarketBarGenerated,
    MarketClosingSequenceCompleted,
    MarketOpeningSequenceCompleted,
    MemoryThresholdExceeded,
    NetworkLatencyExceeded,
    ProcessingBacklogDetected,
    StorageRetryScheduled,
    SystemResourcesNormal,
    TickProcessingPipelineCompleted,
    TickPublishedToPubSub,
)
from marketprism_domain.events.quality import (
    AbnormalPriceDetected,
    DataGapDetected,
    DataQualityDegraded,
    DataQualityRestored,
    DuplicateDataDetected,
    InvalidDataDetected,
    RejectionsSummarized,
    StaleDataDetected,
    TickDataValidated,
    ValidationRulesUpdated,
)
from marketprism_domain.events.sessions import (
    AfterHoursOpened,
    MarketHalted,
    MarketStatusReceived,
    PreMarketOpened,
    TradingHoursOverruled,
    TradingSessionClosed,
    TradingSessionOpened,
    TradingSessionPaused,
    TradingSessionResumed,
)
from marketprism_domain.marketdata.event_record import EventRecord

Event = Any  # an instance of one of EVENTS

EVENTS: dict[str, type[Any]] = {
    event.__name__: event
    for event in (
        GatewayInitialized,
        GatewayInitializationFailed,
        GatewayAuthenticationSucceeded,
        GatewayAuthenticationFailed,
        MarketSourceConnected,
        MarketSourceDisconnected,
        ConnectionRetryScheduled,
        ConnectionRetryExhausted,
        ContractDataRequested,
        ContractDataReceived,
        InstrumentsLoaded,
        SubscriptionRequested,
        InstrumentSubscribed,
        AllInstrumentsSubscribed,
        SubscriptionFailed,
        SubscriptionUpdated,
        PreMarketOpened,
        TradingSessionOpened,
        TradingSessionPaused,
        TradingSessionResumed,
        TradingSessionClosed,
        MarketHalted,
        AfterHoursOpened,
        TradingHoursOverruled,
        MarketTickReceived,
        HeartbeatReceived,
        MarketStatusReceived,
        TickDataValidated,
        InvalidDataDetected,
        RejectionsSummarized,
        AbnormalPriceDetected,
        StaleDataDetected,
        DataGapDetected,
        DuplicateDataDetected,
        DataQualityDegraded,
        DataQualityRestored,
        ValidationRulesUpdated,
        TickPublishedToPubSub,
        MarketBarGenerated,
        BarDataAggregated,
        BarsStoredToClickHouse,
        StorageRetryScheduled,
        NetworkLatencyExceeded,
        MemoryThresholdExceeded,
        ProcessingBacklogDetected,
        SystemResourcesNormal,
        MarketOpeningSequenceCompleted,
        MarketClosingSequenceCompleted,
        TickProcessingPipelineCompleted,
        DisasterRecoveryActivated,
        *PIPELINE_EVENTS,
    )
}
PER_TICK = frozenset(
    {
        "MarketTickReceived",
        "TickDataValidated",
        "TickPublishedToPubSub",
        "TickProcessingPipelineCompleted",
    }
)


def to_record(
    event: Any,
    *,
    event_id: str,
    source: str,
    ts_event: int,
    ts_recv: int = 0,
    ts_pub: int = 0,
    epoch: int = 0,
    seq: int = 0,
) -> EventRecord:
    """The event as it is published and stored; `data` holds its own fields."""
    data = {item.name: getattr(event, item.name) for item in fields(event)}
    venue, symbol = data.get("venue", ""), data.get("symbol", "")
    return EventRecord(
        venue,
        symbol,
        source,
        epoch,
        seq,
        ts_event,
        ts_recv or ts_event,
        ts_pub or ts_event,
        type(event).__name__,
        event_id,
        {name: value for name, value in data.items() if name not in ("venue", "symbol")},
    )


__all__ = [
    "EVENTS",
    "PER_TICK",
    "AbnormalPriceDetected",
    "AfterHoursOpened",
    "AllInstrumentsSubscribed",
    "BarDataAggregated",
    "BarsStoredToClickHouse",
    "ConnectionRetryExhausted",
    "ConnectionRetryScheduled",
    "ContractDataReceived",
    "ContractDataRequested",
    "DataGapDetected",
    "DataQualityDegraded",
    "DataQualityRestored",
    "DisasterRecoveryActivated",
    "DuplicateDataDetected",
    "Event",
    "GatewayAuthenticationFailed",
    "GatewayAuthenticationSucceeded",
    "GatewayInitializationFailed",
    "GatewayInitialized",
    "HeartbeatReceived",
    "InstrumentSubscribed",
    "InstrumentsLoaded",
    "InvalidDataDetected",
    "MarketBarGenerated",
    "MarketClosingSequenceCompleted",
    "MarketHalted",
    "MarketOpeningSequenceCompleted",
    "MarketSourceConnected",
    "MarketSourceDisconnected",
    "MarketStatusReceived",
    "MarketTickReceived",
    "MemoryThresholdExceeded",
    "NetworkLatencyExceeded",
    "PreMarketOpened",
    "ProcessingBacklogDetected",
    "RejectionsSummarized",
    "StaleDataDetected",
    "StorageRetryScheduled",
    "SubscriptionFailed",
    "SubscriptionRequested",
    "SubscriptionUpdated",
    "SystemResourcesNormal",
    "TickDataValidated",
    "TickProcessingPipelineCompleted",
    "TickPublishedToPubSub",
    "TradingHoursOverruled",
    "TradingSessionClosed",
    "TradingSessionOpened",
    "TradingSessionPaused",
    "TradingSessionResumed",
    "ValidationRulesUpdated",
    "to_record",
]
