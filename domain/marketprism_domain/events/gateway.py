"""Events of gateways, instruments and reception."""

from __future__ import annotations

from dataclasses import dataclass

# Gateway


@dataclass(frozen=True, slots=True)
class GatewayInitialized:
    """A gateway has its settings and its source."""

    gateway: str


@dataclass(frozen=True, slots=True)
class GatewayInitializationFailed:
    """A gateway could not be set up."""

    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatewayAuthenticationSucceeded:
    """The source accepted the credentials."""

    gateway: str


@dataclass(frozen=True, slots=True)
class GatewayAuthenticationFailed:
    """The source refused the credentials."""

    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class MarketSourceConnected:
    """The one live connection of a source is up."""

    gateway: str
    source: str


@dataclass(frozen=True, slots=True)
class MarketSourceDisconnected:
    """The connection of a source ended."""

    gateway: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRetryScheduled:
    """The next attempt to connect is planned."""

    gateway: str
    attempt: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class ConnectionRetryExhausted:
    """No attempt is left."""

    gateway: str
    attempts: int


# Instruments


@dataclass(frozen=True, slots=True)
class ContractDataRequested:
    """The instrument list was asked for."""

    gateway: str


@dataclass(frozen=True, slots=True)
class ContractDataReceived:
    """The instrument list came."""

    gateway: str
    instruments: int


@dataclass(frozen=True, slots=True)
class InstrumentsLoaded:
    """The instrument list is in use: subscribing is allowed."""

    gateway: str
    instruments: int


@dataclass(frozen=True, slots=True)
class SubscriptionRequested:
    """Instruments were asked for."""

    gateway: str
    instruments: int


@dataclass(frozen=True, slots=True)
class InstrumentSubscribed:
    """One instrument is subscribed."""

    venue: str
    symbol: str


@dataclass(frozen=True, slots=True)
class AllInstrumentsSubscribed:
    """Every instrument asked for is subscribed."""

    gateway: str
    instruments: int


@dataclass(frozen=True, slots=True)
class SubscriptionFailed:
    """The source refused an instrument."""

    venue: str
    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionUpdated:
    """The set of subscribed instruments changed."""

    gateway: str
    added: int
    removed: int


# Reception (per tick: counted and sampled, not published each)


@dataclass(frozen=True, slots=True)
class MarketTickReceived:
    """A tick came in."""

    venue: str
    symbol: str
    source_seq: int


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """The source said that it is alive."""

    gateway: str
