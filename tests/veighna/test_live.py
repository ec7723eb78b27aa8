"""VeighNa's CTA engine on what our gateway hears: a replay of three recorded days, to the last tick."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_application.contracts.replays import ReplayPosition, ReplayTaken, encode_position, position_subject
from marketprism_client import MarketClient
from marketprism_services.replay.republish import Replay, replay
from tests.support.veighna import Desk
from tests.veighna.conftest import ReadSide

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("clickhouse")]
PREFIX = "veighna"


async def heard(side: ReadSide) -> None:
    """Until somebody listens to the replay."""
    answers: list[ReplayTaken] = []
    reply = side.connection.inbox()
    await side.connection.subscribe(reply, answers.append)
    async with asyncio.timeout(60):
        while not answers:
            await side.connection.publish(position_subject(PREFIX), encode_position(ReplayPosition()), reply=reply)
            await asyncio.sleep(0.05)


async def test_strategies_get_every_tick_of_a_replay_and_orders_are_refused(
    read_side: ReadSide, tmp_path: Path
) -> None:
    program = await Desk(tmp_path / "desk", **{"database.host": read_side.nats}).begin(
        "live_strategies", read_side.nats, PREFIX
    )
    await program.line("subscribed")
    await heard(read_side)
    async with MarketClient(read_side.nats) as market:
        everything = Replay(symbols=["ru1901"], ts_from=None, ts_to=None, speed=None, prefix=PREFIX, kinds=("tick",))
        ended = await replay(market, read_side.connection, everything)
        (last,) = await market.history.ticks("ru1901", last=1)
    assert ended.sent == {"tick": 116_498}
    found = await program.end(b"\n")
    assert found["ticks"] == [116_498, 116_498]
    assert found["back"] == 0
    assert found["errors"] == []
    extra = {"trading_day": "20181011", "phase": last.phase, "seq": 116_498, "verdict": last.verdict}
    assert last.volume is not None
    assert found["last"] == ["2018-10-10T23:00:00.500000+08:00", float(last.last or 0), float(last.volume), extra]
    assert found["contract"] == [10.0, 5.0, "FUTURES", True]
    assert found["orders"] == ["REJECTED", "REJECTED"]
    assert found["names"] == ["", []]
    assert [line for line in found["logs"] if "sends no orders" in line]
