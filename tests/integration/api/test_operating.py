"""What operators see and do through the door: the system, commands, dead letters, events."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.subjects import escape
from marketprism_sdk.messaging import DeadLetter
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.testing import Child
from tests.contract.test_codec import SAMPLES
from tests.integration.api.access_side import Answer, Gateway, gateway
from tests.integration.api.operated import Jobs, jobs_of
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def jobs(connection: NatsConnection, name: str, version: str = "1") -> AsyncIterator[Jobs]:
    """A service in this process."""
    service = jobs_of(connection, name, version)
    async with running(service):
        yield service


async def until(api: Gateway, path: str, key: str, fits: Callable[[Answer], bool]) -> Answer:
    """The first answer that fits."""
    async with asyncio.timeout(20):
        while not fits(found := await api.ask("GET", path, key)):
            await asyncio.sleep(0.05)
    return found


async def audit_of(api: Gateway, action: str, text: str) -> list[Any]:
    found = await api.service.access.audit_log.newest(50)
    return [each for _, each in found if each.action == action and text in str(each)]


async def test_commands_of_all_services_are_listed_as_they_declare_them(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique):
        viewer = await api.key(await api.user("viewer"))
        found = await until(api, "/api/v1/commands", viewer, lambda each: unique in str(each.body))
        (row,) = [each for each in found.data if each["service"] == unique]
        assert (row["command"], row["summary"]) == ("Start", "Start a job.")
        assert row["path"] == f"/api/v1/commands/{unique}/Start"
        assert set(row["arguments"]["$defs"]["Job"]["properties"]) == {"name", "count", "labels"}


async def test_a_command_is_given_in_the_name_of_who_asks_and_recorded(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique) as service:
        user = await api.user("operator")
        key, path = await api.key(user, limits="bulk"), f"/api/v1/commands/{unique}/Start"
        body = {"name": "a", "labels": {"password": "hunter2", "site": "x"}}
        answer = await api.ask("POST", path, key, body)
        assert (answer.status, answer.data["status"]) == (200, "done"), answer.body
        (given,) = service.given
        assert given.issuer == f"operator:{answer.data['who']}"
        assert given.issuer.startswith("operator:key:")
        records = await audit_of(api, "command.give", answer.data["id"])
        assert [each.outcome for each in records] == ["done", "asked"]
        (first, _) = records
        assert (first.who, first.target, first.address) == (answer.data["who"], f"{unique}/Start", "127.0.0.1")
        assert "hunter2" not in str(records)
        assert first.after["arguments"]["labels"] == {"password": "***", "site": "x"}
        shown = await api.ask("GET", f"/api/v1/commands/{answer.data['id']}", key)
        assert (shown.data["status"], shown.data["command"]) == ("done", "Start")
        assert (await api.ask("GET", f"/api/v1/commands/{'0' * 32}", key)).code == "NOT_FOUND"


async def test_what_is_wrong_with_a_command_is_named_and_nothing_is_sent(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique) as service:
        key, path = await api.key(await api.user("operator"), limits="bulk"), "/api/v1/commands"
        for body, field in (
            ({}, "name"),
            ({"name": "a", "count": "x"}, "count"),
            ({"name": "a", "cuont": 1}, "cuont"),
            ({"name": "a", "count": 0}, "count"),
        ):
            answer = await api.ask("POST", f"{path}/{unique}/Start", key, body)
            assert (answer.status, answer.code) == (400, "INVALID_PARAMETER")
            assert answer.body["error"]["details"] == {"field": field}
            assert f"{field}: expected" in answer.body["error"]["message"]
        answer = await api.ask("POST", f"{path}/{unique}/Steal", key, {})
        assert (answer.code, "expected one of Start" in str(answer.body)) == ("NOT_FOUND", True)
        answer = await api.ask("POST", f"{path}/nobody/Start", key, {})
        assert (answer.code, "service: expected one of" in str(answer.body)) == ("NOT_FOUND", True)
        for other in ("a.b", "%3E", "*"):
            assert (await api.ask("POST", f"{path}/{other}/Start", key, {})).code == "NOT_FOUND"
        assert (await api.ask("POST", f"{path}/{unique}/Start?wait_s=99", key, {})).code == "INVALID_PARAMETER"
        assert (await api.ask("POST", f"{path}/{unique}/Start", key, [1])).code == "INVALID_PARAMETER"  # type: ignore[arg-type]
        deep: Any = {}
        for _ in range(40):
            deep = {"a": deep}
        assert (await api.ask("POST", f"{path}/{unique}/Start", key, deep)).code == "INVALID_PARAMETER"
        assert service.given == []
        assert not await audit_of(api, "command.give", unique)


async def test_who_may_only_look_gives_no_command(nats_url: str, connection: NatsConnection, unique: str) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique) as service:
        for role in ("viewer", "quant"):
            key = await api.key(await api.user(role))
            for method, path in (
                ("POST", f"/api/v1/commands/{unique}/Start"),
                ("POST", "/api/v1/dead-letters/1/requeue"),
                ("DELETE", "/api/v1/dead-letters/1"),
                ("POST", "/api/v1/dead-letters/rows/requeue"),
            ):
                assert (await api.ask(method, path, key, {"name": "a"})).code == "FORBIDDEN"
        assert service.given == []


async def test_one_key_is_one_command_for_its_caller(nats_url: str, connection: NatsConnection, unique: str) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique) as service:
        owner = await api.user("operator")
        one, other = await api.key(owner, limits="bulk"), await api.key(owner, limits="bulk")
        path, headers = f"/api/v1/commands/{unique}/Start", {"Idempotency-Key": "order-1"}
        answers = await asyncio.gather(*(api.ask("POST", path, one, {"name": "a"}, headers) for _ in range(4)))
        assert {(each.status, each.data["id"]) for each in answers} == {(200, answers[0].data["id"])}
        assert len(service.given) == 1
        assert (await api.ask("POST", path, one, {"name": "b"}, headers)).code == "CONFLICT"
        assert (await api.ask("POST", path, other, {"name": "b"}, headers)).status == 200
        assert len(service.given) == 2
        for wrong in ("", "a b", "x" * 200):
            assert (await api.ask("POST", path, one, {}, {"Idempotency-Key": wrong})).code == "INVALID_PARAMETER"


async def test_a_command_that_takes_longer_is_answered_that_it_goes_on(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique):
        key = await api.key(await api.user("operator"), limits="bulk")
        answer = await api.ask("POST", f"/api/v1/commands/{unique}/Start?wait_s=0", key, {"name": "slow"})
        assert (answer.status, answer.data["status"]) == (202, "waiting")
        found = await until(api, answer.headers["Location"], key, lambda each: each.data["status"] != "waiting")
        assert found.data["status"] == "done"


async def test_dead_letters_are_read_put_back_and_thrown_away(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique) as service:
        key = await api.key(await api.user("operator"), limits="bulk")
        refused = await api.ask("POST", f"/api/v1/commands/{unique}/Start", key, {"name": "bad"})
        assert (refused.status, refused.code) == (422, "COMMAND_REFUSED")
        assert "expected a job that there is" in refused.body["error"]["message"]
        (record, _) = await audit_of(api, "command.give", unique)
        assert (record.outcome, "expected a job" in record.after["reason"]) == ("refused", True)
        listed = (await api.ask("GET", f"/api/v1/dead-letters?service={unique}", key)).data
        (letter,) = listed["letters"]
        assert (letter["command"], letter["attempts"]) == ("Start", 1)
        assert 20 < letter["bytes"] < 400
        path = f"/api/v1/dead-letters/{letter['seq']}"
        assert (await api.ask("GET", path, key)).data["arguments"] == {"name": "bad"}
        again = await api.ask("POST", f"{path}/requeue", key, {"reason": "try again"})
        assert again.status == 200, again.body
        assert (await api.ask("GET", path, key)).code == "NOT_FOUND"
        assert (await api.ask("POST", f"{path}/requeue", key)).code == "NOT_FOUND"
        (requeued,) = await audit_of(api, "command.requeue", unique)
        assert (requeued.target, requeued.after["reason"]) == (f"dead-letter {letter['seq']}", "try again")
        found = await until(api, f"/api/v1/dead-letters?service={unique}", key, lambda each: bool(each.data["letters"]))
        newer = found.data["letters"][0]["seq"]
        assert newer > letter["seq"]
        became = (await api.ask("GET", f"/api/v1/commands/{again.data['key']}", key)).data
        assert (became["status"], became["dead_letter"], became["who"]) == ("refused", newer, requeued.who)
        assert (await api.ask("DELETE", f"/api/v1/dead-letters/{newer}", key, {"reason": "no use"})).status == 200
        assert (await api.ask("DELETE", f"/api/v1/dead-letters/{newer}", key)).code == "NOT_FOUND"
        assert len(await audit_of(api, "command.discard", unique)) == 1
        assert service.given == []


async def test_a_forged_letter_goes_nowhere(nats_url: str, connection: NatsConnection, unique: str) -> None:
    async with gateway(nats_url) as api, jobs(connection, unique):
        key = await api.key(await api.user("operator"))
        letter = {
            "command": {"name": "x", "issuer": "x", "key": "x", "ts_sent": 1, "body": {"token": "hunter2"}},
            "subject": "market.tick.rb2605",
            "reason": "",
            "attempts": 1,
            "ts_dead": 1,
        }
        seq = (await publish_ack(connection, f"dlq.{unique}.x", msgspec.msgpack.encode(letter))).seq
        assert (await api.ask("POST", f"/api/v1/dead-letters/{seq}/requeue", key)).code == "CONFLICT"
        shown = await api.ask("GET", f"/api/v1/dead-letters/{seq}", key)
        assert (shown.data["arguments"], "hunter2" in str(shown.body)) == ({"token": "***"}, False)
        none = DeadLetter(None, f"cmd.{unique}.y", "malformed", 1, 1, b"\xc1")
        seq = (await publish_ack(connection, f"dlq.{unique}.y", msgspec.msgpack.encode(none))).seq
        assert (await api.ask("POST", f"/api/v1/dead-letters/{seq}/requeue", key)).code == "CONFLICT"
        assert (await api.ask("GET", f"/api/v1/dead-letters/{seq}", key)).data["payload"] == "c1"


async def test_recent_events_are_found_by_name_venue_and_instrument(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    await streams.ensure_streams(connection)
    sample = SAMPLES["event"]
    for number in range(30):
        event = sample._replace(
            name="GapDetected" if number % 3 else "VenueLost",
            venue="shfe",
            symbol=f"{unique}{number % 2}",
            event_id=f"{unique}-{number}",
        )
        await publish_ack(connection, f"market.event.{escape(event.name)}", encode(EVENT, event))
    await publish_ack(connection, "market.event.broken", b"\xc1")
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        path = "/api/v1/events"
        found = (await api.ask("GET", f"{path}?symbol={unique}1&limit=1000", key)).data
        assert [each["event_id"] for each in found["events"]] == [f"{unique}-{n}" for n in range(29, 0, -2)]
        found = (await api.ask("GET", f"{path}?name=VenueLost&symbol={unique}0&limit=2", key)).data
        assert [each["event_id"] for each in found["events"]] == [f"{unique}-24", f"{unique}-18"]
        assert found["events"][-1]["stream_seq"] == found["before"]
        older = f"{path}?name=VenueLost&symbol={unique}0&limit=2&before={found['before']}"
        assert [each["event_id"] for each in (await api.ask("GET", older, key)).data["events"]] == [
            f"{unique}-12",
            f"{unique}-6",
        ]
        for wrong in ("limit=0", "limit=1001", "name=>", "name=a.*", "before=x", "nome=x"):
            assert (await api.ask("GET", f"{path}?{wrong}", key)).code == "INVALID_PARAMETER"
        assert (await api.ask("GET", f"{path}?venue=dce&symbol={unique}0", key)).data["events"] == []
        assert (await api.ask("GET", f"{path}?symbol={unique}0&source={unique}", key)).data["events"] == []
        found = (await api.ask("GET", f"{path}?symbol={unique}0&source={sample.source}&limit=3", key)).data
        assert len(found["events"]) == 3
        routine = sample._replace(name="MarketBarGenerated", venue="shfe", symbol=f"{unique}0", event_id="routine")
        await publish_ack(connection, "market.event.MarketBarGenerated", encode(EVENT, routine))
        for asked, newest in (("", "routine"), ("&routine=false", f"{unique}-28")):
            found = (await api.ask("GET", f"{path}?symbol={unique}0&limit=1{asked}", key)).data
            assert [each["event_id"] for each in found["events"]] == [newest]


async def test_the_system_is_seen_whole_though_a_process_is_frozen(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    child = Child([sys.executable, "-m", "tests.integration.api.operated", nats_url, unique, "3"], lambda _c, _l: None)
    await child.start()
    try:
        async with gateway(nats_url) as api:
            key = await api.key(await api.user("viewer"), limits="bulk")

            def row_of(answer: Answer) -> Any:
                return next((each for each in answer.data if each["service"] == unique), None)

            path = "/api/v1/system/instances"

            def runs(answer: Answer) -> bool:  # it answers a moment before it says that it has started
                row = row_of(answer)
                return bool(row) and (row["health"], row["status"]) == ("healthy", "active")

            found = await until(api, path, key, runs)
            assert row_of(found)["version"] == "3"
            child.freeze()
            await until(api, path, key, lambda each: row_of(each)["health"] == "no answer")
            before = time.monotonic()
            whole = await api.ask("GET", "/api/v1/system", key)
            assert time.monotonic() - before < 10  # far less; a frozen process never answers
            assert (whole.data["missing"], whole.data["stores"]) == ({}, [])
            assert {each["stream"] for each in whole.data["streams"]} >= {"AUDIT"}
            assert any(each["kind"] == "instance" and unique in each["what"] for each in whole.data["alerts"])
            services = {each["service"]: each for each in whole.data["services"]}
            assert (services["api"]["active"], services["storage"]["active"]) == (1, 0)
            assert services["storage"]["without"] == "nothing is stored"
            assert whole.data["lags"]["accepted"] == 0
            assert (await api.ask("GET", "/api/v1/system/stores", key)).data == []
            operator = await api.key(await api.user("operator"))
            answer = await api.ask("POST", f"/api/v1/commands/{unique}/Start", operator, {"name": "a"})
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert not await audit_of(api, "command.give", unique)  # nothing was sent that would be done much later
            assert (await api.ask("GET", "/api/v1/system/nothing", key)).code == "NOT_FOUND"
            assert (await api.ask("GET", "/api/v1/system?x=1", key)).code == "INVALID_PARAMETER"
    finally:
        child.kill()
        await child.end()
