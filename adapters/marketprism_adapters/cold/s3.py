"""Archived files in a bucket of an S3-compatible store, by pyarrow's file system."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from marketprism_application.errors import ColdStoreError
from marketprism_application.ports.archive import ColdAddress, Stored
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

T = TypeVar("T")
_PIECE = 1 << 20


class S3Store:
    """Fulfils `ColdStore`. `endpoint` is http(s)://host:port, `prefix` a path within the bucket, empty for all of it.

    A file is there once its upload was completed. A store that does not answer within `timeout_s` is away;
    `what` is what errors call it.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        prefix: str,
        access_key: str,
        secret_key: str,
        *,
        region: str = "us-east-1",
        timeout_s: float = 20.0,
        what: str = "archive",
    ) -> None:
        self._what = what
        self._endpoint = endpoint.rstrip("/")
        self._bucket = bucket
        self._root = "/".join(filter(None, (bucket, prefix.strip("/"))))
        self._keys = (access_key, secret_key)
        self._region = region
        self._timeout_s = timeout_s
        self._made: S3FileSystem | None = None
        self.place = f"{self._endpoint}/{self._root}"

    async def put(self, path: str, local: Path) -> None:
        """By one upload, in parts where it is large."""

        def work() -> None:
            with local.open("rb") as source, self._files().open_output_stream(self._at(path)) as target:
                shutil.copyfileobj(source, target, _PIECE)

        await self._run(path, work)

    async def write(self, path: str, data: bytes) -> None:
        """By one upload, from memory."""

        def work() -> None:
            with self._files().open_output_stream(self._at(path)) as target:
                target.write(data)

        await self._run(path, work)

    async def fetch(self, path: str, local: Path) -> None:
        """All of it, to a local file."""

        def work() -> None:
            with self._files().open_input_stream(self._at(path)) as source, local.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE)

        await self._run(path, work)

    async def read(self, path: str) -> bytes:
        """All bytes of the object."""

        def work() -> bytes:
            with self._files().open_input_stream(self._at(path)) as source:
                return bytes(source.read())

        return await self._run(path, work)

    async def names(self, below: str = "") -> Sequence[Stored]:
        """By listing the bucket below a prefix."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 (heavy: only who has a table)

        def work() -> list[Stored]:
            selector = FileSelector(self._at(below), recursive=True, allow_not_found=True)
            found = self._files().get_file_info(selector)
            if not found and self._files().get_file_info(self._bucket).type == FileType.NotFound:
                raise FileNotFoundError(f"expected a bucket {self._bucket}, there is none")
            files = [each for each in found if each.type == FileType.File]
            return sorted(Stored(each.path[len(self._root) + 1 :], int(each.size)) for each in files)

        return await self._run(below, work)

    async def remove(self, path: str) -> None:
        """Delete the object, where there is one."""
        from pyarrow.fs import FileType  # noqa: PLC0415 (heavy: only who has a table)

        def work() -> None:
            if self._files().get_file_info(self._at(path)).type == FileType.File:
                self._files().delete_file(self._at(path))

        await self._run(path, work)

    def address(self, path: str) -> ColdAddress:
        """Its URL, and the keys of the store."""
        return ColdAddress(f"{self._endpoint}/{self._at(path)}", *self._keys)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")

    def _files(self) -> S3FileSystem:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415 (heavy: only who has a table)

        if self._made is None:
            scheme, _, host = self._endpoint.partition("://")
            access_key, secret_key = self._keys
            self._made = S3FileSystem(
                access_key=access_key,
                secret_key=secret_key,
                region=self._region,
                scheme="https" if scheme == "https" else "http",
                endpoint_override=host,
                connect_timeout=self._timeout_s / 2,
                request_timeout=self._timeout_s,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=2),
                allow_bucket_creation=False,
            )
        return self._made

    async def _run(self, path: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise ColdStoreError(
                f"{self._what} {self.place}: {path}: {reason_of(error)[:300]}", retryable=True
            ) from error


__all__ = ["S3Store"]
