"""Every error that an engine can give, at every call of the store: tried again, or a dead row that can be redriven."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pytest
from chdb import session

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.sql.engine_errors import ROW_CODES, store_error
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import GAP, DataKind
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import RowError, StoreError
from marketprism_application.ports.storage import DeadRow, EncodedRows, StreamPlace, StreamRange
from marketprism_application.storage.inserter import Inserter
from marketprism_application.storage.redriving import LetterKey, redrive
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, tick

TICKS = [tick(at("2025-03-03 09:00:00") + n * 10**9, 100, n + 1)._replace(seq=n + 1) for n in range(6)]


def codes() -> dict[int, str]:
    """The engine's own table of errors."""
    engine = session.Session()
    try:
        text = engine.query(
            "SELECT number, errorCodeToName(toInt32(number)) AS name FROM numbers(1, 1200) WHERE name != ''", "CSV"
        ).bytes()
    finally:
        engine.close()
    return {int(n): name for n, name in re.findall(r'(\d+),"(\w+)"', text.decode())}


@pytest.fixture(scope="module")
def errors() -> dict[int, str]:
    return codes()


class Message(NamedTuple):
    subject: str
    seq: int
    data: bytes


class Failing:
    """A store whose calls fail as `plan` says; what it did before and after is that of a store in memory."""

    def __init__(self, plan: Callable[[str, Sequence[Any]], StoreError | Exception | None]) -> None:
        self.store = MemoryStore()
        self._plan = plan

    def _fail(self, call: str, rows: Sequence[Any]) -> None:
        error = self._plan(call, rows)
        if error is not None:
            raise error

    async def migrate(self) -> Sequence[str]:
        self._fail("migrate", ())
        return ["0001"]

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        self._fail("insert", rows)
        return await self.store.insert(kind, rows, places, covered, epoch)

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        self._fail("insert_encoded", [row for group in groups for row in group.rows])
        return await self.store.insert_encoded(kind, groups, covered, epoch)

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        self._fail("insert_columns", rows.to_pylist())
        return await self.store.insert_columns(kind, rows, seq, covered, epoch)

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        self._fail("bury", dead)
        await self.store.bury(dead)

    async def close(self) -> None:
        return None


async def at_once(_: float) -> None:
    return None


PACKED = Message("market.packed.1", 7, encode_packed(Packed(PACKED_VERSION, "x", 0, 0, tuple(TICKS))))
GAP_MESSAGE = Message("market.gap.shfe.rb2505", 8, encode(GAP, SAMPLES["gap"]))
BROKEN = Message("market.packed.1", 9, b"nonsense")
RANGE = StreamRange("S", "2025", 7, 9)


def one_tick(seq: int) -> Message:
    data = encode_packed(Packed(PACKED_VERSION, "x", 0, 0, (TICKS[0]._replace(seq=seq),)))
    return Message("market.packed.1", seq, data)


async def stored(store: MemoryStore) -> int:
    return (await store.answer(Records("tick", "rb2505"))).num_rows


@pytest.mark.parametrize("call", ["insert", "insert_encoded", "bury", "migrate"])
async def test_every_error_of_the_engine_once_at_every_call_loses_nothing(call: str, errors: dict[int, str]) -> None:
    assert len(errors) > 500
    for number, name in errors.items():
        once = [store_error(f"Code: {number}. DB::Exception: something. ({name})")]
        retries: list[str] = []
        world = Failing(lambda at_call, _, once=once: once.pop() if once and at_call == call else None)
        inserter = Inserter("S", world, lambda _a, _p, reason, heard=retries: heard.append(reason), at_once)
        if call == "migrate":
            assert await inserter.until_done(world.migrate, whatever=True) == ["0001"]
        else:
            assert await inserter.insert([PACKED, GAP_MESSAGE, BROKEN], RANGE, 1) == (7, 1), name
            assert await stored(world.store) == 6, name
            assert set(world.store.dead) == {("S", 9, 0)}, name
        row = number in ROW_CODES and call in ("insert", "insert_encoded")
        assert bool(retries) is not row, f"{name} was to be tried again, and told"


async def test_only_what_is_said_of_a_value_is_of_the_row(errors: dict[int, str]) -> None:
    assert {number: errors.get(number) for number in ROW_CODES} == ROW_CODES
    for number in (16, 60, 81, 164, 201, 241, 242, 243, 252, 319, 439, 473, 492, 497, 999, 100_000, 0):
        for text in (f"Code: {number}. DB::Exception: x", "x"):
            error = store_error(text, number)
            assert not isinstance(error, RowError), (number, text)
    assert isinstance(store_error("Code: 44. DB::Exception: Cannot insert MessagePack integer into column"), RowError)
    assert not isinstance(store_error("Code: 44. DB::Exception: Cannot insert column of type Object"), RowError)
    assert "disk is full" in str(store_error("Code: 243. DB::Exception: Cannot reserve 1 MiB, not enough space"))


async def test_a_row_that_is_always_refused_is_dead_with_all_that_its_redrive_needs(errors: dict[int, str]) -> None:
    for number in ROW_CODES:
        mended: list[bool] = []

        def plan(
            call: str, rows: Sequence[Any], number: int = number, mended: list[bool] = mended
        ) -> StoreError | None:
            if mended or call == "bury":
                return None
            seqs = [msgspec.msgpack.decode(row)[4] if call == "insert_encoded" else row.seq for row in rows]
            return store_error(f"Code: {number}. DB::Exception: no") if 4 in seqs else None

        world = Failing(plan)
        assert await Inserter("S", world, lambda *_: None, at_once).insert([PACKED], RANGE, 1) == (6, 1)
        assert await stored(world.store) == 5
        (dead,) = world.store.dead.values()
        assert (dead.seq, dead.offset, dead.kind) == (7, 3, "tick")
        assert await redrive(dead, world, world.store, 1) == f"store: Code: {number}. DB::Exception: no"
        assert await world.store.count() == 1
        mended.append(True)
        for _ in range(2):
            assert await redrive(dead, world, world.store, 1) == ""
        assert (await stored(world.store), await world.store.count()) == (6, 0)


async def test_many_refused_rows_are_the_tables_fault_and_wait_for_its_mending() -> None:
    ticks = [t._replace(seq=n, ts_event=t.ts_event + n) for n, t in enumerate(TICKS * 5)]
    message = Message("market.packed.1", 7, encode_packed(Packed(PACKED_VERSION, "x", 0, 0, tuple(ticks))))
    told: list[str] = []
    wrong = True

    def plan(call: str, rows: Sequence[Any]) -> StoreError | None:
        return store_error("Code: 53. DB::Exception: TYPE_MISMATCH") if wrong and call != "bury" else None

    async def mended(_: float) -> None:
        nonlocal wrong
        wrong = len(told) < 3

    world = Failing(plan)
    inserter = Inserter("S", world, lambda _a, _p, reason: told.append(reason), mended)
    assert await inserter.insert([message], RANGE, 1) == (30, 0)
    assert (await stored(world.store), world.store.dead) == (30, {})
    assert all("more than 10 rows refused at once" in reason and "TYPE_MISMATCH" in reason for reason in told)


async def test_a_table_that_refuses_row_after_row_in_small_ranges_is_noticed_as_well() -> None:
    told: list[Any] = []

    def plan(call: str, rows: Sequence[Any]) -> StoreError | None:
        return store_error("Code: 53. DB::Exception: no") if call != "bury" else None

    class Enough(Exception):
        pass

    async def stop(_: float) -> None:
        raise Enough

    inserter = Inserter("S", Failing(plan), lambda *heard: told.append(heard), stop)
    for seq in range(10):
        assert await inserter.insert([one_tick(seq)], StreamRange("S", "2025", seq, seq), 1) == (1, 1)
    with pytest.raises(Enough):
        await inserter.insert([one_tick(10)], StreamRange("S", "2025", 10, 10), 1)
    assert len(told) == 1


async def test_what_nobody_has_thought_of_is_told_and_tried_again() -> None:
    left: list[Exception] = [RuntimeError("library"), TimeoutError(), OSError(28, "No space left on device")]
    told: list[str] = []
    world = Failing(lambda call, _: left.pop() if left else None)
    rows, dead = await Inserter("S", world, lambda _a, _p, why: told.append(why), at_once).insert([PACKED], RANGE, 1)
    assert (rows, dead, await stored(world.store)) == (6, 0, 6)
    assert told[-1] == "RuntimeError: library"


def test_a_letter_is_named_by_what_can_be_typed() -> None:
    key = LetterKey("MARKET_TICKS", 12, 3)
    assert (str(key), LetterKey.parse(str(key))) == ("MARKET_TICKS:12.3", key)
    assert LetterKey.parse("MARKET_TICKS:12") == LetterKey("MARKET_TICKS", 12, 0)
    assert [LetterKey.parse(text) for text in ("17", "x", ":1", "S:1.x", "S:")] == [None] * 5


async def test_the_answer_behind_one_that_failed_while_it_was_made_is_whole(tmp_path: Path) -> None:
    engine = await ChdbEngine.open(tmp_path)
    try:
        for _ in range(3):
            with pytest.raises(StoreError, match="throwIf"):
                await engine.fetch("SELECT throwIf(number = 50) FROM numbers(100)")
            assert (await engine.fetch("SELECT number FROM numbers(3)")).num_rows == 3
    finally:
        await engine.close()
