"""The recordings that a word of the command line names: a file, a folder with all that is below it, or a pattern."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from marketprism_adapters.venues.recordings.archives import refuse_archive, refuse_ticks
from marketprism_adapters.venues.recordings.compression import opened, reading
from marketprism_adapters.venues.recordings.line_formats import FRAME, BadLine, is_whole, rows_of
from marketprism_adapters.venues.recordings.market_detection import market_of
from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_application.errors import SourceError

log = structlog.get_logger()

_NAMES = re.compile(r"\.(?:txt|jsonl?|dat|raw|log)(?:\.(?:gz|xz|bz2|zst|lz4|lzma|zip))?$|\.ws\.\d", re.IGNORECASE)
_OTHERS = re.compile(r"\.(?:csv|parquet|feather|md|py)(?:\.(?:gz|xz|bz2|zst|lz4|lzma))?$", re.IGNORECASE)
_LOOKED_AT = 65_536
_LINES = 20


class Unread(NamedTuple):
    """A file of a folder that is no recording of a venue, and why."""

    path: Path
    reason: str


class FoundRecordings(NamedTuple):
    """Recordings, and what else lay beside them in folders."""

    recordings: list[VenueRecording]
    unread: list[Unread]


def is_recording(path: Path) -> bool:
    """Whether a file is a recording of a venue, by its name, or, where that does not tell, by how it begins."""
    if _NAMES.search(path.name):
        return True
    return not _OTHERS.search(path.name) and path.is_file() and begins_as_recording(path)


def begins_as_recording(path: Path) -> bool:
    """Whether the first lines of a file hold what a venue sends."""
    try:
        with reading(path), opened(path) as file:
            begins = file.read(_LOOKED_AT).lstrip(b"\xef\xbb\xbf \r\n\t")
        if begins[:1] in (b"{", b"[") and not is_whole(begins.splitlines()[0]):
            return bool(market_of(begins) or begins.lstrip(b"[ \r\n").startswith(b'{"lastUpdateId"'))
    except SourceError:
        return False
    return any(_is_of_a_venue(line) for line in begins.splitlines()[:_LINES])


def _is_of_a_venue(line: bytes) -> bool:
    try:
        rows, _ = rows_of(line, 0)
    except BadLine:
        return False
    return any(row.what != FRAME or market_of(row.payload) for row in rows)


def venue_files(patterns: Iterable[str]) -> tuple[list[Path], frozenset[Path]]:
    """Files of a replay, and those of them that were only found in a folder. Of a folder only what begins as a
    recording is taken; an empty list says that no pattern has any.

    Raises:
        SourceError: a pattern without files.
    """
    paths: dict[Path, None] = {}
    found: set[Path] = set()
    for pattern in patterns:
        files, in_folder = files_of(pattern)
        mine = [path for path in files if (begins_as_recording if in_folder else is_recording)(path)]
        if in_folder:
            found.update(mine)
            if mine and len(mine) < len(files):
                log.warning(
                    "recording.files_skipped", folder=pattern, files=[str(path) for path in files if path not in mine]
                )
        paths.update(dict.fromkeys(mine))
    return list(paths), frozenset(found)


def at_home(pattern: str) -> Path:
    """The path, `~` at its beginning as the user's home where there is one."""
    try:
        return Path(pattern).expanduser()
    except RuntimeError:
        return Path(pattern)


def files_of(pattern: str) -> tuple[list[Path], bool]:
    """Files, sorted, and whether they were only found in a folder.

    Raises:
        SourceError: a folder or a pattern without any.
    """
    path = at_home(pattern)
    in_folder = path.is_dir()
    if in_folder:
        found = sorted(
            each
            for each in path.rglob("*")
            if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
        )
    elif any(sign in pattern for sign in "*?[") and not path.exists():
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute patterns)
    else:
        return [path], False
    if not found:
        raise SourceError(f"{pattern!r}: expected recordings, found no file")
    return found, in_folder


def found_recordings(patterns: Iterable[str], market: str = "", *, partial: bool = False) -> FoundRecordings:
    """The recordings of all patterns, each file once. What a folder holds besides is passed over, by name.

    `partial`: of files that are damaged or cut off, what stands before that.

    Raises:
        SourceError: a file that was named cannot be read, or nothing at all can.
    """
    recordings: list[VenueRecording] = []
    unread: list[Unread] = []
    seen: set[Path] = set()
    for pattern in patterns:
        paths, in_folder = files_of(pattern)
        for path in paths:
            if path in seen:
                continue
            seen.add(path)
            try:
                recordings.append(recording_at(path, market, partial=partial))
            except SourceError as error:
                if not in_folder:
                    raise
                unread.append(Unread(path, str(error).removeprefix(f"recording {path}").lstrip(",: ")))
    if not recordings:
        raise SourceError(_nothing(unread))
    return FoundRecordings(recordings, unread)


def recording_at(path: Path, market: str = "", *, partial: bool = False) -> VenueRecording:
    """The recording in a file. Raises SourceError: as `VenueRecording`, or what else it is."""
    try:
        return VenueRecording(path, market, partial=partial)
    except SourceError:
        refuse_archive(path)
        refuse_ticks(path)
        raise


def _nothing(unread: Sequence[Unread]) -> str:
    first = f": {unread[0].path}: {unread[0].reason}" if unread else ""
    return f"expected recordings of venues, found none among {len(unread)} files{first}"
