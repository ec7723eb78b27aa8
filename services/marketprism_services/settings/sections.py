"""Sections of the settings that are about sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, SecretStr
from pydantic_core import core_schema

from marketprism_sdk.urls import Url

# A URL that may carry a user and a password: it is printed, and written as JSON, without them.
SecretUrl = Annotated[
    Url,
    GetPydanticSchema(
        lambda _, __: core_schema.no_info_after_validator_function(
            Url,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )
    ),
]


class Section(BaseModel):
    """Nothing but what is named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CaptureSection(Section):
    """Raw frames of the source in compressed files, to be looked at and played again."""

    enabled: bool = False
    folder: Path | None = Field(None, description="unset: capture below the data directory")
    rotate_mb: int = Field(256, ge=1, le=100_000)
    rotate_s: float = Field(3_600.0, gt=0)
    keep_gb: float = Field(50.0, gt=0)


class VenueSection(Section):
    """A crypto venue. Which one is the source's name: `binance`, `binance-usdm`, `binance-coinm`, `okx`, `deribit`."""

    instruments: tuple[str, ...] = Field((), description="names, or patterns over the list: BTC-USDT, *-USDT-PERP")
    kinds: tuple[str, ...] = Field(
        ("trade", "orderbook", "quote", "ticker", "kline", "funding_rate", "open_interest", "liquidation"),
        description="kinds of data; what a venue does not have is left out",
    )
    intervals: tuple[str, ...] = Field(("1m",), description="of the venue's own bars")
    collectors: int = Field(1, ge=1, le=4, description="connections that carry each stream, merged by sequence")
    depth: int = Field(20, ge=1, le=1_000, description="levels of the conflated top of a book")
    top_ms: int = Field(250, ge=10, le=60_000, description="and how often it is published at most")
    quote_ms: int = Field(100, ge=0, le=60_000, description="a tick for best prices that moved, at most so often")
    hold_s: float = Field(5.0, ge=0, le=60, description="trades wait so long behind missing ones being fetched")
    snapshot_s: float = Field(300.0, gt=0, description="a whole book is published so often")
    audit_s: float = Field(300.0, gt=0, description="each book is compared with a fresh snapshot about so often")
    refresh_s: float = Field(3_600.0, gt=0, description="the instrument list is read again so often")
    lifetime_s: float = Field(0.0, ge=0, description="connections are renewed before this age; 0: before the venue's")
    ws_url: SecretUrl = Field(Url(""), description="another host: a simulator, a proxy, a region")
    rest_url: SecretUrl = Url("")
    backlog: int = Field(200_000, ge=1, description="frames that may wait; more are dropped, counted and told")


class AccountSection(Section):
    """Another broker's fronts for the same market."""

    md_fronts: tuple[str, ...]
    broker: str = ""
    user: str = ""
    password: SecretStr = SecretStr("")


class CounterSection(Section):
    """A counter of the Chinese markets (CTP, SOPT). The password is best given as MARKETPRISM_CTP__PASSWORD."""

    md_fronts: tuple[str, ...] = Field((), description="tcp://host:port; sim:<recordings> plays one")
    td_fronts: tuple[str, ...] = Field((), description="for the instrument list; without, instruments names them")
    broker: str = ""
    user: str = ""
    password: SecretStr = SecretStr("")
    app_id: str = ""
    auth_code: SecretStr = SecretStr("")
    instruments: tuple[str, ...] = Field(("*",), description="names, or patterns over the list: rb*, *")
    subscribe_per_second: int = Field(1_000, ge=1, le=100_000)
    answer_s: float = Field(10.0, gt=0, le=600)
    queue: int = Field(200_000, ge=1)
    production: bool = True
    connect: Literal["calendar", "always"] = Field("calendar", description="a real front: around the sessions")
    warm_up_s: float = Field(900.0, ge=0, le=86_400, description="connected so long before an auction")
    linger_s: float = Field(1_800.0, ge=0, le=86_400, description="and so long after a close")
    retry_limit: int = Field(0, ge=0, description="attempts to connect before an operator is waited for; 0: any number")
    retry_longest_s: float = Field(30.0, ge=0.5, le=3_600, description="pauses double from half a second up to this")
    others: tuple[AccountSection, ...] = Field((), description="accounts elsewhere that deliver the same market")
