"""Who is told of alerts: the channels, and when each is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from marketprism_adapters.notifications.settings import (
    AppriseSettings,
    HookSettings,
    MailSettings,
    SignedHookSettings,
    TelegramSettings,
)
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_application.notifications.quiet_hours import minutes_of, zone_of
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.urls import Secret


@dataclass(frozen=True, kw_only=True)
class NotifySettings(DeliveryPolicy):
    """The notifier. A channel is used where its section says where it is.

    `notify_token` is what Alertmanager shows; without, alerts of this machine are taken alone. Where the alert
    DeadMansSwitch is not heard for `deadman_s`, people are told that Prometheus is silent; 0: nobody looks for it.
    `quiet_hours` as 22:00-08:00 of `quiet_zone`, and with `quiet_market` also while that product (exchange.product)
    does not trade: what is below a page waits.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"deadman_s": (0, 86_400)}

    text_language: Literal["en", "zh"] = "en"
    notify_token: Secret = field(default=Secret(""))
    deadman_s: float = 0.0
    quiet_hours: str = ""
    quiet_zone: str = "Asia/Shanghai"
    quiet_market: str = ""
    dingtalk: SignedHookSettings = field(default_factory=SignedHookSettings)
    feishu: SignedHookSettings = field(default_factory=SignedHookSettings)
    wecom: HookSettings = field(default_factory=HookSettings)
    slack: HookSettings = field(default_factory=HookSettings)
    telegram: TelegramSettings = field(default_factory=TelegramSettings)
    webhook: SignedHookSettings = field(default_factory=SignedHookSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    apprise: AppriseSettings = field(default_factory=AppriseSettings)

    def __post_init__(self) -> None:
        DeliveryPolicy.__post_init__(self)
        check_bounds(self, NotifySettings.BOUNDS)
        minutes_of(self.quiet_hours)
        zone_of(self.quiet_zone)


__all__ = ["NotifySettings"]
