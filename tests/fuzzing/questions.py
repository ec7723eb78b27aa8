"""Questions of the read side, as they come over NATS: answered from memory, and as the statements that a database is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pyarrow as pa

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.sql.literals import quoted
from marketprism_adapters.clickhouse.sql.parameters import Statement, parameter
from marketprism_adapters.clickhouse.sql.queries import statement
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    QUESTIONS,
    Question,
    StoreQuestion,
    decode_answer,
    decode_question,
    encode_question,
)
from marketprism_application.errors import ApplicationError
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.derived_bars import ReadRules
from tests.fuzzing.examples import example
from tests.fuzzing.mutation import mutated_msgpack
from tests.fuzzing.target import Target, expect, text_of

_T0 = 1_538_960_400_000_000_000
_CALENDAR = chinese_calendar_of_markets()
# What of a question is a word of ours and stands in the statement: names of kinds, columns and tables.
_OF_OURS = frozenset({"kind", "fields", "method", "made_of"})


class Watched:
    """A store in memory; of each question that reaches it the statement of the database is looked at."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The answer of memory. Raises Finding: what was asked stands in the statement itself."""
        check_statement(question)
        return await self._store.answer(question)


def check_statement(question: StoreQuestion) -> None:
    """Raises Finding: the statement of a question is another one where its texts are others, or its parameters are not
    of the types that the engine's driver takes."""
    made = statement(question)
    if not isinstance(made, Statement):
        return
    other = statement(_with_other_texts(question))
    expect(
        isinstance(other, Statement) and other.text == made.text,
        f"a caller's text stands in a statement: {made.text[:300]}",
    )
    for name, value in made.params.items():
        expect(f"{{{name}:" in made.text, f"a parameter that the statement does not have: {name}")
        if isinstance(value, str) and f"{{{name}:String}}" in made.text:
            expect(not set(value) & set("\t\n\r\0"), f"parameter {name}: a sign that ends it")


def _with_other_texts(question: StoreQuestion) -> StoreQuestion:
    """The same question of the same form, each of its texts another one."""
    changes: dict[str, Any] = {}
    for name in question.__struct_fields__:
        value = getattr(question, name)
        if name not in _OF_OURS or (name == "kind" and isinstance(question, GapLedger)):
            changes[name] = _other(value)
    return msgspec.structs.replace(question, **changes)


def _other(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value}'\"\\x" if value else value
    if isinstance(value, tuple):
        made = [_other(each) for each in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    return value


def _question(data: bytes) -> None:
    """A question as it comes: its answer is a table or a failure, with the rules of the markets and without."""
    question = decode_question(data)
    expect(decode_question(encode_question(question)) == question or "nan" in repr(question), "another question")
    asyncio.run(_answered(question, data))


async def _answered(question: Question, data: bytes) -> None:
    rules = ReadRules(_CALENDAR, ("1m", "5m", "1d"))
    for each in (None, rules):
        try:
            await answer_question(Watched(), question, each)
        except ApplicationError as error:
            expect(len(str(error)) < 1_000, f"an error of {len(str(error))} characters")
    found = await answer(Watched(), data, rules)
    try:
        decode_answer(found)
    except AnswerError as error:
        expect(error.failure.code != "INTERNAL", f"a fault of ours: {error.failure.message}")


def _seeds() -> list[bytes]:
    made = []
    for name, kind in QUESTIONS.items():
        for text in ("ru1901", "1m"):
            plain = example(kind, number=100, text=text)
            plain |= {
                key: value
                for key, value in (
                    ("ts_from", _T0),
                    ("ts_to", _T0 + 10**12),
                    ("from_day", "20181008"),
                    ("to_day", "2018-10-09"),
                    ("interval", "1m"),
                    ("kind", "tick"),
                    ("venue", "shfe"),
                    ("fields", []),
                    ("made_of", ""),
                    ("cause", ""),
                    ("levels", 2),
                    ("after", None),
                    ("as_of", None),
                    ("before", None),
                    ("at", None),
                )
                if key in plain
            }
            if "after" in plain and name == "records":
                made.append(plain | {"kind": "bar", "after": [_T0, 1, "shfe", "1m"], "as_of": _T0})
            made.append(plain)
        made.append({"method": name, **{each: "ru*" for each in ("symbol",) if each in kind.__struct_fields__}})
    return [each for plain in made if (each := _as_question(plain))]


def _as_question(plain: dict[str, Any]) -> bytes:
    data = msgspec.msgpack.encode(plain)
    try:
        decode_question(data)
    except ValueError:
        return b""
    return data


# -- texts inside statements ---------------------------------------------------------------------------------------


def _literal(data: bytes) -> None:
    """A text between quotes, and as a parameter, is read by the engine's rules as itself."""
    text = text_of(data)
    expect(_unquoted(f"'{quoted(text)}'") == text, "a text between quotes is another one, or ends before its end")
    expect(_unescaped(parameter(text)) == text.replace("\0", ""), "a parameter is another text")


def _unquoted(literal: str) -> str | None:
    """What a string literal of ClickHouse stands for; None where it ends earlier."""
    out, at = [], 1
    while at < len(literal) - 1:
        if literal[at] == "'":
            return None
        if literal[at] == "\\":
            at += 1
        out.append(literal[at])
        at += 1
    return "".join(out) if at == len(literal) - 1 else None


def _unescaped(value: str) -> str:
    out, at = [], 0
    signs = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    while at < len(value):
        if value[at] == "\\":
            at += 1
            out.append(signs[value[at]])
        else:
            out.append(value[at])
        at += 1
    return "".join(out)


TARGETS = (
    Target(
        "question",
        _question,
        (ValueError,),
        _seeds,
        mutated_msgpack,
        frozenset({*(f"question:{name}" for name in QUESTIONS)}),
    ),
    Target(
        "sql-literal",
        _literal,
        (),
        lambda: [b"", b"a'b", b"\\", b"\\'", "螺纹'; DROP TABLE x; --".encode(), b"\t\n\r\0"],
    ),
)

__all__ = ["TARGETS", "Coverage", "QualityOverview", "check_statement"]
