"""A restore: equal digests, and bad input that is refused by name before anything is changed."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import REVISIONS, Topology
from marketprism_adapters.cold.age import new_identity
from marketprism_adapters.cold.folder import FolderStore
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.contracts.backup_records import BackupManifest
from marketprism_application.contracts.kinds import BAR, TICK, TRADE
from marketprism_application.errors import (
    ApplicationError,
    BackupDamaged,
    BackupError,
    BackupMissing,
    ColdStoreError,
    StoreError,
    TargetInUse,
    WrongKey,
)
from marketprism_services.platform import data_contents
from marketprism_services.platform.restoring import RestoreOrder
from marketprism_services.settings.settings import Settings
from tests.integration.archive.test_faults import Spoilt, flip
from tests.support.archive import fill
from tests.support.backups import (
    RECIPIENT,
    SETTINGS,
    BackupScene,
    Heard,
    backed_up,
    broker,
    counted,
    engine_at,
    restored,
    rewritten,
)

NEWEST = MIGRATIONS[-1].number


_made: list[tuple[BackupManifest, Path]] = []


@pytest.fixture
async def made(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BackupCatalogue, BackupManifest, Path]:
    """A finished backup, whose store is closed; and its place. It is made once, and each test has a copy of its own."""
    if not _made:
        path = await asyncio.to_thread(tmp_path_factory.mktemp, "made")
        async with backed_up(path) as scene:
            _made.append((await scene.make(), path / "place"))
    manifest, place = _made[0]
    await asyncio.to_thread(shutil.copytree, place, tmp_path / "place")
    return BackupCatalogue(FolderStore(tmp_path / "place", "backup")), manifest, tmp_path / "place"


def all_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def test_store_streams_and_settings_are_equal_behind_a_restore(tmp_path: Path) -> None:
    async with broker(tmp_path / "nats") as connection:
        streams = NatsStreamCopies(connection)
        async with backed_up(tmp_path, streams=streams) as scene:
            manifest = await scene.make()
            before = await counted(scene.rows)
            again = await scene.make()  # nothing has changed: what there is, is named
    assert manifest.rows == sum(each.rows for each in before.values())
    assert {part.key: (part.rows, part.digest) for part in manifest.parts} == before
    assert again.parts == manifest.parts
    assert all(reused for name, reused in scene.heard.parts[len(before) + 3 :] if " " in name)
    assert again.written_bytes < manifest.written_bytes / 10
    assert [place.watermark for place in manifest.places] == [77]

    report = await restored(tmp_path / "new", scene.catalogue, RestoreOrder())
    assert (report.backup, report.wrong, report.rows, report.compared) == (
        again.id,
        [],
        manifest.rows,
        len(before) + 2 + 1,
    )
    assert report.secret_files == ("MARKETPRISM_X_FILE=/run/secrets/x",)
    assert report.answers["instruments"] == 4
    assert any(name.startswith("statistics of ") for name in report.answers)
    async with engine_at(tmp_path / "new" / "chdb") as engine:
        assert await counted(SqlRowCopies(engine, "chdb")) == before
    assert all_in(tmp_path / "new" / "restored-settings") == SETTINGS
    assert not (tmp_path / ".new.restoring").exists()
    assert not (tmp_path / "new" / data_contents.UNFINISHED).exists()


async def refused(
    kind: type[ApplicationError], words: str, tmp_path: Path, catalogue: BackupCatalogue, **more: object
) -> None:
    """A restore is refused in these words, and leaves nothing."""
    there = await asyncio.to_thread(all_in, tmp_path)
    with pytest.raises(kind, match=words):
        await restored(tmp_path / "new", catalogue, **more)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / ".new.restoring").exists()
    assert await asyncio.to_thread(all_in, tmp_path) == there


async def test_what_is_wrong_with_a_backup_is_named_before_anything_is_written(
    made: tuple[BackupCatalogue, BackupManifest, Path], tmp_path: Path
) -> None:
    catalogue, manifest, place = made
    backup, part = manifest.id, manifest.parts[-1]
    await refused(
        WrongKey, r"identity: expected one of the recipients", tmp_path, catalogue, identity=new_identity()[0]
    )
    await refused(
        BackupMissing, rf"expected one of {backup} at .*, was 'x'", tmp_path, catalogue, order=RestoreOrder("x")
    )
    path = place / part.stored.path
    whole = path.read_bytes()
    for at in (0.01, 0.5, 0.99):
        flip(path, at)
        words = rf"backup {backup}: {part.table} {part.partition}: expected {part.stored.path} with the digest"
        await refused(BackupDamaged, words, tmp_path, catalogue)
        path.write_bytes(whole)
    path.rename(tmp_path / "hidden")
    words = rf"backup {backup}: {part.table} {part.partition}: expected {part.stored.path} at .*, it is not there"
    await refused(BackupDamaged, words, tmp_path, catalogue)
    path.write_bytes(whole[:-1])
    await refused(BackupDamaged, "it is not there as it was", tmp_path, catalogue)
    path.write_bytes(whole)

    manifest_path = place / "backups" / backup / "manifest.json"
    text = manifest_path.read_bytes()
    manifest_path.write_bytes(text[: len(text) // 2])
    latest = RestoreOrder(backup, parts=("store",))
    await refused(BackupDamaged, rf"backup {backup}: expected a whole manifest", tmp_path, catalogue, order=latest)
    await refused(BackupMissing, "expected a finished backup at", tmp_path, catalogue)
    manifest_path.write_bytes(text.replace(b'"product":"1.0"', b'"product":"1.1"', 1))
    await refused(BackupDamaged, "its digest differs", tmp_path, catalogue, order=latest)
    manifest_path.write_bytes(text)
    for change, words in (
        ({"schema": NEWEST + 1}, rf"expected tables up to migration {NEWEST}, was {NEWEST + 1}: version 1\.0 made it"),
        ({"format": 2}, "expected a manifest of format 1 or older, was 2"),
    ):
        await rewritten(place, backup, lambda manifest, change=change: manifest.update(change))  # type: ignore[misc]
        await refused(BackupError, words, tmp_path, catalogue, order=latest)
        manifest_path.write_bytes(text)
    shutil.move(place, tmp_path / "away")
    await refused(ColdStoreError, r"backup .*: expected a folder that is there", tmp_path, catalogue)
    shutil.move(tmp_path / "away", place)
    assert (await restored(tmp_path / "new", catalogue)).good


@pytest.mark.parametrize(
    ("there", "order", "words"),
    [
        ("chdb/x", RestoreOrder(), "expected it to be empty, has chdb"),
        ("something", RestoreOrder(), "expected it to be empty, has something"),
        ("nats/x", RestoreOrder(parts=("nats",)), "has nats"),
        ("restoring", RestoreOrder(parts=("settings",)), "has restoring"),
    ],
)
async def test_a_directory_that_holds_something_is_left_as_it_is(
    made: tuple[BackupCatalogue, BackupManifest, Path], tmp_path: Path, there: str, order: RestoreOrder, words: str
) -> None:
    path = tmp_path / "new" / there
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(TargetInUse, match=words):
        await restored(tmp_path / "new", made[0], order)
    assert all_in(tmp_path / "new") == {there: b"mine"}


async def test_one_part_is_restored_beside_the_others(
    made: tuple[BackupCatalogue, BackupManifest, Path], tmp_path: Path
) -> None:
    (tmp_path / "new" / "nats").mkdir(parents=True)
    (tmp_path / "new" / "nats" / "x").write_bytes(b"mine")
    assert (await restored(tmp_path / "new", made[0], RestoreOrder(parts=("store",)))).good
    assert (tmp_path / "new" / "nats" / "x").read_bytes() == b"mine"
    assert not (tmp_path / "new" / "restored-settings").exists()


async def test_a_restore_that_fails_takes_away_what_it_wrote(
    made: tuple[BackupCatalogue, BackupManifest, Path], tmp_path: Path
) -> None:
    catalogue, manifest, place = made
    await rewritten(place, manifest.id, lambda each: each["tables"]["gaps"]["columns"][0].__setitem__(1, "Nonsense"))  # type: ignore[index]
    with pytest.raises(StoreError):
        await restored(tmp_path / "new", catalogue, RestoreOrder(manifest.id, parts=("store",)))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_directory_whose_restore_was_broken_off_is_not_started(tmp_path: Path) -> None:
    (tmp_path / data_contents.UNFINISHED).write_text("x", encoding="utf-8")
    with pytest.raises(ApplicationError, match="was one whose restore was broken off"):
        data_contents.check_directory(Settings(data_dir=tmp_path))


async def test_what_differs_behind_a_restore_is_named(
    made: tuple[BackupCatalogue, BackupManifest, Path], tmp_path: Path
) -> None:
    catalogue, manifest, place = made

    def other_digest(each: dict[str, object]) -> None:
        parts = each["parts"]
        assert isinstance(parts, list)
        parts[-1]["digest"] = "0" * 32

    await rewritten(place, manifest.id, other_digest)
    report = await restored(tmp_path / "new", catalogue)
    part = manifest.parts[-1]
    assert [each.what for each in report.wrong] == [f"{part.table} {part.partition}"]
    assert not report.good


@pytest.mark.long
async def test_an_older_schema_is_brought_up_to_date_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of a store before later migrations: a new column has its default, and what they make of rows is made."""
    (tmp_path / "place").mkdir()
    async with engine_at(tmp_path / "db") as engine:
        store = SqlStore(engine, Topology(dense_days=0))
        await store.migrate()
        await fill(store, 3, days=2)
        for table in REVISIONS:
            await engine.execute(f"DROP TABLE market.{table} SYNC")
        await engine.execute("ALTER TABLE market.store_progress DROP COLUMN ts_message")
        await engine.execute("ALTER TABLE market.schema_migrations DELETE WHERE number > 9 SETTINGS mutations_sync = 1")
        await engine.execute("INSERT INTO market.store_progress (stream, created, watermark) VALUES ('S', '2025', 5)")
        rows = SqlRowCopies(engine, "chdb")
        monkeypatch.setattr(rows, "places", _no_places)
        scene = BackupScene(
            engine, rows, None, BackupCatalogue(FolderStore(tmp_path / "place")), tmp_path / "staging", Heard()
        )
        manifest = await scene.make()
    assert manifest.schema == 9
    assert "ts_message" not in dict(manifest.tables["store_progress"].columns)
    report = await restored(tmp_path / "new", scene.catalogue)
    assert (report.wrong, report.rows) == ([], manifest.rows)
    async with engine_at(tmp_path / "new" / "chdb") as engine:
        found = await engine.fetch("SELECT watermark, ts_message FROM market.store_progress FINAL")
        assert found.to_pylist() == [{"watermark": 5, "ts_message": 0}]
        assert await SqlStore(engine).plan() == []
        counts = [
            (await engine.fetch(f"SELECT count() AS n FROM market.{table}")).to_pylist()[0]["n"]
            for table in ("market_bars", "bar_revisions")
        ]
        assert counts[0] == counts[1] > 0


async def _no_places() -> list[object]:
    return []


@pytest.mark.long
async def test_a_full_place_and_one_that_is_away_leave_the_earlier_backup_whole(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    place = Spoilt(tmp_path / "place")
    async with backed_up(tmp_path, place) as scene:
        first = await scene.make()
        place.room = 3_000
        await fill(SqlStore(scene.engine), 99, [TICK, BAR, TRADE], days=6)
        with pytest.raises(ColdStoreError, match="No space left"):
            await scene.make()
        assert list((tmp_path / "staging").iterdir()) == []
        place.room = 1 << 40
        place.lies = True  # it gives back other bytes than it took
        lied = await scene.make()
        place.lies = False
        (tmp_path / "place").rename(tmp_path / "away")
        with pytest.raises(ColdStoreError, match="expected a folder that is there"):
            await scene.make()
        (tmp_path / "away").rename(tmp_path / "place")
    assert await scene.catalogue.ids() == [first.id, lied.id]
    assert len(await scene.catalogue.unfinished()) == 1  # the place was full; away it could not even be begun
    with pytest.raises(BackupDamaged, match="with the digest"):
        await restored(tmp_path / "new", scene.catalogue)
    assert (await restored(tmp_path / "new", scene.catalogue, RestoreOrder(first.id, parts=("store",)))).good


async def test_for_other_recipients_everything_is_written_anew(tmp_path: Path) -> None:
    identity, recipient = new_identity()
    async with backed_up(tmp_path, kinds=(TICK, BAR)) as scene:
        first = await scene.make()
        from marketprism_application.backups.making import Source  # noqa: PLC0415 (only here)

        second = await scene.maker([RECIPIENT, recipient]).make(Source("1", "s", {}))
    assert not {part.stored for part in first.parts} & {part.stored for part in second.parts}
    assert (await restored(tmp_path / "new", scene.catalogue, identity=identity)).good


async def test_no_secret_and_no_row_is_readable_at_the_place(
    made: tuple[BackupCatalogue, BackupManifest, Path],
) -> None:
    files = all_in(made[2])
    for name, data in files.items():
        assert b"rb2505" not in data, name
        if name.endswith(".age"):
            assert data.startswith(b"age-encryption.org/v1\n")
    text = json.loads(files[f"backups/{made[1].id}/manifest.json"])
    assert text["recipients"] == [RECIPIENT]
