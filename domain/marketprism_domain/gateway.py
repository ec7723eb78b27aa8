"""Gateway: life cycle of the one connection to a market source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from marketprism_domain.errors import InvalidValue, InvariantBroken
from marketprism_domain.events.registry import (
    AllInstrumentsSubscribed,
    ConnectionRetryExhausted,
    ConnectionRetryScheduled,
    ContractDataReceived,
    ContractDataRequested,
    GatewayAuthenticationFailed,
    GatewayAuthenticationSucceeded,
    GatewayInitializationFailed,
    GatewayInitialized,
    InstrumentsLoaded,
    MarketClosingSequenceCompleted,
    MarketOpeningSequenceCompleted,
    MarketSourceConnected,
    MarketSourceDisconnected,
    SubscriptionRequested,
)

GatewayEvents = list[object]
_LONGEST_RETRY_S = 3_600.0


class GatewayState(StrEnum):
    """Where the connection stands."""

    CREATED = "created"
    INITIALIZED = "initialized"
    CONNECTED = "connected"
    LOADED = "loaded"
    SUBSCRIBED = "subscribed"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True)
class RetryPolicy:
    """Attempts to connect: pauses of `retry_first_s` double up to `retry_longest_s`, at most an hour; with a
    `retry_limit` of 0 they never end.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    retry_first_s: float = 0.5
    retry_longest_s: float = 30.0
    retry_limit: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.retry_longest_s <= _LONGEST_RETRY_S:
            raise InvalidValue("retry_longest_s", f"more than 0 and at most {_LONGEST_RETRY_S:g}", self.retry_longest_s)
        if not 0 < self.retry_first_s <= self.retry_longest_s:
            raise InvalidValue("retry_first_s", f"more than 0 and at most {self.retry_longest_s:g}", self.retry_first_s)
        if self.retry_limit < 0:
            raise InvalidValue("retry_limit", "0 or more", self.retry_limit)

    def delay_s(self, attempt: int) -> float:
        """Pause before the n-th attempt (1 is the first retry)."""
        return float(min(self.retry_longest_s, self.retry_first_s * 2.0 ** min(attempt - 1, 60)))


class Gateway:
    """Aggregate: at most one live connection per source; no subscription before the instrument list is in."""

    def __init__(self, source: str, retry: RetryPolicy | None = None) -> None:
        self.source = source
        self.state = GatewayState.CREATED
        self.instruments = 0
        self.attempts = 0
        self._retry = retry or RetryPolicy()

    def initialize(self) -> GatewayEvents:
        """The source is set up."""
        self._expect("initialize", GatewayState.CREATED, GatewayState.DISCONNECTED)
        self.state = GatewayState.INITIALIZED
        return [GatewayInitialized(self.source)]

    def connected(self) -> GatewayEvents:
        """The connection is up. Raises InvariantBroken when one is up already (invariant 6)."""
        if self.state in (GatewayState.CONNECTED, GatewayState.LOADED, GatewayState.SUBSCRIBED):
            raise InvariantBroken(f"gateway {self.source}: expected no live connection, was {self.state}")
        self._expect("connect", GatewayState.INITIALIZED, GatewayState.DISCONNECTED)
        self.state = GatewayState.CONNECTED
        self.attempts = 0
        return [
            MarketSourceConnected(self.source, self.source),
            GatewayAuthenticationSucceeded(self.source),
            ContractDataRequested(self.source),
        ]

    def loaded(self, instruments: int) -> GatewayEvents:
        """The instrument list is in."""
        self._expect("load instruments", GatewayState.CONNECTED)
        self.state = GatewayState.LOADED
        self.instruments = instruments
        return [ContractDataReceived(self.source, instruments), InstrumentsLoaded(self.source, instruments)]

    def requested(self, instruments: int) -> GatewayEvents:
        """Instruments are asked for. Raises InvariantBroken before the list is in (invariant 7)."""
        self._loaded()
        return [SubscriptionRequested(self.source, instruments)]

    def subscribed(self, instruments: int) -> GatewayEvents:
        """Instruments are subscribed. Raises InvariantBroken before the list is in (invariant 7)."""
        self._loaded()
        self.state = GatewayState.SUBSCRIBED
        return [
            AllInstrumentsSubscribed(self.source, instruments),
            MarketOpeningSequenceCompleted(self.source, instruments),
        ]

    def _loaded(self) -> None:
        if self.state not in (GatewayState.LOADED, GatewayState.SUBSCRIBED):
            raise InvariantBroken(
                f"gateway {self.source}: expected the instrument list before a subscription, was {self.state}"
            )

    def closed(self) -> GatewayEvents:
        """The sessions are over and everything of them is in: the connection is given up until the next ones."""
        return [MarketClosingSequenceCompleted(self.source), *self.disconnected("the sessions are over")]

    def refused(self, reason: str) -> GatewayEvents:
        """The source did not let us in."""
        return [GatewayAuthenticationFailed(self.source, reason), *self.disconnected(reason)]

    def failed(self, reason: str) -> GatewayEvents:
        """The source cannot be set up as it is configured."""
        events: GatewayEvents = []
        if self.state in (GatewayState.CREATED, GatewayState.INITIALIZED):
            events.append(GatewayInitializationFailed(self.source, reason))
        return [*events, *self.disconnected(reason)]

    def disconnected(self, reason: str) -> GatewayEvents:
        """The connection ended: the events that say so."""
        self.state = GatewayState.DISCONNECTED
        self.instruments = 0
        return [MarketSourceDisconnected(self.source, self.source, reason)]

    def retry(self, longest_s: float | None = None) -> tuple[float | None, GatewayEvents]:
        """Seconds until the next attempt; None when no attempt is left.

        With `longest_s` the source is not at fault: no pause is longer, and there is always another attempt.
        """
        self.attempts += 1
        if longest_s is None and self._retry.retry_limit and self.attempts > self._retry.retry_limit:
            return None, [ConnectionRetryExhausted(self.source, self.attempts - 1)]
        delay_s = self._retry.delay_s(self.attempts)
        if longest_s is not None:
            delay_s = min(delay_s, longest_s)
        return delay_s, [ConnectionRetryScheduled(self.source, self.attempts, delay_s)]

    def _expect(self, what: str, *states: GatewayState) -> None:
        if self.state not in states:
            names = " or ".join(states)
            raise InvariantBroken(f"gateway {self.source}: to {what}, expected {names}, was {self.state}")
