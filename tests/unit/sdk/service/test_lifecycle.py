"""Who asks a program to end, and how often."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import asyncio, signal, sys
from marketprism_sdk.service import run
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
async def main(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    await asyncio.sleep(0.5)
    print("drained", flush=True)
    return 0
sys.exit(run(main, 20))
"""


def _hear_hangups() -> None:
    """As from a terminal, also where the tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ended(*signals: signal.Signals) -> tuple[int, list[str]]:
    """Exit code and lines of a program that gets the first signal when it runs, the others while it ends."""
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(  # one call before the program, no locks taken
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_hangups,  # noqa: PLW1509
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signals[0])
        lines = [program.stdout.readline().strip()]
        for number in signals[1:]:
            program.send_signal(number)
        lines += program.stdout.read().split()
        return program.wait(), lines


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGTERM,),
        (signal.SIGINT,),
        (signal.SIGHUP,),
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGHUP, signal.SIGTERM),
        (signal.SIGINT, signal.SIGTERM),
    ],
)
def test_a_program_that_is_asked_to_end_ends_in_order_however_many_ask(signals: tuple[signal.Signals, ...]) -> None:
    assert ended(*signals) == (0, ["stopping", "drained"])


def test_a_second_interrupt_ends_it_at_once() -> None:
    assert ended(signal.SIGINT, signal.SIGINT) == (130, ["stopping"])


def test_a_hangup_is_ignored_where_it_was_before() -> None:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, "nohup"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGHUP)
        program.send_signal(signal.SIGTERM)
        assert (program.stdout.read().split(), program.wait()) == (["stopping", "drained"], 0)
