"""Queues of commands: one a service that whoever is free reads, and one for each of its groups.

`cmd.<service>.<command>` is the service's, `cmd.<service>.<group>.<command>` a group's: what is meant for one gateway
is never taken by another. A service with groups reads its own queue and the shared one, and what it finds there for
another group goes on to that group (ADR 26).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from marketprism_sdk.errors import InvalidSubject, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import NOT_FOUND, api

STREAM = "COMMANDS"
DEFAULT_GROUP = "default"
TOKEN = re.compile(r"[A-Za-z0-9_-]+")


class Command(msgspec.Struct, frozen=True):
    """A command as it is sent."""

    name: str
    issuer: str
    key: str
    ts_sent: int
    body: Any = None


def checked_token(name: str, token: str) -> str:
    """A part of a command's subject.

    Raises:
        InvalidSubject: not letters, digits, - and _.
    """
    if not TOKEN.fullmatch(token):
        raise InvalidSubject(f"{name}: expected letters, digits, - and _, was {token[:80]!r}")
    return token


@dataclass(frozen=True, slots=True)
class CommandQueue:
    """The queue of a service, or with `group` that of one of its groups."""

    service: str
    group: str | None = None

    def __post_init__(self) -> None:
        checked_token("service", self.service)
        if self.group is not None:
            checked_token("group", self.group)

    @property
    def consumer(self) -> str:
        """Durable consumer that all instances share."""
        return f"commands-{self.service}" if self.group is None else f"commands-{self.service}-{self.group}"

    def subject(self, command: str) -> str:
        """Where a command is put, or `*` for all of them. Raises InvalidSubject."""
        name = command if command == "*" else checked_token("command", command)
        return f"cmd.{self.service}.{name}" if self.group is None else f"cmd.{self.service}.{self.group}.{name}"

    async def open(self, connection: NatsConnection, ack_wait_s: float, parallel: int) -> None:
        """Make its consumer; asking twice is safe."""
        config = {
            "durable_name": self.consumer,
            "name": self.consumer,
            "ack_policy": "explicit",
            "ack_wait": int(ack_wait_s * 1e9),
            "filter_subject": self.subject("*"),
            "max_ack_pending": parallel,
        }
        body = {"stream_name": STREAM, "config": config}
        await api(connection, f"CONSUMER.CREATE.{STREAM}.{self.consumer}.{self.subject('*')}", body)

    async def is_read(self, connection: NatsConnection) -> bool:
        """Whether anybody has ever read it: what is put on a queue that nobody reads would lie there unseen."""
        try:
            await api(connection, f"CONSUMER.INFO.{STREAM}.{self.consumer}")
        except StreamError as error:
            if error.code in NOT_FOUND:
                return False
            raise
        return True
