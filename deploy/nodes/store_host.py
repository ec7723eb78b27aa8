"""A ClickHouse for trials on a host of its own: `python store_host.py DATA ADDRESS PORT`.

It is the server's own code as the product starts it for one machine, which listens on loopback alone; this passes what
comes to the host's address on to it. Machines of a team have the ClickHouse of its makers instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions

_NATIVE = 9000  # not opened
_BYTES = 1 << 16


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(_BYTES):
            writer.write(some)
            await writer.drain()
    writer.close()


async def _serve(data: Path, address: str, port: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, here = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, here), _pass_on(there, writer))

    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    store = await LocalClickHouse.start(LocalOptions(data, port, _NATIVE))
    try:
        async with await asyncio.start_server(accept, address, port):
            await end.wait()
    finally:
        await store.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
