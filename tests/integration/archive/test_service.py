"""The storage service archives while it writes and answers: by jobs, over NATS."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats.archive_log import ARCHIVE
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import Records, Statistics, Symbols
from marketprism_application.errors import StoreError
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.storage.writer import WriterSettings
from marketprism_client import MarketClient
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import ClaimStatus, JobClaim, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.query.service import QueryService
from marketprism_services.settings.layers import Layers
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.archive import archive_of
from marketprism_services.wiring.store import engines_of, reading_engines_of
from tests.e2e.program import ENVIRONMENT
from tests.support.archive import fill
from tests.support.s3_server import BUCKET, KEYS
from tests.support.services import running

pytestmark = pytest.mark.xdist_group("archive")  # one storage leads at a time

QUESTIONS = (
    Records("tick", "rb2505", limit=1000),
    Records("bar", "BTC-USDT", interval="1m", limit=1000),
    Statistics("BTC-USDT"),
    Symbols(),
)


class Asking:
    """Whoever asks the service, and gives it runs."""

    def __init__(self, connection: NatsConnection, service: StorageService, claims: JobClaims) -> None:
        self.service = service
        self._connection = connection
        self._claims = claims
        self._reader = RemoteReader(lambda data: service.calls.call_raw("storage", "arrow", data))

    async def answers(self) -> list[Any]:
        return [await self._reader.answer(question) for question in QUESTIONS]

    async def do(self, handler: str, **body: object) -> JobClaim:
        key = f"test.{secrets.token_hex(6)}"
        await submit_run(self._connection, "storage", JobRun(key, "test", handler, 0, 1, body, 60.0))
        async with asyncio.timeout(60):
            while (claim := await self._claims.get(key)) is None or not claim.is_final:
                await asyncio.sleep(0.05)
        return claim

    async def ask(self, method: str, **body: object) -> Any:
        return await self.service.calls.call("storage", method, body)


@pytest.fixture
async def asking(tmp_path: Path, connection: NatsConnection, request: pytest.FixtureRequest) -> AsyncIterator[Asking]:
    (tmp_path / "cold").mkdir()
    archive: dict[str, object] = {"place": str(tmp_path / "cold")}
    store: dict[str, object] = {}
    if getattr(request, "param", "chdb") == "clickhouse":
        endpoint = request.getfixturevalue("server").endpoint
        store = {"engine": "clickhouse", "url": request.getfixturevalue("urls")[0]}
        archive = {"place": f"{endpoint}/{BUCKET}/{tmp_path.name}", "access_key": KEYS[0], "secret_key": KEYS[1]}
    archive["days"] = {"market_ticks": 30, "market_bars": 60}
    layers = Layers(
        {"data_dir": str(tmp_path), "store": {**store, "keep_days": {"market_bars": 90}}, "archive": archive}
    )
    settings = layers.settings()
    assert reading_engines_of(settings) is None  # the leader alone knows what is archived
    engine = await engines_of(settings).open()
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    await SqlStore(engine).migrate()
    await fill(SqlStore(engine), 3, [TICK, BAR])
    await engine.close()
    bucket = await NatsKeyValue.open(connection, ARCHIVE)
    for entry in await bucket.entries():
        await bucket.delete(entry.key)
    service = StorageService(connection, engines_of(settings), WriterSettings(), archive=archive_of(settings))
    async with running(service):
        found = Asking(connection, service, await JobClaims.open(connection))
        async with asyncio.timeout(30):
            while True:
                try:
                    await found.ask("archive_status")
                    await found.ask("store_status")
                except SdkError:
                    await asyncio.sleep(0.1)
                else:
                    break
        yield found


@pytest.mark.parametrize("asking", ["chdb", pytest.param("clickhouse", marks=pytest.mark.long)], indirect=True)
async def test_jobs_move_hold_restore_and_delete_while_questions_are_answered(asking: Asking) -> None:
    before = await asking.answers()
    shown = [(table.to_pylist(), table.schema) for table in before]
    rows = 1 + sum(
        row["ticks"] + row["bars"] for row in before[3].to_pylist()
    )  # a bar and its correction, a month each
    planned = await asking.do("archive", dry_run=True)
    assert [each["table"] for each in planned.output["units"]].count("market_ticks") == 5
    moving = asyncio.create_task(asking.do("archive"))
    while not moving.done():
        answered = await asking.answers()
        assert [(each.to_pylist(), each.schema) for each in answered] == shown
        assert all(a.equals(b) for a, b in zip(before, answered, strict=True))
    done = await moving
    assert (done.status, done.output["units"], done.output["rows"]) == (ClaimStatus.SUCCEEDED, 7, rows)
    assert all(a.equals(b) for a, b in zip(before, await asking.answers(), strict=True))

    status = await asking.ask("archive_status")
    assert {unit["state"] for unit in status["units"]} == {"dropped"}
    assert (await asking.do("verify_archive", first="2025-01-01", last="2025-12-31")).output == {"units": 7}
    held = await asking.ask("archive_hold", first="2025-03-30", last="2025-03-30", reason="case 12")
    assert held["units"] == ["market_bars 202503", "market_ticks 20250330"]
    old = await asking.do("retain", keep_days=20, dry_run=True)
    assert len(old.output["units"]) == 5
    assert (await asking.do("restore", first="2025-03-29", last="2025-03-29", tables=["market_ticks"])).output[
        "units"
    ] == 1
    assert all(a.equals(b) for a, b in zip(before, await asking.answers(), strict=True))
    refused = await asking.do("restore", first="2025-03-29", last="2025-03-29")
    assert (refused.status, "store.keep_days.market_bars (90)" in refused.reason) == (ClaimStatus.REFUSED, True)
    assert len((await asking.do("retain", keep_days=20)).output["units"]) == 4
    left = await asking.ask("archive_status")
    assert [(unit["partition"], unit["state"]) for unit in left["units"]] == [
        ("202503", "dropped"),
        ("20250329", "restored"),
        ("20250330", "dropped"),
    ]


@pytest.mark.long
async def test_a_client_and_the_command_line_say_what_was_read_from_the_archive(
    asking: Asking, connection: NatsConnection, nats_url: str, calendar: MarketCalendar
) -> None:
    days = ("2025-03-29", "2025-03-31")
    async with running(QueryService(connection, ReadRules(calendar, ("1m",)))), MarketClient(nats_url) as market:
        hot = await market.history.ticks("rb2505", *days)
        assert hot.tiers is None
        await asking.do("archive", tables=["market_ticks"])
        cold = await market.history.ticks("rb2505", *days)
        assert cold.table.equals(hot.table, check_metadata=True)
        assert cold.tiers is not None
        assert cold.tiers.units == ("market_ticks 20250329", "market_ticks 20250330")
        newest = max(unit["ts_last"] for unit in (await asking.ask("archive_status"))["units"])
        assert cold.tiers.cold_until == newest
        assert (await market.bars("BTC-USDT", "1m")).tiers is None, "no bar is archived"

        async def shown(*more: str) -> tuple[bytes, str]:
            command = [sys.executable, "-m", "marketprism_services", "ticks", "rb2505", "--nats-url", nats_url, *more]
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=ENVIRONMENT
            )
            out, err = await process.communicate()
            return out, err.decode()

        out, err = await shown("--from", days[0], "--to", days[1], "--json")
        assert len(json.loads(out)) == len(hot) > 0
        assert err.startswith("read from the archive: 2 partitions; rows are archived until 2025-04-"), err


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("archive", {"tables": ["instruments"]}, "tables: expected some of"),
    ("archive", {"older_than": 3}, "older_than: expected at least 11, was 3"),
    ("archive", {"tables": ["trades"]}, "older_than: expected days, since archive.days has none of trades"),
    ("restore", {"first": "x", "last": "2025-03-03"}, "first: expected a day like 2025-03-03, was 'x'"),
    ("restore", {"first": "2025-03-03", "last": "2025-03-03", "days": 0}, "days: expected 1 or more, was 0"),
    ("retain", {"keep_days": 3}, "keep_days: expected 0, or at least 11, was 3"),
    ("retain", {"keep": 3}, "keep"),
)


async def test_what_cannot_be_is_refused(asking: Asking, subtests: pytest.Subtests) -> None:
    for handler, body, reason in REFUSED:
        with subtests.test(handler=handler, body=body):
            refused = await asking.do(handler, **body)
            assert (refused.status, reason in refused.reason) == (ClaimStatus.REFUSED, True), refused.reason


async def test_a_place_that_is_away_is_an_error_of_the_answer_and_of_the_run(asking: Asking, tmp_path: Path) -> None:
    await asking.do("archive", tables=["market_ticks"])
    await asyncio.to_thread((tmp_path / "cold").rename, tmp_path / "away")
    begun = time.monotonic()
    with pytest.raises(StoreError, match="expected to read market_ticks 20250329") as caught:
        await asking.answers()
    assert (caught.value.retryable, time.monotonic() - begun < 5) == (True, True)
    failed = await asking.do("archive", tables=["market_bars"])
    assert failed.status is ClaimStatus.FAILED
    assert "expected a folder that is there" in failed.reason
    assert asking.service.metrics.total("archive_rows_total")
