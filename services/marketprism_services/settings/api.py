"""Settings of the API gateway: who may come in, what one caller may take, and how backends are asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from marketprism_application.access.addresses import network
from marketprism_services.settings.live_stream import LiveStreamSettings
from marketprism_services.settings.oidc import OidcSettings
from marketprism_services.settings.section import Section


class BackendSettings(Section):
    """How the services behind the door are asked."""

    timeout_s: float = Field(25.0, gt=0, le=300, description="an answer takes at most so long")
    hedge_s: float = Field(
        0.5, ge=0, le=60, description="a read without answer goes to a second instance too; 0: never"
    )
    breaker_failures: int = Field(
        5, ge=1, le=1_000, description="calls in a row that nobody answers until none is made"
    )
    breaker_rest_s: float = Field(1.0, gt=0, le=300, description="and for so long")
    at_once: int = Field(64, ge=2, le=10_000, description="questions to one service at a time, half of them large ones")
    waiting: int = Field(256, ge=0, le=100_000, description="and that wait for their turn; more are told to come again")
    least_loaded: bool = Field(False, description="ask the instance that says the least load; otherwise in turn")


class ApiSettings(Section):
    """The API gateway, on `http.api`.

    `auth` says who may come in: `local`, whoever asks from this machine, without a login; `on`, whoever shows a key, a
    token or a session; `off`, everybody, with every right.
    """

    auth: Literal["local", "on", "off"] = Field("local", description="who may come in")
    insecure: bool = Field(False, description="listen beyond this machine without auth on")
    cors_origins: tuple[str, ...] = Field((), description="origins whose pages may ask, in full")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="networks of the proxies before it: the caller's address is taken from their header"
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for", description="the header that these proxies write themselves; the other is not looked at"
    )
    concurrent: int = Field(16, ge=1, le=10_000, description="questions of one caller at a time")
    per_second: float = Field(1_000.0, gt=0, description="questions of one caller a second, on average")
    connections: int = Field(4_096, ge=16, le=100_000, description="that are open at a time, of all callers")
    in_flight: int = Field(512, ge=1, le=100_000, description="requests at a time, of all callers")
    stream_rows: int = Field(10_000_000, ge=1, description="rows of one streamed answer")
    stall_s: float = Field(30.0, gt=0, le=3_600, description="a reader who takes nothing for so long is cut off")
    access_log: Literal["all", "errors", "off"] = Field("all", description="which requests are a line in the log")
    console: bool = Field(True, description="the web console is served to browsers")
    compress: bool = Field(True, description="JSON, CSV and NDJSON are compressed for who asks from elsewhere")
    backend: BackendSettings = BackendSettings()
    stream: LiveStreamSettings = LiveStreamSettings()
    oidc: OidcSettings = OidcSettings()

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                good = network(each).prefixlen > 0  # with everybody as a proxy, everybody says where they are
            except ValueError:
                good = False
            if not good:
                raise ValueError(f"expected networks like 10.1.0.0/16, was {each!r}")
        return value
