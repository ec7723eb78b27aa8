"""Structured logs: one JSON object a line on standard error, or text for a person at a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from marketprism_sdk.errors import reason_of

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRETS = ("password", "token", "secret", "credential")


def configure(*, level: str = "info", form: str = "auto", **bound: str) -> None:
    """Set up logging of this process; `bound` (service, instance) is in every line.

    Raises:
        ValueError: an unknown level.
    """
    if level not in _LEVELS:
        raise ValueError(f"log level: expected one of {', '.join(_LEVELS)}, was {level!r}")
    pretty = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_wordless_errors,
        _hide_secrets,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    exceptions = [] if pretty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    # Libraries that log in the standard way come out in the same form.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def _hide_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for name in event:
        if any(word in name.lower() for word in _SECRETS):
            event[name] = "***"
    return event


def name_wordless_errors(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """An `error` or `reason` that came out empty is that of the exception being handled: a time-out has no text."""
    for name in ("error", "reason"):
        if event.get(name) == "":
            handled = sys.exception()
            event[name] = reason_of(handled) if handled is not None else "no reason given"
    return event
