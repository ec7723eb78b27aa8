"""Who is told of an alert, when, and what if a channel does not take it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import pytest

from marketprism_application.contracts.alert_records import Alert, AlertRecord, Severity
from marketprism_application.notifications.dispatcher import Delivery, Dispatcher
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_application.notifications.quiet_hours import ChangingQuietHours, QuietHours
from marketprism_application.notifications.send_budget import SendBudget
from marketprism_application.ports.notifications import ChannelLimits
from marketprism_domain.errors import InvalidValue

T0 = 1_800_000_000.0  # 2027-01-15 16:00 in Shanghai
LIMITS = ChannelLimits(20, 20_000)
POLICY = DeliveryPolicy(fallback="mail", page=("chat",), ticket=("chat",), info=("chat",))


def record(name: str, severity: Severity = Severity.PAGE, at_s: float = T0) -> AlertRecord:
    return AlertRecord(Alert(f"f-{name}", name, severity, int(at_s * 1e9), summary=f"{name} is wrong"), int(at_s * 1e9))


def dispatcher(policy: DeliveryPolicy = POLICY, quiet: QuietHours | None = None, **limits: ChannelLimits) -> Dispatcher:
    return Dispatcher(policy, {"chat": LIMITS, "mail": LIMITS, **limits}, quiet)


def names(delivery: Delivery) -> list[str]:
    return [f"{notice.record.alert.name}.{notice.kind.value}" for notice in delivery.message.notices]


def send_all(of: Dispatcher, begin_s: float, end_s: float, step_s: float = 0.5) -> list[tuple[float, Delivery]]:
    sent, now_s = [], begin_s
    while now_s < end_s:
        for delivery in of.due(now_s):
            sent.append((now_s, delivery))
            of.queues[delivery.channel].sent()
        now_s += step_s
    return sent


def test_alerts_of_a_moment_are_one_message_and_each_is_announced_once() -> None:
    of = dispatcher()
    of.see(record("a"), T0)
    of.see(record("b"), T0 + 1)
    of.see(record("a"), T0 + 1)  # the second Alertmanager
    assert list(of.due(T0 + 1.9)) == []
    (_, first), *others = send_all(of, T0 + 2, T0 + 100)
    assert (first.channel, names(first), others) == ("chat", ["a.firing", "b.firing"], [])


def test_the_end_of_an_alert_is_announced_too() -> None:
    of = dispatcher()
    of.see(record("a"), T0)
    send_all(of, T0, T0 + 5)
    of.see(msgspec.structs.replace(record("a"), resolved_at=int((T0 + 9) * 1e9)), T0 + 9)
    ((_, only),) = send_all(of, T0 + 9, T0 + 60)
    assert names(only) == ["a.resolved"]


def test_a_thousand_alerts_within_ten_seconds_stay_within_the_limit_and_each_is_named() -> None:
    of = dispatcher()
    for number in range(1_000):
        of.see(record(f"alert{number}", list(Severity)[number % 3]), T0 + number / 100)
    sent = send_all(of, T0, T0 + 2_000)
    told = [name for _, delivery in sent for name in names(delivery)]
    assert sorted(told) == sorted(f"alert{number}.firing" for number in range(1_000))
    for name in (f"alert{number}" for number in range(1_000)):
        assert any(f" {name} " in delivery.message.text for _, delivery in sent)
    times = [at_s for at_s, _ in sent]
    assert all(sum(begin <= at_s < begin + 60 for at_s in times) <= 20 for begin in times)
    assert all(len(delivery.message.text.encode()) <= 20_000 for _, delivery in sent)


@pytest.mark.parametrize("per_minute", [1, 2, 3, 20, 100])
def test_no_minute_has_more_messages_than_the_channel_takes(per_minute: int) -> None:
    budget, taken = SendBudget(per_minute), []
    for tick in range(600 * 4):
        now_s = tick / 4
        if tick % 480 == 0 or tick > 900:  # quiet first, so that the bucket is full
            taken += [now_s] if budget.take(now_s) else []
    assert max(sum(begin <= at_s < begin + 60 for at_s in taken) for begin in taken) <= per_minute
    assert len(taken) >= 3


def test_what_is_below_page_waits_for_the_end_of_the_quiet_hours() -> None:
    of = dispatcher(quiet=QuietHours("15:30-16:10", "Asia/Shanghai"))
    of.see(record("page"), T0)
    of.see(record("ticket", Severity.TICKET), T0)
    sent = send_all(of, T0, T0 + 1_000)
    assert [(at_s - T0, names(delivery)) for at_s, delivery in sent] == [(2, ["page.firing"]), (600, ["ticket.firing"])]


def test_hours_over_midnight_and_time_outside_of_trading_are_quiet() -> None:
    over_night = QuietHours("22:00-08:00", "UTC")
    assert [over_night.is_quiet(T0 + hour * 3_600) for hour in (0, 13.9, 14, 23.9, 24)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    outside = QuietHours(in_session=lambda ts: ts >= int(T0 * 1e9))
    assert [outside.is_quiet(at_s) for at_s in (T0 - 1, T0)] == [True, False]
    for wrong in (("8-9", "UTC"), ("22:00-22:00", "UTC"), ("24:00-08:00", "UTC"), ("", "Mars/Base")):
        with pytest.raises(InvalidValue, match="expected"):
            QuietHours(*wrong)


def test_a_page_that_nobody_acknowledges_goes_to_others() -> None:
    policy = replace(POLICY, escalate_to=("mail",), escalate_s=600)
    of = dispatcher(policy)
    for name in ("a", "taken", "over"):
        of.see(record(name), T0)
    of.see(record("ticket", Severity.TICKET), T0)
    send_all(of, T0, T0 + 100)
    of.see(msgspec.structs.replace(record("taken"), acknowledged_by="ann", acknowledged_at=1), T0 + 100)
    of.see(msgspec.structs.replace(record("over"), resolved_at=1), T0 + 100)
    sent = send_all(of, T0 + 100, T0 + 3_000)
    escalated = [
        (at_s - T0, delivery.channel, names(delivery)) for at_s, delivery in sent if delivery.channel == "mail"
    ]
    assert escalated == [(602, "mail", ["a.escalated"])]


def test_a_channel_that_is_away_is_asked_less_and_less_often_and_then_the_fallback_has_it() -> None:
    of = dispatcher()
    of.see(record("a"), T0)
    tries, now_s = [], T0
    while not (left := of.abandoned(now_s)):
        for delivery in of.due(now_s):
            tries.append(now_s)
            of.queues[delivery.channel].failed(now_s, "away")
        now_s += 0.5
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 32]
    assert set(pauses[6:]) == {60}
    assert 900 <= now_s - tries[0] <= 960
    assert [item.channel for item in left] == ["chat"]
    of.hand_over(left[0], now_s)
    assert [(delivery.channel, names(delivery)) for _, delivery in send_all(of, now_s, now_s + 100)] == [
        ("mail", ["a.firing"])
    ]
    assert of.waiting() == 0


def test_a_channel_says_when_it_is_to_be_asked_again() -> None:
    of = dispatcher()
    of.see(record("a"), T0)
    list(of.due(T0 + 2))
    of.queues["chat"].failed(T0 + 2, "too many", retry_after_s=30)
    assert [at_s - T0 for at_s, _ in send_all(of, T0 + 2, T0 + 100)] == [32]


def test_what_a_channel_refuses_is_for_the_fallback_at_once_and_it_is_tried_again_later() -> None:
    of = dispatcher()
    of.see(record("a"), T0)
    assert [names(delivery) for delivery in of.due(T0 + 2)] == [["a.firing"]]
    of.queues["chat"].refused(T0 + 2, "wrong secret")
    (item,) = of.abandoned(T0 + 2)
    of.hand_over(item, T0 + 2)
    of.see(record("b"), T0 + 290)
    (late,) = of.abandoned(T0 + 290)  # the channel rests: what is new goes the same way
    of.hand_over(late, T0 + 290)
    of.see(record("c"), T0 + 305)
    assert of.abandoned(T0 + 305) == []
    sent = send_all(of, T0 + 305, T0 + 400)
    assert [(delivery.channel, names(delivery)) for _, delivery in sent] == [
        ("mail", ["a.firing", "b.firing"]),
        ("chat", ["c.firing"]),
    ]
    assert of.queues["chat"].error == ""


def test_without_a_fallback_nothing_is_lost() -> None:
    of = dispatcher(replace(POLICY, fallback=""))
    of.see(record("a"), T0)
    list(of.due(T0 + 2))
    of.queues["chat"].refused(T0 + 2, "wrong secret")
    assert of.abandoned(T0 + 2) == []
    assert of.waiting() == 1
    assert [at_s - T0 for at_s, _ in send_all(of, T0 + 2, T0 + 1_000)] == [302]


def test_what_was_sent_before_a_takeover_is_not_sent_again() -> None:
    of = dispatcher()
    of.mark_sent(f"{record('a').alert.id}.firing", "chat")
    of.see(record("a"), T0)
    of.see(record("b"), T0)
    assert [names(delivery) for _, delivery in send_all(of, T0, T0 + 60)] == [["b.firing"]]


def test_a_channel_that_nobody_configured_is_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match=r"fallback: expected channels that are configured \(chat\), was 'mail'"):
        Dispatcher(POLICY, {"chat": LIMITS})
    with pytest.raises(InvalidValue, match="retry_s"):
        DeliveryPolicy(retry_s=0)


def test_quiet_hours_may_be_changed_while_they_are_looked_at() -> None:
    night = 1_750_000_000 // 86_400 * 86_400 + 23 * 3_600
    quiet = ChangingQuietHours(QuietHours("", "UTC"))
    assert not quiet.is_quiet(night)
    quiet.now = QuietHours("22:00-08:00", "UTC")
    assert quiet.is_quiet(night)
