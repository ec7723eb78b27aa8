"""Commands: what somebody wants, and who may want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from marketprism_domain.errors import CommandRefused


class Issuer(StrEnum):
    """Who gives a command."""

    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class InitializeGateway:
    """Give a gateway its settings and its source."""

    gateway: str


@dataclass(frozen=True, slots=True)
class ConnectToMarketSource:
    """Open the one connection of a source."""

    gateway: str


@dataclass(frozen=True, slots=True)
class DisconnectFromMarketSource:
    """Close the connection of a source."""

    gateway: str
    reason: str = "asked to"


@dataclass(frozen=True, slots=True)
class SubscribeInstrument:
    """Subscribe one instrument."""

    venue: str
    symbol: str


@dataclass(frozen=True, slots=True)
class SubscribeAllInstruments:
    """Subscribe everything the source lists."""

    gateway: str


@dataclass(frozen=True, slots=True)
class UpdateSubscriptionList:
    """Replace the set of subscribed instruments (`venue.symbol`)."""

    gateway: str
    instruments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdjustValidationRules:
    """Change validation rules, all of the changes or none."""

    changes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryConnection:
    """Try to connect again."""

    gateway: str
    attempt: int


@dataclass(frozen=True, slots=True)
class QueryInstruments:
    """Ask the source for its instrument list."""

    gateway: str


@dataclass(frozen=True, slots=True)
class ProcessMarketTick:
    """Take a tick into the pipeline."""

    venue: str
    symbol: str


@dataclass(frozen=True, slots=True)
class ValidateMarketData:
    """Check a tick without publishing it."""

    venue: str
    symbol: str


@dataclass(frozen=True, slots=True)
class PublishTickData:
    """Publish a validated tick."""

    venue: str
    symbol: str


@dataclass(frozen=True, slots=True)
class GenerateMarketBar:
    """Close a bar."""

    venue: str
    symbol: str
    interval: str


@dataclass(frozen=True, slots=True)
class StoreBarData:
    """Write bars to the store."""

    bars: int


@dataclass(frozen=True, slots=True)
class MonitorSystemHealth:
    """Look at lag, memory and the services."""


@dataclass(frozen=True, slots=True)
class CheckDataQuality:
    """Score a stream over its window."""

    venue: str
    symbol: str


_OPERATOR = (
    InitializeGateway, ConnectToMarketSource, DisconnectFromMarketSource, SubscribeInstrument, SubscribeAllInstruments,
    UpdateSubscriptionList, AdjustValidationRules,
)  # fmt: skip
_SYSTEM = (
    RetryConnection, QueryInstruments, ProcessMarketTick, ValidateMarketData, PublishTickData, GenerateMarketBar,
    StoreBarData, MonitorSystemHealth, CheckDataQuality,
)  # fmt: skip
COMMANDS: dict[str, tuple[type[Any], Issuer]] = {
    **{command.__name__: (command, Issuer.OPERATOR) for command in _OPERATOR},
    **{command.__name__: (command, Issuer.SYSTEM) for command in _SYSTEM},
}


def authorize(command: str, issuer: str) -> type[Any]:
    """The command's type, if the issuer may give it.

    Raises:
        CommandRefused: an unknown command, or one that is not the issuer's to give; the text says which.
    """
    known = COMMANDS.get(command)
    if known is None:
        raise CommandRefused(f"command: expected one of {', '.join(sorted(COMMANDS))}, was {command!r}")
    kind, allowed = known
    if issuer != allowed:
        raise CommandRefused(f"command {command}: expected the issuer {allowed}, was {issuer!r}")
    return kind
