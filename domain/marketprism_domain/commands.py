"""Commands: what an operator wants, and who may want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from marketprism_domain.errors import CommandRefused, InvalidValue
from marketprism_domain.values import Symbol

MAX_INSTRUMENTS = 100_000


class Issuer(StrEnum):
    """Who gives a command."""

    OPERATOR = "operator"
    SYSTEM = "system"


def instrument_pattern(text: str) -> str:
    """A symbol, or a pattern over symbols with `*` and `?`; a venue before it (`shfe.rb2505`) is taken off.

    Raises:
        InvalidValue: neither.
    """
    symbol = text.rpartition(".")[2]
    Symbol(symbol.replace("*", "a").replace("?", "a"))
    return symbol


@dataclass(frozen=True, slots=True)
class InitializeGateway:
    """Back to what settings and calendar say. `gateway` here and below: the group, None for whoever gets it."""

    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectToMarketSource:
    """Open the one connection of a source, and keep it open."""

    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class DisconnectFromMarketSource:
    """Close the connection of a source, and stay away."""

    gateway: str | None = None
    reason: str = "asked to"


@dataclass(frozen=True, slots=True)
class SubscribeInstrument:
    """Subscribe one instrument more.

    Raises:
        InvalidValue: the symbol is none.
    """

    symbol: str
    venue: str = ""
    gateway: str | None = None

    def __post_init__(self) -> None:
        instrument_pattern(self.symbol)


@dataclass(frozen=True, slots=True)
class SubscribeAllInstruments:
    """Subscribe everything the source lists."""

    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateSubscriptionList:
    """Replace the set of subscribed instruments: symbols, `venue.symbol`, or patterns over symbols.

    Raises:
        InvalidValue: none, too many, or one that is no symbol.
    """

    instruments: tuple[str, ...]
    gateway: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.instruments) <= MAX_INSTRUMENTS:
            raise InvalidValue("instruments", f"1 to {MAX_INSTRUMENTS} of them", len(self.instruments))
        for text in self.instruments:
            instrument_pattern(text)


@dataclass(frozen=True, slots=True)
class AdjustValidationRules:
    """Change validation rules, all of the changes or none: values by the name of the rule, see `ValidationRules`.

    With a `version` only where that is still the one in force. `reason` is kept with the change.
    """

    changes: Mapping[str, int | float | Mapping[str, int | float]] = field(default_factory=dict)
    version: int | None = None
    reason: str = ""


GatewayCommand = (
    InitializeGateway
    | ConnectToMarketSource
    | DisconnectFromMarketSource
    | SubscribeInstrument
    | SubscribeAllInstruments
    | UpdateSubscriptionList
)
C = TypeVar("C", bound=GatewayCommand | AdjustValidationRules)

# By type of the command. A process gives no commands to another one: each does its own part without being asked.
ISSUERS: Mapping[type[object], Issuer] = {
    InitializeGateway: Issuer.OPERATOR,
    ConnectToMarketSource: Issuer.OPERATOR,
    DisconnectFromMarketSource: Issuer.OPERATOR,
    SubscribeInstrument: Issuer.OPERATOR,
    SubscribeAllInstruments: Issuer.OPERATOR,
    UpdateSubscriptionList: Issuer.OPERATOR,
    AdjustValidationRules: Issuer.OPERATOR,
}


def authorize(command: C, issuer: str) -> C:
    """The command, if the issuer may give it: an `Issuer`, or one with a name behind it, as `operator:user:li`.

    Raises:
        CommandRefused: it is not the issuer's to give; the text says whose it is.
    """
    allowed = ISSUERS[type(command)]
    if issuer.partition(":")[0] != allowed:
        raise CommandRefused(f"command {type(command).__name__}: expected the issuer {allowed}, was {issuer!r}")
    return command
