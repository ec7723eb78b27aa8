"""Central configuration on a real NATS: what is refused, what is applied, how fast, and what is taken back."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from marketprism_adapters.nats.config_log import CONFIG, CURRENT, ConfigLog
from marketprism_application.contracts.config_records import (
    CentralLayer,
    ChangeReport,
    ConfigDifference,
    ConfigRecord,
    InstanceStanding,
    SettingsPage,
)
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import REGISTRY, Registration
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.config_follower import Standing
from marketprism_services.platform.config_watch import metadata_of
from marketprism_services.settings.settings import Settings
from tests.support.configured import ConfigPlace

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]


@pytest.mark.parametrize(
    ("name", "value", "more", "texts"),
    [
        ("log.level", "loud", {}, ["setting log.level: ", "'debug', 'info', 'warning' or 'error'", "was 'loud'"]),
        ("trace.every", -1, {}, ["setting trace.every: ", "greater than or equal to 0", "was -1"]),
        ("log.levle", "debug", {}, ["setting log.levle: there is no such setting; did you mean 'log.level'?"]),
        ("streams.partitions", 64, {}, ["setting streams.partitions: expected one that can be set centrally"]),
        ("rules.z_low", 2.5, {}, ["setting rules.z_low", "use `marketprism rules`"]),
        ("ctp.password", "hunter2", {}, ["setting ctp.password: expected secret:<name>"]),
        ("log.level", "debug", {"service": "getaway"}, ["service: expected one of storage, ", "was 'getaway'"]),
        (
            "log.level",
            "debug",
            {"service": "gateway", "instance": "x"},
            ["instance: expected one of gateway that runs"],
        ),
        ("log.level", "debug", {"reason": " "}, ["reason: expected why it is changed, was empty"]),
        ("log.level", None, {}, ["setting log.level: expected a central value to take out, there is none"]),
        ("log.level@gateway", "debug", {}, ["changes: expected settings"]),
        ("log.level", "debug", {"expected": 7}, ["version: expected 0, the one in force, was 7"]),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_stored(
    place: ConfigPlace, name: str, value: object, more: dict[str, object], texts: list[str]
) -> None:
    small = await place.small()
    with pytest.raises(RemoteError) as refused:
        await place.set(name, value, **more)
    for text in texts:
        assert text in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert await place.layer() == CentralLayer()
    assert await NatsKeyValue.existing(place.connection, CONFIG).entries() == []
    assert small.levels == []


async def test_an_instance_that_refuses_is_named_with_its_reason(place: ConfigPlace) -> None:
    def veto(settings: Settings) -> None:
        if settings.trace.every == 13:
            raise InvalidValue("trace.every", "a number that brings luck", 13)

    one, other = await place.small(), await place.small("storage")
    vetoing = await place.small(veto=veto)
    narrow = await place.small("aggregator", file={"lease": {"heartbeat_s": 2.0, "lease_s": 10.0}})
    with pytest.raises(RemoteError) as refused:
        await place.set("trace.every", 13)
    assert f"{vetoing.key} refuses: trace.every: expected a number that brings luck, was 13" in str(refused.value)
    with pytest.raises(RemoteError) as refused:
        await place.set("lease.lease_s", 3.0)  # good over the defaults, and not beside the file of one of them
    assert f"{narrow.key} refuses: setting lease" in str(refused.value)
    assert one.key not in str(refused.value)
    assert (await place.layer()).version == 0
    assert await NatsKeyValue.existing(place.connection, CONFIG).entries() == []
    assert other.rates == one.rates == []
    text = await place.monitor.http.shown()
    assert text["service"] == "monitor"
    assert place.monitor.metrics.total("config_changes_total") == 2


async def test_a_change_is_applied_recorded_and_shown(place: ConfigPlace) -> None:
    gateway = await place.small()
    pinned = await place.small("storage", above={"log": {"level": "error"}})
    report = await place.set("log.level", "debug")
    assert (report.version, report.changes, report.unconfirmed) == (1, {"log.level": (None, "debug")}, {})
    assert report.applied == {gateway.key: ("log.level",)}
    assert report.pinned == {pinned.key: ("log.level",)}
    assert (gateway.levels, pinned.levels) == (["debug"], [])
    report = await place.set("lease.probes", "9", reason="slow disks")
    assert report.changes == {"lease.probes": (None, 9)}
    assert report.pending == {gateway.key: ("lease.probes",), pinned.key: ("lease.probes",)}
    standings = {each.key: each for each in await place.ask("instances", list[InstanceStanding])}
    assert standings[gateway.key].pending == ("lease.probes",)
    assert (standings[pinned.key].version, standings[pinned.key].pinned) == (2, ("log.level",))
    status = (await gateway.service.http.shown())["config"]
    assert status == {"version": 2, "pending": ["lease.probes"], "pinned": [], "refused": ""}
    second, first = await place.ask("history", list[ConfigRecord])
    assert (second.version, second.actor, second.reason, second.target) == (2, "ann", "slow disks", "all")
    assert (first.changes, first.previous, second.previous) == ({"log.level": (None, "debug")}, 0, 2)
    assert await place.ask("diff", ConfigDifference) == ConfigDifference(1, 2, {"lease.probes": (None, 9)})
    assert (await place.ask("diff", ConfigDifference, first=0, last=1)).changes == {"log.level": (None, "debug")}
    (row,) = (await place.ask("get", SettingsPage, name="log.level")).settings
    assert (row.default, row.central, row.applies) == ("info", {"all": "debug"}, "at once")
    same = await place.set("log.level", "debug")
    assert (same.version, same.changes) == (2, {})
    dry = await place.set("log.level", "error", dry_run=True)
    assert (dry.version, dry.changes, (await place.layer()).version) == (2, {"log.level": ("debug", "error")}, 2)
    assert gateway.levels == ["debug"]
    late = await place.small("aggregator")
    assert late.follower.settings.log.level == "debug"
    assert late.follower.settings.lease.probes == 9
    assert late.follower.standing.pending == ()


async def test_twenty_instances_have_a_change_at_once(place: ConfigPlace) -> None:
    smalls = [await place.small(folder=f"data{number}") for number in range(20)]
    took = []
    for number, level in enumerate(("debug", "error", "warning", "info", "debug"), 1):
        seen: dict[str, float] = {}
        stored = asyncio.create_task(place.set("log.level", level))
        begin = time.monotonic()
        while len(seen) < len(smalls):
            for small in smalls:
                if small.follower.standing.version == number:
                    seen.setdefault(small.key, time.monotonic())
            assert time.monotonic() - begin < 20
            await asyncio.sleep(0.002)
        report = await stored
        assert report.unconfirmed == {}
        took.append((time.monotonic() - begin, max(seen.values()) - min(seen.values())))
    whole, spread = max(each[0] for each in took), max(each[1] for each in took)
    print(
        f"20 instances: at most {whole * 1e3:.0f} ms from asking to the last confirmation, of which "
        f"{spread * 1e3:.0f} ms from the first instance to the last one"
    )
    assert whole < 5
    assert all(small.levels == ["debug", "error", "warning", "info", "debug"] for small in smalls)


@pytest.mark.long
async def test_of_a_hundred_setters_at_once_one_makes_each_version(place: ConfigPlace) -> None:
    small = await place.small()
    await place.another_monitor()
    reports = await asyncio.gather(*(place.set("trace.every", number) for number in range(1, 101)))
    assert sorted(report.version for report in reports) == list(range(1, 101))
    history = await place.ask("history", list[ConfigRecord], limit=200)
    assert [record.version for record in history] == list(range(100, 0, -1))
    values = [record.values["trace.every"] for record in reversed(history)]
    assert sorted(map(int, map(str, values))) == list(range(1, 101))
    for before, record in zip([None, *values], reversed(history), strict=False):
        assert record.changes["trace.every"][0] == before  # each is a change of the one before
    await place.until(lambda: small.rates[-1:] == values[-1:])


async def test_of_those_who_change_the_same_version_one_is_first(place: ConfigPlace) -> None:
    reports = await asyncio.gather(
        *(place.set("trace.every", number, expected=0) for number in range(1, 11)), return_exceptions=True
    )
    refused = [each for each in reports if isinstance(each, RemoteError)]
    assert len(refused) == 9
    assert {each.code for each in refused} == {"CONFLICT"}
    assert (await place.layer()).version == 1


async def test_a_rollback_restores_every_byte(place: ConfigPlace) -> None:
    small = await place.small()
    bucket = NatsKeyValue.existing(place.connection, CONFIG)

    async def values() -> bytes:
        entry = await bucket.get(CURRENT)
        assert entry is not None
        return bytes(msgspec.msgpack.decode(entry.value, type=dict[str, msgspec.Raw])["values"])

    await place.set("trace.every", 5)
    await place.set("log.level", "error", service="gateway")
    before = await values()
    await place.set("log.level", "debug", service="gateway")
    await place.set("trace.every", None)
    await place.set("store.keep_days", {"market_ticks": 30})
    assert await values() != before
    report = await place.ask("rollback", ChangeReport, version=2, reason="worse than before")
    assert (report.version, report.unconfirmed) == (6, {})
    assert await values() == before
    assert small.levels == ["error", "debug", "error"]
    assert small.rates == [5, 1_000, 5]
    with pytest.raises(RemoteError, match="version: expected one of the history, was 99"):
        await place.ask("rollback", ChangeReport, version=99, reason="x")


async def test_a_canary_reaches_one_instance(place: ConfigPlace) -> None:
    one, other = await place.small(), await place.small()
    report = await place.set("log.level", "debug", service="gateway", instance=one.service.instance)
    assert report.applied == {one.key: ("log.level",)}
    assert (one.levels, other.levels) == (["debug"], [])
    assert (one.follower.standing.version, other.follower.standing.version) == (1, 1)
    await place.set("log.level", "error")
    assert (one.levels, other.levels) == (["debug"], ["error"])  # the narrowest holds
    await place.set("log.level", None, service="gateway", instance=one.service.instance)
    assert one.levels == ["debug", "error"]
    with pytest.raises(RemoteError, match="it applies at a restart, and an instance has another name after it"):
        await place.set("lease.probes", 9, service="gateway", instance=one.service.instance)


async def test_what_an_instance_does_not_confirm_is_taken_back(place: ConfigPlace) -> None:
    small = await place.small()
    hasty = await place.another_monitor(confirm_s=0.5)
    failing = await place.small("storage")
    fails: list[int] = []

    def fail(settings: Settings) -> None:
        if settings.trace.every == 13:
            fails.append(1)
            raise RuntimeError("no room for it")

    # A service that has said yes, and then cannot.
    small.appliers.on("trace.every", fail)
    place.asked = hasty.instance
    report = await place.set("trace.every", 13)
    assert fails == [1]
    assert report.unconfirmed == {small.key: "version 1: no room for it"}
    assert report.rolled_back == 2
    assert (await place.layer()) == CentralLayer(2, {})
    newest = (await place.ask("history", list[ConfigRecord]))[0]
    assert newest.reason.startswith("automatic rollback of 1: gateway.")
    await place.until(lambda: small.follower.standing.version == failing.follower.standing.version == 2)
    assert small.follower.standing.refusal == ""
    kept = await place.set("trace.every", 13, rollback_unconfirmed=False)
    assert (kept.version, kept.rolled_back, (await place.layer()).version) == (3, 0, 3)


async def test_who_does_not_answer_is_named_and_can_be_passed_over(place: ConfigPlace) -> None:
    small = await place.small()
    registry = NatsKeyValue.existing(place.connection, REGISTRY)
    ghost = Registration(registry, "storage", "ghost", "0")
    await ghost.update(status="active", metadata=metadata_of(Standing()))
    with pytest.raises(RemoteError) as refused:
        await place.set("log.level", "debug")
    assert refused.value.code == "UNAVAILABLE"
    assert "silent: storage.ghost (nobody answers there; it may have been killed)" in str(refused.value)
    assert (await place.layer()).version == 0
    await ghost.beat()
    report = await place.set("log.level", "debug", force=True)
    assert list(report.silent) == ["storage.ghost"]
    assert small.levels == ["debug"]


async def test_what_ended_between_record_and_force_is_finished_by_the_next(place: ConfigPlace) -> None:
    small = await place.small()
    await place.set("trace.every", 5)
    bucket = await NatsKeyValue.open(place.connection, CONFIG)
    entry = await bucket.get(CURRENT)
    assert entry is not None
    left = ConfigRecord(
        2, time.time_ns(), "bob", "ends here", "all", entry.revision, {"trace.every": (5, 6)}, {"trace.every": 6}
    )
    await bucket.create("history.00000002", msgspec.msgpack.encode(left))  # and no more: killed
    assert (await ConfigLog.existing(place.connection).current()).layer.version == 1
    report = await place.set("log.level", "debug")
    assert report.version == 3
    assert (await place.layer()).values == {"log.level": "debug", "trace.every": 6}
    await place.until(lambda: small.rates == [5, 6])
    await bucket.put("history.00000004", b"noise")  # is no record, and gives way
    assert (await place.set("trace.every", 7)).version == 4
