"""Where log lines go. What cannot be written is counted: a full disk or a pipe that nobody reads ends no service."""

from __future__ import annotations

from typing import TextIO

from marketprism_sdk.errors import reason_of


class LogStream:
    """A text stream that never raises. `lines_lost` counts; `error` is why the last line was lost, empty once one went
    through again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lines_lost = 0
        self.error = ""

    def write(self, text: str) -> int:
        """The text goes to the stream, or is lost."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self.lines_lost += text.count("\n")
            self.error = reason_of(error)
        else:
            if text.endswith("\n"):
                self.error = ""
        return len(text)

    def flush(self) -> None:
        """Each text is on its way already."""

    def health(self) -> str:
        """Whether lines are written, as a check of a service's health."""
        return f"degraded: {self.lines_lost} lines could not be written: {self.error}" if self.error else "healthy"
