"""A data directory remembers what it holds: real or simulated data, and which engine has its rows."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import cast

import pytest

from marketprism_services.platform.data_contents import (
    REAL,
    SIMULATED,
    OtherContents,
    claim_directory,
    data_of,
    directory_of,
    engine_of,
    read,
)
from marketprism_services.platform.data_dir_lock import DataDirLock, is_running
from marketprism_services.platform.exits import Exit, code_of
from marketprism_services.settings.settings import Settings


def settings_of(
    folder: Path | None = None, spec: str = "none", store: dict[str, str] | None = None, **more: object
) -> Settings:
    where = {"data_dir": folder} if folder is not None else {}
    return Settings.model_validate({**where, "source": {"spec": spec}, "store": store or {}, **more})


@pytest.mark.parametrize(
    ("spec", "more", "data"),
    [
        ("none", {}, None),
        ("sim", {}, SIMULATED),
        ("sim:seed=3", {}, SIMULATED),
        ("replay:/a.csv.gz", {}, REAL),
        ("okx:BTC-USDT", {}, REAL),
        ("okx:BTC-USDT,url=127.0.0.1:9443", {}, SIMULATED),
        ("okx:BTC-USDT,url=localhost:9443", {}, SIMULATED),
        ("okx:BTC-USDT,url=[::1]:9443", {}, SIMULATED),
        ("okx:BTC-USDT,url=127.evil.example:9443", {}, REAL),
        ("okx:BTC-USDT", {"venue": {"ws_url": "ws://127.0.0.1:1/ws"}}, SIMULATED),
        ("ctp", {"ctp": {"md_fronts": ["tcp://180.168.146.187:10131"]}}, REAL),
        ("ctp", {"ctp": {"md_fronts": ["sim://127.0.0.1:41205"]}}, SIMULATED),
        ("sopt", {"ctp": {"md_fronts": ["sim:/a"]}, "sopt": {"md_fronts": ["tcp://1.2.3.4:5"]}}, REAL),
        ("sopt", {"sopt": {"td_fronts": ["sim:/a"], "md_fronts": ["tcp://1.2.3.4:5"]}}, SIMULATED),
    ],
)
def test_a_source_is_simulated_by_what_it_is_and_by_where_it_is(
    spec: str, more: dict[str, object], data: str | None
) -> None:
    assert data_of(settings_of(spec=spec, **more)) == data


def test_simulated_data_have_a_directory_of_their_own_unless_one_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPRISM_HOME", str(tmp_path))
    assert directory_of(settings_of(spec="sim")) == tmp_path / "simulated"
    assert directory_of(settings_of(spec="replay:/a.csv")) == tmp_path
    assert directory_of(settings_of(spec="none")) == tmp_path
    assert directory_of(settings_of(tmp_path / "mine", "sim")) == tmp_path / "mine"


@pytest.mark.parametrize(("first", "then"), [("replay:/a.csv", "sim"), ("sim", "okx:BTC-USDT")])
def test_real_and_simulated_data_are_never_in_one_directory(tmp_path: Path, first: str, then: str) -> None:
    claim_directory(settings_of(tmp_path, first))
    claim_directory(settings_of(tmp_path, first))
    claim_directory(settings_of(tmp_path, "none"))
    with pytest.raises(OtherContents, match=r"give another --data-dir, like .+") as refused:
        claim_directory(settings_of(tmp_path, then))
    assert str(tmp_path) in str(refused.value)
    assert code_of(refused.value) == Exit.STORE
    assert read(tmp_path)["data"] == data_of(settings_of(spec=first))


def test_a_directory_that_was_only_looked_at_takes_either_kind(tmp_path: Path) -> None:
    claim_directory(settings_of(tmp_path, "none"))
    claim_directory(settings_of(tmp_path, "sim"))
    with pytest.raises(OtherContents):
        claim_directory(settings_of(tmp_path, "replay:/a.csv"))


_SERVER = {"engine": "clickhouse", "url": "server"}
_ELSEWHERE = {"engine": "clickhouse", "url": "http://u:secret@host:8123/"}


@pytest.mark.parametrize(
    ("first", "then", "how"),
    [
        ({}, _SERVER, "start without --clickhouse as before"),
        (_SERVER, {}, "start with --clickhouse server as before"),
        (_ELSEWHERE, {}, "start with --clickhouse http://host:8123 as before"),
        (_ELSEWHERE, _SERVER, "start with --clickhouse http://host:8123 as before"),
        ({}, _ELSEWHERE, "start without --clickhouse as before"),
    ],
)
def test_another_engine_is_refused_with_what_to_do(
    tmp_path: Path, first: dict[str, str], then: dict[str, str], how: str
) -> None:
    claim_directory(settings_of(tmp_path, store=first))
    with pytest.raises(OtherContents, match=how) as refused:
        claim_directory(settings_of(tmp_path, store=then))
    assert "secret" not in str(refused.value)
    assert "secret" not in (tmp_path / "contents.json").read_text(encoding="utf-8")
    assert engine_of(settings_of(tmp_path, store=first)) == read(tmp_path)["engine"]
    assert stat.S_IMODE((tmp_path / "contents.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(("folder", "engine"), [("chdb", "chdb"), ("clickhouse", "server")])
def test_a_directory_from_before_is_known_by_its_folders(tmp_path: Path, folder: str, engine: str) -> None:
    (tmp_path / folder).mkdir()
    assert read(tmp_path) == {"data": REAL, "engine": engine}
    with pytest.raises(OtherContents):
        claim_directory(settings_of(tmp_path, "sim", store={} if engine == "chdb" else _SERVER))


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    for text in ("{", "[]", '"x"'):
        (tmp_path / "contents.json").write_text(text, encoding="utf-8")
        with pytest.raises(Exception, match=r"contents\.json: expected what `marketprism up` writes") as refused:
            read(tmp_path)
        assert code_of(cast("Exception", refused.value)) == Exit.STORE


def test_whether_a_pipeline_runs_is_seen_by_its_lock(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with DataDirLock(tmp_path):
        assert is_running(tmp_path)
    assert (tmp_path / "lock").exists()
    assert not is_running(tmp_path)
