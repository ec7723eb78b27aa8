"""An answer says where its rows lay, whatever was made of them on the way."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from marketprism_application.contracts.questions import (
    EncodedAnswer,
    Records,
    StoreQuestion,
    Symbols,
    continued,
    decode_answer,
    encode_answer,
    encode_question,
    next_of,
)
from marketprism_application.contracts.tiers import Tiers, joined, tiers_of, with_tiers
from marketprism_application.queries.answering import answer
from marketprism_application.queries.tier_notes import NotedReader

ROWS = pa.table({"ts_event": [1, 2]})
COLD = Tiers(5, ("market_ticks 20250303",))


def test_where_rows_lay_travels_with_the_answer_and_beside_what_else_it_says() -> None:
    sent = encode_answer(continued(with_tiers(ROWS, COLD), (2, 7)))
    found = decode_answer(sent)
    assert (tiers_of(found), next_of(found)) == (COLD, (2, 7))
    assert tiers_of(EncodedAnswer.of(sent)) == COLD
    assert found.equals(ROWS)
    assert EncodedAnswer.of(sent).bare() == encode_answer(ROWS)


def test_an_answer_of_a_store_without_an_archive_says_nothing() -> None:
    assert tiers_of(ROWS) is None
    assert with_tiers(ROWS, None) is ROWS
    assert joined((None, None)) is None


def test_answers_that_were_made_of_several_name_every_unit_once() -> None:
    other = Tiers(9, ("market_bars 202503", "market_ticks 20250303"))
    assert joined((COLD, None, other)) == Tiers(9, ("market_bars 202503", "market_ticks 20250303"))
    assert COLD.shown() == {"cold_units": 1, "cold_until": 5}


async def test_a_noted_reader_hands_on_what_it_gets_and_marks_what_is_made_of_it() -> None:
    class Store:
        async def answer(self, question: StoreQuestion) -> pa.Table:
            return with_tiers(ROWS, COLD) if isinstance(question, Records) else ROWS

    noted = NotedReader(Store())
    assert tiers_of(noted.mark(ROWS)) is None
    assert (await noted.answer(Symbols())).equals(ROWS)
    await noted.answer(Records("tick", "ru1901"))
    assert tiers_of(noted.mark(pa.table({"made": [3]}))) == COLD
    found = decode_answer(await answer(Store(), encode_question(Records("tick", "ru1901"))))
    assert tiers_of(found) == COLD
    assert msgspec.json.decode(found.schema.metadata[b"tiers"]) == [5, ["market_ticks 20250303"]]
