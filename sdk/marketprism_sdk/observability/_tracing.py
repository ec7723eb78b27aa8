"""Traces in the W3C form, carried by headers and by the log context; spans are OpenTelemetry's.

A call carries its trace always. Of a stream's messages only a sample does (`Sampler`): a traced message takes its
headers through every stage, and each stage records a span and the message's age. All others pay nothing. Spans go where
`export_traces` sends them; where nothing is set up the ids travel all the same, and logs have them.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from marketprism_sdk.observability._hosted import hosted

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_VENDOR = "marketprism"
_ORIGIN = re.compile(r"origin:([0-9]{1,19})")


class Trace(NamedTuple):
    """Where this piece of work belongs: ids in hex, as W3C writes them, and what ties the calls of one caller."""

    trace_id: str
    span_id: str
    correlation_id: str


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


@cache
def _propagator() -> TraceContextTextMapPropagator:
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 (only who traces)
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator()


def _tracer() -> Tracer:
    from opentelemetry import trace as otel  # noqa: PLC0415 (only who traces)

    here = hosted()
    return otel.get_tracer(_VENDOR, tracer_provider=here.provider if here is not None else None)


def _span_context(trace_id: str, span_id: str, origin_ns: int | None = None) -> SpanContext:
    from opentelemetry import trace as otel  # noqa: PLC0415 (only who traces)

    state = None if origin_ns is None else otel.TraceState([(_VENDOR, f"origin:{origin_ns}")])
    return otel.SpanContext(int(trace_id, 16), int(span_id, 16), True, otel.TraceFlags(1), state)


def _context(parent: SpanContext) -> Context:
    from opentelemetry import trace as otel  # noqa: PLC0415 (only who traces)

    return otel.set_span_in_context(otel.NonRecordingSpan(parent))


def _extract(headers: Mapping[str, str]) -> SpanContext | None:
    """The span that a message comes from, None where its headers name none, or nonsense."""
    from opentelemetry import trace as otel  # noqa: PLC0415 (only who traces)

    found = otel.get_current_span(_propagator().extract(headers, otel.set_span_in_context(otel.INVALID_SPAN)))
    context = found.get_span_context()
    return context if context.is_valid else None


def _ids(span: Span, trace_id: str) -> tuple[str, str]:
    """Ids of a span that is recorded; of one that is not, those that it would have had."""
    if span.is_recording():
        own = span.get_span_context()
        return f"{own.trace_id:032x}", f"{own.span_id:016x}"
    return trace_id, secrets.token_hex(8)


def trace_headers() -> dict[str, str]:
    """Headers for a message that belongs to the running trace; a new trace when there is none."""
    trace = _current.get() or Trace(secrets.token_hex(16), secrets.token_hex(8), secrets.token_hex(8))
    # By hand: whoever only calls, as a client does, needs no OpenTelemetry for it.
    return {"Correlation-Id": trace.correlation_id, "traceparent": f"00-{trace.trace_id}-{trace.span_id}-01"}


@contextlib.contextmanager
def continue_trace(headers: Mapping[str, str], name: str = "message") -> Iterator[Trace]:
    """Work on behalf of a message: its trace, a span of one's own named `name`, both in every log line."""
    parent = _extract(headers) if "traceparent" in headers else None
    correlation = headers.get("Correlation-Id", "") or secrets.token_hex(8)
    with _span(name, parent) as span:
        trace_id, span_id = _ids(span, f"{parent.trace_id:032x}" if parent else secrets.token_hex(16))
        trace = Trace(trace_id, span_id, correlation)
        token = _current.set(trace)
        import structlog.contextvars  # noqa: PLC0415 (whoever imports this without logs needs none)

        with structlog.contextvars.bound_contextvars(trace_id=trace.trace_id, correlation_id=trace.correlation_id):
            try:
                yield trace
            finally:
                _current.reset(token)


def span_ids() -> tuple[str, str]:
    """Trace and span, in hex, that the running piece of work belongs to; empty texts where it belongs to none."""
    trace = _current.get()
    return (trace.trace_id, trace.span_id) if trace is not None else ("", "")


def _span(name: str, parent: SpanContext | None) -> Any:
    from opentelemetry.context import Context  # noqa: PLC0415 (only who traces)

    return _tracer().start_as_current_span(name, _context(parent) if parent is not None else Context())


class Sampled(NamedTuple):
    """A message of a stream that is followed from its origin to the store."""

    trace_id: str
    span_id: str
    origin_ns: int

    def headers(self) -> dict[str, str]:
        """What goes on with the message: W3C traceparent, and the time of origin in tracestate."""
        headers: dict[str, str] = {}
        _propagator().inject(headers, _context(_span_context(self.trace_id, self.span_id, self.origin_ns)))
        return headers

    def step(self, name: str, started_ns: int, ended_ns: int, **attributes: str) -> Sampled:
        """Record that a stage has worked on it; returns what the stage's outputs carry.

        The span goes to the OpenTelemetry provider of the process, where one is set up.
        """
        parent = _context(_span_context(self.trace_id, self.span_id))
        span = _tracer().start_span(name, parent, start_time=started_ns, attributes=dict(attributes))
        _, span_id = _ids(span, self.trace_id)
        span.end(end_time=ended_ns)
        return self._replace(span_id=span_id)


def sampled(headers: Mapping[str, str] | None) -> Sampled | None:
    """The trace that a stream's message carries, None for all but a few."""
    if not headers or _VENDOR not in headers.get("tracestate", ""):
        return None
    context = _extract(headers)
    origin = _ORIGIN.fullmatch(context.trace_state.get(_VENDOR) or "") if context is not None else None
    if context is None or origin is None:
        return None
    return Sampled(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(origin[1]))


class Sampler:
    """One of `every` messages is traced; 0 for none. Its trace begins with a span named `name`."""

    def __init__(self, every: int, name: str = "gateway") -> None:
        self.every = every  # may be changed at any time
        self._name = name
        self._count = 0

    def take(self) -> Sampled | None:
        """A new trace for the message at hand, or None."""
        if not self.every:
            return None
        self._count += 1
        if self._count % self.every != 1 % self.every:
            return None
        from opentelemetry.context import Context  # noqa: PLC0415 (only who traces)

        now = time.time_ns()
        span = _tracer().start_span(self._name, Context(), start_time=now)
        trace_id, span_id = _ids(span, secrets.token_hex(16))
        span.end()
        return Sampled(trace_id, span_id, now)
