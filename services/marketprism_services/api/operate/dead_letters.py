"""Dead letters: commands that could not be done, rows that no table took; read, put back, thrown away."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_application.access.audit import Auditing, masked, recorded
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_sdk.errors import RemoteError, StreamError, StreamMissing
from marketprism_sdk.messaging import (
    DONE,
    DeadLetter,
    Discovery,
    LeaderClient,
    RpcClient,
    dead_letter,
    discard,
    newest_letters,
    redrive,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.api.access.bodies import actor_of, body_of
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.commands import AskedCommand, remember
from marketprism_services.api.operate.parameters import (
    LetterParameters,
    LettersParameters,
    NoParameters,
    RowLettersParameters,
)

_ROWS_S, _REDRIVE_S = 5.0, 25.0
_SHOWN = 4_096
_WEIGHT = 5
_STORAGE = "storage"


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the audit log."""

    reason: str = ""


class RowsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Rows that are put in again: that of `key` (STREAM:sequence.index), or up to `limit`."""

    key: str = ""
    limit: int = 100
    reason: str = ""


class _Done(msgspec.Struct):
    """What the audit log has of it."""

    letter: dict[str, object]
    reason: str = ""


class DeadLettersApi:
    """What was set aside."""

    def __init__(self, connection: NatsConnection, calls: RpcClient, discovery: Discovery, auditing: Auditing) -> None:
        self._connection = connection
        self._auditing = auditing
        self._outcomes = NatsKeyValue(connection, DONE)
        self._storage = LeaderClient(calls, _STORAGE, wait_s=1.0, known=lambda: self._leader(discovery))

    @staticmethod
    def _leader(discovery: Discovery) -> str | None:
        found = discovery.leader(_STORAGE)
        return None if found is None else found.instance

    def endpoints(self) -> list[Endpoint]:
        """Commands by the sequence of their letter, rows by their key."""
        path = "/api/v1/dead-letters"
        return [
            Endpoint("GET", path, self._list, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", f"{path}/rows", self._list_rows, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("POST", f"{path}/rows/requeue", self._requeue_rows, Scope.OPERATE, weight=_WEIGHT),
            Endpoint("GET", f"{path}/{{seq}}", self._show, Scope.SYSTEM),
            Endpoint("POST", f"{path}/{{seq}}/requeue", self._requeue, Scope.OPERATE, weight=_WEIGHT),
            Endpoint("DELETE", f"{path}/{{seq}}", self._discard, Scope.OPERATE, weight=_WEIGHT),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        asked = LettersParameters.of(request)
        rows: list[dict[str, object]] = []
        before = asked.before
        more = 0
        try:
            found, more = await newest_letters(self._connection, asked.limit, before=before)
        except StreamMissing:
            found = []  # there is no queue before the first service that takes commands
        for seq, letter in found:
            if asked.service is None or letter.subject.split(".")[1:2] == [asked.service]:
                rows.append(_row(seq, letter))
        data = {"letters": rows, "before": more or None}
        return answered(data, count_of(len(rows), "letter"), Stamp.of(request))

    async def _show(self, request: web.Request) -> web.Response:
        asked = LetterParameters.of(request)
        letter = await self._letter(asked.seq)
        command = letter.command
        data = {
            **_row(asked.seq, letter),
            "arguments": _masked(command.body if command is not None else None),
            "key": command.key if command is not None else "",
            "ts_sent": command.ts_sent if command is not None else None,
            "payload": letter.payload[:_SHOWN].hex(),
        }
        answer = answered(data, letter.subject, Stamp.of(request))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _letter(self, seq: int) -> DeadLetter:
        try:
            letter = await dead_letter(self._connection, seq)
        except StreamMissing:
            letter = None
        if letter is None:
            raise AccessRefused(Code.NOT_FOUND, f"seq: expected that of a dead letter, was {seq}")
        return letter

    async def _requeue(self, request: web.Request) -> web.Response:
        asked, body = LetterParameters.of(request), await _reason_of(request)
        letter = await self._letter(asked.seq)
        if letter.command is None or not letter.subject.startswith("cmd."):
            raise AccessRefused(Code.CONFLICT, f"seq: expected the letter of a command, {asked.seq} holds none")
        key = secrets.token_hex(16)
        async with self._recorded(request, "command.requeue", asked.seq, letter, body.reason):
            try:
                await remember(self._outcomes, key, self._record_of(letter, principal_of(request).id))
                await redrive(self._connection, asked.seq, key)
            except StreamError as error:
                raise _not_taken(asked.seq, error) from error
        return answered({"seq": asked.seq, "key": key}, "requeued", Stamp.of(request))

    @staticmethod
    def _record_of(letter: DeadLetter, who: str) -> AskedCommand:
        """What whoever follows it is shown: it is a command of who put it back."""
        name = letter.command.name if letter.command is not None else ""
        return AskedCommand(letter.subject.split(".")[1], name, who, time.time_ns(), "")

    async def _discard(self, request: web.Request) -> web.Response:
        asked, body = LetterParameters.of(request), await _reason_of(request)
        letter = await self._letter(asked.seq)
        async with self._recorded(request, "command.discard", asked.seq, letter, body.reason):
            try:
                await discard(self._connection, asked.seq)
            except StreamError as error:
                raise _not_taken(asked.seq, error) from error
        return answered(None, "discarded", Stamp.of(request))

    @asynccontextmanager
    async def _recorded(
        self, request: web.Request, action: str, seq: int, letter: DeadLetter, reason: str
    ) -> AsyncIterator[None]:
        body = letter.command.body if letter.command is not None else None
        row = _row(seq, letter) | recorded({"arguments": body})
        actor = actor_of(request, principal_of(request))
        async with self._auditing.change(actor, action, f"dead-letter {seq}", _Done(row), _Done({}, reason[:500])):
            yield

    # -- rows ------------------------------------------------------------------------------------------------------

    async def _list_rows(self, request: web.Request) -> web.Response:
        asked = RowLettersParameters.of(request)
        found = await self._storage.call("dead_rows", {"limit": asked.limit}, timeout_s=_ROWS_S, idempotent=True)
        rows = found if isinstance(found, list) else []
        return answered(rows, count_of(len(rows), "row"), Stamp.of(request))

    async def _requeue_rows(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        body = await body_of(request, RowsBody)
        if not 1 <= body.limit <= 10_000:
            raise QueryError(f"limit: expected 1 to 10000, was {body.limit}")
        asked: dict[str, object] = {"key": body.key, "limit": 1} if body.key else {"limit": body.limit}
        actor = actor_of(request, principal_of(request))
        given = _Done(dict(asked), body.reason[:500])
        async with self._auditing.change(actor, "store.requeue_rows", body.key[:80] or "rows", None, given):
            done = await self._storage.call("redrive_rows", asked, timeout_s=_REDRIVE_S)
        if not isinstance(done, dict):
            raise RemoteError(Code.MALFORMED_REPLY, "redrive_rows: expected a map of rows, was another")
        if body.key and not done:
            raise AccessRefused(
                Code.NOT_FOUND, f"key: expected that of a row that was set aside, was {body.key[:80]!r}"
            )
        refused = {str(row): str(why) for row, why in done.items() if why}
        data = {"stored": len(done) - len(refused), "refused": refused}
        return answered(data, count_of(len(done), "row"), Stamp.of(request))


def _not_taken(seq: int, error: StreamError) -> Exception:
    """What to raise where a letter could not be taken: somebody else has taken it, unless it may be tried again."""
    if error.retryable:
        return error
    return AccessRefused(Code.NOT_FOUND, f"seq: expected that of a dead letter, {seq} has just gone")


def _row(seq: int, letter: DeadLetter) -> dict[str, object]:
    tokens = letter.subject.split(".")
    return {
        "seq": seq,
        "service": tokens[1] if len(tokens) > 2 else "",
        "command": letter.command.name if letter.command is not None else "",
        "subject": letter.subject,
        "issuer": letter.command.issuer if letter.command is not None else "",
        "reason": letter.reason,
        "attempts": letter.attempts,
        "bytes": len(letter.payload or msgspec.msgpack.encode(letter.command)),
        "ts_dead": letter.ts_dead,
    }


def _masked(body: object) -> object:
    return masked({"body": body})["body"]


async def _reason_of(request: web.Request) -> ReasonBody:
    """The body, where there is one. Raises QueryError."""
    if not await request.read():
        return ReasonBody()
    return await body_of(request, ReasonBody)


__all__ = ["DeadLettersApi", "ReasonBody", "RowsBody"]
