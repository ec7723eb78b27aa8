"""Where notices go and how patiently, as a person sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from marketprism_application.contracts.alert_records import Severity
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class DeliveryPolicy:
    """Channels by severity (`all` for each that is configured), and times in seconds.

    Notices of one severity that come within its `…_group_s` are one message. `escalate_s` after a page was received
    and nobody acknowledged it, `escalate_to` is told. A channel that fails for `fallback_s`, or refuses, leaves its
    notices to `fallback`. A retry comes `retry_s` after the first failure, then twice as late each time, up to
    `retry_max_s`; one that refused rests for `refused_s`.

    Raises:
        InvalidValue: names the field.
    """

    BOUNDS: ClassVar[Bounds] = {
        "page_group_s": (0, 3_600),
        "ticket_group_s": (0, 86_400),
        "info_group_s": (0, 86_400),
        "escalate_s": (0, 86_400),
        "fallback_s": (0.001, 86_400),
        "retry_s": (0.001, 3_600),
        "retry_max_s": (0.001, 3_600),
        "refused_s": (0.001, 86_400),
    }

    page: tuple[str, ...] = (ALL,)
    ticket: tuple[str, ...] = (ALL,)
    info: tuple[str, ...] = (ALL,)
    escalate_to: tuple[str, ...] = ()
    fallback: str = ""
    page_group_s: float = 2.0
    ticket_group_s: float = 30.0
    info_group_s: float = 900.0
    escalate_s: float = 900.0
    fallback_s: float = 900.0
    retry_s: float = 1.0
    retry_max_s: float = 60.0
    refused_s: float = 300.0

    def __post_init__(self) -> None:
        check_bounds(self, DeliveryPolicy.BOUNDS)

    def group_s(self, severity: Severity) -> float:
        """How long the first notice of a message waits for others, in seconds."""
        waits = {Severity.PAGE: self.page_group_s, Severity.TICKET: self.ticket_group_s}
        return waits.get(severity, self.info_group_s)

    def check_channels(self, configured: tuple[str, ...]) -> None:
        """Raises InvalidValue: a channel is named that is not configured."""
        named = {"page": self.page, "ticket": self.ticket, "info": self.info, "escalate_to": self.escalate_to}
        if self.fallback:
            named["fallback"] = (self.fallback,)
        for field, channels in named.items():
            for channel in channels:
                if channel not in configured and (channel != ALL or field == "fallback"):
                    expected = ", ".join(configured) or "none, as no channel is configured"
                    raise InvalidValue(field, f"channels that are configured ({expected})", channel)

    def route(self, severity: Severity, configured: tuple[str, ...]) -> tuple[str, ...]:
        """The channels of a severity."""
        routes = {Severity.PAGE: self.page, Severity.TICKET: self.ticket}
        return _channels(routes.get(severity, self.info), configured)

    def escalation(self, configured: tuple[str, ...]) -> tuple[str, ...]:
        """The channels that are told where nobody acknowledges."""
        return _channels(self.escalate_to, configured)


def _channels(named: tuple[str, ...], configured: tuple[str, ...]) -> tuple[str, ...]:
    return configured if ALL in named else named


__all__ = ["ALL", "DeliveryPolicy"]
