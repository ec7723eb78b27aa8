"""Validator: raw ticks to validated ticks, sharded."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from weakref import WeakSet

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.rules_log import CURRENT, RulesChanged, RulesLog
from marketprism_application.contracts.rules_records import RULES_IN_FORCE, ValidatorRules
from marketprism_application.contracts.subjects import raw_subject
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.commands import AdjustValidationRules, authorize
from marketprism_domain.errors import CommandRefused, InvalidValue
from marketprism_domain.events.registry import TickDataValidated, TickPublishedToPubSub, ValidationRulesUpdated
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import CommandRejected, SdkError, reason_of
from marketprism_sdk.messaging import Command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service import ServiceSettings, command, rpc
from marketprism_sdk.streams import Processor, StageSettings
from marketprism_sdk.values import read_or_none
from marketprism_services.stages.calendar_watch import LOOK_S, CalendarWatch
from marketprism_services.stages.market_stage import MarketStageService
from marketprism_services.stages.tick_stages import PUBLISH
from marketprism_services.validator.clock_watch import ClockWatch
from marketprism_services.validator.measures import ValidatorMeasures
from marketprism_services.validator.processor import ValidatorProcessor

log = structlog.get_logger()

_REPORTS_S = 1.0
_RULES_S = 5.0
_LONGEST_REASON = 500


class ValidatorService(MarketStageService):
    """Reads `market.raw.<p>`, writes `market.tick.<symbol>` and `market.packed.<p>` in one batch."""

    def __init__(
        self,
        connection: NatsConnection,
        calendar: MarketCalendar,
        rules: ValidationRules,
        *,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__(
            "validator",
            connection,
            StageSettings(streams.VALIDATOR_STAGE, streams.RAW, raw_subject, streams.TICKS),
            shards_bucket=streams.VALIDATOR_SHARDS,
            latest_bucket=streams.LATEST_TICKS,
            lease=lease,
            version=version,
            settings=settings,
        )
        self._calendar = calendar
        self._rules = rules
        self._made: WeakSet[ValidatorProcessor] = WeakSet()  # those that are still being taken over too
        self._reports: dict[str, bytes] = {}
        self._states: dict[str, bytes] = {}
        self._sampled: list[object] = []
        self._clocks = ClockWatch(self.metrics)
        self._measures = ValidatorMeasures(self.metrics)
        self._calendar_watch = CalendarWatch(calendar.days)

    def processor(self, partition: int, epoch: int) -> Processor:
        """Validator of a partition."""
        made = ValidatorProcessor(
            partition,
            epoch,
            self._calendar,
            self._rules,
            self.latest,
            self._reports,
            self._states,
            self._measures,
            self.losses,
        )
        self._made.add(made)
        return made

    def buckets(self) -> dict[str, float | None]:
        """With the rules, the reports and the states of the streams."""
        return {**super().buckets(), streams.RULES: None, streams.QUALITY: None, streams.STREAM_STATES: None}

    async def on_start(self) -> None:
        """The rules in force, then the stage."""
        self._rules_kv = await NatsKeyValue.open(self.connection, streams.RULES, replicas=self.settings.replicas)
        self._rules_log = RulesLog(self._rules_kv)
        self._quality_kv = await NatsKeyValue.open(self.connection, streams.QUALITY, replicas=self.settings.replicas)
        self._states_kv = await NatsKeyValue.open(
            self.connection, streams.STREAM_STATES, replicas=self.settings.replicas
        )
        await self._rules_kv.watch(CURRENT, self._rules_changed)  # first, so that no change falls in between
        stored = await self._rules_kv.get(CURRENT)
        if stored is not None and (rules := self._rules_of(stored)) and rules.version >= self._rules.version:
            self._rules = rules  # a follower of the bucket may answer later than the watch
        await super().on_start()
        self.spawn(self._look_at_rules(), "rules")
        self.http.check("clocks", self._clocks.health)
        self.metrics.watch(
            "gateway_sessions", lambda: float(sum(len(shard.memory.sessions) for _, shard in self._shard_list()))
        )
        self.metrics.watch("rules_version", lambda: float(self._rules.version))
        self.metrics.watch(
            "instruments_followed", lambda: float(sum(len(shard.memory.streams) for _, shard in self._shard_list()))
        )
        self.spawn(self._write_reports(), "quality")
        self.spawn(self._watch_calendar(), "calendar")

    def _rules_of(self, entry: KvEntry) -> ValidationRules | None:
        """The rules of an entry; what is none is told, and those in force stay."""
        rules = read_or_none(
            entry, lambda value: ValidationRules.from_dict(msgspec.msgpack.decode(value)), metrics=self.metrics
        )
        if rules is None:
            self.metrics.count("rules_refused_total")
        return rules

    def _rules_changed(self, entry: KvEntry) -> None:
        rules = self._rules_of(entry)
        if rules is not None:
            self._use(rules)

    def _use(self, rules: ValidationRules) -> None:
        self._rules = rules
        for made in list(self._made):
            made.shard.change_rules(rules)
        log.info("validation_rules.changed", version=rules.version)

    @command("AdjustValidationRules")
    async def adjust_rules(self, order: AdjustValidationRules, given: Command) -> None:
        """Change the rules of every validator, all of the changes or none."""
        try:
            asked = authorize(order, given.issuer)
            record, is_new = await self._rules_log.change(
                self._rules,
                asked.changes,
                expected=asked.version,
                who=given.issuer,
                reason=asked.reason[:_LONGEST_REASON],
                key=given.key,
                ts=time.time_ns(),
            )
        except (CommandRefused, InvalidValue, RulesChanged, TypeError) as error:
            raise CommandRejected(str(error)) from error
        if is_new:
            names = ",".join(sorted(asked.changes))
            await self.events_out.publish_soon([ValidationRulesUpdated(record.version, names)])

    @rpc(RULES_IN_FORCE)
    async def rules_in_force(self, _: object) -> ValidatorRules:
        """What this instance judges by, for who changes it and who shows it."""
        versions = [shard.rules.version for _, shard in self._shard_list()]
        return ValidatorRules(min([self._rules.version, *versions]), self._rules.to_dict())

    async def _look_at_rules(self) -> None:
        """A change that came while NATS was away was not heard of, and one whose writer has ended is put into force."""
        while True:
            await asyncio.sleep(_RULES_S)
            try:
                await self._finish_a_change()
                stored = await self._rules_kv.get(CURRENT)
            except SdkError as error:
                log.warning("validation_rules.not_readable", error=reason_of(error))
                continue
            if stored is not None and (rules := self._rules_of(stored)) and rules.version > self._rules.version:
                self._use(rules)

    async def _finish_a_change(self) -> None:
        record = await self._rules_log.finish(self._rules.version)
        if record is not None:
            names = ",".join(sorted(record.changes))
            await self.events_out.publish_soon([ValidationRulesUpdated(record.version, names)])

    def on_traced(self, partition: int, age_s: float) -> None:
        """Of a sampled message the last tick is told; of the others they are counted."""
        super().on_traced(partition, age_s)
        part = self.stage.parts.get(partition)
        tick = part.processor.newest if part is not None and isinstance(part.processor, ValidatorProcessor) else None
        if tick is not None:
            self._sampled += [
                TickDataValidated(tick.venue, tick.symbol, tick.quality_score or 0),
                TickPublishedToPubSub(tick.venue, tick.symbol, tick.seq),
            ]

    def on_written(self, seconds: float) -> None:
        """Ticks are out, so long after the first of them was validated."""
        self._measures.stages.took(PUBLISH, seconds)

    def take_events(self) -> list[object]:
        """With those of sampled ticks."""
        sampled, self._sampled = self._sampled, []
        return [*super().take_events(), *sampled]

    def _shard_list(self) -> list[tuple[int, ShardValidator]]:
        return [
            (number, part.processor.shard)
            for number, part in list(self.stage.parts.items())
            if isinstance(part.processor, ValidatorProcessor)
        ]

    def status(self) -> dict[str, Any]:
        """What `/status` shows: clocks too, in seconds ahead of the venue's, by source."""
        shown = {
            "clock_offset_s": self._clocks.status(),
            "calendar": self._calendar_watch.status(),
            "tick_stages_ms": self._measures.stages.status(),
        }
        return {**super().status(), **shown}

    async def _watch_calendar(self) -> None:
        while True:
            self._calendar_watch.look()  # into the log; the event is the gateway's
            await asyncio.sleep(LOOK_S)

    async def _write_reports(self) -> None:
        while True:
            await asyncio.sleep(_REPORTS_S)
            shards = self._shard_list()
            told = self._clocks.look(((n, shard.memory.clocks) for n, shard in shards), self._rules.clock_off_s)
            if told:
                await self.events_out.publish_soon(told)
            await self.write_values(self._quality_kv, self._reports)
            await self.write_values(self._states_kv, self._states)


__all__ = ["ValidatorService"]
