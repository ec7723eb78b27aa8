"""A backup while rows stream in, restored and replayed: nothing is lost and nothing doubled; and times in between."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.tally import SqlTally
from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import BackupError, BackupMissing
from marketprism_sdk.errors import NotActive
from marketprism_sdk.messaging import ClaimStatus, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.jetstream import api, delete_stream
from marketprism_services.platform.restoring import RestoreOrder
from marketprism_services.settings.settings import validated
from marketprism_services.wiring.backup import BackupWiring, backup_of
from tests.integration.storage.storage_side import Market, Storage, all_stored, market_of, storage_of, until
from tests.support.backups import IDENTITY, RECIPIENT, engine_at, restored

pytestmark = [pytest.mark.xdist_group("archive"), pytest.mark.timeout(300)]


def wiring(tmp_path: Path, **more: object) -> BackupWiring:
    (tmp_path / "place").mkdir(exist_ok=True)
    given = {"place": str(tmp_path / "place"), "recipients": [RECIPIENT], "identity": IDENTITY, **more}
    found = backup_of(validated({"data_dir": str(tmp_path / "data"), "backup": given}))
    assert found is not None
    return found


async def backed_up(market: Market, storage: Storage) -> Any:
    """What a backup answers that is made now."""
    await until(lambda: _answers(storage))
    claims, key = await JobClaims.open(market.connection), f"test.{secrets.token_hex(6)}"
    await submit_run(market.connection, "storage", JobRun(key, "test", "backup", 0, 1, {}, 120.0))
    claim = await until(lambda: _final(claims, key), 120)
    assert claim.status is ClaimStatus.SUCCEEDED, claim.reason  # type: ignore[attr-defined]
    return claim.output  # type: ignore[attr-defined]


async def _answers(storage: Storage) -> bool:
    try:
        await storage.service.calls.call("storage", "backup_status", {})
    except NotActive:
        return False
    return True


async def _final(claims: JobClaims, key: str) -> Any:
    claim = await claims.get(key)
    return claim if claim is not None and claim.is_final else None


@asynccontextmanager
async def publishing(market: Market) -> AsyncIterator[None]:
    """Ticks, as long as it lasts."""
    stop = asyncio.Event()

    async def publish() -> None:
        while not stop.is_set():
            await market.publish(20)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.mark.long
async def test_what_comes_while_a_backup_is_made_is_there_once_behind_a_restore(tmp_path: Path) -> None:
    backup = wiring(tmp_path)
    async with market_of(tmp_path / "market") as market:
        async with storage_of(market, tmp_path / "data" / "chdb", backup) as storage:
            await market.publish(2_000)
            await all_stored(market, storage)
            async with publishing(market):
                made = await backed_up(market, storage)
            assert made["rows"] >= 2_000
            await market.publish(100)  # what the copy has not, however quick it was
            await all_stored(market, storage)
        shutil.rmtree(tmp_path / "data")
        report = await restored(tmp_path / "data", backup.catalogue, RestoreOrder(parts=("store",)))
        assert report.good
        last = await market.publish(500)
        async with storage_of(market, tmp_path / "data" / "chdb") as storage:
            await all_stored(market, storage)
            assert Counter(await storage.seqs(TICK)) == Counter(range(1, market.published + 1))
            # It went on from its place, and did not read everything again.
            text = storage.service.metrics.text().decode()
            assert 'store_refills_total{reason="older_copy",stream="MARKET_TICKS"} 1.0' in text
            again = float(
                next(line for line in text.splitlines() if 'rows_stored_total{stream="MARKET_TICKS"}' in line).split()[
                    -1
                ]
            )
            assert 500 <= again < market.published - 1_000
        async with engine_at(tmp_path / "data" / "chdb") as engine:
            assert await SqlTally(engine).rows(TICK, 1, last) == market.published


async def seqs_in(folder: Path) -> list[int]:
    async with engine_at(folder) as engine:
        found = await SqlReader(engine).answer(Records("tick", "rb2505", limit=10_000))
        return [int(seq) for seq in found.column("seq").to_pylist()]


@pytest.mark.long
async def test_a_time_in_between_has_what_was_taken_by_then_and_nothing_later(tmp_path: Path) -> None:
    backup = wiring(tmp_path, streams=["all"])
    async with market_of(tmp_path / "market") as market:
        async with storage_of(market, tmp_path / "data" / "chdb", backup) as storage:
            await market.publish(400)
            await all_stored(market, storage)
            first = await backed_up(market, storage)
            await market.publish(300)
            await asyncio.sleep(0.2)
            until_then, by_then = time.time_ns(), market.published
            await asyncio.sleep(0.2)
            await market.publish(250)
            await all_stored(market, storage)
            second = await backed_up(market, storage)
        at = RestoreOrder(parts=("store",), until=until_then)
        live = await restored(tmp_path / "live", backup.catalogue, at._replace(live=market.connection))
        assert (live.backup, live.good) == (first["backup"], True)
        assert [(each.stream, each.rows) for each in live.applied if each.rows] == [("MARKET_TICKS", 300)]
        assert Counter(await seqs_in(tmp_path / "live" / "chdb")) == Counter(range(1, by_then + 1))

        # Streams that do not reach back to the backup are refused, and both are named.
        bounds = (await api(market.connection, f"STREAM.INFO.{streams.TICKS}"))["state"]
        await api(market.connection, f"STREAM.PURGE.{streams.TICKS}", {"seq": int(bounds["last_seq"])})
        words = rf"backup {first['backup']}: it has MARKET_TICKS up to message \d+, .* its first message is {bounds['last_seq']}"
        with pytest.raises(BackupError, match=words):
            await restored(tmp_path / "refused", backup.catalogue, at._replace(live=market.connection))
        await delete_stream(market.connection, streams.TICKS)
        with pytest.raises(BackupError, match=r"it has MARKET_TICKS, expected one at .*, there is none"):
            await restored(tmp_path / "refused", backup.catalogue, at._replace(live=market.connection))
        await streams.ensure_streams(market.connection)
        with pytest.raises(BackupError, match="expected MARKET_TICKS as it was made at"):
            await restored(tmp_path / "refused", backup.catalogue, at._replace(live=market.connection))
        assert not (tmp_path / "refused").exists()

    # Without them, the streams of the backup behind that time have them.
    from_backup = await restored(tmp_path / "later", backup.catalogue, at)
    assert (from_backup.backup, from_backup.good) == (first["backup"], True)
    assert Counter(await seqs_in(tmp_path / "later" / "chdb")) == Counter(range(1, by_then + 1))
    newest = await restored(tmp_path / "newest", backup.catalogue, at._replace(until=time.time_ns()))
    assert newest.backup == second["backup"]
    with pytest.raises(
        BackupMissing, match=rf"expected one that had ended by that time, the first is {first['backup']}"
    ):
        await restored(tmp_path / "refused", backup.catalogue, at._replace(until=1))


@pytest.mark.long
async def test_streams_of_the_market_that_are_restored_are_not_read_again(tmp_path: Path) -> None:
    backup = wiring(tmp_path, streams=["all"])
    async with market_of(tmp_path / "market") as market, storage_of(market, tmp_path / "old", backup) as storage:
        await market.publish(400)
        await all_stored(market, storage)
        await backed_up(market, storage)
    report = await restored(tmp_path / "new", backup.catalogue, RestoreOrder())
    assert report.good
    async with market_of(tmp_path / "new") as market:
        market.go_on(401)
        await market.publish(100)
        async with storage_of(market, tmp_path / "new" / "chdb") as storage:
            await all_stored(market, storage)
            assert Counter(await storage.seqs(TICK)) == Counter(range(1, 501))
            text = storage.service.metrics.text().decode()
            assert 'rows_stored_total{stream="MARKET_TICKS"} 100.0' in text
