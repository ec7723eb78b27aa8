"""What the monitor shows of everything: instances, leaders, streams, and how far each stage is behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from marketprism_adapters.nats.broker_load import ServerLoad
from marketprism_adapters.nats.leader_watch import Leader
from marketprism_adapters.nats.pipeline_probe import Progress
from marketprism_adapters.nats.stream_budget import StreamFill
from marketprism_sdk.messaging import InstanceRecord
from marketprism_sdk.observability import Metrics


class MonitorMeasures:
    """Gauges of what is there; what is there no more is taken out."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._loads: Sequence[ServerLoad] = ()
        slow = self._counted(lambda load: load.slow_consumers)
        received, sent = self._counted(lambda load: load.received), self._counted(lambda load: load.sent)
        metrics.watch_each("broker_slow_consumers_total", "server", slow)
        metrics.watch_each("broker_received_messages_total", "server", received)
        metrics.watch_each("broker_sent_messages_total", "server", sent)

    def instances(self, records: Iterable[InstanceRecord]) -> None:
        """How many there are by service and status."""
        found = Counter((record.service, record.status) for record in records)
        self._metrics.gauges("registry_instances", ("service", "status"), {key: float(n) for key, n in found.items()})

    def leaders(self, leaders: Mapping[str, Leader]) -> None:
        """By lease whether its holder is there, and the number of its leadership."""
        held: dict[tuple[str, ...], float] = {(key,): float(each.state == "held") for key, each in leaders.items()}
        self._metrics.gauges("lease_held", ("lease",), held)
        epochs: dict[tuple[str, ...], float] = {(key,): float(each.epoch) for key, each in leaders.items()}
        self._metrics.gauges("lease_epoch_held", ("lease",), epochs)

    def streams(self, fills: Sequence[StreamFill]) -> None:
        """What each stream holds, and of how much."""
        for fill in fills:
            self._metrics.gauge("stream_bytes", fill.bytes, stream=fill.name)
            self._metrics.gauge("stream_bytes_limit", fill.limit, stream=fill.name)
            self._metrics.gauge("stream_messages", fill.messages, stream=fill.name)
            self._metrics.gauge("stream_oldest_seconds", fill.held_s, stream=fill.name)
            self._metrics.gauge("stream_consumers", fill.consumers, stream=fill.name)
            self._metrics.gauge("stream_replicas_behind", fill.replicas_behind, stream=fill.name)
            self._metrics.gauge("stream_replica_lag", fill.replica_lag, stream=fill.name)
        self._metrics.gauge("broker_storage_reserved_bytes", max((fill.reserved for fill in fills), default=0))

    def servers(self, loads: Sequence[ServerLoad]) -> None:
        """What each NATS server says of our account; one that is away is taken out."""
        self._loads = loads
        self._metrics.gauge("broker_servers", len(loads))
        connections: dict[tuple[str, ...], float] = {(load.name,): float(load.connections) for load in loads}
        self._metrics.gauges("broker_connections", ("server",), connections)
        subscriptions: dict[tuple[str, ...], float] = {(load.name,): float(load.subscriptions) for load in loads}
        self._metrics.gauges("broker_subscriptions", ("server",), subscriptions)

    def _counted(self, of: Callable[[ServerLoad], int]) -> Callable[[], dict[str, float]]:
        """A count that each server keeps by itself, and begins anew when it is started."""
        return lambda: {load.name: float(of(load)) for load in self._loads}

    def progress(self, progress: Progress) -> None:
        """How far each stage and the store are behind, in messages and in seconds."""
        messages: Counter[str] = Counter()
        for stage, lag in progress.behind.items():
            messages[stage.split(":", 1)[0]] += lag
        for name, lag in messages.items():
            self._metrics.gauge("stage_lag_messages", lag, stage=name)
        ages: dict[str, float] = {}
        for seen in progress.stages:
            ages[seen.stage] = max(ages.get(seen.stage, 0.0), seen.waiting.age_s)
        for stage, age_s in ages.items():
            self._metrics.gauge("stage_lag_seconds", age_s, stage=stage)
        for stored in progress.stores:
            self._metrics.gauge("store_lag_messages", stored.waiting.messages, stream=stored.stream)
            self._metrics.gauge("store_lag_seconds", stored.waiting.age_s, stream=stored.stream)
        self._metrics.gauge("source_finished", float(progress.finished))
        self._metrics.gauge("ticks_accepted", progress.accepted)
        self._metrics.gauge("ticks_stale", progress.stale)
        self._metrics.gauge("ticks_redelivered", progress.redelivered)
        self._metrics.gauge("ticks_out_of_chain", progress.out_of_chain)
        for reason, count in progress.rejected.items():
            self._metrics.gauge("ticks_rejected", count, reason=reason)
        for interval, count in progress.bars.items():
            self._metrics.gauge("bars_made", count, interval=interval)


__all__ = ["MonitorMeasures"]
