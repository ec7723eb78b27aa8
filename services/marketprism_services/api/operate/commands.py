"""Commands to every service: which there are, by the services' own word, and one given in the name of who asks.

A command is checked by the service itself before it is given, so that a field that is wrong is named at once. It is
recorded before it goes onto its queue, and once more with what became of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_application.access.audit import Actor, Auditing, recorded
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_domain.commands import Issuer
from marketprism_sdk.errors import DeadlineExceeded, KeyExists, NoResponders, RemoteError, StreamMissing
from marketprism_sdk.messaging import (
    CHECK_COMMAND,
    DONE,
    CommandCheck,
    CommandOutcome,
    Discovery,
    RpcClient,
    outcome_of,
    send_command,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none
from marketprism_services.api.access.bodies import actor_of
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.bodies import object_in
from marketprism_services.api.operate.parameters import CommandIdParameters, CommandParameters, NoParameters
from marketprism_services.api.published.interfaces import Interfaces

_CHECK_S, _CHECKS = 2.0, 2
_FIRST_S, _PAUSE_S = 0.02, 0.25
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ASKED = "asked-"
WEIGHT = 5
# What changes the rules needs their scope, by whichever request it comes.
_SCOPES = {("validator", "AdjustValidationRules"): Scope.RULES}


class CommandRefused(ApplicationError):
    """The service does not do it, or could not."""

    code = Code.COMMAND_REFUSED


class AskedCommand(msgspec.Struct, frozen=True):
    """A command that was given at the door, as it is remembered for a day."""

    service: str
    command: str
    who: str
    ts: int
    digest: str  # of its arguments: the same key with others is a mistake


async def remember(bucket: KeyValue, command_id: str, record: AskedCommand) -> None:
    """Let a command be asked for by its id.

    Raises:
        KeyExists: it can be already. StreamMissing: no service has taken commands yet. What the bucket raises.
    """
    await bucket.create(f"{_ASKED}{command_id}", msgspec.msgpack.encode(record))


class _Given(msgspec.Struct):
    """A command as the audit log has it."""

    command_id: str
    arguments: dict[str, object]
    reason: str = ""


class _Order(NamedTuple):
    """A command that somebody asks for."""

    id: str
    service: str
    name: str
    arguments: dict[str, object]
    who: str

    @property
    def digest(self) -> str:
        """What tells these arguments from others."""
        data = msgspec.json.encode(self.arguments, order="sorted")
        return hashlib.blake2b(data, digest_size=16).hexdigest()


class CommandsApi:
    """Commands through the door."""

    def __init__(
        self,
        connection: NatsConnection,
        calls: RpcClient,
        discovery: Discovery,
        interfaces: Interfaces,
        auditing: Auditing,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._connection = connection
        self._calls = calls
        self._discovery = discovery
        self._interfaces = interfaces
        self._auditing = auditing
        self._clock = clock
        self._bucket = NatsKeyValue(connection, DONE)
        self._reading = NatsKeyValue.existing(connection, DONE)

    def endpoints(self) -> list[Endpoint]:
        """The list, one given, and what became of it."""
        return [
            Endpoint("GET", "/api/v1/commands", self._list, Scope.SYSTEM),
            Endpoint("GET", "/api/v1/commands/{id}", self._show, Scope.SYSTEM),
            Endpoint("POST", "/api/v1/commands/{service}/{command}", self._give, Scope.OPERATE, weight=WEIGHT),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        rows: dict[tuple[str, str], dict[str, object]] = {}
        for interface in self._interfaces.present():
            for each in interface.commands:
                rows.setdefault(
                    (interface.service, each.name),
                    {
                        "service": interface.service,
                        "command": each.name,
                        "summary": each.summary,
                        "arguments": each.body,
                        "attempts": each.attempts,
                        "timeout_s": each.timeout_s,
                        "scope": _SCOPES.get((interface.service, each.name), Scope.OPERATE),
                        "path": f"/api/v1/commands/{interface.service}/{each.name}",
                    },
                )
        found = [rows[key] for key in sorted(rows)]
        return answered(found, count_of(len(found), "command"), Stamp.of(request), tagged=True)

    async def _show(self, request: web.Request) -> web.Response:
        asked = CommandIdParameters.of(request)
        record = await self._asked(asked.id)
        if record is None:
            text = f"id: expected that of a command that was given here within a day, was {asked.id[:64]!r}"
            raise AccessRefused(Code.NOT_FOUND, text)
        outcome = await outcome_of(self._reading, asked.id)
        return _answer(request, asked.id, record, outcome)

    async def _asked(self, command_id: str) -> AskedCommand | None:
        return decode_or_none(await self._reading.get(f"{_ASKED}{command_id}"), AskedCommand)

    async def _give(self, request: web.Request) -> web.Response:
        end = asyncio.get_running_loop().time() + CommandParameters.of(request).wait_s
        actor = actor_of(request, principal_of(request))
        order = await _order_of(request, actor)
        scope = _SCOPES.get((order.service, order.name), Scope.OPERATE)
        if scope not in actor.principal.scopes:
            raise AccessRefused(Code.FORBIDDEN, f"scope: expected {scope}, which {actor.principal.id} does not have")
        target = f"{order.service}/{order.name}"
        given = _Given(order.id, recorded(order.arguments))
        before = await self._asked(order.id)
        if before is not None:
            _check_same(before, order)
        outcome = await outcome_of(self._reading, order.id) if before is not None else None
        record = before
        if outcome is None:
            await self._check(order)
            await self._auditing.record(actor, "command.give", target, "asked", None, given)
            record = record or await self._remember(order)
            try:
                outcome = await self._done(order, end)
            except Exception as error:
                await self._auditing.record(actor, "command.give", target, f"failed: {_code_of(error)}", None, given)
                raise
            given = msgspec.structs.replace(given, reason=outcome.reason if outcome is not None else "")
            became = outcome.status if outcome is not None else "waiting"
            await self._auditing.record(actor, "command.give", target, became, None, given)
        if outcome is not None and outcome.status != "done":
            raise CommandRefused(f"{target}: {outcome.reason} (command {order.id}, dead letter {outcome.letter})")
        return _answer(request, order.id, record, outcome)

    async def give(
        self, service: str, name: str, arguments: dict[str, object], who: str, end_s: float
    ) -> tuple[str, CommandOutcome | None]:
        """Give a command that was checked, recorded and allowed; its id, and what became of it up to `end_s` by the
        loop's clock, None where that is not known.

        Raises:
            SdkError: it could not be put on its queue, or nobody reads it.
        """
        order = _Order(secrets.token_hex(16), service, name, arguments, who)
        await self._remember(order)
        return order.id, await self._done(order, end_s)

    async def _check(self, order: _Order) -> None:
        """Have the service look at it.

        Raises:
            AccessRefused: NOT_FOUND, there is no such service or command. RemoteError: INVALID_PARAMETER, its field.
            NoResponders, DeadlineExceeded, NotConnected: no instance answers.
        """
        tried: set[str] = set()
        failure: Exception | None = None
        body = msgspec.msgpack.encode(CommandCheck(order.name, order.arguments))
        for _ in range(_CHECKS):
            record = self._discovery.pick(order.service, usable=lambda each: each.instance not in tried)
            if record is None:
                break
            tried.add(record.instance)
            try:
                await self._calls.call_raw(
                    order.service, CHECK_COMMAND, body, instance=record.instance, timeout_s=_CHECK_S
                )
            except (NoResponders, DeadlineExceeded) as error:
                failure = error
            except RemoteError as error:
                if error.code == "UNKNOWN_COMMAND":
                    raise AccessRefused(Code.NOT_FOUND, error.message) from error
                raise
            else:
                return
        if failure is not None:
            raise failure
        services = sorted({each.service for each in self._interfaces.known() if each.commands})
        if order.service in services:
            raise NoResponders(f"{order.service}: expected an instance that takes commands, there is none now")
        known = ", ".join(services) or "none"
        raise AccessRefused(Code.NOT_FOUND, f"service: expected one of {known}, was {order.service!r}")

    async def _remember(self, order: _Order) -> AskedCommand:
        record = AskedCommand(order.service, order.name, order.who, self._clock(), order.digest)
        try:
            await remember(self._bucket, order.id, record)
        except KeyExists:  # the same request came twice at a time
            found = await self._asked(order.id) or record
            _check_same(found, order)
            return found
        except StreamMissing as error:
            raise NoResponders("commands: expected a service that takes them, none has run here") from error
        return record

    async def _done(self, order: _Order, end_s: float) -> CommandOutcome | None:
        """Put it on its queue and wait. One that was put there before is not put there twice: it has the same key."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def hint(_: KvEntry) -> None:
            changed.set()

        stop = await self._reading.watch("", hint)
        try:
            try:
                await send_command(
                    self._connection,
                    order.service,
                    order.name,
                    order.arguments,
                    issuer=f"{Issuer.OPERATOR}:{order.who}",
                    key=order.id,
                )
            except StreamMissing as error:
                raise NoResponders("commands: expected a service that takes them, none has run here") from error
            pause_s = _FIRST_S
            while (outcome := await outcome_of(self._reading, order.id)) is None and (
                left_s := end_s - loop.time()
            ) > 0:
                changed.clear()
                try:
                    async with asyncio.timeout(min(pause_s, left_s)):
                        await changed.wait()
                except TimeoutError:
                    pause_s = min(_PAUSE_S, pause_s * 2)
            return outcome
        finally:
            await stop()


def _check_same(before: AskedCommand, order: _Order) -> None:
    if before.digest != order.digest:
        text = "Idempotency-Key: expected one that no other arguments came with, was of a command with others"
        raise AccessRefused(Code.CONFLICT, text)


def _code_of(error: Exception) -> str:
    return str(error.code) if isinstance(error, ApplicationError | RemoteError) else type(error).__name__


async def _order_of(request: web.Request, actor: Actor) -> _Order:
    """What is asked for. Raises QueryError: the key or the body is none, AccessRefused: no such service can be."""
    service, name = request.match_info["service"], request.match_info["command"]
    for word, text in (("service", service), ("command", name)):
        if not _TOKEN.fullmatch(text):
            raise AccessRefused(Code.NOT_FOUND, f"{word}: expected letters, digits, - and _, was {text[:64]!r}")
    who = actor.principal.id
    key = request.headers.get("Idempotency-Key")
    if key is None:
        command_id = secrets.token_hex(16)
    elif not _KEY.fullmatch(key):
        raise QueryError(f"Idempotency-Key: expected 1 to 128 letters, digits, _ . : and -, was {key[:64]!r}")
    else:  # of this caller and this command: nobody can take the key of somebody else
        named = "\0".join((who, service, name, key))
        command_id = hashlib.blake2b(named.encode(), digest_size=16).hexdigest()
    return _Order(command_id, service, name, await object_in(request), who)


def _answer(
    request: web.Request, command_id: str, record: AskedCommand | None, outcome: CommandOutcome | None
) -> web.Response:
    status: Literal["waiting", "done", "refused", "failed"] = outcome.status if outcome is not None else "waiting"
    data = {
        "id": command_id,
        "status": status,
        "service": record.service if record is not None else "",
        "command": record.command if record is not None else "",
        "who": record.who if record is not None else "",
        "ts_asked": record.ts if record is not None else 0,
        "ts_ended": outcome.ts if outcome is not None else None,
        "reason": outcome.reason if outcome is not None else "",
        "dead_letter": outcome.letter or None if outcome is not None else None,
    }
    answer = answered(data, status, Stamp.of(request))
    if outcome is None and request.method == "POST":
        answer.set_status(202)
        answer.headers["Location"] = f"/api/v1/commands/{command_id}"
    answer.headers["Cache-Control"] = "no-store"
    return answer
