"""ColdStore: files of an archive, whole or not there, in a folder and in an S3-compatible store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from marketprism_adapters.cold.folder import FolderStore
from marketprism_adapters.cold.s3 import S3Store
from marketprism_application.errors import ColdStoreError
from marketprism_application.ports.archive import ColdStore, Stored
from tests.support.s3_server import BUCKET, KEYS, READER, S3Server, need_s3, s3_server

BIG = os.urandom(12 << 20)  # more than one part of an upload


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    need_s3()
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.xdist_group("s3"))])
async def cold(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ColdStore]:
    """An empty place of each sort."""
    if request.param == "folder":
        (tmp_path / "cold").mkdir()
        yield FolderStore(tmp_path / "cold")
        return
    where: S3Server = request.getfixturevalue("server")
    yield S3Store(where.endpoint, BUCKET, tmp_path.name, *KEYS)


def _local(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "local"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"", b"abc", BIG], ids=["empty", "small", "big"])
async def test_what_is_put_comes_back_byte_for_byte(cold: ColdStore, tmp_path: Path, data: bytes) -> None:
    await cold.put("table=x/day=2025-03-03/a.parquet", _local(tmp_path, data))
    await cold.fetch("table=x/day=2025-03-03/a.parquet", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert await cold.read("table=x/day=2025-03-03/a.parquet") == data


async def test_a_file_is_replaced_whole(cold: ColdStore, tmp_path: Path) -> None:
    await cold.put("a/b", _local(tmp_path, BIG))
    await cold.write("a/b", b"short")
    assert await cold.read("a/b") == b"short"


async def test_files_are_listed_by_path_below_a_folder(cold: ColdStore) -> None:
    for path in ("t/2/b", "t/2/a", "t/1/a", "u/a"):
        await cold.write(path, path.encode())
    assert await cold.names("t") == [Stored("t/1/a", 5), Stored("t/2/a", 5), Stored("t/2/b", 5)]
    assert [each.path for each in await cold.names()] == ["t/1/a", "t/2/a", "t/2/b", "u/a"]
    assert await cold.names("none") == []


async def test_what_is_removed_is_gone_and_removing_it_again_is_nothing(cold: ColdStore) -> None:
    await cold.write("t/1/a", b"x")
    await cold.remove("t/1/a")
    await cold.remove("t/1/a")
    assert await cold.names("t") == []
    with pytest.raises(ColdStoreError, match="t/1/a"):
        await cold.read("t/1/a")


async def test_an_address_names_the_file(cold: ColdStore) -> None:
    address = cold.address("t/1/a")
    assert address.url.endswith("/t/1/a")
    assert "secret" not in cold.place


async def test_a_folder_that_is_not_there_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    cold = FolderStore(tmp_path / "none")
    for asking in (cold.names(), cold.names("t"), cold.read("t/1"), cold.write("t/1", b"x"), cold.remove("t/1")):
        with pytest.raises(ColdStoreError, match="expected a folder that is there"):
            await asking
    assert not (tmp_path / "none").exists()


async def test_what_was_not_finished_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "t" / "1").mkdir(parents=True)
    (tmp_path / "t" / "1" / ".unfinished-1234").write_bytes(b"x")
    assert await FolderStore(tmp_path).names() == []


@pytest.mark.xdist_group("s3")
async def test_a_store_that_refuses_or_is_away_is_named_without_its_keys(server: S3Server, tmp_path: Path) -> None:
    refusing = S3Store(server.endpoint, BUCKET, "x", *READER)
    with pytest.raises(ColdStoreError, match=r"/cold/x: a"):
        await refusing.write("a", b"x")
    wrong = S3Store(server.endpoint, BUCKET, "x", KEYS[0], "another")
    with pytest.raises(ColdStoreError) as caught:
        await wrong.put("a", _local(tmp_path, b"x"))
    assert "another" not in str(caught.value)
    with pytest.raises(ColdStoreError, match="expected a bucket nobody"):
        await S3Store(server.endpoint, "nobody", "x", *KEYS).names()
    away = S3Store("http://127.0.0.1:1", BUCKET, "x", *KEYS, timeout_s=1.0)
    with pytest.raises(ColdStoreError, match=r"127\.0\.0\.1:1/cold/x"):
        await away.names()
