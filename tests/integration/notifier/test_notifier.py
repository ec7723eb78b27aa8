"""The notifier on a real nats-server, with places that check what they are sent."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from typer.testing import CliRunner, Result

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.alert_store import ALERTS, SENT, AlertStore, SentLog
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_adapters.prometheus.local_server import ALERTMANAGER as ALERTMANAGER_KIND
from marketprism_adapters.prometheus.local_server import LocalMonitoringServer
from marketprism_application.contracts.alert_records import Alert, Severity
from marketprism_domain.events.pipeline import PipelineRecovered, PipelineStalled
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import delete_stream
from marketprism_services.cli.alerts import alerts
from marketprism_services.notifier.service import ListRequest, NotifierService
from marketprism_services.notifier.wiring import build
from marketprism_services.platform.exits import Stop
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.shared import Shared
from tests.support import notification_places as places
from tests.support.notification_places import SECRET, TOKEN, HttpPlace
from tests.support.prometheus import tools
from tests.support.reference import ROOT
from tests.support.services import running

ALERTMANAGER = "am-token-1"
BEGAN = datetime.now(UTC) - timedelta(minutes=1)
Make = Callable[..., NotifierService]


def texts(place: HttpPlace) -> str:
    return "\n".join(place.texts)


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def chat() -> AsyncIterator[HttpPlace]:
    place = HttpPlace(places.dingtalk, (200, {"errcode": 130101}))
    await place.start()
    yield place
    await place.stop()


@pytest.fixture
async def hook() -> AsyncIterator[HttpPlace]:
    place = HttpPlace(places.webhook, (429, "slow down"))
    await place.start()
    yield place
    await place.stop()


async def _streams(connection: NatsConnection) -> None:
    for name in (streams.TICKS, streams.EVENTS):
        await streams.ensure_one(connection, name, StreamLayout())


@pytest.fixture
async def make(connection: NatsConnection, chat: HttpPlace, hook: HttpPlace) -> AsyncIterator[Make]:
    await _streams(connection)

    def notifier(on: NatsConnection = connection, **notify: Any) -> NotifierService:
        given = {
            "notify_token": ALERTMANAGER,
            "page_group_s": 0.2,
            "ticket_group_s": 0.2,
            "fallback": "webhook",
            "page": ["dingtalk"],
            "ticket": ["dingtalk"],
            "info": ["dingtalk"],
            "dingtalk": {
                "url": f"http://127.0.0.1:{chat.port}/robot/send?access_token={TOKEN}",
                "signing_secret": SECRET,
            },
            "webhook": {"url": f"http://127.0.0.1:{hook.port}/", "signing_secret": SECRET},
        }
        settings = Settings.model_validate({"notify": given | notify, "http": {"notifier": 0}})
        return build(settings, on, Shared(chinese_calendar_of_markets, lambda: None))

    yield notifier
    for bucket in (ALERTS, SENT):
        await delete_stream(connection, f"KV_{bucket}")


def posted(*names: str, status: str = "firing") -> bytes:
    return json.dumps(
        {
            "version": "4",
            "alerts": [
                {
                    "status": status,
                    "labels": {"alertname": name, "severity": "page"},
                    "annotations": {"summary": f"{name} is wrong"},
                    "startsAt": "2027-01-15T08:00:00Z",
                    "endsAt": "2027-01-15T09:00:00Z",
                    "fingerprint": f"f-{name}",
                }
                for name in names
            ],
        }
    ).encode()


async def post(service: NotifierService, body: bytes, token: str = ALERTMANAGER) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{service.http.port}/alerts"
        async with session.post(url, data=io.BytesIO(body), headers=headers) as answer:
            return answer.status, await answer.json()


async def leads(service: NotifierService) -> None:
    await until(service.election.is_active)


async def test_an_alert_of_two_alertmanagers_is_sent_once_whoever_takes_it_in_and_whoever_leads(
    make: Make, chat: HttpPlace, connection: NatsConnection
) -> None:
    first, second = make(), make()
    async with running(first):
        await leads(first)
        async with running(second):
            assert await post(second, posted("BarsMissing")) == (
                200,
                {"success": True, "data": {"alerts": 1, "new": 1}},
            )
            assert (await post(first, posted("BarsMissing")))[1]["data"]["new"] == 0
            await until(lambda: chat.texts)
            assert "BarsMissing is wrong" in texts(chat)
            await post(first, posted("Other"))
            await until(lambda: "Other" in texts(chat))
            # The leader ends before it has noted what it had claimed: the next one sends it again, and that alone.
            store, sent = await AlertStore.open(connection), await SentLog.open(connection)
            lost = Alert("f-lost", "LostOnTheWay", Severity.INFO, 1)
            assert await sent.claim(f"{lost.id}.firing", "dingtalk", first.election.epoch)
            first.election.surrender("a test", rest_s=5)
            await leads(second)
            assert not await sent.claim(f"{lost.id}.firing", "dingtalk", 0)
            assert await sent.claim(f"{lost.id}.firing", "dingtalk", second.election.epoch)
            await store.report(Alert("f-lost", "LostOnTheWay", Severity.PAGE, 1))
            await post(second, posted("BarsMissing", status="resolved"))
            await until(lambda: "resolved: BarsMissing" in texts(chat))
            await until(lambda: "LostOnTheWay" in texts(chat))
    assert texts(chat).count("firing: BarsMissing") == 1
    assert texts(chat).count("firing: Other") == 1
    assert texts(chat).count("firing: LostOnTheWay") == 1


async def test_what_is_no_alert_or_comes_from_a_stranger_is_refused(make: Make, chat: HttpPlace) -> None:
    service = make()
    async with running(service):
        status, answer = await post(service, posted("X"), "other")
        assert (status, answer["error"]["code"]) == (401, "UNAUTHENTICATED")
        status, answer = await post(service, b"{}")
        assert (status, answer["error"]["code"]) == (400, "INVALID_PARAMETER")
        status, answer = await post(service, b" " * 5_000_000)
        assert (status, "at most" in answer["error"]["message"]) == (400, True)
        assert await service.list_alerts(ListRequest()) == []
    assert chat.requests == []


async def test_a_channel_that_refuses_leaves_its_messages_to_another_which_tells_that_too(
    make: Make, chat: HttpPlace, hook: HttpPlace
) -> None:
    url = f"http://127.0.0.1:{chat.port}/robot/send?access_token={TOKEN}"
    service = make(dingtalk={"url": url, "signing_secret": "wrong-9"})
    async with running(service):
        await leads(service)
        await post(service, posted("BarsMissing"))
        await until(lambda: "BarsMissing" in texts(hook))
        await until(lambda: "NotifierFailing" in texts(hook))
        health = await service.http.report()
    assert "dingtalk: " in json.dumps(health)
    assert "wrong-9" not in texts(hook) + json.dumps(health)


async def test_events_of_the_services_are_alerts_until_they_are_over(
    make: Make, chat: HttpPlace, connection: NatsConnection
) -> None:
    service = make(deadman_s=0.5)
    publisher = EventPublisher(connection, "monitor")
    async with running(service):
        await leads(service)
        sent = await SentLog.open(connection)
        async with asyncio.timeout(20):
            while not await sent.position():
                await asyncio.sleep(0.02)
        for _ in range(2):  # two monitors
            await publisher.publish_soon([PipelineStalled("standing", "validator", "3", 17, "", "17 messages stand")])
        await until(lambda: "17 messages stand" in texts(chat))
        await publisher.publish_soon([PipelineRecovered("standing", "validator", "3")])
        await until(lambda: "resolved: PipelineStalled" in texts(chat))
        # Prometheus says nothing.
        await until(lambda: "firing: DeadMansSwitchMissing" in texts(chat))
        beating = time.monotonic()
        while "resolved: DeadMansSwitchMissing" not in texts(chat):
            assert time.monotonic() - beating < 20
            await post(service, posted("DeadMansSwitch"))
            await asyncio.sleep(0.1)
    await publisher.close()
    assert texts(chat).count("firing: PipelineStalled") == 1
    assert "firing: DeadMansSwitch\\n" not in texts(chat)


def _shell(url: str, *words: str) -> Result:
    return CliRunner().invoke(alerts, [*words, "--nats-url", url])


async def test_people_see_acknowledge_and_try_on_the_command_line(
    make: Make, chat: HttpPlace, hook: HttpPlace, nats_url: str
) -> None:
    def shell(*words: str) -> Coroutine[Any, Any, Result]:
        return asyncio.to_thread(_shell, nats_url, *words)

    nobody = await shell("list")
    assert isinstance(nobody.exception, Stop)
    assert "no notifier runs here" in str(nobody.exception)
    service = make()
    async with running(service):
        await leads(service)
        assert "no alert lasts" in (await shell("list")).output
        await post(service, posted("BarsMissing", "StoreDown"))
        listed = (await shell("list")).output
        assert "BarsMissing" in listed
        assert "StoreDown is wrong" in listed
        shown = [json.loads(line) for line in (await shell("list", "--json")).output.splitlines()]
        known = next(alert["id"] for alert in shown if alert["name"] == "BarsMissing")
        assert "taken care of by ann" in (await shell("ack", known[:8], "--who", "ann")).output
        for wrong, reason in (("zz", "expected 6 digits"), ("ffffff", "are 0 of them")):
            assert reason in str((await shell("ack", wrong)).exception)
        tried = await shell("test")
        assert (tried.exit_code, "dingtalk: sent" in tried.output, "webhook: sent" in tried.output) == (0, True, True)
        chat.mode = "busy"
        failed = await shell("test")
        assert (failed.exit_code, "130101" in failed.output + failed.stderr) == (1, True)


async def test_what_prometheus_says_reaches_a_person_by_a_real_alertmanager(
    make: Make, chat: HttpPlace, tmp_path: Path
) -> None:
    tools()
    service = make()
    async with running(service):
        await leads(service)
        document = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
        document["route"] |= {"group_wait": "0s", "group_interval": "1s"}
        (receiver,) = document["receivers"]
        (webhook,) = receiver["webhook_configs"]
        webhook["url"] = f"http://127.0.0.1:{service.http.port}/alerts"
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets/notifier-token").write_text(ALERTMANAGER)
        config = tmp_path / "alertmanager.yml"
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        server = await LocalMonitoringServer.start(ALERTMANAGER_KIND, tmp_path / "server", config, choose_port(0))
        try:
            labels = {"alertname": "StageLag", "severity": "page", "stage": "validator"}
            await _raise_alert(server.url, labels, ends_in_s=3600)
            await until(lambda: "firing: StageLag" in texts(chat))
            await _raise_alert(server.url, labels, ends_in_s=-1)
            await until(lambda: "resolved: StageLag" in texts(chat))
        finally:
            await server.stop()
    assert texts(chat).count("firing: StageLag") == 1


async def test_a_page_is_sent_while_nats_stands_still_and_once_more_when_it_goes_on(
    make: Make, chat: HttpPlace, tmp_path: Path
) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await _streams(connection)
    service = make(on=connection)
    async with running(service):
        await leads(service)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            for _ in range(2):  # Alertmanager tries again
                status, answer = await post(service, posted("BrokerUnreachable"))
                assert (status, answer["error"]["code"]) == (503, "UNAVAILABLE")
            assert texts(chat).count("firing: BrokerUnreachable") == 1
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        await leads(service)
        assert (await post(service, posted("BrokerUnreachable")))[0] == 200
        await until(lambda: texts(chat).count("firing: BrokerUnreachable") == 2)
    await connection.close()
    await server.stop()


async def _raise_alert(url: str, labels: dict[str, str], *, ends_in_s: float) -> None:
    """As Prometheus does: an alert is posted, with the time until which it is believed."""
    ends = datetime.now(UTC) + timedelta(seconds=ends_in_s)
    times = {"startsAt": BEGAN.isoformat(), "endsAt": ends.isoformat()}
    alert = {"labels": labels, "annotations": {"summary": "12 s behind"}, **times}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/api/v2/alerts", json=[alert]) as answer:
        assert answer.status == 200, await answer.text()


async def test_people_see_acknowledge_and_try_by_calls(make: Make, chat: HttpPlace, connection: NatsConnection) -> None:
    service = make()
    calls = RpcClient(NatsBus(connection))
    async with running(service):
        await leads(service)
        await post(service, posted("BarsMissing"))
        (found,) = await calls.call("notifier", "alerts", {})
        assert (found["name"], found["severity"], found["acknowledged_by"]) == ("BarsMissing", "page", "")
        assert (await calls.call("notifier", "acknowledge", {"id": found["id"], "who": "ann"}))[
            "acknowledged_by"
        ] == "ann"
        assert (await calls.call("notifier", "acknowledge", {"id": found["id"], "who": "bo"}))[
            "acknowledged_by"
        ] == "ann"
        for wrong, code in (("f" * 24, "NOT_FOUND"), ("sent.>", "INVALID_PARAMETER")):
            with pytest.raises(RemoteError) as caught:
                await calls.call("notifier", "acknowledge", {"id": wrong})
            assert caught.value.code == code
        chat.mode = "busy"
        answers = await calls.call("notifier", "test", {})
    assert answers["webhook"] == ""
    assert "130101" in answers["dingtalk"]
