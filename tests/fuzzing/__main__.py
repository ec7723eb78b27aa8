"""`python -m tests.fuzzing [TARGET …] --seconds 60`: each target for so long, inputs chosen by what they reach.

`make fuzz` has atheris in an environment of its own, beside that of the tools. Inputs that reach something new come
into `.build/fuzzing/<target>` and are gone on from the next time; one that shows a fault is written there as
`crash-…`, and ends its target. `--keep FILE` takes such a file into the corpus that every run of the tests tries.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzzing.target import Target

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".build" / "fuzzing"
LONGEST_INPUT = 4_096
_SLOWEST_S = 20
_PACKAGES = (
    "marketprism_domain",
    "marketprism_application",
    "marketprism_adapters",
    "marketprism_services",
    "marketprism_sdk",
    "marketprism_client",
)
_LAST = re.compile(r"#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)")


def fuzz_module(module: str, names: list[str], seconds: int) -> int:
    """Targets of a module in forks of this process, which has loaded it with its edges counted; how many found something."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 (only who fuzzes)

    with atheris.instrument_imports(include=list(_PACKAGES), enable_loader_override=False):
        from tests.fuzzing.registry import of_module  # noqa: PLC0415 (instrumented as it is loaded)

        targets = of_module(module)
    found = 0
    for name in names:
        log = WORK / f"{name}.txt"
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            with log.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            _fuzz_one(targets[name], seconds)
            sys.exit(1)  # libFuzzer has ended the process before
        _, status = os.waitpid(child, 0)
        found += _tell(name, time.monotonic() - begun, status, log.read_text(errors="replace"))
    return found


def _fuzz_one(target: Target, seconds: int) -> None:
    """One target until the time is over or an input shows a fault: libFuzzer ends the process."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    from tests.fuzzing.quiet import silence  # noqa: PLC0415

    silence()
    folder = WORK / target.name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folder / f"seed-{number:03d}").write_bytes(seed)

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        chance = Random(seed)
        if chance.random() < 0.35:
            return bytes(atheris.Mutate(data, largest))
        return target.mutate(data, chance)[:largest]

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={_SLOWEST_S}",
        "-rss_limit_mb=3000",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    kept = ROOT / "tests" / "fuzzing" / "corpus" / target.name
    folders = [str(folder), *([str(kept)] if kept.is_dir() else [])]
    atheris.Setup(
        [target.name, *options, *folders], lambda data: (target.try_one(data), None)[1], custom_mutator=mutate
    )
    atheris.Fuzz()


def _tell(name: str, took: float, status: int, said: str) -> int:
    """One line about a target; 1 where it found something."""
    runs, edges, features, inputs = (_LAST.findall(said) or [("0",) * 4])[-1]
    fault = "" if status == 0 else "FAULT"
    line = f"{name:22} {took:5.0f} s  {runs:>9} runs  {edges:>6} edges  {features:>6} features  {inputs:>5} inputs  {fault}"
    print(line, flush=True)
    if fault:
        print(f"  {WORK / name}.txt: {_reason(said)}", flush=True)
    return int(bool(fault))


def fuzz(names: list[str], seconds: int) -> int:
    """Each target, one line about each; 1 where one found something."""
    from tests.fuzzing.registry import MODULES, of_module  # noqa: PLC0415

    WORK.mkdir(parents=True, exist_ok=True)
    found = 0
    for module in MODULES:
        wanted = [name for name in of_module(module) if name in names]
        if wanted:
            command = [sys.executable, "-m", "tests.fuzzing", *wanted, "--seconds", str(seconds), "--module", module]
            found |= subprocess.run(command, cwd=ROOT, check=False).returncode
    return found


def _reason(said: str) -> str:
    """The line that says what was wrong."""
    lines = [line.strip() for line in said.splitlines()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Finding|Refused|Missing|Invalid)\b", line)]
    return (errors or [line for line in lines if "ERROR: libFuzzer" in line] or ["nothing was said"])[-1][:300]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzzing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help="which ones; all without")
    parser.add_argument("--seconds", type=int, default=60, help="how long each (60)")
    parser.add_argument("--keep", type=Path, help="a file for the corpus of the one target that is named")
    parser.add_argument("--list", action="store_true", help="only the names")
    parser.add_argument("--module", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.module:
        return min(1, fuzz_module(given.module, given.targets, given.seconds))
    from tests.fuzzing.corpus import keep  # noqa: PLC0415 (a target's process loads it instrumented)
    from tests.fuzzing.registry import all_targets  # noqa: PLC0415

    targets = all_targets()

    unknown = [name for name in given.targets if name not in targets]
    if unknown:
        parser.error(f"expected of {', '.join(targets)}, was {', '.join(unknown)}")
    if given.list:
        print("\n".join(targets))
        return 0
    if given.keep is not None:
        (name,) = given.targets
        print(keep(targets[name], given.keep.read_bytes()))
        return 0
    return fuzz(given.targets or list(targets), given.seconds)


if __name__ == "__main__":
    sys.exit(main())
