"""One table of codes: each error of ours is in it, travels under its code, and comes back as its class."""

from __future__ import annotations

import pyarrow as pa
import pytest

from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.failures import CONSEQUENCES, client_code, consequence_of, http_code
from marketprism_application.contracts.questions import StoreQuestion, Symbols
from marketprism_application.errors import (
    AnswerTooLargeError,
    ApplicationError,
    Code,
    QueryError,
    RowError,
    SchemaError,
    SourceError,
    StoreError,
    UnknownSymbolError,
    error_of,
)
from marketprism_application.queries.answering import answer
from marketprism_services.platform.exits import Exit

ERRORS = (
    ApplicationError,
    SourceError,
    StoreError,
    RowError,
    SchemaError,
    QueryError,
    UnknownSymbolError,
    AnswerTooLargeError,
)


def test_every_code_has_its_consequence() -> None:
    assert set(CONSEQUENCES) == set(Code)
    assert {cls.code for cls in ERRORS} <= set(CONSEQUENCES)
    assert {each.exit for each in CONSEQUENCES.values()} <= set(Exit)
    assert consequence_of("SOMETHING_ELSE") == CONSEQUENCES[Code.INTERNAL]


@pytest.mark.parametrize(
    ("code", "status", "over_http", "to_a_client", "ended"),
    [
        ("INVALID_PARAMETER", 400, "INVALID_PARAMETER", "INVALID_PARAMETER", Exit.USAGE),
        ("UNKNOWN_SYMBOL", 404, "UNKNOWN_SYMBOL", "UNKNOWN_SYMBOL", Exit.FAILED),
        ("RESPONSE_TOO_LARGE", 413, "RESPONSE_TOO_LARGE", "RESPONSE_TOO_LARGE", Exit.USAGE),
        ("TOO_MANY_REQUESTS", 429, "TOO_MANY_REQUESTS", "TOO_MANY_REQUESTS", Exit.STORE),
        ("CHANGED", 412, "CHANGED", "CHANGED", Exit.FAILED),
        ("QUOTA", 429, "QUOTA", "QUOTA", Exit.STORE),
        ("STORE_ERROR", 503, "UNAVAILABLE", "STORE_ERROR", Exit.STORE),
        ("NOT_ACTIVE", 503, "UNAVAILABLE", "UNAVAILABLE", Exit.STORE),
        ("OVERLOADED", 503, "UNAVAILABLE", "UNAVAILABLE", Exit.STORE),
        ("INTERNAL", 503, "UNAVAILABLE", "INTERNAL", Exit.STORE),
        ("OUT_OF_STOCK", 503, "UNAVAILABLE", "OUT_OF_STOCK", Exit.STORE),
    ],
)
def test_what_a_code_means_to_each_side(code: str, status: int, over_http: str, to_a_client: str, ended: Exit) -> None:
    consequence = consequence_of(code)
    assert (consequence.status, http_code(code), client_code(code)) == (status, over_http, to_a_client)
    assert Exit(consequence.exit) is ended


class Failing:
    """A store that cannot."""

    def __init__(self, error: ApplicationError) -> None:
        self._error = error

    async def answer(self, question: StoreQuestion) -> pa.Table:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        QueryError("a"),
        UnknownSymbolError("b"),
        AnswerTooLargeError("g"),
        StoreError("c", retryable=True),
        ApplicationError("d"),
        SourceError("e"),
        error_of("OUT_OF_STOCK", "f", retryable=True),
    ],
)
async def test_an_error_arrives_as_it_left(error: ApplicationError) -> None:
    store = Failing(error)
    with pytest.raises(type(error)) as caught:
        await RemoteReader(lambda data: answer(store, data)).answer(Symbols())
    assert type(caught.value) is type(error)
    assert (caught.value.code, str(caught.value)) == (error.code, str(error))
    assert caught.value.retryable == error.retryable


async def test_an_answer_that_is_none_says_so() -> None:
    async def nonsense(_: bytes) -> bytes:
        return b"\x93nonsense"

    with pytest.raises(StoreError, match="answer: expected an Arrow stream or an error") as caught:
        await RemoteReader(nonsense).answer(Symbols())
    assert caught.value.code == "MALFORMED_REPLY"
