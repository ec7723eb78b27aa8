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
SERVER = {"typer", "rich", "dependency_injector", "chinese_calendar", "picows", "psutil", "setproctitle", "click"}


def run(packages: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = _BLOCK.format(packages=packages, arguments=arguments)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MARKETPRISM_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("up",), ("status", "--json"), ("nonsense",)])
def test_the_core_alone_says_which_extra_the_command_needs(arguments: tuple[str, ...]) -> None:
    done = run(SERVER, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: expected the package typer, found none: pip install 'marketprism[server]'\n"


@pytest.mark.parametrize("package", ["rich", "chinese_calendar"])
def test_a_server_that_lacks_one_package_names_its_extra(package: str, tmp_path: Path) -> None:
    done = run(
        {package}, "up", "--once", "--source", "sim:days=1,rate=4,instruments=rb2505", "--data-dir", str(tmp_path)
    )
    assert done.returncode == 2
    assert done.stderr == f"error: expected the package {package}, found none: pip install 'marketprism[server]'\n"


def test_up_without_the_embedded_store_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    done = run({"chdb"}, "up", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    text = " ".join(done.stderr.split())
    assert "store.engine: expected the package chdb for the embedded store" in text
    assert "pip install 'marketprism[embedded]', or give a ClickHouse server (--clickhouse URL)" in text
    assert not (tmp_path / "data" / "logs").exists()


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
    assert extra_of("clickhouse_driver") == "native"
    assert extra_of("msgspec") == extra_of("x_y_z") == ""
    assert install_command("polars") == "pip install 'marketprism[polars]'"
    assert importlib.metadata.requires("marketprism")
