"""`marketprism logs`: what was logged on this machine, as a person reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketprism_services.cli.logs import logs_command
from marketprism_services.platform.data_dir_lock import DataDirLock, simulated_below
from marketprism_services.platform.exits import Stop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    line = {"event": "store.away", "service": "storage", "level": "error", "timestamp": "2026-11-28T07:26:05.5Z"}
    hostile = {**line, "reason": "\x1b[31mred\nnext", "exception": "Traceback\n  x"}
    (tmp_path / "logs/storage.log").write_text(f"{json.dumps(hostile)}\n", encoding="utf-8")
    return tmp_path


def test_a_line_shows_its_fields_and_nothing_that_a_terminal_obeys(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs_command(tz="Asia/Shanghai", data_dir=folder)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == [
        "2026-11-28",
        "15:26:05.500",
        "error",
        "storage",
        "store.away",
        r"reason=\x1b[31mred\nnext",
    ]
    assert shown[1:] == ["    Traceback", "      x"]
    logs_command(as_json=True, data_dir=folder)
    assert json.loads(capsys.readouterr().out)["reason"] == "\x1b[31mred\nnext"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"services": ["nobody"]}, "services: expected one of storage, was 'nobody'"),
        ({"level": "loud"}, "--level: expected one of debug, info, warning, error, critical, was 'loud'"),
        ({"since": "soon"}, "--since: expected 90s, 10m, 2h, 1d or a time like .*, was 'soon'"),
        ({"since": "2026-13-01"}, "--since: expected a date or time like .*, was '2026-13-01'"),
    ],
)
def test_what_cannot_be_is_named(folder: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(Stop, match=message):
        logs_command(**{"data_dir": folder, **given})  # type: ignore[arg-type]


def test_a_folder_without_logs_is_told_from_one_without_such_lines(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs_command(event="none.such", data_dir=folder)
    assert capsys.readouterr().err == "no such lines\n"
    with pytest.raises(Stop, match="expected the data directory of a pipeline that has run, no log is there"):
        logs_command(data_dir=tmp_path / "elsewhere")


def test_the_simulated_pipeline_that_runs_is_found_without_its_directory(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulated_below(tmp_path / "home")
    simulated.mkdir(parents=True)
    (folder / "logs").rename(simulated / "logs")
    monkeypatch.setenv("MARKETPRISM_HOME", str(simulated.parent))
    with DataDirLock(simulated):
        logs_command(tz="UTC")
    shown = capsys.readouterr()
    assert "store.away" in shown.out
    assert f"the pipeline that runs has simulated data, in {simulated}" in shown.err
