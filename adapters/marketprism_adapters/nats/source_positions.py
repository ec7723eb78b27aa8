"""How far each source is in the raw log (KV `source_positions`); only saves work, see ADR 6."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.subjects import escape
from marketprism_application.ports.sources import MarketSource, counting_source
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

_STATE = "state."
_WORD_S = 1.0
_LOOK_S = 0.05


class SourcePosition(msgspec.Struct):
    """One source; or, where `group` is set, how the source of a group of gateways is.

    `error` says why it cannot go on or, with `retry`, why not yet; `refused` why instruments are not subscribed.
    """

    source: str
    position: int = 0
    rows: int = 0
    finished: bool = False
    skipped: dict[str, int] = {}
    error: str = ""
    group: str = ""
    retry: bool = False
    refused: dict[str, str] = {}


def positions_in(entries: Iterable[KvEntry]) -> list[SourcePosition]:
    """Those that are positions; a source whose own is not understood is read from its beginning (ADR 6)."""
    return [found for entry in entries if (found := decode_or_none(entry, SourcePosition)) is not None]


class Positions:
    """Positions of the sources of a gateway."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket
        self._told = self._said = SourcePosition("")
        self._lags = False  # whether the last positions could not be saved

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int) -> Positions:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS, replicas=replicas))

    async def known(self, within_s: float = 0.0) -> dict[str, int]:
        """The stored position of every source, by its name; groups are left out. They are those that the leader of
        before has saved if NATS says so `within_s`; a replica that was cut off has older ones. Raises SdkError."""
        entries = await self._current(within_s) if within_s else await self._bucket.entries()
        return {position.source: position.position for position in positions_in(entries) if not position.group}

    async def _current(self, within_s: float) -> list[KvEntry]:
        """What a replica has that has a write of this moment."""
        try:
            async with asyncio.timeout(within_s):
                revision = 0
                while True:
                    try:
                        revision = revision or await self._put(self._told)
                        entries = await self._bucket.entries()
                        if max((entry.revision for entry in entries), default=0) >= revision:
                            return entries
                    except SdkError as error:
                        log.debug("source_position.not_read", error=str(error))
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            log.warning("source_position.may_be_old", within_s=within_s)
            return await self._bucket.entries()

    async def save(self, positions: Mapping[str, int]) -> None:
        """Where the sources are, and how, where that could not be said. It only saves work: what NATS does not take now
        is said with the next one."""
        try:
            for source, position in positions.items():
                await self._put(SourcePosition(source, position, position))
        except SdkError as error:
            if self._lags:  # a warning once, not each second
                log.debug("source_position.not_saved", error=str(error))
            else:
                log.warning("source_position.not_saved", error=str(error))
            self._lags = True
            return
        self._lags = False
        await self._tell(self._told)

    @property
    def error(self) -> str:
        """What is wrong with the source, empty when nothing is."""
        return self._told.error

    @property
    def failed(self) -> bool:
        """Whether it cannot go on."""
        return bool(self._told.error) and not self._told.retry

    async def tell(self, group: str, error: str = "", *, retry: bool = False) -> None:
        """How the source is: it cannot go on, it is tried again, or it is well."""
        refused = {} if error else self._told.refused
        await self._tell(SourcePosition(f"{_STATE}{group}", error=error, group=group, retry=retry, refused=refused))

    async def record_refusals(self, group: str, events: Iterable[object]) -> None:
        """What the source says of instruments that it does not subscribe."""
        refused = {event.symbol: event.reason for event in events if isinstance(event, SubscriptionFailed)}
        if refused:
            refused = {**self._told.refused, **refused}
            await self._tell(SourcePosition(f"{_STATE}{group}", group=group, refused=refused))

    async def _tell(self, told: SourcePosition) -> None:
        """A word for who looks: that NATS does not take it now must neither end nor hold up the reading. It is said
        with the next positions."""
        self._told = told
        if told == self._said:
            return
        try:
            async with asyncio.timeout(_WORD_S):
                await self._put(told)
            self._said = told
        except (SdkError, TimeoutError) as error:
            log.warning("source_state.not_published", state=told.error, refused=told.refused, error=reason_of(error))

    @staticmethod
    async def forget(bucket: NatsKeyValue) -> None:
        """How the sources of another run were."""
        for entry in await bucket.entries():
            if entry.key.startswith(escape(_STATE)):
                await bucket.delete(entry.key)

    async def finish(self, source: MarketSource, positions: Mapping[str, int], known: Mapping[str, int]) -> None:
        """Everything of the sources is in the raw log and acknowledged."""
        counting = counting_source(source)
        counts = counting.rows if counting is not None else {}
        skipped = dict(counting.skipped) if counting is not None else {}
        for number, name in enumerate(sorted({*counts, *positions})):
            position = max(positions.get(name, 0), known.get(name, 0))
            rows = counts.get(name, position)
            # Rows that are no tick are counted once, on the first source.
            await self._put(SourcePosition(name, position, rows, finished=True, skipped=skipped if not number else {}))

    async def _put(self, position: SourcePosition) -> int:
        return await self._bucket.put(escape(position.source), msgspec.msgpack.encode(position))
