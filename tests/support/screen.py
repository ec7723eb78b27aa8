"""What a person sees of a program: its output read as a terminal does, and a terminal of any width to run it in."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
_RED, _GREEN = {1, 9, 31, 91}, {2, 10, 32, 92}


class Cell(NamedTuple):
    """A character and the colour it is in: red, green, or empty for any other."""

    text: str = " "
    colour: str = ""


class Screen:
    """Reads output with its escapes as a terminal of so many columns does: what is too long goes on below."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._colour = ""

    def read(self, text: str) -> Screen:
        """Show more output."""
        at = 0
        while at < len(text):
            found = _ESCAPE.match(text, at)
            if found is not None:
                self._obey(found[1], found[2])
                at = found.end()
                continue
            self._put(text[at])
            at += 1
        return self

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
        elif character.isprintable():
            if self._column == self.columns:
                self._row, self._column = self._row + 1, 0
            while len(self.rows) <= self._row:
                self.rows.append([])
            row = self.rows[self._row]
            row.extend([Cell()] * (self._column + 1 - len(row)))
            row[self._column] = Cell(character, self._colour)
            self._column += 1
        while len(self.rows) <= self._row:
            self.rows.append([])

    def _obey(self, numbers: str, letter: str) -> None:
        if letter == "m":
            codes = [int(part or 0) for part in numbers.split(";")]
            code = codes[2] if codes[:2] == [38, 5] else codes[-1]  # of a palette, or of the first colours
            self._colour = "red" if code in _RED else "green" if code in _GREEN else ""
        elif letter == "K":
            del self.rows[self._row][0 if numbers == "2" else self._column :]
        elif letter == "A":
            self._row = max(0, self._row - int(numbers or 1))

    def lines(self) -> list[str]:
        """The lines as they stand, without what is blank at their ends."""
        return ["".join(cell.text for cell in row).rstrip() for row in self.rows]


def in_terminal(
    command: Sequence[str], columns: int, *, environment: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> tuple[int, str]:
    """Run a program in a pseudo-terminal of so many columns; its exit code, and its output with all escapes."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    given = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", **(environment or {})}
    for name in ("PYTHONPATH", "HOME"):
        if name in os.environ:
            given.setdefault(name, os.environ[name])
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=given, close_fds=True)
    os.close(its)
    output, end = b"", time.monotonic() + timeout_s
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    part = os.read(ours, 65_536)
                except OSError:  # everybody has closed it
                    break
                if not part:
                    break
                output += part
            elif process.poll() is not None:
                break
        return process.wait(max(0.1, end - time.monotonic())), output.decode(errors="replace").replace("\r\n", "\n\r")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
