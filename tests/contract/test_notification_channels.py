"""What every `NotificationChannel` does, against servers that check what its vendor documents."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.notifications.apprise_channel import AppriseChannel
from marketprism_adapters.notifications.chat_robots import DingTalkChannel, FeishuChannel, WeComChannel
from marketprism_adapters.notifications.mail import MailChannel
from marketprism_adapters.notifications.settings import (
    AppriseSettings,
    HookSettings,
    MailSettings,
    SignedHookSettings,
    TelegramSettings,
)
from marketprism_adapters.notifications.web_hooks import SlackChannel, TelegramChannel, WebhookChannel
from marketprism_application.contracts.alert_records import Alert, AlertRecord, NoticeKind, Severity
from marketprism_application.errors import NotificationRefused, NotificationUnavailable
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import Message, Notice, NotificationChannel
from marketprism_sdk.urls import Secret
from tests.support import notification_places as places
from tests.support.certificates import Authority
from tests.support.notification_places import SECRET, TOKEN, HttpPlace, MailPlace

Make = Callable[[int, str, str, Path], NotificationChannel]  # port, token, secret, certificate of the authority
QUICK_S = 0.5
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it


def _signed(kind: Any, path: str) -> Make:
    def make(port: int, token: str, secret: str, _: Path) -> NotificationChannel:
        url = Secret(f"http://127.0.0.1:{port}{path}{token}")
        channel: NotificationChannel = kind(
            SignedHookSettings(url=url, signing_secret=Secret(secret)), timeout_s=QUICK_S
        )
        return channel

    return make


def _plain(kind: Any, path: str) -> Make:
    def make(port: int, token: str, _: str, __: Path) -> NotificationChannel:
        url = Secret(f"http://127.0.0.1:{port}{path}{token}")
        channel: NotificationChannel = kind(HookSettings(url=url), timeout_s=QUICK_S)
        return channel

    return make


def _telegram(port: int, token: str, _: str, __: Path) -> NotificationChannel:
    of = TelegramSettings(bot_token=Secret(token), chat="-100", bot_api=f"http://127.0.0.1:{port}/")
    return TelegramChannel(of, timeout_s=QUICK_S)


def _mail(port: int, token: str, _: str, ca: Path) -> NotificationChannel:
    of = MailSettings(
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_ca=ca,
        smtp_user="robot",
        smtp_password=Secret(token),
        sender="alerts@desk.example",
        recipients=("ann@desk.example", "bo@desk.example"),
    )
    return MailChannel(of, timeout_s=QUICK_S)


def _apprise(port: int, token: str, _: str, __: Path) -> NotificationChannel:
    of = AppriseSettings(places=(Secret(f"json://127.0.0.1:{port}/{token}"),))
    return AppriseChannel(of, timeout_s=QUICK_S * 4)


@dataclass(frozen=True)
class Kind:
    make: Make
    answer: Any
    busy: tuple[int, Any] = (429, "slow down")
    reads_answers: bool = False
    says_why: bool = True


KINDS = {
    "dingtalk": Kind(
        _signed(DingTalkChannel, "/robot/send?access_token="), places.dingtalk, (200, {"errcode": 130101}), True
    ),
    "feishu": Kind(_signed(FeishuChannel, "/hook/"), places.feishu, (200, {"code": 9499, "msg": "too many"}), True),
    "wecom": Kind(_plain(WeComChannel, "/send?key="), places.wecom, (200, {"errcode": 45009}), True),
    "slack": Kind(_plain(SlackChannel, "/services/"), places.slack),
    "telegram": Kind(_telegram, places.telegram, reads_answers=True),
    "webhook": Kind(_signed(WebhookChannel, "/hook/"), places.webhook),
    "mail": Kind(_mail, None),
    "apprise": Kind(_apprise, lambda request, _: (200, {}) if TOKEN in request.path else (403, {}), says_why=False),
}


def message(text: str = "bars are missing", max_bytes: int = 2_000) -> Message:
    alert = Alert("f", "BarsMissing <b>&\nBcc: x", Severity.PAGE, 1, summary=text, labels={"stage": "聚合"})
    return MessageWriter().write([Notice(NoticeKind.FIRING, AlertRecord(alert, 1))], max_bytes)


@dataclass
class Scene:
    kind: Kind
    place: Any
    make: Callable[..., NotificationChannel]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("mail") / "ca")


@pytest.fixture(params=list(KINDS))
async def scene(request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[Scene]:
    kind = KINDS[request.param]
    if kind.answer is None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue("mail"))
        place: Any = MailPlace(context)
    else:
        place = HttpPlace(kind.answer, kind.busy)
    await place.start()
    opened: list[NotificationChannel] = []

    def make(token: str = TOKEN, secret: str = SECRET) -> NotificationChannel:
        opened.append(kind.make(place.port, token, secret, authority.file))
        return opened[-1]

    yield Scene(kind, place, partial(make))
    for channel in opened:
        await channel.close()
    await place.stop()


async def test_a_message_arrives_signed_and_whole(scene: Scene) -> None:
    channel = scene.make()
    await channel.send(message())
    await channel.send(message("second"))
    first, second = scene.place.texts
    assert "bars are missing" in first
    assert "聚合" in first
    assert "second" in second
    assert channel.limits.per_minute >= 1


async def test_the_longest_text_of_a_channel_is_taken(scene: Scene) -> None:
    channel = scene.make()
    await channel.send(message("长" * 40_000, channel.limits.max_bytes))
    assert len(scene.place.texts) == 1


async def test_a_wrong_secret_is_refused_and_never_shown(scene: Scene) -> None:
    expected = NotificationRefused if scene.kind.says_why else NotificationUnavailable
    channel = scene.make("wrong-token-9", "wrong-secret-9")
    with pytest.raises(expected) as caught:
        await channel.send(message())
    assert channel.name in str(caught.value)
    assert "-9" not in str(caught.value)
    assert scene.place.texts == []


async def test_who_is_busy_or_broken_is_asked_again(scene: Scene) -> None:
    channel = scene.make()
    for mode in ("busy", "broken"):
        scene.place.mode = mode
        with pytest.raises(NotificationUnavailable) as caught:
            await channel.send(message())
        assert caught.value.retryable
        if mode == "busy" and scene.kind.busy[0] == 429 and scene.kind.says_why and scene.kind.answer:
            assert caught.value.retry_after_s == 7
    scene.place.mode = "ok"
    await channel.send(message())
    assert len(scene.place.texts) == 1


async def test_who_does_not_answer_or_is_not_there_is_asked_again(scene: Scene) -> None:
    channel = scene.make()
    scene.place.mode = "stall"
    with pytest.raises(NotificationUnavailable):
        await channel.send(message())
    await scene.place.stop()
    with pytest.raises(NotificationUnavailable) as caught:
        await channel.send(message())
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.reads_answers])
async def test_a_page_that_is_no_answer_of_the_place_is_no_success(name: str, authority: Authority) -> None:
    place = HttpPlace(KINDS[name].answer, KINDS[name].busy)
    await place.start()
    channel = KINDS[name].make(place.port, TOKEN, SECRET, authority.file)
    place.mode = "page"
    with pytest.raises(NotificationUnavailable, match="expected a JSON object"):
        await channel.send(message())
    await channel.close()
    await place.stop()


async def test_an_old_signature_would_be_refused() -> None:
    """The places look at the time: what they take is not a matter of a key alone."""
    for kind, path, answer in (
        (DingTalkChannel, f"/robot/send?access_token={TOKEN}", places.dingtalk),
        (FeishuChannel, "/hook/", places.feishu),
        (WebhookChannel, "/hook/", places.webhook),
    ):
        place = HttpPlace(answer, (429, ""))
        await place.start()
        of = SignedHookSettings(url=Secret(f"http://127.0.0.1:{place.port}{path}"), signing_secret=Secret(SECRET))
        channel: NotificationChannel = kind(of, clock=lambda: 1_700_000_000.0)
        with pytest.raises(NotificationRefused):
            await channel.send(message())
        await channel.close()
        await place.stop()


async def test_a_mail_server_without_a_good_certificate_is_told_no_password(authority: Authority) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("other"))
    place = MailPlace(context)
    await place.start()
    of = MailSettings(
        smtp_host="127.0.0.1",
        smtp_port=place.port,
        smtp_user="robot",
        smtp_password=Secret(TOKEN),
        sender="alerts@desk.example",
        recipients=("ann@desk.example",),
    )
    with pytest.raises(NotificationRefused, match="certificate"):
        await MailChannel(of).send(message())
    await place.stop()


async def test_an_address_that_is_none_is_named_without_its_text() -> None:
    channel = SlackChannel(HookSettings(url=Secret("nonsense tok-1")))
    with pytest.raises(NotificationRefused, match="slack: expected a URL") as caught:
        await channel.send(message())
    await channel.close()
    assert "tok-1" not in str(caught.value)
