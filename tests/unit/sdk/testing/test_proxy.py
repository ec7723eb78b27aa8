"""The proxy that trials cut."""

from __future__ import annotations

import asyncio
import gc
import warnings

from marketprism_sdk.testing.proxy import FaultyProxy


async def _cut_and_stopped() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    proxy = FaultyProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.start()
    _, through = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.cut()
    _, waiting = await asyncio.open_connection("127.0.0.1", proxy.port)
    through.write(b"x" * 100_000)
    await asyncio.sleep(0.1)
    await proxy.stop()
    for client in (through, waiting):
        client.close()
        async with asyncio.timeout(5):
            await asyncio.gather(client.wait_closed(), return_exceptions=True)
    server.close()


def test_a_proxy_that_is_stopped_leaves_no_socket_open_when_its_loop_ends_at_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(_cut_and_stopped())
        gc.collect()
    assert [str(each.message) for each in caught] == []
