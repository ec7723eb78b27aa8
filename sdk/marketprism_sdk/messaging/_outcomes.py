"""What became of a command, remembered for a day by its key: whoever gave it can ask, and it is not done twice."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none

DONE = "commands_done"
DONE_S = 86_400.0


class CommandOutcome(msgspec.Struct, frozen=True):
    """`refused` is final by the service's own word, `failed` after the last attempt; both lie in the dead letters,
    `letter` is their sequence there. `ts` is nanoseconds UTC by the clock of who did it."""

    status: Literal["done", "refused", "failed"]
    ts: int = 0
    reason: str = ""
    letter: int = 0


def outcome_key(key: str) -> str:
    """The key of a command as a bucket can hold it, whatever the sender chose."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


async def outcome_of(bucket: KeyValue, key: str) -> CommandOutcome | None:
    """What became of the command with a key, None while nothing has. Raises what the bucket raises."""
    entry = await bucket.get(outcome_key(key))
    return None if entry is None else _outcome_in(entry)


def _outcome_in(entry: KvEntry) -> CommandOutcome | None:
    if not entry.value:  # as an earlier version remembered what was done
        return CommandOutcome("done")
    return decode_or_none(entry, CommandOutcome)


__all__ = ["DONE", "DONE_S", "CommandOutcome", "outcome_key", "outcome_of"]
