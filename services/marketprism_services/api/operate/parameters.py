"""Parameters of operators' requests."""

from __future__ import annotations

from pydantic import Field

from marketprism_services.api.read.parameters import Parameters

MOST_ROWS = 1_000
LONGEST_WAIT_S = 20.0


class NoParameters(Parameters):
    """None."""


class CommandParameters(Parameters):
    """Of a command that is given."""

    service: str = Field(description="the service, as the list has it")
    command: str = Field(description="the command, as the list has it")
    wait_s: float = Field(
        10.0, ge=0, le=LONGEST_WAIT_S, description="seconds to wait for what becomes of it; then it is answered 202"
    )


class CommandIdParameters(Parameters):
    """Of a command that was given."""

    id: str = Field(min_length=1, max_length=64, pattern=r"^[0-9a-f]+$", description="as the answer has it")


class LettersParameters(Parameters):
    """Which dead letters."""

    service: str | None = Field(None, max_length=64, description="of this service only")
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="the newest so many")
    before: int | None = Field(None, ge=1, le=2**53, description="those before this `seq`")


class LetterParameters(Parameters):
    """One dead letter."""

    seq: int = Field(ge=1, le=2**53, description="as the list has it")


class RowLettersParameters(Parameters):
    """Which rows that no table took."""

    limit: int = Field(100, ge=1, le=MOST_ROWS, description="the newest so many")


class EventsParameters(Parameters):
    """Which events."""

    name: str | None = Field(
        None, max_length=80, pattern=r"^[A-Za-z0-9_.]+$", description="of this name, like MarketSourceDisconnected"
    )
    venue: str | None = Field(None, max_length=32, description="of this venue only")
    symbol: str | None = Field(None, max_length=64, description="of this instrument only")
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="the newest so many")
    before: int | None = Field(None, ge=1, le=2**53, description="those before this `stream_seq`")
