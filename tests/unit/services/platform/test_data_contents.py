"""A data directory remembers what it holds: real or simulated data, and which engine has its rows."""

from __future__ import annotations

import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, cast

import pytest

from marketprism_adapters.capture.files import CaptureFile
from marketprism_adapters.capture.settings import CaptureSettings
from marketprism_adapters.capture.tap import CaptureTap
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel
from marketprism_services.platform.data_contents import (
    REAL,
    SIMULATED,
    OtherContents,
    check_directory,
    claim_directory,
    data_of,
    directory_of,
    engine_of,
    is_simulated,
    read,
)
from marketprism_services.platform.data_dir_lock import DataDirLock, is_running
from marketprism_services.platform.exits import Exit, code_of
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.shared import tap_of


def settings_of(
    folder: Path | None = None, spec: str = "none", store: dict[str, str] | None = None, **more: object
) -> Settings:
    where = {"data_dir": folder} if folder is not None else {}
    return Settings.model_validate({**where, "source": {"spec": spec}, "store": store or {}, **more})


_PROXY = {"venue": {"ws_url": "wss://127.0.0.1:8443"}}


def claim(settings: Settings) -> None:
    """As `up` does with a pipeline that takes the source."""
    claim_directory(settings, data_of(settings))


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
        ("sopt", {"sopt": {"td_fronts": ["sim:/a"], "md_fronts": ["sim:/a"]}}, SIMULATED),
        ("ctp", {"ctp": {"md_fronts": ["sim:/a"], "others": [{"md_fronts": ["sim:/b"]}]}}, SIMULATED),
        ("okx:BTC-USDT,url=LOCALHOST:9443", {}, SIMULATED),
        ("okx:BTC-USDT,url=[::ffff:127.0.0.1]:9443", {}, SIMULATED),
        ("okx:BTC-USDT", {**_PROXY, "source": {"spec": "okx:BTC-USDT", "simulated": False}}, REAL),
        ("okx:BTC-USDT", {**_PROXY, "source": {"spec": "okx:BTC-USDT"}}, SIMULATED),
        ("okx:BTC-USDT", {"source": {"spec": "okx:BTC-USDT", "simulated": True}}, SIMULATED),
        ("capture:/a", {"source": {"spec": "capture:/a", "simulated": True}}, SIMULATED),
        ("ctp", {"source": {"spec": "ctp", "simulated": True}, "ctp": {"md_fronts": ["tcp://h:1"]}}, SIMULATED),
        ("none", {"source": {"spec": "none", "simulated": True}}, None),
    ],
)
def test_a_source_is_simulated_by_what_it_is_and_by_where_it_is(
    spec: str, more: dict[str, object], data: str | None
) -> None:
    assert data_of(settings_of(spec=spec, **more)) == data


@pytest.mark.parametrize(
    ("ctp", "was"),
    [
        (
            {"md_fronts": ["tcp://1.2.3.4:5"], "others": [{"md_fronts": ["sim:/a?password=s3cret"]}]},
            "1 of sim: among 2",
        ),
        ({"md_fronts": ["sim:/a", "tcp://1.2.3.4:5"]}, "1 of sim: among 2"),
        ({"md_fronts": ["tcp://1.2.3.4:5"], "td_fronts": ["sim:/a"]}, "1 of sim: among 2"),
    ],
)
def test_fronts_of_both_kinds_are_refused(ctp: dict[str, object], was: str) -> None:
    with pytest.raises(SourceError, match=f"ctp: expected fronts of one kind .*, was {was}") as refused:
        data_of(settings_of(spec="ctp", ctp=ctp))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("spec", ["sim", "ctp"])
def test_what_is_simulated_cannot_be_called_real(spec: str) -> None:
    settings = settings_of(source={"spec": spec, "simulated": False}, ctp={"md_fronts": ["sim:/a"]})
    with pytest.raises(SourceError, match=rf"source\.simulated: expected true for {spec}"):
        data_of(settings)


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
    claim(settings_of(tmp_path, first))
    claim(settings_of(tmp_path, first))
    claim(settings_of(tmp_path, "none"))
    with pytest.raises(OtherContents, match=r"give another --data-dir, like .+") as refused:
        claim(settings_of(tmp_path, then))
    assert str(tmp_path) in str(refused.value)
    assert code_of(refused.value) == Exit.STORE
    assert read(tmp_path)["data"] == data_of(settings_of(spec=first))


def test_a_directory_that_was_only_looked_at_takes_either_kind(tmp_path: Path) -> None:
    claim(settings_of(tmp_path, "none"))
    claim(settings_of(tmp_path, "sim"))
    with pytest.raises(OtherContents):
        claim(settings_of(tmp_path, "replay:/a.csv"))


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
    claim(settings_of(tmp_path, store=first))
    with pytest.raises(OtherContents, match=how) as refused:
        claim(settings_of(tmp_path, store=then))
    assert "secret" not in str(refused.value)
    assert "secret" not in (tmp_path / "contents.json").read_text(encoding="utf-8")
    assert engine_of(settings_of(tmp_path, store=first)) == read(tmp_path)["engine"]
    assert stat.S_IMODE((tmp_path / "contents.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("http://localhost:8123", "http://127.0.0.1:8123"),
        ("http://[::1]:8123", "http://127.0.0.1"),
        ("http://h", "http://h:8123"),
        ("http://H:8123", "http://h:8123/"),
        ("http://h.", "http://h"),
        ("clickhouse://h", "http://h:8123"),
        ("clickhouse://u:secret@h:9000/market", "https://h"),
        ("http://u:secret@h", "http://other:word@h"),
        ("http://h:8123?database=x", "http://h:8123"),
    ],
)
def test_one_server_is_known_however_it_is_spelled(tmp_path: Path, first: str, then: str) -> None:
    for one, other in ((first, then), (then, first)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        claim(settings_of(folder, store={"engine": "clickhouse", "url": one}))
        before = (folder / "contents.json").read_bytes()
        claim(settings_of(folder, store={"engine": "clickhouse", "url": other}))
        assert (folder / "contents.json").read_bytes() == before
        assert b"secret" not in before


@pytest.mark.parametrize("other", ["http://h2", "http://h:18123", "http://127.0.0.1", "server"])
def test_another_server_is_refused(tmp_path: Path, other: str) -> None:
    claim(settings_of(tmp_path, store={"engine": "clickhouse", "url": "http://h"}))
    with pytest.raises(OtherContents):
        claim(settings_of(tmp_path, store={"engine": "clickhouse", "url": other}))


@pytest.mark.parametrize(("folder", "engine"), [("chdb", "chdb"), ("clickhouse", "server")])
@pytest.mark.parametrize("spec", ["sim", "replay:/a.csv"])
def test_folders_of_a_directory_from_before_tell_the_engine_only(
    tmp_path: Path, logs: list[MutableMapping[str, Any]], folder: str, engine: str, spec: str
) -> None:
    (tmp_path / folder).mkdir()
    assert read(tmp_path) == {"engine": engine}
    same, other = ({}, _SERVER) if engine == "chdb" else (_SERVER, {})
    with pytest.raises(OtherContents):
        claim(settings_of(tmp_path, spec, store=other))
    check_directory(settings_of(tmp_path, spec, store=same))
    assert not (tmp_path / "contents.json").exists(), "what is refused, or only looked at, writes nothing"
    claim(settings_of(tmp_path, spec, store=same))
    claim(settings_of(tmp_path, spec, store=same))
    assert read(tmp_path) == {"engine": engine, "data": data_of(settings_of(spec=spec))}
    assert [(line["event"], line["data"]) for line in logs] == [("contents.assumed", read(tmp_path)["data"])]


def test_a_directory_from_before_with_both_engines_takes_either(tmp_path: Path) -> None:
    (tmp_path / "chdb").mkdir()
    (tmp_path / "clickhouse").mkdir()
    claim(settings_of(tmp_path, store=_SERVER))
    assert read(tmp_path) == {"engine": "server"}


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


@pytest.mark.parametrize("simulated", [True, False])
def test_a_capture_is_what_its_frames_were(tmp_path: Path, simulated: bool) -> None:
    tap = CaptureTap(CaptureSettings(), tmp_path, simulated=simulated)
    tap.start()
    tap.frame(Channel("front-1", "ctp.depth"), b"\x80")
    tap.stop()
    spec = f"capture:{tmp_path}"
    assert data_of(settings_of(spec=spec)) == (SIMULATED if simulated else REAL)
    assert data_of(settings_of(source={"spec": spec, "simulated": True})) == SIMULATED
    if simulated:
        with pytest.raises(SourceError, match=r"source\.simulated: expected true for capture"):
            data_of(settings_of(source={"spec": spec, "simulated": False}))


def test_simulated_ticks_that_were_captured_before_files_said_so_are_recognised_by_their_form(tmp_path: Path) -> None:
    tap = CaptureTap(CaptureSettings(), tmp_path)
    tap.start()
    tap.frame(Channel("sim:7", "ticks.msgpack"), b"\x80")
    tap.stop()
    assert data_of(settings_of(spec=f"capture:{tmp_path}")) == SIMULATED


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("sim", True),
        ("okx:BTC-USDT,url=127.0.0.1:9443", True),
        ("okx:BTC-USDT", False),
    ],
)
def test_frames_that_are_captured_are_marked_by_their_source(tmp_path: Path, spec: str, said: bool) -> None:
    tap = tap_of(settings_of(tmp_path, spec, capture={"enabled": True}), is_simulated)
    assert tap is not None
    tap.start()
    tap.frame(Channel("a", "b"), b"c")
    tap.stop()
    (file,) = (tmp_path / "capture").glob("*.mpcap")
    assert CaptureFile(file).is_simulated() is said
