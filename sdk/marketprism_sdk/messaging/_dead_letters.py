"""Commands that could not be done, kept for a month with the reason, and the way back onto their queue."""

from __future__ import annotations

import secrets

import msgspec

from marketprism_sdk.errors import StreamError
from marketprism_sdk.messaging._command_queues import Command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get, publish_ack, stream_info
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
        letter = await _letter(connection, seq)
        if letter is not None:
            found.append((seq, letter))
    return found


async def _letter(connection: NatsConnection, seq: int) -> DeadLetter | None:
    message = await direct_get(connection, DEAD_LETTERS, seq)
    if message is None:
        return None
    return decode_or_none(KvEntry(message.subject, message.data, seq, bucket=DEAD_LETTERS), DeadLetter)


async def redrive(connection: NatsConnection, seq: int) -> None:
    """Put a dead command back on its queue, under a key of its own, and take it from the dead letters.

    Raises:
        StreamError: there is no such letter, or it holds no command.
    """
    letter = await _letter(connection, seq)
    if letter is None or letter.command is None:
        raise StreamError(f"dead letter {seq}: expected a command, there is none")
    command = msgspec.structs.replace(letter.command, key=secrets.token_hex(12))
    await publish_ack(connection, letter.subject, msgspec.msgpack.encode(command), {"Nats-Msg-Id": command.key})
    await api(connection, f"STREAM.MSG.DELETE.{DEAD_LETTERS}", {"seq": seq})
