"""OKX's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.kit.dialect import Replies, Reply
from marketprism_adapters.venues.kit.simulated_bars import SimulatedBar, SimulatedBars
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade
from marketprism_adapters.venues.okx.symbols import SPOT, SWAP, has_funding, type_of
from marketprism_adapters.venues.okx.terms import BARS

_CONNECTION = "a4d3ae55"
_SELDOM = 10  # steps of a book between two of what comes seldom
_FUNDING_MS = 8 * 3_600_000
_LENGTHS_MS = {"1m": 60_000, "1Dutc": 86_400_000}
_CANDLES = frozenset(f"candle{name.removesuffix('utc')}{end}" for name in BARS.values() for end in ("", "utc"))
_KNOWN = frozenset({"trades", "books", "bbo-tbt", "tickers", "funding-rate", "open-interest"})


class OkxDialect:
    """Fulfils `Dialect`: spot pairs and, with `swaps`, a linear swap of each, one coin a contract. Checksums are 0, as
    they are now; a wrong one is sent only as a fault.

    `options` are listed, by underlying with their families; an underlying without any is refused, as the venue refuses
    some of those that it names. They do not trade.
    """

    market = "okx"
    notice = json.dumps({"event": "notice", "code": "64008", "msg": "The connection will soon be closed."})

    def __init__(
        self,
        bases: Sequence[str] = ("BTC", "ETH"),
        options: Mapping[str, Sequence[str]] | None = None,
        *,
        swaps: bool = False,
    ) -> None:
        self._options = options or {}
        self._bars = SimulatedBars(_LENGTHS_MS)
        self.pairs: Sequence[SimulatedPair] = [
            SimulatedPair(f"{base}-USDT{ours}", f"{base}-USDT{theirs}", base, "USDT")
            for ours, theirs in (("", ""), ("-PERP", "-SWAP"))[: 1 + swaps]
            for base in bases
        ]

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def on_message(self, message: str) -> Replies:
        """ping, subscribe and unsubscribe."""
        if message == "ping":
            return Replies(("pong",))
        try:
            asked = json.loads(message)
            operation, args = asked["op"], asked["args"]
        except (ValueError, KeyError, TypeError):
            text = f"Invalid request: {message}"
            refusal = {"event": "error", "code": "60012", "msg": text, "connId": _CONNECTION}
            return Replies((json.dumps(refusal),))
        answers, streams = [], []
        for arg in args:
            channel, native = arg["channel"], arg.get("instId", "")
            of = f"instId:{native}" if native else f"instType:{arg.get('instType', '')}"
            named = {"id": asked["id"]} if "id" in asked else {}
            if not self._exists(channel, native):
                text = (
                    f"Wrong URL or channel:{channel},{of} doesn't exist. "
                    "Please use the correct URL, channel and parameters referring to API document."
                )
                refusal = {**named, "event": "error", "code": "60018", "msg": text, "connId": _CONNECTION}
                answers.append(json.dumps(refusal))
                continue
            answers.append(json.dumps({**named, "event": operation, "arg": arg, "connId": _CONNECTION}))
            streams.append(f"{channel}:{native or arg.get('instType', '')}")
        return Replies(answers, removed=streams) if operation == "unsubscribe" else Replies(answers, added=streams)

    def _exists(self, channel: str, native: str) -> bool:
        if channel == "liquidation-orders":
            return not native  # they are told of all instruments of a type
        if native not in self._by_native or (channel not in _KNOWN and channel not in _CANDLES):
            return False
        if channel == "funding-rate":
            return has_funding(native)
        return channel != "open-interest" or type_of(native) != SPOT

    @staticmethod
    def _frame(channel: str, pair: SimulatedPair, row: object, action: str = "") -> tuple[str, str]:
        push: dict[str, Any] = {"arg": {"channel": channel, "instId": pair.native}}
        if action:
            push["action"] = action
        push["data"] = [row]
        return f"{channel}:{pair.native}", msgspec.json.encode(push).decode()

    @staticmethod
    def _levels(levels: Sequence[tuple[str, str]]) -> list[list[str]]:
        return [[price, quantity, "0", "1"] for price, quantity in levels]

    def book(self, pair: SimulatedPair, made: SimulatedStep, *, wrong_checksum: bool) -> tuple[str, str]:
        """An update of `books`."""
        row = {
            "asks": self._levels(made.asks),
            "bids": self._levels(made.bids),
            "ts": str(made.ts_ms),
            "checksum": zlib.crc32(b"wrong") - (1 << 31) if wrong_checksum else 0,
            "seqId": made.last_id,
            "prevSeqId": made.prev_id,
        }
        return self._frame("books", pair, row, "update")

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """The snapshot of `books`."""
        if stream != f"books:{pair.native}":
            return None
        last_id, ts_ms, bids, asks = book.snapshot(400)
        row = {
            "asks": self._levels(asks),
            "bids": self._levels(bids),
            "ts": str(ts_ms),
            "checksum": 0,
            "seqId": last_id,
            "prevSeqId": -1,
        }
        return self._frame("books", pair, row, "snapshot")[1]

    def trade(self, pair: SimulatedPair, made: SimulatedTrade) -> tuple[str, str]:
        """Stream and text of one message of `trades`."""
        self._bars.on_trade(pair.native, made)
        return self._frame("trades", pair, {**self._trade_row(pair, made), "count": "1"})

    @staticmethod
    def _trade_row(pair: SimulatedPair, made: SimulatedTrade) -> dict[str, Any]:
        return {
            "instId": pair.native,
            "tradeId": str(made.trade_id),
            "px": made.price,
            "sz": made.quantity,
            "side": "sell" if made.sell else "buy",
            "ts": str(made.ts_ms),
        }

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """bbo-tbt, tickers and candles."""
        bid, ask = book.best()
        best = {"asks": self._levels([ask]), "bids": self._levels([bid]), "ts": str(ts_ms), "seqId": book.last_id}
        day = {
            "instType": type_of(pair.native),
            "instId": pair.native,
            "last": bid[0],
            "lastSz": "1",
            "askPx": ask[0],
            "askSz": ask[1],
            "bidPx": bid[0],
            "bidSz": bid[1],
            "open24h": bid[0],
            "high24h": ask[0],
            "low24h": bid[0],
            "volCcy24h": "1000",
            "vol24h": "10",
            "ts": str(ts_ms),
        }
        candles = [
            self._frame(f"candle{name}", pair, self._candle(bar, closed=closed))
            for name, bar, closed in self._bars.pushed(pair.native, ts_ms, bid[0])
        ]
        pushed = [self._frame("bbo-tbt", pair, best), self._frame("tickers", pair, day), *candles]
        if type_of(pair.native) == SWAP and book.steps % _SELDOM == 0:
            pushed += self._of_swap(pair, bid[0], ts_ms)
        return pushed

    def _of_swap(self, pair: SimulatedPair, price: str, ts_ms: int) -> Sequence[tuple[str, str]]:
        """funding-rate, open-interest and liquidation-orders."""
        due = (ts_ms // _FUNDING_MS + 1) * _FUNDING_MS
        of = {"instType": SWAP, "instId": pair.native}
        funding = {
            **of,
            "fundingRate": "0.0001",
            "fundingTime": str(due),
            "nextFundingTime": str(due + _FUNDING_MS),
            "ts": str(ts_ms),
        }
        interest = {**of, "oi": "1000", "oiCcy": "1000", "ts": str(ts_ms)}
        detail = {"side": "sell", "posSide": "long", "bkPx": price, "sz": "2", "ts": str(ts_ms)}
        orders = {"arg": {"channel": "liquidation-orders", "instType": SWAP}, "data": [{**of, "details": [detail]}]}
        return [
            self._frame("funding-rate", pair, funding),
            self._frame("open-interest", pair, interest),
            (f"liquidation-orders:{SWAP}", json.dumps(orders)),
        ]

    @staticmethod
    def _candle(bar: SimulatedBar, *, closed: bool) -> list[str]:
        return [
            str(bar.opened_ms),
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            str(bar.volume),
            str(bar.cost),
            str(bar.cost),
            str(int(closed)),
        ]

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """instruments, underlying, books, history-trades."""
        name = path.rsplit("/", 1)[-1]
        if name == "instruments":
            return self._instruments(query)
        if name == "underlying":
            return Reply(200, {"code": "0", "msg": "", "data": [list(self._options)]})
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
            return Reply(
                200, {"code": "0", "msg": "", "data": [self._trade_row(pair, made) for made in reversed(found)]}
            )
        return Reply(404, {"code": "404", "msg": "no such path", "data": []})

    def _instruments(self, query: Mapping[str, str]) -> Reply:
        of = query.get("instType")
        if of != "OPTION":
            rows = [self._listed(pair) for pair in self.pairs if type_of(pair.native) == of]
            return Reply(200, {"code": "0", "msg": "", "data": rows})
        if not query.keys() & {"uly", "instFamily"}:
            refusal = "Either parameter uly or instFamily is required."
            return Reply(400, {"code": "50015", "msg": refusal, "data": []})
        underlying, family = query.get("uly"), query.get("instFamily")
        rows = [
            self._option(name, each)
            for name, families in self._options.items()
            for each in families
            if (each == family if family else name == underlying)
        ]
        if not rows:
            refusal = f"Parameter {'instFamily' if family else 'uly'} error"
            return Reply(200, {"code": "51000", "msg": refusal, "data": []})
        return Reply(200, {"code": "0", "msg": "", "data": rows})

    @staticmethod
    def _option(underlying: str, family: str) -> dict[str, str]:
        return {
            "instId": f"{family}-261225-100-C",
            "instType": "OPTION",
            "tickSz": "0.01",
            "lotSz": "1",
            "minSz": "1",
            "state": "live",
            "uly": underlying,
            "instFamily": family,
            "stk": "100",
            "optType": "C",
            "ctVal": "1",
            "settleCcy": underlying.partition("-")[0],
            "expTime": "1798185600000",
        }

    @staticmethod
    def _listed(pair: SimulatedPair) -> dict[str, str]:
        terms = {
            "instId": pair.native,
            "instType": type_of(pair.native),
            "tickSz": "0.01",
            "lotSz": "0.001",
            "minSz": "0.001",
            "state": "live",
        }
        if type_of(pair.native) == SPOT:
            return {**terms, "baseCcy": pair.base, "quoteCcy": pair.quote}
        family = f"{pair.base}-{pair.quote}"
        contract = {"ctVal": "1", "ctMult": "1", "ctValCcy": pair.base, "ctType": "linear", "settleCcy": pair.quote}
        return {**terms, **contract, "uly": family, "instFamily": family}
