"""Validation rules through the door: those in force, those before, a change, and what a change would have decided."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import msgspec
from aiohttp import web

from marketprism_adapters.http.caller_limits import TooMany
from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_adapters.nats.rules_log import RulesLog
from marketprism_adapters.nats.rules_view import (
    MONITOR,
    VALIDATOR,
    RulesInForce,
    RulesView,
    ValidatorAnswer,
    trial_monitor,
)
from marketprism_application.access.audit import Auditing
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.rules_records import TRY_RULES, RulesTrialRequest
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_sdk.messaging import Discovery, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.api.access.bodies import actor_of, body_of
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.commands import WEIGHT, CommandRefused, CommandsApi
from marketprism_services.api.operate.parameters import NoParameters, RulesHistoryParameters
from marketprism_services.api.operate.rules_shown import shown_history, shown_rules, shown_validator
from marketprism_services.api.read.entitled import may_see

PATH = "/api/v1/rules"
_COMMAND = "AdjustValidationRules"
_WAIT_S = 10.0
_IN_FORCE_S = 3.0
_TRIAL_S = 29.0
_AGAIN_S = 5.0
_TRIAL_WEIGHT = 10
_REASON = 500
_ORIGINS = 100  # newest versions in which the last change of a rule is looked for
_VERSION = re.compile(r'(?:W/)?"(\d{1,15})"|(\d{1,15})')


class RulesChangedMeanwhile(ApplicationError):
    """The rules are of another version than whoever changes them has seen; the details have those in force."""

    code = Code.CHANGED

    def __init__(self, message: str, details: Mapping[str, object]) -> None:
        super().__init__(message)
        self.details = details


class RulesBody(msgspec.Struct, forbid_unknown_fields=True):
    """Values by the name of the rule, all or only those that are to be others; or `restore`, a version whose values are
    to be in force again. Why, for those who come later."""

    rules: dict[str, object] = {}
    restore: int | None = None
    reason: str = ""


class TrialBody(msgspec.Struct, forbid_unknown_fields=True):
    """Values by the name of the rule, or `restore`; and how many minutes of the log are judged by them."""

    rules: dict[str, object] = {}
    restore: int | None = None
    minutes: float = 60.0


class _Change(msgspec.Struct):
    """What the audit log has of a change."""

    version: int
    rules: dict[str, object]
    reason: str = ""


class RulesApi:
    """Reads the rules' bucket, and has validators change it by their own command."""

    def __init__(
        self,
        connection: NatsConnection,
        calls: RpcClient,
        discovery: Discovery,
        auditing: Auditing,
        commands: CommandsApi,
    ) -> None:
        self._calls = calls
        self._discovery = discovery
        self._auditing = auditing
        self._commands = commands
        self._log = RulesLog.existing(connection)
        self._view = RulesView(self._log, calls, discovery)

    def endpoints(self) -> list[Endpoint]:
        """Seen, changed, tried, and what was before."""
        return [
            Endpoint("GET", PATH, self._show, Scope.SYSTEM),
            Endpoint("PUT", PATH, self._change, Scope.RULES, weight=WEIGHT),
            Endpoint("GET", f"{PATH}/history", self._history, Scope.SYSTEM, weight=WEIGHT),
            Endpoint("POST", f"{PATH}/trial", self._try, Scope.SYSTEM, weight=_TRIAL_WEIGHT),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        found = await self._view.read()
        return _tagged(answered(await self._shown(found), "rules", Stamp.of(request)), found.rules.version)

    async def _shown(self, found: RulesInForce) -> dict[str, object]:
        return shown_rules(found, await self._log.newest(_ORIGINS))

    async def _history(self, request: web.Request) -> web.Response:
        asked = RulesHistoryParameters.of(request)
        records = await self._log.newest(asked.limit, asked.before)
        data = shown_history(records, asked.limit)
        answer = answered(data, count_of(len(records), "version"), Stamp.of(request))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # -- change ----------------------------------------------------------------------------------------------------

    async def _change(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        expected = _expected_version(request)
        body = await body_of(request, RulesBody)
        found = await self._view.read()
        if found.rules.version != expected:
            raise await self._changed(expected, found)
        changes = await self._changes_of(body.rules, body.restore, found.rules)
        if not changes:
            data = _outcome(found.rules.version, {}, found.validators)
            return _tagged(answered(data, "no change", Stamp.of(request)), found.rules.version)
        if not found.validators:
            raise NoResponders(f"{VALIDATOR}: expected an instance that changes the rules, there is none now")
        status, command_id = await self._give(request, body, found.rules, changes)
        if status == "waiting":
            answer = answered({"id": command_id, "status": status}, status, Stamp.of(request))
            answer.set_status(202)
            answer.headers["Location"] = f"/api/v1/commands/{command_id}"
            return answer
        version = expected + 1
        validators = await self._view.wait_for(version, _IN_FORCE_S)
        return _tagged(answered(_outcome(version, changes, validators), "changed", Stamp.of(request)), version)

    async def _give(
        self, request: web.Request, body: RulesBody, rules: ValidationRules, changes: dict[str, object]
    ) -> tuple[str, str]:
        """Have it done, and record it: what became of the command, and its id.

        Raises:
            RulesChangedMeanwhile: somebody else was first. CommandRefused: a validator does not do it.
        """
        actor = actor_of(request, principal_of(request))
        reason = body.reason.strip()[:_REASON]
        before = _Change(rules.version, {name: rules.values()[name] for name in changes})
        after = _Change(rules.version + 1, changes, reason)
        await self._auditing.record(actor, "rules.change", "validation rules", "asked", before, after)
        arguments: dict[str, object] = {"changes": changes, "version": rules.version, "reason": reason}
        became = "failed"
        try:
            end = asyncio.get_running_loop().time() + _WAIT_S
            command_id, outcome = await self._commands.give(VALIDATOR, _COMMAND, arguments, actor.principal.id, end)
            became = outcome.status if outcome is not None else "waiting"
        finally:
            await self._auditing.record(actor, "rules.change", "validation rules", became, before, after)
        if outcome is not None and outcome.status != "done":
            now = await self._view.read()
            if now.rules.version != rules.version:
                raise await self._changed(rules.version, now)
            raise CommandRefused(f"{VALIDATOR}/{_COMMAND}: {outcome.reason} (command {command_id})")
        return became, command_id

    async def _changed(self, expected: int, found: RulesInForce) -> RulesChangedMeanwhile:
        text = f"If-Match: expected {found.rules.version}, the version in force, was {expected}"
        return RulesChangedMeanwhile(text, {"rules": await self._shown(found)})

    async def _changes_of(
        self, values: Mapping[str, object], restore: int | None, rules: ValidationRules
    ) -> dict[str, object]:
        """What of the values is another than in force.

        Raises:
            RemoteError: INVALID_PARAMETER with the field. AccessRefused: NOT_FOUND, no such version.
        """
        if restore is not None:
            if values:
                raise QueryError("restore: expected no rules beside it, were some")
            values = await self._values_of(restore)
        try:
            changed = rules.changed(**values)
        except (InvalidValue, TypeError) as error:
            field = error.field if isinstance(error, InvalidValue) else "rules"
            raise RemoteError(Code.INVALID_PARAMETER, str(error), {"field": field}) from error
        return {name: new for name, (_, new) in rules.differences(changed).items()}

    async def _values_of(self, version: int) -> dict[str, object]:
        record = await self._log.record(version)
        if record is not None:
            values = ValidationRules.from_dict(record.rules).values()
        elif (after := await self._log.record(version + 1)) is not None:
            old = {name: was for name, (was, _) in after.changes.items()}
            values = {**ValidationRules.from_dict(after.rules).values(), **old}
        else:
            raise AccessRefused(Code.NOT_FOUND, f"restore: expected a version of the history, was {version}")
        return values

    # -- trial -----------------------------------------------------------------------------------------------------

    async def _try(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        body = await body_of(request, TrialBody)
        rules = (await self._view.read()).rules
        changes = await self._changes_of(body.rules, body.restore, rules)
        who = principal_of(request)
        asked = RulesTrialRequest(rules.to_dict(), rules.changed(**changes).to_dict(), body.minutes, who.id)
        instance = trial_monitor(self._discovery)
        try:
            found = await self._calls.call(MONITOR, TRY_RULES, asked, instance=instance, timeout_s=_TRIAL_S)
        except RemoteError as error:
            if error.code == Code.TOO_MANY_REQUESTS:
                raise TooMany(error.message, _AGAIN_S) from error
            raise
        if not isinstance(found, dict):
            raise RemoteError(Code.MALFORMED_REPLY, "trial: expected a map, was another")
        # Totals are of the system, which this scope sees; rows are data, of which each sees their own.
        found["by_instrument"] = [
            each for each in found["by_instrument"] if _may_see(who, each["venue"], each["symbol"], None)
        ]
        found["examples"] = [
            each
            for each in found["examples"]
            if _may_see(who, each["tick"]["venue"], each["tick"]["symbol"], each["tick"]["ts_event"])
        ]
        answer = answered({"changes": changes, **found}, count_of(int(found["ticks"]), "tick"), Stamp.of(request))
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _may_see(who: Principal, venue: str, symbol: str, ts: int | None) -> bool:
    """Whether a row is of what may be seen; one of an event time, of then."""
    if ts is None:
        return who.entitlements.allows(venue, symbol, TICK.name)
    return may_see(who, venue, symbol, TICK, ts)


def _expected_version(request: web.Request) -> int:
    given = request.headers.get("If-Match", "")
    found = _VERSION.fullmatch(given.strip())
    if found is None:
        raise QueryError(f"If-Match: expected the version that is to be changed, was {given[:40]!r}")
    return int(found[1] or found[2])


def _outcome(version: int, changes: Mapping[str, object], validators: list[ValidatorAnswer]) -> dict[str, object]:
    behind = [each.instance for each in validators if each.is_behind(version)]
    return {
        "version": version,
        "changes": dict(changes),
        "validators": [shown_validator(each, version) for each in validators],
        "behind": behind,
    }


def _tagged(answer: web.Response, version: int) -> web.Response:
    answer.headers["ETag"] = f'"{version}"'
    answer.headers["Cache-Control"] = "no-cache"
    return answer


__all__ = ["PATH", "RulesApi", "RulesBody", "TrialBody"]
