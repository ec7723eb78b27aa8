"""Whether raw frames of a source are captured, where, and how much of them stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from marketprism_domain.values import Bounds, check_bounds


@dataclass(frozen=True)
class CaptureSettings:
    """A new file after `rotate_mb` MiB or `rotate_s`; the oldest go when all of them take more than `keep_gb` GiB.

    `buffer_mb` MiB may wait for the disk; what comes when it is full is dropped and counted: a slow disk must not slow
    the market down. Without a `folder` they are in `capture` below the data directory.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "rotate_mb": (0.001, 100_000),
        "rotate_s": (0.001, 31_536_000),
        "keep_gb": (0.000_001, 1_000_000),
        "buffer_mb": (0.001, 100_000),
    }

    enabled: bool = False
    folder: Path | None = None
    rotate_mb: float = 256.0
    rotate_s: float = 3_600.0
    keep_gb: float = 50.0
    buffer_mb: float = 64.0

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)

    @property
    def rotate_bytes(self) -> int:
        """Bytes of a file before the next one begins."""
        return int(self.rotate_mb * (1 << 20))

    @property
    def keep_bytes(self) -> int:
        """Bytes that all files together may take."""
        return int(self.keep_gb * (1 << 30))

    @property
    def buffer_bytes(self) -> int:
        """Bytes that may wait for the disk."""
        return int(self.buffer_mb * (1 << 20))
