"""What is not there: leases whose holder is lost, services of which none runs any more.

What is not there writes nothing and has no row in a registry; that it was there is all that tells it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from marketprism_adapters.nats.leader_watch import Leader
from marketprism_application.monitoring.reconciliation import ABSENT, LEADERLESS, Problem
from marketprism_services.settings.services import SERVICES

LEADER, SERVICE = "leader", "service"  # stages of these problems
_LASTING_S = 8.0  # a take-over or a restart is shorter; with the time until an entry expires, less than 15 s


class Absences:
    """Remembers which services ran, and since when something is not there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ran: set[str] = set()
        self._since: dict[tuple[str, str], float] = {}

    def look(self, running: Iterable[str], leaders: Mapping[str, Leader]) -> list[Problem]:
        """What has been missing for eight seconds and longer; `running` are the services of all instances."""
        now, services = self._clock(), set(running)
        self._ran |= services
        missing = {(SERVICE, row): text for row, text in lacks_of(services).items() if row in self._ran}
        lost = {(LEADER, key): _why(key, leader) for key, leader in leaders.items() if leader.problem}
        self._since = {what: self._since.get(what, now) for what in (*missing, *lost)}
        lasting = {what: now - since for what, since in self._since.items() if now - since >= _LASTING_S}
        return [
            Problem(ABSENT if what in missing else LEADERLESS, *what, since_s=for_s, note=(missing | lost)[what])
            for what, for_s in lasting.items()
        ]


def lacks_of(running: Collection[str]) -> dict[str, str]:
    """By name of a service that a pipeline does not do without and that does not run: what it lacks for that."""
    return {row.name: row.without for row in SERVICES if row.without and row.name not in running}


def _why(key: str, leader: Leader) -> str:
    return leader.problem.partition(f"{key}: ")[2] or leader.problem


__all__ = ["LEADER", "SERVICE", "Absences", "lacks_of"]
