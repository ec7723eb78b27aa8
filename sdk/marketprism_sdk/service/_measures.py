"""What every service measures of itself, read when it is scraped."""

from __future__ import annotations

import asyncio

from marketprism_sdk.messaging import NatsBus
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics, logs, shows_process
from marketprism_sdk.service._http_server import HttpServer


def measure(metrics: Metrics, connection: NatsConnection, bus: NatsBus, http: HttpServer) -> None:
    """Let the metrics of a service show its connection, its event loop, its log and its bus."""
    traffic = connection.traffic
    metrics.gauge("build_info", 1, version=http.version)
    metrics.begin("rpc_cancelled_total", "events_malformed_total", "dead_letters_total")
    metrics.watch("service_ready", lambda: float(http.ready))
    metrics.watch("service_uptime_seconds", http.uptime_s)
    recent = logs.recent()
    metrics.watch("log_lines_forgotten_total", lambda: float(recent.dropped))
    metrics.watch_each("log_lines_total", "level", lambda: recent.counts)
    if shows_process():
        metrics.begin("event_loop_stalls_total")
        metrics.watch("event_loop_tasks", _tasks)
        metrics.watch("log_lines_lost_total", lambda: float(logs.stream().lines_lost))
    metrics.watch("bus_messages_dropped_total", lambda: float(bus.dropped))
    metrics.watch("bus_handler_failures_total", lambda: float(bus.failed))
    metrics.watch("nats_connected", lambda: float(connection.connected))
    metrics.watch("nats_reconnects_total", lambda: float(traffic.reconnects))
    metrics.watch("nats_disconnected_seconds_total", lambda: traffic.away_s)
    metrics.watch("nats_not_permitted_total", lambda: float(connection.not_permitted))
    metrics.watch("nats_messages_received_total", lambda: float(traffic.messages_in))
    metrics.watch("nats_received_bytes_total", lambda: float(traffic.bytes_in))
    metrics.watch("nats_messages_sent_total", lambda: float(traffic.messages_out))
    metrics.watch("nats_sent_bytes_total", lambda: float(traffic.bytes_out))
    metrics.watch("nats_unsent_bytes", lambda: float(traffic.unsent_bytes))


def _tasks() -> float:
    try:
        return float(len(asyncio.all_tasks()))
    except RuntimeError:  # it is scraped by who has no loop: a test, another thread
        return 0.0
