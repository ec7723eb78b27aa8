"""Encryption of files by age (X25519), as they are written: nothing of what is secret lies on a disk meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from marketprism_application.contracts.backup_records import SealedObject
from marketprism_application.errors import BackupDamaged, BackupError, WrongKey
from marketprism_sdk.errors import reason_of

_NO_KEY = "No matching keys found"


def _age() -> ModuleType:
    try:
        return import_module("pyrage")  # an extra
    except ImportError as error:
        text = "backup: expected the package pyrage, found none: pip install 'marketprism[backup]'"
        raise BackupError(text) from error


def new_identity() -> tuple[str, str]:
    """A new identity, which is secret, and its recipient, which is not. Raises BackupError: the package is missing."""
    identity = _age().x25519.Identity.generate()
    return str(identity), str(identity.to_public())


class AgeSealer:
    """Fulfils `Sealer`; `recipients` are public keys, `age1…`.

    Raises:
        BackupError: one is none, or the package is missing.
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        age = _age()
        self.recipients = tuple(recipients)
        if not self.recipients:
            raise BackupError("backup.recipients: expected at least one public key, age1…, was none")
        try:
            self._keys = [age.x25519.Recipient.from_str(each) for each in self.recipients]
        except age.RecipientError as error:
            shown = ", ".join(each[:16] for each in self.recipients)
            raise BackupError(
                f"backup.recipients: expected public keys, age1…, was {shown}: {reason_of(error)}"
            ) from error

    @asynccontextmanager
    async def seal(self, target: Path) -> AsyncIterator[AgeSealing]:
        """Through a pipe: who writes waits for who encrypts."""
        read_end, write_end = os.pipe()
        source, target_file = os.fdopen(read_end, "rb"), None
        sealing = AgeSealing(os.fdopen(write_end, "wb", buffering=0))
        try:
            target_file = _Counted(await asyncio.to_thread(target.open, "wb"))
            work = asyncio.create_task(asyncio.to_thread(_encrypt, source, target_file, self._keys))
        except BaseException as error:
            source.close()
            sealing.sink.end()
            if isinstance(error, OSError):
                raise BackupError(f"backup: {target}: {reason_of(error)}", retryable=True) from error
            raise
        try:
            yield sealing
            sealing.sink.end()
            await asyncio.shield(work)
        except BaseException as error:
            sealing.sink.end()
            try:
                await asyncio.shield(work)
            except BackupError as cause:
                if isinstance(error, BackupError):  # whoever wrote saw no more than that the pipe had broken
                    raise cause from None
            finally:
                await asyncio.to_thread(target.unlink, missing_ok=True)
            raise
        sealing.sealed = SealedObject(target_file.digest.hexdigest(), target_file.bytes)


class AgeSink:
    """Fulfils `Sink`: a pipe to who encrypts."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    async def write(self, data: bytes) -> None:
        """Into the pipe, beside the event loop."""
        try:
            await asyncio.to_thread(self._all, data)
        except OSError as error:
            raise BackupError(f"backup: could not be encrypted: {reason_of(error)}", retryable=True) from error

    def _all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._pipe.write(view) :]

    def end(self) -> None:
        """Nothing more comes: what was written is all."""
        self._pipe.close()


class AgeSealing:
    """Fulfils `Sealing`."""

    def __init__(self, pipe: BinaryIO) -> None:
        self.sink = AgeSink(pipe)
        self.sealed: SealedObject | None = None


class _Counted:
    """What is written to a file, counted and digested."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _encrypt(source: BinaryIO, target: _Counted, keys: Sequence[object]) -> None:
    age = _age()
    try:
        age.encrypt_io(source, target, keys)
        target.flush()
    except (age.EncryptError, OSError) as error:
        raise BackupError(f"backup: could not be written: {reason_of(error)}", retryable=True) from error
    finally:
        source.close()  # whoever writes into the pipe fails now, and does not wait
        with suppress(OSError):
            target.close()


class AgeOpener:
    """Fulfils `Opener`; `identities` are secret keys, `AGE-SECRET-KEY-1…`.

    Raises:
        WrongKey: one is none. BackupError: the package is missing.
    """

    def __init__(self, identities: Sequence[str]) -> None:
        age = _age()
        try:
            self._keys = [age.x25519.Identity.from_str(each) for each in identities]
        except age.IdentityError:
            raise WrongKey("identity: expected AGE-SECRET-KEY-1…, was something else") from None
        if not self._keys:
            raise WrongKey("identity: expected at least one line AGE-SECRET-KEY-1…, was none")

    @classmethod
    def of_file(cls, path: Path) -> AgeOpener:
        """With the identities of a file, one a line; lines that begin with # are left out.

        Raises:
            WrongKey: it cannot be read, or holds none.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongKey(f"identity: expected a file that can be read, was {path}: {reason_of(error)}") from None
        return cls([line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")])

    async def open(self, sealed: Path, target: Path | None) -> None:
        """By the library, beside the event loop."""
        await asyncio.to_thread(self._open, sealed, target)

    def _open(self, sealed: Path, target: Path | None) -> None:
        age = _age()
        with sealed.open("rb") as source, (target or Path(os.devnull)).open("wb") as plain:
            try:
                age.decrypt_io(source, plain, self._keys)
            except (age.DecryptError, OSError) as error:
                if isinstance(error, age.DecryptError) and _NO_KEY in reason_of(error):
                    text = f"identity: expected one of the recipients of {sealed.name}, was another"
                    raise WrongKey(text) from None
                if getattr(error, "errno", None) is not None:  # of the disk
                    raise
                raise BackupDamaged(f"{sealed.name}: expected a whole age file: {reason_of(error)}") from error


__all__ = ["AgeOpener", "AgeSealer", "new_identity"]
