"""A key that is revoked while three gateways answer it hundreds of times a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.identity.shown_once import key_id
from marketprism_application.contracts.access_records import ApiKey
from tests.integration.attacks.place import Line, Process, access_at, request

_BOUND_S = 1.0


class Caller:
    """Asks one gateway again and again; when the last request began that was answered, and what came behind."""

    def __init__(self, process: Process, key: str) -> None:
        self._process, self._request = process, request(key=key)
        self.answered = 0
        self.last_began_s = 0.0
        self.refused: str = ""

    async def ask(self) -> None:
        """Until it is refused, and then twenty times more."""
        line, after = await Line.open(self._process.port), 0
        while after < 20:
            began_s = time.monotonic()
            await line.send(self._request)
            found = await line.answer()
            if found.status == 200:
                self.answered += 1
                self.last_began_s = began_s
                await asyncio.sleep(0.01)
            elif found.status == 401:
                self.refused = found.code
                after += 1
            else:
                assert found.status == 429, found
                await asyncio.sleep(0.02)
        await line.close()


@pytest.mark.long
async def test_no_gateway_answers_a_key_a_second_after_it_was_revoked(nats_url: str, tmp_path: Path) -> None:
    processes = [Process("api", nats_url, tmp_path / f"log{n}") for n in range(3)]
    try:
        for process in processes:
            await asyncio.to_thread(process.wait)
        async with access_at(nats_url) as access:
            for _ in range(2):
                key = await access.key("quant", limits="bulk", ts_used=2**62)
                callers = [Caller(each, key) for each in processes for _ in range(2)]
                asking = [asyncio.create_task(each.ask()) for each in callers]
                while min(each.answered for each in callers) < 20:
                    assert not any(each.done() for each in asking)
                    await asyncio.sleep(0.01)
                found = key_id(key)
                assert found is not None
                stored = await access.store.read(ApiKey, found)
                assert stored is not None
                revoked = msgspec.structs.replace(stored.record, ts_revoked=time.time_ns())
                await access.store.write(revoked, stored.revision)
                revoked_s = time.monotonic()
                async with asyncio.timeout(20):
                    await asyncio.gather(*asking)
                assert {each.refused for each in callers} == {"KEY_REVOKED"}
                assert max(each.last_began_s for each in callers) - revoked_s < _BOUND_S
    finally:
        for process in processes:
            process.end()
