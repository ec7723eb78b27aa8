"""Compare counts of the hot path with those that were accepted last; fail where one has grown by more than a tenth.

`make bench-check` counts; with `ARGS=--seconds` it measures processor time a tick as well, for a machine that does
nothing else; `ARGS="--accept 'why'"` writes what is found down as accepted, with the reason.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from tests.benchmarks.counts import function_counts, is_compiled, message_counts

ACCEPTED = Path(__file__).with_name("accepted.json")
_GROWTH = 0.10
# What is counted over a few seconds may hold one beat more or less of each timer.
_LEAST = 0.2  # a step that holds next to nothing may hold a little more
_SLACK = {"messages a second at rest": 6.0, "wake-ups a second at rest": 25.0}


def measured(*, seconds: bool = False) -> dict[str, dict[str, float]]:
    """Counts, and processor time a tick where it is asked for, by what they are of."""
    build = "compiled" if is_compiled() else "pure"
    found = {f"functions, {build}": function_counts(), "messages": asyncio.run(message_counts())}
    if seconds:
        from tests.benchmarks.stages import measure  # noqa: PLC0415 (opens the embedded store)

        costs = {name: value for name, value in measure().items() if name.endswith("_us_per_tick")}
        found[f"microseconds, {build}"] = costs
    return found


def grown(found: dict[str, dict[str, float]], accepted: dict[str, Any]) -> list[str]:
    """What has grown by more than a tenth since it was accepted, what was never accepted, and what is counted no more;
    a line each."""
    wrong = []
    for group, counts in found.items():
        before: dict[str, float] = accepted.get(group, {})
        for name, count in counts.items():
            if (was := before.get(name)) is None:
                wrong.append(f"{group}: {name}: expected an accepted count, was none; now {count:g}")
            elif count > was * (1 + _GROWTH) + _SLACK.get(name, _LEAST):
                share = f", {count / was - 1:+.0%}" if was else ""
                wrong.append(f"{group}: {name}: expected {was:g} or little more, was {count:g}{share}")
        wrong += [f"{group}: {name}: expected a count, was none" for name in before.keys() - counts.keys()]
    return wrong


def accepted_counts() -> dict[str, Any]:
    """What was accepted last; empty before the first time."""
    return json.loads(ACCEPTED.read_text(encoding="utf-8")) if ACCEPTED.exists() else {}  # type: ignore[no-any-return]


def main() -> int:
    """Exit code: 1 where something has grown."""
    parser = argparse.ArgumentParser(prog="make bench-check")
    parser.add_argument("--seconds", action="store_true", help="processor time a tick as well, on a machine at rest")
    parser.add_argument("--accept", metavar="WHY", default="", help="write what is found as accepted, with the reason")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found, accepted = measured(seconds=arguments.seconds), accepted_counts()
    wrong = grown(found, accepted)
    for group, counts in found.items():
        for name, count in counts.items():
            was = accepted.get(group, {}).get(name)
            sys.stdout.write(f"{count:>10g} {'' if was is None else f'(accepted {was:g})':<22} {group}: {name}\n")
    if arguments.accept:
        day = datetime.now(UTC).date().isoformat()
        history = [*accepted.get("history", []), {"date": day, "why": arguments.accept, "what": wrong}]
        text = json.dumps({**accepted, **found, "history": history}, indent=1)
        ACCEPTED.write_text(text + "\n", encoding="utf-8")
        return 0
    for line in wrong:
        sys.stdout.write(f"grown: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
