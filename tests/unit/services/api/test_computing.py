"""What is computed beside the event loop: in few threads, and a document once, however many ask for it."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession, web

import marketprism_services.api
from marketprism_adapters.http.operation import Operation
from marketprism_sdk.observability import Metrics
from marketprism_services.api.computing import THREADS, computed
from marketprism_services.api.documents import DocumentsApi
from marketprism_services.api.door import Door
from marketprism_services.settings.api import ApiSettings

_READERS, _EACH = 30, 4


class Parallel:
    """Counts how many threads are inside at once; whoever is alone waits for another for a moment."""

    def __init__(self) -> None:
        self.calls = self.most = 0
        self._inside = 0
        self._lock = threading.Condition()

    def work(self) -> int:
        with self._lock:
            self.calls += 1
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._inside > THREADS, 0.05)
            self._inside -= 1
            return self.calls


async def test_few_threads_compute_whoever_asks() -> None:
    parallel = Parallel()
    found = await asyncio.gather(*(computed(parallel.work) for _ in range(5 * THREADS)))
    assert (len(found), parallel.calls) == (5 * THREADS, 5 * THREADS)
    assert parallel.most <= THREADS


async def test_what_computes_has_the_context_of_who_asked_and_raises_there() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
    who.set("ann")
    assert await computed(who.get) == "ann"
    with pytest.raises(ZeroDivisionError):
        await computed(lambda: 1 // 0)


def test_the_gateway_computes_nowhere_else() -> None:
    """Threads of asyncio are as many as the machine likes; what waits for files may stand there."""
    folder = Path(marketprism_services.api.__file__).parent
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"\bto_thread\b|run_in_executor\(None", path.read_text(encoding="utf-8"))
    }
    assert found == {"console.py", "read/parameters.py"}


class Documents:
    """The documents behind a door; counts how often one is made, and stops there until it is let go on."""

    def __init__(self) -> None:
        self.times = 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.api = DocumentsApi("1", list, self._published)

    def _published(self) -> list[Operation]:
        self.times += 1
        self.begun.set()
        assert self.go_on.wait(20)
        return [Operation(f"/api/v1/jobs/{self.times}", "One.", tag="jobs", data={})]

    async def ask(self, port: int) -> set[str]:
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/api/v1/openapi.json") as answer:
            assert answer.status == 200, await answer.text()
            return set(msgspec.json.decode(await answer.read())["paths"])


async def _serve(documents: Documents) -> tuple[web.AppRunner, int]:
    async def nobody(_: web.Request) -> None:
        return None

    door = Door(ApiSettings(access_log="off", per_second=10_000), Metrics("api"), nobody)
    app = web.Application()
    door.install(app)
    app.add_routes([door.guarded(each) for each in documents.api.endpoints()])
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, int(runner.addresses[0][1])


async def test_a_document_is_made_once_for_all_who_ask_meanwhile() -> None:
    """Readers pipeline requests for it, and the first of them goes away: it is made for the others all the same."""
    documents = Documents()
    runner, port = await _serve(documents)
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_READERS)]
    request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _, writer in lines:
        writer.write(request * _EACH)
    await asyncio.to_thread(documents.begun.wait)
    lines[0][1].transport.abort()
    other = asyncio.create_task(documents.ask(port))
    await asyncio.sleep(0)
    documents.go_on.set()
    for reader, _ in lines[1:]:
        for _ in range(_EACH):
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"Content-Length: (\d+)", head)
            assert size is not None, head
            await reader.readexactly(int(size[1]))
    assert await other == {"/api/v1/jobs/1"}
    assert documents.times == 1
    for _, writer in lines:
        writer.close()
    await runner.cleanup()


async def test_who_asks_after_a_change_is_not_answered_with_what_was_begun_before_it() -> None:
    documents = Documents()
    runner, port = await _serve(documents)
    before = asyncio.create_task(documents.ask(port))
    await asyncio.to_thread(documents.begun.wait)
    documents.api.renew()
    after = [asyncio.create_task(documents.ask(port)) for _ in range(3)]
    await asyncio.sleep(0.05)  # they may come before or behind its end: what they get is the same
    documents.go_on.set()
    assert await before == {"/api/v1/jobs/1"}
    assert await asyncio.gather(*after) == [{"/api/v1/jobs/2"}] * 3
    assert documents.times == 2
    await runner.cleanup()
