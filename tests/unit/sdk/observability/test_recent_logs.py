"""The newest log lines in memory: which are held, in which bounds, and that they show no secret."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import pytest

from marketprism_sdk.observability._recent_logs import RecentLogs

_PROGRAM = r"""
import json, logging, sys
import structlog
from marketprism_sdk.observability import logs
logs.configure(form=sys.argv[1], service="test")
log = structlog.get_logger()
log.debug("not.held")
log.info("nats.connected", url="nats://me:s3cret@host:4222", deep={"api_key": "s3cret"})
logging.getLogger("aiohttp").error("of a library at http://me:s3cret@h/")
try:
    raise ValueError("http://me:s3cret@h/")
except ValueError:
    log.exception("http.request_failed")
print(json.dumps([[line.level, json.loads(line.text)] for line in logs.recent().read().lines]))
"""


def recent(lines: int = 20, size: int = 10_000) -> RecentLogs:
    clock = itertools.count(1_000)
    return RecentLogs(lines, size, lambda: next(clock))


def texts(held: RecentLogs, **asked: object) -> list[str]:
    return [line.text for line in held.read(**asked).lines]  # type: ignore[arg-type]


def test_the_newest_lines_are_held_and_those_that_go_are_counted() -> None:
    held = recent(lines=20)
    for number in range(30):
        held.add("info", str(number))
    assert texts(held) == [str(number) for number in range(20, 30)]
    assert held.dropped == 20
    page = held.read(after=5)
    assert (page.missed, page.more, page.lines[0].seq) == (True, False, 21)
    page = held.read(after=22, limit=3)
    assert ([line.seq for line in page.lines], page.more, page.missed) == ([23, 24, 25], True, False)
    assert held.read(after=30) == ((), False, False)
    newest = held.read(limit=2)
    assert ([line.text for line in newest.lines], newest.more) == (["28", "29"], True)


def test_bytes_are_bounded_and_a_long_line_is_cut() -> None:
    held = recent(size=1_000)
    for number in range(10):
        held.add("info", f"{number}" * 100)
    assert len(texts(held)) == 5
    held = RecentLogs()
    held.add("error", "x" * 100_000)
    cut = json.loads(texts(held)[0])
    assert (cut["event"], cut["length"], set(cut["begin"])) == ("log.line_cut", 100_000, {"x"})
    for _ in range(200):
        held.add("info", "x" * 16_000)
    assert sum(map(len, texts(held, limit=2_000))) < 2**20


def test_what_is_chatty_does_not_push_out_what_was_wrong() -> None:
    held = recent(lines=10)
    held.add("warning", "disk is full")
    held.add("odd", "of a library")
    for number in range(100):
        held.add("info", str(number))
    assert texts(held)[:3] == ["disk is full", "of a library", "95"]
    assert texts(held, level="warning") == ["disk is full", "of a library"]
    assert texts(held, level="error") == ["of a library"], "a level that nobody knows is no small one"
    assert not held.read(after=1, level="warning").missed
    assert held.read(after=1).missed
    held.add("debug", "nobody asks for it")
    assert texts(held)[-1] == "99"
    with pytest.raises(ValueError, match="level: expected one of info, warning, error, critical, was 'loud'"):
        held.read(level="loud")


def test_lines_since_a_time() -> None:
    held = recent()
    for level in ("info", "error", "info"):
        held.add(level, level)
    assert [line.ts for line in held.read(since_ns=1_001).lines] == [1_001, 1_002]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_held_whatever_form_is_written(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, form], capture_output=True, text=True, check=True)
    assert "s3cret" not in done.stdout
    assert "s3cret" not in done.stderr
    first, library, failed = json.loads(done.stdout)
    assert (first[0], first[1]["event"], first[1]["url"]) == ("info", "nats.connected", "nats://***@host:4222")
    assert (first[1]["deep"], first[1]["service"]) == ({"api_key": "***"}, "test")
    assert (library[0], library[1]["event"]) == ("error", "of a library at http://***@h/")
    assert failed[0] == "error"
    assert "ValueError: http://***@h/" in failed[1]["exception"]
