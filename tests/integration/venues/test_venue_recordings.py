"""Every recording through the code that reads the live venue, checked against what the venue says elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_application.errors import SourceError
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_services.cli import app
from tests.integration.venues.recordings_made import inspect_recordings

BOOKS = "best_prices", "venue_checksum", "later_snapshot"


def inspected(fixtures: Path, pattern: str) -> dict[str, Any]:
    paths = sorted(fixtures.glob(pattern))
    if not paths:
        pytest.skip(f"no recording {pattern} in the fixtures")
    (report,) = inspect_recordings(paths)
    return report


def checks(report: dict[str, Any], name: str) -> tuple[int, int]:
    found = [row["checks"][name] for row in report["streams"] if name in row.get("checks", {})]
    return sum(each["made"] for each in found), sum(each["failed"] for each in found)


# (recording, market, gaps, checks of best prices, of checksums, of klines by trades)
RECORDED = [
    ("binance/spot/hft_btcusdt_202408*.txt.xz", "binance", 1_059, 0, 0),
    ("binance/usdm/hft_btcusdt_202304*.txt.xz", "binance-usdm", 1_565, 0, 0),
    ("binance/spot/cf_20210404*.gz", "binance", 0, 0, 96),
    ("binance/spot/cf_20211012*.gz", "binance", 20, 0, 0),
    ("binance/usdm/cf_20210405*.gz", "binance-usdm", 200, 0, 0),
    ("binance/usdm/cf_20210722*.gz", "binance-usdm", 40, 0, 30),
    ("binance/coinm/cf_20210722*.gz", "binance-coinm", 200, 0, 5),
    ("okx/cf_20220227*.gz", "okx", 0, 1_911, 0),
    ("okx/cf_20220513*.gz", "okx", 0, 197, 0),
    ("deribit/cf_20210405*.gz", "deribit", 0, 0, 0),
    ("deribit/cf_20210722*.gz", "deribit", 0, 0, 0),
]


@pytest.mark.parametrize(("pattern", "market", "prices", "checksums", "klines"), RECORDED, ids=[r[0] for r in RECORDED])
@pytest.mark.long_on(
    "binance/spot/hft_btcusdt_202408*.txt.xz",
    "binance/usdm/cf_20210405*.gz",
    "deribit/cf_20210405*.gz",
    "okx/cf_20220227*.gz",
)
def test_a_recording_is_read_whole_and_its_books_are_right(
    fixtures: Path, pattern: str, market: str, prices: int, checksums: int, klines: int
) -> None:
    report = inspected(fixtures, pattern)
    assert report["market"] == market
    assert (report["rejected"], report["examples"]) == (0, {})
    assert sum(row["sequence_gaps"] for row in report["streams"]) == 0
    for name, least in (("best_prices", prices), ("venue_checksum", checksums), ("trades", klines)):
        made, failed = checks(report, name)
        assert failed == 0
        assert made >= least
    assert not any(text.startswith("ignored") for text in report["controls"])


def test_a_dump_of_an_hour_is_joined_to_its_snapshot_and_comes_near_the_next_one(fixtures: Path) -> None:
    """The stream ends 77 ids before the later snapshot, so the two are never at one id; nearly all levels agree."""
    report = inspected(fixtures, "binance/spot/dob_ETHBTC*")
    book = next(row for row in report["streams"] if row["kind"] == "orderbook")
    assert (report["rejected"], book["sequence_gaps"], book["messages"]) == (0, 0, 3_600)
    assert book["updates"] >= 3_590
    assert book["checks"]["later_snapshot"] == {"made": 0, "failed": 0, "not_reached": 1}


def test_a_book_that_is_wrong_is_found(fixtures: Path, tmp_path: Path) -> None:
    """The checks can fail: one quantity changed, one update left out."""
    import gzip  # noqa: PLC0415

    source = fixtures / "okx/cf_20220513_books.txt.gz"
    if not source.exists():
        pytest.skip("no recording of OKX in the fixtures")
    lines = gzip.decompress(source.read_bytes()).split(b"\n")
    at = next(n for n, line in enumerate(lines) if b'"action":"update"' in line and b'"books"' in line)
    lines.pop(at)
    spoilt = tmp_path / "spoilt.txt"
    spoilt.write_bytes(b"\n".join(lines))
    (report,) = inspect_recordings([spoilt])
    assert checks(report, "venue_checksum")[1] >= 1


async def test_bars_of_a_recording_are_the_venues_own(fixtures: Path) -> None:
    """The minute that was recorded whole: high, low, close and volume as the kline that closed it says."""
    path = fixtures / "binance/usdm/hft_btcusdt_20230405.txt.xz"
    if not path.exists():
        pytest.skip("no recording of Binance in the fixtures")
    source = VenueReplay([path], checked=True)
    await source.connect()
    trades: dict[int, list[tuple[str, str]]] = {}
    async for batch in source.stream({}):
        for message in batch.messages:
            if type(message).__name__ == "TradeMessage" and not message.off_book:  # type: ignore[attr-defined]
                minute = message.ts_event // 60_000_000_000
                trades.setdefault(minute, []).append((message.price, message.quantity))  # type: ignore[attr-defined]
    made = await rebuild(
        source.stream({}), chinese_calendar_of_markets(), bars=BarSettings(("1m",)), rules=ValidationRules()
    )
    assert made.rejected == {}
    assert len(made.bars) == len(trades)
    from decimal import Decimal  # noqa: PLC0415

    for bar in made.bars:
        inside = trades[bar.ts_open // 60_000_000_000]
        prices = [Decimal(price) for price, _ in inside]
        assert (bar.high, bar.low, bar.volume) == (max(prices), min(prices), sum(Decimal(q) for _, q in inside))
        assert bar.turnover == sum(Decimal(p) * Decimal(q) for p, q in inside)


def test_the_command_prints_one_object(fixtures: Path) -> None:
    path = fixtures / "deribit/cf_20210405_options.txt.gz"
    if not path.exists():
        pytest.skip("no recording of Deribit in the fixtures")
    done = CliRunner().invoke(app.app, ["inspect", str(path), "--json"])
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["ok"]
    rows = found["markets"][0]["streams"]
    assert {"symbol", "kind", "messages", "normalised", "rejected", "sequence_gaps", "first", "last"} <= set(rows[0])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", b"hello\n", "expected frames of"),
        ("x.txt.gz", b"\x1f\x8b\x08 broken", "compressed file"),
        ("x.bin", b"", "found none of them"),
        ("x.txt", b'12345678901234567 {"stream":"a@aggTrade","data":{}}\n', "microseconds or nanoseconds"),
        ("dob_BTCUSDT_20201101_09_trades.json", b"{", "expected JSON"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said):
        inspect_recordings([path])
