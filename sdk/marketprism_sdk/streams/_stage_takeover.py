"""How a stage takes a partition over: its checkpoint fenced, its state restored, its input looked at and opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from marketprism_sdk.errors import Fenced, SdkError, StreamError, reason_of
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.streams._stage_input import InputCut, SettledInput, cut_of, input_state, read_on
from marketprism_sdk.streams._stage_records import last_record
from marketprism_sdk.streams._stage_types import (
    OwnedPartition,
    Processor,
    StageSettings,
    is_checkpoint,
    load_snapshot,
    taken_over,
    write_snapshot,
)

log = get_logger(__name__)

# For a reader's place: whoever shall have it may be gone, and replicas are read meanwhile.
_READER_S = 0.25
_OVERTAKE_S = 5.0  # for so long a take-over is tried while the owner of before goes on writing


class StageInput:
    """The input of a stage.

    `refused` are partitions that are not worked on although they were to be, with the reason; `away` is why the stream
    cannot be read, empty while it can.
    """

    def __init__(
        self,
        connection: NatsConnection,
        settings: StageSettings,
        factory: Callable[[int, int], Processor],
        holder: str,
        on_arrival: Callable[[], None],
        on_cut: Callable[[int, InputCut], None],
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._factory = factory
        self._holder = holder
        self._on_arrival = on_arrival
        self._on_cut = on_cut
        self._settled = SettledInput(lambda: input_state(connection, settings.input_stream))
        self.refused: dict[int, str] = {}
        self.away: str = ""

    async def take_over(self, partition: int, epoch: int) -> OwnedPartition:
        """The partition under an epoch, with its state, its messages coming.

        Raises:
            Fenced: its checkpoint is of a later epoch already. InputRefused: its input is not what its checkpoint says,
            and it cannot go on by itself. SdkError: not now.
        """
        try:
            part = await self._take_over(partition, epoch)
        except Fenced:
            self.refused.pop(partition, None)
            raise
        except SdkError as error:
            self.refused[partition] = str(error)
            raise
        self.refused.pop(partition, None)
        return part

    async def _take_over(self, partition: int, epoch: int) -> OwnedPartition:
        settings, stream = self._settings, self._settings.output_stream
        part = await self._fence(partition, epoch)
        if part.snap_chunks:
            state = await load_snapshot(self._connection, stream, settings.subject(partition, "snap"), part)
            try:
                part.processor.restore(state)
            except Exception as error:  # whatever it is that somebody wrote there, it may not end a service
                raise SdkError(
                    f"partition {partition}: expected a snapshot, was something else: {reason_of(error)}"
                ) from error
        part.in_seq = part.snap_in_seq
        await self._compare(part)
        part.consumer = PullConsumer(
            self._connection,
            settings.input_stream,
            [settings.input_subject(partition)],
            start_seq=part.in_seq + 1,
            on_arrival=self._on_arrival,
            created=part.created,
            directly=True,
        )
        try:
            await part.consumer.open(_READER_S)
        except BaseException:
            await part.consumer.close()
            raise
        return part

    async def _fence(self, partition: int, epoch: int) -> OwnedPartition:
        """Rewrite the checkpoint under the own epoch: whoever expects the one of before is refused from now on.

        Its owner of before may write once more between reading and writing, since nobody has refused it yet.
        """
        settings, stream = self._settings, self._settings.output_stream
        subject = settings.subject(partition, "ck")
        until = time.monotonic() + _OVERTAKE_S
        while True:
            last, seq = await last_record(self._connection, stream, subject, is_checkpoint)
            part = taken_over(partition, epoch, self._holder, self._factory, last)
            expected = {"Nats-Expected-Last-Subject-Sequence": str(seq)}
            try:
                part.ck_seq = (
                    await publish_ack(self._connection, subject, part.checkpoint(self._holder), expected)
                ).seq
            except Fenced:
                if time.monotonic() > until:
                    raise
            else:
                return part

    async def _compare(self, part: OwnedPartition) -> None:
        """Whether the stream goes on where the partition is; if not, it is set behind the cut in a commit of its own.

        State, place and the identity of the stream change together: whoever takes over next sees all of it or nothing.
        """
        stream = self._settings.input_stream
        state = await self._settled.state(part)
        cut = cut_of(part, state)
        if cut is not None:
            read_on(part, cut, stream)
        part.created = state.created
        if cut is None:
            return
        batch = AtomicBatch(self._connection)
        await write_snapshot(part, batch, self._settings.subject(part.number, "snap"), time.monotonic())
        subject = self._settings.subject(part.number, "ck")
        part.ck_seq = (await batch.commit(subject, part.checkpoint(self._holder), part.ck_seq)).seq
        self._on_cut(part.number, cut)

    async def look(self, parts: Iterable[OwnedPartition]) -> None:
        """Whether the stream is still the one that is read, and holds what is next; one that is away is waited for.

        Raises:
            StreamError: it is not, or does not: every partition is to be taken over again. NotConnected,
            DeadlineExceeded: no answer.
        """
        stream = self._settings.input_stream
        try:
            state = await input_state(self._connection, stream)
        except StreamError as error:
            log.warning("stream.unreachable", stream=stream, error=str(error))
            self.away = str(error)
            return
        self.away = ""
        for part in parts:
            consumer = part.consumer
            if part.created != state.created:
                raise StreamError(f"stream {stream}: was made anew", retryable=True)
            if consumer is not None and consumer.left and consumer.next_seq < state.first:
                raise StreamError(
                    f"stream {stream}: the messages that were to be read next are deleted", retryable=True
                )
