"""Where log lines go. What cannot be written is counted: a full disk or a pipe that nobody reads ends no service."""

from __future__ import annotations

import errno
import io
import os
from typing import TextIO

from marketprism_sdk.errors import reason_of


class LogStream:
    """A text stream that never raises. `lines_lost` counts; `error` is why the last line was lost, empty once one went
    through again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._raw = _raw_of(stream)
        self.lines_lost: int = 0
        self.error: str = ""

    def write(self, text: str) -> int:
        """The text goes to the stream, or is lost."""
        try:
            self._write(text)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.lines_lost += text.count("\n")
            self.error = reason_of(error)
        else:
            if text.endswith("\n"):
                self.error = ""
        return len(text)

    def _write(self, text: str) -> None:
        if self._raw is None:
            self._stream.write(text)
            self._stream.flush()
            return
        rest = memoryview(text.encode(self._stream.encoding, self._stream.errors or "backslashreplace"))
        while rest:
            done = self._raw.write(rest)
            if done is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[done:]

    def flush(self) -> None:
        """Each text is on its way already."""

    def health(self) -> str:
        """Whether lines are written, as a check of a service's health."""
        return f"degraded: {self.lines_lost} lines could not be written: {self.error}" if self.error else "healthy"


def _raw_of(stream: TextIO) -> io.RawIOBase | None:
    """What is below the interpreter's buffer, if there is one. A line that could not be written would stay in it: it
    would be written after all, although it was counted as lost, or end the program with code 120."""
    buffer = getattr(stream, "buffer", None)
    below = getattr(buffer, "raw", buffer)
    return below if isinstance(below, io.RawIOBase) else None
