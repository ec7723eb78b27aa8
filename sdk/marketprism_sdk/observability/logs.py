"""Structured logs: one JSON object a line on standard error, or text for a person at a terminal."""

from __future__ import annotations

import io
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import structlog

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability._hosted import Hosted, host, hosted
from marketprism_sdk.observability._log_stream import LogStream
from marketprism_sdk.observability._recent_logs import RecentLogs
from marketprism_sdk.observability.secret_fields import hide_secrets
from marketprism_sdk.urls import hide

_streams: dict[object, LogStream] = {}  # the one that is used, by the standard error that it writes to
_recent = RecentLogs()
_receivers: list[tuple[Hosted | None, Callable[[str, str], None]]] = []
_hosts: list[Hosted] = []  # the services of this process, where it hosts several
_PROGRAM = secrets.token_hex(8)  # a fork has the same one
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_METHODS = {"exception": "error", "warn": "warning"}  # of a logger, which write a line of another name's level
# What a terminal obeys, begins another line or turns text round (controls, line separators, marks of direction),
# and halves of characters, which cannot be written at all.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_TRACEBACK_CONTROLS = re.compile(rf"(?![\n\t]){_CONTROLS.pattern}")


def configure(*, level: str = "info", form: str = "auto", **bound: str) -> None:
    """Set up logging of this process; `bound` (service, instance) is in every line. In a process of several services
    the level and `bound` are those of the one that calls it.

    No line carries a secret: fields are hidden by their names, at any depth, and users and passwords of URLs wherever
    they stand, in a message, a field or a traceback.

    Text for a terminal has no control characters but its own: whatever callers send is shown escaped, in one line.

    A line that cannot be written is counted (`stream`) and nothing else happens.

    Raises:
        ValueError: an unknown level.
    """
    least = _number_of(level)
    if (here := hosted()) is None:
        _hosts.clear()
    else:
        here.level = least
        least = min(each.level for each in _hosts)
    lines = stream()
    pretty = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _drop_lower,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_wordless_errors,
        _hide_secrets,
    ]
    # Plain: rich's tracebacks show the variables of every frame, settings and passwords among them.
    console = structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback)
    renderer = _Remembering(console if pretty else None)
    exceptions: list[structlog.typing.Processor] = (
        [_escape_controls] if pretty else [structlog.processors.format_exc_info]
    )
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
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
    root.setLevel(max(least, logging.WARNING))


def stream() -> LogStream:
    """Where this process's log lines go: one for each standard error that it has had."""
    if sys.stderr not in _streams:
        _streams.clear()
        _streams[sys.stderr] = LogStream(sys.stderr)
    return _streams[sys.stderr]


def log_as(service: str, *, level: str = "info") -> None:
    """This context, and what it begins, is of one of the several services of this process: its lines say so, are
    remembered apart and have a level of their own. The first one has the lines that are nobody's, too.

    Raises:
        ValueError: an unknown level.
    """
    leads = not _hosts
    here = Hosted(service, leads=leads, recent=_recent if leads else RecentLogs())
    here.level = _number_of(level)
    _hosts.append(here)
    host(here)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def process_name() -> str:
    """What tells whose lines these are from all others: this process, also from those that were forked of the same,
    and its service where it has several."""
    here = hosted()
    return f"{_PROGRAM}-{os.getpid()}" + (f"-{here.service}" if here is not None else "")


def recent() -> RecentLogs:
    """The newest lines of this process, of its services the one that asks, as JSON, whatever form they are written
    in."""
    here = hosted()
    return _recent if here is None else here.recent


def hand_to(receiver: Callable[[str, str], None]) -> Callable[[], None]:
    """Give every line from now on to `receiver` as well: its level, and the line as JSON without secrets. It is called
    by whoever logs, so it must neither wait nor raise. The result ends it. Of a process of several services it is the
    lines of the one that asks."""
    entry = (hosted(), receiver)
    _receivers.append(entry)
    return lambda: _receivers.remove(entry)


def _number_of(level: str) -> int:
    if level not in _LEVELS:
        raise ValueError(f"log level: expected one of {', '.join(_LEVELS)}, was {level!r}")
    return _LEVELS[level]


class _Remembering:
    """A renderer whose lines show no credentials of a URL, whatever they came from; each is remembered as JSON for a
    while. Without a renderer of its own a line is the JSON."""

    def __init__(self, renderer: Any | None) -> None:
        self._renderer = renderer
        self._json = structlog.processors.JSONRenderer()

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        plain = structlog.processors.format_exc_info(logger, method, dict(event))
        line = hide(str(self._json(logger, method, plain)))
        level, here = str(event.get("level", method)), hosted()
        recent().add(level, line)
        for whose, receiver in tuple(_receivers):
            if whose is None or whose is here or (here is None and whose.leads):
                receiver(level, line)
        return line if self._renderer is None else hide(str(self._renderer(logger, method, event)))


def _drop_lower(_: object, method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """What another service of this process wants to see is not this one's. Lines of libraries have had their level."""
    here = hosted()
    if (
        here is not None
        and "_record" not in event
        and _LEVELS.get(_METHODS.get(method, method), here.level) < here.level
    ):
        raise structlog.DropEvent
    return event


def _hide_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return hide_secrets(event)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _without_controls(value: object) -> object:
    """The value, whose texts have no character that a terminal obeys, at any depth."""
    match value:
        case str():
            return _CONTROLS.sub(_escaped, value)
        case dict():
            return {_without_controls(name): _without_controls(each) for name, each in value.items()}
        case list() | tuple():
            return [_without_controls(each) for each in value]
        case _:
            return value


def _escape_controls(_: object, __: str, event: MutableMapping[str, Any]) -> dict[str, object]:
    return {name: value if name == "exc_info" else _without_controls(value) for name, value in event.items()}


def _write_traceback(lines: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    lines.write(_TRACEBACK_CONTROLS.sub(_escaped, text.getvalue()))


def name_wordless_errors(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """An `error` or `reason` that came out empty is that of the exception being handled: a time-out has no text."""
    for name in ("error", "reason"):
        if event.get(name) == "":
            handled = sys.exception()
            event[name] = reason_of(handled) if handled is not None else "no reason given"
    return event
