"""What instances run with and from where, and a value that was tried on one being given to all."""

from __future__ import annotations

import pytest

from marketprism_application.contracts.config_records import SettingsPage, ValueInForce, ValuesPage
from marketprism_sdk.messaging import REGISTRY, Registration
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.config_follower import Standing
from marketprism_services.platform.config_watch import metadata_of
from marketprism_services.settings.services import SERVICES
from tests.support.configured import ConfigPlace

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]
PASSWORD = "hunter2-of-the-broker"


async def test_each_value_is_shown_with_who_has_it_and_from_where(
    place: ConfigPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPRISM_SECRET_CTP_MAIN", "sesame")
    account = {"md_fronts": ["tcp://127.0.0.1:1"], "user": "u", "broker": "b", "password": PASSWORD}
    one = await place.small(file={"log": {"level": "warning"}, "trace": {"every": 7}, "ctp": {"others": [account]}})
    other = await place.small(above={"trace": {"every": 9}, "sopt": {"password": PASSWORD}})
    store = await place.small("storage", file={"store": {"url": f"http://me:{PASSWORD}@127.0.0.1:8123"}})
    await place.set("log.level", "debug", service="gateway")
    await place.set("ctp.password", "secret:ctp-main")
    page = await place.ask("values", ValuesPage)
    assert page.silent == {}
    assert page.values["log.level"] == [
        ValueInForce("debug", "central", tuple(sorted((one.key, other.key)))),
        ValueInForce("info", "default", (store.key,)),
    ]
    assert sorted(page.values["trace.every"], key=lambda each: each.layer) == [  # the store does not use it
        ValueInForce(9, "environment", (other.key,)),
        ValueInForce(7, "file", (one.key,)),
    ]
    assert "ctp.password" not in page.values  # it applies at a restart
    late = await place.small()
    page = await place.ask("values", ValuesPage)
    assert ValueInForce("secret:ctp-main", "central", (late.key,)) in page.values["ctp.password"]
    assert page.values["store.url"] == [ValueInForce("http://***@127.0.0.1:8123", "file", (store.key,))]
    assert "query.cache_mb" not in page.values
    assert PASSWORD not in str(page)
    assert "sesame" not in str(page)


async def test_who_does_not_answer_is_named(place: ConfigPlace) -> None:
    ghost = Registration(NatsKeyValue.existing(place.connection, REGISTRY), "storage", "ghost", "0")
    await ghost.update(status="active", metadata=metadata_of(Standing()))
    page = await place.ask("values", ValuesPage)
    assert page == ValuesPage({}, {"storage.ghost": "nobody answers there; it may have been killed"})


async def test_a_value_that_was_tried_on_one_is_given_to_all_in_one_version(place: ConfigPlace) -> None:
    one, other, store = await place.small(), await place.small(), await place.small("storage")
    await place.set("trace.every", 5)
    await place.set("log.level", "debug", service="gateway", instance=one.service.instance)
    await place.set("log.level", "error", service="storage")
    report = await place.set("log.level", "debug", service="gateway", clear_narrower=True)
    assert report.changes == {
        "log.level@gateway": (None, "debug"),
        f"log.level@{one.key}": ("debug", None),
    }
    assert (one.levels, other.levels, store.levels) == (["debug"], ["debug"], ["error"])
    await place.set("log.level", "warning", clear_narrower=True)
    assert (await place.layer()).values == {"log.level": "warning", "trace.every": 5}
    assert store.levels[-1] == "warning"
    await place.set("log.level", "debug", service="storage")
    report = await place.set("log.level", None, clear_narrower=True)
    assert (await place.layer()).values == {"trace.every": 5}


async def test_a_setting_says_what_it_means_and_what_it_may_be(place: ConfigPlace) -> None:
    page = await place.ask("get", SettingsPage)
    rows = {row.name: row for row in page.settings}
    level, bars, password = rows["log.level"], rows["bars.grace_s"], rows["ctp.password"]
    assert level.options == ("debug", "info", "warning", "error")
    assert level.meaning["zh"].startswith("日志级别")
    assert set(level.services) == {each.name for each in SERVICES}
    assert (bars.why["en"], bars.applies) == (bars.why_fixed, "not centrally")
    assert "K 线" in bars.why["zh"]
    assert (password.secret, password.services, rows["api.compress"].options) == (True, ("gateway",), ("true", "false"))
