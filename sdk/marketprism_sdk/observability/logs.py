"""Structured logs: one JSON object a line on standard error, or text for a person at a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability._log_stream import LogStream
from marketprism_sdk.observability.secret_fields import hide_secrets
from marketprism_sdk.urls import hide

_streams: dict[object, LogStream] = {}  # the one that is used, by the standard error that it writes to
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(*, level: str = "info", form: str = "auto", **bound: str) -> None:
    """Set up logging of this process; `bound` (service, instance) is in every line.

    No line carries a secret: fields are hidden by their names, at any depth, and users and passwords of URLs wherever
    they stand, in a message, a field or a traceback.

    A line that cannot be written is counted (`stream`) and nothing else happens.

    Raises:
        ValueError: an unknown level.
    """
    if level not in _LEVELS:
        raise ValueError(f"log level: expected one of {', '.join(_LEVELS)}, was {level!r}")
    lines = stream()
    pretty = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_wordless_errors,
        _hide_secrets,
    ]
    # Plain: rich's tracebacks show the variables of every frame, settings and passwords among them.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = _Hiding(console if pretty else structlog.processors.JSONRenderer())
    exceptions = [] if pretty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", lines)),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    # Libraries that log in the standard way come out in the same form.
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def stream() -> LogStream:
    """Where this process's log lines go: one for each standard error that it has had."""
    if sys.stderr not in _streams:
        _streams.clear()
        _streams[sys.stderr] = LogStream(sys.stderr)
    return _streams[sys.stderr]


class _Hiding:
    """A renderer whose lines show no credentials of a URL, whatever they came from."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return hide(str(self._renderer(logger, method, event)))


def _hide_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return hide_secrets(event)


def name_wordless_errors(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """An `error` or `reason` that came out empty is that of the exception being handled: a time-out has no text."""
    for name in ("error", "reason"):
        if event.get(name) == "":
            handled = sys.exception()
            event[name] = reason_of(handled) if handled is not None else "no reason given"
    return event
