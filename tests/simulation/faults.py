"""Faults that befall machines, links and the server, thrown with the seed's dice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from tests.simulation.world import Machine, World

_HOUR_NS = 3_600 * 10**9
_REPLICATED = ("undecided", "lagging")  # where a stream has more than one member


class Faults:
    """One nemesis. Every fault mends itself after a while; `heal` mends all of them."""

    def __init__(
        self,
        world: World,
        kinds: Collection[str] = (),
        *,
        mean_s: float = 0.6,
        more: Mapping[str, Callable[[], str]] | None = None,
        on_heal: Callable[[], None] = lambda: None,
    ) -> None:
        self._world = world
        self._loop = world.loop
        self._mean_s = mean_s
        every: dict[str, Callable[[], str]] = {
            "kill": self._kill,
            "host_lost": self._host_lost,
            "freeze": self._freeze,
            "cut": self._cut,
            "reset": self._reset,
            "restart": self._restart,
            "stall": self._stall,
            "undecided": self._undecided,
            "lagging": self._lagging,
            "hints": self._hints,
            "slow": self._slow,
            "busy": self._busy,
            "clock": self._clock,
            **(more or {}),
        }
        self._on_heal = on_heal
        unknown = sorted(set(kinds) - every.keys())
        if unknown:
            raise ValueError(f"faults: expected some of {', '.join(every)}, was {', '.join(unknown)}")
        self._kinds = {name: every[name] for name in (kinds or every) if name not in _REPLICATED or world.replicas > 1}

    async def suffer(self, seconds: float) -> None:
        """Faults for so long, at random moments."""
        end = self._loop.now_s + seconds
        # Of kinds that befall replicas only, a stream of one has none.
        while self._kinds and (pause_s := self._loop.dice.expovariate(1 / self._mean_s)) + self._loop.now_s < end:
            await asyncio.sleep(pause_s)
            name = self._loop.dice.choice(list(self._kinds))
            told = self._kinds[name]()
            if told:
                self._world.report.faults.append(name)
                self._world.note(f"fault {name}: {told}")
        await asyncio.sleep(max(0.0, end - self._loop.now_s))
        self.heal()

    def heal(self) -> None:
        """Everything is as it was in the beginning."""
        world = self._world
        self._on_heal()
        world.network.slowest_s = 2e-3
        world.server.hints_lost = 0.0
        world.server.every_stream_decides()
        for stream in world.server.jetstream.streams.values():
            stream.lagging_at = None
        if not world.server.listening:
            world.server.start()
        world.server.go_on()
        world.network.mend()
        for machine in world.machines.values():
            if machine.process is not None:
                machine.process.frozen, machine.process.slowness = False, 1.0
                machine.process.skew_ns = 0
            machine.start()

    def _one(self) -> Machine | None:
        able = [
            each for each in self._world.machines.values() if each.alive and each.process and not each.process.frozen
        ]
        return self._loop.dice.choice(able) if able else None

    def _for(self, shortest_s: float, longest_s: float, end: Callable[[], object]) -> float:
        seconds = self._loop.dice.uniform(shortest_s, longest_s)
        self._world.later(seconds, end)
        return seconds

    def _kill(self) -> str:
        machine = self._one()
        if machine is None:
            return ""
        machine.kill()
        return f"{machine.name}, again after {self._for(0.05, 3.0, machine.start):.3f} s"

    def _host_lost(self) -> str:
        machine = self._one()
        if machine is None:
            return ""
        machine.kill(host_lost=True)
        return f"{machine.name}, again after {self._for(0.5, 4.0, machine.start):.3f} s"

    def _freeze(self) -> str:
        machine = self._one()
        if machine is None or machine.process is None:
            return ""
        process = machine.process
        process.frozen = True

        def thaw() -> None:
            process.frozen = False

        return f"{machine.name} for {self._for(0.02, self._loop.dice.choice((1.0, 4.0, 9.0)), thaw):.3f} s"

    def _cut(self) -> str:
        machine = self._one()
        if machine is None or machine.process is None:
            return ""
        process, server, network = machine.process, self._world.server, self._world.network
        network.cut(process, server)

        def mend() -> None:
            network.cuts.discard((process.name, server.name))
            for link in list(network.links):
                if link.process is process:
                    link.mended()

        return f"{machine.name} for {self._for(0.02, 9.0, mend):.3f} s"

    def _reset(self) -> str:
        links = list(self._world.network.links)
        if not links:
            return ""
        link = self._loop.dice.choice(links)
        link.end()
        return f"a connection of {link.process}"

    def _restart(self) -> str:
        server = self._world.server
        if not server.listening:
            return ""
        server.stop()
        return f"the server, away for {self._for(0.05, 3.0, server.start):.3f} s"

    def _stall(self) -> str:
        server = self._world.server
        server.stall()
        return f"the server for {self._for(0.02, 2.0, server.go_on):.3f} s"

    def _undecided(self) -> str:
        server = self._world.server
        # Streams elect each for itself: all have lost their leaders, or one has.
        one = self._loop.dice.choice(["", *sorted(server.jetstream.streams)])

        def concerned(stream: str) -> bool:
            return one in ("", stream)

        server.mute = concerned

        def fall() -> None:
            server.every_stream_decides()
            server.leaderless = concerned

        self._world.later(self._loop.dice.uniform(0, 0.05), fall)
        seconds = self._for(0.1, 6.0, server.every_stream_decides)
        return f"{one or 'every stream'} has no leader for {seconds:.3f} s"

    def _lagging(self) -> str:
        # Its consumers sit on a member that gets nothing for a while; what the stream takes and says is its leader's.
        streams = self._world.server.jetstream.streams
        if not streams:
            return ""
        stream = streams[self._loop.dice.choice(sorted(streams))]
        stream.lagging_at = stream.last
        seconds = self._for(0.1, 4.0, lambda: setattr(stream, "lagging_at", None))
        return f"the member of {stream.name} that its consumers sit on, for {seconds:.3f} s"

    def _hints(self) -> str:
        self._world.server.hints_lost = self._loop.dice.uniform(0.05, 0.9)
        return f"{self._world.server.hints_lost:.2f} of the republished copies are lost"

    def _slow(self) -> str:
        self._world.network.slowest_s = self._loop.dice.choice([2e-3, 20e-3, 200e-3])
        return f"the network, up to {self._world.network.slowest_s:g} s"

    def _busy(self) -> str:
        machine = self._one()
        if machine is None or machine.process is None:
            return ""
        machine.process.slowness = self._loop.dice.choice([1.0, 10.0, 60.0])
        return f"{machine.name} takes {machine.process.slowness:g} times as long"

    def _clock(self) -> str:
        machine = self._one()
        if machine is None or machine.process is None:
            return ""
        machine.process.skew_ns = self._loop.dice.choice([-1, 1]) * self._loop.dice.randrange(_HOUR_NS)
        return f"{machine.name}'s wall clock is {machine.process.skew_ns / 1e9:.1f} s off"
