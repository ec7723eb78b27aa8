"""Faults of the kind that hurt, put into the product's own source as it is loaded: a simulation that finds none of them
proves nothing.

`python -m tests.simulation.mutants` runs each until it is found; the tree itself is not touched.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tests.simulation.mutant_list import MUTANTS, MUTANTS_OF_THE_PIPELINE, Mutant

EVERY = (*MUTANTS, *MUTANTS_OF_THE_PIPELINE)


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with its text changed."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._path = ""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._mutant.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found is None or found.origin is None:
            return None
        self._path = found.origin
        return importlib.util.spec_from_loader(name, self, origin=found.origin)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        text = Path(self._path).read_text(encoding="utf-8")
        if text.count(self._mutant.old) != 1:
            raise LookupError(
                f"{self._mutant.name}: expected its text once in {self._path}, was {text.count(self._mutant.old)}"
            )
        exec(compile(text.replace(self._mutant.old, self._mutant.new), self._path, "exec"), module.__dict__)


class _OfFile(_Loader):
    """Loads one module from another file."""

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(Path(self._mutant.new).read_text(encoding="utf-8"), self._path, "exec"), module.__dict__)


def put_in(name: str) -> None:
    """Let the mutant be loaded instead of the module; `MODULE@FILE` is the module as it stands in a file. Before the
    product is imported.

    Raises:
        LookupError: there is no mutant of that name.
    """
    module, at, file = name.partition("@")
    if at:
        sys.meta_path.insert(0, _OfFile(Mutant(name, module, "", file, "")))
        return
    for mutant in EVERY:
        if mutant.name == name:
            sys.meta_path.insert(0, _Loader(mutant))
            return
    raise LookupError(f"mutant: expected one of {', '.join(each.name for each in EVERY)}, was {name}")


def main() -> int:
    """Run every mutant until it is found; 1 where one was not."""
    parser = argparse.ArgumentParser("python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="some of them; all without")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each at most")
    options = parser.parse_args()
    missed = []
    for mutant in EVERY:
        if options.names and mutant.name not in options.names:
            continue
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.simulation", mutant.scenario, "--minutes", str(options.minutes)]
        command += ["--faults", mutant.faults] if mutant.faults else []
        environment = {**os.environ, "SIMULATED_MUTANT": mutant.name, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found = next((line for line in done.stdout.splitlines() if line.startswith("seed ")), "")
        took_s = round(time.monotonic() - began, 1)
        print(json.dumps({"mutant": mutant.name, "found": found, "seconds": took_s}), flush=True)
        if not found:
            missed.append(mutant.name)
            print(done.stdout[-500:] + done.stderr[-2_000:], flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
