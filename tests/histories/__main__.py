"""`python -m tests.histories kv|lease|lock|stages|reads [--minutes N] [--nemesis kind,…] [--seed S]`, `soak`, `check FILE`."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

from tests.histories.cluster import can_have_hosts
from tests.histories.judging import judge
from tests.histories.nemesis import KINDS
from tests.histories.operations import read_lines
from tests.histories.runs import HISTORY, PLANS, run_and_keep
from tests.histories.soak import Soak

_KEPT = Path("chaos/histories")


def main(arguments: list[str] | None = None) -> int:
    """Run, or judge what was kept; 1 where something was wrong."""
    parser = argparse.ArgumentParser("python -m tests.histories", description=__doc__)
    parser.add_argument("what", choices=(*sorted(PLANS), "reads", "soak", "check"))
    parser.add_argument("file", nargs="?", type=Path, help="a history that was kept, for check")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--nemesis", default=",".join(KINDS), help=f"kinds of faults, with commas: {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loopback", action="store_true", help="no namespaces, as without root")
    parser.add_argument("--keep", action="store_true", help="the history also where nothing was wrong")
    parser.add_argument("--warm-up", type=float, default=0.3, help="of a soak: the part of it that is not judged")
    parser.add_argument("--instruments", type=int, default=200, help="of a soak")
    parser.add_argument("--rate", type=float, default=1_000.0, help="of a soak: ticks a second")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is taken away again
    if options.what == "soak":
        return _soak(options)
    if options.what == "check":
        if options.file is None:
            parser.error("check: expected the file of a history")
        report = judge(read_lines([options.file]))
    else:
        folder = _KEPT.absolute() / f"{options.what}-{options.seed}"
        report = asyncio.run(
            run_and_keep(
                options.what,
                folder,
                seconds=60 * options.minutes,
                nemesis=[kind for kind in options.nemesis.split(",") if kind],
                seed=options.seed,
                hosts=can_have_hosts() and not options.loopback,
                keep=options.keep,
            )
        )
        if report.wrong or options.keep:
            print(f"kept: {folder / HISTORY}")
    print(report.text(), flush=True)
    return 1 if report.wrong else 0


def _soak(options: argparse.Namespace) -> int:
    folder = _KEPT.absolute() / f"soak-{options.instruments}"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = 60 * options.minutes
    warm_up_s = seconds * options.warm_up
    soak = Soak(folder, seconds=seconds, warm_up_s=warm_up_s, instruments=options.instruments, rate=options.rate)
    found = asyncio.run(soak.run())
    (folder / "verdict.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    told = {name: found["series"][name] for name in (*found["grows"], *found["unknown"])}
    print(json.dumps({**found, "series": told, "judged": len(found["series"])}, indent=1), flush=True)
    print(f"verdict and samples: {folder}")
    return 1 if found["grows"] else 0


if __name__ == "__main__":
    sys.exit(main())
