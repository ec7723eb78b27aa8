"""Files of an archive: on a file server or in a folder, each taken only with its published sum."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import structlog

from marketprism_application.errors import SourceError
from marketprism_application.files.digest import sha256_of
from marketprism_sdk.errors import reason_of
from marketprism_sdk.resilience import Backoff

log = structlog.get_logger()

SUM_SUFFIX = ".CHECKSUM"
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=60.0)
_FAILURES = 8
_TOO_MANY = (429, 418, 503)
_SUM_DIGITS = 64
_PIECE = 1 << 20
_NONE = (404, 403, 410)  # a bucket that must not be listed says 403 of what it does not have


class ArchiveFiles:
    """The files below `base`, a URL or a folder. `work` is where they are put; what has a wrong sum stays in `rejected`
    below it, with both sums beside it."""

    def __init__(self, base: str, work: Path, *, backoff: Backoff | None = None) -> None:
        self.base = base.rstrip("/")
        self._work = work
        self._remote = base.startswith(("http://", "https://"))
        self._backoff = backoff or Backoff(0.2, 10.0)
        self._session: aiohttp.ClientSession | None = None
        self.requests = self.refused = 0
        self._not_before = 0.0

    async def __aenter__(self) -> Self:
        if self._remote:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        elif not await asyncio.to_thread(Path(self.base).is_dir):
            raise SourceError(f"archive: expected a folder or an http(s) URL, was {self.base!r}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def waits_s(self) -> float:
        """How long nothing is asked, because the server said so."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    async def has(self, path: str) -> bool:
        """Whether there is such a file; it is not fetched. Raises SourceError."""
        if not self._remote:
            return await asyncio.to_thread((Path(self.base) / path).is_file)
        return await self._patiently(path, lambda: self._head(path))

    async def _head(self, path: str) -> bool:
        async with self._open().head(f"{self.base}/{path}", allow_redirects=True) as answer:
            return self._is_there(answer)

    async def take(self, path: str) -> Path | None:
        """A file whose sum is right, at a place of its own; None where there is none. The caller takes it away.

        Raises:
            SourceError: no sum beside it, or a wrong one twice, or the server does not answer.
        """
        wrong = ""
        for attempt in (1, 2):
            local = self._work / f"{secrets.token_hex(6)}-{path.rpartition('/')[2]}"
            if not await self._copy(path, local):
                return None
            published = await self._bytes(path + SUM_SUFFIX)
            if published is None:
                await asyncio.to_thread(local.unlink)
                raise SourceError(f"archive {path}: expected {SUM_SUFFIX} beside it, there is none")
            expected = published[:_SUM_DIGITS].decode("ascii", "replace").lower()
            found = await asyncio.to_thread(sha256_of, local)
            if found == expected:
                return local
            wrong = f"expected {expected}, was {found}"
            kept = await asyncio.to_thread(self._set_aside, path, local, expected, found)
            log.warning("archive_file.rejected", path=path, attempt=attempt, expected=expected, was=found, at=str(kept))
        raise SourceError(f"archive {path}: checksum: {wrong}, twice; the files are in {self._work / 'rejected'}")

    def _set_aside(self, path: str, local: Path, expected: str, found: str) -> Path:
        target = self._work / "rejected" / local.name
        target.parent.mkdir(parents=True, exist_ok=True)
        local.replace(target)
        facts = {"file": path, "base": self.base, "expected": expected, "was": found}
        target.with_name(f"{target.name}.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return target

    async def _bytes(self, path: str) -> bytes | None:
        local = self._work / f"{secrets.token_hex(6)}.part"
        if not await self._copy(path, local):
            return None

        def work() -> bytes:
            try:
                return local.read_bytes()
            finally:
                local.unlink()

        return await asyncio.to_thread(work)

    async def _copy(self, path: str, local: Path) -> bool:
        """Whether there is such a file; then it is at `local`."""
        await asyncio.to_thread(lambda: local.parent.mkdir(parents=True, exist_ok=True))
        if not self._remote:
            return await asyncio.to_thread(self._copy_local, path, local)
        return await self._patiently(path, lambda: self._download(path, local))

    async def _patiently(self, path: str, work: Callable[[], Awaitable[bool]]) -> bool:
        failures = 0
        while True:
            if self.waits_s:
                await asyncio.sleep(self.waits_s)
            try:
                return await work()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = reason_of(error)
            except _Busy as busy:
                self.refused += 1
                self._not_before = max(self._not_before, asyncio.get_running_loop().time() + busy.wait_s)
                log.warning("venue.rate_limited", path=path, status=busy.status, wait_s=busy.wait_s)
                continue
            failures += 1
            if failures >= _FAILURES:
                raise SourceError(f"archive {self.base}/{path}: expected a file in {failures} attempts: {why}")
            await asyncio.sleep(self._backoff.pause_s(failures))

    def _copy_local(self, path: str, local: Path) -> bool:
        source = Path(self.base) / path
        if not source.is_file():
            return False
        shutil.copyfile(source, local)
        return True

    async def _download(self, path: str, local: Path) -> bool:
        async with self._open().get(f"{self.base}/{path}") as answer:
            if not self._is_there(answer):
                return False
            file = await asyncio.to_thread(local.open, "wb")
            try:
                async for piece in answer.content.iter_chunked(_PIECE):
                    await asyncio.to_thread(file.write, piece)
            finally:
                await asyncio.to_thread(file.close)
        return True

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise SourceError(f"archive {self.base}: expected one that is open")
        self.requests += 1
        return self._session

    @staticmethod
    def _is_there(answer: aiohttp.ClientResponse) -> bool:
        if answer.status in _NONE:
            return False
        if answer.status in _TOO_MANY and "Retry-After" in answer.headers:
            raise _Busy(answer.status, answer.headers["Retry-After"])
        answer.raise_for_status()
        return True


class _Busy(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.wait_s = min(max(float(text), 0.05), 3 * 86_400.0) if text.replace(".", "", 1).isdecimal() else 5.0


def digest_of(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


__all__ = ["SUM_SUFFIX", "ArchiveFiles", "digest_of"]
