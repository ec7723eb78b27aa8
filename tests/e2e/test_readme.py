"""The examples of both READMEs do what stands beside them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import SdkError
from marketprism_services.platform.known_files import known_url
from tests.e2e.program import start
from tests.e2e.readme_examples import examples, run_example
from tests.support.recordings import part_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of the pipeline."""
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def pipeline(fixtures: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a pipeline that reads the README's contract at sixty times its pace, five minutes of it being there."""
    recording = fixtures / "ctp/ticks/ru1901_20181009.csv.gz"
    if not recording.exists():
        pytest.skip("no recording of ru1901 in the fixtures")
    # A sixth of its rows: the pipeline runs for as long as the examples do, on the cores that they need.
    recording = part_of(recording, tmp_path_factory.mktemp("recording"), slice(0, None, 6))
    program = start(
        "up", "--source", f"replay:{recording}", "--speed", "60", "--data-dir", str(data), "--nats-port", "0"
    )
    try:
        yield asyncio.run(_url_with_bars(data))
    finally:
        program.send_signal(signal.SIGTERM)
        output, _ = program.communicate(timeout=30)
    assert program.returncode == 0, output
    assert "shfe.ru1901 1m, the first of them" in output
    assert "10-09 09:00:00" in output


async def _url_with_bars(data: Path) -> str:
    """Of the pipeline, once it has bars of its first six minutes."""
    async with asyncio.timeout(90):
        while (url := known_url(data)) is None:
            await asyncio.sleep(0.1)
        async with MarketClient(url) as market:
            while True:
                with contextlib.suppress(QueryFailed, SdkError):
                    if (await market.last("bar", "ru1901", 6, interval="1m")).num_rows == 6:
                        return str(url)
                await asyncio.sleep(0.1)


def test_a_subscriber_hears_ticks(pipeline: str) -> None:
    for code in examples("market.ticks("):
        ts_event, last, _, verdict = run_example(code, pipeline).split()
        assert ts_event.startswith("15390")
        assert float(last) > 10_000
        assert verdict == "valid"


def test_any_language_hears_them(pipeline: str) -> None:
    for code in examples("nc.subscribe("):
        assert "'symbol': 'ru1901'" in run_example(code, pipeline)


def test_a_reader_of_the_stream_has_every_tick_once(pipeline: str, data: Path) -> None:
    for code in examples("js.get_msg("):
        place, record = run_example(code.replace("~/.marketprism", str(data)), pipeline).split(maxsplit=1)
        assert int(place) > 0
        assert "'symbol': 'ru1901'" in record


def test_questions_are_answered(pipeline: str) -> None:
    for code in examples("market.bars("):
        shown = run_example(code, pipeline, "len(frame)", "tick.symbol", "book.symbol", "total.num_rows")
        bars, tick, book, total = shown.split()
        assert int(bars) > 5
        assert (tick, book, total) == ("ru1901", "ru1901", "1")


@pytest.mark.long
def test_scripts_and_notebooks_have_the_same_without_await(pipeline: str) -> None:
    for code in examples("SyncMarketClient("):
        shown = run_example(code, pipeline, "len(frame)", "frame.index.tz", "list(closes)", "quotes.columns.tolist()")
        tick, bars, zone, contracts, fields = shown.splitlines()
        assert tick.startswith("15390")
        assert int(bars) > 5
        assert zone == "Asia/Shanghai"
        assert contracts == "['ru1901']"
        assert fields == "['last', 'bid_price_1', 'ask_volume_1']"
