"""How far downloads are, in a folder: a file of lines for each job that is not finished.

The first line is a name of its own, which tells it from a file that it takes the place of. Then comes the job, and each
further line is a part as it stands from there on; a part's revision is how often it was written. A line that was not
written to its end is none, and is cut off by the next writer. Writers lock the file, so that processes of one machine
can share a job.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from marketprism_adapters.downloads.refusals import writing
from marketprism_application.contracts.download_records import JobRecord, PartRecord
from marketprism_application.errors import StoreError
from marketprism_application.ports.downloads import JournalConflict
from marketprism_sdk.durable_files import place_file

_NAME_BYTES = 8
FOLDER, _LOCK, _ENTRANCE = ".downloads", "lock", "entrance"
_BEGINNING = "beginning"


class _State:
    """A job as far as its file was read."""

    def __init__(self) -> None:
        self.job: JobRecord | None = None
        self.parts: dict[int, tuple[PartRecord, int]] = {}
        self.read = 0
        self.name = b""


class FolderJournal:
    """Fulfils `DownloadJournal`. Files lie in `.downloads` of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()  # tasks of one process read in threads of their own

    @contextmanager
    def presence(self) -> Iterator[bool]:
        """While a process works here: whether no other one does, so that nobody's claims are worth anything. Each who
        works holds a part of one lock; another one makes finding out and holding one step.

        Raises:
            StoreError: the folder cannot be written.
        """
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            entrance = (self._folder / _ENTRANCE).open("a+b")
            file = (self._folder / _LOCK).open("a+b")
        with file:
            with entrance:
                fcntl.flock(entrance, fcntl.LOCK_EX)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    alone = False
                else:
                    alone = True
                fcntl.flock(file, fcntl.LOCK_SH)
            yield alone

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.jsonl"

    def _ended(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.ended.jsonl"

    async def job(self, job_id: str) -> JobRecord | None:
        """As its file has it."""
        return (await asyncio.to_thread(self._look, job_id, self._path(job_id))).job

    async def parts(self, job_id: str) -> Sequence[tuple[PartRecord, int]]:
        """The last line of each part, of the last job that is finished where there is no other."""
        state = await self._newest(job_id)
        return [state.parts[number] for number in sorted(state.parts)]

    async def part(self, job_id: str, number: int) -> tuple[PartRecord, int] | None:
        """Its last line in the file."""
        return (await self._newest(job_id)).parts.get(number)

    async def _newest(self, job_id: str) -> _State:
        state = await asyncio.to_thread(self._look, job_id, self._path(job_id))
        return state if state.job is not None else await asyncio.to_thread(self._look, job_id, self._ended(job_id))

    async def state(self, job_id: str) -> str:
        """The names of its file and of that of the last one that is finished."""
        return await asyncio.to_thread(self._state, job_id)

    def _state(self, job_id: str) -> str:
        names = []
        with writing(self._folder):
            for path in (self._path(job_id), self._ended(job_id)):
                try:
                    with path.open("rb") as file:
                        names.append(file.read(2 * _NAME_BYTES).decode(errors="replace"))
                except FileNotFoundError:
                    names.append("")
        return "/".join(names)

    async def begin(self, job: JobRecord, parts: Sequence[PartRecord], state: str | None = None) -> None:
        """A new file in the place of the former one."""
        name = secrets.token_hex(_NAME_BYTES).encode()
        data = b"".join(each + b"\n" for each in (name, *map(msgspec.json.encode, (job, *parts))))

        def work() -> None:
            with writing(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
                with (self._folder / _BEGINNING).open("a+b") as beginning:
                    fcntl.flock(beginning, fcntl.LOCK_EX)
                    if state is not None and (there := self._state(job.id)) != state:
                        raise JournalConflict(f"job {job.id}: expected state {state}, was {there}")
                    place_file(self._path(job.id), lambda target: target.write_bytes(data))

        await asyncio.to_thread(work)

    async def write(self, job_id: str, part: PartRecord, revision: int) -> int:
        """A further line, through to the disk."""
        return await asyncio.to_thread(self._append, job_id, part, revision)

    async def end(self, job_id: str) -> None:
        """Give the file another name: whoever shared the job still sees how it ended."""

        def work() -> None:
            with writing(self._folder), (self._folder / _BEGINNING).open("a+b") as beginning:
                fcntl.flock(beginning, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):
                    self._path(job_id).replace(self._ended(job_id))

        await asyncio.to_thread(work)

    def _append(self, job_id: str, part: PartRecord, revision: int) -> int:
        with self._lock, writing(self._folder), self._locked(job_id) as file:
            state = self._read(job_id, file)
            there = state.parts.get(part.number, (part, 0))[1]
            if there != revision:
                raise JournalConflict(f"part {part.number}: expected revision {revision}, was {there}")
            file.truncate(state.read)
            file.seek(state.read)
            line = msgspec.json.encode(part) + b"\n"
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            state.read += len(line)
            state.parts[part.number] = (part, there + 1)
            return there + 1

    @contextmanager
    def _locked(self, job_id: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(job_id).open("r+b")
        except FileNotFoundError:
            raise JournalConflict(f"job {job_id}: expected one that goes on, it is finished") from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _look(self, job_id: str, path: Path) -> _State:
        with self._lock, writing(self._folder):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return _State()
            with file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return self._read(job_id, file)

    def _read(self, job_id: str, file: BinaryIO) -> _State:
        state = self._states.get(job_id)
        name = file.read(2 * _NAME_BYTES + 1)
        if state is None or state.name != name:
            state = self._states[job_id] = _State()
            state.name, state.read = name, len(name)
        file.seek(state.read)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        try:
            for line in whole.splitlines():
                if state.job is None:
                    state.job = msgspec.json.decode(line, type=JobRecord)
                else:
                    part = msgspec.json.decode(line, type=PartRecord)
                    state.parts[part.number] = (part, state.parts.get(part.number, (part, 0))[1] + 1)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._states.pop(job_id, None)
            raise StoreError(f"{self._path(job_id)}: expected lines of a download: {error}") from error
        state.read += len(whole)
        return state


__all__ = ["FOLDER", "FolderJournal"]
