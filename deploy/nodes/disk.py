"""A disk that is slow for some processes: the kernel's limit on what they write, by control groups of version 1 or 2.

The limit counts what they write to the disk themselves, by fsync: on version 1 what the kernel writes back later for
them is not theirs.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from deploy.nodes.network import HostError

_V1 = Path("/sys/fs/cgroup/blkio")
_V2 = Path("/sys/fs/cgroup")


def limit_writes(name: str, folder: Path, pids: list[int], bytes_per_s: int) -> None:
    """Limit what processes write to the disk of a folder; 0 takes the limit and the group `name` away.

    Raises:
        HostError: there is no such controller, or the disk is none that it limits.
    """
    first = _V1.is_dir()
    group = (_V1 if first else _V2) / f"marketprism-{name}"
    try:
        if not bytes_per_s:
            if group.is_dir():
                _move(pids, group.parent)
                group.rmdir()
            return
        group.mkdir(exist_ok=True)
        device = _disk_of(folder)
        limit = f"{device} {bytes_per_s}" if first else f"{device} wbps={bytes_per_s}"
        (group / ("blkio.throttle.write_bps_device" if first else "io.max")).write_text(limit, encoding="ascii")
        _move(pids, group)
    except OSError as error:
        raise HostError(f"slow disk: expected a control group that limits writes, was: {error}") from error


def _move(pids: list[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")


def _disk_of(folder: Path) -> str:
    """The number of the whole disk: a partition has no limit of its own."""
    device = folder.stat().st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    at = Path(f"/sys/dev/block/{numbers}").resolve()
    if not at.is_dir():
        raise HostError(f"slow disk: expected a folder on a disk, was {folder}")
    return (at.parent / "dev").read_text(encoding="ascii").strip() if (at / "partition").exists() else numbers


__all__ = ["limit_writes"]
