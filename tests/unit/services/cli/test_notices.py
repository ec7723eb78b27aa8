"""On the screen of `up` an event is a sentence; what `tail` waits for; how much is stored so far."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from marketprism_adapters.calendars import CalendarSettings
from marketprism_adapters.sources.registry import SOURCES
from marketprism_services.cli import up
from marketprism_services.cli.clocks import CHINA_TIME, UTC_TIME
from marketprism_services.cli.notices import SENTENCES, sentence, show_events_on
from marketprism_services.cli.tail import line_of, waiting
from marketprism_services.cli.up_stored import Counts, StoredLine
from marketprism_services.cli.words import count_of
from tests.contract.test_codec import SAMPLES
from tests.support.screen import Screen

PLATFORM = Path(up.__file__).parents[1] / "platform"
_MONDAY_NIGHT = 1_740_996_000_000_000_000  # 2025-03-03 18:00 in China


def test_every_event_of_the_platform_has_a_sentence() -> None:
    logged = {
        node.args[0].value
        for path in PLATFORM.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("warning", "error")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {str(name) for name in logged} <= SENTENCES.keys()


def test_events_are_sentences_without_secrets_and_no_json() -> None:
    saved = structlog.get_config()
    file = io.StringIO()
    try:
        show_events_on(Console(file=file, width=300), level="warning")
        log = structlog.get_logger()
        log.warning("http.port_taken", service="storage", port=8083, instead=46393)
        log.warning("nats.unreachable", error="nats://u:secret@h:1 refused", detail="waiting")
        log.info("service.started", port=1)
    finally:
        structlog.configure(**saved)
    lines = file.getvalue().splitlines()
    assert lines[0] == "port 8083 of storage is in use; it listens on 46393 instead"
    assert len(lines) == 2
    assert "secret" not in lines[1]
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(lines[0])
    assert sentence({"event": "thing.happened", "level": "warning", "why": "x"}) == "thing.happened: why=x"


def test_up_names_every_source() -> None:
    text = up.HELP["source"]()
    assert all(name in text for name in (*SOURCES, "none"))


def test_counts_have_the_right_plurals() -> None:
    assert [count_of(number, "bar") for number in (0, 1, 2)] == ["0 bars", "1 bar", "2 bars"]
    assert Counts(1, 1, 1).sentence(whole=True) == "1 tick and 1 bar of 1 instrument are stored"
    assert Counts(2, 0, 3).sentence(whole=False) == "2 ticks and 0 bars of 3 instruments are stored so far"


def test_in_a_pipe_there_is_a_line_when_something_changed_and_a_last_one() -> None:
    file = io.StringIO()
    with StoredLine(Console(file=file, width=200)) as line:
        line.show(Counts(0, 0, 0), 0.0)
        line.show(Counts(10, 1, 1), 1.0)
        line.show(Counts(10, 1, 1), 100.0)
        line.show(Counts(20, 2, 1), 101.0)
        line.show(Counts(30, 3, 1), 102.0)
        line.end(Counts(40, 4, 1))
        line.show(Counts(40, 4, 1), 1_000.0)
    assert file.getvalue().splitlines() == [
        "10 ticks and 1 bar of 1 instrument are stored so far",
        "20 ticks and 2 bars of 1 instrument are stored so far",
        "40 ticks and 4 bars of 1 instrument are stored; the source has ended and all of it is stored",
    ]


def test_in_a_terminal_one_line_changes_in_place_and_the_last_one_stays() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system=None)
    with StoredLine(console) as line:
        line.show(Counts(10, 1, 1), 0.0)
        line.show(Counts(20, 2, 1), 0.1)
        line.end(Counts(30, 3, 1))
    lines = [text for text in Screen(100).read(file.getvalue()).lines() if text]
    assert lines == ["30 ticks and 3 bars of 1 instrument are stored; the source has ended and all of it is stored"]


def test_what_is_waited_for_is_the_next_session_or_nothing_more() -> None:
    closed = waiting("rb2505", None, CHINA_TIME, _MONDAY_NIGHT)
    assert closed == "waiting for rb2505: the market is closed, next session 2025-03-03 21:00:00 China time"
    assert "the market is open" in waiting("BTC-USDT", None, UTC_TIME, _MONDAY_NIGHT)


def test_a_day_that_the_settings_close_is_not_open() -> None:
    tuesday = 1_802_134_800_000_000_000  # 2027-02-09 09:00 in China
    assert "the market is open" in waiting("rb2705", None, CHINA_TIME, tuesday + 10**9)
    closed = waiting("rb2705", None, CHINA_TIME, tuesday + 10**9, CalendarSettings(closed=("2027-02-09",)))
    assert closed == "waiting for rb2705: the market is closed, next session 2027-02-10 09:00:00 China time"
    written = waiting("SHFE.rb2505", None, CHINA_TIME, _MONDAY_NIGHT)
    assert written == "waiting for SHFE.rb2505: the market is closed, next session 2025-03-03 21:00:00 China time"


def test_what_a_tick_does_not_have_is_a_dash() -> None:
    tick = SAMPLES["tick"]._replace(last=None, volume=None, bids=(), asks=())
    text = line_of(tick, UTC_TIME)
    assert "last -  vol -  bid -x-  ask -x-" in text
    assert "None" not in text
