"""How the notifier is made."""

from __future__ import annotations

from collections.abc import Iterator

from marketprism_adapters.notifications.apprise_channel import AppriseChannel
from marketprism_adapters.notifications.chat_robots import DingTalkChannel, FeishuChannel, WeComChannel
from marketprism_adapters.notifications.mail import MailChannel
from marketprism_adapters.notifications.web_hooks import SlackChannel, TelegramChannel, WebhookChannel
from marketprism_application.notifications.dispatcher import Dispatcher
from marketprism_application.notifications.quiet_hours import ChangingQuietHours, InSession, QuietHours
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import NotificationChannel
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.notifier.service import NotifierService
from marketprism_services.settings.notify import NotifySettings
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> NotifierService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    notify = settings.notify
    channels = list(channels_of(notify))
    limits = {channel.name: channel.limits for channel in channels}
    writer = MessageWriter(notify.text_language, notify.quiet_zone)
    in_session = _in_session(shared.calendar(), notify.quiet_market) if notify.quiet_market else None
    quiet = ChangingQuietHours(QuietHours(notify.quiet_hours, notify.quiet_zone, in_session))
    notify.check_channels(tuple(limits))

    def keep_quiet(given: Settings) -> None:
        quiet.now = QuietHours(given.notify.quiet_hours, notify.quiet_zone, in_session)

    shared.appliers.on("notify.quiet_hours", keep_quiet)
    shared.appliers.veto(
        lambda given: given.notify.check_channels(tuple(each.name for each in channels_of(given.notify)))
    )
    return NotifierService(
        connection,
        channels,
        notify,
        lambda: Dispatcher(notify, limits, quiet, writer),
        writer,
        token=notify.notify_token,
        deadman_s=notify.deadman_s,
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "notifier"),
    )


def channels_of(notify: NotifySettings) -> Iterator[NotificationChannel]:
    """The channels that are configured."""
    if notify.dingtalk.is_set:
        yield DingTalkChannel(notify.dingtalk)
    if notify.feishu.is_set:
        yield FeishuChannel(notify.feishu)
    if notify.wecom.is_set:
        yield WeComChannel(notify.wecom)
    if notify.slack.is_set:
        yield SlackChannel(notify.slack)
    if notify.telegram.is_set:
        yield TelegramChannel(notify.telegram)
    if notify.webhook.is_set:
        yield WebhookChannel(notify.webhook)
    if notify.mail.is_set:
        yield MailChannel(notify.mail)
    if notify.apprise.is_set:
        yield AppriseChannel(notify.apprise)


def _in_session(calendar: MarketCalendar, market: str) -> InSession:
    """Whether a product trades. Raises InvalidValue."""
    venue, _, product = market.partition(".")
    if not venue or not product:
        raise InvalidValue("quiet_market", "an exchange and a product with a dot between", market)
    schedule = calendar.schedule(venue, product)
    return lambda ts: schedule.place(ts).session is not None
