"""What callers send comes out in one line, and no terminal obeys it."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys

import pytest

_PROGRAM = r"""
import logging, sys
import structlog
from marketprism_sdk.observability import logs
logs.configure(form=sys.argv[1], service="test")
evil = "a\r\nb\x1b[2J\x1b]0;t\x07\x9b1m\u202e\u2028\udcff" + "\u3000end"
log = structlog.get_logger()
log.warning("nats.unreachable", path=evil, deep={evil: [evil, (evil,)]}, plain="x\x1b[1m")
log.warning(evil)
logging.getLogger("aiohttp").error("of a library %s", evil)
try:
    raise ValueError(evil)
except ValueError:
    log.exception("http.request_failed")
"""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # the renderer's own


@functools.cache
def _logged(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, form], capture_output=True, text=True, check=True)
    return done.stderr


def test_a_line_of_json_is_one_line_whatever_is_in_it() -> None:
    text = _logged("json")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 4
    assert text.isascii()
    assert "\x1b[2J" in lines[0]["path"], "what was sent is there for who reads it"


@pytest.mark.parametrize("sign", ["\x1b", "\r", "\x07", "\x9b", "\u202e", "\u2028", "\udcff"])
def test_a_terminal_is_shown_what_callers_sent_and_obeys_none_of_it(sign: str) -> None:
    text = _logged("console")
    assert sign not in _COLOURS.sub("", text)
    assert "\\x1b[2J" in text
    assert "\u3000end" in text


def test_a_terminal_gets_a_line_for_each_event() -> None:
    text = _COLOURS.sub("", _logged("console"))
    first, *rest = text.splitlines()
    assert "nats.unreachable" in first
    assert [line for line in rest if line.startswith("b")] == [
        "b\\x1b[2J\\x1b]0;t\\x07\\x9b1m\\u202e\\u2028\\udcff\u3000end"
    ], "but for the text of a traceback"
