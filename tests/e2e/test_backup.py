"""The bar: a pipeline with a recording, a backup, the machine wiped, a restore: equal digests, and `up` goes on."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_application.ports.archive import Measured
from tests.e2e.program import look, run, start
from tests.support.backups import counted, engine_at
from tests.support.recordings import part_of

SETTLED = ("market_ticks", "market_bars", "instruments")  # nothing is added to these once a recording is stored
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def until_stored(data_dir: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        done = look("bars", "AP010", "--interval", "1d", "--format", "csv", "--data-dir", str(data_dir))
        if done.returncode == 0 and len(done.stdout.splitlines()) > 1:
            return
        time.sleep(0.5)
    raise AssertionError("the recording was not stored")


async def rows_in(data_dir: Path) -> dict[tuple[str, str], Measured]:
    async with engine_at(data_dir / "chdb") as engine:
        return await counted(SqlRowCopies(engine, "chdb"))


def ticks_in(found: dict[tuple[str, str], Measured]) -> int:
    return sum(each.rows for key, each in found.items() if key[0] == "market_ticks")


async def test_backup_wiped_machine_restore_equal_digests_and_on(tmp_path: Path, fixtures: Path) -> None:
    days = [fixtures / "ctp" / "ticks" / f"AP010_2020080{day}.csv.gz" for day in (3, 4)]
    recordings = [part_of(path, tmp_path, slice(0, None, 4)) for path in days]
    data_dir, place, key, config = (tmp_path / name for name in ("data", "place", "key", "marketprism.toml"))
    place.mkdir()
    made = look("backup", "keygen", "--out", str(key))
    assert (made.returncode, key.stat().st_mode & 0o777) == (0, 0o600)
    assert "AGE-SECRET-KEY" not in made.stdout + made.stderr
    assert look("backup", "keygen", "--out", str(key)).returncode == 2  # nothing is written over
    config.write_text(f'[backup]\nplace = "{place}"\nrecipients = ["{made.stdout.strip()}"]\n', encoding="utf-8")
    where = ("--config", str(config), "--data-dir", str(data_dir))

    up = start("up", *where, "--source", f"replay:{recordings[0]}")
    try:
        until_stored(data_dir)
        time.sleep(2)  # the last bars close behind the last tick
        created = look("backup", "create", "--data-dir", str(data_dir))
        assert created.returncode == 0, created.stderr
    finally:
        up.send_signal(signal.SIGINT)
        with contextlib.suppress(Exception):
            up.communicate(timeout=60)
    before = await rows_in(data_dir)
    listed = json.loads(look("backup", "list", "--json", "--config", str(config)).stdout)["backups"]
    assert [each["backup"] for each in listed] == [json.loads(created.stdout)["backup"]]
    manifest = json.loads(look("backup", "show", "--config", str(config)).stdout)
    checked = look("backup", "verify", "--config", str(config), "--identity", str(key))
    assert "can be decrypted" in checked.stdout, checked.stderr

    busy = look("backup", "restore", *where, "--identity", str(key))
    assert (busy.returncode, "expected it to be empty" in busy.stderr) == (5, True)
    shutil.rmtree(data_dir)
    nothing = look("backup", "restore", *where)
    assert (nothing.returncode, "identity: expected" in nothing.stderr) == (3, True)
    assert not data_dir.exists()
    done = look("backup", "restore", *where, "--identity", str(key), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["good"], report["wrong"]) == (True, [])
    assert report["compared"] == len(manifest["parts"]) + len(manifest["streams"]) + len(manifest["settings"])
    assert {"AUDIT", "COMMANDS", "KV_service_leaders", "KV_source_positions"} <= {
        each["stream"] for each in manifest["streams"]
    }
    after = await rows_in(data_dir)
    assert {key: (each.rows, each.digest) for key, each in after.items()} == {
        (each["table"], each["partition"]): (each["rows"], each["digest"]) for each in manifest["parts"]
    }
    assert {k: v for k, v in after.items() if k[0] in SETTLED} == {k: v for k, v in before.items() if k[0] in SETTLED}

    for number in range(2):  # the second time there is nothing to add
        further = run("up", *where, "--source", f"replay:{recordings[1]}", "--once", "--json", timeout=300)
        verdict = json.loads(further.stdout[further.stdout.index("{") :])
        assert (further.returncode, verdict["duplicates"], verdict["missing"]) == (0, 0, 0), (number, verdict)
        if not number:
            ticks = ticks_in(after) + verdict["published"]
        assert ticks_in(await rows_in(data_dir)) == ticks
