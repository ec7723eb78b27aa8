"""Every partition is worked on: where a member is well and the server is, none is idle for longer than a bound."""

from __future__ import annotations

from collections.abc import Collection

from tests.simulation.leading import is_server_well, is_well
from tests.simulation.world import Machine, World

_LOOK_S = 0.05
_WELL_S = 3.0  # a member that has begun, or was away for so long, has its place
_BOUND_S = 6.0  # a lease, a hand-over, what a take-over tries against who goes on writing


class OwnerWatch:
    """Looks at the members of one stage, whose `state` is their service."""

    def __init__(self, world: World, members: Collection[Machine], partitions: int) -> None:
        self._world, self._members = world, members
        self._well_since: dict[str, float] = {}
        self._idle_since: dict[int, float] = {}
        self._partitions = partitions
        world.later(_LOOK_S, self._look)

    def _look(self) -> None:
        now, calm = self._world.loop.now_s, is_server_well(self._world)
        for machine in self._members:
            if calm and is_well(self._world, machine):
                self._well_since.setdefault(machine.name, now)
            else:
                self._well_since.pop(machine.name, None)
        worked_on: set[int] = set()
        for machine in self._members:
            stage = getattr(machine.state, "stage", None)
            if machine.alive and stage is not None and machine.process is not None and not machine.process.frozen:
                worked_on.update(stage.parts)
        well = [name for name, since in self._well_since.items() if now - since > _WELL_S]
        # What counts is for how long somebody could have worked: time without anybody is nobody's idleness.
        for partition in range(self._partitions):
            if partition in worked_on or not well:
                self._idle_since.pop(partition, None)
            elif now - self._idle_since.setdefault(partition, now) > _BOUND_S:
                who = ", ".join(sorted(well))
                self._world.violate(f"partition {partition} is idle for {_BOUND_S:g} s, though {who} could work on it")
                return
        self._world.later(_LOOK_S, self._look)
