"""`examples/readers` and Grafana's dashboard of rows: what other libraries read, over HTTP and of ClickHouse."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.exports import hive_parquet
from marketprism_adapters.exports.series import ExportSeries
from marketprism_application.contracts.questions import Records
from marketprism_client import MarketClient
from tests.integration.query.read_side import COUNT, Serve, fill, filled, serve
from tests.support.clickhouse import serve_clickhouse
from tests.support.empty_stores import empty_store

__all__ = ["filled", "serve"]
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]
ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/clickhouse/rows.json").read_text(encoding="utf-8"))
# What the plugin puts in for its macros, and Grafana for the variables, for the hour of the little market.
_MACROS = {
    "$__fromTime": "toDateTime64('2025-03-03 00:30:00', 3, 'UTC')",
    "$__toTime": "toDateTime64('2025-03-03 02:00:00', 3, 'UTC')",
    "${symbol}": "rb2505",
    "${venue}": "shfe",
    "${interval}": "1m",
}


async def printed(program: str, *words: str, **environment: str) -> list[list[str]]:
    """The words of each line that an example prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples/readers" / program),
        *words,
        stdout=-1,
        stderr=-1,
        env={"PATH": "", **environment},
    )
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return [line.split() for line in stdout.decode().splitlines()]


def sums(lines: list[list[str]]) -> dict[str, list[float]]:
    return {words[0]: [float(each) for each in words[1:4]] for words in lines[:3]}


@pytest.mark.long
async def test_the_arrow_stream_is_the_same_to_every_library(serve: Serve) -> None:
    api = await serve()
    lines = await printed("arrow_stream.py", api.base, "rb2505")
    assert sums(lines) == {name: [10, 100, 2] for name in ("pandas", "polars", "duckdb")}
    assert lines[0][4:] == ["2025-03-03", "01:00:00"]
    assert lines[2][4:] == ["2025-03-03", "01:00:00"]


@pytest.mark.long
async def test_files_of_an_export_are_the_same_to_every_library(serve: Serve, tmp_path: Path) -> None:
    api = await serve()
    async with MarketClient(api.url) as market:
        table = await market.ask(Records("bar", "rb2505", interval="1m"))
    series = ExportSeries("shfe", "rb2505", "1m", "rb2505")
    await asyncio.to_thread(hive_parquet.write, series, {"bar": [table]}, tmp_path / "lake")
    lines = await printed("parquet_files.py", str(tmp_path / "lake"))
    assert sums(lines) == {name: [10, 100, 2] for name in ("pandas", "polars", "duckdb")}


def _queries() -> list[Any]:
    made = [pytest.param(each["targets"][0]["rawSql"], id=each["title"]) for each in DASHBOARD["panels"]]
    variables = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return made + [pytest.param(each["query"], id=each["name"]) for each in variables]


def _expanded(sql: str) -> str:
    for name, text in _MACROS.items():
        sql = sql.replace(name, text)
    sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 10 second)", sql)
    assert "$" not in sql
    return sql


async def test_every_panel_of_the_dashboard_of_rows_asks_what_the_store_has(filled: str) -> None:
    engine = await ClickHouseEngine.open(filled)
    found: dict[str, list[dict[str, Any]]] = {}
    for asked in _queries():
        (sql,) = asked.values
        found[str(asked.id)] = (await engine.fetch(_expanded(sql))).to_pylist()
    await engine.close()
    assert [(row["open"], row["close"], row["volume"]) for row in found["Bars"]] == [(1.0, 1.5, 10.0)] * 10
    assert sum(row["ticks"] for row in found["Ticks"]) == COUNT
    assert {(row["bid"], row["ask"]) for row in found["Best prices"]} == {(2999.0, 3001.0)}
    assert len(found["From the venue to here"]) == len(found["Ticks"])
    assert [row["symbol"] for row in found["symbol"]] == ["rb2505", "rb2510"]
    assert [row["venue"] for row in found["venue"]] == ["shfe"]
    assert found["Gaps"] == found["Quality"] == found["Bars that touch a gap"] == []


@pytest.mark.long
def test_clickhouse_driver_reads_the_views(tmp_path: Path) -> None:
    with serve_clickhouse(tmp_path, native=True) as (url, native):

        async def go() -> list[list[str]]:
            engine = await ClickHouseEngine.open(url)
            await fill(await empty_store(engine))
            await engine.close()
            place = urlsplit(native)
            secret = tmp_path / "password"
            secret.write_text(place.password or "")
            who = {"CLICKHOUSE_USER": place.username or "default", "CLICKHOUSE_PASSWORD_FILE": str(secret)}
            return await printed("clickhouse_native.py", str(place.hostname), str(place.port), "rb2505", **who)

        lines = asyncio.run(go())
    assert lines[0][:2] == ["clickhouse", "10"]
    assert [float(each) for each in lines[0][2:4]] == [100, 2]
    assert len(lines) == 6
