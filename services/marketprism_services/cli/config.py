"""`marketprism config`: settings of all services at one place; seen, changed while they run, taken back."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import msgspec
import typer

from marketprism_adapters.nats.config_log import ConfigLog
from marketprism_application.contracts.config_records import (
    MONITOR,
    CentralLayer,
    ChangeReport,
    ConfigDifference,
    ConfigRecord,
    InstanceStanding,
    SettingsPage,
)
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli import config_view as view
from marketprism_services.cli.options import DataDir, NatsUrl, Who, connected, nats_of
from marketprism_services.platform.exits import Exit, Stop

_LOOK_S, _CHANGE_S = 10.0, 60.0
_WATCH_LOOK_S = 2.0
T = TypeVar("T")

config = typer.Typer(
    help="Settings of all services at one place: see them, change them while they run, take a change back.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="PATH", help="A setting by its name, like log.level.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the version.")]
Service = Annotated[str, typer.Option(help="For the instances of this service alone; without, for all services.")]
Instance = Annotated[str, typer.Option(help="For this instance of the service alone: to try a value on one first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask every instance what it would do, store nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Pass over instances that do not answer.")]
RollBack = Annotated[
    bool,
    typer.Option(
        "--rollback-unconfirmed/--keep-unconfirmed",
        help="Take a change back that an instance has not taken within ten seconds, or keep it.",
    ),
]
Expected = Annotated[int | None, typer.Option(help="Refuse it where another version than this one is in force.", min=0)]
ClearNarrower = Annotated[
    bool,
    typer.Option("--clear-narrower", help="Take out what fewer are given of it: what was tried on one goes to all."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class _Options(NamedTuple):
    """The options that every change has."""

    reason: str
    dry_run: bool
    force: bool
    rollback_unconfirmed: bool
    expected: int | None
    who: str
    as_json: bool

    def order(self) -> dict[str, object]:
        """As the monitor takes them."""
        order = self._asdict()
        del order["as_json"]
        return {**order, "who": self.who or getpass.getuser()}


@dataclass(frozen=True)
class _Desk:
    """The monitors of a pipeline, which keep the configuration."""

    data_dir: Path | None
    nats_url: str | None

    def ask(self, method: str, asked: Mapping[str, object], kind: type[T], timeout_s: float = _LOOK_S) -> T:
        """What one answers. Raises Stop: there is none, or it refuses."""

        async def go(connection: NatsConnection) -> T:
            calls = RpcClient(NatsBus(connection))
            return msgspec.convert(await calls.call(MONITOR, f"config_{method}", asked, timeout_s=timeout_s), kind)

        try:
            return connected(nats_of(self.data_dir, self.nats_url), go)
        except NoResponders as error:
            text = "no monitor runs here, which keeps the configuration; `marketprism run monitor` starts one"
            raise Stop(Exit.FAILED, text) from error
        except RemoteError as error:
            raise Stop(Exit.FAILED, error.message) from error
        except (DeadlineExceeded, NotConnected) as error:
            raise Stop(Exit.NATS, str(error)) from error

    def change(self, method: str, options: _Options, asked: Mapping[str, object]) -> None:
        """Make a change and show what became of it; ends with 1 where not every instance has taken it."""
        report = self.ask(method, {**asked, **options.order()}, ChangeReport, _CHANGE_S)
        if options.as_json:
            print(view.as_json(report))
        else:
            view.show_report(report)
        if report.unconfirmed:
            raise typer.Exit(Exit.FAILED)


@config.command("get")
def get(
    name: Annotated[str, typer.Argument(metavar="PATH", help="A setting, or a section with all below it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every setting, also those that are not set centrally.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What is set centrally, for whom, and when a change of it applies; of a PATH also what is not set."""
    page = _Desk(data_dir, nats_url).ask("get", {"name": name}, SettingsPage)
    rows = [row for row in page.settings if name or every or row.central]
    if as_json:
        for row in rows:
            print(view.as_json(row))
    elif not rows:
        view.say("nothing is set centrally; `config get --all` lists every setting")
    else:
        view.show_settings(page.version, rows)


@config.command("set")
def set_value(
    name: Name,
    value: Annotated[str, typer.Argument(help="Its value, a list with commas, a table as JSON, secret:NAME.")],
    reason: Reason,
    service: Service = "",
    instance: Instance = "",
    clear_narrower: ClearNarrower = False,
    dry_run: DryRun = False,
    force: Force = False,
    rollback_unconfirmed: RollBack = True,
    expected: Expected = None,
    who: Who = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Set a setting for all services, one, or one instance; every instance is asked before it is stored."""
    options = _Options(reason, dry_run, force, rollback_unconfirmed, expected, who, as_json)
    target = {"service": service, "instance": instance, "clear_narrower": clear_narrower}
    _Desk(data_dir, nats_url).change("set", options, {"changes": {name: _value(value)}, **target})


def _value(text: str) -> object:
    """A list or table as JSON has it, else the text, which the setting makes its own of. Raises Stop."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Stop(Exit.USAGE, f"VALUE: expected JSON behind {text[0]}, was {text[:80]!r}") from error


@config.command("unset")
def unset(
    name: Name,
    reason: Reason,
    service: Service = "",
    instance: Instance = "",
    clear_narrower: ClearNarrower = False,
    dry_run: DryRun = False,
    force: Force = False,
    rollback_unconfirmed: RollBack = True,
    expected: Expected = None,
    who: Who = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Take a central value out: that of each process's own file holds again, or the default."""
    options = _Options(reason, dry_run, force, rollback_unconfirmed, expected, who, as_json)
    target = {"service": service, "instance": instance, "clear_narrower": clear_narrower}
    _Desk(data_dir, nats_url).change("set", options, {"changes": {name: None}, **target})


@config.command("rollback")
def rollback(
    version: Annotated[
        int, typer.Argument(metavar="N", help="The version to go back to, 0 for before the first.", min=0)
    ],
    reason: Reason,
    dry_run: DryRun = False,
    force: Force = False,
    rollback_unconfirmed: RollBack = True,
    expected: Expected = None,
    who: Who = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Make all central values what they were at a version; that is a version more."""
    options = _Options(reason, dry_run, force, rollback_unconfirmed, expected, who, as_json)
    _Desk(data_dir, nats_url).change("rollback", options, {"version": version})


@config.command("diff")
def diff(
    first: Annotated[int, typer.Argument(metavar="N", help="A version; without, the one before the other.")] = -1,
    last: Annotated[int, typer.Argument(metavar="M", help="Another one; without, the one in force.")] = -1,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What differs between two versions."""
    found = _Desk(data_dir, nats_url).ask("diff", {"first": first, "last": last}, ConfigDifference)
    if as_json:
        print(view.as_json(found))
    elif not found.changes:
        view.say(f"versions {found.first} and {found.last} are the same")
    else:
        view.show_difference(found)


@config.command("history")
def history(
    limit: Annotated[int, typer.Option(help="Most versions, newest first.", min=1, max=200)] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Who changed what for whom when, and why; the newest first."""
    records = _Desk(data_dir, nats_url).ask("history", {"limit": limit}, list[ConfigRecord])
    if as_json:
        for record in records:
            print(view.as_json(record))
    elif not records:
        view.say("nothing was ever set centrally")
    else:
        view.show_history(records)


@config.command("instances")
def instances(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Which version each instance has, what waits for its restart, and what is pinned there."""
    found = _Desk(data_dir, nats_url).ask("instances", {}, list[InstanceStanding])
    if as_json:
        for each in found:
            print(view.as_json(each))
    elif not found:
        view.say("no instance follows the central configuration")
    else:
        view.show_instances(found)


@config.command("watch")
def watch(
    count: Annotated[int, typer.Option(help="End after so many versions; 0: never.", min=0)] = 0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Show versions as they come into force, until it is interrupted."""

    async def go(connection: NatsConnection) -> None:
        log = ConfigLog.existing(connection)
        seen = (await log.current()).layer.version
        begun, changed = seen, asyncio.Event()

        def hear(_: CentralLayer) -> None:
            changed.set()

        stop = await log.watch(hear)
        try:
            while not count or seen - begun < count:
                newest = (await log.current()).layer.version
                for version in range(seen + 1, newest + 1):
                    if (record := await log.record(version)) is not None:
                        print(view.as_json(record) if as_json else view.line_of(record), flush=True)
                seen = max(seen, newest)
                await _until(changed)
        finally:
            await stop()

    connected(nats_of(data_dir, nats_url), go)


async def _until(changed: asyncio.Event) -> None:
    """A change that was heard, or some time: what is heard is a hint."""
    try:
        async with asyncio.timeout(_WATCH_LOOK_S):
            await changed.wait()
    except TimeoutError:
        return
    changed.clear()


__all__ = ["config"]
