"""Modules of the product and their sources."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = tuple(ROOT / folder for folder in ("domain", "application", "adapters", "sdk"))


def module_files(names: list[str], roots: Sequence[Path] = ROOTS) -> list[tuple[str, Path]]:
    """Each module of those names, and of the packages of those names, with its file.

    Raises:
        LookupError: there is none of that name.
    """
    found: dict[str, Path] = {}
    for name in names:
        top = name.partition(".")[0]
        place = next((root / top for root in roots if (root / top / "__init__.py").exists()), None)
        whole = place and place.parent / name.replace(".", "/")
        files = [whole.with_suffix(".py")] if whole and whole.with_suffix(".py").exists() else []
        files = files or (sorted(whole.rglob("*.py")) if whole else [])
        if not files or whole is None or place is None:
            raise LookupError(f"modules: expected a module or package of ours, was {name}")
        for file in files:
            dotted = ".".join(file.relative_to(place.parent).with_suffix("").parts)
            found[dotted.removesuffix(".__init__")] = file
    return list(found.items())


def source_of(path: Path) -> tuple[ast.Module, str]:
    text = path.read_text(encoding="utf-8")
    return ast.parse(text, str(path)), text
