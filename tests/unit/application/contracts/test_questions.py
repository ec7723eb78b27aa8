"""Questions on the wire: the maps that they always were, what is refused, and one handler for each."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from marketprism_adapters.clickhouse.sql.queries import statement
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    QUESTIONS,
    Audit,
    BarSeries,
    BarsOfTicks,
    Book,
    Continuous,
    Daily,
    Dominant,
    Instruments,
    InstrumentSearch,
    Latest,
    Listing,
    Names,
    Products,
    Question,
    Records,
    Search,
    Sessions,
    Statistics,
    StoreQuestion,
    Symbols,
    Visible,
    decode_answer,
    decode_question,
    encode_question,
)
from marketprism_application.queries.answering import HANDLERS, answer

T = 1_741_000_000_000_000_000
SECTIONS = ((T, T + 1, T + 2, 0, "20250303"), (T + 3, T + 4, T + 5, 9, "20250303"))
WRITTEN: dict[str, Question] = {
    "records of ticks": Records("tick", "rb2505"),
    "records, every field": Records(
        "bar", "rb2505", "shfe", T, T + 60_000_000_000, "1m", 5000, (T, 7), True, made_of="ticks"
    ),
    "records as they stood": Records("bar", "rb2505", interval="1m", as_of=T),
    "newest records": Records("bar", "rb2505", interval="1m", limit=1, last=True),
    "latest": Latest("tick", ("rb2505", "cu2505")),
    "latest of nobody": Latest("tick"),
    "symbols": Symbols(),
    "audit": Audit(("ctp", "binance")),
    "daily": Daily("rb2505", T),
    "daily of everything": Daily("rb2505"),
    "statistics": Statistics("rb2505", T, T + 1),
    "instruments": Instruments(InstrumentSearch("rb", "shfe", "rb", "future", 20, T)),
    "instruments of everything": Instruments(InstrumentSearch()),
    "book": Book("rb2505", "shfe", T),
    "book as it stands": Book("rb2505"),
    "bars_of_ticks": BarsOfTicks("rb2505", "shfe", SECTIONS, 60_000_000_000),
    "bars_of_ticks of whole days": BarsOfTicks("rb2505", "shfe", SECTIONS[:1]),
    "names": Names(),
    "series": BarSeries(),
    "minute_spans": MinuteSpans("rb2505", "shfe", T, T + 1, "20250303", "20250304", 60_000_000_000, 100, True),
    "minute_spans of everything": MinuteSpans("rb2505"),
    "sessions": Sessions("rb2505"),
    "sessions of these days": Sessions("rb2505", "shfe", T, T + 1, "20250303", "20250304"),
    "listing": Listing(),
    "products": Products(),
    "search": Search("luowen 05", "shfe", "future", 5, (Visible(("shfe", "dce"), ("rb*",)),)),
    "search for whatever has data": Search(),
    "search of who may see nothing": Search("rb", visible=()),
    "coverage": Coverage("ru*", "shfe", "ru", "20181001", "20181031", limit=50, after=("shfe", "ru1901"), days=40),
    "coverage of everything": Coverage(),
    "gap_ledger": GapLedger("*", cause="silence", kind="", before=(T, "ru1901", "shfe", "silence", "")),
    "quality_overview": QualityOverview("ru1901,ru1905", ts_from=T, ts_to=T + 1, width_ns=60_000_000_000),
    "dominant": Dominant("rb"),
    "continuous": Continuous("rb", None, T, T + 1, "1d", 20_000, adjust="difference"),
    "continuous, unadjusted": Continuous("rb", interval="1d", limit=20_000, adjust="none"),
}
# What the first clients sent with a question that never used it: read all the same, and no longer sent.
IDLE = {"continuous": "kind", "continuous, unadjusted": "kind", "dominant over a range": "ts_from ts_to"}


@pytest.fixture(scope="module")
def golden() -> dict[str, bytes]:
    """The bytes of the first version's clients."""
    path = Path(__file__).parents[3] / "golden/questions.json"
    return {name: bytes.fromhex(text) for name, text in json.loads(path.read_text()).items()}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_question_is_the_map_that_it_always_was(golden: dict[str, bytes], name: str) -> None:
    fields = msgspec.msgpack.decode(golden[name])
    used = {key: value for key, value in fields.items() if key not in IDLE.get(name, "").split()}
    written = msgspec.msgpack.decode(encode_question(WRITTEN[name]))
    assert list(written.items()) == list(used.items())


def test_what_the_first_clients_send_is_understood(golden: dict[str, bytes]) -> None:
    for name, data in golden.items():
        assert decode_question(data) == (WRITTEN[name] if name in WRITTEN else Dominant("rb")), name


def test_fields_of_a_later_version_pass() -> None:
    assert decode_question(msgspec.msgpack.encode({"method": "daily", "symbol": "x", "color": "red"})) == Daily("x")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"method": "nope"}, "method: expected one of records, latest, symbols, audit, daily, .*, was 'nope'"),
        ({}, "method: expected a value, was none"),
        ({"method": 5}, "method: expected str"),
        ({"method": "daily"}, "symbol: expected a value, was none"),
        ({"method": "daily", "symbol": 7}, "symbol: expected str, was int"),
        ({"method": "records", "kind": "tick", "symbol": "x", "after": [1, "2"]}, r"after\[1\]: expected int, was str"),
        (
            {"method": "records", "kind": "tick", "symbol": "x", "after": [1, 2, 3]},
            r"after\[2\]: expected str, was int",
        ),
        (
            {"method": "records", "kind": "tick", "symbol": "x", "after": [-1, 2]},
            r"after\[0\]: expected 0 to \d+, was -1",
        ),
        (
            {"method": "records", "kind": "tick", "symbol": "x", "after": [1]},
            r"after: expected 2 to 3 values \(ts_event, seq, venue\), was 1",
        ),
        ({"method": "instruments", "search": ["a", 5]}, r"search\[1\]: expected str, was int"),
        ({"method": "bars_of_ticks", "symbol": "x"}, "venue: expected a value, was none"),
        ({"method": "records", "kind": "nope", "symbol": "x"}, "kind: expected one of tick, bar, .*, was 'nope'"),
        ({"method": "latest", "kind": "tick", "names": ["x"] * 1001}, "names: expected at most 1000, was 1001"),
        ([1, 2], "question: expected object, was array"),
    ],
)
async def test_what_is_no_question_is_refused_by_the_path_of_its_field(sent: object, text: str) -> None:
    with pytest.raises(AnswerError, match=f"^{text}") as caught:
        decode_answer(await answer(MemoryStore(), msgspec.msgpack.encode(sent)))
    assert caught.value.failure.code == "INVALID_PARAMETER"


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91" * 3_000 + b"\xc0", b"\x81\xa6method\xa3\xff\xff\xff"])
async def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(AnswerError, match="question: expected") as caught:
        decode_answer(await answer(MemoryStore(), data))
    assert caught.value.failure.code == "INVALID_PARAMETER"


def test_each_question_has_a_handler_and_its_bytes() -> None:
    assert set(HANDLERS) == set(QUESTIONS.values())
    assert {type(question) for question in WRITTEN.values()} == set(QUESTIONS.values())


def test_each_question_of_the_store_is_put_to_every_store() -> None:
    """In `tests/contract`, whose suites run over the memory and each engine."""
    asked: set[str] = set()
    for path in (Path(__file__).parents[3] / "contract").glob("test_*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        asked |= {call.id for call in calls if isinstance(call, ast.Name)}
    assert {cls.__name__ for cls in get_args(StoreQuestion)} - asked == set()


def test_no_text_of_a_caller_is_in_a_statement() -> None:
    strange = "x' OR 1=1 --"
    for question in (
        Records("bar", strange, strange, interval=strange),
        Latest("tick", (strange,)),
        Audit((strange,)),
        Daily(strange),
        Statistics(strange),
        Instruments(InstrumentSearch(strange, strange, strange, strange)),
        BarsOfTicks(strange, strange, SECTIONS),
        MinuteSpans(strange, strange, from_day=strange, to_day=strange),
        Coverage(venue=strange, from_day=strange, to_day=strange, names=(strange,)),
        GapLedger(venue=strange, cause=strange, kind=strange, before=(1, *[strange] * 4), names=(strange,)),
        QualityOverview(venue=strange, names=(strange,)),
    ):
        asked = statement(question)
        assert strange not in asked.text
        assert strange in asked.params.values()
