"""Frames of crypto venues on one core: parsed, normalised, applied to books."""

from __future__ import annotations

import gc
import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import encode_message
from marketprism_application.venues.feed import VenueFeed
from marketprism_domain.books.chain import BookChange
from marketprism_domain.books.levels import OrderBook
from marketprism_domain.books.sync import BookSnapshot

SECONDS = 0.6
PEERS = Path.home() / ".cache" / "marketprism" / "peers"
PEER_PACKAGES = ("cryptofeed==3.0.1", "ccxt==4.5.90")


def agg_trade() -> bytes:
    """Binance aggTrade in its envelope, as USD-M sends it now."""
    data = {
        "e": "aggTrade",
        "E": 1786171884624,
        "a": 3404749954,
        "s": "BTCUSDT",
        "p": "64990.90",
        "q": "0.002",
        "nq": "0.002",
        "f": 7960913511,
        "l": 7960913511,
        "T": 1786171884471,
        "m": True,
        "st": 1,
    }
    return _dump({"stream": "btcusdt@aggTrade", "data": data})


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def depths(count: int, levels: int = 20) -> tuple[dict[str, Any], list[bytes]]:
    """A snapshot of 1 000 levels a side, and updates of 20 + 20 levels around its top."""
    chance = random.Random(3)
    bids = [[f"{60000 - n * 0.1:.2f}", f"{chance.uniform(0.1, 5):.3f}"] for n in range(1000)]
    asks = [[f"{60000.1 + n * 0.1:.2f}", f"{chance.uniform(0.1, 5):.3f}"] for n in range(1000)]
    frames = []
    for number in range(count):
        sides = []
        for start, sign in ((60000.0, -1), (60000.1, 1)):
            places = chance.sample(range(300), levels)
            sides.append(
                [
                    [
                        f"{start + sign * n * 0.1:.2f}",
                        "0.000" if chance.random() < 0.3 else f"{chance.uniform(0.1, 5):.3f}",
                    ]
                    for n in places
                ]
            )
        last = 1_000 + number * 2
        data = {
            "e": "depthUpdate",
            "E": last,
            "T": last,
            "s": "BTCUSDT",
            "U": last + 1,
            "u": last + 2,
            "pu": last,
            "b": sides[0],
            "a": sides[1],
        }
        frames.append(_dump({"stream": "btcusdt@depth@100ms", "data": data}))
    return {"lastUpdateId": 1_000, "bids": bids, "asks": asks}, frames


def okx_frames(count: int) -> tuple[bytes, list[bytes]]:
    """A trade, and book updates of 20 + 20 levels behind a snapshot."""
    snapshot, frames = depths(count)
    trade = {
        "arg": {"channel": "trades", "instId": "BTC-USDT"},
        "data": [
            {
                "instId": "BTC-USDT",
                "tradeId": "674510826",
                "px": "95634.9",
                "sz": "0.00011186",
                "side": "buy",
                "ts": "1740394561685",
                "count": "1",
            }
        ],
    }
    arg = {"channel": "books", "instId": "BTC-USDT"}
    wide = lambda side: [[price, quantity, "0", "1"] for price, quantity in side]  # noqa: E731
    first = {
        "arg": arg,
        "action": "snapshot",
        "data": [
            {
                "asks": wide(snapshot["asks"][:400]),
                "bids": wide(snapshot["bids"][:400]),
                "ts": "1",
                "checksum": 0,
                "seqId": 1000,
                "prevSeqId": -1,
            }
        ],
    }
    made = [_dump(first)]
    for frame in frames:
        data = json.loads(frame)["data"]
        made.append(
            _dump(
                {
                    "arg": arg,
                    "action": "update",
                    "data": [
                        {
                            "asks": wide(data["a"]),
                            "bids": wide(data["b"]),
                            "ts": "1",
                            "checksum": 0,
                            "seqId": data["u"],
                            "prevSeqId": data["pu"],
                        }
                    ],
                }
            )
        )
    return _dump(trade), made


def deribit_frames(count: int) -> tuple[bytes, list[bytes]]:
    """A trade, and book changes of 20 + 20 levels behind a snapshot."""
    snapshot, frames = depths(count)
    trade = {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {
            "channel": "trades.BTC-PERPETUAL.100ms",
            "data": [
                {
                    "timestamp": 1788335114435,
                    "price": 77529.5,
                    "direction": "buy",
                    "index_price": 77504.36,
                    "instrument_name": "BTC-PERPETUAL",
                    "trade_seq": 298099955,
                    "amount": 170.0,
                    "mark_price": 77529.76,
                    "tick_direction": 3,
                    "trade_id": "443253707",
                    "contracts": 17.0,
                }
            ],
        },
    }

    def push(kind: str, last: int, prev: int | None, bids: Any, asks: Any, word: str) -> bytes:
        data: dict[str, Any] = {"type": kind, "timestamp": 1, "instrument_name": "BTC-PERPETUAL", "change_id": last}
        if prev is not None:
            data["prev_change_id"] = prev
        for name, side in (("bids", bids), ("asks", asks)):
            data[name] = [["delete" if not float(q) else word, float(p), float(q)] for p, q in side]
        params = {"channel": "book.BTC-PERPETUAL.100ms", "data": data}
        return _dump({"jsonrpc": "2.0", "method": "subscription", "params": params})

    made = [push("snapshot", 1000, None, snapshot["bids"][:400], snapshot["asks"][:400], "new")]
    for frame in frames:
        data = json.loads(frame)["data"]
        made.append(push("change", data["u"], data["pu"], data["b"], data["a"], "change"))
    return _dump(trade), made


def rate(work: Callable[[int], None], block: int = 2_000, runs: int = 5) -> float:
    """Calls a second: the median of some runs of at least SECONDS / runs each; the collector of cycles is off."""
    found = []
    gc.disable()
    try:
        for _ in range(runs):
            done, started = 0, time.perf_counter()
            while time.perf_counter() - started < SECONDS / runs:
                work(block)
                done += block
            found.append(done / (time.perf_counter() - started))
    finally:
        gc.enable()
        gc.collect()
    return round(median(found))


def _parsing(market: str, frame: bytes) -> Callable[[int], None]:
    parse = MARKETS[market].make("", "").parser("bench").parse

    def work(count: int) -> None:
        for number in range(count):
            parse(frame, number)

    return work


def _parsing_all(market: str, frames: list[bytes]) -> float:
    """Book frames through parse and normalise: the message is encoded, as it goes to NATS, in `_applying`."""
    parse = MARKETS[market].make("", "").parser("bench").parse

    def work(_: int) -> None:
        for number, frame in enumerate(frames):
            parse(frame, number)

    return rate(work, len(frames))


def _applying(
    market: str, symbol: str, frames: list[bytes], snapshot: dict[str, Any] | None, *, encoded: bool
) -> float:
    """Frames to published book messages, the book applied; a fresh book for every run."""
    found = []
    gc.disable()
    try:
        for _ in range(5):
            venue = MARKETS[market].make("", "")
            feed = VenueFeed(venue, "bench")
            if snapshot is not None:
                book = BookSnapshot(1_000, 0, 0, snapshot["bids"], snapshot["asks"])
                feed.books.on_snapshot(symbol, book)
            started = time.perf_counter()
            for number, frame in enumerate(frames):
                feed.on_frame(frame, number * 1_000_000)
                if number % 100 == 99:
                    collected = feed.collect()
                    if encoded:
                        for message in collected.messages:
                            encode_message(message)
            found.append(len(frames) / (time.perf_counter() - started))
            assert feed.books.of(symbol).sync.updates >= len(frames) - 1
    finally:
        gc.enable()
        gc.collect()
    return round(median(found))


def _book_alone(market: str, frames: list[bytes], snapshot: dict[str, Any]) -> float:
    """Changes that are parsed already, into the book."""
    parse = MARKETS[market].make("", "").parser("bench").parse
    changes = [item for frame in frames for item in parse(frame, 0) if isinstance(item, BookChange)]
    book = OrderBook()
    book.load(snapshot["bids"], snapshot["asks"], 1_000, cut_at=None)

    def work(_: int) -> None:
        for change in changes:
            book.apply(change.bids, change.asks, change.last_id)

    return rate(work, len(changes))


def measure_venues() -> dict[str, Any]:
    """Messages a second on one core."""
    snapshot, frames = depths(4_000)
    okx_trade, okx_books = okx_frames(4_000)
    deribit_trade, deribit_books = deribit_frames(4_000)
    return {
        "binance aggTrade, parsed and normalised": rate(_parsing("binance-usdm", agg_trade())),
        "binance depth 20+20, parsed and normalised": _parsing_all("binance-usdm", frames),
        "binance depth 20+20, into the book alone": _book_alone("binance-usdm", frames, snapshot),
        "binance depth 20+20, frame to published book": _applying(
            "binance-usdm", "BTC-USDT-PERP", frames, snapshot, encoded=False
        ),
        "binance depth 20+20, frame to bytes for NATS": _applying(
            "binance-usdm", "BTC-USDT-PERP", frames, snapshot, encoded=True
        ),
        "okx trade": rate(_parsing("okx", okx_trade)),
        "okx books 20+20, parsed": _parsing_all("okx", okx_books),
        "okx books 20+20, applied": _applying("okx", "BTC-USDT", okx_books, None, encoded=False),
        "deribit trade": rate(_parsing("deribit", deribit_trade)),
        "deribit book 20+20, parsed": _parsing_all("deribit", deribit_books),
        "deribit book 20+20, applied": _applying("deribit", "BTC-USD-PERP", deribit_books, None, encoded=False),
    }


# -- peers ---------------------------------------------------------------------------------------------------------------


def measure_peers(python: str = "") -> dict[str, Any]:
    """cryptofeed and ccxt.pro with the same frames, in an environment of their own; what cannot be had says so."""
    chosen = python or str(PEERS / "bin" / "python")
    if not Path(chosen).exists():
        return {"peers": f"not measured: no environment at {PEERS} (make bench-peers makes it, Python 3.13)"}
    snapshot, frames = depths(2_000)
    given = {"snapshot": snapshot, "depth": [json.loads(frame) for frame in frames], "trade": json.loads(agg_trade())}
    done = subprocess.run(
        [chosen, str(Path(__file__).with_name("venue_peers.py"))],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        return {"peers": f"not measured: {done.stderr.strip().splitlines()[-1:]}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found
