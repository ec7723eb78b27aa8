"""The log files of a data directory, read as one log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketprism_services.platform.log_reading import LogFilter, LogFollower, entries, entry_of, log_files


def _line(second: int, event: str, level: str = "info", **fields: object) -> str:
    stamp = f"2026-11-28T07:26:{second:02}.430196Z"
    return json.dumps({**fields, "event": event, "service": "x", "level": level, "timestamp": stamp}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


def _events(folder: Path, wanted: LogFilter | None = None) -> list[str]:
    return [entry.event for entry in entries(log_files(folder), wanted or LogFilter())]


def test_lines_of_several_services_and_of_files_that_were_moved_aside_come_in_the_order_of_time(folder: Path) -> None:
    (folder / "logs/gateway.log").write_text(_line(3, "c") + _line(5, "e"), encoding="utf-8")
    (folder / "logs/gateway.log.1").write_text(_line(1, "a"), encoding="utf-8")
    (folder / "logs/storage.log").write_text(_line(2, "b") + _line(4, "d"), encoding="utf-8")
    assert _events(folder) == ["a", "b", "c", "d", "e"]


def test_what_is_no_line_of_ours_stays_with_the_line_before_it(folder: Path) -> None:
    (folder / "logs/a.log").write_text(_line(2, "failed", "error") + "Traceback:\n  File x\n{\n\n", encoding="utf-8")
    (folder / "logs/b.log").write_text(_line(3, "later"), encoding="utf-8")
    assert _events(folder) == ["failed", "Traceback:", "  File x", "{", "later"]


def test_lines_of_the_nats_server_have_a_time_and_a_level(folder: Path) -> None:
    (folder / "nats").mkdir()
    (folder / "nats/server.log").write_text("[9] 2026/11/28 07:26:05.007001 [WRN] Careful: x\n", encoding="utf-8")
    (entry,) = entries(log_files(folder), LogFilter())
    assert (entry.level, entry.service, entry.event) == ("warning", "nats-server", "Careful: x")
    assert entry.ts % 10**9 == 7_001_000


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LogFilter(level="warning"), ["b"]),
        (LogFilter(event="a"), ["a"]),
        (LogFilter(text="RB2505"), ["c"]),
        (LogFilter(trace="beef"), ["b"]),
        (LogFilter(services=frozenset({"y"})), []),
        (LogFilter(since=entry_of(_line(2, ""), "").ts), ["b", "c"]),
    ],
)
def test_lines_are_chosen(folder: Path, wanted: LogFilter, found: list[str]) -> None:
    lines = _line(1, "a") + _line(2, "b", "warning", trace_id="beef12") + _line(3, "c", symbol="rb2505")
    (folder / "logs/x.log").write_text(lines, encoding="utf-8")
    assert _events(folder, wanted) == found


def test_what_is_written_later_is_followed_also_into_a_file_that_begins_anew_and_one_that_is_new(folder: Path) -> None:
    path = folder / "logs/x.log"
    path.write_text(_line(1, "old"), encoding="utf-8")
    follower = LogFollower(lambda: log_files(folder), LogFilter())
    assert follower.read() == []
    half = _line(2, "whole")
    with path.open("a", encoding="utf-8") as file:
        file.write(half[:20])
    assert follower.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write(half[20:])
    assert [entry.event for entry in follower.read()] == ["whole"]
    path.write_text(_line(3, "anew"), encoding="utf-8")
    (folder / "logs/y.log").write_text(_line(4, "other"), encoding="utf-8")
    assert [entry.event for entry in follower.read()] == ["anew", "other"]
