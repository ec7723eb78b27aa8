"""Limits of the kernel and of the control group that this process is in. What is locked into memory is nobody's: none
of the services locks any."""

from __future__ import annotations

from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, warning, worst, wrong
from marketprism_services.cli.doctor.host import Host

_MEMORY_GB, _LEAST_MEMORY_GB = 8.0, 2.0
_CORES = 2.0
_THROTTLED = 0.05
_SWAPPINESS = 10
_NEVER = 2  # vm.overcommit_memory


def descriptors(found: int, needed: int) -> Finding:
    """Files that a process may have open, of what the API gateway may need at most."""
    grade: Grade = "ok" if found >= needed else "wrong"
    todo = "LimitNOFILE=65536 in the unit, or nofile in /etc/security/limits.conf"
    expected = f"{needed} at least, for api.connections and the store's files"
    return judged(grade, "open files", f"{found} for a process", expected, todo)


def memory(host: Host) -> list[Finding]:
    """Of the machine or the control group, whichever is less; and whether it has killed anybody for it."""
    of_machine = host.table("/proc/meminfo").get("MemTotal", 0) * 1024
    bound = host.number(host.of_group("memory.max"))
    least = min(of_machine or bound or 0, bound or of_machine)
    grade: Grade = "ok" if least >= _MEMORY_GB * 1e9 else "warning" if least >= _LEAST_MEMORY_GB * 1e9 else "wrong"
    text = f"{least / 1e9:.1f} GB" + (" by the control group" if bound and bound < of_machine else "")
    expected = "8 GB for a whole pipeline with its store, 2 GB at least"
    found = [judged(grade, "room in memory", text, expected, "a larger machine, or MemoryMax of the unit")]
    killed = host.table(host.of_group("memory.events")).get("oom_kill", 0)
    text = f"{killed} processes of this control group were killed for memory"
    todo = "raise MemoryMax; `journalctl -k` says which, the dashboard Runtime what grew"
    found.append(judged("wrong" if killed else "ok", "killed for memory", text, "none", todo))
    return found


def processors(host: Host, cores: int) -> Finding:
    """Cores of the machine or the control group, and how often the latter has held it back."""
    quota, _, period = host.text(host.of_group("cpu.max")).partition(" ")
    most = int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else float(cores)
    has = min(float(cores), most)
    stat = host.table(host.of_group("cpu.stat"))
    held = stat.get("nr_throttled", 0) / periods if (periods := stat.get("nr_periods", 0)) else 0.0
    grades: tuple[Grade, Grade] = ("ok" if has >= _CORES else "warning", "warning" if held > _THROTTLED else "ok")
    text = f"{has:g} cores, held back in {held * 100:.0f} % of the periods"
    todo = "raise or take away CPUQuota of the unit: leases are renewed late by who is held back"
    return judged(worst(*grades), "processor time", text, "two cores, and not to be held back", todo)


def overcommit(host: Host) -> Finding:
    """Services are forks of a loaded process: where every page is counted, they find no memory."""
    number = host.number("/proc/sys/vm/overcommit_memory")
    if number == _NEVER:
        todo = "sysctl -w vm.overcommit_memory=1, and the same in /etc/sysctl.d"
        return wrong("memory overcommit", "2: a fork needs as much memory as its parent has", "0 or 1", todo)
    return ok("memory overcommit", "not known" if number is None else str(number))


def swapping(host: Host) -> Finding:
    """A process that is swapped out does not renew its lease."""
    swap = host.table("/proc/meminfo").get("SwapTotal", 0)
    number = host.number("/proc/sys/vm/swappiness")
    if not swap:
        return ok("memory swapping", "there is no swap")
    if number is not None and number > _SWAPPINESS:
        todo = "sysctl -w vm.swappiness=1, and the same in /etc/sysctl.d"
        return warning(
            "memory swapping", f"vm.swappiness is {number}, with {swap / 1e6:.1f} GB of swap", "10 or less", todo
        )
    return ok("memory swapping", f"vm.swappiness is {number}")


def huge_pages(host: Host) -> Finding:
    """ClickHouse and forks alike stall while the kernel makes room for huge pages that nobody asked for."""
    text = host.text("/sys/kernel/mm/transparent_hugepage/enabled")
    if "[always]" in text:
        todo = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, at every start"
        return warning("huge pages", "always, asked for or not", "madvise or never", todo)
    chosen = text.partition("[")[2].partition("]")[0]
    return ok("huge pages", chosen or "not known")


def all_of(host: Host, open_files: int, needed: int, cores: int) -> list[Finding]:
    """Every one of them."""
    return [
        descriptors(open_files, needed),
        *memory(host),
        processors(host, cores),
        overcommit(host),
        swapping(host),
        huge_pages(host),
    ]


__all__ = ["all_of", "descriptors", "huge_pages", "memory", "overcommit", "processors", "swapping"]
