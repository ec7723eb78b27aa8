"""Fresh machines: a Debian with systemd as process 1, in a network namespace, on a disk of its own that begins empty.

`mmdebstrap` makes the system once; each machine writes into an overlay above it. What `systemd-nspawn` boots has the
kernel's sandbox, control groups and users as a machine has them; kernel, clock and disk are those of this one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.nodes.network import Host

_PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,iproute2,ca-certificates"
_BOOT_S, _END_S = 60.0, 30.0
PROGRAMS = ("mmdebstrap", "systemd-nspawn", "nsenter", "iptables", "ip")


class MachineError(Exception):
    """A machine did not do what was asked of it; the text has what it said."""


def debian(folder: Path) -> Path:
    """A system that machines begin with.

    Raises:
        MachineError: it cannot be made, as where no package source is reached.
    """
    root = folder / "debian"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"mmdebstrap: {done.stderr[-1000:]}")
    return root


class Machine:
    """One of them; `packages` is a folder of wheels, read-only at `/packages`."""

    def __init__(self, host: Host, system: Path, folder: Path, packages: Path) -> None:
        self.host = host
        self.folder = folder
        self.root = folder / "root"
        self._system = system
        self._packages = packages
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Switch it on, with the disk as it was left.

        Raises:
            MachineError: it is not up within a minute.
        """
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(self.root):
            parts = f"lowerdir={self._system},upperdir={self.folder}/upper,workdir={self.folder}/work"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", parts, str(self.root)], check=True)
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot", "--register=no", "--keep-unit"]
        command += [f"--network-namespace-path=/run/netns/{self.host.name}", "--kill-signal=SIGRTMIN+3"]
        command += [f"--machine={self.host.name}", "--resolv-conf=off", f"--bind-ro={self._packages}:/packages"]
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        end = time.monotonic() + _BOOT_S
        while self._state() not in ("running", "degraded"):
            if self._process.poll() is not None or time.monotonic() > end:
                console_text = (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
                raise MachineError(f"{self.host.name}: expected it to boot, was {console_text[-1500:]}")
            time.sleep(0.2)

    def _state(self) -> str:
        try:
            return self.run("systemctl is-system-running || true").stdout.strip()
        except MachineError:
            return ""

    @property
    def _leader(self) -> int:
        """Its process 1, as this machine numbers it."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = children.read_text(encoding="ascii").split() if children.exists() else []
        if not found:
            raise MachineError(f"{self.host.name}: expected it to run, was off")
        return int(found[0])

    def run(self, script: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A script, typed by root in his home folder; what it printed comes back.

        Raises:
            MachineError: it failed.
        """
        inside = ["nsenter", "--target", str(self._leader), "--all", "--wd=/proc/self/root/root"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        given = {"PATH": path, "HOME": "/root", "USER": "root", "LC_ALL": "C.UTF-8", **(environment or {})}
        done = subprocess.run(
            [*inside, "/bin/bash", "-c", f"cd /root; set -euo pipefail; {script}"],
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MachineError(f"{self.host.name}: {script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def send(self, source: Path, target: str) -> None:
        """Copy a file or a folder into root's home folder, as `scp -r` would."""
        place = self.root / "root" / target
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy2(source, place)

    def lose(self) -> None:
        """Its power is gone; what is on its disk stays."""
        if self._process is None:
            return
        with contextlib.suppress(MachineError, ProcessLookupError):
            os.kill(self._leader, 9)  # with process 1 of its namespace the kernel ends all others
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(_END_S)
        self._process = None

    def remove(self) -> None:
        """Off, and its disk thrown away."""
        self.lose()
        if os.path.ismount(self.root):
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


__all__ = ["PROGRAMS", "Machine", "MachineError", "debian"]
