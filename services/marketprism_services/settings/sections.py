"""Sections of the settings that belong to the process itself; all others are the classes of those who use them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, create_model, field_validator

from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.counters.live.settings import CounterSettings
from marketprism_adapters.nats.server_settings import EmbeddedSettings
from marketprism_adapters.nats.stream_layout import MIN_STORE_BYTES
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_application.storage.writer import WriterSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.sessions.connection_hours import ConnectionTimes
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.client_tls import ClientTls
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.observability import check_endpoint
from marketprism_sdk.service import HttpTls
from marketprism_sdk.urls import Url
from marketprism_services.settings.section import Section
from marketprism_services.settings.services import SERVICES

Port = Annotated[int, Field(ge=0, le=65535)]


def _is_nats_url(value: Url | None) -> Url | None:
    for part in value.reveal().split(",") if value is not None else ():
        # A password with a slash would end where the path begins, and the rest of it be printed with the path.
        if not re.fullmatch(r"(nats|tls)://[^\s/?#]+/?", part.strip()):
            raise ValueError("expected nats://host:port or tls://host:port, with special characters as %XX")
    return value


@dataclass(frozen=True, kw_only=True)
class NatsSettings(EmbeddedSettings, NatsAccess):
    """Where NATS is, and who a process is to it. Without `url`, `up` starts a server of its own.

    With `accounts` that server knows each service by a user of its own, with the rights that its code needs. `users` is
    a folder with a file a user, as `marketprism nats accounts` writes it: a service logs in as the user of its name.
    Else as `NatsAccess` has it.

    Raises:
        InvalidValue, InvalidSetting: names the field.
    """

    BOUNDS: ClassVar[Bounds] = {
        "max_store_gb": (MIN_STORE_BYTES / 1e9, 100_000),
        "connect_timeout_s": (0.001, 300),
        "replicas": (1, 5),
    }

    url: Annotated[Url | None, AfterValidator(_is_nats_url)] = None  # by itself: of what is wrong nothing is printed
    connect_timeout_s: float = 5.0
    replicas: int = 1
    accounts: bool = True
    users: Path | None = None

    def __post_init__(self) -> None:
        EmbeddedSettings.__post_init__(self)
        NatsAccess.__post_init__(self)
        check_bounds(self, NatsSettings.BOUNDS)

    def access(self, service: str) -> NatsAccess:
        """Who a process of the service is to NATS."""
        if self.users is None or self.named or not service:
            return self
        return replace(NatsAccess.of_user(self.users, service), ca=self.ca, cert=self.cert, key=self.key)


NO_SOURCE = "none"  # as source.spec: nothing is read, what is stored is served


class SourceSettings(Section):
    """What the gateway reads."""

    spec: str = NO_SOURCE
    speed: str = "max"
    checked: bool = Field(False, description="the recordings were read through already")
    simulated: bool | None = Field(None, description="whether the data are simulated, where the source could be either")

    @field_validator("speed")
    @classmethod
    def _is_speed(cls, value: str) -> str:
        parse_speed(value)
        return value


def parse_speed(text: str) -> float | None:
    """`max` (None) or a positive factor of real time like `1`, `10` or `60x`.

    Raises:
        ValueError: it is neither.
    """
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"speed: expected max or a positive number like 1 or 60, was {text!r}")
    return speed


LOCAL_SERVER = "server"  # as store.url: `up` starts a server of its own


@dataclass(frozen=True)
class StoreSettings(WriterSettings, Topology):
    """Where records are kept: how they are written, how the tables are laid out, and who is asked for them.

    `read_url` is `url` as a user who may only read; empty: `url`. A question on the server ends after `query_s`, and
    returns `query_rows` at most. `tls` is for https:// and clickhouses://.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"query_s": (0.001, 3_600), "query_rows": (1, 1_000_000_000_000)}

    engine: Literal["chdb", "clickhouse"] = "chdb"
    url: Url = field(default=Url("http://127.0.0.1:8123"))
    read_url: Url = field(default=Url(""))
    tls: ClientTls = field(default_factory=ClientTls)
    query_s: float = 30.0
    query_rows: int = 1_000_000

    def __post_init__(self) -> None:
        WriterSettings.__post_init__(self)
        Topology.__post_init__(self)
        check_bounds(self, StoreSettings.BOUNDS)
        if self.cluster and self.engine != "clickhouse":
            raise InvalidValue("store.cluster", "store.engine clickhouse with it", self.engine)
        if self.tier_days and self.engine != "clickhouse":  # which has volumes
            raise InvalidValue("store.tier_days", "store.engine clickhouse with it, or archive.place", self.engine)


class QuerySettings(Section):
    """The service that answers questions about stored data."""

    cache_mb: float = Field(256.0, ge=0, le=1_000_000, description="answers about bars that are kept")


@dataclass(frozen=True)
class CounterSection(CounterSettings, ConnectionTimes, RetryPolicy):
    """A counter of the Chinese markets (CTP, SOPT), when it is connected, and how often that is tried.

    The password is best given as MARKETPRISM_CTP__PASSWORD.

    Raises:
        InvalidValue: names the field.
    """

    def __post_init__(self) -> None:
        CounterSettings.__post_init__(self)
        ConnectionTimes.__post_init__(self)
        RetryPolicy.__post_init__(self)


@dataclass(frozen=True)
class VnpySection(VnpySettings, ConnectionTimes, RetryPolicy):
    """A gateway of VeighNa, when it is connected, and how often that is tried.

    What it connects with is best given as MARKETPRISM_VNPY__SETTING.

    Raises:
        InvalidValue: names the field.
    """

    def __post_init__(self) -> None:
        VnpySettings.__post_init__(self)
        ConnectionTimes.__post_init__(self)
        RetryPolicy.__post_init__(self)


class HttpHost(Section):
    """Health, metrics and the API gateway: a port of each service. Port 0 takes any free one and reports it in the
    registry."""

    host: str = "127.0.0.1"
    names: tuple[str, ...] = Field((), description="host names by which it is asked, beside those of loopback")
    tls: HttpTls = HttpTls()

    def port_of(self, service: str) -> int:
        """The port of a service by its name."""
        port: int = getattr(self, service)
        return port

    def with_ports(self, **ports: int) -> HttpHost:
        """The same with other ports for some services."""
        return self.model_copy(update=ports)


if TYPE_CHECKING:
    HttpSettings = HttpHost
else:
    _PORTS: dict[str, Any] = {row.name: (Port, row.port) for row in SERVICES}
    HttpSettings = create_model("HttpSettings", __base__=HttpHost, __doc__=HttpHost.__doc__, **_PORTS)


Collector = Annotated[str, AfterValidator(lambda given: given and check_endpoint(given))]


class LogSettings(Section):
    """Structured logs on standard error, and at a collector where one is named."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console", "auto"] = "auto"
    endpoint: Collector = Field(
        "", description="an OTLP collector that log lines go to as well, http://host:4318; empty: nowhere"
    )


class TraceSettings(Section):
    """Messages that are followed from the gateway to the store; calls are always traced."""

    every: int = Field(1_000, ge=0, description="one of so many raw messages; 0 for none")
    endpoint: Collector = Field("", description="an OTLP collector that spans go to, http://host:4318; empty: nowhere")
