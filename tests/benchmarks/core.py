"""The live builder and validation on both cores, pure Python and compiled: processor time a tick, in turns.

`make bench ARGS="--only core"`; each turn is a process of its own, which says what it measured and a digest of what came
out: both cores must say the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.contracts.packed import Packed, decode_packed, encode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarBuilder
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.benchmarks.counts import is_compiled
from tests.benchmarks.stages import SEVEN, median_seconds, ticks_to_measure

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy/core/core_build.py"
TURNS = 5
_SIZES = (20, 1)  # ticks of a message


def measure_core(turns: int = TURNS) -> dict[str, Any]:
    """Medians of the turns by core, in microseconds a tick, and how many times as fast the compiled one is.

    Raises:
        CalledProcessError: there is no compiled core here (no compiler).
        RuntimeError: the two cores do not say the same, or one ran as the other.
    """
    subprocess.run([sys.executable, str(BUILD), "tree"], check=True, stdout=subprocess.DEVNULL)
    built = subprocess.run([sys.executable, str(BUILD), "path"], check=True, capture_output=True, text=True)
    found: dict[str, list[dict[str, Any]]] = {"pure": [], "compiled": []}
    for _ in range(turns):
        for core, first in (("pure", str(ROOT / "domain")), ("compiled", built.stdout.strip())):
            found[core].append(_turn(core, first))
    said = {each["said"] for each in [*found["pure"], *found["compiled"]]}
    if len(said) != 1:
        raise RuntimeError(f"cores: expected the same of both, was {len(said)} digests")
    names = found["pure"][0]["us_per_tick"]
    medians = {
        core: {name: round(median(each["us_per_tick"][name] for each in turns_of), 2) for name in names}
        for core, turns_of in found.items()
    }
    times = {name: round(medians["pure"][name] / medians["compiled"][name], 2) for name in names}
    ticks = found["pure"][0]["ticks"]
    return {"ticks": ticks, "turns": turns, "us_per_tick": medians, "times_as_fast": times, "said": said.pop()}


def _turn(core: str, first: str) -> dict[str, Any]:
    path = os.pathsep.join([first, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "tests.benchmarks.core"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    if result["core"] != core:
        raise RuntimeError(f"cores: expected {core}, was {result['core']}")
    return result


def one_turn() -> dict[str, Any]:
    """What the core of this process takes, in microseconds of processor time a tick, and a digest of what it says."""
    calendar = chinese_calendar_of_markets()
    ticks, _ = ticks_to_measure(calendar)
    digest = hashlib.sha256()
    costs: dict[str, float] = {}
    valid: list[Tick] = []
    for size in _SIZES:
        raw = _messages(calendar, ticks, size)

        def validate(raw: Sequence[Packed] = raw) -> list[Any]:
            shard = ShardValidator(calendar, ValidationRules())
            return [*(shard.process(packed, number, 0) for number, packed in enumerate(raw)), shard.snapshot()]

        costs[f"validate, {size} a message"] = median_seconds(validate, time.process_time) / len(ticks) * 1e6
        said = validate()
        digest.update(msgspec.msgpack.encode(said))
        valid = [tick for out in said[:-1] for tick in out.ticks]
    schedule = calendar.schedule(valid[0].venue, valid[0].symbol)

    def build() -> list[object]:
        builder = BarBuilder(valid[0].venue, valid[0].symbol, schedule, SEVEN)
        return [builder.on_tick(tick) for tick in valid]

    costs["bars, 7 intervals"] = median_seconds(build, time.process_time) / len(valid) * 1e6
    digest.update(msgspec.msgpack.encode(build()))
    core = "compiled" if is_compiled() else "pure"
    return {"core": core, "ticks": len(ticks), "us_per_tick": costs, "said": digest.hexdigest()[:16]}


def _messages(calendar: MarketCalendar, ticks: Sequence[Tick], size: int) -> list[Packed]:
    """The ticks as a validator reads them, `size` of them a message."""
    packer = TickPacker(calendar, lambda _: 0)
    messages: list[Packed] = []
    for first in range(0, len(ticks), size):
        part = list(ticks[first : first + size])
        batch = SourceBatch(part, part[-1].ts_recv, {})
        messages.extend(decode_packed(encode_packed(packed)) for _, packed in packer.feed(batch))
    return messages


if __name__ == "__main__":
    sys.stdout.write(json.dumps(one_turn()) + "\n")
