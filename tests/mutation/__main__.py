"""`python -m tests.mutation MODULE… [--sample N] [--seed N] [--tests PATH…] [--record] [--alive]`."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutation import results, schedules
from tests.mutation.changes import changes_of
from tests.mutation.explained import Explained
from tests.mutation.modules import ROOT, ROOTS, module_files, source_of
from tests.mutation.trials import QUIETLY, Target, Trial, Trials
from tests.mutation.verdicts import Verdicts

ALIVE_ONES = ("survived", "unreached")
PLACE = ROOT / ".build" / "mutation"
UNIT = "tests/unit"
APPLICATION = [f"{UNIT}/application/{each}" for each in ("columns", "contracts", "queries", "replay", "validation")]
# Where the tests of a package are, the longest name that fits; what starts whole services is none of them.
TESTS_OF = {
    "marketprism_domain": [f"{UNIT}/domain", *APPLICATION],
    "marketprism_application": [*APPLICATION, f"{UNIT}/application/storage", "tests/contract/test_codec.py"],
    "marketprism_sdk": [f"{UNIT}/sdk"],
    "marketprism_sdk.election": [f"{UNIT}/sdk/election", f"{UNIT}/sdk/partitions"],
    "marketprism_sdk.partitions": [f"{UNIT}/sdk/election", f"{UNIT}/sdk/partitions"],
    "marketprism_sdk.streams": [f"{UNIT}/sdk/streams"],
}


def tests_of(modules: Sequence[str]) -> list[str]:
    """Where the tests of modules are."""
    found = []
    for module in modules:
        names = sorted((name for name in TESTS_OF if f"{module}.".startswith(f"{name}.")), key=len)
        found += TESTS_OF[names[-1]] if names else []
    return sorted(set(found))


def _fit(trials: list[Trial], sample: int, seed: int, top_most: int) -> list[Trial]:
    """So many of each module, and of one statement that acts when a module is loaded (a table): thrown by the seed."""

    def thrown(trial: Trial) -> str:
        text = f"{seed} {trial.target.name} {trial.source} {trial.change.text} {trial.change.kind}"
        return hashlib.sha256(text.encode()).hexdigest()

    by_statement, chosen = Counter[int](), []
    for trial in sorted(trials, key=thrown):
        if trial.change.function is None:
            by_statement[id(trial.change.top)] += 1
            if by_statement[id(trial.change.top)] > top_most:
                continue
        chosen.append(trial)
    return sorted(chosen[:sample] if sample else chosen, key=lambda trial: (trial.change.line, trial.change.text))


def told(trial: Trial) -> str:
    """A line a change: where it is, what became of it, what it was."""
    change = trial.change
    return f"{trial.target.name}:{change.line}: {trial.verdict}: {change.kind}: {change.text}"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names of modules or packages")
    parser.add_argument("--sample", type=int, default=0, help="so many changes of each module")
    parser.add_argument("--seed", type=int, default=1, help="which ones are in the sample")
    parser.add_argument("--table", type=int, default=12, help="of one statement outside functions, so many at most")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the tests of one change may be, together")
    parser.add_argument("--tests", nargs="*", help="where the tests are; without it those of the modules' packages")
    parser.add_argument("--record", action="store_true", help="record again which test reaches what")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--anew", action="store_true", help="try those again that were killed before, in the same source"
    )
    parser.add_argument("--keep", action="store_true", help="write the results into docs/proof.md and its file")
    parser.add_argument(
        "--root", type=Path, help="another folder of sources and of what is found out, to try this tool"
    )
    parser.add_argument(
        "--schedules", type=int, default=0, help="so many schedules of the simulation try what is alive"
    )
    parser.add_argument(
        "--known", action="store_true", help="try nothing: of those that were tried before, what became of them"
    )
    parser.add_argument("--list", action="store_true", help="list the changes only")
    return parser.parse_args(arguments)


def _wanted(options: argparse.Namespace, roots: Sequence[Path]) -> list[Trial]:
    trials: list[Trial] = []
    for name, path in module_files(options.modules, roots):
        tree, text = source_of(path)
        target = Target(name, path, tree, tuple(text.splitlines()))
        of_module = [Trial(target, change) for change in changes_of(tree)]
        trials += _fit(of_module, options.sample, options.seed, options.table)
    return trials


def _tried(
    options: argparse.Namespace, trials: list[Trial], verdicts: Verdicts, place: Path, roots: Sequence[Path]
) -> bool:
    """Try those without a verdict; whether that could be done."""
    kept = hashlib.sha256(" ".join(sorted(options.tests)).encode()).hexdigest()[:8]
    plugin = Trials(
        [each for each in trials if not each.verdict],
        recording=place / f"reached-{kept}.json",
        record=options.record,
        workers=options.workers,
        roots=roots,
        most_s=options.seconds,
        ended=verdicts.add,
    )
    own = ["--rootdir", str(options.root), "-c", os.devnull] if options.root else []
    code = pytest.main([*QUIETLY, "--no-header", "--no-summary", *own, *options.tests], plugins=[plugin])
    if code != pytest.ExitCode.OK:
        print(f"the tests could not be collected: exit code {code}", file=sys.stderr)
        return False
    if options.schedules:
        alive = [each for each in trials if each.verdict in ALIVE_ONES]
        for trial in schedules.killed(alive, options.schedules, options.workers, place):
            verdicts.add(trial)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Try changes of modules; 1 where one is alive and not explained."""
    options = _options(arguments)
    options.tests = options.tests or tests_of(options.modules)
    place, roots = (options.root / "found", (options.root,)) if options.root else (PLACE, ROOTS)
    trials = _wanted(options, roots)
    if options.list:
        for trial in trials:
            print(f"{trial.target.name}:{trial.change.line}: {trial.change.kind}: {trial.change.text}")
        return 0
    place.mkdir(parents=True, exist_ok=True)
    explained, verdicts = Explained.load(), Verdicts(place / "verdicts.json")
    for trial in trials:
        known = "" if options.anew else verdicts.last(trial) if options.known else verdicts.of(trial)
        trial.verdict = "explained" if explained.reason(trial) else known
    if options.known:
        trials = [each for each in trials if each.verdict]
    elif not _tried(options, trials, verdicts, place, roots):
        return 2
    left = [each for each in trials if each.verdict in ALIVE_ONES]
    for trial in left:
        print(told(trial))
    rows = results.counted(trials, options.sample)
    for row in rows:
        print(results.line(row))
    if options.keep:
        results.keep(rows)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
