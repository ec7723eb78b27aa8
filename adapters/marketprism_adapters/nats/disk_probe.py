"""How long a disk takes to write: a few bytes go to it again and again, in a thread that waits for them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from marketprism_sdk.errors import reason_of

log = structlog.get_logger()

_FILE = ".disk-probe"
_BYTES = b"\0" * 4_096
_PAUSE_S = 0.5
_QUICK_S, _WELL_S = 0.1, 0.5  # at rest a write through takes a few milliseconds, of a disk that turns a few tens


class DiskProbe:
    """Of the disk of a folder. A write is quick within a tenth of a second, and well within half of one.

    A write that fails says nothing of how fast the disk is: whoever writes there in earnest meets the same error.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pause_s: float = _PAUSE_S,
        write: Callable[[], None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._pause_s = pause_s
        self._write = write or self._write_through
        self._now_s = now_s
        self._begun: float | None = None  # of the write that is under way
        # Nothing is known before the first write.
        self._quick_at: float | None = None
        self._well_since: float | None = None
        self._failed = False
        self._ending = threading.Event()

    def start(self) -> None:
        """Write from now on. The thread is nobody's to wait for: a disk may never answer."""
        threading.Thread(target=self._run, name="disk-probe", daemon=True).start()

    def stop(self) -> None:
        """Write no more from now on."""
        self._ending.set()

    @property
    def slow_for_s(self) -> float:
        """For how long no write has been quick; half a second between two of a disk that is well."""
        return 0.0 if self._quick_at is None else self._now_s() - self._quick_at

    @property
    def well_s(self) -> float:
        """For how long every write has been well, 0 before the first one."""
        since, begun = self._well_since, self._begun
        is_ill = begun is not None and self._now_s() - begun > _WELL_S
        return 0.0 if since is None or is_ill else self._now_s() - since

    def _run(self) -> None:
        while not self._ending.is_set():
            self.once()
            self._ending.wait(self._pause_s)

    def once(self) -> None:
        """One write, which is waited for."""
        begun = self._begun = self._now_s()
        try:
            self._write()
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("server.disk_not_probed", folder=str(self.folder), error=reason_of(error))
            self._failed = True
        self._begun, now_s = None, self._now_s()
        took_s = now_s - begun
        if took_s <= _QUICK_S or self._quick_at is None:
            self._quick_at = now_s
        if took_s > _WELL_S or self._well_since is None:
            self._well_since = now_s

    def _write_through(self) -> None:
        """To the disk, not to the kernel's memory of it."""
        descriptor = os.open(self.folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, _BYTES, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


__all__ = ["DiskProbe"]
