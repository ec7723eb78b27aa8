"""Changes of the central configuration: checked, asked, stored, confirmed; taken back where they are not.

Several monitors may do this at a time: of two changes of one version one is stored, and the other begins anew from it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from marketprism_adapters.nats.config_log import ConfigChanged, ConfigLog, InForce
from marketprism_application.contracts.config_records import CentralLayer, ChangeReport, ConfigRecord, Values
from marketprism_domain.events.configuration import ConfigurationChanged
from marketprism_sdk.errors import RemoteError, SdkError, reason_of
from marketprism_sdk.observability import Metrics
from marketprism_services.monitor.configuration.instances import Answers, FollowingInstances
from marketprism_services.settings.central import (
    CentralKey,
    check_key,
    check_together,
    checked_value,
    differences,
)
from marketprism_services.settings.errors import SettingsError

log = structlog.get_logger()

CONFIRM_S = 10.0
_TRIES = 20
_NEEDED = "reason: expected why it is changed, was empty"
Tell = Callable[[ConfigurationChanged], Awaitable[None]]
Make = Callable[[CentralLayer], Values]


@dataclass(frozen=True, kw_only=True)
class Order:
    """Who wants a change, why, and how far to go. With `force` those who do not answer are passed over; `expected` is
    the version that it is a change of, None for whichever there is."""

    actor: str
    reason: str
    dry_run: bool = False
    force: bool = False
    expected: int | None = None
    rollback_unconfirmed: bool = True


def refused(text: str, code: str = "INVALID_PARAMETER") -> RemoteError:
    """An error that says what was expected."""
    return RemoteError(code, text)


class ConfigDesk:
    """Methods raise RemoteError with NOT_FOUND, INVALID_PARAMETER, CONFLICT or UNAVAILABLE, and what NATS raises."""

    def __init__(
        self,
        config: ConfigLog,
        instances: FollowingInstances,
        tell: Tell,
        metrics: Metrics,
        *,
        confirm_s: float = CONFIRM_S,
    ) -> None:
        self._log = config
        self._instances = instances
        self._tell = tell
        self._metrics = metrics
        self._confirm_s = confirm_s
        self._turn = asyncio.Lock()  # of this monitor's own callers, who would only be in one another's way

    # -- seeing ------------------------------------------------------------------------------------------------------

    async def layer(self) -> CentralLayer:
        """What is in force."""
        await self.finish()
        return (await self._log.current()).layer

    async def finish(self) -> None:
        """Put a version into force that somebody has recorded and not put into force, and say so."""
        if (record := await self._log.finish()) is not None:
            await self._say(record)

    async def history(self, limit: int, before: int | None) -> list[ConfigRecord]:
        """Versions below `before`, newest first."""
        return await self._log.newest(max(1, min(limit, 200)), before)

    async def at(self, version: int) -> CentralLayer:
        """All central values as they were at a version; 0 is before the first change."""
        if not version:
            return CentralLayer()
        record = await self._log.record(version)
        if record is None or version > (await self._log.current()).layer.version:
            raise refused(f"version: expected one of the history, was {version}", "NOT_FOUND")
        return record.layer()

    # -- changing ----------------------------------------------------------------------------------------------------

    async def change(
        self, changes: Mapping[str, object], order: Order, *, clear_narrower: bool = False
    ) -> ChangeReport:
        """Set central values by key; None takes one out. With `clear_narrower` so is what fewer are given of them."""
        if not changes:
            raise refused("changes: expected a setting at least, was none")
        keys = [CentralKey.of(text) for text in changes]
        try:
            for key, value in zip(keys, changes.values(), strict=True):
                if value is not None:  # what a version of ours has stored that knew other settings can be taken out
                    check_key(key)
            given = {
                str(key): None if value is None else checked_value(key.name, value)
                for key, value in zip(keys, changes.values(), strict=True)
            }
        except SettingsError as error:
            raise self._refusal(str(error)) from error
        self._check_instances([key for key in keys if given[str(key)] is not None])

        def make(layer: CentralLayer) -> Values:
            absent = [key for key, value in given.items() if value is None and key not in layer.values]
            if absent:
                raise refused(f"setting {absent[0]}: expected a central value to take out, there is none", "NOT_FOUND")
            merged = {**layer.values, **given}
            wider = keys if clear_narrower else []
            return {
                text: value
                for text, value in merged.items()
                if value is not None and not any(key.is_wider_than(CentralKey.of(text)) for key in wider)
            }

        return await self._make(make, order)

    def _check_instances(self, keys: list[CentralKey]) -> None:
        there = {each.key for each in self._instances.standings()}
        for key in keys:
            if key.instance and key.target not in there:
                known = ", ".join(sorted(each for each in there if each.startswith(f"{key.service}."))) or "none"
                raise refused(f"instance: expected one of {key.service} that runs ({known}), was {key.target[:100]!r}")

    async def rollback(self, version: int, order: Order) -> ChangeReport:
        """Make all central values what they were at a version, as a further version."""
        values = (await self.at(version)).values
        return await self._make(lambda _: dict(values), order)

    async def _make(self, make: Make, order: Order) -> ChangeReport:
        if not order.reason.strip():
            raise refused(_NEEDED)
        async with self._turn:
            record, answers, report = await self._stored(make, order)
        if record is None:
            return report
        unconfirmed = await self._instances.unconfirmed(record.version, answers.verdicts.keys(), self._confirm_s)
        rolled_back = 0
        if unconfirmed and order.rollback_unconfirmed:
            rolled_back = await self._take_back(record, unconfirmed)
        self._metrics.count("config_changes_total", result="rolled_back" if rolled_back else "changed")
        return msgspec.structs.replace(report, unconfirmed=unconfirmed, rolled_back=rolled_back)

    async def _stored(self, make: Make, order: Order) -> tuple[ConfigRecord | None, Answers, ChangeReport]:
        for _ in range(_TRIES):
            await self.finish()
            found = await self._log.current()
            if order.expected is not None and order.expected != found.layer.version:
                self._metrics.count("config_changes_total", result="conflict")
                raise refused(
                    f"version: expected {found.layer.version}, the one in force, was {order.expected}", "CONFLICT"
                )
            values = self._checked(make(found.layer))
            changes = differences(found.layer.values, values)
            if not changes:
                return None, Answers(), ChangeReport(found.layer.version, {}, order.dry_run)
            answers = await self._judged(values, order)
            record = _record(found, changes, values, order)
            report = _report(record, answers, dry_run=order.dry_run)
            if order.dry_run:
                return None, answers, msgspec.structs.replace(report, version=found.layer.version)
            try:
                is_first = await self._log.commit(record)
            except ConfigChanged:
                continue
            if is_first:  # else it is said by whoever was
                await self._say(record)
            return record, answers, report
        raise RemoteError("CONFLICT", "version: expected to be written, others wrote first", retryable=True)

    def _checked(self, values: Values) -> Values:
        try:
            return check_together(values)
        except SettingsError as error:
            raise self._refusal(str(error)) from error

    async def _judged(self, values: Values, order: Order) -> Answers:
        """What every instance says to it. Raises what refuses it."""
        answers = await self._instances.judge(values)
        if refusals := answers.refusals():
            raise self._refusal("\n".join(refusals))
        if answers.silent and not order.force:
            who = ", ".join(f"{key} ({why})" for key, why in sorted(answers.silent.items()))
            self._metrics.count("config_changes_total", result="refused")
            raise refused(f"instances: expected an answer of each, or force; silent: {who}", "UNAVAILABLE")
        return answers

    def _refusal(self, text: str) -> RemoteError:
        self._metrics.count("config_changes_total", result="refused")
        return refused(text)

    async def _take_back(self, record: ConfigRecord, unconfirmed: Mapping[str, str]) -> int:
        """The version that restores what was before a record; 0 where others have changed more since."""
        who = "; ".join(f"{key}: {why}" for key, why in sorted(unconfirmed.items()))[:400]
        try:
            before = (await self.at(record.version - 1)).values
            await self.finish()
            found = await self._log.current()
            if found.layer.version != record.version:
                log.warning("config.not_rolled_back", version=record.version, newest=found.layer.version, reason=who)
                return 0
            reason = f"automatic rollback of {record.version}: {who}"
            order = Order(actor=record.actor, reason=reason)
            restored = _record(found, differences(found.layer.values, before), before, order)
            is_first = await self._log.commit(restored)
        except SdkError as error:
            log.warning("config.not_rolled_back", version=record.version, reason=who, error=reason_of(error))
            return 0
        if is_first:
            await self._say(restored)
        return restored.version

    async def _say(self, record: ConfigRecord) -> None:
        names = ",".join(sorted({CentralKey.of(key).name for key in record.changes}))
        log.info(
            "config.changed",
            version=record.version,
            settings=names,
            target=record.target,
            actor=record.actor,
            reason=record.reason,
        )
        await self._tell(ConfigurationChanged(record.version, names, record.target, record.actor, record.reason))


def _record(found: InForce, changes: dict[str, tuple[object, object]], values: Values, order: Order) -> ConfigRecord:
    targets = sorted({CentralKey.of(key).target for key in changes})
    return ConfigRecord(
        found.layer.version + 1,
        time.time_ns(),
        order.actor,
        order.reason[:500],
        ", ".join(targets),
        found.revision,
        changes,
        values,
    )


def _report(record: ConfigRecord, answers: Answers, *, dry_run: bool) -> ChangeReport:
    """What instances will do, of those where there is anything to do."""
    verdicts = sorted(answers.verdicts.items())
    return ChangeReport(
        record.version,
        record.changes,
        dry_run,
        {key: each.applied for key, each in verdicts if each.applied},
        {key: each.pending for key, each in verdicts if each.pending},
        {key: each.pinned for key, each in verdicts if each.pinned},
        answers.silent,
    )


__all__ = ["CONFIRM_S", "ConfigDesk", "Order", "refused"]
