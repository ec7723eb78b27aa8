"""Trials of the leader: one fault, again and again."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.testing import Burners
from marketprism_services.chaos.leaders.arena import FENCED, TWIN, Arena
from marketprism_services.chaos.leaders.audit import audit
from marketprism_services.chaos.leaders.faults import FAULTS, Fault
from marketprism_services.chaos.report import Report

Say = Callable[[str], None]


async def leader_trials(
    fault: str, trials: int, *, overload: int = 0, seed: int = 1, say: Say = lambda _: None
) -> Report:
    """Run the trials of one fault; `overload` is how many busy processes a core has to carry meanwhile."""
    kind = FAULTS[fault]
    name = fault if not overload else f"{fault}-overload"
    report = Report(name, 0, kind.measured)
    if overload:
        report.notes.append(f"{overload} busy processes a core")
    dice = random.Random(seed)
    burners = Burners(overload * (os.cpu_count() or 1))
    with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as folder:
        async with Arena(Path(folder), nodes=kind.nodes) as arena:
            burners.start()
            try:
                for number in range(1, trials + 1):
                    await _trial(kind(arena, dice), arena, number, report, say)
            finally:
                burners.stop()
            await _audit(arena, report)
    return report


async def _trial(fault: Fault, arena: Arena, number: int, report: Report, say: Say) -> None:
    leader, epoch = await arena.leader()
    # Any moment between two heartbeats.
    await asyncio.sleep(fault.rest_s + fault.dice.uniform(0.0, 0.25))
    since = fault.since = len(arena.lines)
    fault.epoch = epoch
    started = await fault.inject(leader)
    if fault.takes_over:
        told = await arena.takeover(since, epoch)
    else:
        told = await arena.wait(lambda t: t.event == "acknowledged" and t.t > started, "writes to go on", since)
        report.false_takeovers += told.epoch != epoch
    elapsed_ms = (told.t - started) * 1_000
    after = await fault.heal(leader)
    report.trials += 1
    report.times_ms.append(elapsed_ms)
    epochs = {t.epoch for t in arena.lines[since:] if t.event == "acquired"}
    surplus = len(epochs - {told.epoch})
    report.false_takeovers += surplus
    say(
        f"trial {number}: {leader.name} (pid {leader.pid}) led under epoch {epoch}; {type(fault).__name__}; "
        f"{told.name} writes under epoch {told.epoch} after {elapsed_ms:.1f} ms; {after}"
        + (f"; {surplus} needless changes of leader" if surplus else "")
    )


async def _audit(arena: Arena, report: Report) -> None:
    for child in arena.candidates.values():
        child.kill()
    connection = await NatsConnection.open(arena.url, name="audit")
    try:
        await audit(connection, FENCED, TWIN, arena.acknowledged, report)
    finally:
        await connection.close()


async def idle_trial(seconds: float, *, overload: int, say: Say = lambda _: None) -> Report:
    """Nothing is broken, the machine is overloaded: the leader must stay."""
    report = Report("idle-overload", 1, "changes of leader while nothing was broken")
    report.notes.append(f"{seconds:g} s with {overload} busy processes a core")
    burners = Burners(overload * (os.cpu_count() or 1))
    with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as folder:
        async with Arena(Path(folder)) as arena:
            _, epoch = await arena.leader()
            since = len(arena.lines)
            burners.start()
            try:
                end = time.monotonic() + seconds
                while (left_s := end - time.monotonic()) > 0:
                    await asyncio.sleep(min(30.0, left_s))
                    say(f"{seconds - max(0.0, end - time.monotonic()):.0f} s: epoch {epoch}")
            finally:
                burners.stop()
            acquired = [t for t in arena.lines[since:] if t.event == "acquired"]
            report.false_takeovers = len(acquired)
            await _audit(arena, report)
    return report
