"""The logger of a library: it writes nowhere until the program that uses it says where.

A service that called `logs.configure`, and a program with a structlog of its own, get the events there. Any other
program gets them as records of the standard library's loggers `marketprism_sdk.…` and `marketprism_client.…`, which are
silent until it configures logging: `logging.basicConfig(level="INFO")` shows them.
"""

from __future__ import annotations

import logging
import sys

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability.secret_fields import hide_secrets
from marketprism_sdk.urls import hide

_LIBRARIES = ("marketprism_sdk", "marketprism_client", "nats")  # the last is what we speak NATS with

for _library in _LIBRARIES:
    # Without a handler of its own the standard library prints warnings of a program that configured nothing.
    logging.getLogger(_library).addHandler(logging.NullHandler())


class Logger:
    """Events of one module; `get_logger` makes it. Fields are named values of the event."""

    def __init__(self, name: str) -> None:
        self._standard = logging.getLogger(name)

    def debug(self, event: str, **fields: object) -> None:
        """Write an event that happens all day long where all is well."""
        self._write(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Write an event that a person may want to know of."""
        self._write(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write an event that something was wrong with."""
        self._write(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Write an event that somebody has to look at."""
        self._write(logging.ERROR, "error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Write an error with the exception that is being handled."""
        self._write(logging.ERROR, "exception", event, fields)

    def _write(self, level: int, method: str, event: str, fields: dict[str, object]) -> None:
        structlog = sys.modules.get("structlog")
        # Who has not loaded it has not configured it; another thread may be loading it now.
        is_configured = getattr(structlog, "is_configured", None)
        if structlog is not None and is_configured is not None and is_configured():
            getattr(structlog.get_logger(), method)(event, **fields)
        elif self._standard.isEnabledFor(level):
            handled = sys.exception() if method == "exception" else None
            # exc_info of the record, not of the fields: a handler formats it as the program wants.
            self._standard.log(level, "%s", _line(event, fields), exc_info=handled, stacklevel=3)


def get_logger(name: str) -> Logger:
    """The logger of the module `name` (`__name__`)."""
    return Logger(name)


def _line(event: str, fields: dict[str, object]) -> str:
    handled = sys.exception()
    if handled is not None:  # a time-out has no text
        fields = {
            name: reason_of(handled) if name in ("error", "reason") and value == "" else value
            for name, value in fields.items()
        }
    return hide(" ".join([event, *(f"{name}={value}" for name, value in hide_secrets(fields).items())]))
