"""Where sources put their raw frames: a bounded buffer, and a thread that writes it out and keeps within its room."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from marketprism_adapters.capture.files import INDEX, SUFFIX, BlockWriter
from marketprism_adapters.capture.settings import CaptureSettings
from marketprism_application.ports.sources import Channel
from marketprism_sdk.errors import reason_of

log = structlog.get_logger()

_BLOCK_BYTES = 1 << 20
_FLUSH_S = 1.0
_AGAIN_S = 5.0


class CaptureTap:
    """Fulfils `FrameTap` with files in `folder`, which say so where the frames are `simulated`.

    Frames are on their way to the disk within a second or a megabyte.
    `frames`, `dropped` and `failures` count; `error` is the last trouble with the disk, empty when there is none.
    """

    def __init__(self, settings: CaptureSettings, folder: Path, *, simulated: bool = False) -> None:
        self._settings = settings
        self._folder = folder
        self._simulated = simulated
        self._run = ""
        self._number = 0
        self._lock = threading.Condition()
        self._waiting: list[tuple[int, Channel, bytes]] = []
        self._bytes = 0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._writer: BlockWriter | None = None
        self._opened_at = 0.0
        self.frames = 0
        self.dropped = 0
        self.failures = 0
        self.error = ""

    def frame(self, channel: Channel, payload: bytes, ts_recv: int | None = None) -> None:
        """Keep one frame; from any thread."""
        with self._lock:
            if self._bytes + len(payload) > self._settings.buffer_bytes:
                self.dropped += 1
                return
            self._waiting.append((ts_recv or time.time_ns(), channel, payload))
            self._bytes += len(payload)
            if self._bytes >= _BLOCK_BYTES:
                self._lock.notify()

    def start(self) -> None:
        """Begin to write, under the name of this moment."""
        if self._thread is None:
            self._run, self._number = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3], 0
            self._stopping = False
            self._thread = threading.Thread(target=self._work, name="capture", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits and close; blocks for that long."""
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._stopping and self._bytes < _BLOCK_BYTES:
                        self._lock.wait(_FLUSH_S)
                    frames, self._waiting, self._bytes = self._waiting, [], 0
                    stopping = self._stopping
                if frames:
                    self._write(frames, stopping)
                if stopping and not self._waiting:
                    return
        finally:
            self._close()

    def _write(self, frames: list[tuple[int, Channel, bytes]], stopping: bool) -> None:
        while True:
            try:
                writer = self._open()
                writer.write(frames)
            except OSError as error:
                self.failures += 1
                self.error = f"capture: {error.strerror or error}"
                log.warning("frames.not_captured", error=self.error, folder=str(self._folder))
                self._close()
                if stopping:
                    self.dropped += len(frames)
                    return
                with self._lock:
                    self._lock.wait_for(lambda: self._stopping, _AGAIN_S)
                    stopping = self._stopping
            else:
                self.frames += len(frames)
                self.error = ""
                return

    def _open(self) -> BlockWriter:
        settings = self._settings
        writer = self._writer
        if writer is not None:
            old = time.monotonic() - self._opened_at >= settings.rotate_s
            if writer.size < settings.rotate_bytes and not old:
                return writer
            self._close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room()
        self._number += 1
        self._writer = BlockWriter(self._folder / f"{self._run}-{self._number:05d}{SUFFIX}", simulated=self._simulated)
        self._opened_at = time.monotonic()
        return self._writer

    def _make_room(self) -> None:
        files = sorted(self._folder.glob(f"*{SUFFIX}"))
        sizes = [path.stat().st_size for path in files]
        for path, size in zip(files, sizes, strict=True):
            if sum(sizes) + self._settings.rotate_bytes <= self._settings.keep_bytes:
                return
            path.unlink()
            path.with_suffix(INDEX).unlink(missing_ok=True)
            sizes.remove(size)
            log.info("capture.file_removed", file=path.name, bytes=size, reason="room for newer ones")

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                log.warning("capture.file_not_closed", file=writer.path.name, error=reason_of(error))
