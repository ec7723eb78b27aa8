"""The tables that orders are calculated by: those of the files, and before them what was imported into the platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog

from marketprism_adapters.nats.order_tables import ImportedTable, OrderTableStore, TableKey, TooLarge
from marketprism_adapters.trading_tables.documents import Document, document_of, encode_document
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_adapters.trading_tables.importers import IMPORTERS, import_document
from marketprism_application.contracts.orders import ImportedShown
from marketprism_application.errors import DefinitionError
from marketprism_sdk.errors import RemoteError, SdkError, reason_of

log = structlog.get_logger()

MOST_IMPORTED = 2_000
_LOOK_S = 30.0  # a hint may be lost with a connection
_AHEAD = timedelta(days=1)  # a day may have begun elsewhere


class _Read(NamedTuple):
    """A record and its document, None of one that is no table."""

    record: ImportedTable
    document: Document | None


class TablesInForce:
    """Follows the bucket. `on_tables` gets the tables whenever they are others, `on_refused` is called for each record
    that is no table, which is left out and logged."""

    def __init__(
        self,
        files: FileTables,
        store: OrderTableStore,
        on_tables: Callable[[FileTables], None],
        on_refused: Callable[[], None],
    ) -> None:
        self.current = files
        self._files = files
        self._store = store
        self._on_tables = on_tables
        self._on_refused = on_refused
        self._read: dict[str, _Read] = {}
        self._hint = asyncio.Event()
        self._one = asyncio.Lock()

    async def start(self) -> None:
        """Read what is imported and follow it. Raises what NATS raises."""
        await self._store.watch(self._hint.set)
        await self.refresh()

    async def follow(self) -> None:
        """Read again whenever something was written, and now and then; without end."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._hint.wait()
            except TimeoutError:
                pass
            self._hint.clear()
            try:
                await self.refresh()
            except SdkError as error:
                log.warning("order_tables.not_read", error=reason_of(error))

    async def refresh(self) -> None:
        """Take over what is stored now. Raises what NATS raises."""
        async with self._one:
            records = {each.key: each for each in await self._store.tables()}
            if records == {key: each.record for key, each in self._read.items()}:
                return
            self._read = await asyncio.to_thread(self._documents, records)
            self.current = self._files.with_documents(
                each.document for each in self._read.values() if each.document is not None
            )
        self._on_tables(self.current)
        log.info("order_tables.in_force", imported=len(self._read))

    def _documents(self, records: dict[str, ImportedTable]) -> dict[str, _Read]:
        found = {}
        for key, record in records.items():
            before = self._read.get(key)
            if before is not None and before.record == record:
                found[key] = before
                continue
            document, problem = None, record.problem
            if not problem:
                try:
                    document = document_of(record.document, f"{key}.json")
                except DefinitionError as error:
                    problem = str(error)
            if problem:
                log.error("order_table.refused", key=key, problem=problem[:300])
                self._on_refused()
            found[key] = _Read(record, document)
        return found

    def imported(self) -> list[ImportedShown]:
        """What is imported, by venue, list and day."""
        return [
            ImportedShown(*_parts(key), _rows(each.document), each.record.by, each.record.at)
            for key, each in sorted(self._read.items())
        ]

    async def add(self, venue: str, kind: str, as_of: str, answer: str, who: str) -> ImportedShown:
        """Import what a venue answered, in place of what was imported of the same list and day.

        Raises:
            RemoteError: INVALID_PARAMETER with the field, it is no such answer or of another venue.
        """
        key = self._key(venue, kind, as_of)
        if len(self._read) >= MOST_IMPORTED and key.text not in self._read:
            raise _refused("as_of", f"expected at most {MOST_IMPORTED} imported tables: remove one first", as_of)
        try:
            document = await asyncio.to_thread(import_document, kind, answer.encode(), venue, key.as_of, self._files)
            now = time.time_ns()
            await self._store.put(key, await asyncio.to_thread(encode_document, document), by=who, at=now)
        except (DefinitionError, TooLarge) as error:
            raise RemoteError("INVALID_PARAMETER", f"answer: {error}", {"field": "answer"}) from error
        await self.refresh()
        return ImportedShown(venue, kind, as_of, _rows(document), who, now)

    async def remove(self, venue: str, kind: str, as_of: str) -> None:
        """Take out what was imported. Raises RemoteError: NOT_FOUND, or INVALID_PARAMETER with the field."""
        key = self._key(venue, kind, as_of)
        if not await self._store.remove(key):
            raise RemoteError("NOT_FOUND", f"imported table: expected one that is there, was {key.text!r}")
        await self.refresh()

    def _key(self, venue: str, kind: str, as_of: str) -> TableKey:
        venues = self._files.venues()
        if venue not in venues:
            raise _refused("venue", f"expected one of {', '.join(venues)}", venue)
        if kind not in IMPORTERS:
            raise _refused("kind", f"expected one of {', '.join(IMPORTERS)}", kind)
        try:
            day = date.fromisoformat(as_of)
        except ValueError:
            day = date.max
        if day.isoformat() != as_of or day > datetime.now(UTC).date() + _AHEAD:
            raise _refused("as_of", "expected a day like 2026-06-01 that is not ahead", as_of)
        return TableKey(venue, kind, day)


def _refused(field: str, text: str, value: str) -> RemoteError:
    return RemoteError("INVALID_PARAMETER", f"{field}: {text}, was {value[:60]!r}", {"field": field})


def _parts(key: str) -> tuple[str, str, str]:
    venue, _, rest = key.partition(".")
    kind, _, day = rest.partition(".")
    return venue, kind, day


def _rows(document: Document | None) -> int:
    """How many instruments or products a document is of."""
    if document is None:
        return 0
    return len(document.tiers) + len(document.fees) + len(document.rates)


__all__ = ["MOST_IMPORTED", "TablesInForce"]
