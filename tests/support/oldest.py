"""Constraints to the lowest series of versions that pyproject.toml allows, one requirement a line.

`typer>=0.15` becomes `typer==0.15.*`: the newest patch of the oldest series that we say we run on.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_BOUND = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9][0-9a-z.]*)")


def oldest(project: Path) -> list[str]:
    """Of every dependency with a lower bound, those of extras included."""
    declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    groups = [declared["dependencies"], *declared["optional-dependencies"].values()]
    found = {match[1]: match[2] for group in groups for each in group if (match := _BOUND.match(each))}
    plain = re.compile(r"[0-9.]+")
    return [f"{name}=={bound}{'.*' if plain.fullmatch(bound) else ''}" for name, bound in sorted(found.items())]


if __name__ == "__main__":
    print("\n".join(oldest(Path(__file__).parents[2] / "pyproject.toml")))
