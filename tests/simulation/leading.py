"""Somebody leads: where a candidate is well and the server is, nobody else having to be, a leader is there within a bound."""

from __future__ import annotations

from collections.abc import Collection

from tests.simulation.world import Machine, World

_LOOK_S = 0.05
_BOUND_S = 4.0  # a lease, what a candidate that gave up rests, and a slow look


class LeaderWatch:
    """Looks at the candidates of one lease, whose `state` is their election."""

    def __init__(self, world: World, candidates: Collection[Machine]) -> None:
        self._world = world
        self._candidates = candidates
        self._well_since: dict[str, float] = {}
        self._nobody_since: float | None = None
        world.later(_LOOK_S, self._look)

    def _look(self) -> None:
        now = self._world.loop.now_s
        calm = is_server_well(self._world)
        for machine in self._candidates:
            if calm and is_well(self._world, machine):
                self._well_since.setdefault(machine.name, now)
            else:
                self._well_since.pop(machine.name, None)
        if any(machine.alive and machine.state is not None and machine.state.is_leader() for machine in self._led()):
            self._nobody_since = None
        elif self._nobody_since is None:
            self._nobody_since = now
        well = [name for name, since in self._well_since.items() if now - since > _BOUND_S]
        if well and self._nobody_since is not None and now - self._nobody_since > _BOUND_S:
            self._world.violate(f"nobody leads for {_BOUND_S:g} s, though {', '.join(sorted(well))} could")
            return
        self._world.later(_LOOK_S, self._look)

    def _led(self) -> list[Machine]:
        return [each for each in self._candidates if each.process is not None and not each.process.frozen]


def is_server_well(world: World) -> bool:
    """Whether it answers, and soon."""
    server, network = world.server, world.network
    return server.listening and server.decides and not server.stalled and network.slowest_s < 10e-3


def is_well(world: World, machine: Machine) -> bool:
    """Whether a machine runs its program, as fast as ever, and reaches the server."""
    process = machine.process
    if process is None or not process.alive or process.frozen or process.slowness > 1 or machine.state is None:
        return False
    return not any(name == process.name for name, _ in world.network.cuts)
