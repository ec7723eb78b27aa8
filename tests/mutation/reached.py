"""Which tests reach which lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Reached:
    """Tests by file and line, and the seconds that each takes."""

    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    seconds: dict[str, float] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)  # of test files, and of the product under an empty name

    def forget(self, digests: dict[str, str]) -> None:
        """What was found by files of tests that are others now; everything where the product is another."""
        if self.digests.get("") != digests[""]:
            self.seconds.clear()
            self.lines.clear()
        kept = {file for file, digest in digests.items() if self.digests.get(file) == digest}
        gone = {test for test in self.seconds if test.partition("::")[0] not in kept}
        for test in gone:
            del self.seconds[test]
        for known in self.lines.values():
            for tests in known.values():
                tests.difference_update(gone)
        self.digests = digests

    def of(self, path: Path, lines: Iterable[int]) -> list[str]:
        """Tests that reach one of the lines, the quickest first."""
        known = self.lines.get(str(path), {})
        return self.ordered(set().union(*(known.get(line, set()) for line in lines)))

    def anywhere(self, path: Path) -> list[str]:
        """Tests that reach any line of a file, the quickest first."""
        return self.ordered(set().union(*self.lines.get(str(path), {}).values()))

    def ordered(self, tests: Iterable[str]) -> list[str]:
        return sorted((each for each in tests if each in self.seconds), key=lambda each: (self.seconds[each], each))

    def add(self, coverage_file: Path, seconds: dict[str, float]) -> None:
        """What one recording process found."""
        from coverage import CoverageData  # noqa: PLC0415 (of the tools for development)

        data = CoverageData(str(coverage_file))
        data.read()
        self.seconds.update(seconds)
        for path in data.measured_files():
            for line, contexts in data.contexts_by_lineno(path).items():
                self.lines[path][line].update(each for each in contexts if each in seconds)

    def save(self, path: Path) -> None:
        names = sorted(self.seconds)
        number = {name: index for index, name in enumerate(names)}
        lines = {
            file: {
                line: sorted(number[each] for each in tests if each in number) for line, tests in known.items() if tests
            }
            for file, known in self.lines.items()
        }
        path.write_text(
            json.dumps({"tests": names, "seconds": self.seconds, "digests": self.digests, "lines": lines}),
            encoding="utf-8",
        )

    @classmethod
    def load(cls, path: Path) -> Reached:
        """What was recorded before; nothing where there is nothing."""
        found = cls()
        with contextlib.suppress(FileNotFoundError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            found.seconds, found.digests = kept["seconds"], kept.get("digests", {})
            for file, known in kept["lines"].items():
                for line, tests in known.items():
                    found.lines[file][int(line)] = {kept["tests"][each] for each in tests}
        return found


def digests_of(tests: Iterable[str], roots: Iterable[Path], folder: Path) -> dict[str, str]:
    """A digest of each file of tests, and under an empty name one of the product."""
    product = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            product.update(path.read_bytes())
    found = {test: hashlib.sha256((folder / test).read_bytes()).hexdigest()[:16] for test in tests}
    return {**found, "": product.hexdigest()[:16]}
