"""The library of ClickHouse is loaded only if it is the one that this program was made with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.local_server import cache_dir, checked_library
from marketprism_application.errors import LocalServerError


def test_a_library_that_is_another_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cache_dir() / "libchdb.so"
    path.parent.mkdir(parents=True)
    for content in (b"", b"\x7fELF another", os.urandom(1 << 20)):
        path.write_bytes(content)
        with pytest.raises(
            LocalServerError, match=r"libchdb.so: expected the library with sha256 .+, was .+ not loaded"
        ):
            checked_library(path)


def test_a_library_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalServerError, match=r"x.so: expected its library: No such file"):
        checked_library(tmp_path / "x.so")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LocalServerError, match=r"folder: expected its library: Is a directory"):
        checked_library(tmp_path / "folder")
