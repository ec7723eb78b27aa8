"""OKX's REST answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from marketprism_adapters.venues.kit.instrument_lists import listed
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    check_levels,
    day_text,
    identity,
    number,
    optional,
    unreadable,
)
from marketprism_adapters.venues.okx import frames
from marketprism_adapters.venues.okx.parse import VENUE, OkxParser
from marketprism_adapters.venues.okx.symbols import symbol_of
from marketprism_adapters.venues.okx.terms import ns, of_utc8, whole
from marketprism_application.contracts.venue_messages import FundingRateMessage
from marketprism_application.venues.protocol import Answer, ParseRefused, RestRequest
from marketprism_domain.books.sync import BookSnapshot
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

Parameters = Mapping[str, str]
T = TypeVar("T")
_STATES = {"live": "trading", "suspend": "halted", "preopen": "pending", "test": "test"}
_INTEREST_FIELDS = 4
_CLASSES = {"SPOT": "spot", "SWAP": "swap", "FUTURES": "future", "OPTION": "option"}


class Reply(msgspec.Struct, Generic[T]):
    code: str
    data: list[T]
    msg: str = ""


class _Refusal(msgspec.Struct):
    code: str = "0"
    msg: str = ""


class Instrument(msgspec.Struct):
    instId: str
    instType: str
    tickSz: str
    lotSz: str
    minSz: str
    state: str
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    expTime: str = ""
    listTime: str = ""
    stk: str = ""
    optType: str = ""
    uly: str = ""
    maxLmtSz: str = ""
    maxMktSz: str = ""


class SettledFunding(msgspec.Struct):
    instId: str
    fundingRate: str
    fundingTime: str
    realizedRate: str = ""


class OkxAnswers:
    """Reads the answers."""

    def __init__(self) -> None:
        self._readers: dict[str, Callable[[bytes, Parameters, int, OkxParser], Answer]] = {
            "books": self._books,
            "books-full": self._books,
            "instruments": self._instruments,
            "underlying": self._underlyings,
            "funding-rate-history": self._settled,
            "trades": self._as_pushed,
            "history-trades": self._as_pushed,
            "tickers": self._as_pushed,
            "ticker": self._as_pushed,
            "open-interest": self._as_pushed,
            "funding-rate": self._as_pushed,
            "mark-price": self._as_pushed,
            "opt-summary": self._as_pushed,
            "open-interest-history": self._interest,
            "candles": self._candles,
            "history-candles": self._candles,
        }

    def read(self, path: str, parameters: Parameters, body: bytes, ts_recv: int, parser: OkxParser) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        try:
            head = msgspec.json.decode(body, type=_Refusal)
            if head.code != "0":
                raise ParseRefused("refused", f"{path}: {head.code} {head.msg}")
            reader = self._readers.get(name)
            if reader is None:
                return Answer(ignored="an answer that is of no kind here")
            return reader(body, {"channel": name, **parameters}, ts_recv, parser)
        except UNREADABLE as error:
            raise unreadable(error, path) from error

    @staticmethod
    def _as_pushed(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:
        """Rows that have the form of a push."""
        channel = {"history-trades": "trades", "ticker": "tickers"}.get(given["channel"], given["channel"])
        rows = msgspec.json.decode(body, type=Reply[msgspec.Raw]).data
        if not rows and given["channel"] == "history-trades":  # a time without any
            return Answer()
        frame = msgspec.json.encode({"arg": {"channel": channel}, "data": rows})
        return Answer(items=parser.parse(frame, ts_recv))

    @staticmethod
    def _candles(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:
        if of_utc8(given.get("bar", "1m")):
            return Answer(ignored="klines of UTC+8 days")
        rows = msgspec.json.decode(body, type=Reply[msgspec.Raw]).data
        if not rows:
            return Answer()
        arg = {"channel": f"candle{given.get('bar', '1m')}", "instId": given["instId"]}
        return Answer(items=parser.parse(msgspec.json.encode({"arg": arg, "data": rows}), ts_recv))

    @staticmethod
    def _interest(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:
        rows = []
        for row in msgspec.json.decode(body, type=Reply[list[str]]).data:
            if len(row) < _INTEREST_FIELDS:
                raise ParseRefused("field", f"open-interest-history: expected 4 fields, was {len(row)}")
            rows.append({"instId": given["instId"], "ts": row[0], "oi": row[1], "oiCcy": row[2], "oiUsd": row[3]})
        if not rows:
            return Answer()
        frame = msgspec.json.encode({"arg": {"channel": "open-interest"}, "data": rows})
        return Answer(items=parser.parse(frame, ts_recv))

    @staticmethod
    def _books(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:  # noqa: ARG004
        found = []
        for book in msgspec.json.decode(body, type=Reply[frames.Book]).data:
            check_levels(book.bids, "bids")
            check_levels(book.asks, "asks")
            cut_at = int(given.get("sz", "1"))
            snapshot = BookSnapshot(
                identity(book.seqId or 0, "seqId"), ns(book.ts), ts_recv, book.bids, book.asks, cut_at
            )
            found.append((symbol_of(given["instId"]), snapshot))
        return Answer(snapshots=found)

    @staticmethod
    def _instruments(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:  # noqa: ARG004
        rows = msgspec.json.decode(body, type=Reply[msgspec.Raw]).data
        return listed(rows, Instrument, lambda each: _record(each, ts_recv), parser, "instruments")

    @staticmethod
    def _underlyings(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:  # noqa: ARG004
        """Options are listed by underlying."""
        names = [name for names in msgspec.json.decode(body, type=Reply[list[str]]).data for name in names]
        return Answer(more=[instruments_request(given["instType"], name) for name in names])

    @staticmethod
    def _settled(body: bytes, given: Parameters, ts_recv: int, parser: OkxParser) -> Answer:  # noqa: ARG004
        made = []
        for row in msgspec.json.decode(body, type=Reply[SettledFunding]).data:
            due = ns(row.fundingTime, "fundingTime")
            rate = optional(row.realizedRate, "realizedRate") or number(row.fundingRate, "fundingRate")
            made.append(
                FundingRateMessage(
                    1,
                    VENUE,
                    symbol_of(row.instId),
                    parser.source,
                    0,
                    due // NANOS_PER_MS,
                    due,
                    ts_recv,
                    0,
                    rate,
                    due,
                    None,
                    True,
                )
            )
        return Answer(items=made)


def instruments_request(kind: str, underlying: str = "") -> RestRequest:
    """The list of one type, of one underlying where there are underlyings: with all of its families (BTC-USD_UM)."""
    return RestRequest("/api/v5/public/instruments", {"instType": kind, **({"uly": underlying} if underlying else {})})


def _record(each: Instrument, ts: int) -> InstrumentRecord:
    size = Decimal(each.ctVal or 1) * Decimal(each.ctMult or 1)
    family = (each.uly or each.instId).split("-")
    base, quote = each.baseCcy or family[0], each.quoteCcy or (family[1] if len(family) > 1 else "")
    return InstrumentRecord(
        VENUE, symbol_of(each.instId), VENUE, 0, 0, ts, ts, 0, each.uly or f"{base}-{quote}",
        _CLASSES.get(each.instType, each.instType.lower()), size, _decimal(each.tickSz), each.uly, _decimal(each.stk),
        {"C": "call", "P": "put"}.get(each.optType, ""), _day(each.listTime), _day(each.expTime),
        min_limit_volume=_decimal(each.minSz), max_limit_volume=_decimal(each.maxLmtSz),
        max_market_volume=_decimal(each.maxMktSz), native=each.instId, base=base, quote=quote,
        settle=each.settleCcy or quote, inverse=each.ctType == "inverse", quantity_step=_decimal(each.lotSz),
        status=_STATES.get(each.state, each.state),
    )  # fmt: skip


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _day(ms: str) -> str:
    return day_text(whole(ms, "time")) if ms else ""
