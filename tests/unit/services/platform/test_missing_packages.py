"""What is not installed is named with the command that installs it, in one line and at once."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from marketprism_services.settings.extras import extra_of, install_command

# Refuses packages as an environment without them does: for imports, and for who asks whether they are there.
_BLOCK = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None
sys.meta_path.insert(0, Blocked())
sys.argv = ["marketprism", *{arguments!r}]
from marketprism_services.__main__ import main
main()
"""
SERVER = {"pydantic", "pydantic_core", "aiohttp", "dependency_injector", "chinese_calendar", "pyarrow", "opentelemetry"}


def run(packages: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = _BLOCK.format(packages=packages, arguments=arguments)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MARKETPRISM_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)


@pytest.mark.parametrize("arguments", [("up",), ("status", "--json"), ("backtest", "run", "--help")])
def test_the_light_installation_says_which_extra_a_command_needs(arguments: tuple[str, ...]) -> None:
    done = run(SERVER, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: marketprism {arguments[0]}: expected the services, found the light installation: "
        "pip install 'marketprism[server]'\n"
    )


def test_every_other_command_of_the_light_installation_needs_the_services() -> None:
    """What reads and listens has its help there; the table of what does is held against the commands themselves."""
    code = (
        "import sys\n"
        f"for name in {sorted(SERVER)!r}: sys.modules[name] = None\n"
        "from importlib import import_module\n"
        "from marketprism_services.cli.app import COMMANDS, LIGHT, LazyCommand\n"
        "for name in sorted(LIGHT): LazyCommand(name, COMMANDS[name]).load()\n"
        "import marketprism_services.cli.light, marketprism_client._client, marketprism_client._http_line"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_a_form_of_arrows_names_its_extra_before_anything_is_asked() -> None:
    done = run(SERVER, "bars", "rb2505", "--format", "parquet")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --format: expected the package pyarrow for parquet, found none: pip install 'marketprism[arrow]'\n"
    )


@pytest.mark.parametrize("package", ["chinese_calendar"])
def test_a_server_that_lacks_one_package_names_its_extra(package: str, tmp_path: Path) -> None:
    done = run(
        {package}, "up", "--once", "--source", "sim:days=1,rate=4,instruments=rb2505", "--data-dir", str(tmp_path)
    )
    assert done.returncode == 2
    command = "pip install 'marketprism[server]'"
    assert done.stderr == f"error: expected the package {package} for this, found none: {command}\n"


def test_up_without_the_embedded_store_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    done = run({"chdb"}, "up", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    text = " ".join(done.stderr.split())
    assert "store.engine: expected the package chdb for the embedded store" in text
    assert "pip install 'marketprism[embedded]', or give a ClickHouse server (--clickhouse URL)" in text
    assert not (tmp_path / "data" / "logs").exists()


@pytest.mark.long
def test_up_without_the_native_protocol_says_so_and_so_does_doctor(tmp_path: Path) -> None:
    for command in ("up", "doctor"):
        config = tmp_path / "settings.toml"
        config.write_text('[store]\nengine = "clickhouse"\nurl = "clickhouse://127.0.0.1:9000"\n')
        done = run({"clickhouse_driver"}, command, "--data-dir", str(tmp_path / "data"), "--config", str(config))
        text = " ".join((done.stderr + done.stdout).split())
        assert done.returncode in (1, 2)
        assert "pip install 'marketprism[native]', or give an http:// URL" in text


def test_every_package_of_an_extra_is_found_by_the_name_it_is_imported_by() -> None:
    assert extra_of("matplotlib.pyplot") == extra_of("plotext") == "plot"
    assert extra_of("dependency_injector") == extra_of("chinese_calendar") == "server"
    assert (extra_of("clickhouse_driver"), extra_of("pyarrow"), extra_of("aiohttp")) == ("native", "arrow", "sdk")
    assert extra_of("msgspec") == extra_of("x_y_z") == ""
    assert install_command("polars") == "pip install 'marketprism[polars]'"
    assert importlib.metadata.requires("marketprism")
