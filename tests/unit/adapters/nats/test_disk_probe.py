"""How long a disk takes, seen while it takes it."""

from __future__ import annotations

import threading
from pathlib import Path

from marketprism_adapters.nats.disk_probe import DiskProbe


class Disk:
    """A clock, and writes that take as long as is said."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.takes_s = 0.0
        self.error: OSError | None = None
        self.seen: list[tuple[float, float]] = []  # slow and well, at the end of each write
        self.probe = DiskProbe(Path("/nowhere"), write=self.write, now_s=lambda: self.now_s)

    def write(self) -> None:
        self.now_s += self.takes_s
        self.seen.append((self.probe.slow_for_s, self.probe.well_s))
        if self.error is not None:
            raise self.error

    def once(self, takes_s: float) -> None:
        """One write that takes so long."""
        self.takes_s = takes_s
        self.probe.once()


def test_a_disk_is_slow_since_its_last_quick_write() -> None:
    disk = Disk()
    disk.once(0.0)
    for _ in range(3):
        disk.once(2.0)
    assert (disk.seen[-1], disk.probe.slow_for_s) == ((6.0, 0.0), 6.0)
    disk.once(0.125)
    assert (disk.seen[-1], disk.probe.slow_for_s) == ((6.125, 0.125), 6.125)
    disk.once(0.0625)
    assert (disk.seen[-1], disk.probe.slow_for_s) == ((6.1875, 0.1875), 0.0)


def test_nothing_is_known_of_a_disk_before_its_first_write() -> None:
    disk = Disk()
    disk.now_s += 5.0
    assert (disk.probe.slow_for_s, disk.probe.well_s) == (0.0, 0.0)
    disk.once(7.0)
    disk.now_s += 5.0
    assert disk.seen == [(0.0, 0.0)]
    assert (disk.probe.slow_for_s, disk.probe.well_s) == (5.0, 5.0)


def test_a_disk_is_well_since_its_last_write_that_was_not() -> None:
    disk = Disk()
    disk.once(0.0)
    disk.now_s += 5.0
    disk.once(0.5)
    assert disk.probe.well_s == 5.5
    disk.once(0.625)
    assert (disk.seen[-1][1], disk.probe.well_s) == (0.0, 0.0)
    disk.once(0.25)
    assert (disk.seen[-1][1], disk.probe.well_s) == (0.25, 0.25)


def test_a_write_that_fails_is_told_once_and_is_no_slow_one(logs: list[dict[str, object]]) -> None:
    disk = Disk()
    disk.error = OSError(28, "No space left on device")
    for _ in range(3):
        disk.probe.once()
    disk.now_s += 3.0
    assert disk.probe.well_s == 3.0
    (line,) = logs
    assert (line["event"], line["error"]) == ("server.disk_not_probed", "No space left on device")
    disk.error = None
    disk.probe.once()
    disk.error = OSError(5, "Input/output error")
    disk.probe.once()
    assert len(logs) == 2


def test_a_true_disk_is_written_to_in_a_thread_until_it_is_stopped(tmp_path: Path) -> None:
    probe = DiskProbe(tmp_path, pause_s=0.001)
    probe.start()
    (thread,) = (each for each in threading.enumerate() if each.name == "disk-probe")
    probe.stop()
    thread.join(10.0)
    assert not thread.is_alive()
    assert (tmp_path / ".disk-probe").stat().st_size == 4_096
    assert (tmp_path / ".disk-probe").stat().st_mode & 0o077 == 0
