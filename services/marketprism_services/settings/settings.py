"""Settings of every process: defaults, then a TOML file, then `MARKETPRISM_…` variables, then options.

`MARKETPRISM_NATS__URL=nats://…` sets `nats.url`. An unknown name or a value out of range stops the process
with a text that names it.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.nats.stream_layout import MIN_STORE_BYTES, StreamLayout
from marketprism_application.errors import StoreError
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import Interval
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.urls import HIDDEN, Url, hide
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.loading import from_environment, from_file, merge
from marketprism_services.settings.sections import CaptureSection, CounterSection, SecretUrl, Section, VenueSection
from marketprism_services.settings.streams import StreamsSection

Port = Annotated[int, Field(ge=0, le=65535)]


class NatsSettings(Section):
    """Where NATS is. Without `url`, `up` starts a server of its own."""

    url: SecretUrl | None = None
    port: Port | None = Field(None, description="port of the embedded server; unset: 4222, or a free one if taken")
    sync_always: bool = Field(False, description="fsync before every acknowledgement")
    max_store_gb: float = Field(20.0, ge=MIN_STORE_BYTES / 1e9, le=100_000, description="what JetStream may keep")
    connect_timeout_s: float = Field(5.0, gt=0, le=300)
    replicas: int = Field(1, ge=1, le=5)

    @field_validator("url")
    @classmethod
    def _is_nats_url(cls, value: Url | None) -> Url | None:
        for part in value.reveal().split(",") if value is not None else ():
            # A password with a slash would end where the path begins, and the rest of it be printed with the path.
            if not re.fullmatch(r"(nats|tls)://[^\s/?#]+/?", part.strip()):
                raise ValueError("expected nats://host:port or tls://host:port, with special characters as %XX")
        return value


class SourceSettings(Section):
    """What the gateway reads."""

    spec: str = "sim"
    speed: str = "max"
    checked: bool = Field(False, description="the recordings were read through already")

    @field_validator("speed")
    @classmethod
    def _is_speed(cls, value: str) -> str:
        parse_speed(value)
        return value


LOCAL_SERVER = "server"  # as store.url: `up` starts a server of its own


class StoreSettings(Section):
    """Where records are kept."""

    engine: Literal["chdb", "clickhouse"] = "chdb"
    url: SecretUrl = Field(
        Url("http://127.0.0.1:8123"), description="ClickHouse over HTTP, http://user:password@host:8123"
    )
    read_url: SecretUrl = Field(Url(""), description="the same as a user who may only read; empty: url")
    query_s: float = Field(30.0, gt=0, le=3_600, description="a query on the server ends after so long")
    query_rows: int = Field(1_000_000, ge=1, description="rows a query may return")
    batch_rows: int = Field(1_000, ge=1, le=1_000_000)
    batch_ms: int = Field(200, ge=1, le=60_000)
    max_batch_rows: int = Field(400_000, ge=1, le=1_048_449)
    cluster: str = Field("", description="name in remote_servers: replicated and sharded tables")
    quorum: str = Field("auto", description="replicas of a shard that must have an insert: auto for a majority")
    keep_days: dict[str, int] = Field(default_factory=dict, description="by table; rows stay for ever without")
    dense_days: int = Field(1, ge=0, le=36_500, description="ticks of this age are compressed densely; 0 never")
    partition_by: dict[str, str] = Field(default_factory=dict, description="by table, when made: day, month, year")

    @model_validator(mode="after")
    def _is_a_topology(self) -> StoreSettings:
        try:
            self.topology()
        except StoreError as error:
            raise ValueError(str(error)) from error
        if self.cluster and self.engine != "clickhouse":
            raise ValueError("store.cluster: expected store.engine clickhouse with it, was chdb")
        return self

    def topology(self) -> Topology:
        """How the tables are laid out."""
        return Topology(self.cluster, self.quorum, self.keep_days, self.partition_by, self.dense_days)


class QuerySettings(Section):
    """What one caller of the read API may take, and what is kept for the next."""

    concurrent: int = Field(16, ge=1, le=10_000, description="questions of one caller at a time")
    per_second: float = Field(1_000.0, gt=0, description="questions of one caller a second, on average")
    stream_rows: int = Field(10_000_000, ge=1, description="rows of one streamed answer")
    stall_s: float = Field(30.0, gt=0, le=3_600, description="a reader who takes nothing for so long is cut off")
    cache_mb: float = Field(256.0, ge=0, le=1_000_000, description="answers about bars that are kept")


class BarsSettings(Section):
    """How bars are counted; what is possible, `BarSettings` says."""

    intervals: tuple[str, ...] = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")
    alignment: Literal["session", "clock"] = "session"
    fill_empty: bool = False
    grace_s: float = 3.0
    revision_window_s: float = 60.0

    @model_validator(mode="after")
    def _makes_bars(self) -> BarsSettings:
        try:
            self.domain()
        except InvalidValue as error:
            raise ValueError(str(error)) from error
        return self

    def domain(self) -> BarSettings:
        """The domain's form."""
        for interval in self.intervals:
            Interval.parse(interval)
        return BarSettings(
            intervals=self.intervals,
            alignment=self.alignment,
            fill_empty=self.fill_empty,
            grace_s=self.grace_s,
            revision_window_s=self.revision_window_s,
        )


class HttpSettings(Section):
    """Health, metrics and the read API. Port 0 takes any free one and reports it in the registry."""

    host: str = "127.0.0.1"
    gateway: Port = 0
    validator: Port = 0
    aggregator: Port = 0
    storage: Port = 8083
    query: Port = 8080
    monitor: Port = 8085


class LogSettings(Section):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console", "auto"] = "auto"


class TraceSettings(Section):
    """Messages that are followed from the gateway to the store; calls are always traced."""

    every: int = Field(1_000, ge=0, description="one of so many raw messages; 0 for none")


class LeaseSection(Section):
    """Leader election; what is possible, `LeaseSettings` says."""

    lease_s: float = 1.0
    heartbeat_s: float = 0.25
    probe_s: float = 0.05

    @model_validator(mode="after")
    def _is_a_lease(self) -> LeaseSection:
        try:
            self.lease()
        except ConfigurationError as error:
            raise ValueError(str(error).removeprefix("lease: ")) from error
        return self

    def lease(self) -> LeaseSettings:
        """The framework's form."""
        return LeaseSettings(self.lease_s, self.heartbeat_s, self.probe_s)


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()


class Settings(Section):
    """Everything a process can be told."""

    data_dir: Path = Field(default_factory=lambda: _absolute(os.environ.get("MARKETPRISM_HOME", "~/.marketprism")))
    nats: NatsSettings = NatsSettings()
    streams: StreamsSection = StreamsSection()
    source: SourceSettings = SourceSettings()
    ctp: CounterSection = CounterSection()
    sopt: CounterSection = CounterSection()
    venue: VenueSection = VenueSection()
    capture: CaptureSection = CaptureSection()
    store: StoreSettings = StoreSettings()
    query: QuerySettings = QuerySettings()
    bars: BarsSettings = BarsSettings()
    rules: dict[str, Any] = Field(default_factory=dict)
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    trace: TraceSettings = TraceSettings()
    lease: LeaseSection = LeaseSection()
    drain_s: float = Field(8.0, gt=0, le=60)

    def layout(self) -> StreamLayout:
        """How the market streams are made."""
        streams = self.streams
        return StreamLayout(
            self.nats.replicas, streams.partitions, int(self.nats.max_store_gb * 1e9), streams.reserve,
            streams.duplicate_window_s, streams.limits(), streams.lower,
        )  # fmt: skip

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return _absolute(value)

    @field_validator("rules")
    @classmethod
    def _are_rules(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value:
            ValidationRules().changed(**value)
        return value

    def validation_rules(self) -> ValidationRules:
        """The configured rule set."""
        return ValidationRules().changed(**self.rules) if self.rules else ValidationRules()


def parse_speed(text: str) -> float | None:
    """`max` (None) or a positive factor of real time like `1`, `10` or `60x`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"speed: expected max or a positive number like 1 or 60, was {text!r}")
    return speed


def load(config: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings of this process.

    Raises:
        Stop: exit code 2, with every wrong name or value on a line of its own.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values = from_file(config)
    merge(values, from_environment())
    merge(values, overrides or {})
    try:
        return Settings.model_validate(values)
    except (ValidationError, InvalidValue) as error:
        raise Stop(Exit.USAGE, _explain(error)) from error


def _explain(error: ValidationError | InvalidValue) -> str:
    if isinstance(error, InvalidValue):
        return f"setting {error}"
    lines = []
    for item in error.errors():
        path = [str(part) for part in item["loc"]]
        name = ".".join(path)
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(path[-1], _names_at(path[:-1]), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(_names_at(path[:-1]))}"
            lines.append(f"setting {name}: there is no such setting{hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            was = "" if " was " in message else f", was {_shown(path, item['input'])}"
            lines.append(f"setting {name}: {message[0].lower()}{hide(message[1:])}{was}")
    return "\n".join(lines)


def _shown(path: list[str], value: Any) -> str:
    """A value that is not what it should be, unless it is or holds a secret."""
    shown = repr(value)
    secret = any(word in f"{path[-1]} {shown}" for word in ("password", "auth_code"))
    # A URL that is not well formed cannot be trusted to be hidden where its password is.
    return HIDDEN if secret or (path[-1].endswith("url") and "@" in shown) else hide(shown)


def _names_at(path: list[str]) -> list[str]:
    model: Any = Settings
    for part in path:
        field = model.model_fields.get(part)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return sorted(model.model_fields)
