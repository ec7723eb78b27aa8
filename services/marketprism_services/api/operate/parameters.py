"""Parameters of operators' requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from marketprism_application.errors import QueryError
from marketprism_sdk.messaging import MOST_LOG_LINES
from marketprism_services.api.read.parameters import SHOWN, Parameters, Time, name_of, one_of

MOST_ROWS = 1_000
LONGEST_WAIT_S = 20.0


_TOKENS = re.compile(r"(?:[^\s.*>]+|\*)(?:\.(?:[^\s.*>]+|\*))*(?:\.>)?|>")
_LONGEST_SUBJECT = 200
LOG_LEVELS = ("info", "warning", "error", "critical")
_NAME = r"^[A-Za-z0-9_-]{1,80}$"
_LEVEL = Field("info", description="lines of this level and above")
LogLevel: TypeAlias = Annotated[
    str, BeforeValidator(one_of(LOG_LEVELS)), WithJsonSchema({"type": "string", "enum": [*LOG_LEVELS]})
]


def _pattern(value: object, info: ValidationInfo) -> str:
    text = str(value)
    if len(text) > _LONGEST_SUBJECT or not text.isprintable() or not _TOKENS.fullmatch(text):
        raise ValueError(
            f"{name_of(info)}: expected tokens with dots between, * for any token and a last > for the rest, "
            f"was {text[:SHOWN]!r}"
        )
    return text


SubjectPattern: TypeAlias = Annotated[
    str, BeforeValidator(_pattern), WithJsonSchema({"type": "string", "maxLength": _LONGEST_SUBJECT})
]


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


class RulesHistoryParameters(Parameters):
    """Which versions of the validation rules."""

    limit: int = Field(50, ge=1, le=200, description="the newest so many")
    before: int | None = Field(None, ge=1, le=2**53, description="those before this version")


class EventsParameters(Parameters):
    """Which events."""

    name: str | None = Field(
        None, max_length=80, pattern=r"^[A-Za-z0-9_.]+$", description="of this name, like MarketSourceDisconnected"
    )
    venue: str | None = Field(None, max_length=32, description="of this venue only")
    symbol: str | None = Field(None, max_length=64, description="of this instrument only")
    source: str | None = Field(None, max_length=64, description="of this service only")
    routine: bool = Field(True, description="with what happens all day long where all is well, as bars that close")
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="the newest so many")
    before: int | None = Field(None, ge=1, le=2**53, description="those before this `stream_seq`")


class InstanceParameters(Parameters):
    """One instance of a service."""

    service: str = Field(pattern=_NAME, description="the service, as the list of instances has it")
    instance: str = Field(pattern=_NAME, description="the instance, as the list has it")


class InstanceLogsParameters(InstanceParameters):
    """Which of its log lines."""

    level: LogLevel = _LEVEL
    after: int = Field(
        0, ge=0, le=2**53, description="those behind this `seq`, oldest first; the newest ones without it"
    )
    limit: int = Field(200, ge=1, le=MOST_LOG_LINES, description="so many")


class LogsParameters(Parameters):
    """Which log lines of all instances."""

    service: str | None = Field(None, pattern=_NAME, description="of this service only")
    level: LogLevel = _LEVEL
    since: Time = Field(None, description="those that were written then or later")
    limit: int = Field(200, ge=1, le=MOST_LOG_LINES, description="the newest so many")


class StreamParameters(Parameters):
    """One stream."""

    name: str = Field(pattern=_NAME, description="as the list of streams has it")


class MessagesParameters(StreamParameters):
    """Which of its messages."""

    subject: SubjectPattern = Field(">", description="of subjects that fit, * and a last > allowed")
    after_seq: int | None = Field(None, ge=0, le=2**53, description="those behind this `seq`, oldest first")
    from_: Time = Field(None, alias="from", description="those taken then or later, oldest first")
    limit: int = Field(20, ge=1, le=100, description="so many; without after_seq and from the newest")

    def check(self, given: Mapping[str, str]) -> None:
        """Whether one place is named to begin at. Raises QueryError: two are."""
        super().check(given)
        if self.after_seq is not None and self.from_ is not None:
            raise QueryError("from: expected without after_seq")


class BucketParameters(Parameters):
    """Which entries of a bucket."""

    name: str = Field(pattern=_NAME, description="as the list of buckets has it")
    keys: SubjectPattern = Field(">", description="of keys that fit, * and a last > allowed")
    limit: int = Field(50, ge=1, le=200, description="so many, by key")
