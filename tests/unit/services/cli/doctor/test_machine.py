"""What the doctor says of a machine that people rely on: clocks, disks, limits, each where it is well and where not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest

from marketprism_services.cli.doctor.finding import Finding
from marketprism_services.cli.doctor.host import Host, KernelClock, kernel_clock
from marketprism_services.cli.doctor.production import agenda, clocks, disks, limits

_GOOD: Mapping[str, str] = {
    "proc/meminfo": "MemTotal:       16384000 kB\nSwapTotal:             0 kB\n",
    "proc/self/cgroup": "0::/system.slice/marketprism.service\n",
    "proc/sys/vm/overcommit_memory": "0\n",
    "proc/sys/vm/swappiness": "60\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/fs/cgroup/system.slice/marketprism.service/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/marketprism.service/memory.events": "low 0\noom_kill 0\n",
    "sys/fs/cgroup/system.slice/marketprism.service/cpu.max": "max 100000\n",
    "sys/fs/cgroup/system.slice/marketprism.service/cpu.stat": "nr_periods 0\nnr_throttled 0\n",
}


def machine(folder: Path, **changed: str) -> Host:
    """A folder with the files of a kernel; a name of a change is the last part of a path."""
    for path, text in _GOOD.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        name = path.rpartition("/")[2].replace(".", "_")
        file.write_text(changed.get(name, text), encoding="utf-8")
    return Host(folder)


def graded(findings: list[Finding]) -> dict[str, str]:
    """Of what is not well: its grade."""
    return {each.what: each.grade for each in findings if each.grade != "ok"}


def test_a_machine_that_is_well_has_nothing_to_be_done(tmp_path: Path) -> None:
    findings = limits.all_of(machine(tmp_path), 65_536, 4_352, 4)
    assert graded(findings) == {}
    assert len(findings) == 7
    assert not any(each.todo for each in findings)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"memory_max": f"{1 << 30}\n"}, {"room in memory": "wrong"}),
        ({"memory_max": f"{4 << 30}\n"}, {"room in memory": "warning"}),
        ({"meminfo": "MemTotal: 1000000 kB\n"}, {"room in memory": "wrong"}),
        ({"memory_events": "low 0\noom_kill 2\n"}, {"killed for memory": "wrong"}),
        ({"cpu_max": "50000 100000\n"}, {"processor time": "warning"}),
        ({"cpu_stat": "nr_periods 100\nnr_throttled 50\n"}, {"processor time": "warning"}),
        ({"overcommit_memory": "2\n"}, {"memory overcommit": "wrong"}),
        ({"meminfo": "MemTotal: 16384000 kB\nSwapTotal: 2000000 kB\n"}, {"memory swapping": "warning"}),
        ({"enabled": "[always] madvise never\n"}, {"huge pages": "warning"}),
    ],
)
def test_each_limit_that_is_too_low_is_named(tmp_path: Path, changed: dict[str, str], found: dict[str, str]) -> None:
    findings = limits.all_of(machine(tmp_path, **changed), 65_536, 4_352, 4)
    assert graded(findings) == found
    assert all(each.expected and each.todo for each in findings if each.grade != "ok")


def test_few_open_files_are_wrong() -> None:
    assert limits.descriptors(1_024, 4_352).grade == "wrong"


def test_what_the_kernel_does_not_say_is_no_fault(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert graded([limits.overcommit(host), limits.swapping(host), limits.huge_pages(host)]) == {}


@pytest.mark.parametrize(
    ("clock", "grade"),
    [
        (KernelClock(True, 0.001, 0.02), "ok"),
        (KernelClock(True, -0.2, 0.3), "warning"),
        (KernelClock(True, 3.0, 4.0), "wrong"),
        (KernelClock(False, 0.0, 16.0), "wrong"),
        (None, "warning"),
    ],
)
def test_a_clock_that_nothing_keeps_is_named(clock: KernelClock | None, grade: str) -> None:
    assert clocks.kernel(clock).grade == grade


def test_this_kernel_says_how_its_clock_is() -> None:
    clock = kernel_clock()
    assert clock is None or (abs(clock.offset_s) < 1 and clock.most_s >= 0)


def test_a_server_whose_clock_differs_is_named() -> None:
    found = clocks.servers({"NATS": 0.01, "ClickHouse": -0.7, "other": 60.0})
    assert graded(found) == {"clock of ClickHouse": "warning", "clock of other": "wrong"}


def test_a_folder_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    took = disks.measured(tmp_path)
    assert 0 < took.median_s <= took.longest_s
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert graded(disks.of_folder("it", tmp_path, Host()))["speed of it"] == "wrong"


@pytest.mark.parametrize(("median_s", "grade"), [(0.001, "ok"), (0.05, "warning"), (0.5, "wrong")])
def test_a_slow_disk_is_named(median_s: float, grade: str) -> None:
    assert disks.latency("it", disks.Latency(median_s, 1.0)).grade == grade


@pytest.mark.parametrize(
    ("free", "size", "grade"),
    [
        (300e9, 1e12, "ok"),
        (100e9, 1e12, "warning"),
        (15e9, 50e9, "warning"),
        (1e9, 4e9, "wrong"),
        (30e9, 1e12, "wrong"),
    ],
)
def test_a_disk_without_room_is_named(free: float, size: float, grade: str) -> None:
    assert disks.room("it", int(free), int(size)).grade == grade


@pytest.mark.parametrize(
    ("mounted", "kind", "grade"),
    [
        ("/data ext4", "ext4", "ok"),
        ("/data tmpfs", "tmpfs", "wrong"),
        ("/data nfs4", "nfs4", "wrong"),
        ("/other ext4", "overlay", "warning"),
    ],
)
def test_the_file_system_is_the_one_of_the_nearest_mount(tmp_path: Path, mounted: str, kind: str, grade: str) -> None:
    mount, _, of = mounted.partition(" ")
    file = tmp_path / "proc/self/mountinfo"
    file.parent.mkdir(parents=True)
    lines = [f"1 0 8:1 / {at} rw - {what} dev rw" for at, what in (("/", "overlay"), (mount, of))]
    file.write_text("\n".join(lines), encoding="utf-8")
    found = Host(tmp_path).file_system_of(Path("/data/nats"))
    assert found == kind
    assert disks.kind("it", found).grade == grade


def test_the_file_system_of_a_real_folder_is_known() -> None:
    assert Host().file_system_of(Path("/proc")) == "proc"


def test_days_that_are_not_announced_are_named() -> None:
    today = date(2026, 11, 30)
    grades = [agenda.days(today + timedelta(days=left), today).grade for left in (90, 40, 10)]
    assert grades == ["ok", "warning", "wrong"]


def test_a_zone_that_is_not_known_is_named() -> None:
    def none(_: str) -> tzinfo:
        raise ZoneInfoNotFoundError("no such zone")

    assert agenda.zones().grade == "ok"
    assert agenda.zones(none).grade == "wrong"
    assert agenda.zones(lambda _: timezone(timedelta(0))).grade == "wrong"
    assert agenda.zones(lambda _: UTC).grade == "wrong"
