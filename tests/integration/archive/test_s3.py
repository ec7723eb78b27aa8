"""The archive in an S3-compatible store: the same answers, and what a store that is slow, refuses or lies does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.native import NativeEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.cold.s3 import S3Store
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import ColdAwayError, ColdStoreError, StoreError, VerifyError
from tests.support.archive import DAY, FIRST, answers, counted, fill, questions, scene_of
from tests.support.s3_server import BUCKET, KEYS, READER, S3Server

pytestmark = pytest.mark.xdist_group("s3")
HOT = Records("tick", "rb2505", ts_from=FIRST + 32 * DAY, limit=2)
ALL = Records("tick", "rb2505", limit=10_000)
UNIT = ("market_ticks", "20250330")


class Between:
    """What stands between the archive and its store, and spoils what goes through; in threads of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.how = ""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.how = "away"
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            if self.how == "refuse":
                near.recv(1 << 16)
                near.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._port)) as far:
                up = threading.Thread(target=self._pipe, args=(near, far), daemon=True)
                up.start()
                self._pipe(far, near, lies=True)
                up.join(1)

    def _pipe(self, source: socket.socket, target: socket.socket, *, lies: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.how == "slow":
                    time.sleep(4)
                if self.how in ("refuse", "away"):
                    break
                if self.how == "lie" and lies and (at := data.find(b"PAR1")) >= 0:
                    spoilt = bytearray(data)
                    spoilt[min(at + 40, len(data) - 1)] ^= 4
                    data = bytes(spoilt)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def between(server: S3Server) -> Iterator[Between]:
    """A way to the store that a test may spoil."""
    spoiler = Between(int(server.endpoint.rpartition(":")[2]))
    try:
        yield spoiler
    finally:
        spoiler.close()


async def _engine(name: str, urls: tuple[str, str]) -> Engine | None:
    if name == "chdb":
        return None
    engine = await (ClickHouseEngine.open(urls[0]) if name == "clickhouse" else NativeEngine.open(urls[1]))
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    return engine


@pytest.mark.long
@pytest.mark.parametrize("name", ["chdb", "clickhouse", "native"])
async def test_answers_are_the_same_from_a_bucket(
    server: S3Server, urls: tuple[str, str], tmp_path: Path, name: str
) -> None:
    cold = S3Store(server.endpoint, BUCKET, f"a/{tmp_path.name}", *KEYS)
    async with scene_of(tmp_path, cold, server=await _engine(name, urls)) as scene:
        await fill(scene.store, 4, [TICK, BAR])
        asked = questions(4, 16)
        before, rows = await answers(scene, asked), await counted(scene)
        await scene.move_all()
        for number, (table, again) in enumerate(zip(before, await answers(scene, asked), strict=True)):
            assert table.equals(again), number
        assert await counted(scene) == rows
        assert await scene.hot.partitions() == []
        await scene.mover.restore(next(iter(scene.known.records.values())), 1)
        assert await counted(scene) == rows


@pytest.mark.parametrize("how", ["slow", "refuse", "lie"])
async def test_a_store_that_does_not_do_its_work_loses_nothing(server: S3Server, tmp_path: Path, how: str) -> None:
    with between(server) as spoiler:
        cold = S3Store(spoiler.endpoint, BUCKET, f"b/{tmp_path.name}", *KEYS, timeout_s=1.0)
        async with scene_of(tmp_path, cold) as scene:
            await fill(scene.store, 4, [TICK])
            before, rows = await scene.reader.answer(ALL), await counted(scene)
            spoiler.how = how
            with pytest.raises((ColdStoreError, VerifyError, StoreError)) as caught:
                await scene.mover.move(*UNIT)
            assert KEYS[1] not in str(caught.value)
            assert scene.known.records[UNIT].cold is None
            assert (await scene.reader.answer(ALL)).equals(before)
            spoiler.how = ""
            await scene.mover.move(*UNIT)
            assert await counted(scene) == rows
            assert (await scene.reader.answer(ALL)).equals(before)


async def test_a_store_that_refuses_to_be_read_is_named_without_its_keys(server: S3Server, tmp_path: Path) -> None:
    spoiler = Between(int(server.endpoint.rpartition(":")[2]))
    async with (
        scene_of(tmp_path, S3Store(spoiler.endpoint, BUCKET, f"c/{tmp_path.name}", *KEYS)) as scene,
    ):
        await fill(scene.store, 4, [TICK])
        await scene.mover.move(*UNIT)
        hot = await scene.reader.answer(HOT)
        spoiler.how = "refuse"
        assert (await scene.reader.answer(HOT)).equals(hot)
        with pytest.raises(ColdAwayError, match="market_ticks 20250330") as caught:
            await scene.reader.answer(ALL)
        assert KEYS[1] not in str(caught.value)
    spoiler.close()
    cold = S3Store(server.endpoint, BUCKET, f"d/{tmp_path.name}", *READER)
    with pytest.raises(ColdStoreError, match=r"ACCESS_DENIED|AccessDenied"):
        await cold.write("x", b"x")
