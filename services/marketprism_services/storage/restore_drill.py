"""A drill: a child process restores a backup into a scratch folder, as people would, and says what came of it.

A process of its own, since a process has one embedded engine open, and this one has the store's.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import msgspec

from marketprism_sdk.private_files import private_folder, write_private
from marketprism_sdk.service import die_with_parent
from marketprism_services.settings.backup import BackupSettings
from marketprism_services.settings.extras import is_there
from marketprism_services.settings.variables import without_settings

_LAST_LINES = 3
_MOST_LISTED = 40
LAST_DRILL = "drills/last.json"  # at the place of backups


class DrillRecord(msgspec.Struct):
    """What a drill has found. `seconds` is the whole time that the restore took, `behind_seconds` how old the backup
    was; `output` is the report of the restore, empty where there is none. `last_good` is when a drill last was so."""

    backup: str
    ended: int
    good: bool
    seconds: float = 0.0
    behind_seconds: float = 0.0
    error: str = ""
    last_good: int = 0
    output: dict[str, object] = {}


async def run_drill(settings: BackupSettings, backup: str, scratch: Path) -> DrillRecord:
    """Restore a backup below a scratch folder, which is gone afterwards. Raises OSError: no room there."""
    try:
        await asyncio.to_thread(_prepare, settings, scratch)
        return await _child(backup, scratch)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


def _prepare(settings: BackupSettings, scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    private_folder(scratch)
    given = {**asdict(settings), "secret_key": settings.secret_key.reveal(), "identity": settings.identity.reveal()}
    store = {"engine": "chdb"} if is_there("chdb") else {"engine": "clickhouse", "url": "server"}
    # Secrets by a file of this user's, never by arguments, which everybody sees.
    write_private(scratch / "settings.json", json.dumps({"backup": given, "store": store}))


async def _child(backup: str, scratch: Path) -> DrillRecord:
    arguments = ["backup", "drill", backup, "--config", str(scratch / "settings.json")]
    arguments += ["--data-dir", str(scratch / "data"), "--json"]
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketprism_services",
        *arguments,
        env={**without_settings(os.environ), "MARKETPRISM_LANG": "en"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        output, errors = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    return _record(backup, output, errors, process.returncode, time.perf_counter() - begun)


def _record(backup: str, output: bytes, errors: bytes, code: int | None, seconds: float) -> DrillRecord:
    ended = time.time_ns()
    try:
        report = msgspec.json.decode(output, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        lines = errors.decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
        text = f"drill: expected a report, was exit code {code}: {' '.join(lines)[:600]}"
        return DrillRecord(backup, ended, good=False, seconds=round(seconds, 3), error=text)
    wrong = report.get("wrong") or []
    error = "" if code == 0 else f"drill: expected everything as it was, differs: {str(wrong)[:600]}"
    behind = report.get("behind_seconds", 0.0)
    return DrillRecord(
        str(report.get("backup", backup)),
        ended,
        good=code == 0,
        seconds=round(seconds, 3),
        behind_seconds=float(behind) if isinstance(behind, int | float) else 0.0,
        error=error,
        output={
            **report,
            "wrong": _some(wrong),
            "notes": _some(report.get("notes")),
            "rto_seconds": round(seconds, 3),
            "rpo_seconds": behind,
        },
    )


def _some(listed: object) -> list[object]:
    """As many as the output of a run has room for."""
    return listed[:_MOST_LISTED] if isinstance(listed, list) else []


__all__ = ["LAST_DRILL", "DrillRecord", "run_drill"]
