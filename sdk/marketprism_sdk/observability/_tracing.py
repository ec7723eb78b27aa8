"""Trace and correlation ids in the W3C form, carried by headers and by the log context.

A call carries its trace always. Of a stream's messages only a sample does (`Sampler`): a traced message takes its
headers through every stage, and each stage records a span and the message's age. All others pay nothing.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple

import structlog

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_VENDOR = "marketprism"
_ORIGIN = re.compile(rf"(?:^|,){_VENDOR}=origin:([0-9]{{1,19}})(?:,|$)")


class Trace(NamedTuple):
    """Where this piece of work belongs."""

    trace_id: str
    span_id: str
    correlation_id: str


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace | None:
    """Trace of the running task."""
    return _current.get()


def trace_headers() -> dict[str, str]:
    """Headers for a message that belongs to the running trace; a new trace when there is none."""
    trace = _current.get() or Trace(secrets.token_hex(16), secrets.token_hex(8), secrets.token_hex(8))
    return {"traceparent": f"00-{trace.trace_id}-{trace.span_id}-01", "Correlation-Id": trace.correlation_id}


@contextlib.contextmanager
def continue_trace(headers: Mapping[str, str]) -> Iterator[Trace]:
    """Work on behalf of a message: its trace, a span of one's own, both in every log line."""
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    trace_id = match[1] if match else secrets.token_hex(16)
    trace = Trace(trace_id, secrets.token_hex(8), headers.get("Correlation-Id", "") or secrets.token_hex(8))
    token = _current.set(trace)
    with structlog.contextvars.bound_contextvars(trace_id=trace.trace_id, correlation_id=trace.correlation_id):
        try:
            yield trace
        finally:
            _current.reset(token)


class Sampled(NamedTuple):
    """A message of a stream that is followed from its origin to the store."""

    trace_id: str
    span_id: str
    origin_ns: int

    def headers(self) -> dict[str, str]:
        """What goes on with the message: W3C traceparent, and the time of origin in tracestate."""
        return {
            "traceparent": f"00-{self.trace_id}-{self.span_id}-01",
            "tracestate": f"{_VENDOR}=origin:{self.origin_ns}",
        }

    def step(self, name: str, started_ns: int, ended_ns: int, **attributes: str) -> Sampled:
        """Record that a stage has worked on it; returns what the stage's outputs carry.

        The span goes to the OpenTelemetry provider of the process, where one is set up.
        """
        from opentelemetry import trace as otel  # noqa: PLC0415 (only who traces)

        parent = otel.SpanContext(int(self.trace_id, 16), int(self.span_id, 16), True, otel.TraceFlags(1))
        context = otel.set_span_in_context(otel.NonRecordingSpan(parent))
        span = otel.get_tracer("marketprism").start_span(
            name, context, start_time=started_ns, attributes=dict(attributes)
        )
        span.end(end_time=ended_ns)
        own = span.get_span_context().span_id
        recorded = own not in (0, parent.span_id)
        return self._replace(span_id=f"{own:016x}" if recorded else secrets.token_hex(8))


def sampled(headers: Mapping[str, str] | None) -> Sampled | None:
    """The trace that a stream's message carries, None for all but a few."""
    if not headers or "tracestate" not in headers:
        return None
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    origin = _ORIGIN.search(headers["tracestate"])
    if match is None or origin is None:
        return None
    return Sampled(match[1], match[2], int(origin[1]))


class Sampler:
    """One of `every` messages is traced; 0 for none."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0

    def take(self) -> Sampled | None:
        """A new trace for the message at hand, or None."""
        if not self._every:
            return None
        self._count += 1
        if self._count % self._every != 1 % self._every:
            return None
        return Sampled(secrets.token_hex(16), secrets.token_hex(8), time.time_ns())
