"""`marketprism upgrade check`: what runs and is stored, held against this program, on a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.messaging import REGISTRY, Registration
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli import app as program
from marketprism_services.platform.formats import formats
from marketprism_services.platform.upgrade_check import NOTE, OK, REFUSED, Finding, check_upgrade
from marketprism_services.settings.settings import Settings


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """A server on which nothing else writes."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="test")
    yield connection
    await connection.close()
    await server.stop()


def settings_of(connection: NatsConnection, tmp_path: Path, **store: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(tmp_path / "data"), "nats": {"url": connection.url}, "store": dict(store)}
    )


def named(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


async def _shown_by(formats_of_it: dict[str, int] | None) -> tuple[web.AppRunner, str]:
    """An instance's `/status`, and its address."""

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"instance": "x1", **({"formats": formats_of_it} if formats_of_it else {})})

    http = web.Application()
    http.router.add_get("/status", status)
    runner = web.AppRunner(http)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{port}"


async def test_nothing_runs_and_nothing_is_stored(own: NatsConnection, tmp_path: Path) -> None:
    found = named(await check_upgrade(own, settings_of(own, tmp_path)))
    assert found["services"].grade == NOTE
    assert found["MARKET_TICKS"] == Finding(OK, "MARKET_TICKS", "not there yet: it will be made")
    assert found["tables"] == Finding(OK, "tables", "no table yet: all will be made")
    assert {finding.grade for finding in found.values()} <= {OK, NOTE}


async def test_what_this_program_wrote_is_not_refused_and_what_a_newer_one_wrote_is_by_name(
    own: NatsConnection, tmp_path: Path
) -> None:
    settings = settings_of(own, tmp_path)
    await streams.ensure_streams(own, settings.layout())
    checkpoint = {"v": formats()["checkpoints"], "in_seq": 1}
    await publish_ack(own, "stage.validator.3.ck", msgspec.msgpack.encode(checkpoint))
    found = named(await check_upgrade(own, settings))
    assert [finding for finding in found.values() if finding.grade == REFUSED] == []
    assert found["MARKET_BARS"].text == "schema version 1"

    await publish_ack(own, "stage.validator.3.ck", msgspec.msgpack.encode({**checkpoint, "v": 9}))
    config = (await stream_info(own, "MARKET_BARS"))["config"]
    config["metadata"] = {**config["metadata"], "marketprism.schema": "7"}
    await api(own, "STREAM.UPDATE.MARKET_BARS", config)
    refused = {
        what: each.text for what, each in named(await check_upgrade(own, settings)).items() if each.grade == REFUSED
    }
    assert refused.keys() == {"MARKET_BARS", "checkpoints of validator"}
    assert "expected schema version 1 at most, was 7" in refused["MARKET_BARS"]
    assert "was 9 of partitions 3" in refused["checkpoints of validator"]

    words = ["upgrade", "check", "--nats-url", own.url.reveal(), "--data-dir", str(tmp_path)]
    shown = await asyncio.to_thread(CliRunner().invoke, program.app, words)
    assert shown.exit_code == 1
    assert "would be refused: 2; nothing was changed" in shown.output


@pytest.mark.parametrize(
    ("shown", "grade", "text"),
    [
        (formats(), OK, "writes and reads what this program does"),
        ({**formats(), "packed": 99}, REFUSED, "writes packed 99, this program reads 1"),
        ({**formats(), "tables": 3}, NOTE, "reads tables 3"),
        (None, NOTE, "from before programs said what they write"),
    ],
)
async def test_instances_are_asked_what_they_write(
    own: NatsConnection, tmp_path: Path, shown: dict[str, int] | None, grade: str, text: str
) -> None:
    runner, address = await _shown_by(shown)
    kv = await NatsKeyValue.open(own, REGISTRY)
    registration = Registration(kv, "validator", "x1", "0.0.9")
    await registration.update(status="active", endpoints={"http": address})
    try:
        found = named(await check_upgrade(own, settings_of(own, tmp_path)))
    finally:
        await runner.cleanup()
    assert found["validator x1"].grade == grade
    assert text in found["validator x1"].text


async def test_an_instance_that_does_not_answer_is_said(own: NatsConnection, tmp_path: Path) -> None:
    kv = await NatsKeyValue.open(own, REGISTRY)
    await Registration(kv, "validator", "x1", "0.0.9").update(status="active", endpoints={"http": "http://127.0.0.1:9"})
    found = named(await check_upgrade(own, settings_of(own, tmp_path)))
    assert found["validator x1"].grade == NOTE
    assert "its status does not answer" in found["validator x1"].text


def test_no_server_is_an_error_that_says_so(tmp_path: Path) -> None:
    words = ["upgrade", "check", "--nats-url", "nats://127.0.0.1:9", "--data-dir", str(tmp_path)]
    shown = CliRunner().invoke(program.app, words)
    assert shown.exit_code != 0
    assert "expected a NATS server that answers" in f"{shown.output}{shown.exception}"
