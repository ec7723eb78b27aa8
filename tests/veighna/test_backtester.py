"""VeighNa's own backtesters on our database: the reference results of the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.veighna import Desk
from tests.veighna.conftest import ReadSide

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("clickhouse")]


@pytest.mark.parametrize("door", ["nats", "http"])
async def test_minutes_and_ticks_give_the_reference_results(read_side: ReadSide, tmp_path: Path, door: str) -> None:
    desk = Desk(tmp_path / "desk", **{"database.host": getattr(read_side, door)})
    found = await desk.run("backtests")
    bars, ticks, portfolio = found["bars"], found["ticks"], found["portfolio"]
    assert (bars["rows"], bars["trades"], bars["net"]) == (1_035, 40, 704.0792)
    assert (ticks["rows"], ticks["trades"], ticks["net"]) == (116_498, 362, -16_770.3535)
    assert (portfolio["rows"], portfolio["trades"], portfolio["net"]) == (1_035, 40, 704.0792)
