"""Which backups stay, and which objects go: of any history, nothing that is still needed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_adapters.cold.folder import FolderStore
from marketprism_application.backups.catalogue import BackupCatalogue, begun_of, new_id
from marketprism_application.backups.retention import KeepRules, staying, unnamed
from marketprism_application.contracts.backup_records import BackupManifest, SealedObject, TablePart
from marketprism_application.errors import BackupDamaged, BackupError
from marketprism_domain.errors import InvalidValue

DAY = 86_400 * 10**9
FIRST = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 10**9

RULES = st.builds(
    lambda daily, weekly, monthly: KeepRules(daily=daily, weekly=weekly, monthly=monthly),
    st.integers(1, 10),
    st.integers(0, 6),
    st.integers(0, 14),
)
HISTORIES = st.lists(st.integers(0, 500 * 24), min_size=1, max_size=60, unique=True).map(
    lambda hours: {f"b{hour:05d}": FIRST + hour * DAY // 24 for hour in hours}
)


def manifest_of(backup: str, begun: int, objects: list[str]) -> BackupManifest:
    parts = tuple(TablePart("t", each, 1, "d", SealedObject(each, 3)) for each in objects)
    return BackupManifest(backup, "1", 10, "s", "chdb", begun, begun, (), {}, parts)


@given(HISTORIES, RULES)
def test_the_newest_stays_and_of_each_span_its_newest(begun: dict[str, int], rules: KeepRules) -> None:
    stay = staying(begun, rules)
    newest = max(begun, key=lambda each: begun[each])
    assert newest in stay
    days: dict[object, list[str]] = {}
    for each in sorted(begun, key=lambda each: begun[each]):
        days.setdefault(datetime.fromtimestamp(begun[each] / 1e9, UTC).date(), []).append(each)
    last_days = [names[-1] for _, names in sorted(days.items())][-rules.daily :]
    assert set(last_days) <= stay
    assert len(stay) <= rules.daily + rules.weekly + rules.monthly
    assert staying({each: begun[each] for each in stay}, rules) == stay  # doing it again deletes nothing


@given(st.data(), HISTORIES, RULES)
def test_an_object_that_a_set_names_which_stays_never_goes(
    data: st.DataObject, begun: dict[str, int], rules: KeepRules
) -> None:
    names = [f"{number:02x}" for number in range(20)]
    manifests = [
        manifest_of(each, begun[each], data.draw(st.lists(st.sampled_from(names), max_size=8))) for each in begun
    ]
    stay = staying(begun, rules)
    left = [manifest for manifest in manifests if manifest.id in stay]
    paths = [SealedObject(name, 3).path for name in names]
    gone = set(unnamed(paths, left))
    needed = {stored.path for manifest in left for stored in manifest.objects}
    assert not gone & needed
    assert gone | needed == set(paths)


async def at_place(place: Path, ages: list[int], now: int) -> tuple[BackupCatalogue, list[str]]:
    """A place with a backup of each age in days; each names an object of its own and one of all."""
    place.mkdir()
    clock = [now]
    catalogue = BackupCatalogue(FolderStore(place, "backup"), lambda: clock[0])
    ids = []
    await catalogue.place.write("objects/all.age", b"xxx")
    for age in sorted(ages, reverse=True):
        clock[0] = now - age * DAY
        backup = await catalogue.begin()
        await catalogue.place.write(f"objects/own{age}.age", b"xxx")
        await catalogue.finish(manifest_of(backup, clock[0], ["all", f"own{age}"]))
        ids.append(backup)
    clock[0] = now
    return catalogue, ids


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=8, unique=True), RULES)
def test_at_a_place_every_backup_that_stays_has_all_its_objects(
    tmp_path_factory: pytest.TempPathFactory, ages: list[int], rules: KeepRules
) -> None:
    async def work() -> None:
        catalogue, ids = await at_place(tmp_path_factory.mktemp("place") / "p", ages, FIRST + 400 * DAY)
        planned = await catalogue.prune(rules, dry_run=True)
        assert await catalogue.ids() == ids
        pruned = await catalogue.prune(rules)
        assert pruned == planned
        there, left = await catalogue.objects(), await catalogue.ids()
        assert set(left) | set(pruned.sets) == set(ids)
        assert ids[-1] in left
        for backup in left:
            assert all(stored.path in there for stored in (await catalogue.read(backup)).objects)
        assert len(there) == 1 + len(left)

    asyncio.run(work())


async def test_while_a_backup_is_made_nothing_is_swept(tmp_path: Path) -> None:
    now = FIRST + 400 * DAY
    catalogue, _ = await at_place(tmp_path / "p", [0, 3, 200], now)
    await catalogue.place.write("objects/new.age", b"xxx")  # of a backup that another process makes
    other = new_id(now - DAY // 2)
    await catalogue.place.write(f"backups/{other}/begun", b"")
    pruned = await catalogue.prune(KeepRules(daily=1, weekly=0, monthly=0))
    assert (len(pruned.sets), pruned.objects, pruned.waiting) == (2, 0, other)
    assert "objects/new.age" in await catalogue.objects()
    await catalogue.place.remove(f"backups/{other}/begun")
    await catalogue.place.write(f"backups/{new_id(now - 2 * DAY)}/begun", b"")  # of one that was killed two days ago
    pruned = await catalogue.prune(KeepRules(daily=1, weekly=0, monthly=0))
    assert (pruned.objects, pruned.waiting) == (3, "")
    assert await catalogue.unfinished() == []
    assert set(await catalogue.objects()) == {"objects/all.age", "objects/own0.age"}


async def test_a_manifest_that_cannot_be_read_may_name_anything(tmp_path: Path) -> None:
    catalogue, ids = await at_place(tmp_path / "p", [0, 3], FIRST + 400 * DAY)
    path = tmp_path / "p" / "backups" / ids[0] / "manifest.json"
    path.write_bytes(path.read_bytes()[:-40])
    before = await catalogue.objects()
    with pytest.raises(BackupDamaged, match=rf"backup {ids[0]}: expected a whole manifest"):
        await catalogue.prune(KeepRules(daily=1))
    assert await catalogue.objects() == before
    newest = await catalogue.newest()
    assert newest is not None
    assert newest.id == ids[1]


async def test_one_that_took_too_long_or_lacks_an_object_is_not_finished(tmp_path: Path) -> None:
    now = [FIRST]
    (tmp_path / "p").mkdir()
    catalogue = BackupCatalogue(FolderStore(tmp_path / "p"), lambda: now[0])
    backup = await catalogue.begin()
    with pytest.raises(BackupError, match=r"expected objects/aa\.age at .*, it is not there"):
        await catalogue.finish(manifest_of(backup, FIRST, ["aa"]))
    now[0] += 2 * DAY
    with pytest.raises(BackupError, match="expected to be made within 24 h"):
        await catalogue.finish(manifest_of(backup, FIRST, []))
    assert (await catalogue.ids(), await catalogue.unfinished()) == ([], [backup])


def test_ids_are_in_the_order_of_time_and_say_it() -> None:
    times = [FIRST + number * 37_000_000 for number in range(100)]
    ids = [new_id(each) for each in times]
    assert ids == sorted(ids)
    assert [begun_of(each) for each in ids] == times
    assert begun_of("something") == 0


def test_rules_name_what_is_wrong() -> None:
    with pytest.raises(InvalidValue, match="daily"):
        KeepRules(daily=0)
    assert msgspec.to_builtins(KeepRules()) == {"daily": 7, "weekly": 4, "monthly": 12}
