"""A Docker engine of our own: socket, data and addresses are in a folder that goes again with everything in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.unit.deploy.compose_file import COMPOSE, FILE, ROOT

DOCKER = "/usr/bin/docker"  # of the package docker.io, which brings BuildKit with it
PACKAGES = {"dockerd": "docker.io", "mmdebstrap": "mmdebstrap", "iptables": "iptables"}
_START_S = 60.0


def install_packages() -> None:
    """What is missing of the system's packages. Raises CalledProcessError."""
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    if missing:
        environment = os.environ | {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True, env=environment
        )


class Engine:
    """A running engine; `with Engine.start(folder)` ends it and removes what it held."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER": DOCKER,
        }

    @classmethod
    def start(cls, folder: Path, addresses: str = "10.252") -> Self:
        """Start it and wait until it answers. Raises AssertionError, with the end of its log."""
        command = ["dockerd", "-H", f"unix://{folder}/docker.sock", "--data-root", str(folder / "root")]
        command += ["--exec-root", str(folder / "exec"), "-p", str(folder / "pid")]
        # Without a bridge of its own: that of another engine of this machine has the same name.
        command += ["--bridge", "none", "--default-address-pool", f"base={addresses}.0.0/16,size=24"]
        with (folder / "dockerd.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        engine = cls(folder, process)
        end = time.monotonic() + _START_S
        while engine.run("version", check=False).returncode != 0:
            said = (folder / "dockerd.log").read_text(errors="replace")[-2000:]
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.5)
        return engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        every = self.run("ps", "-aq", check=False).stdout.split()
        if every:
            self.run("rm", "-f", *every, check=False)
        self._process.terminate()
        self._process.wait(60)
        for mount in sorted(_mounts_below(self.folder), key=len, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder / "root", ignore_errors=True)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of its client. Raises AssertionError with what it said."""
        return self._said([DOCKER, *arguments], {}, check)

    def script(self, path: str, *arguments: str, **environment: str) -> str:
        """What a script of the repository prints, for this engine. Raises AssertionError with what it said."""
        return self._said([str(ROOT / path), *arguments], environment, True).stdout.strip()

    def compose(
        self, project: str, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Compose on the shipped file. Raises AssertionError with what it said."""
        return self._said([str(COMPOSE), "-f", str(FILE), "-p", project, *arguments], environment, check)

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        found: dict[str, Any] = json.loads(self.run("inspect", name).stdout)[0]
        return found

    def _said(self, command: list[str], environment: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment | environment)
        assert not check or told.returncode == 0, f"{command}: {told.stdout[-2000:]}{told.stderr[-4000:]}"
        return told


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


__all__ = ["DOCKER", "Engine", "install_packages"]
