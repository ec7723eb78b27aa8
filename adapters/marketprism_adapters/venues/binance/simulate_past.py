"""Binance's answers about the past, for a simulated venue, and its public archive."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from marketprism_adapters.venues.binance import archive
from marketprism_adapters.venues.binance.simulate import BinanceDialect
from marketprism_adapters.venues.binance.simulated_bars import span
from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_past import PastBar, PastPage, SimulatedPast

_INVALID = Reply(400, {"code": -1121, "msg": "Invalid symbol."})
_FILE = re.compile(
    r"data/(?:spot|futures/(?:um|cm))/(monthly|daily)/(\w+)/([A-Z0-9_]+)/(?:(\w+)/)?"
    r"[A-Z0-9_]+-\w+-(\d{4}-\d{2}(?:-\d{2})?)\.zip(\.CHECKSUM)?"
)
_MICROSECONDS_FROM = 1_735_689_600_000  # 2025-01-01: files of the spot market


class BinancePast:
    """Fulfils `PastDialect` for `spot`, `usdm` or `coinm`."""

    def __init__(self, market: str, bases: Sequence[str] = ("BTC",)) -> None:
        dialect = BinanceDialect(market, bases)
        self.market = market
        self._dialect = dialect
        self.pasts: Mapping[str, SimulatedPast] = {pair.native: SimulatedPast(pair) for pair in dialect.pairs}

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """klines, aggTrades, fundingRate, openInterestHist; the instrument list as it is live."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        if name in ("exchangeInfo", "fundingInfo"):
            return self._listed(self._dialect.get(path, query, {}, old=False))
        if name not in ("klines", "aggTrades", "fundingRate", "openInterestHist"):
            return None
        past = self.pasts.get(query.get("symbol", ""))
        if past is None:
            return _INVALID
        limit = int(query.get("limit", "500"))
        first, last = int(query.get("startTime", "0")), int(query.get("endTime", str(past.now_ms())))
        if name == "aggTrades":
            return PastPage(self._trades(past, query, limit, first, last), list)
        rows: list[object]
        if name == "klines":
            opened, ends = span(query["interval"], 0)
            rows = [kline(bar) for bar in past.bars(ends - opened, first, last, limit)]
        elif name == "fundingRate":
            native = past.pair.native
            rows = [
                {"symbol": native, "fundingTime": at, "fundingRate": rate, "markPrice": "60000.00"}
                for at, rate in past.rates(first, last)
            ]
        else:
            rows = [
                {
                    "symbol": past.pair.native,
                    "sumOpenInterest": text,
                    "sumOpenInterestValue": "1.0",
                    "timestamp": at,
                }
                for at, text in past.interests(first, last)
            ]
        return PastPage(rows[:limit], list)

    def _listed(self, reply: Reply) -> Reply:
        """Contracts say since when they are listed."""
        for row in reply.body["symbols"] if self.market != "spot" and isinstance(reply.body, dict) else ():
            row["onboardDate"] = self.pasts[row["symbol"]].listed_ms
        return reply

    def _trades(
        self, past: SimulatedPast, query: Mapping[str, str], limit: int, first_ms: int, last_ms: int
    ) -> list[dict[str, object]]:
        if "fromId" in query:
            begin = int(query["fromId"])
            found = past.trades(begin, begin + limit - 1)
        else:
            begin = past.first_id(first_ms)
            found = [each for each in past.trades(begin, begin + limit - 1) if each.ts_ms <= last_ms]
        return [
            {
                "a": each.trade_id,
                "p": each.price,
                "q": each.quantity,
                "f": each.trade_id,
                "l": each.trade_id,
                "T": each.ts_ms,
                "m": each.sell,
            }
            for each in found
        ]


def kline(bar: PastBar) -> list[object]:
    """A row of `klines`, and of a file of the archive."""
    bought_for = "0"
    return [
        *(bar.opened_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ends_ms - 1),
        *(bar.turnover, bar.trades, bar.bought, bought_for, "0"),
    ]


class BinanceArchive:
    """Files of the public archive, made of the past of instruments. `lacking(path)`: there is no such file."""

    def __init__(self, past: BinancePast, lacking: Callable[[str], bool] = lambda _: False) -> None:
        self._past, self._lacking = past, lacking
        self._newest = ("", b"")  # a file and its sum are asked for one after the other

    def file(self, path: str) -> bytes | None:
        """A zip archive, or its `.CHECKSUM`; None where there is none."""
        found = self._found(path)
        if found is None:
            return None
        archived = path.removesuffix(".CHECKSUM")
        if archived != self._newest[0]:
            self._newest = (archived, self._packed_file(found, archived))
        data = self._newest[1]
        name = archived.rpartition("/")[2]
        return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode() if found[6] else data

    def has(self, path: str) -> bool:
        """Whether there is such a file; it is not made."""
        return self._found(path) is not None

    def _found(self, path: str) -> re.Match[str] | None:
        found = _FILE.fullmatch(path.lstrip("/"))
        if found is None or found[3] not in self._past.pasts or self._lacking(path):
            return None
        past = self._past.pasts[found[3]]
        _, end = _span(found[5])
        return None if end > past.now_ms() or end <= past.listed_ms else found

    def _packed_file(self, found: re.Match[str], path: str) -> bytes:
        past, what = self._past.pasts[found[3]], found[2]
        begin, end = _span(found[5])
        rows, header = self._rows(past, what, found[4] or "", begin, end)
        name = path.rpartition("/")[2].replace(".zip", ".csv")
        return _packed(name, rows, header if self._past.market != "spot" else ())

    def _rows(
        self, past: SimulatedPast, what: str, interval: str, begin: int, end: int
    ) -> tuple[Iterable[Sequence[object]], Sequence[str]]:
        if what == "klines":
            opened, ends = span(interval, 0)
            micro = self._past.market == "spot" and begin >= _MICROSECONDS_FROM
            bars = past.bars(ends - opened, begin, end - 1)
            if not micro:
                return [kline(bar) for bar in bars], archive.KLINES
            closes = [bar.ends_ms * 1_000 - 1 for bar in bars]
            rows = [
                [bar.opened_ms * 1_000, *kline(bar)[1:6], close, *kline(bar)[7:]]
                for bar, close in zip(bars, closes, strict=True)
            ]
            return rows, archive.KLINES
        if what == "aggTrades":
            trades = past.trades(past.first_id(begin), past.first_id(end) - 1)
            tail = ["True"] if self._past.market == "spot" else []
            made = [
                [t.trade_id, t.price, t.quantity, t.trade_id, t.trade_id, t.ts_ms, str(t.sell).lower(), *tail]
                for t in trades
            ]
            return made, archive.AGG_TRADES[: 7 + len(tail)]
        if what == "fundingRate":
            return [[at, 8, rate] for at, rate in past.rates(begin, end - 1)], archive.FUNDING
        native = past.pair.native
        rows = [
            [f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}", native, text, "1.0"]
            for at, text in past.interests(begin, end - 1)
        ]
        return rows, archive.METRICS_NEEDED


def _span(period: str) -> tuple[int, int]:
    parts = [int(each) for each in period.split("-")]
    if len(parts) == 3:
        begin = int(datetime(parts[0], parts[1], parts[2], tzinfo=UTC).timestamp()) * 1_000
        return begin, begin + 86_400_000
    following = (parts[0] + parts[1] // 12, parts[1] % 12 + 1)
    first, then = (datetime(year, month, 1, tzinfo=UTC) for year, month in ((parts[0], parts[1]), following))
    return int(first.timestamp()) * 1_000, int(then.timestamp()) * 1_000


def _packed(name: str, rows: Iterable[Sequence[object]], header: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(header)
    writer.writerows(rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


__all__ = ["BinanceArchive", "BinancePast"]
