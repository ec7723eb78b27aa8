"""What `up` has to say on a person's screen: its log events as sentences, between whatever else is shown there."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, MutableMapping

import structlog
from rich.console import Console

from marketprism_sdk.observability import logs
from marketprism_sdk.urls import hide
from marketprism_services.cli.language.catalogue import spoken

# An event that is not here is shown by its name and fields.
SENTENCES: Mapping[str, str] = {
    "clickhouse.fetching": "fetching the ClickHouse library ({megabytes} MB) into {folder}, once for this machine; "
    "this can take minutes",
    "config.bucket_lost": "the central configuration is gone from NATS; {detail}: {path}",
    "config.copy_not_written": "the copy of the central configuration cannot be written: {path}: {error}",
    "config.copy_unreadable": "the copy of the central configuration cannot be read: {path}: {error}",
    "config.not_read": "the central configuration cannot be read: {error}; {detail}",
    "config.refused": "the central configuration is refused, version {running} holds: {error}",
    "contents.assumed": "{where}: nothing says which kind of data it holds; they count as {data} from now on",
    "http.port_taken": "port {port} of {service} is in use; it listens on {instead} instead",
    "log.not_rotated": "the log of {service} cannot be rotated: {error}",
    "monitoring.no_alertmanager": "this machine has no Alertmanager: alerts are seen in Prometheus, and reach nobody",
    "nats.port_taken": "port {port} of {service} is in use; it listens on {instead} instead",
    "nats.unreachable": "NATS does not answer: {error}; {detail}",
    "recording.skipped": "passed over: {error}",
    "nats.not_permitted": "NATS refuses {subject} to the user {user}; see docs/nats-access.md",
    "secret.file_open_to_others": "every user of this machine may read {path}, which {variable} names: chmod o-r it",
    "server.disk_full": "{server} cannot write, the disk of {folder} is full: {free_bytes} bytes are free",
    "server.disk_has_room": "{server} has room again: {free_bytes} bytes are free in {folder}",
    "server.not_started": "{server} does not start: {error}",
    "server.restarted": "{server} runs again",
    "server.restarting": "{server} is started again: {reason}",
    "service.failed": "a service has failed and its process ends: {error}",
    "service.not_started": "{service} cannot be started: {error}",
    "service.restarting": "{service} has ended with code {code} and is started again in {backoff_s} s: {reason}",
    "symbol.unchecked": "whether {symbol} is a stored name could not be checked: {error}",
    "table.not_compared": "the tables could not be compared with the streams: {error}",
}
_NOT_SHOWN = ("event", "level", "timestamp")


def sentence(event: Mapping[str, object]) -> str:
    """A log event as a person reads it, without the secrets of URLs."""
    name = str(event.get("event", ""))
    fields = {key: value for key, value in event.items() if key not in _NOT_SHOWN}
    try:
        return hide(SENTENCES[name].format(**fields))
    except KeyError:
        # Each by itself: the whole is no sentence, and would be half of one in another language.
        listed = ", ".join(f"{key}={spoken().translate(str(value))}" for key, value in fields.items())
        return hide(f"{name}: {listed}" if listed else name)


class _Screen:
    """A logger whose lines stand between the moving parts of the screen, not in the middle of them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def msg(self, text: str) -> None:
        # Whoever watches over the services says what it sees, and goes on where nobody looks any more.
        with contextlib.suppress(OSError):
            self._console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)

    debug = info = warning = error = exception = critical = log = msg


def show_events_on(console: Console, *, level: str) -> None:
    """From now on log events of this process are sentences on the console. Raises ValueError: an unknown level."""
    logs.configure(level=level, form="json")

    def rendered(_: object, __: str, event: MutableMapping[str, object]) -> str:
        return sentence(event)

    given = structlog.get_config()
    screen = _Screen(console)
    structlog.configure(processors=[*given["processors"][:-1], rendered], logger_factory=lambda *_: screen)
    handler = _Lines(screen)
    logging.getLogger().handlers[:] = [handler]


class _Lines(logging.Handler):
    """What libraries log in the standard way."""

    def __init__(self, screen: _Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.msg(hide(record.getMessage()))
