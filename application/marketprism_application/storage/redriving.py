"""Rows that were set aside: looked at, and put in again once what was in their way is mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from marketprism_application.contracts.codec import ContractError, decode_row
from marketprism_application.contracts.history import decode_block, kind_of_subject
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.errors import RowError
from marketprism_application.ports.storage import DeadRow, MarketStore, RangeMessage, StreamPlace, StreamRange
from marketprism_application.storage.decoding import decode_messages


class LetterKey(NamedTuple):
    """Which dead row: its stream, its sequence there, its index in the message."""

    stream: str
    seq: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> LetterKey | None:
        """From `STREAM:seq.index` or `STREAM:seq`; None where it is something else."""
        stream, _, place = text.rpartition(":")
        seq, _, offset = place.partition(".")
        if not stream or not seq.isdecimal() or not (offset or "0").isdecimal():
            return None
        return cls(stream, int(seq), int(offset or 0))

    def __str__(self) -> str:
        return f"{self.stream}:{self.seq}.{self.offset}"


class DeadRows(Protocol):
    """The rows that were set aside and not put in again since.

    Raises:
        StoreError: the store is away.
    """

    async def count(self) -> int: ...

    async def letters(self, limit: int, key: LetterKey | None = None) -> Sequence[DeadRow]:
        """The newest, or the one with the key."""
        ...

    async def forget(self, row: DeadRow) -> None:
        """It is in its table now; it stays recorded as redriven."""
        ...


class _RowMessage(NamedTuple):
    subject: str
    seq: int
    data: bytes
    ts: int = 0  # not known any more


async def redrive(
    row: DeadRow, store: MarketStore, letters: DeadRows, epoch: int, message: RangeMessage | None = None
) -> str:
    """Put a dead row in; empty when it is in, else why not. Twice is as once: its token and its key are the same.

    `message` is the whole message as the stream has it, for rows of which only a part was kept.

    Raises:
        StoreError: the store is away, nothing has changed.
    """
    covered = StreamRange(row.stream, f"redriven:{row.offset}", row.seq, row.seq)
    try:
        if row.kind in KINDS:
            kind = KINDS[row.kind]
            await store.insert(
                kind, [decode_row(kind, row.payload)], [StreamPlace(row.seq, row.offset)], covered, epoch
            )
        else:
            whole = message or (_RowMessage(row.subject, row.seq, row.payload) if row.subject else None)
            if whole is None:
                return "nothing says of what kind it is, and the stream does not hold its message any more"
            if kind_of_subject(whole.subject) is not None:
                block = decode_block(whole.subject, whole.data)
                await store.insert_columns(block.kind, block.rows, block.stored_seq(row.seq), covered, epoch)
                await letters.forget(row)
                return ""
            decoded = decode_messages(row.stream, [whole])
            if decoded.dead:
                return decoded.dead[0].reason
            for name, rows in decoded.by_kind.items():
                await store.insert(KINDS[name], rows.rows, rows.places, covered, epoch)
    except (ContractError, RowError) as error:
        return str(error)
    await letters.forget(row)
    return ""


__all__ = ["DeadRows", "LetterKey", "redrive"]
