"""A venue through the whole product: processes, a real nats-server, chDB, HTTP and the client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_client import MarketClient
from tests.e2e.program import ENVIRONMENT, PROGRAM, run
from tests.e2e.readme_examples import examples, run_example
from tests.e2e.simulated_venue import simulated

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def until(ask: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = ask()
            if found:
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.3)


@pytest.mark.long
def test_a_recording_of_a_venue_is_stored_once_with_its_bars(fixtures: Path, tmp_path: Path) -> None:
    recording = fixtures / "binance/spot/cf_20210404_btc_eth_dot.txt.gz"
    if not recording.exists():
        pytest.skip("no recording of Binance in the fixtures")
    done = run(
        "up",
        "--source",
        f"replay:{recording}",
        "--once",
        "--json",
        "--data-dir",
        str(tmp_path),
        "--nats-port",
        "0",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert (result["missing"], result["duplicates"], result["rejected"], result["skipped"]) == (0, 0, {}, {})
    assert result["rows_read_back"] == result["ticks_read"] > 1_900
    assert result["bars"]["1m"] == 6


def test_a_live_venue_is_published_stored_and_served(tmp_path: Path) -> None:
    http, gateway = choose_port(0), choose_port(0)
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "MARKETPRISM_HTTP__API": str(http),
        "MARKETPRISM_HTTP__GATEWAY": str(gateway),
        "MARKETPRISM_VENUE__TOP_MS": "100",
        "MARKETPRISM_VENUE__KINDS": ",".join([*VenueSettings().kinds, "mark_price"]),
    }
    with simulated("binance-usdm") as server:
        source = f"binance-usdm:BTC-USDT-PERP+ETH-USDT-PERP,url=127.0.0.1:{server.port}"
        program = subprocess.Popen(
            [*PROGRAM, "up", "--source", source, "--data-dir", str(tmp_path), "--nats-port", "0"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            base = f"http://127.0.0.1:{http}/api/v1"
            book = f"{base}/orderbook/binance/BTC-USDT-PERP"
            shown = until(lambda: (found := get(f"{book}?depth=5")["data"])["valid"] and found)
            assert len(shown["bids"]) == len(shown["asks"]) == 5
            assert float(shown["bids"][0][0]) < float(shown["asks"][0][0])
            whole = get(f"{book}?depth=all")["data"]
            assert len(whole["bids"]) > 10
            tables = ("trades", "order_books", "book_tops", "tickers", "funding_rates", "open_interest", "mark_prices")
            for table in tables:
                rows = until(
                    lambda table=table: get(f"{base}/{table}/BTC-USDT-PERP?venue=binance&limit=5&last=true")["data"]
                )
                assert rows[-1]["symbol"] == "BTC-USDT-PERP"
            streams = {each["stream"]: each for each in get(f"http://127.0.0.1:{gateway}/status")["streams"]}
            assert streams["orderbook.BTC-USDT-PERP"]["state"] == "flowing"
            url = (tmp_path / "run/url").read_text()
            asyncio.run(_listens(url))
            for code in examples("market.books("):
                assert int(
                    run_example(
                        code.replace("2026-11-01", "2026-01-01").replace("2026-11-02", "2099-01-01"),
                        url,
                        "table.num_rows",
                    )
                )
            for path, code in (("orderbook/binance/NOPE", 404), ("orderbook/binance/BTC-USDT-PERP?depth=x", 400)):
                with pytest.raises(urllib.error.HTTPError) as caught:
                    get(f"{base}/{path}")
                assert caught.value.code == code
                caught.value.close()
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(30) == 0


async def _listens(url: str) -> None:
    """A client that follows a book from a snapshot on has the venue's ids in one chain; ticks say what was traded."""
    async with asyncio.timeout(60), MarketClient(url) as market:
        last = heard = 0
        async for step in market.books("BTC-USDT-PERP", venue="binance"):
            assert step.form == ("update" if last else "snapshot")
            assert step.prev_id == last if last else len(step.bids) > 10
            last, heard = step.seq, heard + 1
            if heard == 20:
                break
        async for trade in market.trades("ETH-USDT-PERP"):
            assert trade.venue == "binance"
            break
        async for tick in market.ticks("BTC-USDT-PERP"):
            if tick.traded:
                assert tick.volume is None
                break
        table = await market.records("trade", "ETH-USDT-PERP")
        assert table.num_rows > 0
