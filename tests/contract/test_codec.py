"""The wire forms: round trips, plain MessagePack readers, golden bytes that must decode for ever."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.contracts.codec import ContractError, decode, encode, plain
from marketprism_application.contracts.kinds import (
    BAR,
    BOOK_TOP,
    EVENT,
    FUNDING_RATE,
    GAP,
    INSTRUMENT,
    KINDS,
    KLINE,
    LIQUIDATION,
    MARK_PRICE,
    OPEN_INTEREST,
    ORDERBOOK,
    PATHS,
    QUALITY,
    TICK,
    TICKER,
    TRADE,
    VENUE_KINDS,
    DataKind,
)
from marketprism_application.contracts.packed import (
    PACKED_VERSION,
    Mark,
    Packed,
    decode_for_bars,
    decode_packed,
    encode_packed,
)
from marketprism_application.contracts.subjects import escape, subject_of, tick_subject, unescape
from marketprism_application.contracts.venue_messages import KIND_OF, Levels
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.kline import Kline
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_domain.marketdata.mark_price import MarkPrice
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.orderbook import BookTop, OrderBook
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.marketdata.trade import Trade
from marketprism_domain.values import BookLevel

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.json"
D = Decimal
HEAD = (
    "shfe",
    "ru1901",
    "replay:ru1901_20181008",
    3,
    17,
    1538960400500000000,
    1538960400500000001,
    1538960400500000002,
)
SAMPLES: dict[str, Any] = {
    TICK.name: Tick(
        *HEAD,
        12,
        "20181008",
        last=D("12485"),
        volume=D("3174"),
        turnover=D("396132700"),
        open_interest=D("309896"),
        open=D("12480"),
        high=D("12490"),
        low=D("12480"),
        pre_close=D("12360"),
        pre_settlement=D("12285"),
        pre_open_interest=D("309666"),
        limit_up=D("13390"),
        limit_down=D("11175"),
        average_price=D("124805.5135"),
        bids=(BookLevel(D("12485"), D("17")),),
        asks=(BookLevel(D("12490"), D("19")),),
        phase="continuous",
        verdict="warned",
        quality_score=95,
        warnings=("out_of_session",),
        rules_version=1,
    ),
    BAR.name: Bar(
        *HEAD,
        "1m",
        1538960400000000000,
        1538960460000000000,
        "20181008",
        D("12485"),
        D("12500"),
        D("12470"),
        D("12485"),
        D("4210"),
        D("525482400"),
        D("309870"),
        ticks=3,
        revision=1,
        gap=True,
    ),
    GAP.name: Gap(*HEAD, 1538960400000000000, 1538960460000000000, "silence", "20181008"),
    QUALITY.name: QualityReport(
        *HEAD, 1538960400000000000, 1538960460000000000, 98, 120, 118, 2, 1, 3, 0, {"duplicate": 2, "stale": 1}
    ),
    EVENT.name: EventRecord(
        *HEAD, "DataGapDetected", "validator-3-17-0", {"cause": "silence", "seconds": 61.5, "n": None}
    ),
    INSTRUMENT.name: InstrumentRecord(*HEAD, "ru", "future", D("10"), D("5")),
    TRADE.name: Trade(*HEAD, "3404749954", D("64990.90"), D("0.002"), "sell", None, 7960913511, 7960913512),
    ORDERBOOK.name: OrderBook(
        *HEAD, "update", True, 15, 14, (BookLevel(D("64990.90"), D("0.000")),), (BookLevel(D("64991.00"), D("1.5")),)
    ),
    BOOK_TOP.name: BookTop(*HEAD, True, 20, (BookLevel(D("1"), D("2")),), (BookLevel(D("3"), D("4")),)),
    KLINE.name: Kline(
        *HEAD,
        "1m",
        1538960400000000000,
        1538960460000000000,
        D("1.10"),
        D("2"),
        D("1"),
        D("1.5"),
        D("9.090"),
        True,
        D("590577.96880"),
        194,
        D("3.460"),
        7960920076,
        7960920277,
    ),
    TICKER.name: Ticker(*HEAD, D("92283.5"), mark_price=D("92281.78"), delta=D("0.7869"), mark_volatility=D("2.0964")),
    FUNDING_RATE.name: FundingRate(*HEAD, D("0.00003936"), 1538960460000000000, 28800, mark_price=D("64991.37858696")),
    OPEN_INTEREST.name: OpenInterest(*HEAD, D("638584.898"), D("6385848.98"), D("1737793854.62")),
    LIQUIDATION.name: Liquidation(*HEAD, "sell", D("0.1355000"), D("5"), "average", False),
    MARK_PRICE.name: MarkPrice(*HEAD, D("64991.37858696"), D("65016.05673913"), D("64980.01344384")),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_comes_back_as_it_was(kind: DataKind) -> None:
    assert decode(kind, encode(kind, SAMPLES[kind.name])) == SAMPLES[kind.name]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_plain_msgpack_reader_sees_named_fields_and_decimal_strings(kind: DataKind) -> None:
    message = msgpack.unpackb(encode(kind, SAMPLES[kind.name]))
    assert message["v"] == kind.version
    for name in ("venue", "symbol", "source", "epoch", "seq", "ts_event", "ts_recv", "ts_pub"):
        assert message[name] == getattr(SAMPLES[kind.name], name)
    for name, value in SAMPLES[kind.name]._asdict().items():
        if isinstance(value, Decimal):
            assert message[name.rstrip("_")] == str(value)


def test_a_missing_value_is_an_absent_key() -> None:
    message = msgpack.unpackb(encode(TICK, SAMPLES["tick"]._replace(settlement=None, last=None)))
    assert "settlement" not in message
    assert "last" not in message


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_golden_bytes_of_every_version_still_decode(kind: DataKind) -> None:
    name, made = f"{kind.name}.v{kind.version}", base64.b64encode(encode(kind, SAMPLES[kind.name])).decode()
    entry = json.loads(GOLDEN.read_text(encoding="utf-8")).get(name)
    assert entry is not None, f"expected golden bytes of a new kind in {GOLDEN.name}: {json.dumps({name: made})}"
    assert decode(kind, base64.b64decode(entry)) == SAMPLES[kind.name]
    assert encode(kind, SAMPLES[kind.name]) == base64.b64decode(entry)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_first_eight_fields_are_the_same_everywhere(kind: DataKind) -> None:
    assert kind.fields[:8] == ("venue", "symbol", "source", "epoch", "seq", "ts_event", "ts_recv", "ts_pub")


def test_packed_ticks_marks_and_gaps_come_back() -> None:
    packed = Packed(
        PACKED_VERSION,
        "replay:x",
        2,
        5,
        (SAMPLES["tick"],) * 3,
        (Mark(1, 7, "shfe"),),
        ((2, SAMPLES["gap"]),),
    )
    assert decode_packed(encode_packed(packed)) == packed


def test_bars_are_made_of_the_same_values_and_nothing_else_is_made_into_numbers() -> None:
    gap = (1, SAMPLES["gap"])
    packed = Packed(PACKED_VERSION, "x", 2, 5, (SAMPLES["tick"],) * 2, (Mark(1, 7, "shfe"),), (gap,), "s", 3)
    found = decode_for_bars(encode_packed(packed))
    assert found._replace(ticks=()) == packed._replace(ticks=())
    texts = {"close", "settlement", "pre_close", "pre_settlement", "pre_open_interest", "limit_up", "limit_down"}
    for tick in found.ticks:
        assert tick._fields == Tick._fields
        for name, value in SAMPLES["tick"]._asdict().items():
            if name in texts | {"average_price"}:
                assert getattr(tick, name) == (None if value is None else str(value)), name
            elif name not in ("bids", "asks"):
                assert getattr(tick, name) == value, name


def test_what_no_text_is_a_number_of_is_read_as_it_always_was() -> None:
    tick = [*SAMPLES["tick"]]
    tick[Tick._fields.index("limit_up")] = 9500
    payload = msgpack.packb([PACKED_VERSION, "x", 0, 0, [msgspec.to_builtins(tick, builtin_types=())]], default=str)
    assert decode_for_bars(payload) == decode_packed(payload)
    assert decode_for_bars(payload).ticks[0].limit_up == 9500


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x93\x01", b"[1,2]", b"\x80", b"\x00" * 40, b"\x91" * 4000])
def test_bytes_that_are_no_message_are_refused_with_a_reason(payload: bytes) -> None:
    for read in (decode_packed, decode_for_bars):
        with pytest.raises(ContractError, match="packed message"):
            read(payload)
    with pytest.raises(ContractError, match="tick message"):
        decode(TICK, payload)


def test_another_version_is_refused_by_number() -> None:
    message = msgpack.unpackb(encode(TICK, SAMPLES["tick"])) | {"v": 9}
    with pytest.raises(ContractError, match="expected version 1, was 9"):
        decode(TICK, msgpack.packb(message))


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_else(payload: bytes) -> None:
    for read in (decode_packed, decode_for_bars, lambda data: decode(TICK, data), lambda data: decode(BAR, data)):
        try:
            read(payload)
        except ContractError:
            continue


@given(st.text(max_size=40))
def test_the_escape_rule_round_trips_and_stays_in_its_alphabet(text: str) -> None:
    token = escape(text)
    assert unescape(token) == text
    assert token
    assert not set(token) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@pytest.mark.parametrize("token", ["", "a.b", "a b", "=4", "=zz", "é", "*", ">"])
def test_tokens_that_nobody_escaped_are_refused(token: str) -> None:
    with pytest.raises(ValueError, match="subject token"):
        unescape(token)


def test_public_subjects_are_those_of_the_contract() -> None:
    assert tick_subject("m2505-C-3000") == "market.tick.m2505-C-3000"
    assert subject_of(BAR, SAMPLES["bar"]) == "market.bar.1m.ru1901"
    assert subject_of(GAP, SAMPLES["gap"]) == "market.gap.shfe.ru1901"
    assert subject_of(QUALITY, SAMPLES["quality"]) == "market.quality.ru1901"
    assert subject_of(EVENT, SAMPLES["event"]) == "market.event.DataGapDetected"
    assert tick_subject("SP a&b") == "market.tick.SP=20a=26b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12485.00", "12485"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("0.0010", "0.001"),
        ("100", "100"),
        ("1E-8", "0.00000001"),
    ],
)
def test_plain_text_has_no_exponent_and_no_trailing_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def _as_text(hint: Any) -> Any:
    """What a venue's message holds where the record holds `hint`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return str | None if Decimal in args else hint
    if hint is Decimal:
        return str
    return Levels if origin is tuple else hint


@pytest.mark.parametrize("kind", VENUE_KINDS, ids=[kind.name for kind in VENUE_KINDS])
def test_a_venues_message_has_the_fields_of_its_kind_as_text(kind: DataKind) -> None:
    (message,) = [made for made, of in KIND_OF.items() if of is kind]
    fields = msgspec.structs.fields(message)
    assert fields[0].name == "v"
    assert [field.name for field in fields[1:]] == list(kind.fields)
    assert [field.type for field in fields[1:]] == [_as_text(kind.types[name]) for name in kind.fields]
    defaults = kind.model._field_defaults
    given = {field.name: field.default for field in fields[1:] if field.default is not msgspec.NODEFAULT}
    assert given == defaults


def test_each_fact_of_a_kind_names_fields_that_it_has() -> None:
    for kind in KINDS.values():
        assert kind.time_field in kind.fields
        assert kind.few_values <= set(kind.fields), kind.name
        assert set(kind.order_by) <= set(kind.fields)
        assert not kind.streamed or kind.path
    assert len(PATHS) == sum(bool(kind.path) for kind in KINDS.values())
