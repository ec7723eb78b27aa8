"""Finding what was captured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from marketprism_adapters.capture.files import SUFFIX, CaptureFile
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel


def capture_files(folder: Path, run: str = "") -> list[CaptureFile]:
    """Files of one run of a gateway, the latest when none is named, in order.

    Raises:
        SourceError: there are none.
    """
    found = _paths(folder)
    runs = runs_of(folder)
    wanted = run or (runs[-1] if runs else "")
    chosen = [path for path in found if _run_of(path) == wanted]
    if not chosen:
        raise SourceError(f"capture {folder}: expected files of run {run or 'any'}, found {', '.join(runs) or 'none'}")
    return [CaptureFile(path) for path in chosen]


def _paths(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(folder.glob(f"*{SUFFIX}"))


def runs_of(folder: Path) -> list[str]:
    """Names of the runs, oldest first."""
    return sorted({_run_of(path) for path in _paths(folder)})


def _run_of(path: Path) -> str:
    return path.name.partition("-")[0]


def channels_of(files: Sequence[CaptureFile]) -> dict[Channel, int]:
    """Frames of each channel."""
    found: dict[Channel, int] = {}
    for file in files:
        for frame in file.read():
            found[frame.channel] = found.get(frame.channel, 0) + 1
    return found


def payloads(files: Sequence[CaptureFile], channel: Channel) -> Iterator[bytes]:
    """What came in on a channel, over all files."""
    for file in files:
        yield from (frame.payload for frame in file.read() if frame.channel == channel)
