"""A library is silent: what a program prints is its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

NOBODY = """
import asyncio
from marketprism_client import MarketClient
from marketprism_sdk.errors import NotConnected

async def main():
    try:
        async with MarketClient("nats://127.0.0.1:9"):
            pass
    except NotConnected as error:
        assert "expected a NATS server" in str(error), error
    else:
        raise SystemExit("expected NotConnected, was none")

asyncio.run(main())
"""
SYNCHRONOUS = """
from marketprism_client import SyncMarketClient
from marketprism_sdk.errors import NotConnected

try:
    with SyncMarketClient("nats://127.0.0.1:9") as market:
        market.symbols()
except NotConnected:
    pass
"""
# Every level, from a module of the SDK and from one that only a program with services has.
EVENTS = """
from marketprism_sdk.observability.logger import get_logger

log = get_logger("marketprism_sdk.nats.connection")
for write in (log.debug, log.info, log.warning, log.error):
    write("nats.tried", url="nats://u:sekret@h:1", password="sekret")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("nats.failed", error="")
"""


# As another thread sees it that logs meanwhile.
HALF_LOADED = f"import sys, types\nsys.modules['structlog'] = types.ModuleType('structlog')\n{EVENTS}"


def run(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    "code", [NOBODY, SYNCHRONOUS, EVENTS, HALF_LOADED], ids=["nobody", "synchronous", "events", "half"]
)
def test_nothing_is_printed_unless_the_program_configures_logging(code: str) -> None:
    assert run(code) == ("", "")


def test_a_program_that_configures_logging_gets_the_events() -> None:
    out, err = run(f"import logging\nlogging.basicConfig(level='INFO')\n{EVENTS}")
    assert out == ""
    assert "INFO:marketprism_sdk.nats.connection:nats.tried" in err
    assert "DEBUG" not in err
    assert "nats.failed error=division by zero" in err
    assert "Traceback" in err
    assert "sekret" not in err


def test_a_program_that_configures_structlog_gets_them_there() -> None:
    out, err = run(f"import structlog\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n{EVENTS}")
    assert err == ""
    assert '"event": "nats.tried"' in out
