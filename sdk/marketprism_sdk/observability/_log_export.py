"""Log lines of this process sent to a collector by OTLP over HTTP, where one is named.

Whoever logs puts a line into a bounded queue and goes on; a thread sends. A collector that is away is asked again,
each time later; meanwhile the queue fills, and then the oldest lines make room. What was not sent is counted by reason.
The lines stand in the file of the log all the same.
"""

from __future__ import annotations

import contextvars
import http.client
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from os import environ
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability import logs
from marketprism_sdk.observability._export import check_endpoint, resource_of
from marketprism_sdk.observability._log_records import ExportedLine, count_refused, encode_lines
from marketprism_sdk.observability._recent_logs import MOST_LINES, bounded
from marketprism_sdk.observability._tracing import span_ids
from marketprism_sdk.observability.logger import get_logger

if TYPE_CHECKING:
    from marketprism_sdk.observability._metrics import Metrics

log = get_logger(__name__)

_BATCH = 512
_AGAIN = {408, 429, 502, 503, 504}  # statuses after which OTLP has the same request sent once more
_REASONS = ("queue_full", "refused", "ended")


class LogExportLimits(NamedTuple):
    """Bounds of the export: lines and bytes that may wait; seconds that a batch is gathered, that a request may take,
    that is waited before the first and before any later attempt, and that the end may take."""

    most_lines: int = 4_096
    most_bytes: int = 4 << 20
    gather_s: float = 1.0
    request_s: float = 10.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    end_s: float = 2.0


class _Refused(Exception):
    """The collector does not take this request, now or later."""


class _Away(Exception):
    """The collector did not take it now. `after_s`: it asks to be left alone for so long."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect of a POST would be followed by a GET, which sends nothing."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """None: the status is an error."""


class LogExporter:
    """Lines on their way to one collector. Any thread may add; one of its own sends."""

    def __init__(
        self, endpoint: str, resource: Mapping[str, object], version: str, limits: LogExportLimits | None = None
    ) -> None:
        self._url, self._user = _without_user(f"{endpoint.rstrip('/')}/v1/logs")
        self._resource, self._version = resource, version
        self._limits = limits or LogExportLimits()
        self._opener: urllib.request.OpenerDirector | None = None
        self._lock = threading.Lock()
        self._enough = threading.Event()  # a whole batch waits, or the end has begun
        self._ending = threading.Event()
        self._ends_at = float("inf")
        self._queue: deque[ExportedLine] = deque()
        self._bytes = 0
        self._batch: list[ExportedLine] = []
        self.sent = 0
        self.dropped: dict[str, float] = dict.fromkeys(_REASONS, 0.0)
        # With the fields of whoever starts it: its own lines name the service as well.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="log-export", daemon=True)

    def start(self) -> None:
        """Begin to send what is put in."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Lines that are on their way and not taken yet."""
        return len(self._queue) + len(self._batch)

    def add(self, level: str, text: str) -> None:
        """Put a line behind the others; where there is no room the oldest go. Never waits for the collector."""
        self.put(ExportedLine(time.time_ns(), level, text, *span_ids()))

    def put(self, line: ExportedLine) -> None:
        """As `add`, a line whose time and ids are known."""
        line = line._replace(text=bounded(line.level, line.text))
        with self._lock:
            self._queue.append(line)
            self._bytes += len(line.text)
            while len(self._queue) > self._limits.most_lines or self._bytes > self._limits.most_bytes:
                self._bytes -= len(self._queue.popleft().text)
                self.dropped["queue_full"] += 1
            enough = len(self._queue) >= _BATCH
        if enough:
            self._enough.set()

    def close(self) -> None:
        """Send what is left within the bound for it; what is not taken then is counted as dropped."""
        self._ends_at = time.monotonic() + self._limits.end_s
        self._ending.set()
        self._enough.set()
        self._thread.join(self._limits.end_s + 0.1)
        with self._lock:
            self.dropped["ended"] += self.waiting
            self._queue.clear()
            self._batch = []

    def _run(self) -> None:
        wait, away_since = 0.0, 0.0
        while True:
            self._rest(wait)
            ending = self._ending.is_set()  # before the queue is looked at: what is put after that is not waited for
            if not self._fill():
                if ending:
                    return
                continue
            if self._left() <= 0:
                return
            try:
                self._send()
            except _Away as away:
                if not wait:
                    away_since = time.monotonic()
                    log.warning("log.export_failing", url=self._url, reason=str(away))
                wait = max(self._next_wait(wait), min(away.after_s, self._limits.longest_wait_s))
                continue
            except _Refused as error:
                self._drop_batch()
                log.warning("log.export_refused", url=self._url, reason=str(error))
            if wait:
                lost, away_s = int(sum(self.dropped.values())), round(time.monotonic() - away_since, 1)
                log.info("log.export_resumed", url=self._url, away_s=away_s, lost=lost)
            wait = 0.0

    def _rest(self, wait: float) -> None:
        """Until it is time to send: lines are gathered for a while, a collector that was away is left alone for `wait`
        seconds; at the end neither."""
        if wait and self._ending.is_set():
            time.sleep(max(0.0, min(self._limits.first_wait_s, self._left())))
        elif wait:
            self._ending.wait(wait)
        elif len(self._queue) < _BATCH and not self._ending.is_set():
            self._enough.wait(self._limits.gather_s)
            self._enough.clear()

    def _left(self) -> float:
        """Seconds that may still be spent."""
        return self._ends_at - time.monotonic()

    def _next_wait(self, wait: float) -> float:
        longer = min(self._limits.longest_wait_s, 2 * wait) if wait else self._limits.first_wait_s
        return longer * random.uniform(0.8, 1.0)

    def _fill(self) -> bool:
        """Whether there is a batch to send: that which was not taken, or the oldest lines."""
        with self._lock:
            while self._queue and len(self._batch) < _BATCH:
                line = self._queue.popleft()
                self._bytes -= len(line.text)
                self._batch.append(line)
        return bool(self._batch)

    def _drop_batch(self) -> None:
        with self._lock:
            self.dropped["refused"] += len(self._batch)
            self._batch = []

    def _send(self) -> None:
        batch = self._batch
        try:
            body = encode_lines(batch, self._resource, self._version)
        except (ValueError, TypeError) as error:
            raise _Refused(reason_of(error)) from error
        refused = count_refused(self._post(body))
        with self._lock:
            if self._batch is batch:  # else the end has counted it already
                self.dropped["refused"] += min(refused, len(batch))
                self.sent += max(0, len(batch) - refused)
                self._batch = []

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/x-protobuf", **self._user, **_headers()}
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 (http or https: checked)
        limit = max(0.05, min(self._limits.request_s, self._left()))
        try:
            if self._opener is None:
                self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_tls()))
            with self._opener.open(request, timeout=limit) as answer:
                found: bytes = answer.read(1 << 20)
                return found
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _AGAIN:
                    raise _Away(f"HTTP {error.code}", _seconds(error.headers.get("Retry-After"))) from error
                raise _Refused(f"HTTP {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _Away(reason_of(error)) from error


def export_logs(
    endpoint: str,
    service: str,
    instance: str = "",
    *,
    metrics: Metrics | None = None,
    version: str = "",
    limits: LogExportLimits | None = None,
) -> Callable[[], None]:
    """Send log lines to the OTLP collector at `endpoint` (`http://host:4318`) from now on. The result ends it, and
    sends what is left in a bounded time.

    Each line is a record: the event is its body, the level its severity, other fields are attributes, with the trace
    and the span in which it was written. Lines carry no secrets, as everywhere (`logs.configure`). Lines of the service
    that this process has written before, and still has in memory, are sent first. `OTEL_EXPORTER_OTLP_HEADERS` and
    `OTEL_EXPORTER_OTLP_CERTIFICATE` count as they do for traces.

    Raises:
        InvalidSetting: as `check_endpoint`.
    """
    check_endpoint(endpoint)
    exporter = LogExporter(endpoint, dict(resource_of(service, instance, version).attributes), version, limits)
    if metrics is not None:
        metrics.watch("log_records_sent_total", lambda: float(exporter.sent))
        metrics.watch_each("log_records_dropped_total", "reason", lambda: exporter.dropped)
        metrics.watch("log_records_waiting", lambda: float(exporter.waiting))
    for line in logs.recent().read(limit=MOST_LINES).lines:
        if f'"service": "{service}"' in line.text:  # a fork has lines of its parent, too
            exporter.put(ExportedLine(line.ts, line.level, line.text, "", ""))
    stop = logs.hand_to(exporter.add)
    exporter.start()

    def close() -> None:
        stop()
        exporter.close()

    return close


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """The URL without user and password, and the header that carries them: an error may show the URL."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    header = {"Authorization": "Basic " + b64encode(unquote(user).encode()).decode()} if at else {}
    return urlunsplit(parts._replace(netloc=host)), header


def _headers() -> dict[str, str]:
    from opentelemetry.util.re import parse_env_headers  # noqa: PLC0415 (only who exports)

    return {
        name: value
        for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS")
        for name, value in parse_env_headers(environ.get(variable, ""), liberal=True).items()
    }


def _tls() -> ssl.SSLContext:
    of_logs = environ.get("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "")
    return ssl.create_default_context(cafile=of_logs or environ.get("OTEL_EXPORTER_OTLP_CERTIFICATE") or None)


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:  # a date: the wait of our own will do
        return 0.0
