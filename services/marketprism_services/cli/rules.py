"""`marketprism rules`: what ticks are judged by; seen, tried on the last hour, changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import msgspec
import typer

from marketprism_adapters.nats.rules_log import RulesLog
from marketprism_adapters.nats.rules_view import MONITOR, VALIDATOR, RulesInForce, RulesView, trial_monitor
from marketprism_application.contracts.rules_records import TRY_RULES, RulesRecord, RulesTrialRequest
from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rule_list import BY_VENUE, RULES, RuleRow
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError, StreamMissing
from marketprism_sdk.messaging import (
    DONE,
    REGISTRY,
    CommandOutcome,
    Discovery,
    NatsBus,
    RpcClient,
    outcome_of,
    send_command,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import DataDir, NatsUrl, connected, err, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_COMMAND = "AdjustValidationRules"
_DONE_S, _LOOK_S, _IN_FORCE_S, _TRIAL_S = 10.0, 0.05, 3.0, 60.0
_OF_VENUE = f"{BY_VENUE.name}."

rules = typer.Typer(help="What ticks are judged by: see it, try other rules on the last hour, change it.")
Values = Annotated[
    list[str] | None,
    typer.Argument(help="name=value, as z_low=2.5 or stale_s_by_venue.shfe=10; of a venue nothing takes it out."),
]
Restore = Annotated[int | None, typer.Option(help="The values of this version instead, as in `history`.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


T = TypeVar("T")


class _Decided(msgspec.Struct):
    """What one set of rules decides in a trial."""

    accepted: int
    valid: int
    warned: int
    stale: int
    rejected: int
    degraded: int
    mean_score: float | None
    rejected_by_reason: dict[str, int]
    warned_by_reason: dict[str, int]
    anomalies: dict[str, int]
    gaps: dict[str, int]


class _Verdict(msgspec.Struct):
    """On one tick."""

    verdict: str
    reasons: list[str]

    def __str__(self) -> str:
        return f"{self.verdict} ({', '.join(self.reasons)})" if self.reasons else self.verdict


class _ShownTick(msgspec.Struct):
    """What is shown of a tick."""

    venue: str
    symbol: str
    ts_event: int
    last: str = ""


class _Example(msgspec.Struct):
    """A tick that is judged otherwise."""

    tick: _ShownTick
    now: _Verdict
    new: _Verdict


class _Trial(msgspec.Struct):
    """What is shown of a trial."""

    ticks: int
    minutes: float
    differing: int
    is_cut: bool
    is_as_decided: bool
    now: _Decided
    new: _Decided
    examples: list[_Example]


class _Seen(NamedTuple):
    """The rules in force, and the way to them."""

    connection: NatsConnection
    discovery: Discovery
    calls: RpcClient
    log: RulesLog
    view: RulesView
    found: RulesInForce


@rules.command("show")
def show_rules(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """The rules in force, their bounds, and which validators judge by them."""

    async def look(seen: _Seen) -> RulesInForce:
        return seen.found

    found = _asked(data_dir, nats_url, look)
    values, defaults = found.rules.values(), ValidationRules().values()
    validators = {each.instance: each.version for each in found.validators}
    if as_json:
        record = None if found.record is None else msgspec.to_builtins(found.record)
        shown = {"version": found.rules.version, "rules": values, "changed": record, "validators": validators}
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    rows = [
        {
            "rule": each.name,
            "value": _text(values[each.name]),
            "default": _text(defaults[each.name]),
            "allowed": f"{each.lowest:g} … {each.highest:g}",
            "meaning": _meaning(each),
        }
        for each in (*RULES, BY_VENUE)
    ]
    title = f"validation rules, version {found.rules.version}"
    show_table(out, rows, tuple(rows[0]), Look(title, last=len(rows), drop=("meaning", "allowed")))
    if found.record is not None:
        out.print(f"changed by {found.record.who} at {_time(found.record.ts)}", highlight=False, markup=False)
    _tell_behind([each.instance for each in found.validators if each.is_behind(found.rules.version)])


@rules.command("history")
def show_history(
    limit: Annotated[int, typer.Option(help="Most versions, newest first.", min=1, max=1_000)] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Who changed which rule when, and why."""

    async def look(connection: NatsConnection) -> list[RulesRecord]:
        return await RulesLog.existing(connection).newest(limit)

    records = connected(nats_of(data_dir, nats_url), look)
    if as_json:
        for each in records:
            print(json.dumps(msgspec.to_builtins(each), ensure_ascii=False))
        return
    if not records:
        out.print("the rules were never changed: those of the settings are in force")
        return
    rows = [
        {
            "version": str(each.version),
            "time": _time(each.ts),
            "who": each.who,
            "changes": ", ".join(f"{name} {_text(old)} → {_text(new)}" for name, (old, new) in each.changes.items()),
            "reason": each.reason,
        }
        for each in records
    ]
    show_table(out, rows, tuple(rows[0]), Look(last=len(rows), drop=("reason",)))


@rules.command("try")
def try_rules(
    values: Values = None,
    restore: Restore = None,
    minutes: Annotated[float, typer.Option(help="So many of the last minutes of events.", min=0.1, max=60)] = 60.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What the last hour would have been under other rules, beside those in force; nothing is changed."""

    async def judge(seen: _Seen) -> dict[str, object]:
        new = await _wanted(seen, values, restore)
        asked = RulesTrialRequest(seen.found.rules.to_dict(), new.to_dict(), minutes, "operator")
        try:
            monitor = trial_monitor(seen.discovery)
            found: dict[str, object] = await seen.calls.call(
                MONITOR, TRY_RULES, asked, instance=monitor, timeout_s=_TRIAL_S
            )
        except NoResponders as error:
            raise Stop(Exit.FAILED, "no monitor runs here, which tries rules; `marketprism run monitor`") from error
        return found

    found = _asked(data_dir, nats_url, judge)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    _show_trial(msgspec.convert(found, _Trial))


@rules.command("set")
def set_rules(
    values: Values = None,
    restore: Restore = None,
    reason: Annotated[str, typer.Option(help="Why, for those who come later.")] = "",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Change rules, all of the changes or none; `try` says before what they would do."""

    async def change(seen: _Seen) -> tuple[int, list[str]]:
        rules_now = seen.found.rules
        changes = {name: new for name, (_, new) in rules_now.differences(await _wanted(seen, values, restore)).items()}
        if not changes:
            return rules_now.version, []
        body = {"changes": changes, "version": rules_now.version, "reason": reason[:500]}
        outcome = await _done(seen.connection, body)
        if outcome is None:
            raise Stop(Exit.FAILED, f"no validator has taken it within {_DONE_S:g} s; the change waits for one")
        if outcome.status != "done":
            raise Stop(Exit.FAILED, f"not changed: {outcome.reason}")
        version = rules_now.version + 1
        said = await seen.view.wait_for(version, _IN_FORCE_S)
        return version, [each.instance for each in said if each.is_behind(version)]

    version, behind = _asked(data_dir, nats_url, change)
    out.print(f"rules of version {version} are in force", highlight=False)
    _tell_behind(behind)
    if behind:
        raise typer.Exit(Exit.FAILED)


def _tell_behind(validators: list[str]) -> None:
    if validators:
        text = f"validators that do not judge by this version: {', '.join(validators)}"
        err.print(text, style="yellow", highlight=False, markup=False)


def _asked(data_dir: Path | None, nats_url: str | None, work: Callable[[_Seen], Awaitable[T]]) -> T:
    """What a piece of work makes of the rules in force. Raises Stop: nobody says which those are, or it is refused."""

    async def go(connection: NatsConnection) -> T:
        discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
        await discovery.refresh()
        calls, log = RpcClient(NatsBus(connection)), RulesLog.existing(connection)
        view = RulesView(log, calls, discovery)
        return await work(_Seen(connection, discovery, calls, log, view, await view.read()))

    try:
        return connected(nats_of(data_dir, nats_url), go)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except RemoteError as error:
        raise Stop(Exit.FAILED, error.message) from error
    except NoResponders as error:
        raise Stop(Exit.FAILED, "no validator runs here, which knows the rules; `marketprism up` starts one") from error
    except (DeadlineExceeded, NotConnected) as error:
        raise Stop(Exit.NATS, str(error)) from error


async def _wanted(seen: _Seen, values: list[str] | None, restore: int | None) -> ValidationRules:
    """The rules that are to be. Raises Stop, InvalidValue."""
    now = seen.found.rules
    if bool(values) == (restore is not None):
        raise Stop(Exit.USAGE, "rules: expected values like z_low=2.5, or --restore")
    if restore is None:
        return now.changed(**_parsed(values or [], now))
    for version, is_old in ((restore, False), (restore + 1, True)):
        record = await seen.log.record(version)
        if record is not None:
            old = {name: was for name, (was, _) in record.changes.items()} if is_old else {}
            return now.changed(**{**ValidationRules.from_dict(record.rules).values(), **old})
    raise Stop(Exit.USAGE, f"--restore: expected a version that `rules history` shows, was {restore}")


def _parsed(values: list[str], now: ValidationRules) -> dict[str, object]:
    found: dict[str, object] = {}
    venues = dict(now.stale_s_by_venue)
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"rules: expected name=value, was {text!r}")
        if name.startswith(_OF_VENUE):
            venue = name.removeprefix(_OF_VENUE)
            if value:
                venues[venue] = _number(name, value)
            else:
                venues.pop(venue, None)
            found[BY_VENUE.name] = venues
        else:
            found[name] = _number(name, value)
    return found


def _number(name: str, text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{name}: expected a number, was {text!r}") from error


async def _done(connection: NatsConnection, body: dict[str, object]) -> CommandOutcome | None:
    try:
        key = await send_command(connection, VALIDATOR, _COMMAND, body, issuer="operator")
    except StreamMissing as error:
        raise Stop(Exit.FAILED, "no validator runs here, which knows the rules; `marketprism up` starts one") from error
    done, end = NatsKeyValue.existing(connection, DONE), time.monotonic() + _DONE_S
    while time.monotonic() < end:
        if (outcome := await outcome_of(done, key)) is not None:
            return outcome
        await asyncio.sleep(_LOOK_S)
    return None


def _show_trial(found: _Trial) -> None:
    if not found.ticks:
        out.print("the raw log holds no ticks of that time")
        return
    now, new = msgspec.structs.asdict(found.now), msgspec.structs.asdict(found.new)
    rows = [
        {"verdict": name, "in force": str(now[name]), "tried": str(new[name])}
        for name in ("accepted", "valid", "warned", "stale", "rejected", "degraded", "mean_score")
    ]
    for group in ("rejected_by_reason", "warned_by_reason", "anomalies", "gaps"):
        for name in sorted({*now[group], *new[group]}):
            counts = {"in force": str(now[group].get(name, 0)), "tried": str(new[group].get(name, 0))}
            rows.append({"verdict": f"  {name}", **counts})
    title = f"{count_of(found.ticks, 'tick')} of the last {found.minutes:g} minutes, {found.differing} judged otherwise"
    show_table(out, rows, tuple(rows[0]), Look(title, last=len(rows)))
    for each in found.examples[:10]:
        tick = each.tick
        place = f"{tick.venue}.{tick.symbol} {_time(tick.ts_event)} last {tick.last}"
        out.print(f"{place}: {each.now} → {each.new}", highlight=False, markup=False)
    if found.is_cut:
        err.print("not all of what was asked for: there was more than one trial judges", style="yellow")
    if not found.is_as_decided:
        err.print("other rules were in force meanwhile, or the beginning is not known", style="yellow")


def _meaning(rule: RuleRow) -> str:
    return rule.zh if spoken() else rule.en


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{venue} {seconds:g}" for venue, seconds in sorted(value.items())) or "-"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"
