"""Whoever starts services again must not be the first to give up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from marketprism_application.errors import DataDirError
from marketprism_services.platform.launcher import SpawnLauncher
from marketprism_services.platform.supervisor import Supervisor


async def test_a_service_whose_log_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "query.log").mkdir(parents=True)
    supervisor = Supervisor(tmp_path / "settings.json", logs, SpawnLauncher())
    structlog.reset_defaults()
    with capture_logs() as found:
        await supervisor.start(["query"])
        async with asyncio.timeout(30):
            while sum(line["event"] == "service.not_started" for line in found) < 2:
                await asyncio.sleep(0.01)
        await supervisor.stop(1)
    assert supervisor.restarts >= 1


async def test_a_place_for_logs_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    supervisor = Supervisor(tmp_path / "settings.json", tmp_path / "logs", SpawnLauncher())
    with pytest.raises(DataDirError) as refused:
        await supervisor.start(["query"])
    expected = f"data directory {tmp_path}: expected a writable directory: {tmp_path / 'logs'}: File exists"
    assert str(refused.value) == expected
