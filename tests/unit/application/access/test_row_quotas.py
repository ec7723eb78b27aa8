"""Rows a day: counted over instances without a write for a request, and anew each day."""

from __future__ import annotations

import pytest

from marketprism_adapters.memory.access_store import MemoryAccess, MemoryAccessStore
from marketprism_application.access.principal import Principal, RowQuota
from marketprism_application.access.refusals import QuotaSpent
from marketprism_application.access.rights import of_key, of_user
from marketprism_application.access.row_quotas import RowQuotas
from marketprism_application.contracts.access_records import ApiKey, RowCount, User
from marketprism_application.errors import StoreError

DAY_NS = 86_400 * 10**9
ANN = Principal("user", "ann", frozenset(), quotas=(RowQuota("user-ann", 100),))


class Clock:
    def __init__(self) -> None:
        self.now = 20_000 * DAY_NS + DAY_NS // 2

    def __call__(self) -> int:
        return self.now


async def test_instances_count_together_and_write_what_has_changed() -> None:
    place, clock = MemoryAccess(), Clock()
    one, other = (RowQuotas(MemoryAccessStore(place), name, clock) for name in ("api-1", "api.2 x"))
    forgets = one.start(), other.start()
    one.take(ANN, 60)
    other.take(ANN, 30)
    assert (one.used("user-ann"), other.used("user-ann")) == (60, 30)
    before = place.revision
    await one.write()
    await one.write()
    await other.write()
    assert place.revision == before + 2
    assert (one.used("user-ann"), other.used("user-ann")) == (90, 90)
    for _ in range(50):
        one.take(ANN, 0)
    one.take(ANN, 5)
    one.take(ANN, 5)
    await one.write()
    assert place.revision == before + 3
    for each in (one, other):
        with pytest.raises(QuotaSpent, match=r"at most 100 a day \(UTC\) for user-ann") as spent:
            each.check(ANN)
        assert (spent.value.code, spent.value.retry_s, spent.value.retryable) == ("QUOTA", 43_200, False)
    left = one.allowance(ANN)
    assert left is not None
    assert (left.remaining, left.reset_s) == (0, 43_200)
    late = RowQuotas(MemoryAccessStore(place), "api-3", clock)
    late.start()
    assert late.used("user-ann") == 100
    clock.now += DAY_NS
    assert [each.used("user-ann") for each in (one, other, late)] == [0, 0, 0]
    one.check(ANN)
    one.take(ANN, 1)
    await one.write()
    assert other.used("user-ann") == 1
    clock.now += DAY_NS - DAY_NS // 2  # midnight, and another clock was there already
    early = Clock()
    early.now = clock.now
    clock.now -= 1
    quick = RowQuotas(MemoryAccessStore(place), "api-4", early)
    quick.take(ANN, 11)
    await quick.write()
    assert one.used("user-ann") == 1
    clock.now += 1
    assert one.used("user-ann") == 11
    forgets[0]()


async def test_what_cannot_be_written_is_written_later_and_what_was_lost_is_written_anew() -> None:
    place, clock = MemoryAccess(), Clock()
    quotas, other = (RowQuotas(MemoryAccessStore(place), name, clock) for name in ("api-1", "api-2"))
    other.start()
    quotas.take(ANN, 7)
    place.away = StoreError("away", retryable=True)
    with pytest.raises(StoreError):
        await quotas.write()
    place.away = None
    await quotas.write()
    assert other.used("user-ann") == 7
    place.records.clear()  # the bucket is a new one
    quotas.take(ANN, 1)
    await quotas.write()
    await quotas.write()
    (record,) = (found for found, _ in place.records.values())
    assert isinstance(record, RowCount)
    assert record.rows == 8


def test_whose_rows_are_counted() -> None:
    ann = User(id="ann", roles=("quant",))
    plain, narrow, own = (
        ApiKey(id="k001", owner="ann", digest=b"", **more) for more in ({}, {"rows_per_day": 5}, {"limits": "bulk"})
    )  # type: ignore[arg-type]
    of_owner = RowQuota("user-ann", 500_000_000)
    assert of_user(ann, lambda _: None).quotas == of_key(plain, ann, lambda _: None).quotas == (of_owner,)
    assert of_key(narrow, ann, lambda _: None).quotas == (of_owner, RowQuota("key-k001", 5))
    assert of_key(own, ann, lambda _: None).quotas == (RowQuota("key-k001", 5_000_000_000),)
    less = User(id="ann", roles=("quant",), rows_per_day=9)
    assert of_user(less, lambda _: None).quotas == (RowQuota("user-ann", 9),)
