"""The raw log as one leader of a gateway writes it: fenced, chained, told apart from the leader before."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from marketprism_adapters.nats import streams
from marketprism_application.contracts.packed import Packed, encode_packed
from marketprism_application.contracts.subjects import raw_subject
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Sampler
from marketprism_sdk.streams import FencedPublisher, fenced_publisher, raise_fence

OnSampled = Callable[[Tick], None]


class RawLog:
    """`open` raises the fence: whoever wrote before is refused from then on. `on_sampled` is called with the last tick
    of each message that the sampler takes."""

    def __init__(
        self, publisher: FencedPublisher, epoch: int, session: str, sampler: Sampler, on_sampled: OnSampled
    ) -> None:
        self._publisher = publisher
        self._epoch = epoch
        self._session = session
        self._sampler = sampler
        self._on_sampled = on_sampled
        self._chains: dict[int, int] = defaultdict(int)

    @classmethod
    async def open(
        cls,
        connection: NatsConnection,
        group: str,
        instance: str,
        epoch: int,
        *,
        sampler: Sampler,
        on_fenced: Callable[[str], None],
        on_sampled: OnSampled = lambda _: None,
    ) -> RawLog:
        """Raise the fence and begin a session of its own."""
        fence = await raise_fence(connection, streams.RAW, f"fence.gateway.{group}", instance, epoch)
        publisher = await fenced_publisher(connection, fence, on_fenced)
        return cls(publisher, epoch, f"{instance}-{epoch}-{time.time_ns():x}", sampler, on_sampled)

    async def send(self, messages: Sequence[tuple[int, Packed]], resumed: int) -> None:
        """(partition, message) in order; `resumed` says since when a live source is there, 0 for one that is read
        again from its beginning."""
        now = time.time_ns()
        for partition, packed in messages:
            chain = self._chains[partition]
            self._chains[partition] = chain + 1
            chained = packed._replace(
                epoch=self._epoch, ts_pub=now, session=self._session, chain=chain, resumed=0 if chain else resumed
            )
            trace = self._sampler.take()
            headers = None if trace is None else trace.headers()
            await self._publisher.publish(raw_subject(partition), encode_packed(chained), headers)
            if trace is not None and packed.ticks:
                self._on_sampled(packed.ticks[-1])
        if messages:
            self._publisher.push()  # what else the source said is not to hold up its ticks

    async def flush(self) -> None:
        """Everything sent is in the stream."""
        await self._publisher.flush(60)

    async def close(self) -> None:
        """Close the publisher; `flush` before says that everything is stored."""
        await self._publisher.close()
