"""Data directories of any name, and users without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.errors import StoreError

NAMES = [
    "\u884c\u60c5",
    "\u00e9 \u0414\u0430\u043d\u043d\u044b\u0435",
    "a 'b' \"c\"",
    "$HOME {x} #y ; z\\t",
    "tab\there",
    "%41&<b>[1]*",
]


@pytest.mark.parametrize("name", NAMES)
async def test_nats_starts_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    server = await EmbeddedServer.start(EmbeddedOptions(data_dir=folder, port=0))
    try:
        assert (folder / "nats" / "server.pid").read_text(encoding="utf-8").strip() == str(server.process.pid)
        assert (folder / "nats" / "jetstream").is_dir()
    finally:
        await server.stop()
    assert [each.name for each in tmp_path.iterdir()] == [name]


async def test_nats_starts_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    server = await EmbeddedServer.start(EmbeddedOptions(data_dir=folder, port=0))
    await server.stop()
    assert (folder / "nats" / "jetstream").is_dir()


@pytest.mark.parametrize("name", NAMES)
async def test_the_embedded_store_is_where_its_folder_is(tmp_path: Path, name: str) -> None:
    engine = await ChdbEngine.open(tmp_path / name)
    await engine.execute("CREATE DATABASE IF NOT EXISTS x")
    await engine.close()
    assert (tmp_path / name / "metadata").is_dir()
    assert [each.name for each in tmp_path.iterdir()] == [name]


async def test_a_folder_that_the_library_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="without a question mark"):
        await ChdbEngine.open(tmp_path / "what?now")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("clickhouse")
async def test_clickhouse_starts_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "\u884c\u60c5 \u00e9 'a' \"b\" &<c>"
    server = await LocalClickHouse.start(LocalOptions(folder, choose_port(0), choose_port(0)))
    try:
        await server.probe()
    finally:
        await server.stop()
    assert folder.is_dir()


WITHOUT_HOME = """
import os, sys
import marketprism_services.__main__ as program, marketprism_services.cli.app
import marketprism_services.cli.status, marketprism_services.cli.inspect, marketprism_services.cli.offline
import marketprism_services.platform.runtime
os.environ.pop("HOME", None)
os.environ.pop("MARKETPRISM_HOME", None)
os.setgid(54321)
os.setuid(54321)  # nobody whom the system knows
sys.argv = ["marketprism", *sys.argv[1:]]
program.main()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("arguments", [["status"], ["status", "--data-dir", "~/x"], ["rebuild", "~/x.csv"]])
def test_who_has_no_home_is_told_what_to_give(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HOME, *arguments], capture_output=True, text=True, cwd="/", check=False
    )
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "--data-dir or MARKETPRISM_HOME" in lines[0]
