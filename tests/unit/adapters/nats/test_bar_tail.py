"""Bars that are not in the store yet: a replica that says an older watermark does not take them away."""

from __future__ import annotations

import asyncio

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.bar_tail import BarTail
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.ports.storage import Progress
from marketprism_application.queries.recent_bars import RecentBars
from marketprism_domain.marketdata.bar import Bar
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.observability import Metrics
from tests.contract.test_codec import SAMPLES
from tests.simulation.scene import Scene, played

WATERMARK, REPLICAS = f"$KV.{streams.STORE_RANGES}.{streams.BARS}", f"$JS.API.DIRECT.GET.KV_{streams.STORE_RANGES}"


class Watched(RecentBars):
    """Counts how often everything was forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.cleared = 0

    def clear(self) -> None:
        super().clear()
        self.cleared += 1


async def followed(scene: Scene) -> tuple[Watched, str]:
    """Five bars that are followed, and when their stream was made."""
    connection = await scene.connect()
    await scene.stream(streams.BARS, "market.bar.>")
    # Every entry is kept, so that a replica that lags can be asked for a former one; the newest is sent to who watches.
    republish = {"src": f"$KV.{streams.STORE_RANGES}.>", "dest": f"kv.{streams.STORE_RANGES}.>"}
    await scene.stream(f"KV_{streams.STORE_RANGES}", f"$KV.{streams.STORE_RANGES}.>", republish=republish)
    bar: Bar = SAMPLES[BAR.name]
    for n in range(5):
        made = bar._replace(ts_open=bar.ts_open + n * 60 * 10**9, ts_close=bar.ts_close + n * 60 * 10**9)
        scene.put("market.bar.1m.x", encode(BAR, made))
    recent = Watched()
    tail = BarTail(connection, recent, Metrics("query"))
    running = asyncio.create_task(tail.run())
    await scene.until(tail.is_live)
    assert not running.done()
    return recent, str((await stream_info(connection, streams.BARS))["created"])


def store(scene: Scene, created: str, watermark: int) -> None:
    scene.put(WATERMARK, msgspec.msgpack.encode(Progress(created, 1, 0, watermark, watermark, "s")))


@played
async def test_an_older_watermark_of_a_replica_takes_no_bar_away(scene: Scene) -> None:
    recent, created = await followed(scene)
    for watermark in (1, 2, 3):
        store(scene, created, watermark)
    await scene.until(lambda: len(recent) == 2)
    cleared = recent.cleared
    scene.server.meet(REPLICAS, *[lambda _: b'{"seq": 2}'] * 4)
    await asyncio.sleep(15.0)
    assert len(scene.came(REPLICAS)) >= 4
    assert (recent.cleared, len(recent)) == (cleared, 2)
    store(scene, created, 4)
    await scene.until(lambda: len(recent) == 1)


@played
async def test_a_store_that_is_filled_again_is_followed_from_its_watermark_on(scene: Scene) -> None:
    recent, created = await followed(scene)
    store(scene, created, 3)
    await scene.until(lambda: len(recent) == 2)
    store(scene, created, 1)
    await scene.until(lambda: len(recent) == 4)
    store(scene, created, 2)
    await scene.until(lambda: len(recent) == 3)
