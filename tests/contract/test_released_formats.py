"""What the version before wrote is read as it was meant, and what this one writes it can read; a newer one is named.

`tests/golden/released.json` is made of an older tree: `python -m tests.support.released_formats record TREE COMMIT`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgpack
import msgspec
import pytest

from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.topology import NEWEST_MIGRATION, OLDEST_MIGRATION, Topology
from marketprism_application.contracts.codec import ContractError, NewerVersion, decode, encode, to_row
from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.contracts.packed import decode_for_bars, decode_packed, split_packed
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import NewerFormat
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.streams import CHECKPOINT_VERSION, Checkpoint
from marketprism_sdk.streams._stage_types import is_checkpoint, newer_checkpoint, taken_over
from marketprism_services.platform.formats import differences, formats
from tests.support.released_formats import GOLDEN, codecs, unread, written

RELEASED: dict[str, str] = json.loads(GOLDEN.read_text())
NAMES = sorted(RELEASED.keys() - {"commit"})


def test_what_the_version_before_wrote_is_read_as_it_was_meant() -> None:
    assert set(NAMES) <= codecs().keys()
    assert unread(RELEASED) == {}


def _shape(value: Any) -> Any:
    """Types, names of maps and lengths of arrays, without values."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else type(value)


def _lacks(old: Any, new: Any, at: str = "") -> list[str]:
    """What an older reader would miss: maps may have got names, everything else is of the same form."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = [f"{at}.{name}" for name in old.keys() - new.keys()]
        return found + [
            text for name in old.keys() & new.keys() for text in _lacks(old[name], new[name], f"{at}.{name}")
        ]
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{at}: {len(old)} values, now {len(new)}"]
        return [
            text for number, pair in enumerate(zip(old, new, strict=True)) for text in _lacks(*pair, f"{at}[{number}]")
        ]
    return [] if old == new else [f"{at}: {old}, now {new}"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_now_has_everything_that_the_version_before_reads(name: str) -> None:
    old, new = (base64.b64decode(samples[name]) for samples in (RELEASED, written()))
    if name.startswith("rpc."):
        assert (
            _lacks(
                *(
                    _shape(msgspec.json.decode(each) if each[:1] in b"{[" else msgpack.unpackb(each))
                    for each in (old, new)
                )
            )
            == []
        )
    else:
        assert _lacks(*(_shape(msgpack.unpackb(each, strict_map_key=False)) for each in (old, new))) == []


def test_an_older_reader_is_told_from_a_newer_one_by_what_is_missing() -> None:
    assert _lacks({"a": int}, {"a": int, "b": str}) == []
    assert _lacks({"a": int, "b": str}, {"a": int}) == [".b"]
    assert _lacks([int], [int, int]) == [": 1 values, now 2"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_message_of_a_newer_version_is_named_and_one_with_more_fields_is_read(kind: DataKind) -> None:
    message = msgpack.unpackb(base64.b64decode(written()[f"message.{kind.name}"]))
    with_more = decode(kind, msgpack.packb({**message, "of_a_newer_minor_version": 1}))
    assert encode(kind, with_more) == base64.b64decode(written()[f"message.{kind.name}"])
    for newer in ({**message, "v": kind.version + 1}, {"v": kind.version + 1, "another": "form"}):
        for read in (decode, to_row):
            with pytest.raises(NewerVersion, match=f"{kind.name} message: expected version {kind.version}, was"):
                read(kind, msgpack.packb(newer))


def test_packed_ticks_of_a_newer_version_are_named_whatever_stands_behind_their_head() -> None:
    packed = msgpack.unpackb(base64.b64decode(written()["packed"]))
    for newer in ([2, *packed[1:]], [2, *packed[1:], "more"], [2, *packed[1:4], {"another": "form"}]):
        for read in (decode_packed, decode_for_bars, split_packed):
            with pytest.raises(NewerVersion, match="packed message: expected version 1, was 2"):
                read(msgpack.packb(newer))


def test_damage_that_claims_a_newer_version_is_damage() -> None:
    """Nobody waits for a program that reads it: a partition would stand for ever."""
    packed = msgpack.unpackb(base64.b64decode(written()["packed"]))
    for damaged in ([2, {"another": "form"}], [2], [99, *packed[1:]], [2, 7, *packed[2:]], [0, *packed[1:]]):
        for read in (decode_packed, decode_for_bars, split_packed):
            with pytest.raises(ContractError) as refused:
                read(msgpack.packb(damaged))
            assert not isinstance(refused.value, NewerVersion), damaged


def test_a_checkpoint_of_a_newer_version_is_not_passed_over_and_not_gone_on_from() -> None:
    own = msgspec.msgpack.decode(base64.b64decode(written()["checkpoint"]), type=Checkpoint)
    for newer in (msgspec.structs.replace(own, v=CHECKPOINT_VERSION + 1), {"v": CHECKPOINT_VERSION + 1, "place": 99}):
        data = msgspec.msgpack.encode(newer)
        assert is_checkpoint(data)
        assert newer_checkpoint(data) == CHECKPOINT_VERSION + 1
        last = StoredMessage("stage.validator.3.ck", 9, data)
        with pytest.raises(NewerFormat, match="partition 3: expected a checkpoint of version 1 at most, was 2"):
            taken_over(3, 99, "b", lambda _n, _e: None, last)  # type: ignore[arg-type, return-value]
    assert not newer_checkpoint(msgspec.msgpack.encode(own))


def test_the_table_of_formats_has_what_is_written() -> None:
    assert (found := formats())["tables"] == MIGRATIONS[-1].number == NEWEST_MIGRATION
    assert found.keys() >= {f"message.{name}" for name in KINDS}
    assert differences({"packed": 1, "tables": 13, "ours": 1}, {"packed": 2, "tables": 13, "theirs": 4}) == [
        ("packed", 1, 2)
    ]


@pytest.mark.parametrize("number", [OLDEST_MIGRATION - 1, NEWEST_MIGRATION + 1, -1])
def test_a_migration_that_cannot_be_held_back_at_is_refused_by_name(number: int) -> None:
    with pytest.raises(InvalidValue, match=r"store.schema_at_most: expected 0 or 12 to 13, was"):
        Topology(schema_at_most=number)
