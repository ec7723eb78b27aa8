"""The letter's name is what `redrive` takes: it is whole at any width, whatever the reason holds."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from marketprism_services.cli.dead_letters import _table
from marketprism_services.storage.store_health import StoreState


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_name_of_a_letter_is_never_cut_and_a_reason_is_never_markup(width: int) -> None:
    reason = "store: Code: 407. DB::Exception: [bold]Decimal\x1b[31m convert overflow[/x]: " + "9" * 300
    rows = [{"key": f"MARKET_TICKS:18446744073709551{n}.12", "kind": "tick", "reason": reason} for n in range(3)]
    shown = io.StringIO()
    Console(file=shown, width=width).print(_table("rows", rows, "key", ("kind", "reason")))
    text = shown.getvalue()
    assert all(str(row["key"]) in text for row in rows)
    assert "\x1b" not in text
    assert text.count("9") >= 900, "the reason is whole"


def test_a_store_is_unhealthy_when_it_is_away_for_long_and_says_why() -> None:
    now = [0.0]
    state = StoreState(lambda: now[0])
    assert state.health() == "healthy"
    assert state.away("MARKET_TICKS", "Code: 60.")
    assert not state.away("MARKET_TICKS", "Code: 60.")
    assert state.health() == "degraded: MARKET_TICKS: Code: 60."
    now[0] = 14.0
    assert state.health() == "unhealthy: MARKET_TICKS: Code: 60."
    assert state.well("MARKET_TICKS") == 14.0
    assert state.well("MARKET_TICKS") is None
    state.note("MARKET_BARS", "1 to 5 left the stream")
    assert state.health() == "degraded: MARKET_BARS: 1 to 5 left the stream"
    now[0] = 1_000.0
    assert state.health() == "healthy"
