"""The runbooks, and the commands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/runbooks"
PAGES = sorted(FOLDER.rglob("*.md"))
OPERATE = sorted((FOLDER / "operate").glob("*.md"))
_BLOCK = re.compile(r"^```sh([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path) -> list[str]:
    """Its fenced blocks of `sh`."""
    return [text for _, text in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def marked_blocks_of(page: Path) -> list[tuple[str, str]]:
    """Each with what stands behind `sh` in its fence: `elsewhere` is not run on a system of the test's own."""
    return [(mark.strip(), text) for mark, text in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def lines_of(block: str) -> list[str]:
    """Its commands, those over several lines as one; without comments and here-documents."""
    text = re.sub(r"<<\s*'?(\w+)'?([^\n]*)\n.*?^\1$", r"\2", block, flags=re.MULTILINE | re.DOTALL)
    text = text.replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def script_of(page: Path) -> str:
    """All its blocks, one after the other."""
    return "\n".join(blocks_of(page))


__all__ = ["FOLDER", "OPERATE", "PAGES", "blocks_of", "lines_of", "marked_blocks_of", "script_of"]
