"""Trace and correlation ids in the W3C form, carried by headers and by the log context."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple

import structlog

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


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
