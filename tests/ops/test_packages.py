"""The wheel in bare environments: what `pip install marketprism` and its extras bring, and that each of them works.

`make check-packages` runs it; it needs a package index and no root.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ops, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
MOST_PACKAGES, MOST_MB = 12, 60
_OWN = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")  # of the environment itself
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("MARKETPRISM_", "PYTHON"))} | {"NO_COLOR": "1"}
READS = """
import asyncio, sys
from pathlib import Path
from marketprism_client import MarketClient
from marketprism_services.platform.known_files import known_access

async def main(url):
    access = known_access(Path(sys.argv[2]), "operator") if url.startswith("nats") else None
    async with MarketClient(url, access=access) as market:
        bars = await market.bars("rb2505", "1m", last=3)
        assert [type(bar).__name__ for bar in bars] == ["Bar"] * 3, bars
        assert len(await market.history.ticks("rb2505", last=10)) == 10
        async for tick in market.live.ticks("rb2505", wait=True):
            assert tick.symbol == "rb2505"
            break
        try:
            bars.to_arrow()
        except ModuleNotFoundError as error:
            print(error)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, env=ENVIRONMENT | {"MARKETPRISM_COMPILED": "0"})
    (found,) = folder.glob("marketprism-*.whl")
    return found


class Installed:
    """An environment with the wheel and an extra, and nothing else."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"
        wanted = f"{wheel}[{extra}]" if extra else str(wheel)
        pip = [self.bin / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
        subprocess.run([*pip, wanted], check=True, env=ENVIRONMENT)

    def packages(self) -> set[str]:
        command = [self.bin / "python", "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
        return {each["name"] for each in json.loads(done.stdout)} - set(_OWN)

    def megabytes(self) -> float:
        (site,) = self.bin.parent.glob("lib/python3*/site-packages")
        files = (path for top in site.iterdir() if not top.name.startswith(_OWN) for path in (top, *top.rglob("*")))
        return sum(path.stat().st_blocks * 512 for path in files) / 2**20  # as du counts

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [self.bin / program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT | more, timeout=300)


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    return Installed(tmp_path_factory.mktemp("light"), wheel, "")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    return Installed(tmp_path_factory.mktemp("embedded"), wheel, "embedded")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, embedded: Installed) -> Iterator[Path]:
    """The data directory of the whole product, which `embedded` runs on simulated ticks that go on coming."""
    folder = tmp_path_factory.mktemp("data")
    source = "sim:seed=7,days=30,rate=1,instruments=rb2505"
    command = [embedded.bin / "marketprism", "up", "--source", source, "--speed", "1200", "--data-dir", folder]
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), "--nats-port", "0"], stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True
        )
    try:
        until = time.monotonic() + 240
        asked = ("rolls", "rb", "--format", "csv", "--data-dir", str(folder))
        while embedded.run("marketprism", *asked).stdout.count("\n") < 2:  # a trading day is stored, others come
            assert process.poll() is None, (folder / "up.log").read_text()
            assert time.monotonic() < until, (folder / "up.log").read_text()
            time.sleep(3)
        yield folder
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_the_light_installation_is_small(light: Installed) -> None:
    packages, megabytes = light.packages(), light.megabytes()
    print(f"light: {len(packages)} packages, {megabytes:.1f} MB: {', '.join(sorted(packages))}")
    assert len(packages) <= MOST_PACKAGES, sorted(packages)
    assert megabytes <= MOST_MB


def test_a_client_of_the_light_installation_reads_and_listens_over_both_doors(light: Installed, running: Path) -> None:
    nats = (running / "run" / "url").read_text().strip()
    port = json.loads((running / "run" / "settings.json").read_text())["http"]["api"]
    for url in (nats, f"http://127.0.0.1:{port}"):
        done = light.run("python", "-c", READS, url, str(running))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "answer: expected pyarrow, was not installed: pip install 'marketprism[arrow]'\n"


@pytest.mark.parametrize("command", ["bars", "ticks", "coverage", "gaps", "quality", "search", "instruments", "rolls"])
def test_what_reads_is_a_command_of_the_light_installation(light: Installed, running: Path, command: str) -> None:
    name = "rb" if command == "rolls" else "rb2505"
    more = ("--from", "2025-03-03T14:50") if command == "ticks" else ()
    done = light.run("marketprism", command, name, "--data-dir", str(running), "--format", "csv", *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= (1 if command == "gaps" else 2), done.stdout


def test_other_commands_say_what_they_need_in_both_languages(light: Installed) -> None:
    for language, said in (("en", "expected the services, found the light"), ("zh_CN", "需要各项服务")):
        done = light.run("marketprism", "up", MARKETPRISM_LANG=language, PYTHONIOENCODING="utf-8")
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.rstrip().endswith("pip install 'marketprism[server]'")


def test_the_services_run_without_the_embedded_store(tmp_path: Path, wheel: Path, running: Path) -> None:
    server = Installed(tmp_path / "server", wheel, "server")
    assert "chdb" not in server.packages()
    done = server.run("marketprism", "status", "--json", "--data-dir", str(running))
    assert done.returncode == 0, done.stderr
    assert {"storage", "query"} <= set(re.findall(r'"(storage|query)', done.stdout))
    done = server.run("marketprism", "up", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "marketprism[embedded]" in done.stderr
