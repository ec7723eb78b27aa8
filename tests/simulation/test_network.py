"""The simulated network keeps the order of a connection, whatever is cut and mended meanwhile."""

from __future__ import annotations

import asyncio
from typing import cast

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import ClientTransport, Link, Network


class Server:
    """Keeps what came."""

    name = "n1"
    listening = True

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def accept(self, link: Link) -> Server:
        del link
        return self

    def received(self, data: bytes) -> None:
        self.came.append(data)

    def lost(self) -> None:
        return None


def test_what_was_under_way_before_a_cut_comes_before_what_was_sent_in_it() -> None:
    loop = SimulatedLoop(1)
    network, server = Network(loop), Server()
    link = Link(network, loop.world, server, cast("ClientTransport", None))
    link.served = server
    cut = loop.world.name, server.name

    async def play() -> None:
        network.slowest_s = 0.2
        for number in range(40):  # some of them slow
            link.carry("in", b"%d" % number)
        network.cuts.add(cut)
        for number in range(40, 80):
            link.carry("in", b"%d" % number)
        await asyncio.sleep(1.0)
        assert server.came == []
        network.cuts.remove(cut)
        link.mended()
        await asyncio.sleep(1.0)

    loop.run_until_complete(play())
    loop.close()
    assert server.came == [b"%d" % number for number in range(80)]
