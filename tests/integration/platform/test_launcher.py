"""Processes of services: started, spoken to and ended alike by both launchers, and none left when a launcher dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from marketprism_services.platform.launcher import ForkLauncher, Launcher, ServiceProcess, SpawnLauncher

WAITS = ("run", "query", "--nats-url", "nats://127.0.0.1:1")  # for a server that is not there
BOTH: tuple[Callable[[], Launcher], ...] = (ForkLauncher, SpawnLauncher)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    path = tmp_path / "service.log"
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield output, path
    os.close(output)


@contextlib.asynccontextmanager
async def launching(make: Callable[[], Launcher]) -> AsyncIterator[Launcher]:
    launcher = make()
    try:
        yield launcher
    finally:
        await launcher.close()


async def written(path: Path, text: str) -> str:
    async with asyncio.timeout(60):
        while text not in (found := await asyncio.to_thread(path.read_text)):
            await asyncio.sleep(0.05)
    return found


def gone(process: ServiceProcess) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.parametrize("make", BOTH)
async def test_a_command_runs_to_its_end_with_its_output_and_its_variables(
    make: Callable[[], Launcher], log: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPRISM_LOG__LEVEL", "loud")  # a setting of this process's own: not the child's
    async with launching(make) as launcher:
        good = await launcher.launch(("calendar", "rb2505", "--date", "2025-03-03"), {}, log[0])
        assert await good.wait() == 0 == good.returncode
        bad = await launcher.launch(("run", "query"), {"MARKETPRISM_HTTP__PORT": "1"}, log[0])
        assert await bad.wait() == 2
    text = log[1].read_text()
    assert "02-28" in text  # where its night session is
    assert "setting http.port: there is no such setting" in text
    assert "loud" not in text


@pytest.mark.long
@pytest.mark.parametrize("make", BOTH)
async def test_a_process_gets_signals_and_its_end_has_their_number(
    make: Callable[[], Launcher], log: tuple[int, Path]
) -> None:
    async with launching(make) as launcher:
        process = await launcher.launch(WAITS, {}, log[0])
        other = await launcher.launch(WAITS, {}, log[0])
        assert process.pid != other.pid
        await written(log[1], "NATS")
        async with asyncio.timeout(20):  # which of the two has written is not known
            while os.getsid(process.pid) != process.pid:  # Ctrl-C in a terminal is not for it
                await asyncio.sleep(0.01)
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        other.send_signal(signal.SIGKILL)
        assert await other.wait() == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            other.send_signal(signal.SIGTERM)


@pytest.mark.long
async def test_people_who_look_at_processes_see_which_service_it_is(log: tuple[int, Path]) -> None:
    async with launching(ForkLauncher) as launcher:
        process = await launcher.launch(WAITS, {}, log[0])
        await written(log[1], "NATS")
        command = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_text)
        assert "marketprism_services run query" in command.replace("\0", " ")
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_a_fork_server_that_dies_takes_its_services_along_and_another_takes_its_place(
    log: tuple[int, Path],
) -> None:
    async with launching(ForkLauncher) as launcher:
        process = await launcher.launch(WAITS, {}, log[0])
        parent = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGTERM)  # is for the services: it goes on
        again = await launcher.launch(WAITS, {}, log[0])
        os.kill(parent, signal.SIGKILL)
        assert await process.wait() == await again.wait() == -signal.SIGKILL
        async with asyncio.timeout(20):
            while not (gone(process) and gone(again)):
                await asyncio.sleep(0.02)
        fresh = await launcher.launch(WAITS, {}, log[0])
        fresh.send_signal(signal.SIGKILL)
        assert await fresh.wait() == -signal.SIGKILL


async def test_what_does_not_fit_into_a_message_is_refused(log: tuple[int, Path]) -> None:
    async with launching(ForkLauncher) as launcher:
        with pytest.raises(OSError, match="expected at most 131072 bytes, was"):
            await launcher.launch(WAITS, {"LONG": "x" * 200_000}, log[0])
