"""OKX's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.simulator.dialect import Reply, Said
from marketprism_adapters.venues.simulator.market import Made, Print, SimulatedBook, SimulatedPair


class OkxDialect:
    """Fulfils `Dialect`: spot pairs. Checksums are 0, as they are now; a wrong one is sent only as a fault."""

    market = "okx"
    notice = json.dumps({"event": "notice", "code": "64008", "msg": "The connection will soon be closed."})

    def __init__(self, bases: Sequence[str] = ("BTC", "ETH")) -> None:
        self.pairs: Sequence[SimulatedPair] = [
            SimulatedPair(f"{base}-USDT", f"{base}-USDT", base, "USDT") for base in bases
        ]

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def heard(self, message: str) -> Said:
        """ping, subscribe and unsubscribe."""
        if message == "ping":
            return Said(("pong",))
        try:
            asked = json.loads(message)
            operation, args = asked["op"], asked["args"]
        except (ValueError, KeyError, TypeError):
            return Said((json.dumps({"event": "error", "code": "60012", "msg": "Invalid request"}),))
        answers, streams = [], []
        for arg in args:
            native = arg.get("instId")
            if native is not None and native not in self._by_native:
                text = f"Wrong URL or channel:{native} doesn't exist"
                said = {"event": "error", "code": "60018", "msg": text, "arg": arg}
                answers.append(json.dumps(said))
                continue
            answers.append(json.dumps({"event": operation, "arg": arg}))
            streams.append(f"{arg['channel']}:{native or arg.get('instType', '')}")
        return Said(answers, removed=streams) if operation == "unsubscribe" else Said(answers, added=streams)

    @staticmethod
    def _frame(channel: str, pair: SimulatedPair, row: dict[str, Any], action: str = "") -> tuple[str, str]:
        push: dict[str, Any] = {"arg": {"channel": channel, "instId": pair.native}}
        if action:
            push["action"] = action
        push["data"] = [row]
        return f"{channel}:{pair.native}", msgspec.json.encode(push).decode()

    @staticmethod
    def _levels(levels: Sequence[tuple[str, str]]) -> list[list[str]]:
        return [[price, quantity, "0", "1"] for price, quantity in levels]

    def book(self, pair: SimulatedPair, made: Made, *, wrong_checksum: bool) -> tuple[str, str]:
        """An update of `books`."""
        row = {
            "asks": self._levels(made.asks), "bids": self._levels(made.bids), "ts": str(made.ts_ms),
            "checksum": zlib.crc32(b"wrong") - (1 << 31) if wrong_checksum else 0, "seqId": made.last_id,
            "prevSeqId": made.prev_id,
        }  # fmt: skip
        return self._frame("books", pair, row, "update")

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """The snapshot of `books`."""
        if stream != f"books:{pair.native}":
            return None
        last_id, ts_ms, bids, asks = book.snapshot(400)
        row = {
            "asks": self._levels(asks), "bids": self._levels(bids), "ts": str(ts_ms), "checksum": 0, "seqId": last_id,
            "prevSeqId": -1,
        }  # fmt: skip
        return self._frame("books", pair, row, "snapshot")[1]

    def trade(self, pair: SimulatedPair, made: Print) -> tuple[str, str]:
        """trades."""
        return self._frame("trades", pair, {**self._told(pair, made), "count": "1"})

    @staticmethod
    def _told(pair: SimulatedPair, made: Print) -> dict[str, Any]:
        return {
            "instId": pair.native, "tradeId": str(made.trade_id), "px": made.price, "sz": made.quantity,
            "side": "sell" if made.sell else "buy", "ts": str(made.ts_ms),
        }  # fmt: skip

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """bbo-tbt and tickers."""
        bid, ask = book.best()
        best = {
            "asks": self._levels([ask]), "bids": self._levels([bid]), "ts": str(ts_ms), "seqId": book.last_id
        }  # fmt: skip
        day = {
            "instType": "SPOT", "instId": pair.native, "last": bid[0], "lastSz": "1", "askPx": ask[0], "askSz": ask[1],
            "bidPx": bid[0], "bidSz": bid[1], "open24h": bid[0], "high24h": ask[0], "low24h": bid[0],
            "volCcy24h": "1000", "vol24h": "10", "ts": str(ts_ms),
        }  # fmt: skip
        return [self._frame("bbo-tbt", pair, best), self._frame("tickers", pair, day)]

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """instruments, underlying, books, history-trades."""
        name = path.rsplit("/", 1)[-1]
        if name == "instruments":
            rows = [self._listed(pair) for pair in self.pairs] if query.get("instType") == "SPOT" else []
            return Reply(200, {"code": "0", "msg": "", "data": rows})
        if name == "underlying":
            return Reply(200, {"code": "0", "msg": "", "data": [[]]})
        pair = self._by_native.get(query.get("instId", ""))
        if pair is None:
            return Reply(200, {"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        if name == "books":
            last_id, ts_ms, bids, asks = books[pair.symbol].snapshot(int(query.get("sz", "1")), old=old)
            row = {"asks": self._levels(asks), "bids": self._levels(bids), "ts": str(ts_ms), "seqId": last_id}
            return Reply(200, {"code": "0", "msg": "", "data": [row]})
        if name == "history-trades":
            last = int(query["after"]) - 1
            found = books[pair.symbol].printed(last - int(query.get("limit", "100")) + 1, last)
            return Reply(200, {"code": "0", "msg": "", "data": [self._told(pair, made) for made in reversed(found)]})
        return Reply(404, {"code": "404", "msg": "no such path", "data": []})

    @staticmethod
    def _listed(pair: SimulatedPair) -> dict[str, str]:
        return {
            "instId": pair.native, "instType": "SPOT", "baseCcy": pair.base, "quoteCcy": pair.quote, "tickSz": "0.01",
            "lotSz": "0.001", "minSz": "0.001", "state": "live",
        }  # fmt: skip
