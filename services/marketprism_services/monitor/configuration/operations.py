"""What the monitor answers about the central configuration, over HTTP (`/api/v1/monitor/config…`) and over NATS
(`rpc.monitor.config_…`), the same by both."""

from __future__ import annotations

import asyncio

import msgspec

from marketprism_application.contracts.config_records import (
    CentralLayer,
    ChangeReport,
    ConfigDifference,
    ConfigRecord,
    InstanceStanding,
    SettingRow,
    SettingsPage,
    ValuesPage,
)
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.monitor.configuration.desk import ConfigDesk, Order, refused
from marketprism_services.monitor.configuration.in_force import values_in_force
from marketprism_services.monitor.configuration.instances import FollowingInstances
from marketprism_services.settings.central import CentralKey, differences, known_names, shown
from marketprism_services.settings.meanings import meaning_of, why_fixed_in
from marketprism_services.settings.modes import is_used_by, may_hold_secret, mode_of, options_of, why_fixed
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings

_CHANGE_S = 60.0


class Nothing(msgspec.Struct):
    """No argument."""


class SettingAsked(msgspec.Struct):
    """A setting, or a section with all that is below it; empty for all."""

    name: str = ""


class HistoryAsked(msgspec.Struct):
    """The newest versions below `before`, 0 for all."""

    limit: int = 50
    before: int = 0


class DifferenceAsked(msgspec.Struct):
    """Two versions; -1 for the one in force, and of `first` for the one before `last`."""

    first: int = -1
    last: int = -1


class ChangeOrder(msgspec.Struct, kw_only=True):
    """Central values by setting, None to take one out, for all, a `service`, or an `instance` of it.

    `clear_narrower` takes out what fewer are given of these settings. `reason` is kept. `who` counts where no gateway
    says who that is. With `expected` it is a change of that version only. `force` passes over instances that do not
    answer; `rollback_unconfirmed` takes a change back that an instance has not taken after ten seconds.
    """

    changes: dict[str, object]
    reason: str
    service: str = ""
    instance: str = ""
    clear_narrower: bool = False
    dry_run: bool = False
    force: bool = False
    expected: int | None = None
    rollback_unconfirmed: bool = True
    who: str = ""


class RollbackOrder(msgspec.Struct, kw_only=True):
    """The version whose values are to hold again; the rest as in a change."""

    version: int
    reason: str
    dry_run: bool = False
    force: bool = False
    expected: int | None = None
    rollback_unconfirmed: bool = True
    who: str = ""


class ConfigOperations:
    """Answers of every instance of the monitor."""

    def __init__(self, desk: ConfigDesk, instances: FollowingInstances) -> None:
        self._desk = desk
        self._instances = instances
        self._defaults = Settings()

    @rpc("config_layer")
    @http("GET", "/config", scope="sys:read")
    async def layer(self, _: Nothing) -> CentralLayer:
        """The central values in force, and their version."""
        return await self._desk.layer()

    @rpc("config_get")
    @http("GET", "/config/settings", scope="sys:read", weight=2)
    async def get(self, asked: SettingAsked) -> SettingsPage:
        """Settings with their defaults and central values, and when a change of each applies."""
        names = [each for each in known_names() if _is_below(each, asked.name)]
        if not names:
            raise refused(f"name: expected a setting or a section, was {asked.name[:80]!r}", "NOT_FOUND")
        layer = await self._desk.layer()
        central: dict[str, dict[str, object]] = {}
        for text, value in layer.values.items():
            key = CentralKey.of(text)
            central.setdefault(key.name, {})[key.target] = value
        rows = await asyncio.to_thread(_rows, names, self._defaults, central)
        return SettingsPage(layer.version, rows)

    @rpc("config_values")
    @http("GET", "/config/values", scope="sys:read", weight=10)
    async def values(self, _: Nothing) -> ValuesPage:
        """What instances run with of each setting that is not everywhere the default, and from where it is."""
        layer = await self._desk.layer()
        given, silent = await self._instances.given()
        return ValuesPage(await asyncio.to_thread(values_in_force, given, self._defaults, layer.values), silent)

    @rpc("config_history")
    @http("GET", "/config/history", scope="sys:read", weight=5)
    async def history(self, asked: HistoryAsked) -> list[ConfigRecord]:
        """Versions, the newest first: who, when, why, and what they changed."""
        return await self._desk.history(asked.limit, asked.before or None)

    @rpc("config_diff")
    @http("GET", "/config/diff", scope="sys:read", weight=2)
    async def diff(self, asked: DifferenceAsked) -> ConfigDifference:
        """What differs between two versions."""
        last = asked.last if asked.last >= 0 else (await self._desk.layer()).version
        first = asked.first if asked.first >= 0 else max(0, last - 1)
        before, after = await self._desk.at(first), await self._desk.at(last)
        return ConfigDifference(first, last, differences(before.values, after.values))

    @rpc("config_instances")
    @http("GET", "/config/instances", scope="sys:read", weight=2)
    async def instances(self, _: Nothing) -> list[InstanceStanding]:
        """Which version each instance has, what waits for its restart, and what is pinned there."""
        return self._instances.standings()

    @rpc("config_set")
    @http("POST", "/config/changes", scope="sys:operate", weight=10, timeout_s=_CHANGE_S)
    async def set(self, order: ChangeOrder, caller: Caller | None = None) -> ChangeReport:
        """Change central values: checked by every instance first, taken back where one does not confirm."""
        if order.instance and not order.service:
            raise refused(f"service: expected that of the instance, was none beside {order.instance[:60]!r}")
        for name in order.changes:
            if "@" in name:
                raise refused(f"changes: expected settings, and whom they are for beside them, was {name[:100]!r}")
        changes = {str(CentralKey(name, order.service, order.instance)): value for name, value in order.changes.items()}
        return await self._desk.change(changes, _order(order, caller), clear_narrower=order.clear_narrower)

    @rpc("config_rollback")
    @http("POST", "/config/rollback", scope="sys:operate", weight=10, timeout_s=_CHANGE_S)
    async def rollback(self, order: RollbackOrder, caller: Caller | None = None) -> ChangeReport:
        """Make all central values what they were at a version; that is a version more."""
        return await self._desk.rollback(order.version, _order(order, caller))


def _rows(names: list[str], defaults: Settings, central: dict[str, dict[str, object]]) -> list[SettingRow]:
    """It reads the files of meanings, once."""
    values = shown(defaults, names)
    return [
        SettingRow(
            name,
            values[name],
            central.get(name, {}),
            mode_of(name).value,
            why_fixed(name),
            tuple(row.name for row in SERVICES if is_used_by(name, row.name)),
            options_of(name),
            may_hold_secret(name),
            meaning_of(name),
            why_fixed_in(why_fixed(name)),
        )
        for name in names
    ]


def _is_below(name: str, asked: str) -> bool:
    return not asked or name == asked or name.startswith(f"{asked}.")


def _order(order: ChangeOrder | RollbackOrder, caller: Caller | None) -> Order:
    """Who the gateway says it is; without one, who it says itself."""
    return Order(
        actor=caller.id if caller is not None else (order.who or "operator")[:100],
        reason=order.reason,
        dry_run=order.dry_run,
        force=order.force,
        expected=order.expected,
        rollback_unconfirmed=order.rollback_unconfirmed,
    )


__all__ = ["ConfigOperations"]
