"""Clocks: is this one kept by somebody, and do those of the servers agree with it."""

from __future__ import annotations

from collections.abc import Mapping

from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, warning, wrong
from marketprism_services.cli.doctor.host import KernelClock

_OFF_S, _FAR_OFF_S = 0.05, 1.0  # a receive time that is off by more is told, and leaves ticks out
_SERVER_S, _SERVER_FAR_S = 0.5, 5.0


def kernel(clock: KernelClock | None) -> Finding:
    """Whether something keeps this machine's clock, and how far it is off by its word."""
    todo = "install chrony (or ntpd, ptp4l) and give it servers; `chronyc tracking` shows what it does"
    expected = "a clock that a time service keeps, within 50 ms"
    if clock is None:
        return warning("clock of this machine", "the kernel does not say whether it is kept", expected, todo)
    if not clock.synchronised:
        return wrong("clock of this machine", "nothing keeps it: it is not synchronised", expected, todo)
    off = abs(clock.offset_s)
    grade: Grade = "ok" if off < _OFF_S else "warning" if off < _FAR_OFF_S else "wrong"
    text = f"synchronised, {clock.offset_s * 1e3:.3f} ms off, {clock.most_s * 1e3:.0f} ms at most"
    return judged(grade, "clock of this machine", text, expected, todo)


def servers(offsets_s: Mapping[str, float]) -> list[Finding]:
    """Whether the clocks of servers agree with this one; offsets by what the server is."""
    found = []
    for name, offset in offsets_s.items():
        grade: Grade = "ok" if abs(offset) < _SERVER_S else "warning" if abs(offset) < _SERVER_FAR_S else "wrong"
        what = f"clock of {name}"
        text = f"{offset:+.3f} s beside this one"
        found.append(
            judged(grade, what, text, "within half a second", "mend the time service of the machine that is off")
        )
    if not offsets_s:
        found.append(ok("clocks of servers", "no server has told its time"))
    return found


__all__ = ["kernel", "servers"]
