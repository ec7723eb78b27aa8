"""JetStream by its JSON API: the options we need are newer than the client library's classes."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import structlog
from nats.aio.msg import Msg

from marketprism_sdk.errors import Fenced, NoResponders, StreamError
from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_sdk.resilience.retrying import Backoff, retry
from marketprism_sdk.tracing import Sampled

T = TypeVar("T")

log = structlog.get_logger()

API_TIMEOUT_S = 5.0
ENSURE_S = 60.0  # several elections of a stream's leader
_AGAIN = Backoff(first_s=0.25, longest_s=0.25)
NOT_FOUND = {10059, 10014, 10037}
_WRONG_LAST_SEQUENCE = 10071
UNSETTLED = 10164  # R3: an expected sequence is still on its way through the replicas, the outcome is open

DUPLICATE_IN_BATCH = 10201  # a batch holds a message that the stream knows: nothing of the batch is taken


class StoredMessage(NamedTuple):
    """A message of a stream; `pending` is how many more the consumer has, `trace` is there on a sample of messages."""

    subject: str
    seq: int
    data: bytes
    reply: str = ""
    pending: int = 0
    trace: Sampled | None = None


class PubAck(NamedTuple):
    """JetStream's receipt."""

    stream: str
    seq: int
    duplicate: bool = False


async def api(connection: NatsConnection, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One API request.

    Raises:
        StreamError: JetStream's error; retryable where it says 503.
    """
    payload = json.dumps(body).encode() if body is not None else b""
    try:
        message = await connection.request(f"$JS.API.{name}", payload, timeout_s=API_TIMEOUT_S)
    except NoResponders as error:
        raise StreamError("JetStream does not answer: is it enabled?", retryable=True) from error
    answer: dict[str, Any] = json.loads(message.data)
    refusal = answer.get("error")
    if refusal:
        raise _error_of(refusal, name)
    return answer


def _error_of(error: dict[str, Any], what: str) -> StreamError | Fenced:
    code = int(error.get("err_code", 0))
    text = f"{what}: {error.get('description', 'refused')} (error {code})"
    if code == _WRONG_LAST_SEQUENCE:
        return Fenced(text)
    # 10077 and 10047: no room now; 503: not ready yet.
    return StreamError(text, code, retryable=code in {10077, 10047, 10023} or error.get("code") == 503)


async def answered(ask: Callable[[], Awaitable[T]], stream: str, within_s: float = ENSURE_S) -> T:
    """The answer to a question that may be asked twice.

    A replicated stream that is electing its leader (5 to 10 s in nats-server) answers nothing, so the question is
    asked again until `within_s` is over.

    Raises:
        StreamError: refused for good. DeadlineExceeded, NotConnected: no answer within `within_s`.
    """

    def tell(attempt: int, _pause_s: float, error: Exception) -> None:
        if attempt == 1:
            log.warning("a stream does not answer, asking again", stream=stream, error=str(error))

    return await retry(ask, attempts=None, backoff=_AGAIN, on_retry=tell, deadline_s=within_s)


async def ensure_stream(
    connection: NatsConnection, config: dict[str, Any], within_s: float = ENSURE_S
) -> dict[str, Any]:
    """Create the stream, or bring an existing one to this configuration; returns its info.

    Asking twice is safe: creating what is there changes nothing.

    Raises:
        StreamError: another stream has its subjects, or a setting that cannot be changed differs.
        DeadlineExceeded: no answer within `within_s`.
    """
    return await answered(lambda: _ensure(connection, config), config["name"], within_s)


async def _ensure(connection: NatsConnection, config: dict[str, Any]) -> dict[str, Any]:
    name = config["name"]
    try:
        info = await api(connection, f"STREAM.INFO.{name}")
    except StreamError as error:
        if error.code not in NOT_FOUND:
            raise
        return await api(connection, f"STREAM.CREATE.{name}", config)
    current = info["config"]
    if all(current.get(key) == value for key, value in config.items()):
        return info
    return await api(connection, f"STREAM.UPDATE.{name}", {**current, **config})


async def stream_info(connection: NatsConnection, name: str, within_s: float = ENSURE_S) -> dict[str, Any]:
    """Configuration, state and creation time.

    Raises:
        StreamError: there is no such stream. DeadlineExceeded, NotConnected: no answer within `within_s`.
    """
    return await answered(lambda: api(connection, f"STREAM.INFO.{name}"), name, within_s)


async def delete_stream(connection: NatsConnection, name: str) -> None:
    """Remove a stream; one that is not there is fine."""
    try:
        await api(connection, f"STREAM.DELETE.{name}")
    except StreamError as error:
        if error.code not in NOT_FOUND:
            raise


async def direct_get_last(connection: NatsConnection, stream: str, subject: str) -> StoredMessage | None:
    """Last message of a subject (wildcards allowed), None when there is none."""
    body = json.dumps({"last_by_subj": subject}).encode()
    return await _direct(connection, stream, body)


async def leader_get_last(connection: NatsConnection, stream: str, subject: str) -> StoredMessage | None:
    """Last message of a subject as the stream's leader has it; a replica that lags behind is not asked."""
    try:
        answer = await api(connection, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
    except StreamError as error:
        if error.code in NOT_FOUND:
            return None
        raise
    message = answer["message"]
    return StoredMessage(message["subject"], int(message["seq"]), base64.b64decode(message.get("data", "")))


async def direct_get(connection: NatsConnection, stream: str, seq: int) -> StoredMessage | None:
    """The message at a sequence."""
    return await _direct(connection, stream, json.dumps({"seq": seq}).encode())


async def direct_request(connection: NatsConnection, stream: str, body: bytes) -> Msg:
    """A direct get. A replicated stream that was made a moment ago has nobody yet to answer it: that is waited for.

    Raises:
        StreamError: there is no such stream, or it allows no direct get. DeadlineExceeded, NotConnected: no answer.
    """

    async def ask() -> Msg:
        try:
            return await connection.request(f"$JS.API.DIRECT.GET.{stream}", body, timeout_s=API_TIMEOUT_S)
        except NoResponders as error:
            if await _serves_direct(connection, stream):
                raise StreamError(f"stream {stream}: no replica answers direct gets", retryable=True) from error
            raise StreamError(f"stream {stream}: expected a stream with direct get, there is none", 10059) from error

    return await retry(
        ask, attempts=None, backoff=_AGAIN, deadline_s=API_TIMEOUT_S,
        retryable=lambda error: isinstance(error, StreamError) and error.retryable,
    )  # fmt: skip


async def _serves_direct(connection: NatsConnection, stream: str) -> bool:
    try:
        info = await api(connection, f"STREAM.INFO.{stream}")
    except StreamError as error:
        if error.code in NOT_FOUND:
            return False
        raise
    return bool(info["config"].get("allow_direct"))


async def _direct(connection: NatsConnection, stream: str, body: bytes) -> StoredMessage | None:
    message = await direct_request(connection, stream, body)
    headers = message.headers or {}
    if "Nats-Sequence" not in headers:
        status = headers.get("Status", "")
        if status == "404":
            return None
        raise StreamError(f"stream {stream}: direct get: {headers.get('Description', status or 'no message')}")
    return StoredMessage(headers["Nats-Subject"], int(headers["Nats-Sequence"]), message.data)


async def publish_ack(
    connection: NatsConnection, subject: str, payload: bytes, headers: Headers = None, timeout_s: float = API_TIMEOUT_S
) -> PubAck:
    """Publish one message and wait until the stream has it.

    Raises:
        Fenced: an expectation of the headers was not met. StreamError: refused for another reason.
    """
    try:
        message = await connection.request(subject, payload, timeout_s=timeout_s, headers=headers)
    except NoResponders as error:
        raise StreamError(f"publish {subject}: expected a stream with this subject, there is none") from error
    return parse_ack(message.data, subject)


def parse_ack(data: bytes, what: str) -> PubAck:
    """Receipt of a publish, or the error it carries."""
    answer = json.loads(data)
    refusal = answer.get("error")
    if refusal:
        raise _error_of(refusal, f"publish {what}")
    return PubAck(answer["stream"], int(answer["seq"]), bool(answer.get("duplicate")))
