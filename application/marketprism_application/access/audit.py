"""A change, and the record of it: what is not recorded is not done."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from marketprism_application.access.principal import Principal
from marketprism_application.contracts.access_records import AuditRecord
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.access_store import AuditLog

_SECRET = ("password", "digest", "secret", "token", "cookie", "authorization", "csrf", "credential")
_MASK = "***"
_MOST_RECORDED = 16_384  # bytes of values
_NEVER = frozenset({"key"})  # by its whole name; `key_id` is none


class Actor(NamedTuple):
    """Who does something, and from where."""

    principal: Principal
    address: str = ""
    request_id: str = ""


def masked(fields: Mapping[str, object]) -> dict[str, object]:
    """Fields without their secrets; names and shapes stay."""
    return {name: _MASK if _is_secret(name) and value else _plain(value) for name, value in fields.items()}


def recorded(values: Mapping[str, object]) -> dict[str, object]:
    """Values as the audit log has them: what is long is named by its size and digest, since a record is one message."""
    data = msgspec.json.encode(values)
    if len(data) <= _MOST_RECORDED:
        return dict(values)
    return {"bytes": len(data), "blake2b": hashlib.blake2b(data, digest_size=16).hexdigest()}


def _is_secret(name: str) -> bool:
    lowered = name.lower()
    return lowered in _NEVER or any(word in lowered for word in _SECRET)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return masked({str(name): each for name, each in value.items()})
    if isinstance(value, msgspec.Struct):
        return masked(msgspec.structs.asdict(value))
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _MASK if isinstance(value, bytes) else value


def fields_of(record: msgspec.Struct | None) -> dict[str, object]:
    """A record's fields without their secrets; none of none."""
    return {} if record is None else masked(msgspec.structs.asdict(record))


class Auditing:
    """Records what is done."""

    def __init__(self, log: AuditLog, clock: Callable[[], int] = time.time_ns) -> None:
        self._log = log
        self._clock = clock

    async def record(
        self,
        actor: Actor,
        action: str,
        target: str,
        outcome: str = "done",
        before: msgspec.Struct | None = None,
        after: msgspec.Struct | None = None,
    ) -> None:
        """Record what was done, or refused. Raises what the log raises."""
        who = actor.principal
        await self._log.add(
            AuditRecord(
                ts=self._clock(),
                who=who.id,
                action=action,
                target=target,
                outcome=outcome,
                credential=who.credential,
                address=actor.address,
                before=fields_of(before),
                after=fields_of(after),
                request_id=actor.request_id,
            )
        )

    @asynccontextmanager
    async def change(
        self,
        actor: Actor,
        action: str,
        target: str,
        before: msgspec.Struct | None = None,
        after: msgspec.Struct | None = None,
    ) -> AsyncIterator[None]:
        """Around a change: it is recorded before it is made, and once more if it was not made after all.

        Raises:
            Exception: what the log raises; the change is not made then.
        """
        await self.record(actor, action, target, "done", before, after)
        try:
            yield
        except Exception as error:
            code = error.code if isinstance(error, ApplicationError) else type(error).__name__
            await self.record(actor, action, target, f"failed: {code}", before, after)
            raise
