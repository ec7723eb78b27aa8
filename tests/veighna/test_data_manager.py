"""VeighNa's DataManager and chart wizard on our database and datafeed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.data.data_side import DataSide, data_side_of
from tests.support.veighna import Desk
from tests.veighna.conftest import ReadSide

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("clickhouse")]


async def test_it_lists_loads_exports_downloads_and_deletes_nothing(read_side: ReadSide, tmp_path: Path) -> None:
    found = await Desk(tmp_path / "desk", **{"database.host": read_side.nats}).run("managed_data")
    first, last = "2018-10-08T09:00:00+08:00", "2018-10-10T22:59:00+08:00"
    assert found["listed"] == [["ru1901", "SHFE", "1m", 1_035, first, last]]
    (ticks,) = found["ticks"]
    assert ticks[:3] == ["ru1901", "SHFE", 116_498]
    assert (ticks[3][:10], ticks[4][:10]) == ("2018-10-08", "2018-10-10")
    assert found["bars"] == 1_035
    assert found["first"][0] == first
    assert found["first"][4] == {"gap": False, "revision": 0, "trading_day": "20181008"}
    assert found["edges"] == [3, 1, 0, 0], "both ends are included; what nobody has is nothing"
    assert [each[0] for each in found["hours"][:2]] == [first, "2018-10-08T10:00:00+08:00"]
    assert [day[0] for day in found["days"]] == ["2018-10-09T00:00:00+08:00", "2018-10-10T00:00:00+08:00"]
    assert found["days"][0][3] == 740_820, "of the trading day, its night included"
    written, rows, row = found["exported"]
    assert (written, rows) == (True, 1_035)
    assert [row["datetime"], float(row["open"]), float(row["volume"])] == [
        "2018-10-08 09:00:00",
        *found["first"][1:4:2],
    ]
    assert found["downloaded"][0] == 1_035
    assert found["downloaded"][1] > 5_000
    assert found["downloaded"][2] == 0
    assert any("nobody" in line for line in found["said"])
    assert found["deleted"] == 0
    assert found["initialised"] is True
    assert found["charts"] == [1_035]
    log = "\n".join(found["log"])
    for text in ("save 1035 bars of ru1901.SHFE: refused", "ticks of ru1901.SHFE: refused", "delete 1m bars"):
        assert text in log


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[DataSide]:
    (tmp_path / "in").mkdir()
    async with data_side_of(tmp_path) as made:
        yield made


async def test_what_it_imports_is_stored_by_the_data_service(data: DataSide, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    desk = Desk(tmp_path / "desk", **{"database.host": data.side.url, "database.database": str(folder)})
    found = await desk.run("saved_bars")
    assert (found["counted"], found["minutes"]) == (60, 60)
    extra = {"gap": False, "revision": 0, "trading_day": "20190506"}
    assert found["first"] == ["2019-05-06T09:00:00+08:00", 47_000, 235_000.5, extra]
    assert found["saves"] == [True, False, True, True]
    assert found["stays"] == 47_010
    assert [each[:2] for each in found["days"]] == [
        ["2019-05-07T00:00:00+08:00", 47_070.0],
        ["2019-05-08T00:00:00+08:00", 47_080.0],
    ]
    assert found["coins"] == [[f"2024-01-01T{8 + n:02d}:00:00+08:00", 42_000.5 + n] for n in range(3)]
    assert found["listed"] == [
        ["BTC-USDT_BINANCE", "GLOBAL", "1h", 3],
        ["cu1905", "SHFE", "d", 3],
        ["cu1905", "SHFE", "1m", 60],
    ]
    assert any("1 differ from stored ones" in line for line in found["log"])
    assert list(folder.iterdir()) == []
