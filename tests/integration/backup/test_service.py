"""The storage service makes backups while it writes and answers: by jobs, over NATS; and drills one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.cold.age import new_identity
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.storage.writer import WriterSettings
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import ClaimStatus, JobClaim, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.settings.settings import validated
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.backup import BackupWiring, backup_of
from marketprism_services.wiring.store import EmbeddedEngines
from tests.integration.archive.test_faults import flip
from tests.support.archive import fill
from tests.support.backups import IDENTITY, RECIPIENT
from tests.support.services import running

pytestmark = pytest.mark.xdist_group("archive")  # one storage leads at a time


def wiring_of(tmp_path: Path, **more: object) -> BackupWiring:
    given = {"place": str(tmp_path / "place"), "recipients": [RECIPIENT], **more}
    found = backup_of(validated({"data_dir": str(tmp_path / "data"), "backup": given}))
    assert found is not None
    return found


class Asking:
    """Whoever gives the service runs, and reads its numbers."""

    def __init__(self, connection: NatsConnection, service: StorageService, claims: JobClaims) -> None:
        self.service = service
        self._connection = connection
        self._claims = claims

    async def do(self, handler: str, **body: object) -> JobClaim:
        key = f"test.{secrets.token_hex(6)}"
        await submit_run(self._connection, "storage", JobRun(key, "test", handler, 0, 1, body, 240.0))
        async with asyncio.timeout(240):
            while (claim := await self._claims.get(key)) is None or not claim.is_final:
                await asyncio.sleep(0.05)
        return claim

    async def status(self) -> Any:
        return await self.service.calls.call("storage", "backup_status", {})

    def number(self, name: str) -> float:
        lines = self.service.metrics.text().decode().splitlines()
        return float(next(line for line in lines if line.partition(" ")[0] == name).rpartition(" ")[2])


@pytest.fixture
async def asking(tmp_path: Path, connection: NatsConnection) -> AsyncIterator[Asking]:
    (tmp_path / "place").mkdir()
    engine = await ChdbEngine.open(tmp_path / "db")
    store = SqlStore(engine)
    await store.migrate()
    await fill(store, 3, [TICK, BAR])
    await engine.close()
    service = StorageService(
        connection,
        EmbeddedEngines(tmp_path / "db"),
        WriterSettings(),
        backup=wiring_of(tmp_path, identity=IDENTITY),
        version="1.2",
    )
    async with running(service):
        found = Asking(connection, service, await JobClaims.open(connection))
        async with asyncio.timeout(60):
            while True:
                try:
                    await found.status()
                except SdkError:
                    await asyncio.sleep(0.1)
                else:
                    break
        yield found


async def test_a_drill_of_before_that_cannot_be_read_ends_nothing(asking: Asking, tmp_path: Path) -> None:
    """It lies at the place, where anybody may have written."""
    await asyncio.to_thread((tmp_path / "place" / "drills").mkdir)
    await asyncio.to_thread((tmp_path / "place" / "drills" / "last.json").write_bytes, b'{"backup": 7')
    assert (await asking.do("backup")).status is ClaimStatus.SUCCEEDED
    assert (await asking.status())["drill"] == {}


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_jobs_make_verify_drill_and_thin_out_backups(asking: Asking, tmp_path: Path) -> None:
    first, second = await asking.do("backup"), await asking.do("backup")
    assert (first.status, second.status) == (ClaimStatus.SUCCEEDED, ClaimStatus.SUCCEEDED), first.reason
    made = [first.output, second.output]
    assert (made[0]["product"], made[0]["schema"]) == ("1.2", MIGRATIONS[-1].number)
    assert 500 < made[0]["rows"] <= made[1]["rows"]
    # What streams have got since, and parts that were merged meanwhile, are written anew.
    assert made[1]["written_bytes"] < 0.75 * made[0]["written_bytes"]
    assert made[0]["streams"] > 3
    status = await asking.status()
    assert [each["backup"] for each in status["backups"]] == [made[0]["backup"], made[1]["backup"]]
    assert (status["newest"], status["failed"], status["wrong"]) == (made[1]["backup"], "", {})
    assert asking.number("backup_rows") == made[1]["rows"]
    assert asking.number("backup_last_success_seconds") == pytest.approx(made[1]["ended"] / 1e9)

    verified = await asking.do("verify_backup")
    assert (verified.output["backup"], verified.output["opened"]) == (made[1]["backup"], True)
    drilled = await asking.do("restore_drill")
    assert drilled.status is ClaimStatus.SUCCEEDED, drilled.reason
    report = drilled.output
    assert (report["backup"], report["wrong"], report["rows"], report["good"]) == (
        made[1]["backup"],
        [],
        made[1]["rows"],
        True,
    )
    assert report["compared"] > made[1]["streams"]
    assert report["answers"]["instruments"] == 4
    assert report["rto_seconds"] > 0
    assert report["rpo_seconds"] > 0
    assert asking.number("restore_drill_seconds") == report["rto_seconds"]
    assert not (tmp_path / "data" / "backup-staging" / "drill").exists()

    planned = await asking.do("prune_backups", days=1, dry_run=True)
    assert planned.output["sets"] == [made[0]["backup"]]
    assert (await asking.do("prune_backups", days=1)).output == planned.output
    assert len((await asking.status())["backups"]) == 1
    refused = await asking.do("prune_backups", days=-1)
    assert (refused.status, "expected 0 or more" in refused.reason) == (ClaimStatus.REFUSED, True)


@pytest.mark.timeout(300)
async def test_what_is_spoilt_at_the_place_is_told_by_verification_and_drill(asking: Asking, tmp_path: Path) -> None:
    made = await asking.do("backup")
    largest = max((tmp_path / "place" / "objects").iterdir(), key=lambda path: path.stat().st_size)
    flip(largest)
    verified = await asking.do("verify_backup")
    assert (verified.status, largest.name in verified.reason) == (ClaimStatus.FAILED, True)
    assert asking.number("backup_verify_failures_total") == 1
    drilled = await asking.do("restore_drill", backup=made.output["backup"])
    assert (drilled.status, largest.name in drilled.reason) == (ClaimStatus.FAILED, True)
    assert asking.number("restore_drill_failures_total") == 1
    assert asking.number("restore_drill_last_success_seconds") == 0
    (tmp_path / "place").rename(tmp_path / "away")
    failed = await asking.do("backup")
    assert (failed.status, "expected a folder that is there" in failed.reason) == (ClaimStatus.FAILED, True)
    assert asking.number("backup_failures_total") == 1


def test_settings_that_cannot_be_are_named(tmp_path: Path) -> None:
    from marketprism_services.settings.errors import SettingsError  # noqa: PLC0415 (only here)

    for more, words in (
        ({"recipients": []}, r"backup\.recipients: expected at least one public key"),
        ({"recipients": ["age1nonsense"]}, r"backup\.recipients: expected public keys"),
        ({"recipients": ["ssh-rsa x"]}, r"backup\.recipients: expected public keys"),
        ({"streams": ["MARKET_TICK"]}, r"backup\.streams.*expected some of all, MARKET_RAW"),
        ({"place": "http://127.0.0.1:1"}, r"backup\.place: expected a URL with a bucket"),
        ({"keep": {"daily": 0}}, "daily"),
    ):
        with pytest.raises(SettingsError, match=words):
            wiring_of(tmp_path, **more)
    assert backup_of(validated({"data_dir": str(tmp_path)})) is None
    wiring = wiring_of(tmp_path, identity=new_identity()[0])
    assert b"AGE-SECRET" not in wiring.files["settings.json"]
    assert str(tmp_path).encode() in wiring.files["settings.json"]
    assert wiring.settings.wanted("AUDIT")
    assert not wiring.settings.wanted("MARKET_TICKS")
    assert wiring_of(tmp_path, streams=["all"]).settings.wanted("MARKET_TICKS")
