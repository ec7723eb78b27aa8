"""Commands that could not be done, kept for a month with the reason, and the way back onto their queue."""

from __future__ import annotations

import base64
import secrets

import msgspec

from marketprism_sdk.errors import StreamError
from marketprism_sdk.messaging._command_queues import Command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get, leader_message, publish_ack, stream_info
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

DEAD_LETTERS = "COMMANDS_DLQ"


class DeadLetter(msgspec.Struct, frozen=True):
    """A command that could not be done."""

    command: Command | None
    subject: str
    reason: str
    attempts: int
    ts_dead: int
    payload: bytes = b""


async def dead_letters(connection: NatsConnection) -> list[tuple[int, DeadLetter]]:
    """(sequence, letter) of everything in the dead letters."""
    state = (await stream_info(connection, DEAD_LETTERS))["state"]
    found = []
    for seq in range(max(1, state["first_seq"]), state["last_seq"] + 1):
        letter = await dead_letter(connection, seq)
        if letter is not None:
            found.append((seq, letter))
    return found


async def newest_letters(
    connection: NatsConnection, limit: int, *, before: int | None = None, most_read: int = 1_000
) -> tuple[list[tuple[int, DeadLetter]], int]:
    """(sequence, letter) of up to `limit` letters, newest first, `before` a sequence; and the sequence before which
    there may be more, 0 where there are none. At most `most_read` messages are looked at.

    Raises:
        StreamMissing: nobody has taken commands yet. StreamError, NotConnected, DeadlineExceeded.
    """
    state = (await stream_info(connection, DEAD_LETTERS, within_s=0))["state"]
    first, seq = max(1, int(state["first_seq"])), int(state["last_seq"])
    seq = seq if before is None else min(seq, before - 1)
    found: list[tuple[int, DeadLetter]] = []
    for _ in range(most_read):
        if seq < first or len(found) == limit:
            break
        letter = await dead_letter(connection, seq)
        if letter is not None:
            found.append((seq, letter))
        seq -= 1
    return found, seq + 1 if seq >= first else 0


async def dead_letter(connection: NatsConnection, seq: int) -> DeadLetter | None:
    """The letter of a sequence, None where there is none. Raises what the stream raises."""
    message = await direct_get(connection, DEAD_LETTERS, seq)
    return None if message is None else _letter_in(message.subject, message.data, seq)


def _letter_in(subject: str, data: bytes, seq: int) -> DeadLetter | None:
    return decode_or_none(KvEntry(subject, data, seq, bucket=DEAD_LETTERS), DeadLetter)


async def _at_leader(connection: NatsConnection, seq: int) -> DeadLetter | None:
    message = await leader_message(connection, DEAD_LETTERS, {"seq": seq})
    if message is None:
        return None
    return _letter_in(str(message["subject"]), base64.b64decode(message.get("data", "")), seq)


async def redrive(connection: NatsConnection, seq: int, key: str | None = None) -> str:
    """Put a dead command back on its queue, under `key` or one of its own, which is returned, and take it from the
    dead letters. The leader of these is asked for it: a replica that lags behind may still have one that was put back.

    Raises:
        StreamError: there is no such letter, or it holds no command. DeadlineExceeded, NotConnected: no answer.
    """
    letter = await _at_leader(connection, seq)
    if letter is None or letter.command is None:
        raise StreamError(f"dead letter {seq}: expected a command, there is none")
    if not letter.subject.startswith("cmd."):
        raise StreamError(f"dead letter {seq}: expected the subject of a command, was {letter.subject[:80]!r}")
    command = msgspec.structs.replace(letter.command, key=key or secrets.token_hex(16))
    # One id for every attempt at this letter: of two who put it back at a time, the stream takes one.
    headers = {"Nats-Msg-Id": f"dead-letter-{seq}-{letter.ts_dead}"}
    await publish_ack(connection, letter.subject, msgspec.msgpack.encode(command), headers)
    await discard(connection, seq)
    return command.key


async def discard(connection: NatsConnection, seq: int) -> None:
    """Take a letter out for good. Raises StreamError: there is no such letter."""
    await api(connection, f"STREAM.MSG.DELETE.{DEAD_LETTERS}", {"seq": seq})
