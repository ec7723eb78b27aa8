"""Recordings of venues in the forms that the community keeps them, as frames with their receive times.

Lines `<receive time> <json>` (hftbacktest; nanoseconds or microseconds), cryptofeed's raw captures (`time: json`,
`URL -> time: body`, `URL <- time: sent`, `URL <-> time`), dumps of one instrument and hour
(`dob_<SYMBOL>_<day>_<hour>_<snapshot|update|trades>.json`), and bare frames, one a line (`.jsonl`).
"""

from __future__ import annotations

import gzip
import heapq
import json
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import SourceError

ENDINGS = (".txt", ".txt.gz", ".txt.xz", ".jsonl", ".jsonl.gz", ".json", ".json.gz")
_PLAIN = re.compile(rb"(\d{16,19}) (?=[\[{])")
_CAPTURED = re.compile(rb"(\d{9,10}\.\d+): ")
_WITH_URL = re.compile(rb"((?:https?|wss?)://\S+) (->|<-|<->) (\d{9,10}\.\d+)(?:: |$)")
_DUMP = re.compile(r"dob_([A-Z0-9]+)_(\d{8})_(\d{2})_(snapshot|update|trades)\.json")
_NANOS = {19: 1, 16: 1_000}
_SYMBOL = re.compile(rb'"s":"([A-Z0-9_]+)"')
_BOOK = b'{"lastUpdateId"'
FRAME, ANSWER = "frame", "answer"


class Recorded(NamedTuple):
    """One thing that was recorded: a frame, or the answer to a request with its URL."""

    what: str
    ts_recv: int
    payload: bytes
    line: int
    path: str = ""
    parameters: Mapping[str, str] = MappingProxyType({})
    host: str = ""


class VenueRecording:
    """One file.

    Raises (everywhere):
        SourceError: missing, unreadable, truncated, of no known form, or of a venue that nothing in it tells.
    """

    def __init__(self, path: Path, market: str = "") -> None:
        self.path = path
        self.skipped: dict[str, int] = {}
        if not path.name.endswith(ENDINGS):
            raise SourceError(f"recording {path}: expected a file ending in {', '.join(ENDINGS)}")
        if not path.exists():
            raise SourceError(f"recording {path}: expected a file, there is none")
        if market and market not in MARKETS:
            raise SourceError(f"market: expected one of {', '.join(MARKETS)}, was {market!r}")
        self._symbol = ""
        self.market = market or self._detect()
        name = path.name
        for ending in (".gz", ".xz", ".txt", ".jsonl", ".json"):
            name = name.removesuffix(ending)
        self.name = name

    def _detect(self) -> str:
        found = "binance" if _DUMP.search(self.path.name) else ""
        for number, each in enumerate(self.rows()):
            host = each.host.partition(":")[0]
            named = next((name for name, row in MARKETS.items() if host in row.hosts), "")
            if named:
                return named
            told = market_of(each.payload)
            if told and told != "binance":
                return told
            found = found or told
            if number > 2_000:
                break
        if not found:
            raise SourceError(f"recording {self.path}: expected frames of {', '.join(MARKETS)}, found none of them")
        return found

    def rows(self) -> Iterator[Recorded]:
        """Everything in it, in its order."""
        self.skipped = {}
        dump = _DUMP.search(self.path.name)
        try:
            with self._open() as file:
                if dump is not None:
                    yield from self._dump(file, *dump.groups())
                else:
                    yield from self._lines(file)
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise SourceError(f"recording {self.path}: expected a complete compressed file: {error}") from error
        except OSError as error:
            raise SourceError(f"recording {self.path}: expected a readable file: {error.strerror}") from error

    def _open(self) -> IO[bytes]:
        name = self.path.name
        if name.endswith(".gz"):
            return gzip.open(self.path)  # type: ignore[return-value]
        return lzma.open(self.path) if name.endswith(".xz") else self.path.open("rb")

    def _lines(self, file: Iterable[bytes]) -> Iterator[Recorded]:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip(b"\r\n")
            made = self._line(line, number)
            if made is not None:
                yield made

    def _line(self, line: bytes, number: int) -> Recorded | None:
        plain = _PLAIN.match(line)
        if plain is not None:
            scale = _NANOS.get(len(plain[1]))
            if scale is None:
                raise SourceError(
                    f"recording {self.path}, line {number}: expected a time in nanoseconds or microseconds, "
                    f"was {plain[1].decode()}"
                )
            return self._frame(int(plain[1]) * scale, line[plain.end() :], number)
        captured = _CAPTURED.match(line)
        if captured is not None:
            return Recorded(FRAME, _seconds(captured[1]), line[captured.end() :], number)
        if line[:1] in (b"{", b"["):
            return Recorded(FRAME, 0, line, number)
        url = _WITH_URL.match(line)
        if url is None:
            self._skip("empty line" if not line else "a line without a time")
            return None
        parts = urlsplit(url[1].decode())
        if url[2] != b"->":
            self._skip("sent" if url[2] == b"<-" else "opened")
            return None
        return Recorded(
            ANSWER, _seconds(url[3]), line[url.end() :], number, parts.path, dict(parse_qsl(parts.query)),
            parts.netloc,
        )  # fmt: skip

    def _frame(self, ts: int, payload: bytes, number: int) -> Recorded:
        """A frame; the answer to a request for a book may stand among them, without its instrument's name."""
        if payload.startswith(_BOOK) and self._symbol:
            held = json.loads(payload)
            return self._snapshot(held, self._symbol, ts, number)
        if not self._symbol:
            named = _SYMBOL.search(payload, 0, 400)
            self._symbol = named[1].decode() if named is not None else ""
        return Recorded(FRAME, ts, payload, number)

    @staticmethod
    def _snapshot(held: dict[str, list[object]], symbol: str, ts: int, number: int) -> Recorded:
        # How many levels were asked for is not told: as many as there are, so what lies behind them counts as unknown.
        given = {"symbol": symbol, "limit": str(max(len(held.get("bids", ())), len(held.get("asks", ()))))}
        return Recorded(ANSWER, ts, json.dumps(held).encode(), number, "/api/v3/depth", given)

    def _skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def _dump(self, file: IO[bytes], symbol: str, day: str, hour: str, what: str) -> Iterator[Recorded]:
        """One instrument and hour: a book, or a list of frames in the order of their event times."""
        try:
            held = json.load(file)
        except ValueError as error:
            raise SourceError(f"recording {self.path}: expected JSON: {error}") from error
        if what == "snapshot":
            start = datetime.strptime(day + hour, "%Y%m%d%H").replace(tzinfo=UTC)
            yield self._snapshot(held, symbol, int(start.timestamp()) * 10**9, 1)
            return
        for number, each in enumerate(held, 1):
            yield Recorded(FRAME, int(each["E"]) * 1_000_000, json.dumps(each).encode(), number)


def _seconds(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))


def market_of(payload: bytes) -> str:
    """The market that a frame tells by its form, empty when it says nothing. Spot frames have no sign of their own."""
    head = payload[:400]
    if b'"jsonrpc"' in head:
        return "deribit"
    if b'"arg"' in head and b'"channel"' in head:
        return "okx"
    if b'"ps":' in payload[:600] and b'"forceOrder"' not in head:
        return "binance-coinm"
    if b'"pu":' in payload[:400] or (b'"e":"bookTicker"' in head) or b'"markPriceUpdate"' in head:
        return "binance-usdm"
    if b'"stream"' in head or b'"e":' in head.replace(b" ", b""):
        return "binance"
    return ""


def by_market(recordings: Iterable[VenueRecording]) -> dict[str, list[VenueRecording]]:
    """The recordings of each market."""
    found: dict[str, list[VenueRecording]] = {}
    for recording in recordings:
        found.setdefault(recording.market, []).append(recording)
    return found


def in_order(recordings: Sequence[VenueRecording]) -> Iterator[tuple[VenueRecording, Recorded]]:
    """What all of them hold, by receive time; inside one file in its own order."""

    def of(number: int) -> Iterator[tuple[int, int, Recorded]]:
        clock = 0
        for row in recordings[number].rows():
            clock = max(clock, row.ts_recv)
            yield clock, number, row

    for _, number, row in heapq.merge(*map(of, range(len(recordings))), key=lambda each: each[:2]):
        yield recordings[number], row
