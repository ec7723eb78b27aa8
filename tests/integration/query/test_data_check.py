"""`marketprism data` on what is stored, over the read side of a running pipeline."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from tests.e2e.warm import ask
from tests.integration.query.read_side import MINUTE, OPENED, Serve, filled, serve

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


def run(*command: str, code: int = 0) -> tuple[str, str]:
    done = ask(("data", *command), dict(os.environ), 120)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout, done.stderr


async def asked(*command: str, code: int = 0) -> dict[str, Any]:
    shown, _ = await asyncio.to_thread(run, *command, "--json", code=code)
    found: dict[str, Any] = json.loads(shown)
    return found


@pytest.mark.parametrize("name", ["rb2505", "SHFE.rb2505", "RB2505"])
async def test_a_stored_series_is_checked_by_every_name(serve: Serve, name: str) -> None:
    api = await serve()
    begin, end = "2025-03-03T09:00", "2025-03-03T09:12"
    where = ("--from", begin, "--to", end, "--nats-url", api.url)
    sparse = await asked("check", name, "--interval", "1m", *where, code=3)  # its prices lie between the steps
    assert (sparse["dataset"]["venue"], sparse["dataset"]["symbol"]) == ("shfe", "rb2505")
    assert (sparse["expected"], sparse["present"], sparse["missing"], sparse["empty"]) == (12, 10, 0, 2)
    assert {defect["code"] for defect in sparse["defects"]} & {"missing_bar", "missing_range"} == set()
    dense = await asked("check", name, "--interval", "1m", "--dense", *where, code=3)
    (defect,) = [each for each in dense["defects"] if each["code"].startswith("missing")]
    assert (defect["count"], defect["ts_from"], defect["ts_to"]) == (2, OPENED + 10 * MINUTE, OPENED + 12 * MINUTE)
    assert {check["group"]: check["ran"] for check in dense["checks"]}["gaps"] is True


async def test_what_is_not_stored_is_named_with_what_is_near(serve: Serve) -> None:
    api = await serve()
    _, unknown = await asyncio.to_thread(run, "check", "rb2550", "--nats-url", api.url, code=1)
    assert "expected one that is stored, was 'rb2550'" in unknown
    assert "rb2505" in unknown
    _, none = await asyncio.to_thread(run, "check", "rb2505", "--kind", "kline", "--nats-url", api.url, code=1)
    assert "rb2505: expected 1m klines in the range, there are none" in none
    _, witness = await asyncio.to_thread(run, "check", "rb2505", "--witness", "tick", "--nats-url", api.url, code=2)
    assert "did you mean 'ticks'" in witness


async def test_the_calendar_of_what_is_stored(serve: Serve) -> None:
    api = await serve()
    shown, _ = await asyncio.to_thread(run, "coverage", "rb2505", "--nats-url", api.url)
    assert shown.startswith("shfe.rb2505 1m\n2025-03")
