"""Disks: room, kind of file system, and how long a write takes until it is on the disk."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, warning, wrong
from marketprism_services.cli.doctor.host import Host

_WRITES = 32
_BLOCK = bytes(4096)
_SLOW_S, _TOO_SLOW_S = 0.01, 0.1
_FREE_SHARE, _LEAST_SHARE = 0.15, 0.05
_FREE_GB, _LEAST_GB = 20.0, 2.0
_GONE_AT_START = {"tmpfs", "ramfs"}
_OVER_THE_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs"}
_LAYERED = {"overlay", "aufs"}


class Latency(NamedTuple):
    """Of writes of 4 KiB with fsync: the median and the longest."""

    median_s: float
    longest_s: float


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def measured(folder: Path) -> Latency:
    """Write into a file of a folder, and take it away again. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=folder, prefix=".doctor-") as file:
        for _ in range(_WRITES):
            began = time.perf_counter()
            file.write(_BLOCK)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return Latency(statistics.median(took), max(took))


def room(name: str, free: int, size: int) -> Finding:
    """Bytes that are free, of so many."""
    share = free / size if size else 0.0
    grade: Grade = "ok"
    if share < _FREE_SHARE or free < _FREE_GB * 1e9:
        grade = "warning"
    if share < _LEAST_SHARE or free < _LEAST_GB * 1e9:
        grade = "wrong"
    text = f"{free / 1e9:.1f} of {size / 1e9:.1f} GB are free"
    todo = "make room or enlarge it: docs/sizing.md says how much is needed"
    return judged(grade, f"room of {name}", text, "20 GB and 15 %, 2 GB and 5 % at least", todo)


def kind(name: str, file_system: str) -> Finding:
    """The type of the file system of what has to last."""
    what, text = f"file system of {name}", file_system or "not known"
    expected, todo = "a disk of this machine: xfs or ext4", "move it to a disk of its own and name that folder"
    if file_system in _GONE_AT_START:
        return wrong(what, f"{text}: gone when the machine starts again", expected, todo)
    if file_system in _OVER_THE_NETWORK:
        return wrong(what, f"{text}: over the network, where locks and fsync are not what they are", expected, todo)
    if file_system in _LAYERED or not file_system:
        return warning(what, f"{text}: a layer of a container goes with the container", expected, todo)
    return ok(what, text)


def latency(name: str, took: Latency) -> Finding:
    """How long a write takes until it is on the disk."""
    grade: Grade = "ok" if took.median_s < _SLOW_S else "warning" if took.median_s < _TOO_SLOW_S else "wrong"
    text = f"write and fsync of 4 KiB take {took.median_s * 1e3:.2f} ms, {took.longest_s * 1e3:.1f} ms at most"
    todo = "use an SSD of this machine that nothing else writes to; a RAID controller needs its battery"
    return judged(grade, f"speed of {name}", text, "less than 10 ms", todo)


def of_folder(name: str, folder: Path, host: Host) -> list[Finding]:
    """All three of a folder."""
    where = existing(folder)
    usage = shutil.disk_usage(where)
    found = [room(name, usage.free, usage.total), kind(name, host.file_system_of(where))]
    try:
        found.append(latency(name, measured(where)))
    except OSError as error:
        text = f"{where}: {error.strerror}"
        found.append(
            wrong(f"speed of {name}", text, "a folder that can be written", "give it to who runs the services")
        )
    return found


__all__ = ["Latency", "existing", "kind", "latency", "measured", "of_folder", "room"]
