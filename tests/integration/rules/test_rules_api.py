"""Validation rules over the gateway: seen, changed by one of several, refused, recorded, in force everywhere."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.rules_log import CURRENT, RulesLog
from marketprism_application.contracts.rules_records import RulesRecord
from marketprism_domain.ticks.rule_list import RULES
from marketprism_domain.ticks.rules import RuleSettings, ValidationRules
from marketprism_sdk.messaging import send_command
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.integration.api.access_side import Answer, Gateway, gateway
from tests.integration.rules.rules_side import RulesPlace
from tests.support.killed_writer import BY, killed_between_writes

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("rules")]
PATH = "/api/v1/rules"


async def operator(api: Gateway) -> str:
    return await api.key(await api.user("operator"), limits="bulk")


async def put(api: Gateway, key: str, version: int | str, body: dict[str, Any]) -> Answer:
    return await api.ask("PUT", PATH, key, body, {"If-Match": f'"{version}"'})


async def seen(api: Gateway, key: str, validators: int = 1) -> Answer:
    """The rules, once the registry shows the validators."""
    async with asyncio.timeout(20):
        while True:
            found = await api.ask("GET", PATH, key)
            if found.status == 200 and len(found.data["validators"]) == validators:
                return found
            await asyncio.sleep(0.05)


def rule(answer: Answer, name: str) -> Any:
    return next(each for each in answer.data["rules"] if each["name"] == name)


async def test_rules_are_seen_changed_and_set_back_with_who_and_why(place: RulesPlace) -> None:
    first = await place.validator(RuleSettings(stale_s=4.0))
    second = await place.validator(RuleSettings(stale_s=4.0))
    async with gateway(place.url) as api:
        key = await operator(api)
        found = await seen(api, key, 2)
        assert (found.data["version"], found.data["origin"], found.headers["ETag"]) == (2, "settings", '"2"')
        assert [each["name"] for each in found.data["rules"]] == [*(row.name for row in RULES), "stale_s_by_venue"]
        stale = rule(found, "stale_s")
        assert (stale["value"], stale["default"], stale["origin"], stale["changed"]) == (4.0, 5.0, "settings", None)
        assert (stale["lowest"], stale["highest"], stale["unit"]) == (0.001, 86_400, "seconds")
        assert "过期" in stale["text"]["zh"]
        assert found.data["orders"][0]["text"] == "z_low < z_medium < z_high < z_critical"

        changed = await put(api, key, 2, {"rules": {"z_low": 2.5, "stale_s": 4.0}, "reason": "too few"})
        assert (changed.status, changed.data["version"], changed.headers["ETag"]) == (200, 3, '"3"'), changed.body
        assert changed.data["changes"] == {"z_low": 2.5}
        assert len(changed.data["validators"]) == 2
        late = {each["instance"] for each in changed.data["validators"] if each["version"] != 3}
        assert late == set(changed.data["behind"]), "a validator that has no turn for seconds is told of"
        while {each["version"] for each in (await seen(api, key, 2)).data["validators"]} != {3}:
            await asyncio.sleep(0.05)
        for service in (first, second):
            assert (await service.rules_in_force(None)).version == 3

        venues = {"stale_s_by_venue": {"czce": 9}}
        assert (await put(api, key, 3, {"rules": venues})).data["version"] == 4
        found = await seen(api, key, 2)
        assert rule(found, "stale_s_by_venue")["value"] == {"czce": 9}
        low = rule(found, "z_low")
        assert (low["origin"], low["changed"]["version"], low["changed"]["reason"]) == ("changed", 3, "too few")
        assert low["changed"]["who"].startswith("operator:key:")

        back = await put(api, key, 4, {"restore": 2, "reason": "was better"})
        assert back.data["changes"] == {"z_low": 3.0, "stale_s_by_venue": {}}
        same = await put(api, key, 5, {"rules": {"z_low": 3.0}})
        assert (same.status, same.data["version"], same.data["changes"]) == (200, 5, {})
        versions = (await api.ask("GET", f"{PATH}/history", key)).data["versions"]
        assert [each["version"] for each in versions] == [5, 4, 3, 2]
        assert versions[2]["changes"] == {"z_low": {"old": 3.0, "new": 2.5}}
        assert versions[3]["rules"] == versions[0]["rules"]
        page = (await api.ask("GET", f"{PATH}/history?limit=1&before=5", key)).data
        assert ([each["version"] for each in page["versions"]], page["before"]) == ([4], 4)

        records = [each for _, each in await api.service.access.audit_log.newest(50) if each.action == "rules.change"]
        assert [each.outcome for each in records] == ["done", "asked"] * 3
        assert records[0].before["rules"] == {"z_low": 2.5, "stale_s_by_venue": {"czce": 9}}
        assert records[0].after["reason"] == "was better"


async def test_of_two_who_change_the_same_version_one_is_shown_what_the_other_did(place: RulesPlace) -> None:
    await place.validator()
    await place.validator()
    async with gateway(place.url) as one, gateway(place.url) as other:
        keys = [await operator(one), await operator(other)]
        await asyncio.gather(seen(one, keys[0], 2), seen(other, keys[1], 2))
        for version in range(1, 4):
            answers = await asyncio.gather(
                put(one, keys[0], version, {"rules": {"jump_percent": version + 0.5}}),
                put(other, keys[1], version, {"rules": {"burst_factor": version + 200}}),
            )
            assert sorted(each.status for each in answers) == [200, 412], [each.body for each in answers]
            (lost,) = [each for each in answers if each.status == 412]
            assert lost.code == "CHANGED"
            details = lost.body["error"]["details"]["rules"]
            assert details["version"] == version + 1
            assert details["changed"]["version"] == version + 1
        versions = (await one.ask("GET", f"{PATH}/history", keys[0])).data["versions"]
        assert [each["version"] for each in versions] == [4, 3, 2, 1]
        assert all(len(each["changes"]) == 1 for each in versions[:3])


async def test_what_is_wrong_is_named_and_nothing_is_changed(place: RulesPlace) -> None:
    await place.validator()
    async with gateway(place.url) as api:
        key = await operator(api)
        await seen(api, key)
        for body, field, text in (
            ({"z_low": 4.5}, "rules.z_low", "z_low < z_medium < z_high < z_critical"),
            ({"degraded_below": 99}, "rules.degraded_below", "degraded_below <= restored_at"),
            ({"stale_s": 0}, "rules.stale_s", "a number from 0.001 to 86400"),
            ({"stale_s": "5"}, "rules.stale_s", "was '5'"),
            ({"stale_s": True}, "rules.stale_s", "was True"),
            ({"stale_s": None}, "rules.stale_s", "was None"),
            ({"stale_s": 10**30}, "rules.stale_s", "a number from"),
            ({"error_weight": 2.5}, "rules.error_weight", "a whole number from 0 to 100"),
            ({"stale_s_by_venue": 4}, "rules.stale_s_by_venue", "seconds by venue"),
            ({"stale_s_by_venue": {"shfe": -1}}, "rules.stale_s_by_venue.shfe", "was -1"),
            ({"stale_s_by_venue": {"<b>": 1}}, "rules.stale_s_by_venue", "names of venues"),
            ({"stale_s": 3, "nonsense": 1}, "rules", "was 'nonsense'"),
            ({"version": 9}, "rules", "was 'version'"),
        ):
            key = await operator(api)  # with a rate of its own
            for method, path in (("PUT", PATH), ("POST", f"{PATH}/trial")):
                answer = await api.ask(method, path, key, {"rules": body}, {"If-Match": "1"})
                assert (answer.status, answer.code) == (400, "INVALID_PARAMETER"), (body, answer.body)
                assert answer.body["error"]["details"] == {"field": field}
                assert text in answer.body["error"]["message"]
        for sent in (
            {"rules": [1]},
            {"rule": {}},
            {"rules": {}, "restore": "x"},
            {"restore": 1, "rules": {"z_low": 2}},
        ):
            assert (await put(api, key, 1, sent)).code == "INVALID_PARAMETER", sent
        assert (await put(api, key, 1, {"restore": 77})).code == "NOT_FOUND"
        for header in ({}, {"If-Match": "*"}, {"If-Match": "x"}, {"If-Match": '"1", "2"'}):
            answer = await api.ask("PUT", PATH, key, {"rules": {"z_low": 2}}, header)
            assert (answer.code, "If-Match: expected" in str(answer.body)) == ("INVALID_PARAMETER", True)
        assert (await put(api, key, 7, {"rules": {"z_low": 2}})).code == "CHANGED"
        assert (await seen(api, key)).data["version"] == 1
        assert await RulesLog.existing(place.connection).current() is None


async def test_who_may_only_look_changes_nothing_by_whichever_way(place: RulesPlace) -> None:
    await place.validator()
    async with gateway(place.url) as api:
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        assert (await seen(api, viewer)).status == 200
        assert (await api.ask("GET", f"{PATH}/history", viewer)).data == {"versions": [], "before": None}
        assert (await put(api, viewer, 1, {"rules": {"z_low": 2}})).code == "FORBIDDEN"
        commands = await api.key(await api.user("operator"), limits="bulk", scopes=("sys:operate", "sys:read"))
        path = "/api/v1/commands/validator/AdjustValidationRules"
        assert (await api.ask("POST", path, commands, {"changes": {"z_low": 2}})).code == "FORBIDDEN"
        rules_only = await api.key(await api.user("operator"), limits="bulk", scopes=("rules:write",))
        assert (await api.ask("POST", path, rules_only, {"changes": {"z_low": 2}})).code == "FORBIDDEN"
        assert (await put(api, rules_only, 1, {"rules": {"z_low": 2}})).status == 200
        listed = (await api.ask("GET", "/api/v1/commands", viewer)).data
        assert [each["scope"] for each in listed if each["command"] == "AdjustValidationRules"] == ["rules:write"]


async def test_without_validators_nothing_is_changed_and_that_is_said(place: RulesPlace) -> None:
    service = await place.validator()
    async with gateway(place.url) as api:
        key = await operator(api)
        await seen(api, key)
        assert (await put(api, key, 1, {"rules": {"z_low": 2}})).status == 200
        await place.stop(service)
        found = await seen(api, key, 0)
        assert (found.data["version"], rule(found, "z_low")["value"]) == (2, 2)
        answer = await put(api, key, 2, {"rules": {"z_low": 1}})
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        trial = await api.ask("POST", f"{PATH}/trial", key, {})
        assert (trial.status, "monitor: expected an instance" in str(trial.body)) == (503, True)


async def test_a_version_that_was_recorded_and_not_put_into_force_is_so_by_whoever_comes_next(
    place: RulesPlace,
) -> None:
    await place.validator()
    bucket = NatsKeyValue(place.connection, streams.RULES)
    rules = ValidationRules().changed(z_low=2.0)
    record = RulesRecord(2, 1, "operator:a", "", "key-a", {"z_low": (3.0, 2.0)}, rules.to_dict())
    await bucket.create("history.00000002", msgspec.msgpack.encode(record))  # and then its writer ended
    log = RulesLog(bucket)
    more: Any = {"who": "b", "reason": "", "ts": 2}
    done, is_new = await log.change(ValidationRules(), {"z_low": 2.0}, expected=1, key="key-a", **more)
    assert (done, is_new) == (record, False)  # the command came again
    assert await log.current() == rules
    made, is_new = await log.change(ValidationRules(), {"stale_s": 3}, expected=None, key="key-b", **more)
    assert (made.version, is_new, made.rules["z_low"]) == (3, True, 2.0)
    await bucket.put("history.00000004", b"\xc1")  # what is no record stops nobody
    made, _ = await log.change(ValidationRules(), {"stale_s": 4}, expected=3, key="key-c", **more)
    assert made.version == 4
    await bucket.put(CURRENT, b"\xc1")
    assert await log.current() is None


async def test_a_validator_puts_into_force_what_a_killed_one_has_recorded_without_another_change(
    place: RulesPlace,
) -> None:
    service = await place.validator()
    process = await asyncio.create_subprocess_exec(*killed_between_writes("rules", place.url))
    assert await process.wait() == -signal.SIGKILL
    async with asyncio.timeout(20):
        while (await service.rules_in_force(None)).version < 2:
            await asyncio.sleep(0.02)
    assert (await service.rules_in_force(None)).rules["z_low"] == 2.0
    (record,) = await RulesLog.existing(place.connection).newest(10)
    assert (record.who, record.reason) == (BY, "ends here")


async def test_a_partition_that_is_being_taken_over_meanwhile_is_judged_by_the_new_rules(place: RulesPlace) -> None:
    service = await place.validator()
    coming = service.processor(7, 2)  # made with the rules in force; its snapshot and its messages are still to come
    state = service.processor(7, 1).snapshot()
    await send_command(
        place.connection, "validator", "AdjustValidationRules", {"changes": {"jump_percent": 2}}, issuer="operator"
    )
    async with asyncio.timeout(20):
        while (await service.rules_in_force(None)).version < 2:
            await asyncio.sleep(0.02)
    coming.restore(state)
    assert (coming.shard.rules.version, coming.shard.rules.jump_percent) == (2, 2)


async def test_a_command_of_the_command_line_is_in_the_history_too(place: RulesPlace) -> None:
    service = await place.validator()
    body = {"changes": {"jump_percent": 2}}
    await send_command(place.connection, "validator", "AdjustValidationRules", body, issuer="operator")
    async with asyncio.timeout(20):
        while (await service.rules_in_force(None)).version < 2:
            await asyncio.sleep(0.02)
    (record,) = await RulesLog.existing(place.connection).newest(10)
    assert (record.who, record.changes) == ("operator", {"jump_percent": (3.0, 2)})
