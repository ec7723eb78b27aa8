"""Pages that are typed by their readers: their blocks, what is said of them in comments, and what they show."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "zh")
_BLOCK = re.compile(r"((?:^ *<!-- [^\n]* -->\n)*)^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!-- ([\w -]+?)(?:: (.*?))? -->")


class Block(NamedTuple):
    """A fenced block of a page. `notes` are the comments right before it:

    `file: NAME`     saved as that file
    `terminal: N`    typed into that terminal, which it keeps until Ctrl-C, or until another block is typed there
    `here: N`        from here to the end of the page, what names no terminal is typed into that one
    `after Ctrl-C: N` what is shown once the program of that terminal was ended
    `repeat: why`    typed again until it shows what it should
    `exit: N`        the exit code of its last command
    `not run: why`   looked at only
    """

    page: Path
    language: str
    text: str
    notes: dict[str, str]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        text = self.page.read_text(encoding="utf-8")
        before = text.partition(self.text if self.text in text else self.text.partition("\n")[0])[0]
        return f"{self.page.relative_to(ROOT)}:{before.count(chr(10)) + 1}"


def pages_of(folder: str, language: str) -> list[Path]:
    """The pages of a folder of the documentation in a language, in their order."""
    return sorted((ROOT / "docs" / ("zh" if language == "zh" else "") / folder).glob("*.md"))


def blocks_of(page: Path) -> list[Block]:
    """Its blocks in their order."""
    text = page.read_text(encoding="utf-8")
    return [Block(page, kind, dedent(code), dict(_NOTE.findall(notes))) for notes, kind, code in _BLOCK.findall(text)]


def unshown(expected: str, output: str) -> str:
    """The first line of what a page shows that the output has not, in this order; empty where all are there.

    Runs of blanks are one, `…` is anything, a line of `…` alone is any lines; the output may have more lines.
    """
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for line in expected.splitlines():
        wanted = " ".join(line.split())
        if wanted in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in wanted.split("…")))
        if not any(pattern.fullmatch(each) for each in lines):
            return line
    return ""


__all__ = ["LANGUAGES", "ROOT", "Block", "blocks_of", "pages_of", "unshown"]
