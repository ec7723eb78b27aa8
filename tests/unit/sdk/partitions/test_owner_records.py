"""Who owns what as one member sees it, record by record, and pauses after take-overs that failed."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_sdk.partitions import OwnerRecord, ShardClaimed
from marketprism_sdk.partitions._owners import OWNER_PREFIX, Owners, partition_of_key
from marketprism_sdk.partitions._takeovers import Retries
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import ManualClock, MemoryKeyValue

LEASE_S = 2.0


def test_what_is_told_of_a_claim_names_nobody_that_was_replaced_without_being_told() -> None:
    assert (ShardClaimed("m", 1, 2).replaced, OwnerRecord("m", 1).state) == ("", "held")


def entry(partition: int, revision: int, holder: str = "a", epoch: int = 1, state: str = "held") -> KvEntry:
    return KvEntry(f"{OWNER_PREFIX}{partition}", msgspec.msgpack.encode(OwnerRecord(holder, epoch, state)), revision)


class View:
    """Owners with what they asked for."""

    def __init__(self) -> None:
        self.kv, self.clock, self.changes = MemoryKeyValue(), ManualClock(), 0
        self.owners = Owners(self.kv, "m", self.clock, LEASE_S, self._changed)

    def _changed(self) -> None:
        self.changes += 1


@pytest.mark.parametrize(
    ("key", "partition"),
    [
        (f"{OWNER_PREFIX}0", 0),
        (f"{OWNER_PREFIX}12", 12),
        (f"{OWNER_PREFIX}999999999", 999_999_999),
        (f"{OWNER_PREFIX}9999999999", None),
        (f"{OWNER_PREFIX}٣", None),
        (f"{OWNER_PREFIX}²", None),
        (f"{OWNER_PREFIX}-1", None),
        (f"{OWNER_PREFIX}", None),
        (f"{OWNER_PREFIX}x", None),
        ("12", None),
    ],
)
def test_a_key_names_a_partition_by_plain_digits(key: str, partition: int | None) -> None:
    assert partition_of_key(key) == partition


async def test_a_record_that_is_not_newer_or_deleted_or_the_same_changes_nothing() -> None:
    view = View()
    view.owners.hint(entry(1, 5, "a"))
    assert view.changes == 1
    view.owners.hint(entry(1, 5, "b"))
    view.owners.hint(entry(1, 4, "b"))
    view.owners.hint(KvEntry(f"{OWNER_PREFIX}1", b"", 9, deleted=True))
    view.owners.hint(KvEntry("elsewhere", b"", 9))
    assert view.owners.of(1) == OwnerRecord("a", 1)
    view.owners.hint(entry(1, 6, "a"))
    assert view.changes == 1
    view.owners.hint(KvEntry(f"{OWNER_PREFIX}1", b"no record", 7))
    assert (view.owners.of(1), view.changes) == (OwnerRecord("", 0, "released"), 2)


async def test_what_is_older_than_the_view_is_believed_after_some_leases_and_no_sooner() -> None:
    view = View()
    view.owners.hint(entry(1, 8, "a"))
    view.owners.hint(entry(2, 9, "a"))
    for _ in range(5):
        view.owners.reset([entry(1, 3, "b")])
        await view.clock.advance(LEASE_S)
    assert (view.owners.of(1), view.owners.of(2)) == (OwnerRecord("a", 1), OwnerRecord("a", 1))
    await view.clock.advance(0.1)
    view.owners.reset([entry(1, 3, "b")])
    assert (view.owners.of(1), view.owners.of(2)) == (OwnerRecord("b", 1), None)
    assert view.changes == 4
    view.owners.hint(entry(1, 4, "c"))
    assert view.owners.of(1) == OwnerRecord("c", 1)


@pytest.mark.parametrize("by", ["a reading", "a hint"])
async def test_one_reading_that_is_as_new_as_the_view_ends_the_doubt(by: str) -> None:
    view = View()
    view.owners.hint(entry(1, 8, "a"))
    view.owners.reset([entry(1, 3, "b")])
    await view.clock.advance(4 * LEASE_S)
    if by == "a reading":
        view.owners.reset([entry(1, 8, "a")])
    else:
        view.owners.hint(entry(1, 9, "a"))
    await view.clock.advance(3 * LEASE_S)
    view.owners.reset([entry(1, 3, "b")])
    assert view.owners.of(1) == OwnerRecord("a", 1)


async def test_a_claim_that_somebody_was_faster_with_shows_whose_it_is() -> None:
    view = View()
    assert await view.owners.claim(1, 1)
    assert (view.owners.named(), view.owners.of(1)) == ([1], OwnerRecord("m", 1))
    current = await view.kv.get(f"{OWNER_PREFIX}1")
    assert current is not None
    await view.kv.put(current.key, msgspec.msgpack.encode(OwnerRecord("b", 2)))
    assert not await view.owners.claim(1, 2)
    assert (view.owners.named(), view.owners.of(1), view.changes) == ([], OwnerRecord("b", 2), 1)
    assert not await view.owners.release(1)
    assert await view.owners.claim(1, 3)
    assert await view.owners.release(1)
    assert (view.owners.of(1), view.owners.named()) == (OwnerRecord("m", 3, "released"), [])
    assert not await view.owners.release(1)
    assert not await view.owners.release(7)


async def test_a_take_over_that_fails_is_tried_again_after_pauses_that_double_up_to_a_second() -> None:
    clock = ManualClock()
    retries = Retries(clock)
    pauses = []
    for _ in range(6):
        retries.failed(3)
        begun = clock.monotonic_s()
        while not retries.due():
            assert retries.waiting() == {3}
            await clock.advance(0.01)
        pauses.append(round(clock.monotonic_s() - begun, 1))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    retries.forget(3)
    assert not retries.due()
    retries.failed(3)
    await clock.advance(0.11)
    assert retries.due()


async def test_pauses_of_partitions_that_are_somebody_elses_are_forgotten() -> None:
    clock = ManualClock()
    retries = Retries(clock)
    for partition in (1, 2, 3):
        retries.failed(partition)
    retries.keep({2})
    assert retries.waiting() == {2}
    await clock.advance(0.2)
    assert (retries.waiting(), retries.due()) == (set(), True)
