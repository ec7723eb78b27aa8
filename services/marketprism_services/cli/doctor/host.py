"""What the kernel says of this machine, by its files."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

_UNSYNCHRONISED = 0x40  # STA_UNSYNC
_NANOSECONDS = 0x2000  # STA_NANO
_NO_TIME = 5  # TIME_ERROR
_ROOT = Path("/")


class Host(NamedTuple):
    """Files below a root: the machine's own, or those of a folder that stands for one."""

    root: Path = _ROOT

    def text(self, path: str) -> str:
        """What a file says, without blanks around it; empty where it is not there."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        """The number in a file; None where there is none, `max` included."""
        text = self.text(path)
        return int(text) if text.isdecimal() else None

    def table(self, path: str) -> dict[str, int]:
        """Lines of a name and a number, like those of /proc/meminfo and of a cgroup."""
        found = {}
        for line in self.text(path).splitlines():
            name, _, rest = line.replace(":", " ").partition(" ")
            number = rest.split()[0] if rest.split() else ""
            if number.isdecimal():
                found[name] = int(number)
        return found

    def of_group(self, name: str) -> str:
        """The path of a file of the cgroup that this process is in (version 2), that of the root where it has none."""
        for line in self.text("/proc/self/cgroup").splitlines():
            number, _, rest = line.partition(":")
            path = rest.partition(":")[2]
            if number == "0" and self.text(found := f"/sys/fs/cgroup{path.rstrip('/')}/{name}"):
                return found
        return f"/sys/fs/cgroup/{name}"

    def file_system_of(self, path: Path) -> str:
        """The type of the file system that a folder is on, like ext4; empty where the kernel does not say."""
        best, found = "", ""
        real = os.path.realpath(path)
        for line in self.text("/proc/self/mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            mount = before.split()[4].replace("\\040", " ") if len(before.split()) > 4 else ""
            inside = mount in ("/", real) or real.startswith(f"{mount}/")
            if mount and inside and len(mount) >= len(best):
                best, found = mount, after.split()[0] if after else ""
        return found


class KernelClock(NamedTuple):
    """What keeps the clock has told the kernel so: whether it is synchronised, how far it is off, how far at most."""

    synchronised: bool
    offset_s: float
    most_s: float


class _Timex(ctypes.Structure):
    """`struct timex` of 64-bit Linux, up to what is read; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def kernel_clock() -> KernelClock | None:
    """None where the kernel does not say."""
    found = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    unit = 1e-9 if found.status & _NANOSECONDS else 1e-6
    good = state != _NO_TIME and not found.status & _UNSYNCHRONISED
    return KernelClock(good, found.offset * unit, found.maxerror * 1e-6)


__all__ = ["Host", "KernelClock", "kernel_clock"]
