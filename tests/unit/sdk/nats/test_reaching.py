"""Which of several servers a client goes to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from marketprism_sdk.nats._guarded_client import GuardedClient
from marketprism_sdk.nats._reaching import Signs, each_s, is_own, own_among, until_listening
from marketprism_sdk.nats.access import NatsAccess

OWN, SECOND, THIRD = ("nats://10.9.9.1:4222", "nats://10.9.9.2:4222", "nats://10.9.9.3:4222")
OTHERS_ADDRESS = "192.0.2.1"  # of documents: nobody has it


class Dry(GuardedClient):
    """Notes whom it goes to, and finds nobody who is away."""

    def __init__(self, servers: Sequence[str], *away: str) -> None:
        super().__init__(NatsAccess(), [("10.9.9.1", 4222)])
        self.options.update(max_reconnect_attempts=-1, reconnect_time_wait=0.0)
        self._error_cb = self._noted
        self.away = set(away)
        self.tried: list[str] = []
        self._setup_server_pool(list(servers))

    async def go(self) -> None:
        """To the next one."""
        await self._select_next_server()

    async def _noted(self, _: Exception) -> None:
        return None

    async def _connect_to_server(self, server: Any) -> None:
        server.last_attempt = asyncio.get_running_loop().time()
        self.tried.append(f"nats://{server.uri.netloc}")
        if self.tried[-1] in self.away:
            raise OSError("nobody")


@pytest.mark.parametrize("order", [(OWN, SECOND, THIRD), (THIRD, OWN, SECOND), (SECOND, THIRD, OWN)])
async def test_the_server_of_this_machine_is_tried_first_and_one_that_failed_just_now_last(
    order: tuple[str, ...],
) -> None:
    client = Dry(order)
    await client.go()
    assert client.tried == [OWN]
    await client.go()  # it took the connection and said nothing
    await client.go()
    await client.go()
    assert client.tried[0] == client.tried[3] == OWN
    assert set(client.tried[1:3]) == {SECOND, THIRD}


async def test_all_others_are_tried_where_the_server_of_this_machine_is_away() -> None:
    client = Dry([OWN, SECOND, THIRD], OWN, SECOND)
    await client.go()
    assert client.tried == [OWN, SECOND, THIRD]


def test_one_server_leaves_time_for_the_others() -> None:
    assert each_s(6.0, 3) == 2.0
    assert each_s(5.0, 1) == 5.0


def test_an_address_of_this_machine_is_known() -> None:
    assert is_own("127.0.0.1")
    assert not is_own(OTHERS_ADDRESS)
    assert not is_own("no such name")
    assert own_among(["nats://127.0.0.1:4222", f"nats://{OTHERS_ADDRESS}:4333"]) == (("127.0.0.1", 4222),)
    assert own_among([f"{OTHERS_ADDRESS}", "127.0.0.1"]) == (("127.0.0.1", 4222),)
    assert own_among(["nats://127.0.0.1:4222"]) == ()  # no other to prefer it to
    assert own_among(["nats://127.0.0.1:4222", "nats://127.0.0.1:4223"]) == ()


async def test_a_server_that_is_started_together_with_its_clients_is_waited_for() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = ("127.0.0.1", held.getsockname()[1])
        assert not await until_listening([place], 0.1)
        waiting = asyncio.create_task(until_listening([place], 30.0))
        await asyncio.sleep(0.05)
        held.listen()
        assert await waiting
    assert not await until_listening([])


def test_a_connection_moves_while_something_comes_or_a_full_socket_takes_something() -> None:
    signs = Signs()
    assert not signs.moved(0, 0)
    assert signs.moved(3, 0), "messages came"
    assert not signs.moved(3, 0)
    assert not signs.moved(3, 5_000), "the socket is full: nothing was taken"
    assert signs.moved(3, 4_000)
    assert not signs.moved(3, 4_000)
    assert not signs.moved(3, 9_000), "more waits, and nobody knows whether anything was taken"
    assert signs.moved(3, 0)
    assert not signs.moved(3, 0), "a socket that is not full takes bytes for a server that is gone"
